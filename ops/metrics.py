"""The catalogue of metrics: every family's name, kind, labels and meaning, in one place.

Place in the flow: beside it. `ops.exposition` fills these and no others; `ops.measure` counts what they show. Rules:
- Names follow Prometheus' conventions: base units last, `_total` for what only grows.
- A label's values are the words of `core.vocabulary` and its like, so a reason is the same in metric, log and audit. No label
  grows with the centre: sources are named up to `SOURCES_NAMED`, crews, people and incidents never.
- The table in `ops/METRICS.md` is this one; `tests/ops/test_metrics.py` compares them.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

import msgspec

from core.tally import DURATIONS_S

SOURCES_NAMED: Final = 100
"""Sources with series of their own: those of the configuration first, then whoever comes first. All others share `OTHER`."""
SOURCES_REMEMBERED: Final = 65_536
"""Sources that `jedel_sources` tells apart beyond those."""
OTHER: Final = "other"


class Kind(Enum):
    """How a family is read."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Family(msgspec.Struct, frozen=True):
    """One family of the exposition."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    help: str
    """What it counts or shows, as the exposition and `ops/METRICS.md` say it."""
    bounds: tuple[float, ...] = ()
    """Upper bounds of a histogram's buckets."""


def _counter(name: str, text: str, *labels: str) -> Family:
    return Family(name, Kind.COUNTER, labels, text)


def _gauge(name: str, text: str, *labels: str) -> Family:
    return Family(name, Kind.GAUGE, labels, text)


def _histogram(name: str, bounds: tuple[float, ...], text: str, *labels: str) -> Family:
    return Family(name, Kind.HISTOGRAM, labels, text, bounds)


RESPONSE_S: Final = (10.0, 15.0, 20.0, 40.0, 60.0, 64.0, 90.0, 106.0, 240.0, 480.0, 900.0, 1800.0, 3600.0, 14_400.0)
"""The field's targets: NENA-STA-020 (15, 20 s), NFPA 1221 (64, 106 s), 1225 (60 s) and 1710 (240 s); then eight minutes on."""
LATENESS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 600.0, 3600.0)
BATCH_EVENTS: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 2048.0, 4096.0, 8192.0, 16_384.0)

# The process and its lives.
BUILD_INFO: Final = _gauge("jedel_build_info", "Always 1; the version that runs, and its Python.", "version", "python")
STATE: Final = _gauge(
    "jedel_state", "1 for what the process is now: starting, standby, recovering, active, draining, stopped.", "state"
)
READY: Final = _gauge("jedel_ready", "1 while /readyz answers 200: the process is active and takes events.")
HINDRANCE: Final = _gauge("jedel_hindrance", "1 for each reason for which /readyz says no, else 0.", "reason")
EPOCH: Final = _gauge("jedel_epoch", "The centre's epoch under which this process last became active; 0 before.")
LIVES_ENDED: Final = _counter(
    "jedel_lives_ended_total", "Active lives of this process that ended, by what ended them.", "reason"
)
MODE: Final = _gauge("jedel_mode", "1 for the legal mode that the centre works in.", "mode")

# The flow, stage by stage.
STAGE_HANDLED: Final = _counter(
    "jedel_stage_handled_total",
    "What a stage has worked on: decode events, identify callers, locate and correlate events that tell of a happening,"
    " assign needs, persist batches, acknowledge sources, publish changes.",
    "stage",
)
STAGE_ERRORS: Final = _counter(
    "jedel_stage_errors_total",
    "What a stage could not do, by reason: events refused, look-ups given up, events without a place, needs without a crew,"
    " commits that failed and were tried again.",
    "stage",
    "reason",
)
STAGE_DURATION: Final = _histogram(
    "jedel_stage_duration_seconds",
    DURATIONS_S,
    "Time a stage took for one batch (decode: for one read); decide is the engine's whole batch, terms and locate to assign"
    " are parts of it. Locate holds naming the callers, correlate obeying orders.",
    "stage",
)
EVENTS: Final = _counter("jedel_events_total", "Events committed, by kind; what was taken before is not counted again.", "kind")
DECISIONS: Final = _counter(
    "jedel_decisions_total",
    "Why the engine decided as it did: caller (how the number was known), place (where evidence came from), category,"
    " incident (why an event belongs to it), crew (why this one).",
    "decision",
    "reason",
)
FACTS: Final = _counter("jedel_facts_total", "Lines of incidents' logs committed, by fact.", "fact")
COMMANDS: Final = _counter("jedel_commands_total", "Commands answered: done, or why not.", "reason")
COMMIT_EVENTS: Final = _histogram("jedel_commit_events", BATCH_EVENTS, "Events of one committed batch that has any.")
ACKNOWLEDGEMENT: Final = _histogram(
    "jedel_acknowledgement_seconds",
    DURATIONS_S,
    "From an event's read to its acknowledgement, after the commit; by event: call (calls and their updates), urgent (alarms"
    " and crews' statuses), other.",
    "urgency",
)
LAST_COMMIT: Final = _gauge("jedel_last_commit_timestamp_seconds", "When a batch was last committed, in Unix time; 0 before.")
COMMIT_UNDER_WAY: Final = _gauge(
    "jedel_commit_under_way_seconds", "How long the present commit has been at it; 0 where none is."
)

# What waits, and its bound.
INLET_BYTES: Final = _gauge("jedel_inlet_bytes", "Bytes of events that wait to be decided.")
INLET_LIMIT: Final = _gauge("jedel_inlet_limit_bytes", "Beyond it sources without urgent events are not read.")
INLET_HELD: Final = _gauge("jedel_inlet_held_connections", "Connections that are not read because the inlet is full.")
COMMIT_WAITING: Final = _gauge("jedel_commit_waiting_batches", "Batches decided and not committed yet.")
COMMIT_LIMIT: Final = _gauge("jedel_commit_waiting_limit_batches", "With so many nothing more is decided.")
CLIENT_BUFFER: Final = _gauge("jedel_client_buffer_bytes", "Bytes not yet taken by the slowest dispatch client, each second.")
CLIENT_BUFFER_LIMIT: Final = _gauge("jedel_client_buffer_limit_bytes", "At it a dispatch client is cut.")
OUTBOX_WAITING: Final = _gauge(
    "jedel_outbox_waiting_messages",
    "Tellings and messages to people that wait in the outbox, counted twice a minute or oftener.",
)
OUTBOX_OVERDUE: Final = _gauge("jedel_outbox_overdue_seconds", "How long the oldest of them has been due.")

# Sources.
SOURCES: Final = _gauge("jedel_sources", "Sources from which anything was committed since the process started.")
SOURCE_EVENTS: Final = _counter("jedel_source_events_total", "Events of a source committed, the refused ones too.", "source")
SOURCE_REJECTED: Final = _counter("jedel_source_rejected_total", "Events of a source that were refused.", "source")
SOURCE_LAG: Final = _gauge(
    "jedel_source_lag_seconds", "From the time that a source gave its newest event to the event's commit.", "source"
)
SOURCE_LAST_SEEN: Final = _gauge(
    "jedel_source_last_seen_timestamp_seconds", "When events of a source were last committed, in Unix time.", "source"
)
SOURCE_CONNECTED: Final = _gauge(
    "jedel_source_connected", f"1 while a source has a session; of `{OTHER}`, how many have one.", "source"
)
INGEST_CONNECTIONS: Final = _gauge("jedel_ingest_connections", "Connections of sources.")
INGEST_LIMIT: Final = _gauge("jedel_ingest_connections_limit", "One more is turned away.")
INGEST_HALF_OPEN: Final = _gauge("jedel_ingest_half_open_connections", "Connections that have not said hello yet.")
INGEST_GOODBYES: Final = _counter("jedel_ingest_goodbyes_total", "Source sessions that the centre ended, by reason.", "reason")

# Incidents, crews, terms.
OPEN_INCIDENTS: Final = _gauge("jedel_open_incidents", "Open incidents.", "state", "priority")
WAITING_OLDEST: Final = _gauge(
    "jedel_waiting_oldest_seconds",
    "How long the need has waited for a crew that has waited longest, by its incident's priority; 0 where none waits. Shown by"
    " the active process.",
    "priority",
)
RESPONSE: Final = _histogram(
    "jedel_call_response_seconds",
    RESPONSE_S,
    "From an incident's opening until its first crew was assigned, first accepted, first was on scene; by priority at that"
    " moment.",
    "until",
    "priority",
)
CREWS: Final = _gauge("jedel_crews", "Crews known to the centre.", "state")
RUNNING_TERMS: Final = _gauge("jedel_running_terms", "Terms that run, and steps of passed terms that are still to come.")
TERMS_FIRED: Final = _counter(
    "jedel_terms_fired_total", "Terms that passed and later steps of them, by what was done.", "term", "step"
)
TERM_LATENESS: Final = _histogram(
    "jedel_term_lateness_seconds", LATENESS_S, "How long after it was due a term fired; after an outage that is its length."
)

# Dispatch clients and people.
CLIENTS: Final = _gauge("jedel_dispatch_clients", "Dispatch clients.")
CLIENTS_LIMIT: Final = _gauge("jedel_dispatch_clients_limit", "One more is turned away.")
CLIENT_MESSAGES: Final = _counter("jedel_dispatch_messages_total", "Messages of subscriptions handed to clients' sockets.")
CLIENT_BYTES: Final = _counter("jedel_dispatch_sent_bytes_total", "Their bytes.")
CLIENT_ENCODINGS: Final = _counter(
    "jedel_dispatch_encodings_total", "Messages put together; what clients got beyond it was shared."
)
CONFLATED: Final = _counter(
    "jedel_dispatch_conflated_total", "Changes that took the place of an earlier one which some client had not been told yet."
)
CLIENT_GOODBYES: Final = _counter(
    "jedel_dispatch_goodbyes_total", "Dispatch clients that the centre sent away, by reason; too_slow were cut.", "reason"
)
NOTICES: Final = _counter("jedel_notices_total", "Notices to dispatch clients, by what they are about.", "occasion")
TELLINGS: Final = _counter("jedel_tellings_total", "What people must be told, as decided and committed.", "template")
UNREACHED: Final = _counter("jedel_tellings_unreached_total", "Tellings for which nobody was found.")
DELIVERIES: Final = _counter(
    "jedel_deliveries_total", "Tries to reach a person by a channel: sent, or the fault.", "channel", "outcome"
)

# The process from within.
LOOP_LAG: Final = _histogram(
    "jedel_loop_lag_seconds",
    DURATIONS_S,
    "How late a loop comes to what it should do now: host (sockets) and trio (tasks).",
    "loop",
)
LOOP_BEAT: Final = _gauge("jedel_loop_beat_timestamp_seconds", "When a loop was last seen to turn, in Unix time.", "loop")
TIME_AHEAD: Final = _gauge(
    "jedel_time_ahead_seconds",
    "How far the centre's time is ahead of its machine's clock, which was set back: it goes a tenth slower until they meet.",
)
GC_PAUSE: Final = _histogram("jedel_gc_pause_seconds", DURATIONS_S, "Pauses of the garbage collector.", "generation")

# What comes to an end by itself.
DISK_FREE: Final = _gauge(
    "jedel_disk_free_bytes",
    "Bytes free on the disk of a folder: data (database.data_dir), and where the active process sees them on its machine and"
    " they have disks of their own database (the server's data directory) and wal (its WAL).",
    "folder",
)
DISK_SIZE: Final = _gauge("jedel_disk_size_bytes", "Bytes of that disk in all.", "folder")
DATABASE_SIZE: Final = _gauge(
    "jedel_database_size_bytes",
    "Bytes of the centre's database; the active process asks for it and for the WAL every five minutes.",
)
WAL_KEPT: Final = _gauge(
    "jedel_database_wal_kept_bytes", "Bytes of WAL that the server keeps, where the role of database.dsn may know (pg_monitor)."
)
WAL_OLDEST: Final = _gauge(
    "jedel_database_wal_oldest_timestamp_seconds",
    "When the oldest file of that WAL was written last, in Unix time; far back where WAL is kept for somebody who does not take"
    " it.",
)
CERTIFICATE_EXPIRY: Final = _gauge(
    "jedel_tls_certificate_expiry_timestamp_seconds",
    "When the certificate expires that the listeners show, in Unix time; not there without TLS.",
)

CATALOGUE: Final[tuple[Family, ...]] = tuple(value for value in list(globals().values()) if isinstance(value, Family))
"""All of them, in the order above."""
