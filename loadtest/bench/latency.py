"""`ack_latency`, `call_to_client_latency`, the same at half load, and a lone call's, against bare commits of one row.

500 calls, 10,000 plate reads and 2,000 positions a second come together, each at its own instant whether or not the service
keeps up (an open loop): a latency counts from the instant an event was due. Every call is acknowledged after its commit, and is
published to a client in another process. For half load the same mix is first played as fast as it is taken, and then at half
that pace: at which the centre is to be no slower than a few commits. The baseline is asyncpg's INSERT of one row, committed by
itself, on the same server with nothing else to do.
"""

from __future__ import annotations

import time
from heapq import merge
from multiprocessing.connection import Connection
from statistics import median
from typing import Final

import asyncpg
import msgspec
import uvloop

from loadtest.bench import scene
from loadtest.bench.bed import BASE, CLIENT_TOKEN, SOURCE_TOKEN, Bed
from loadtest.bench.children import apart, beside
from loadtest.bench.load import Lane, LoadError, Piece, encode_events, latencies_ms, play
from loadtest.bench.record import Record, percentile, record
from loadtest.bench.watcher import READY, watch

DATABASE: Final = "bench_latency"
CALLS_A_S: Final = 500
READS_A_S: Final = 10_000
POSITIONS_A_S: Final = 2_000
TICK_NS: Final = 10_000_000
"""Plate reads and positions are due a hundred times a second; calls each at its own instant."""
WARM_UP_S: Final = 1.0
"""Played before the rounds and not counted: connections, statements and caches that are made once."""
COMMITS: Final = 1_000
SHARES: Final = (("p50", 0.50), ("p99", 0.99))
_MAKE: Final = "CREATE TABLE IF NOT EXISTS bare_row (number bigint, words text)"
_INSERT: Final = "INSERT INTO bare_row VALUES ($1, $2)"
_WORDS: Final = "w" * 200


class Round(msgspec.Struct, frozen=True):
    """One round of the mix."""

    calls: dict[str, int]
    """`SOURCE/SEQ` → the instant at which the call was due."""
    call_ms: list[float]
    read_ms: list[float]
    late_ms: float


class _Rounds(msgspec.Struct, frozen=True):
    """Rounds of one pace, and when each call of them was published."""

    rounds: list[Round]
    published_ms: list[list[float]]


def run(bed: Bed, size: scene.Size) -> list[Record]:
    """Measures it. Raises `BedError`, `LoadError`."""
    bed.make(DATABASE, BASE)
    full, half = _Rounds([], []), _Rounds([], [])
    with bed.serving(DATABASE) as service, beside(watch, service.dispatch_url, CLIENT_TOKEN) as client:
        if client.recv() != READY:
            raise LoadError("the dispatch client was not let in")
        bare = [apart(commit_rows, bed.dsn(DATABASE))]
        _, lone = apart(play_rounds, service.ingest, size, 0)
        for number in range(1, size.rounds + 1):
            _play(service.ingest, client, size, number, 1.0, full)
            bare.append(apart(commit_rows, bed.dsn(DATABASE)))
        capacities = [apart(capacity, service.ingest, size, number + size.rounds) for number in range(1, size.rounds + 1)]
        pace = median(capacities) / 2
        bare_half = []
        for number in range(2 * size.rounds + 1, 3 * size.rounds + 1):
            _play(service.ingest, client, size, number, pace, half)
            bare_half.append(apart(commit_rows, bed.dsn(DATABASE)))
    return [
        *_records("", full, bare, _told(full, 1.0), lone),
        *_records("_half_load", half, bare_half, f"half of what it can take: {_told(half, pace)}"),
    ]


def _play(address: tuple[str, int], client: Connection, size: scene.Size, number: int, pace: float, into: _Rounds) -> None:
    """Plays a round and has the client say when its calls were published."""
    one = apart(play_rounds, address, size, number, pace)[0]
    client.send(set(one.calls))
    seen: dict[str, int] = client.recv()
    if len(seen) < len(one.calls):
        raise LoadError(f"{len(one.calls) - len(seen)} of {len(one.calls)} calls were never published")
    into.rounds.append(one)
    into.published_ms.append([(seen[label] - due_ns) / 1e6 for label, due_ns in one.calls.items()])


def _told(played: _Rounds, pace: float) -> str:
    rates = (
        f"{CALLS_A_S * pace:,.0f} calls, {READS_A_S * pace:,.0f} plate reads, {POSITIONS_A_S * pace:,.0f} positions a second"
    )
    return f"{rates}; the load was late by at most {max(one.late_ms for one in played.rounds):.1f} ms"


def _records(suffix: str, played: _Rounds, bare: list[list[float]], mix: str, lone: list[float] | None = None) -> list[Record]:
    latency = suffix or "_latency"
    measured = [
        (f"ack{latency}", [one.call_ms for one in played.rounds], mix),
        (f"call_to_client{latency}", played.published_ms, mix),
        (f"sensor_ack{latency}", [one.read_ms for one in played.rounds], mix),
    ]
    if lone is not None:
        measured.append(("lone_call_ack_latency", [lone], "one call after the other, nothing else"))
    return [
        record(
            f"{name}_{word}",
            [percentile(values, share) for values in by_round],
            "ms",
            "commit of one row by asyncpg",
            [percentile(values, share) for values in bare],
            remark,
        )
        for name, by_round, remark in measured
        for word, share in SHARES
    ]


def capacity(address: tuple[str, int], size: scene.Size, number: int) -> float:
    """How many times the mix the centre takes when it is played as fast as that. Raises `LoadError`."""
    lanes = _lanes(address)
    pieces = [msgspec.structs.replace(piece, due_ns=0) for piece in _mix(size, lanes, size.latency_s, number)]
    receipt = play(lanes, pieces)
    for lane in lanes:
        lane.close()
    if receipt.errors:
        raise LoadError(f"events were refused: {receipt.errors[:3]}")
    return size.latency_s / (receipt.ended_ns() - receipt.started_ns) * 1e9


def _lanes(address: tuple[str, int]) -> list[Lane]:
    return [Lane(address, source, SOURCE_TOKEN) for source in ("telephone", "cameras", "crews")]


def play_rounds(address: tuple[str, int], size: scene.Size, number: int, pace: float = 1.0) -> tuple[Round, list[float]]:
    """One round, the mix so many times as fast; round 0 has the crews report, warms up, and measures lone calls."""
    lanes = _lanes(address)
    telephone, _, crews = lanes
    lone: list[float] = []
    seconds = size.latency_s
    if number == 0:
        scene.report_for_duty(crews, scene.city(size))
        seconds = WARM_UP_S
    # As long as at any other pace, so that all rounds see as many batches.
    pieces = [
        msgspec.structs.replace(piece, due_ns=max(1, round(piece.due_ns / pace)))
        for piece in _mix(size, lanes, seconds * pace, number)
    ]
    receipt = play(lanes, pieces)
    if receipt.errors:
        raise LoadError(f"events were refused: {receipt.errors[:3]}")
    if number == 0:
        for call in scene.calls(scene.city(size), size.lone_calls, 1_000, telephone.acked_seq + 1):
            piece = Piece(0, telephone.source, call.seq, encode_events([call]))
            lone += latencies_ms([piece], play([telephone], [piece]), telephone.source)
    for lane in lanes:
        lane.close()
    calls = {
        f"{piece.source}/{piece.last_seq}": receipt.started_ns + piece.due_ns for piece in pieces if piece.source == "telephone"
    }
    call_ms, read_ms = (latencies_ms(pieces, receipt, source) for source in ("telephone", "cameras"))
    return Round(calls=calls, call_ms=call_ms, read_ms=read_ms, late_ms=receipt.late_ms), lone


def _mix(size: scene.Size, lanes: list[Lane], seconds: float, number: int) -> list[Piece]:
    telephone, cameras, crews = lanes
    town = scene.city(size)
    ticks = round(seconds * 1e9 / TICK_NS)
    told = scene.calls(town, round(seconds * CALLS_A_S), number, telephone.acked_seq + 1)
    reads_a_tick, positions_a_tick = (rate * TICK_NS // 10**9 for rate in (READS_A_S, POSITIONS_A_S))
    reads = scene.plate_reads(town, ticks * reads_a_tick, cameras.acked_seq + 1, number)
    positions = list(scene.positions(town, ticks * positions_a_tick, crews.acked_seq + 1))
    call_pieces = [
        # From 1 ns on: 0 would mean that the piece has no time of its own.
        Piece(1 + at * 10**9 // CALLS_A_S, telephone.source, call.seq, encode_events([call]))
        for at, call in enumerate(told)
    ]
    read_pieces = [
        Piece(1 + tick * TICK_NS + TICK_NS // 3, cameras.source, part[-1].seq, encode_events(part))
        for tick in range(ticks)
        for part in [reads[tick * reads_a_tick : (tick + 1) * reads_a_tick]]
    ]
    position_pieces = [
        Piece(1 + tick * TICK_NS + 2 * TICK_NS // 3, crews.source, part[-1].seq, encode_events(part))
        for tick in range(ticks)
        for part in [positions[tick * positions_a_tick : (tick + 1) * positions_a_tick]]
    ]
    return list(merge(call_pieces, read_pieces, position_pieces, key=lambda piece: piece.due_ns))


def commit_rows(dsn: str) -> list[float]:
    """Milliseconds of bare commits of one row each."""
    return uvloop.run(_commit_rows(dsn))


async def _commit_rows(dsn: str) -> list[float]:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(_MAKE)
        took = []
        for number in range(COMMITS):
            began = time.perf_counter()
            await connection.execute(_INSERT, number, _WORDS)
            took.append((time.perf_counter() - began) * 1e3)
        return took
    finally:
        await connection.close()
