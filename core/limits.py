"""Every bound in one place, with its unit and why it is what it is. A full queue's policy stands beside its bound."""

from __future__ import annotations

from typing import Final

PASSED_OVER_MAX: Final = 8
"""Nearer crews an assignment's explanation names; a dispatcher reads no more."""
ROAD_CANDIDATES: Final = 24
"""Nearest eligible crews, by straight line, that are compared by road for one need. In the Almaty extract, with 30 to 1,000
free crews, the fastest of all is the nearest for 68 to 70 needs of a hundred, one of the 4 nearest for 94 to 96, of the 8 for
98 to 99, of the 16 for 99.7 to 99.96 and of the 24 for 99.8 to 100; the best of the 24 is on average no more than 0.1 s slower
than the best of all (of the 16, up to 0.5 s), and they cost a seventh more than 16."""
ROAD_DEMANDS_MAX: Final = 16
"""Needs of one batch that are compared by road, the most urgent first; what is beyond is compared by straight line. Each costs
a sixth of a millisecond, the first of a batch half of one. A centre at its daily work has fewer in a batch; in a storm of a
hundred calls a batch 64 make deciding a third dearer."""
ROAD_DEMANDS_A_S: Final = 100
"""The same a second, a relief's two ways counted as two: a country's emergency calls on its worst day are a fifth of it. Storms
make short batches, forty a second, and 16 needs and 8 reliefs in each of them would take a third of the thread that decides, of
which every batch becomes longer."""
ROAD_TREES_BYTES: Final = 32 * 1024 * 1024
"""Searches to recent destinations that are kept, for an incident that needs several crews or asks again."""
ROAD_TREES_MAX: Final = 256
"""The same in number: in a small town they are small, and looking for what is old must be cheap."""
ROAD_SAMPLES_MAX: Final = 2_000_000
"""Points on the roads among which the nearest is looked for (150 MB with their tree): a city's stand 25 m apart, those of a
map with more than 50,000 km of roads farther."""
QUEUE_LOOK: Final = 8
"""Oldest waiting needs of one priority that contend for a crew that frees, unless the policy is `nearest_free`. Sixteen, or all
of them, gain no more (`jedel compare-policies`), and a freed crew must not cost more the longer the queue is: it costs the
engine 0.6 ms where first come first served costs 0.2, and 64 would cost 1.8."""
QUEUE_OVERDUE_S: Final = 3600
"""A need that has waited so long contends with no younger one of its priority, so that nobody far away waits for ever."""
RELIEF_MIN_S: Final = 120.0
"""How much earlier a crew that frees must be there to take over from one that is on its way, by what both have to drive. Of 30,
60, 120 and 180 s, on the days and seeds for choosing, 60 and 120 spare as many late responses, and 120 changes crews a third
less often; it leaves the time for setting out, which is in neither way."""
RELIEF_CREWS: Final = 32
"""Crews freed in one batch that are looked at for it; of more, the others wait for what comes."""
RELIEF_TASKS: Final = 512
"""Tasks under way, the newest, that are compared by straight line: their crews have most of the way before them."""
RELIEF_LOOKS: Final = 8
"""Pairs of a batch that are compared by road, the most urgent first, as far as `ROAD_DEMANDS_A_S` lets them: each costs up to a
millisecond."""
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
FANOUT_TURN: Final = 256
"""Subscriptions told in one turn: a millisecond or two of the thread that decides, about as long as a batch."""
FANOUT_REST: Final = 1.0
"""For how many times what a turn took the line then rests, if there is time: telling takes half of the thread."""
FANOUT_REST_MIN_S: Final = 0.001
"""A shorter rest is not taken: the loop's timers count milliseconds."""
FANOUT_ROUND_S: Final = 0.015
"""Turns and rests of all who wait are to take no longer, and rests are shortened for it: what is committed just after a
client's turn waits for the next one, and is to be there within 50 ms."""
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
RESUME_CLOSED_BYTES: Final = 128 * 1024 * 1024
"""Views of closed incidents remembered for clients that resume; beyond it the window of batches shrinks. An incident weighs 2
to 4 kB with all that has happened to it, so a city remembers days and a storm of 200 closings a second some minutes."""
RESUME_NOTICES: Final = 8_192
"""Notices remembered for clients that resume; beyond it the window of batches shrinks."""
CLOSE_GRACE_S: Final = 5.0
"""How long a dispatch client has to take what was sent and the goodbye before its connection is aborted."""
SCENARIO_CREWS: Final = 16
"""Crews of one capability that one line of a scenario asks for, and crews of its first wave: more is a decision of people."""
SCENARIO_LINES: Final = 32
"""Crew lines, steps of a chain, people to tell, and sentences to read out, of one scenario; more nobody oversees in an hour."""
SCENARIO_TEXT: Final = 240
"""Characters of a sentence that a dispatcher reads out, and of a source: what is said in one breath and seen in two lines."""
TERM_S: Final = 604_800
"""The longest term, delay or silence of a scenario: a week, after which an open incident is a matter for people."""
PEOPLE_MAX: Final = 10_000
"""Persons in a centre's file of people; they are looked through once a telling."""
PERSON_ITEMS_MAX: Final = 64
"""Roles, territories, channels, duty times or absences of one person."""
BACK_OFF_FIRST_US: Final = 2_000_000
"""Pause before a message is tried a second time: a server that restarts takes some seconds."""
BACK_OFF_MAX_US: Final = 300_000_000
"""Longest pause between two tries: a gateway that is repaired is found within five minutes."""
TRIES_MAX: Final = 24
"""Tries of one message by one channel; with the pauses above about an hour and a half, then it has failed."""
TRIES_BEFORE_NEXT: Final = 2
"""Tries after which the person's next channel is tried as well: about three seconds, long enough for a dropped connection."""
SMS_TWICE_PRIORITY: Final = 2
"""Up to this priority an SMS that may or may not have gone out is sent again; less urgent ones are not."""
SEND_TIMEOUT_S: Final = 20.0
"""One try, from connecting to the server's answer; a mail server with greylisting answers within ten."""
SEND_LEASE_US: Final = 60_000_000
"""How long a try may be at it before it is taken for dead: three times the bound above, for a machine that stands still."""
SENDS_AT_ONCE: Final = 16
"""Tries of one channel at the same time; the others wait for the first to end, so one dead server holds up no other channel."""
RESOLVE_AT_ONCE: Final = 256
"""Tellings made into deliveries in one transaction; the rest follows in the next."""
ANSWER_MAX_BYTES: Final = 4_096
"""Of a webhook's answer, read and thrown away; a longer one is not read to its end."""
SMS_PARTS_MAX: Final = 6
"""Parts of one SMS; what is longer is cut, with an ellipsis: 400 letters of Cyrillic are read, more are not."""
SMS_WINDOW: Final = 10
"""Messages under way on one SMPP session, as SMSCs allow by default: with one at a time an SMSC that is 100 ms away takes five
a second. Parts of one message follow one another."""
VALUE_MAX_CHARS: Final = 200
"""One value in a message's words; an address or a reason that is longer is cut."""
ROSTER_FILE_MAX_BYTES: Final = 32 * 1024 * 1024
"""One roster file; a city's month is a tenth of it. A larger one is refused before it is read."""
ROSTER_ROWS_MAX: Final = 50_000
"""Rows of one import: a thousand crews of four people for twelve days. It is checked as a whole, so it stands in memory."""
ROSTER_ERRORS_MAX: Final = 200
"""Errors told of one import; who has more of them has made one mistake in every row."""
ROSTER_SHIFT_MAX_S: Final = 7 * 24 * 3600
"""Longest shift: a week's watch at a far post. Longer is a date mistyped; what meets an instant is found by it."""
ROSTER_CELL_MAX_CHARS: Final = 400
"""A cell of a roster; nobody reads a longer one."""
ROSTER_LIST_MAX: Final = 64
"""People, vehicles, means or capabilities of one shift."""
HANDOVER_INCIDENTS_MAX: Final = 10_000
"""Open incidents one act of handover lists, the most urgent first; it says how many there were."""
HANDOVER_NOTICES_MAX: Final = 1_000
"""Notices one act of handover lists, the newest first; it says how many there were."""
PATROL_ROUTES_MAX: Final = 20_000
"""Patrol routes in a file or at work; a republic's 200 districts with a hundred each."""
PATROL_VERTICES_MAX: Final = 5_000
"""Corners of one patrol route: one each 4 m of 20 km. The distance to a route costs by the corner."""
PATROL_EXTENT_MAX_DEG: Final = 2.0
"""A patrol route's height and width; across more than that the plane that its distances are measured in is off by percents."""
PATROL_CREWS_MAX: Final = 200
"""Crews one patrol route lists."""
PATROL_SHIFTS_MAX: Final = 32
"""Shifts of one timetable; three a day with other hours on each day of the week are 21."""
PATROL_CHECKPOINTS_MAX: Final = 48
"""Checkpoints of one shift: one each half hour of a whole day."""
PATROL_WIDTH_MAX_M: Final = 5_000.0
"""How far from its route a crew may be; a wider route is an area, and drawn as one."""
CONTEXT_LISTED: Final = 20
"""Earlier incidents that one list of a context shows, newest first; a dispatcher reads no more. The counts go on."""
CONTEXT_READ: Final = 200
"""Earlier incidents read for one list: some milliseconds of the thread that decides. Where there are more, the context says
that its counts are at least so many."""
CONTEXT_NUMBERS: Final = 4
"""Callers of one incident whose past is looked up, the first ones."""
CONTEXT_RESULT_CHARS: Final = 200
"""Of an earlier incident's result, as contexts show it; the whole stands with the incident."""
PAST_PHONES: Final = 100
"""Numbers under which one incident is found again: as many as its view tells of (`VIEW_EVENTS_MAX`)."""
PAST_WAITING: Final = 65_536
"""Changed incidents that wait to be put into the past, some 10 MB; beyond it they are forgotten and read back from the log."""
PAST_CHUNK: Final = 64
"""Incidents put into the past at once: about a millisecond of the thread that decides."""
CONTEXTS_WAITING: Final = 1_024
"""Incidents whose context waits to be computed beforehand; the newest are kept, and the context of one dropped is computed when
somebody asks for it."""
CONTEXTS_KEPT: Final = 1_024
"""Contexts computed beforehand and kept; the one computed longest ago goes first."""
CONTEXT_ROWS_KEPT: Final = 100_000
"""Earlier incidents in all contexts kept, some 50 MB; beyond it contexts go as above."""
CONTEXTS_ASKED: Final = 1_024
"""Contexts that dispatch clients wait for; one more is refused as `too_many`."""
CLIENT_CONTEXTS: Final = 20
"""Contexts that one dispatch client may ask for at once, after a pause: a screen of incidents."""
CLIENT_CONTEXTS_PER_S: Final = 5.0
"""Contexts that one dispatch client may ask for in the long run: faster than anybody reads. More is refused as `too_many`."""
ENGINE_STUCK_S: Final = 10.0
"""Processor time of a batch after which the engine is taken to compute for ever (`ops.processor_limit`): less than
`LOOP_STUCK_S`, after which whoever runs the process thinks of ending it."""
LOOP_STUCK_S: Final = 15.0
"""A loop that has not turned for so long is taken for dead. A batch of the largest size keeps it for a second or two."""
RECOVERY_STUCK_S: Final = 600.0
"""The same while the committed state is read back, which keeps the thread for 40 s with a million open incidents."""
COMMIT_STUCK_S: Final = 5.0
"""A commit that takes longer, without having failed, makes a centre that is not ready: its callers wait for their answer."""

TRACE_BATCHES_WAITING: Final = 16
"""Batches that wait for their spans to be made: each holds its events, so that many hold some tens of megabytes at the most."""
TRACES_PER_S: Final = 100
"""Events that have spans in a second: six spans made and sent take 0.2 ms, so 2 % of the interpreter that also decides."""
