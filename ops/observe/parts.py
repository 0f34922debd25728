"""The dashboard's rows about the centre's parts: clients, storage, the process, sources, tellings."""

from __future__ import annotations

from typing import Final

from ops.observe.dashboard import BAD, DOUBTFUL, GOOD, Panel, Query, Row, Unit
from ops.observe.promql import JOB, active, or_none, quantile, rate

PERSIST: Final = 'stage="persist"'
BEAT: Final = f"jedel_loop_beat_timestamp_seconds{{{JOB}}}"

WATCHES: Final = Row(
    "Who watches?",
    (
        Panel(
            "Dispatch clients",
            Unit.NUMBER,
            "Dispatchers' maps, crews' terminals, boards.",
            (Query(f"sum (jedel_dispatch_clients{{{JOB}}})", "clients"),),
        ),
        Panel(
            "Messages",
            Unit.PER_SECOND,
            "Handed to clients' sockets, and put together; what is between them was shared.",
            (
                Query(rate("jedel_dispatch_messages_total"), "handed over"),
                Query(rate("jedel_dispatch_encodings_total"), "put together"),
            ),
        ),
        Panel(
            "Sent",
            Unit.BYTES_PER_SECOND,
            "Bytes of these messages.",
            (Query(rate("jedel_dispatch_sent_bytes_total"), "sent"),),
        ),
        Panel(
            "Changes conflated",
            Unit.PER_SECOND,
            "Changes that replaced one which some client had not been told yet: clients that do not keep up get fewer.",
            (Query(rate("jedel_dispatch_conflated_total"), "conflated"),),
        ),
        Panel(
            "Clients sent away, 10 min",
            Unit.NUMBER,
            "By reason; too_slow were cut (JedelSlowClientsCut).",
            (
                Query(
                    or_none(f"sum by (reason) (increase(jedel_dispatch_goodbyes_total{{{JOB}}}[10m])) > 0", "reason"),
                    "{{reason}}",
                ),
            ),
        ),
        Panel(
            "Commands",
            Unit.PER_SECOND,
            "Answered: done, or why not.",
            (Query(or_none(rate("jedel_commands_total", "reason"), "reason"), "{{reason}}"),),
        ),
    ),
)

STORES: Final = Row(
    "What is stored?",
    (
        Panel(
            "Events of a commit",
            Unit.NUMBER,
            "Larger batches mean that more came while the one before was committed.",
            (
                Query(quantile(0.5, "jedel_commit_events"), "p50"),
                Query(quantile(0.99, "jedel_commit_events"), "p99"),
            ),
        ),
        Panel(
            "Commit",
            Unit.SECONDS,
            "The database's share of an acknowledgement.",
            (
                Query(quantile(0.5, "jedel_stage_duration_seconds", where=PERSIST), "p50"),
                Query(quantile(0.99, "jedel_stage_duration_seconds", where=PERSIST), "p99"),
            ),
            ((0.1, BAD),),
        ),
        Panel(
            "Commits",
            Unit.PER_SECOND,
            "Batches committed, and tries that failed, by reason (JedelCommitsFail).",
            (
                Query(rate("jedel_stage_handled_total", where=PERSIST), "committed"),
                Query(or_none(rate("jedel_stage_errors_total", "reason", PERSIST) + " > 0", "reason"), "failed {{reason}}"),
            ),
        ),
        Panel(
            "Commit under way",
            Unit.SECONDS,
            "How long the present commit has been at it; above 5 s the centre is not ready (JedelCommitStuck).",
            (Query(f"max (jedel_commit_under_way_seconds{{{JOB}}})", "under way"),),
            ((5, BAD),),
        ),
        Panel(
            "Free on the disks",
            Unit.BYTES,
            "Of jedel's folder, and of the server's database and WAL where they lie on this machine and on other disks. Below"
            " 2 GiB: JedelDiskNearlyFull.",
            (Query(f"min by (instance, folder) (jedel_disk_free_bytes{{{JOB}}})", "{{instance}} {{folder}}"),),
        ),
        Panel(
            "Database and WAL",
            Unit.BYTES,
            "What the database takes, and the WAL that its server keeps, as far as the role of database.dsn may know.",
            (
                Query(or_none(f"max (jedel_database_size_bytes{{{JOB}}})", "what"), "database"),
                Query(or_none(f"max (jedel_database_wal_kept_bytes{{{JOB}}})", "what"), "WAL"),
            ),
        ),
        Panel(
            "Oldest WAL",
            Unit.SECONDS,
            "Since the oldest file that the server keeps was written last. It grows without end where a replica or the archive"
            " takes nothing.",
            (
                Query(
                    or_none(f"time() - min (jedel_database_wal_oldest_timestamp_seconds{{{JOB}}})", "what"),
                    "oldest",
                ),
            ),
        ),
        Panel(
            "Lines of incidents' logs",
            Unit.PER_SECOND,
            "Committed, by fact.",
            (Query(or_none(rate("jedel_facts_total", "fact") + " > 0", "fact"), "{{fact}}"),),
        ),
        Panel(
            "Lives ended, 1 h",
            Unit.NUMBER,
            "By what ended them: lost is the lock on the centre, unreachable the database (JedelLivesEnd).",
            (Query(f"sum by (reason) (increase(jedel_lives_ended_total{{{JOB}}}[1h]))", "{{reason}}"),),
        ),
    ),
)

PROCESS: Final = Row(
    "How is the process?",
    (
        Panel(
            "Loop lag, p99",
            Unit.SECONDS,
            "How late a loop comes to what it should do now: host (sockets), trio (tasks). Above 0.25 s: JedelLoopLate.",
            (Query(quantile(0.99, "jedel_loop_lag_seconds", "loop"), "{{loop}}"),),
            ((0.25, BAD),),
        ),
        Panel(
            "Memory",
            Unit.BYTES,
            "Resident, by process. Steady growth over hours: JedelMemoryGrows.",
            (Query(f"process_resident_memory_bytes{{{JOB}}}", "{{instance}}"),),
        ),
        Panel(
            "CPU",
            Unit.SHARE,
            "Of one core, by process. One thread decides: near 1 the centre is at its end.",
            (Query(f"rate(process_cpu_seconds_total{{{JOB}}}[$__rate_interval])", "{{instance}}"),),
            ((0.8, DOUBTFUL), (1, BAD)),
        ),
        Panel(
            "Garbage collector",
            Unit.SHARE,
            "The share of time for which it stops the process, by generation.",
            (Query(rate("jedel_gc_pause_seconds_sum", "generation"), "generation {{generation}}"),),
        ),
        Panel(
            "Open files",
            Unit.SHARE,
            "Of those that the process may have open, sockets among them (JedelFilesNearBound).",
            (Query(f"process_open_fds{{{JOB}}} / process_max_fds{{{JOB}}}", "{{instance}}"),),
            ((0.8, BAD),),
            most=1,
        ),
        Panel(
            "Since a loop turned",
            Unit.SECONDS,
            "Seconds since a loop was last seen to turn; above 15 s the process is taken for dead (JedelLoopStuck).",
            (Query(f"time() - min by (instance, loop) (jedel_loop_beat_timestamp_seconds{{{JOB}}})", "{{instance}} {{loop}}"),),
            ((15, BAD),),
        ),
        Panel(
            "Certificate expires in",
            Unit.SECONDS,
            "The listeners' certificate, by process; none without TLS (JedelCertificateExpires).",
            (
                Query(
                    or_none(
                        f"min by (instance) (jedel_tls_certificate_expiry_timestamp_seconds{{{JOB}}}) - time()", "instance"
                    ),
                    "{{instance}}",
                ),
            ),
            ((0, DOUBTFUL), (14 * 86_400, GOOD)),
            first=BAD,
            from_zero=False,
        ),
        Panel(
            "Clock",
            Unit.SECONDS,
            "How far the process's clock is before Prometheus' own (JedelClockOff); some tenths of a second behind is none.",
            (Query(f"max by (instance) ({BEAT} - timestamp({BEAT}))", "{{instance}}"),),
            from_zero=False,
        ),
        Panel(
            "Time ahead",
            Unit.SECONDS,
            "How far the centre's time is before its process's clock, which was set back (JedelTimeAhead).",
            (Query(f"max by (instance) (jedel_time_ahead_seconds{{{JOB}}})", "{{instance}}"),),
        ),
    ),
)

SOURCES: Final = Row(
    "What do sources say?",
    (
        Panel(
            "Events by source",
            Unit.PER_SECOND,
            "Committed, the refused ones too.",
            (Query(or_none(rate("jedel_source_events_total", "source"), "source"), "{{source}}"),),
        ),
        Panel(
            "Refused by source",
            Unit.PER_SECOND,
            "Events that were refused; they stand in the table rejected_event (JedelSourceRefused).",
            (Query(or_none(rate("jedel_source_rejected_total", "source"), "source"), "{{source}}"),),
        ),
        Panel(
            "Lag",
            Unit.SECONDS,
            "From the time that a source gave its newest event to the commit: its queue, or its clock (JedelSourceLags).",
            (Query(or_none(f"max by (source) ({active(f'jedel_source_lag_seconds{{{JOB}}}')})", "source"), "{{source}}"),),
            ((30, BAD),),
        ),
        Panel(
            "Silent for",
            Unit.SECONDS,
            "Since anything of a source was committed.",
            (
                Query(
                    or_none(
                        f"time() - max by (source) ({active(f'jedel_source_last_seen_timestamp_seconds{{{JOB}}}')})", "source"
                    ),
                    "{{source}}",
                ),
            ),
        ),
        Panel(
            "Connected",
            Unit.NUMBER,
            "1 while a source has a session (JedelSourceAway).",
            (Query(or_none(f"max by (source) ({active(f'jedel_source_connected{{{JOB}}}')})", "source"), "{{source}}"),),
        ),
        Panel(
            "Sessions ended by the centre, 10 min",
            Unit.NUMBER,
            "By the reason of the goodbye; finished is the source's own wish.",
            (Query(or_none(f"sum by (reason) (increase(jedel_ingest_goodbyes_total{{{JOB}}}[10m]))", "reason"), "{{reason}}"),),
        ),
    ),
)

TELLINGS: Final = Row(
    "Are people told?",
    (
        Panel(
            "Waiting in the outbox",
            Unit.NUMBER,
            "Tellings and messages to people that wait.",
            (Query(f"sum (jedel_outbox_waiting_messages{{{JOB}}})", "waiting"),),
        ),
        Panel(
            "Overdue",
            Unit.SECONDS,
            "How long the oldest of them has been due (JedelTellingsOverdue).",
            (Query(f"max (jedel_outbox_overdue_seconds{{{JOB}}})", "overdue"),),
            ((120, BAD),),
        ),
        Panel(
            "Tries to reach people",
            Unit.PER_SECOND,
            "By channel: sent, or the fault (JedelChannelFails).",
            (Query(or_none(rate("jedel_deliveries_total", "channel, outcome"), "channel"), "{{channel}} {{outcome}}"),),
        ),
        Panel(
            "Tellings",
            Unit.PER_SECOND,
            "What people must be told, by what it is.",
            (Query(or_none(rate("jedel_tellings_total", "template"), "template"), "{{template}}"),),
        ),
        Panel(
            "Nobody found, 1 h",
            Unit.NUMBER,
            "Tellings for which the file of people had nobody (JedelNobodyToTell).",
            (Query(f"sum (increase(jedel_tellings_unreached_total{{{JOB}}}[1h]))", "unreached"),),
            ((1, BAD),),
        ),
        Panel(
            "Notices to dispatch clients",
            Unit.PER_SECOND,
            "By what they are about.",
            (Query(or_none(rate("jedel_notices_total", "occasion"), "occasion"), "{{occasion}}"),),
        ),
    ),
)
