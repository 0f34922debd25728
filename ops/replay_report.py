"""What a replay came to, beside what the records say: intervals, assignments, queues, terms.

Place in the flow: after it; read from the tables, which is where a centre's own reports come from. Rules: all times are
recorded seconds (the clock's times `speed`), so the centre's own latency counts `speed` times and is told beside them; a call
counts in an interval only when both its ends exist, and the number of calls stands beside every figure. Requirements: OCC-4,
OCC-8.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import fmean

import asyncpg
import msgspec

from core.instant import SECOND_US
from core.vocabulary import EventKind
from ops.cad import CadCall
from ops.replay import CREWS, TELEPHONE, TERMS_S, Played, term_s


class Summary(msgspec.Struct, frozen=True):
    """A distribution of seconds."""

    count: int
    mean_s: float
    p50_s: float
    p90_s: float


class Interval(msgspec.Struct, frozen=True):
    """One interval, as recorded and as replayed."""

    name: str
    recorded: Summary
    replayed: Summary


class Report(msgspec.Struct, frozen=True):
    """A replay's figures."""

    calls: int
    incidents: int
    """Calls that the centre took for new happenings; intervals run from each incident's first call."""
    speed: float
    recorded_hours: float
    lost: int
    """Events that nobody can say what became of, or calls that the tables hold in no incident; anything but 0 is a failure."""
    refused: int
    """Events that the centre answered with an error, but for those that crossed."""
    crossed: int
    """Answered with an error too: what a unit said of its task while the centre took it back, for a nearer unit's sake."""
    ack_p50_ms: float
    """The centre's own latency, of the clock: from sending an event to its acknowledgement."""
    ack_p99_ms: float
    seen_p50_ms: float
    """Of the clock, from sending a call to receiving the incident that names it."""
    seen_p99_ms: float
    intervals: tuple[Interval, ...]
    recorded_assignments: int
    assignments: int
    unassigned_calls: int
    """Calls to which nobody was sent."""
    queued_calls: int
    """Calls that waited for a crew of some capability."""
    queued_needs: int
    """The same, each capability that a call waited for counted once."""
    queue: Summary
    """How long those needs waited that were served in the end."""
    terms: dict[str, int]
    """Terms that fired, by kind."""


async def report(dsn: str, played: Played, speed: float) -> Report:
    """Reads a replay's figures from the centre's tables. Raises `OSError`, `asyncpg.PostgresError`."""
    connection = await asyncpg.connect(dsn, timeout=30)
    try:
        rows = await connection.fetch(
            """
            SELECT e.seq, e.at, e.incident_id, min(a.offered_at) AS offered_at, min(a.on_scene_at) AS on_scene_at,
                   count(a.assignment_id) AS assignments
            FROM event e LEFT JOIN assignment a USING (incident_id)
            WHERE e.source = $1 AND e.kind = $2 AND e.seq BETWEEN $3 AND $4
            GROUP BY e.seq, e.at, e.incident_id
            """,
            TELEPHONE,
            int(EventKind.CALL),
            played.first_seq,
            played.first_seq + len(played.calls) - 1,
        )
        queues = await connection.fetch(
            """
            SELECT q.incident_id, q.at,
                   (SELECT min(c.at) FROM incident_log c WHERE c.incident_id = q.incident_id AND c.version > q.version
                    AND c.fact = 'crew_assigned' AND c.body->>'capability' = q.capability) AS served_at
            FROM (SELECT DISTINCT ON (incident_id, body->>'capability')
                         incident_id, body->>'capability' AS capability, at, version FROM incident_log
                  WHERE fact = 'queued' AND incident_id = ANY($1) ORDER BY incident_id, body->>'capability', version) q
            """,
            [row["incident_id"] for row in rows],
        )
        refused = await connection.fetch("SELECT seq FROM rejected_event WHERE source = $1", CREWS)
        terms = await connection.fetch(
            "SELECT term, count(*) AS times FROM notice WHERE incident_id = ANY($1) GROUP BY term ORDER BY term",
            [row["incident_id"] for row in rows],
        )
    finally:
        await connection.close()
    # An incident's later calls were answered before they came; they would only flatter the intervals.
    first: dict[int, asyncpg.Record] = {}
    for row in sorted(rows, key=lambda row: int(row["seq"])):
        if row["incident_id"] is not None:
            first.setdefault(row["incident_id"], row)
    sent = _between(first.values(), "at", "offered_at", speed)
    decided = [
        (row["offered_at"] - row["at"]).total_seconds() * speed - _entry_s(played.calls[row["seq"] - played.first_seq])
        for row in first.values()
        if row["offered_at"]
    ]
    travelled = _between(first.values(), "offered_at", "on_scene_at", speed)
    arrived = _between(first.values(), "at", "on_scene_at", speed)
    recorded = recorded_intervals(played.calls)
    result = played.outcome.result
    crossed = sum(row["seq"] in played.crossed for row in refused)
    return Report(
        calls=len(played.calls),
        incidents=len(first),
        speed=speed,
        recorded_hours=_hours(played.calls),
        lost=max(result.lost, len(played.calls) - sum(1 for row in rows if row["incident_id"] is not None)),
        refused=result.rejected - crossed,
        crossed=crossed,
        ack_p50_ms=result.ack_p50_us / 1000,
        ack_p99_ms=result.ack_p99_us / 1000,
        seen_p50_ms=result.seen_p50_us / 1000,
        seen_p99_ms=result.seen_p99_us / 1000,
        intervals=tuple(
            Interval(name, summary, summarise(values))
            for (name, summary), values in zip(recorded, (sent, decided, travelled, arrived), strict=True)
        ),
        recorded_assignments=sum(len(call.records) for call in played.calls),
        assignments=sum(row["assignments"] for row in first.values()),
        unassigned_calls=sum(1 for row in rows if not row["assignments"]),
        queued_calls=len({row["incident_id"] for row in queues}),
        queued_needs=len(queues),
        queue=summarise((row["served_at"] - row["at"]).total_seconds() * speed for row in queues if row["served_at"]),
        terms={row["term"]: row["times"] for row in terms},
    )


def recorded_intervals(calls: Sequence[CadCall]) -> tuple[tuple[str, Summary], ...]:
    """The intervals as the records have them: received → entered → dispatched → on scene, each by the call's first unit."""
    arrived = [(call, call.on_scene_us) for call in calls]
    return (
        ("received → dispatched", summarise((call.dispatched_us - call.received_us) / SECOND_US for call in calls)),
        ("entered → dispatched", summarise((call.dispatched_us - call.entered_us) / SECOND_US for call in calls)),
        (
            "dispatched → on scene",
            summarise((at_us - call.dispatched_us) / SECOND_US for call, at_us in arrived if at_us is not None),
        ),
        (
            "received → on scene",
            summarise((at_us - call.received_us) / SECOND_US for call, at_us in arrived if at_us is not None),
        ),
    )


def summarise(values: Iterable[float]) -> Summary:
    """Number, mean, median and ninth decile of some seconds; zeros when there are none."""
    ranked = sorted(values)
    if not ranked:
        return Summary(0, 0.0, 0.0, 0.0)
    return Summary(len(ranked), fmean(ranked), ranked[(len(ranked) - 1) // 2], ranked[-(-9 * len(ranked) // 10) - 1])


def as_lines(found: Report) -> list[str]:
    """The report for a person to read."""
    lines = [
        f"{found.calls} calls of {found.recorded_hours:.1f} h at {found.speed:g} times their speed",
        f"{found.incidents} incidents; lost {found.lost}, refused {found.refused}",
        f"reports of units that crossed the withdrawal of their task: {found.crossed}",
        f"acknowledged after {found.ack_p50_ms:.0f} ms (p50), {found.ack_p99_ms:.0f} ms (p99)",
        f"calls seen in an incident after {found.seen_p50_ms:.0f} ms (p50), {found.seen_p99_ms:.0f} ms (p99)",
        f"of all this, 10 ms count as {found.speed / 100:g} s below",
        "",
        f"{'seconds':<24}{'':>10}{'calls':>8}{'mean':>9}{'p50':>9}{'p90':>9}",
    ]
    for interval in found.intervals:
        for which, summary in (("recorded", interval.recorded), ("replayed", interval.replayed)):
            name = interval.name if which == "recorded" else ""
            lines.append(
                f"{name:<24}{which:>10}{summary.count:>8}{summary.mean_s:>9.0f}{summary.p50_s:>9.0f}{summary.p90_s:>9.0f}"
            )
    queue = found.queue
    waits = f"{queue.mean_s:.0f} s (mean), {queue.p50_s:.0f} s (p50), {queue.p90_s:.0f} s (p90)"
    terms = ", ".join(f"{term} {times}" for term, times in found.terms.items())
    lengths = ", ".join(f"{key.removesuffix('_s')} {term_s(key, found.speed) * found.speed:.0f} s" for key in TERMS_S)
    lines += [
        "",
        f"assignments: {found.recorded_assignments} recorded, {found.assignments} replayed",
        f"calls without any assignment: {found.unassigned_calls}",
        f"queue: {found.queued_calls} calls waited for crews of {found.queued_needs} capabilities in all",
        f"of these waits {queue.count} ended with a crew, after {waits}",
        f"terms fired: {terms or 'none'}",
        f"at this speed the terms stood for: {lengths}",
    ]
    return lines


def _between(rows: Iterable[asyncpg.Record], start: str, end: str, speed: float) -> list[float]:
    """Recorded seconds between two instants of each row that has both."""
    return [(row[end] - row[start]).total_seconds() * speed for row in rows if row[start] and row[end]]


def _entry_s(call: CadCall) -> float:
    """What the call taker needed."""
    return (call.entered_us - call.received_us) / SECOND_US


def _hours(calls: Sequence[CadCall]) -> float:
    received_us = [call.received_us for call in calls]
    return (max(received_us) - min(received_us)) / SECOND_US / 3600 if calls else 0.0
