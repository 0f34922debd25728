"""The dashboard's rows about calls: whether they are served, how quickly crews go, what waits."""

from __future__ import annotations

from typing import Final

from ops.observe.dashboard import BAD, DOUBTFUL, GOOD, Panel, Query, Row, Unit
from ops.observe.promql import JOB, active, of_bound, or_none, quantile, rate, within

ACK: Final = "jedel_acknowledgement_seconds"
OF_CALLS: Final = 'urgency="call"'
RESPONSE: Final = "jedel_call_response_seconds"
URGENT: Final = 'kind=~"call|call_update|alarm|crew_status"'
NOT_URGENT: Final = 'kind!~"call|call_update|alarm|crew_status"'
REFUSED: Final = 'stage=~"decode|correlate"'
ASSIGNED: Final = 'until="assigned"'
ON_SCENE: Final = 'until="on_scene"'
WITHOUT_CREW: Final = f'jedel_open_incidents{{{JOB},state=~"opened|queued",priority=~"1|2"}}'

SERVED: Final = Row(
    "Are calls served?",
    (
        Panel(
            "Ready",
            Unit.NUMBER,
            "Processes that take events. 0: nobody's call is taken (JedelNoActiveProcess).",
            (Query(f"sum (jedel_ready{{{JOB}}})", "ready"),),
            ((1, GOOD),),
            first=BAD,
            stat=True,
            width=4,
        ),
        Panel(
            "Processes",
            Unit.NUMBER,
            "How many processes are in which state: one active, and at least one standby to take over.",
            (Query(f"count by (state) (jedel_state{{{JOB}}} == 1)", "{{state}}"),),
            stat=True,
            width=6,
        ),
        Panel(
            "Calls acknowledged within 100 ms, 1 h",
            Unit.SHARE,
            "The objective is 99.9 % (JedelAcknowledgementsSlow). Of calls and what operators add to them; 100 % where"
            " there were none.",
            (Query(f"({within(ACK, '0.1', OF_CALLS, '1h')}) >= 0 or vector(1)", "within 100 ms"),),
            ((0.99, DOUBTFUL), (0.999, GOOD)),
            first=BAD,
            stat=True,
            width=5,
        ),
        Panel(
            "Error budget burnt",
            Unit.NUMBER,
            "How many times faster than a month's budget allows: 1 lasts the month, 14.4 for an hour burns a fiftieth of it.",
            (
                Query(f"(1 - {within(ACK, '0.1', OF_CALLS, '1h')}) / 0.001 >= 0 or vector(0)", "1 h"),
                Query(f"(1 - {within(ACK, '0.1', OF_CALLS, '6h')}) / 0.001 >= 0 or vector(0)", "6 h"),
            ),
            ((1, DOUBTFUL), (6, BAD)),
            stat=True,
            width=5,
        ),
        Panel(
            "Late terms, 1 h",
            Unit.NUMBER,
            "Terms that fired more than a second after they were due. The objective is none (JedelTermsLate).",
            (
                Query(
                    f"sum (increase(jedel_term_lateness_seconds_count{{{JOB}}}[1h]))"
                    f' - sum (increase(jedel_term_lateness_seconds_bucket{{{JOB},le="1.0"}}[1h]))',
                    "late",
                ),
            ),
            ((0.5, BAD),),
            stat=True,
            width=4,
        ),
        Panel(
            "Calls, alarms and crews' words",
            Unit.PER_SECOND,
            "Urgent events committed. None at a time of day when there always are some: look at the sources.",
            (Query(rate("jedel_events_total", "kind", URGENT), "{{kind}}"),),
            stacked=True,
        ),
        Panel(
            "Acknowledgement of calls",
            Unit.SECONDS,
            "From a call's read to its acknowledgement, after the commit. The line is the objective for 99.9 %.",
            (
                Query(quantile(0.5, ACK, where=OF_CALLS), "p50"),
                Query(quantile(0.99, ACK, where=OF_CALLS), "p99"),
                Query(quantile(0.999, ACK, where=OF_CALLS), "p99.9"),
            ),
            ((0.1, BAD),),
        ),
        Panel(
            "Acknowledgement by urgency, p99",
            Unit.SECONDS,
            "Calls, what goes first as they do (alarms, crews' statuses), and all others, which may wait under a flood.",
            (Query(quantile(0.99, ACK, "urgency"), "{{urgency}}"),),
            ((0.1, BAD),),
        ),
        Panel(
            "What was refused or failed",
            Unit.PER_SECOND,
            "By stage and reason: internal_fault is a fault of ours (JedelEngineFault), the rest mostly the sources' (the panel"
            " of their refusals says whose).",
            (
                Query(
                    or_none(rate("jedel_stage_errors_total", "stage, reason", REFUSED) + " > 0", "reason"),
                    "{{stage}} {{reason}}",
                ),
            ),
        ),
        Panel(
            "Why a process is not ready",
            Unit.NUMBER,
            "1 for each reason for which /readyz says no; a standby's is standby.",
            (Query(or_none(f"max by (reason) (jedel_hindrance{{{JOB}}}) > 0", "reason"), "{{reason}}"),),
            most=1,
        ),
        Panel(
            "Other events",
            Unit.PER_SECOND,
            "Sensors, cameras, plates and positions committed. They wait when there is more than can be decided.",
            (Query(rate("jedel_events_total", "kind", NOT_URGENT), "{{kind}}"),),
            stacked=True,
        ),
        Panel(
            "What a stage takes",
            Unit.SECONDS,
            "p99 for one batch, by stage: where the time of an acknowledgement goes.",
            (Query(quantile(0.99, "jedel_stage_duration_seconds", "stage"), "{{stage}}"),),
        ),
    ),
)

QUICK: Final = Row(
    "How quickly do crews go?",
    (
        Panel(
            "From opening to the first crew, p90",
            Unit.SECONDS,
            "Until the first crew was assigned, accepted, was on scene; over an hour. The field: assigned within 60 s"
            " (NFPA 1225), a first engine there within 240 s (NFPA 1710), elsewhere eight minutes.",
            (Query(or_none(quantile(0.9, RESPONSE, "until", span="1h"), "until"), "{{until}}"),),
            ((60, DOUBTFUL), (480, BAD)),
        ),
        Panel(
            "The same, p50",
            Unit.SECONDS,
            "The median beside the p90: far apart, and some calls wait for a crew while most do not.",
            (Query(or_none(quantile(0.5, RESPONSE, "until", span="1h"), "until"), "{{until}}"),),
        ),
        Panel(
            "Within the field's targets, 1 h",
            Unit.SHARE,
            "Shares of incidents: a crew assigned within 60 s (NFPA 1225 wants 90 %), on scene within eight minutes. No value"
            " where there was no call within the hour.",
            (
                Query(f"({within(RESPONSE, '60.0', ASSIGNED, '1h')}) >= 0", "assigned within 60 s"),
                Query(f"({within(RESPONSE, '480.0', ON_SCENE, '1h')}) >= 0", "on scene within 480 s"),
            ),
            ((0.9, GOOD),),
            first=DOUBTFUL,
            most=1,
        ),
        Panel(
            "Crews",
            Unit.NUMBER,
            "How many are free, on their way, busy. No free ones: the next call waits.",
            (Query(f"sum by (state) ({active(f'jedel_crews{{{JOB}}}')})", "{{state}}"),),
            stacked=True,
        ),
        Panel(
            "Why this crew",
            Unit.PER_SECOND,
            "Reasons of assignments.",
            (Query(or_none(rate("jedel_decisions_total", "reason", 'decision="crew"'), "reason"), "{{reason}}"),),
        ),
        Panel(
            "Needs without a crew",
            Unit.PER_SECOND,
            "Needs that no crew could be found for at once; they wait in the queue (JedelCallsUnassigned).",
            (Query(rate("jedel_stage_errors_total", where='stage="assign"'), "no crew"),),
        ),
    ),
)

WAITS: Final = Row(
    "What waits?",
    (
        Panel(
            "Share of each bound",
            Unit.SHARE,
            "What waits, by its bound. Beyond the inlet's, sources are not read; beyond the others peers are turned away.",
            (
                Query(of_bound("inlet_bytes", "inlet_limit_bytes"), "inlet"),
                Query(of_bound("commit_waiting_batches", "commit_waiting_limit_batches"), "batches to commit"),
                Query(of_bound("client_buffer_bytes", "client_buffer_limit_bytes"), "slowest client's buffer"),
                Query(of_bound("ingest_connections", "ingest_connections_limit"), "sources' connections"),
                Query(of_bound("dispatch_clients", "dispatch_clients_limit"), "dispatch clients"),
            ),
            ((0.5, DOUBTFUL), (1, BAD)),
        ),
        Panel(
            "Inlet",
            Unit.BYTES,
            "Events that wait to be decided, and their bound.",
            (
                Query(f"sum (jedel_inlet_bytes{{{JOB}}})", "waiting"),
                Query(f"max (jedel_inlet_limit_bytes{{{JOB}}})", "bound"),
            ),
        ),
        Panel(
            "Connections that are not read",
            Unit.NUMBER,
            "Because the inlet is full. Their sources keep what they have and wait.",
            (Query(f"sum (jedel_inlet_held_connections{{{JOB}}})", "held"),),
        ),
        Panel(
            "Open incidents by state",
            Unit.NUMBER,
            "Queued ones have no crew.",
            (Query(or_none(f"sum by (state) ({active(f'jedel_open_incidents{{{JOB}}}')})", "state"), "{{state}}"),),
            stacked=True,
        ),
        Panel(
            "Open incidents by priority",
            Unit.NUMBER,
            "1 is the most urgent.",
            (
                Query(
                    or_none(f"sum by (priority) ({active(f'jedel_open_incidents{{{JOB}}}')})", "priority"),
                    "priority {{priority}}",
                ),
            ),
            stacked=True,
        ),
        Panel(
            "Without a crew, priority 1 and 2",
            Unit.NUMBER,
            "Urgent incidents that no crew goes to yet (JedelCallsUnassigned).",
            (
                Query(
                    f"sum ({active(WITHOUT_CREW)}) or vector(0)",
                    "waiting",
                ),
            ),
            ((1, BAD),),
        ),
        Panel(
            "Longest wait for a crew",
            Unit.SECONDS,
            "How long the need has waited that has waited longest, by priority, a second crew's too; 0 where none waits.",
            (Query(f"max by (priority) (jedel_waiting_oldest_seconds{{{JOB}}})", "priority {{priority}}"),),
            ((480, DOUBTFUL),),
        ),
        Panel(
            "Terms that fired",
            Unit.PER_SECOND,
            "By what was awaited and what was done because it did not come.",
            (Query(or_none(rate("jedel_terms_fired_total", "term, step"), "term"), "{{term}} {{step}}"),),
        ),
        Panel(
            "How late terms fire",
            Unit.SECONDS,
            "After they were due. Above a second the centre was away or its thread was kept (JedelTermsLate).",
            (
                Query(or_none(quantile(0.5, "jedel_term_lateness_seconds"), "term"), "p50"),
                Query(or_none(quantile(0.99, "jedel_term_lateness_seconds"), "term"), "p99"),
            ),
            ((1, BAD),),
        ),
        Panel(
            "Running terms",
            Unit.NUMBER,
            "Terms that run, and steps that are still to come.",
            (Query(f"sum (jedel_running_terms{{{JOB}}})", "running"),),
        ),
    ),
)
