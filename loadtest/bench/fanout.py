"""`fanout`: how many updates a second reach every one of 10, 100 and 1,000 dispatch clients within 50 ms.

An update is one crew's new position, the commonest thing that clients are told. `fanout_N` gives the publisher and the hub of
the product, in a process that does nothing else, against the `websockets` library's `broadcast` of the same positions in the
same protocol, one update a frame, as it is usually done. An update counts from the instant at which it was due, and a rate is
held when 99 % of all deliveries come in time; the rate is raised until it is not. The clients are the same raw sockets in
another process (`readers`). `fanout_service_N` is the whole service: positions come in over a socket, are decided and
committed, and count from the instant at which their source was due to send them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Final

import msgspec

from core.instant import Micros, to_datetime
from loadtest.bench import scene
from loadtest.bench.bed import BASE, CLIENT_TOKEN, SOURCE_TOKEN, Bed
from loadtest.bench.children import apart, beside
from loadtest.bench.fanout_hub import FIRST, TOKEN, call_broadcast, publish
from loadtest.bench.load import Lane, LoadError, Piece, encode_events, play
from loadtest.bench.pace import Play, Played
from loadtest.bench.readers import READY, Delivered, read
from loadtest.bench.record import Record, record

CLIENTS: Final = (10, 100, 1_000)
SERVICE_CLIENTS: Final = 1_000
WITHIN_MS: Final = 50.0
SHARE: Final = 0.99
TRIAL_S: Final = 1.5
STEP: Final = 1.4
"""By how much the rate is raised; half of it once more between the last that held and the first that did not."""
STRIDE: Final = 2.5
LOWEST_PER_S: Final = 2.0
SERVICE_CREWS: Final = 2_000
"""On duty: each client's snapshot holds all of them, and no more move while one message waits."""
DATABASE: Final = "bench_fanout"
_TICK_S: Final = 0.002
_BASELINE: Final = "websockets broadcast, one update a frame"


class Held(msgspec.Struct, frozen=True):
    """A rate that was held, and what one delivery cost the process that tells, in microseconds of CPU."""

    rate_per_s: float
    cpu_us: float = 0.0


class Stand:
    """One service with its clients, on which rates are tried."""

    def __init__(
        self, give: Callable[[Play], Played], deliver: Callable[[Play, Played], Delivered], number: Callable[[], int]
    ) -> None:
        self._give = give
        self._deliver = deliver
        self._number = number

    def holds(self, rate_per_s: float) -> Held | None:
        """Tries one rate."""
        asked = Play(self._number(), max(3, round(rate_per_s * TRIAL_S)), rate_per_s)
        played = self._give(asked)
        delivered = self._deliver(asked, played)
        if delivered.in_time < SHARE * delivered.expected:
            return None
        return Held(rate_per_s, played.cpu_s / delivered.expected * 1e6)


def capacity(holds: Callable[[float], Held | None], start_per_s: float) -> Held:
    """The highest rate found that holds; 0 where none does down to `LOWEST_PER_S`."""
    rate = start_per_s
    best = holds(rate)
    while best is None:
        rate /= 2.0
        if rate < LOWEST_PER_S:
            return Held(0.0)
        best = holds(rate)
    # In great steps as far as they lead, and only then in the ones that count.
    while (higher := holds(best.rate_per_s * STRIDE)) is not None:
        best = higher
    while True:
        # A busy machine alone fails a rate now and then, and where updates share frames a higher one is hardly dearer.
        for rungs in (1.0, 1.0, 2.0, 0.5):
            higher = holds(best.rate_per_s * STEP**rungs)
            if higher is not None:
                break
        if higher is None or rungs < 1.0:
            return higher or best
        best = higher


def run(bed: Bed, size: scene.Size) -> list[Record]:
    """Measures it. Raises `BedError`, `LoadError`."""
    records: list[Record] = []
    theirs: list[Held] = []
    for clients in CLIENTS:
        ours: list[Held] = []
        theirs = []
        with _hub(publish, TOKEN, clients) as hub, _hub(call_broadcast, "", clients) as library:
            for _ in range(size.rounds):
                ours.append(capacity(hub.holds, _start(ours, 20_000.0 / clients)))
                theirs.append(capacity(library.holds, _start(theirs, 10_000.0 / clients)))
        records.append(_record(f"fanout_{clients}", ours, theirs, "the hub alone"))
    whole: list[Held] = []
    bed.make(DATABASE, BASE)
    with bed.serving(DATABASE) as service:
        apart(report_for_duty, service.ingest, size)
        with reading(service.dispatch, CLIENT_TOKEN, SERVICE_CLIENTS) as readers:

            def give(asked: Play) -> Played:
                return Played(apart(send_positions, service.ingest, size, asked), 0.0)

            stand = Stand(give, readers, lambda: time.time_ns() // 1_000)
            for _ in range(size.rounds):
                whole.append(capacity(stand.holds, _start(whole, 100.0)))
    records.append(_record(f"fanout_service_{SERVICE_CLIENTS}", whole, theirs, "from the source through the whole service"))
    return records


def _start(found: list[Held], otherwise: float) -> float:
    return max(LOWEST_PER_S, found[-1].rate_per_s / STEP) if found else otherwise


def _record(name: str, ours: list[Held], theirs: list[Held], what: str) -> Record:
    costs = "; ".join(
        f"{who} {min(costs):.2g} µs of CPU a delivery"
        for who, held in (("ours", ours), ("theirs", theirs))
        if (costs := [one.cpu_us for one in held if one.cpu_us])
    )
    remark = f"{what}; {SHARE:.0%} of deliveries within {WITHIN_MS:.0f} ms; {costs}"
    return record(name, [one.rate_per_s for one in ours], "updates/s", _BASELINE, [one.rate_per_s for one in theirs], remark)


@contextmanager
def _hub(serving: Callable[..., None], token: str, clients: int) -> Iterator[Stand]:
    with beside(serving) as server, reading(server.recv(), token, clients) as readers:
        next_number = FIRST

        def number() -> int:
            return next_number

        def give(asked: Play) -> Played:
            nonlocal next_number
            next_number += asked.count
            server.send(asked)
            played: Played = server.recv()
            return played

        yield Stand(give, readers, number)


@contextmanager
def reading(address: tuple[str, int], token: str, clients: int) -> Iterator[Callable[[Play, Played], Delivered]]:
    """Clients in a process of their own while the block lasts; what it gives tells how a play reached them. `LoadError`."""
    with beside(read, address, token, clients, WITHIN_MS) as readers:
        if readers.recv() != READY:
            raise LoadError("the dispatch clients were not let in")

        def deliver(asked: Play, played: Played) -> Delivered:
            readers.send((asked, played.started_ns))
            delivered: Delivered = readers.recv()
            return delivered

        yield deliver


def report_for_duty(address: tuple[str, int], size: scene.Size) -> None:
    """Has some crews report for duty."""
    lane = Lane(address, "crews", SOURCE_TOKEN)
    scene.report_for_duty(lane, scene.city(size), SERVICE_CREWS)
    lane.close()


def send_positions(address: tuple[str, int], size: scene.Size, asked: Play) -> int:
    """Plays updates as the positions of one source; an update's number is its position's instant. Returns when it began."""
    lane = Lane(address, "crews", SOURCE_TOKEN)
    town = scene.city(size)
    base = lane.acked_seq + 1
    still = list(islice(scene.positions(town, SERVICE_CREWS, 1), SERVICE_CREWS))
    events = [
        msgspec.structs.replace(
            still[(asked.first + at) % SERVICE_CREWS], seq=base + at, at=to_datetime(Micros(asked.first + at))
        )
        for at in range(asked.count)
    ]
    each = max(1, round(asked.rate_per_s * _TICK_S))
    pieces = [
        Piece(1 + asked.due_ns(asked.first + start + len(part) - 1, 0), lane.source, part[-1].seq, encode_events(part))
        for start in range(0, len(events), each)
        if (part := events[start : start + each])
    ]
    receipt = play([lane], pieces)
    lane.close()
    if receipt.errors:
        raise LoadError(f"positions were refused: {receipt.errors[:3]}")
    return receipt.started_ns
