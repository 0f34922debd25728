"""The `copy` benchmark: what storage makes of PostgreSQL, against bare asyncpg on the same server in the same run.

- `copy_rows`: plate reads a second through `Writer.commit` (rows, high-water mark, fence and commit) against asyncpg's
  `copy_records_to_table` of the same rows into the same table, given as ready tuples.
- `copy_cpu`: our process's CPU an event from decoded events to sent rows, against making tuples of them and
  `copy_records_to_table`; the server's CPU is not counted.
- `commit_call`: median time to commit the batch of a single call (event, incident, four log lines, assignment, crew), against
  the commit of one row of 200 bytes.
- `commit_calls_1000`: calls a second when 1,000 of them are one batch; `update_incidents_50`: changed incidents a second.
- `recovery`: open incidents read back a second, against fetching the same rows and doing nothing with them.

The server is the embedded one with fsync on. Run with `python -m loadtest.bench_copy`.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Final, TypedDict

import asyncpg
import msgspec
import uvloop

from core.decisions import AssignmentChange, CrewChange, Decisions, IncidentChange, LogEntry, Taken
from core.events import KIND_OF, AnyEvent, Chunk, PlateRead
from core.instant import Micros, to_datetime, to_micros
from core.vocabulary import (
    AssignmentId,
    AssignmentState,
    CategoryCode,
    CrewId,
    CrewState,
    IncidentId,
    IncidentState,
)
from loadtest.bench.fill import fill
from storage import embedded, partitions, tables
from storage.migrate import migrate
from storage.recovery import recover
from storage.session import connect
from storage.writer import Writer

NOW: Final = to_micros(datetime(2026, 5, 1, 10, tzinfo=UTC))
ROUNDS: Final = 3
VIEW: Final = b'{"words":"%s"}' % (b"w" * 1_000)
BODY: Final = b'{"fact":"%s"}' % (b"b" * 150)
_DECODER: Final = msgspec.json.Decoder(AnyEvent)


class Record(TypedDict):
    """One line of the benchmark's report."""

    name: str
    value: float
    unit: str
    baseline: str
    baseline_value: float
    ratio: float
    spread: list[float]
    baseline_spread: list[float]


def _record(name: str, rounds: Sequence[float], unit: str, baseline: str, baseline_rounds: Sequence[float]) -> Record:
    value, baseline_value = median(rounds), median(baseline_rounds)
    return Record(
        name=name,
        value=value,
        unit=unit,
        baseline=baseline,
        baseline_value=baseline_value,
        ratio=value / baseline_value,
        spread=[min(rounds), max(rounds)],
        baseline_spread=[min(baseline_rounds), max(baseline_rounds)],
    )


def plate_batch(batch_no: int, count: int) -> Decisions:
    """A batch of plate reads as one connection sends them."""
    first = batch_no * count
    raws = [
        b'{"kind":"plate","seq":%d,"at":"2026-05-01T10:00:%02d.%06dZ","camera":"cam-%04d","plate":"%03dABC%02d","confidence":0.97,'
        b'"fix":{"latitude_deg":43.238949,"longitude_deg":76.889709}}'
        % (seq, seq % 60, seq % 10**6, seq % 500, seq % 1000, seq % 18)
        for seq in range(first, first + count)
    ]
    chunk = Chunk("cameras", NOW, [_DECODER.decode(raw) for raw in raws], raws, first + count - 1, urgent=False)
    return Decisions(batch_no, NOW, [Taken(chunk, 0, {}, {})], {"cameras": chunk.last_seq}, [], [], [], [], [], [], [], [])


def call_batch(batch_no: int, first: int, count: int) -> Decisions:
    """A batch of calls, each of which opened an incident and was given a crew."""
    numbers = range(first, first + count)
    raws = [
        b'{"kind":"call","seq":%d,"at":"2026-05-01T10:00:00Z","phone":"+7701%07d","words":"smoke in the stairwell",'
        b'"given":{"latitude_deg":43.238949,"longitude_deg":76.889709}}' % (number, number)
        for number in numbers
    ]
    chunk = Chunk("telephone", NOW, [_DECODER.decode(raw) for raw in raws], raws, first + count - 1, urgent=True)
    return Decisions(
        batch_no=batch_no,
        now_us=NOW,
        taken=[Taken(chunk, 0, {at: IncidentId(number) for at, number in enumerate(numbers)}, {})],
        high_water={"telephone": chunk.last_seq},
        log=[
            LogEntry(IncidentId(number), version, NOW, "fact", "engine", f"event:telephone/{number}", BODY)
            for number in numbers
            for version in range(1, 5)
        ],
        incidents=[incident(number, 4, created=True) for number in numbers],
        assignments=[
            AssignmentChange(
                assignment_id=AssignmentId(number),
                incident_id=IncidentId(number),
                crew_id=CrewId(f"A-{number % 300}"),
                capability="fire",
                state=AssignmentState.OFFERED,
                created=True,
                offered_us=NOW,
                accepted_us=None,
                en_route_us=None,
                on_scene_us=None,
                ended_us=None,
                distance_m=850.0,
                explanation=b'{"reason":"nearest_capable","passed_over":[]}',
            )
            for number in numbers
        ],
        crews=[
            CrewChange(CrewId(f"A-{number}"), CrewState.ASSIGNED, "kz/almaty", IncidentId(first), NOW, b'{"crew":"A"}')
            for number in range(min(count, 300))
        ],
        positions=[],
        commands=[],
        notices=[],
        live_positions=[],
    )


def incident(number: int, version: int, *, created: bool) -> IncidentChange:
    """An open incident with a view of a kilobyte."""
    return IncidentChange(
        incident_id=IncidentId(number),
        version=version,
        created=created,
        opened_us=NOW,
        updated_us=NOW,
        closed_us=None,
        state=IncidentState.ASSIGNED,
        category=CategoryCode("fire"),
        priority=2,
        territory="kz/almaty/medeu",
        latitude_deg=43.238949,
        longitude_deg=76.889709,
        crews=("A-1",),
        phone=f"+7701{number:07d}",
        view=VIEW,
    )


async def _timed(action: Callable[[], Awaitable[object]]) -> tuple[float, float]:
    """Seconds and CPU seconds of our process."""
    wall, cpu = time.perf_counter(), time.process_time()
    await action()
    return time.perf_counter() - wall, time.process_time() - cpu


async def _events(dsn: str, bare: asyncpg.Connection, count: int, rounds: int) -> tuple[list[Record], int]:
    """Plate reads: the writer, asyncpg with ready tuples, and asyncpg with tuples still to make, in turns."""
    columns = tables.EVENT.column_names
    received = to_datetime(NOW)

    def tuples(batch: Decisions) -> list[tuple[object, ...]]:
        chunk = batch.taken[0].chunk
        return [
            (received, chunk.source, event.seq, KIND_OF[PlateRead], event.at, None, event.plate, raw.decode())
            for event, raw in zip(chunk.items, chunk.raws, strict=True)
            if isinstance(event, PlateRead)
        ]

    writer = Writer(dsn, 1)
    ours, ready, made = [], [], []
    await writer.commit(plate_batch(1, count))
    for batch_no in range(2, 2 + rounds):
        batch = plate_batch(batch_no, count)
        ours.append(await _timed(lambda batch=batch: writer.commit(batch)))  # type: ignore[misc]
        rows = tuples(batch)
        ready.append(await _timed(lambda rows=rows: bare.copy_records_to_table("event", records=rows, columns=columns)))  # type: ignore[misc]
        made.append(
            await _timed(lambda batch=batch: bare.copy_records_to_table("event", records=tuples(batch), columns=columns))  # type: ignore[misc]
        )
    await writer.close()
    return [
        _record(
            "copy_rows",
            [count / wall for wall, _ in ours],
            "rows/s",
            "asyncpg copy_records_to_table of ready tuples",
            [count / wall for wall, _ in ready],
        ),
        _record(
            "copy_cpu",
            [cpu / count * 1e6 for _, cpu in ours],
            "us/event",
            "tuples and asyncpg copy_records_to_table",
            [cpu / count * 1e6 for _, cpu in made],
        ),
    ], 1 + rounds


async def _calls(dsn: str, bare: asyncpg.Connection, batch_no: int, rounds: int) -> tuple[list[Record], int, int]:
    """Single calls against single rows in turns; then calls and changes in large batches."""
    await bare.execute("CREATE TABLE bare (number bigint, words text)")
    writer = Writer(dsn, 1)
    number = 1
    ours, single = [], []
    for _ in range(max(50, rounds * 10)):
        batch_no += 1
        batch = call_batch(batch_no, number, 1)
        ours.append((await _timed(lambda batch=batch: writer.commit(batch)))[0])  # type: ignore[misc]
        number += 1
        single.append((await _timed(lambda: bare.execute("INSERT INTO bare VALUES ($1, $2)", 1, "w" * 200)))[0])
    ours_ms, single_ms = ([one * 1e3 for one in part] for part in (ours, single))
    records = [_record("commit_call", ours_ms, "ms", "commit of one row of 200 bytes", single_ms)]
    for name, count in (("commit_calls_1000", 1_000), ("update_incidents_50", 50)):
        took = []
        for _ in range(max(ROUNDS, rounds // 3)):
            batch_no += 1
            if name.startswith("commit"):
                batch = call_batch(batch_no, number, count)
                number += count
            else:
                changed = [incident(1 + (batch_no * count + at) % (number - 1), 5, created=False) for at in range(count)]
                batch = msgspec.structs.replace(plate_batch(batch_no, 0), incidents=changed, high_water={})
            took.append((await _timed(lambda batch=batch: writer.commit(batch)))[0])  # type: ignore[misc]
        rates = [count / one for one in took]
        records.append(_record(name, rates, "1/s", "single calls a second", [1 / one for one in ours]))
    await writer.close()
    return records, batch_no, number


async def _recovery(dsn: str, first: int, count: int) -> Record:
    """Open incidents read back into the engine's structs, against the bare fetch."""
    connection = await connect(dsn, "benchmark")
    await fill(dsn, tables.INCIDENT, [tables.incident_row(incident(first + at, 1, created=True)) for at in range(count)])
    total = await connection.fetchval("SELECT count(*) FROM incident WHERE closed_at IS NULL")
    ours, bare = [], []
    for _ in range(ROUNDS):
        ours.append((await _timed(lambda: recover(connection)))[0])
        bare.append((await _timed(lambda: connection.fetch("SELECT * FROM incident WHERE closed_at IS NULL")))[0])
    await connection.close()
    rates, bare_rates = ([total / one for one in part] for part in (ours, bare))
    return _record("recovery", rates, "incidents/s", "asyncpg fetch of the same rows", bare_rates)


async def _measure(dsn: str, *, quick: bool) -> list[Record]:
    connection = await connect(dsn, "benchmark")
    await migrate(connection)
    await connection.execute("UPDATE centre SET epoch = 1")
    await partitions.ensure(connection, [partitions.day_of(Micros(NOW))])
    await connection.close()
    bare = await asyncpg.connect(dsn)
    rounds = ROUNDS if quick else 15
    records, batch_no = await _events(dsn, bare, 1_024 if quick else 8_192, rounds)
    calls, _, number = await _calls(dsn, bare, batch_no, rounds)
    await bare.close()
    return [*records, *calls, await _recovery(dsn, number, 2_000 if quick else 100_000)]


def run(quick: bool = False) -> list[Record]:
    """Measures all of it on a server of its own, medians of three rounds or more.

    Args:
        quick: small batches and few rounds, to see that it works; the figures then say little.

    Returns:
        Records of `name`, `value`, `unit`, `baseline`, `baseline_value` and `ratio` (value by baseline).
    """
    with tempfile.TemporaryDirectory(prefix="jedel-copy-") as folder:
        server = embedded.start(Path(folder))
        try:
            return uvloop.run(_measure(server.dsn, quick=quick))
        finally:
            server.stop()


if __name__ == "__main__":
    for record in run(quick="--quick" in sys.argv):
        print(
            f"{record['name']}: {record['value']:,.2f} {record['unit']},"
            f" {record['ratio']:.2f} of {record['baseline_value']:,.2f}"
            f" ({record['baseline']})"
        )
