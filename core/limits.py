"""Every bound in one place, with its unit and why it is what it is. A full queue's policy stands beside its bound."""

from __future__ import annotations

from typing import Final

PASSED_OVER_MAX: Final = 8
"""Nearer crews an assignment's explanation names; a dispatcher reads no more."""
QUEUE_LOOK: Final = 8
"""Oldest waiting needs of one priority that contend for a crew that frees, under the policy `nearest_waiting`. Sixteen, or all
of them, gain no more (`jedel compare-policies`), and a freed crew must not cost more the longer the queue is: it costs the
engine 0.6 ms where first come first served costs 0.2, and 64 would cost 1.8."""
QUEUE_OVERDUE_S: Final = 3600
"""A need that has waited so long contends with no younger one of its priority, so that nobody far away waits for ever."""
FRAME_MAX_BYTES: Final = 256 * 1024
"""One ingest frame (a JSON line or a MessagePack body). A longer one is refused before it is buffered."""
MALFORMED_RUN_MAX: Final = 1_024
"""Unreadable ingest frames in a row; one more and the peer does not speak the protocol: goodbye `too_many_malformed`."""
JSON_DEPTH_MAX: Final = 64
"""Nesting of an event; deeper is refused (msgspec itself stops near the interpreter's recursion limit)."""
HELLO_MAX_BYTES: Final = 4_096
"""The first line of an ingest connection."""
HELLO_TIMEOUT_S: Final = 10.0
"""A connection that has said no valid hello by then is closed (half-open connections)."""
IDLE_TIMEOUT_S: Final = 60.0
"""Silence after which a peer is taken for dead; the centre sends a heartbeat at a third of it."""
CONNECTIONS_MAX: Final = 4096
"""Open ingest connections; one more is answered with goodbye `too_many_connections`."""
HALF_OPEN_MAX: Final = 512
"""Connections before their hello; one more makes the oldest of them go."""
WINDOW_EVENTS: Final = 16_384
"""Events a source may have unacknowledged; beyond it its connection is not read (TCP pushes back)."""
WINDOW_BYTES: Final = 4 * 1024 * 1024
"""The same in bytes."""
INLET_BYTES: Final = 256 * 1024 * 1024
"""All chunks waiting for the engine. Beyond it, those without urgent events are not read. Decoded, a byte takes about five."""
INLET_RESERVE_BYTES: Final = 64 * 1024 * 1024
"""Room beyond it for urgent events: seven minutes of 500 calls a second. When it is used up too, nobody is read."""
BATCH_EVENTS: Final = 8_192
"""Events one batch takes; a larger one only makes the commit, and so the acknowledgement, later."""
URGENT_WEIGHT: Final = 16
"""Urgent events count as so many of `BATCH_EVENTS`. Deciding a call costs what forty plate reads cost, and calls decided
together contend for the same crews: 8,000 in one batch cost half as much again as 500 at a time, and the first waits for the
last."""
COMMAND_MEMORY: Final = 100_000
"""Answered command ids kept in memory for safe retries; older ones are looked up nowhere and run anew."""
CLIENTS_MAX: Final = 2_048
"""Open dispatch connections."""
CLIENT_PENDING_INCIDENTS: Final = 65_536
"""Conflated incidents waiting for one slow client; beyond it the client is cut with goodbye `too_slow`."""
CLIENT_BUFFER_BYTES: Final = 8 * 1024 * 1024
"""Bytes handed to one client's socket and not yet sent; beyond it updates wait, conflated."""
RESUME_BATCHES: Final = 8_192
"""Batches whose changes are remembered for clients that resume; an older cursor gets a fresh snapshot."""
VIEW_EVENTS_MAX: Final = 100
"""Events an incident's view tells of; an earthquake must not make one view grow with every call."""
VIEW_NOTES_MAX: Final = 100
"""Notes an incident's view shows, the latest ones; all of them stand in its log."""
VIEW_REFUSALS_MAX: Final = 64
"""Crews that did not go, as an incident's view remembers them; one refused longer ago may be asked again."""
CORRELATE_SCAN_MAX: Final = 64
"""Open incidents compared with an event in one cell of the grid, newest first."""
CLIENT_SUBSCRIPTIONS: Final = 16
"""Subscriptions of one dispatch client; one more is refused."""
CLIENT_COMMANDS: Final = 256
"""Commands of one dispatch client still without an answer; one more is refused."""
COMMANDS_WAITING: Final = 65_536
"""Commands of all dispatch clients, also of those that have left, still without an answer; one more is refused."""
CLIENT_ERRORS: Final = 100
"""Refused messages in a row after which a dispatch client is cut."""
FILTER_ITEMS: Final = 256
"""Territories, categories or crews that one filter lists."""
SNAPSHOT_PART_BYTES: Final = 256 * 1024
"""Views in one part of a snapshot; the next part waits until the client's socket takes it."""
CHANGES_BYTES: Final = 1024 * 1024
"""Views in one message of changes that is shared by all clients with the same filter; more of them go in parts."""
SNAPSHOT_STEP: Final = 4_096
"""Incidents, crews and positions looked at for one part, so that a large snapshot does not hold up the loop."""
RESUME_CLOSED: Final = 262_144
"""Closed incidents remembered for clients that resume; beyond it the window of batches shrinks."""
RESUME_NOTICES: Final = 8_192
"""Notices remembered for clients that resume; beyond it the window of batches shrinks."""
CLOSE_GRACE_S: Final = 5.0
"""How long a dispatch client has to take what was sent and the goodbye before its connection is aborted."""
