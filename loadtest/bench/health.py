"""`health_latency`: how soon `/livez`, `/readyz` and `/metrics` answer while events come as fast as they are taken.

The endpoint shares the interpreter with the thread that decides, so its answers wait for their turn of it. The baseline is the
same service with nothing to do. 100 ms is allowed.
"""

from __future__ import annotations

import time
from http.client import HTTPConnection
from multiprocessing.connection import Connection
from typing import Final

from loadtest.bench import scene
from loadtest.bench.bed import BASE, SOURCE_TOKEN, Bed
from loadtest.bench.children import apart, beside
from loadtest.bench.load import Lane, LoadError, Piece, encode_events, play
from loadtest.bench.record import Record, percentile, record
from loadtest.bench.sensors import PIECE_EVENTS
from loadtest.bench.whole_calls import PIECE_CALLS, crews_report

DATABASE: Final = "bench_health"
PATHS: Final = ("/livez", "/readyz", "/metrics")
SHARES: Final = (("p50", 0.50), ("p99", 0.99))
IDLE_ROUNDS: Final = 100
ALLOWED_MS: Final = 100.0
READY: Final = "ready"
DONE: Final = "done"


def run(bed: Bed, size: scene.Size) -> list[Record]:
    """Measures it. Raises `BedError`, `LoadError`."""
    bed.make(DATABASE, BASE)
    idle: list[dict[str, list[float]]] = []
    busy: list[dict[str, list[float]]] = []
    with bed.serving(DATABASE) as service:
        apart(crews_report, service.ingest, size)
        for number in range(size.rounds):
            idle.append(apart(ask_times, service.health, IDLE_ROUNDS))
            with beside(flood, service.ingest, size, number) as load:
                if load.recv() != READY:
                    raise LoadError("the load has not begun")
                load.send(READY)
                found: dict[str, list[float]] = {path: [] for path in PATHS}
                while not load.poll():
                    ask(service.health, found)
                outcome = load.recv()
            if outcome != DONE:
                raise LoadError(str(outcome))
            busy.append(found)
    asked = min(len(found[PATHS[0]]) for found in busy)
    remark = f"at most {ALLOWED_MS:.0f} ms allowed; each path asked {asked} times and more a round, one after the other"
    return [
        record(
            f"health_latency_{path.strip('/')}_{word}",
            [percentile(found[path], share) for found in busy],
            "ms",
            "the same with nothing to do",
            [percentile(found[path], share) for found in idle],
            remark,
        )
        for path in PATHS
        for word, share in SHARES
    ]


def ask_times(address: tuple[str, int], times: int) -> dict[str, list[float]]:
    """Milliseconds of so many answers of each path."""
    found: dict[str, list[float]] = {path: [] for path in PATHS}
    for _ in range(times):
        ask(address, found)
    return found


def ask(address: tuple[str, int], into: dict[str, list[float]]) -> None:
    """Asks each path once, over a connection of its own, as a probe does. Raises `LoadError` for an answer that is none."""
    for path, took_ms in into.items():
        began = time.perf_counter()
        connection = HTTPConnection(*address, timeout=10.0)
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        took_ms.append((time.perf_counter() - began) * 1e3)
        # A full inlet is a reason not to be ready, and this load fills it.
        if answer.status not in (200, 503) or not body or (path != "/readyz" and answer.status != 200):
            raise LoadError(f"{path} answers {answer.status}")


def flood(connection: Connection, address: tuple[str, int], size: scene.Size, number: int) -> None:
    """The load, in a process of its own: says `READY`, waits, sends all it has, and says `DONE` or what went wrong."""
    town = scene.city(size)
    cameras, telephone = (Lane(address, source, SOURCE_TOKEN) for source in ("cameras", "telephone"))
    calls = scene.calls(town, size.calls, number, telephone.acked_seq + 1)
    reads = scene.plate_reads(town, size.sensor_events, cameras.acked_seq + 1, number)
    pieces = [
        Piece(0, lane.source, part[-1].seq, encode_events(part))
        for lane, events, step in ((cameras, reads, PIECE_EVENTS), (telephone, calls, PIECE_CALLS))
        for start in range(0, len(events), step)
        if (part := events[start : start + step])
    ]
    connection.send(READY)
    connection.recv()
    receipt = play([cameras, telephone], pieces)
    for lane in (cameras, telephone):
        lane.close()
    connection.send(f"events were refused: {receipt.errors[:3]}" if receipt.errors else DONE)
