"""`ingest_call`: calls through the whole flow, against services that do the same job as they are usually built.

FastAPI with a transaction a call (`ingest_call`), NATS JetStream and a consumer with a transaction a batch
(`ingest_call_nats`), Redis Streams with GEOSEARCH and PostgreSQL as the record (`ingest_call_redis`): `loadtest.peers` says how
each is made and why its durability is ours. All get the same calls in a fresh copy of their database each round, in turn, with
the same subscribers, map, crews and positions. Ours come over one TCP connection, as from one telephone platform, and go to one
dispatch client that sees everything; the clock stops when the last call is acknowledged and published. FastAPI's come over
keep-alive connections; it is run with one worker and with two, and its better figure counts. The others' come over one
connection of their broker's.
"""

from __future__ import annotations

import asyncio
import sys
from statistics import median
from typing import Final

import asyncpg

from loadtest.bench import peer, queue_peers, scene
from loadtest.bench.bed import BASE, CLIENT_TOKEN, SOURCE_TOKEN, Bed, Running
from loadtest.bench.children import apart, beside
from loadtest.bench.load import Lane, LoadError, Piece, encode_events, play
from loadtest.bench.record import Record, record
from loadtest.bench.watcher import READY, watch

DATABASE: Final = "bench_call"
PEER_DATABASE: Final = "peer_call"
SOURCE: Final = "telephone"
CREWS: Final = "crews"
PIECE_CALLS: Final = 20
PEER_CONNECTIONS: Final = 32
PEER_POOLS: Final = {1: 16, 2: 4}
"""Connections to PostgreSQL of each worker, by the number of workers: the best of 4, 8 and 16."""
QUEUED: Final[dict[queue_peers.Queue, str]] = {
    "nats": "NATS JetStream, asyncpg, GiST, a transaction a batch",
    "redis": "Redis Streams, GEOSEARCH, asyncpg, a transaction a batch",
}


def run(bed: Bed, size: scene.Size) -> list[Record]:
    """Measures it; a peer whose server is missing is left out and named on standard error. Raises `BedError`, `LoadError`."""
    for sentence in queue_peers.left_out():
        print(sentence, file=sys.stderr)
    peer.prepare(bed, scene.city(size))
    ours: list[float] = []
    theirs: dict[int, list[float]] = {workers: [] for workers in PEER_POOLS}
    queued: dict[queue_peers.Queue, list[float]] = {queue: [] for queue in queue_peers.available()}
    work: dict[str, tuple[int, int]] = {}
    for number in range(size.rounds):
        bed.make(DATABASE, BASE)
        with bed.serving(DATABASE) as service:
            ours.append(_our_round(service, size, number))
        for workers, pool in PEER_POOLS.items():
            bed.make(PEER_DATABASE, peer.BASE)
            with peer.serving(bed, PEER_DATABASE, workers, pool) as address:
                theirs[workers].append(apart(peer_round, address, size, number, workers))
            work["fastapi"] = asyncio.run(_work(bed.dsn(PEER_DATABASE)))
        for queue, rates in queued.items():
            bed.make(PEER_DATABASE, peer.BASE)
            with queue_peers.serving(bed, queue, PEER_DATABASE) as broker:
                rates.append(apart(queue_round, queue, broker, size, number))
            work[queue] = asyncio.run(_work(bed.dsn(PEER_DATABASE)))
    work["ours"] = asyncio.run(_work(bed.dsn(DATABASE)))
    best = max(theirs, key=lambda workers: median(theirs[workers]))
    other = ", ".join(f"{median(rates):,.0f} with {workers}" for workers, rates in theirs.items() if workers != best)
    baseline = "FastAPI, asyncpg, GiST, a transaction a call"
    told = f"{_done(size, work, 'fastapi')}; the peer with {best} worker(s), {other}"
    return [
        record("ingest_call", ours, "calls/s", baseline, theirs[best], told),
        *(
            record(f"ingest_call_{queue}", ours, "calls/s", QUEUED[queue], rates, _done(size, work, queue))
            for queue, rates in queued.items()
        ),
    ]


def _done(size: scene.Size, work: dict[str, tuple[int, int]], whose: str) -> str:
    """What came of a round's calls: a peer that did another job would be none."""
    mine, their = work["ours"], work[whose]
    return f"{size.calls:,} calls: {mine[0]:,} incidents and {mine[1]:,} crews sent, the peer {their[0]:,} and {their[1]:,}"


def _our_round(service: Running, size: scene.Size, number: int) -> float:
    apart(crews_report, service.ingest, size)
    with beside(watch, service.dispatch_url, CLIENT_TOKEN) as client:
        if client.recv() != READY:
            raise LoadError("the dispatch client was not let in")
        began_ns, acked_ns = apart(send_round, service.ingest, size, number)
        client.send({f"{SOURCE}/{seq}" for seq in range(1, size.calls + 1)})
        published: dict[str, int] = client.recv()
    if len(published) < size.calls:
        raise LoadError(f"{size.calls - len(published)} of {size.calls} calls were never published")
    return size.calls / (max(acked_ns, *published.values()) - began_ns) * 1e9


def crews_report(address: tuple[str, int], size: scene.Size) -> None:
    """Has all crews report for duty."""
    lane = Lane(address, CREWS, SOURCE_TOKEN)
    scene.report_for_duty(lane, scene.city(size))
    lane.close()


def send_round(address: tuple[str, int], size: scene.Size, number: int) -> tuple[int, int]:
    """Sends a round's calls as fast as they are taken; returns the instants of the first byte and the last acknowledgement."""
    told = scene.calls(scene.city(size), size.calls, number)
    pieces = [
        Piece(0, SOURCE, part[-1].seq, encode_events(part))
        for start in range(0, len(told), PIECE_CALLS)
        if (part := told[start : start + PIECE_CALLS])
    ]
    lane = Lane(address, SOURCE, SOURCE_TOKEN)
    receipt = play([lane], pieces)
    lane.close()
    if receipt.errors:
        raise LoadError(f"calls were refused: {receipt.errors[:3]}")
    return receipt.started_ns, receipt.ended_ns()


def peer_round(address: tuple[str, int], size: scene.Size, number: int, workers: int) -> float:
    """Sends the same calls to the peer; returns calls a second."""
    requests = peer.encode_requests(scene.calls(scene.city(size), size.calls, number))
    return peer.send_calls(address, requests, PEER_CONNECTIONS, workers)


def queue_round(queue: queue_peers.Queue, broker: str, size: scene.Size, number: int) -> float:
    """Sends the same calls to a peer with a queue; returns calls a second."""
    pieces = queue_peers.encode_calls(queue, scene.calls(scene.city(size), size.calls, number))
    return queue_peers.send_calls(queue, broker, pieces, size.calls)


async def _work(dsn: str) -> tuple[int, int]:
    """Incidents and assignments in a database, ours or the peer's."""
    connection = await asyncpg.connect(dsn)
    try:
        incidents: int = await connection.fetchval("SELECT count(*) FROM incident")
        assignments: int = await connection.fetchval("SELECT count(*) FROM assignment")
        return incidents, assignments
    finally:
        await connection.close()
