"""`ingest_sensor`: plate reads over four TCP connections, acknowledged after the commit, against bare COPY of the same rows.

The baseline is asyncpg's `copy_records_to_table` of ready tuples, made before its clock runs, into a table with the definition
and indexes of `event`, on the same server, between the rounds of the service; the better of one commit for all rows and one a
batch of the service's largest.
"""

from __future__ import annotations

import gc
import time
from typing import Final

import asyncpg
import msgspec
import uvloop

from core import limits
from core.events import PlateRead
from core.vocabulary import EventKind
from loadtest.bench import scene
from loadtest.bench.bed import BASE, SOURCE_TOKEN, Bed
from loadtest.bench.children import apart
from loadtest.bench.load import Lane, LoadError, Piece, encode_events, play
from loadtest.bench.record import Record, record
from storage import tables

CONNECTIONS: Final = 4
PIECE_EVENTS: Final = 500
DATABASE: Final = "bench_sensor"
_MAKE: Final = """
DROP TABLE IF EXISTS bare_event;
CREATE TABLE bare_event (LIKE event INCLUDING ALL) PARTITION BY RANGE (received_at);
CREATE TABLE bare_event_all PARTITION OF bare_event DEFAULT;
"""


def run(bed: Bed, size: scene.Size) -> list[Record]:
    """Measures it. Raises `BedError`, `LoadError`."""
    bed.make(DATABASE, BASE)
    ours: list[float] = []
    bare: list[float] = []
    with bed.serving(DATABASE) as service:
        for number in range(size.rounds):
            ours.append(apart(send_round, service.ingest, size, number))
            bare.append(apart(copy_round, bed.dsn(DATABASE), size, number))
    remark = f"{CONNECTIONS} TCP connections, {size.sensor_events:,} events a round"
    return [record("ingest_sensor", ours, "events/s", "asyncpg copy_records_to_table of the same rows", bare, remark)]


def send_round(address: tuple[str, int], size: scene.Size, number: int) -> float:
    """One round against the service; returns events acknowledged a second."""
    each = size.sensor_events // CONNECTIONS
    town = scene.city(size)
    lanes = [Lane(address, f"cameras-{at}", SOURCE_TOKEN) for at in range(CONNECTIONS)]
    by_lane = [
        [
            Piece(0, lane.source, part[-1].seq, encode_events(part))
            for start in range(0, each, PIECE_EVENTS)
            if (part := reads[start : start + PIECE_EVENTS])
        ]
        for lane in lanes
        for reads in [scene.plate_reads(town, each, lane.acked_seq + 1, number)]
    ]
    pieces = [piece for turn in zip(*by_lane, strict=True) for piece in turn]
    receipt = play(lanes, pieces)
    for lane in lanes:
        lane.close()
    if receipt.errors:
        raise LoadError(f"plate reads were refused: {receipt.errors[:3]}")
    return each * CONNECTIONS / (receipt.ended_ns() - receipt.started_ns) * 1e9


def copy_round(dsn: str, size: scene.Size, number: int) -> float:
    """One round of bare COPY; returns rows a second."""
    each = size.sensor_events // CONNECTIONS
    town = scene.city(size)
    rows = [
        _row(f"cameras-{at}", read)
        for at in range(CONNECTIONS)
        for read in scene.plate_reads(town, each, 1 + number * each, number)
    ]
    # The collector must not walk over a million ready tuples while the clock runs: that would flatter us.
    gc.freeze()
    return uvloop.run(_copy(dsn, rows))


def _row(source: str, read: PlateRead) -> tuple[object, ...]:
    payload = msgspec.json.encode(read).decode()
    return (read.at, source, read.seq, int(EventKind.PLATE), read.at, None, read.plate, payload)


async def _copy(dsn: str, rows: list[tuple[object, ...]]) -> float:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(_MAKE)
        columns = tables.EVENT.column_names
        best = 0.0
        for part_rows in (len(rows), limits.BATCH_EVENTS):
            parts = [rows[start : start + part_rows] for start in range(0, len(rows), part_rows)]
            began = time.perf_counter()
            for part in parts:
                await connection.copy_records_to_table("bare_event", records=part, columns=columns)
            best = max(best, len(rows) / (time.perf_counter() - began))
        return best
    finally:
        await connection.close()
