"""`make coefficients`: what one event of each kind costs the centre and its database, for `jedel size`.

A real service on a real database is played one kind of event at a time, as fast as it takes them, and the kernel
says what its process and PostgreSQL's used meanwhile. Idle time is taken off. The error of a coefficient is half the distance
of its least round from its greatest. At the end a mix of everything is played, to see what the sum of the parts is worth.

python -m loadtest.cost [--quick] [--out FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from importlib.metadata import version
from itertools import count, pairwise
from pathlib import Path
from statistics import median
from typing import Final

import asyncpg
import msgspec

from core.events import AnyEvent, CrewStatus
from core.instant import to_datetime
from loadtest.bench import scene
from loadtest.bench.bed import BASE, CLIENT_TOKEN, SOURCE_TOKEN, Bed, Running, bed
from loadtest.bench.children import apart, beside
from loadtest.bench.load import Lane, LoadError, Piece, encode_events, play
from loadtest.bench.record import rounded
from loadtest.city import City
from loadtest.processes import usage_of
from loadtest.spectators import READY, spectate
from ops.sizing import Coefficients, Cost, Figure

DATABASE: Final = "bench_cost"
PIECES: Final = 80
"""Sendings that a round's events of one kind come in."""
COUNTS: Final = {"call": 1_600, "report": 10_000, "read": 60_000, "position": 20_000}
"""Events of a round, sent as fast as they are taken: what bounds a centre is what an event costs when batches are full. A quiet
centre spends more on each, of time that it has."""
MIX: Final = {"call": 400, "read": 16_000, "position": 5_000}
CLIENTS: Final = 40
IDLE_S: Final = 2.0
OUT: Final = Path("ops/coefficients.json")
_STORED: Final = """
SELECT coalesce(sum(pg_table_size(c.oid) + pg_indexes_size(c.oid)), 0)::bigint, pg_current_wal_insert_lsn() - '0/0'::pg_lsn
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r' AND n.nspname = 'public'
"""


class Spent(msgspec.Struct, frozen=True):
    """What a while has used."""

    seconds: float
    centre_s: float
    database_s: float
    disk_bytes: float
    wal_bytes: float


class Round(msgspec.Struct, frozen=True):
    """What one event cost in one round."""

    centre_us: float
    database_us: float
    disk_bytes: float
    wal_bytes: float
    wire_bytes: float


class Stand:
    """The service that is measured, its crews on duty, and the number of plays so far."""

    def __init__(self, stand: Bed, service: Running, size: scene.Size, shrink: int, rounds: int) -> None:
        self._bed = stand
        self._service = service
        self._size = size
        self._shrink = shrink
        self._rounds = range(rounds)
        self._plays = count(1)
        self.empty_bytes = self.resident_bytes()
        apart(report, service.ingest, size)
        self.on_duty_bytes = self.resident_bytes()
        idle = [self._spent(lambda: time.sleep(IDLE_S)) for _ in self._rounds]
        self._idle_centre = median(one.centre_s / one.seconds for one in idle)
        self._idle_database = median(one.database_s / one.seconds for one in idle)

    def rounds(self, counts: dict[str, int]) -> list[Round]:
        """Plays these events together, round after round, and counts their costs together."""
        return [self._round(counts) for _ in self._rounds]

    @property
    def crew_bytes(self) -> float:
        """Memory that a crew on duty takes."""
        return max(0.0, self.on_duty_bytes - self.empty_bytes) / len(scene.city(self._size).crews)

    def resident_bytes(self) -> int:
        """The centre's memory now."""
        return usage_of(self._service.pid).resident_bytes

    @contextmanager
    def watched(self, positions: bool) -> Iterator[None]:
        """Has `CLIENTS` clients watch everything. Raises `LoadError`."""
        with beside(spectate, self._service.dispatch_url, CLIENT_TOKEN, CLIENTS, positions) as clients:
            if clients.recv() != READY:
                raise LoadError("the dispatch clients were not let in")
            yield

    def _round(self, counts: dict[str, int]) -> Round:
        wire_bytes: list[int] = []
        number = next(self._plays)
        spent = self._spent(
            lambda: wire_bytes.append(apart(send, self._service.ingest, self._size, counts, self._shrink, number))
        )
        events = sum(counts.values()) // self._shrink
        return Round(
            centre_us=(spent.centre_s - self._idle_centre * spent.seconds) / events * 1e6,
            database_us=(spent.database_s - self._idle_database * spent.seconds) / events * 1e6,
            disk_bytes=spent.disk_bytes / events,
            wal_bytes=spent.wal_bytes / events,
            wire_bytes=wire_bytes[0] / events,
        )

    def _spent(self, body: Callable[[], object]) -> Spent:
        before, began = self._now(), time.monotonic()
        body()
        after = self._now()
        return Spent(time.monotonic() - began, *(late - early for early, late in zip(before, after, strict=True)))

    def _now(self) -> tuple[float, float, int, int]:
        disk_bytes, wal_bytes = asyncio.run(_stored(self._bed.dsn(DATABASE)))
        return usage_of(self._service.pid).cpu_s, usage_of(self._bed.postmaster_pid).family_cpu_s, disk_bytes, wal_bytes


async def _stored(dsn: str) -> tuple[int, int]:
    connection = await asyncpg.connect(dsn)
    try:
        row = await connection.fetchrow(_STORED)
        assert row is not None
        return int(row[0]), int(row[1])
    finally:
        await connection.close()


def send(address: tuple[str, int], size: scene.Size, counts: dict[str, int], shrink: int, number: int) -> int:
    """Plays events of several kinds together, `1 / shrink` of these; returns the bytes sent. Raises `LoadError`."""
    town = scene.city(size)
    lanes = {kind: Lane(address, f"cost-{kind}", SOURCE_TOKEN) for kind in counts}
    by_kind = [
        [
            Piece(0, lane.source, part[-1].seq, encode_events(part))
            for events in [_events(town, kind, counts[kind] // shrink, lane.acked_seq + 1, number)]
            for part in split(events, PIECES)
        ]
        for kind, lane in lanes.items()
    ]
    # Kinds take turns, each with its part of the whole.
    pieces = [piece for turn in zip(*by_kind, strict=True) for piece in turn]
    receipt = play(list(lanes.values()), pieces)
    for lane in lanes.values():
        lane.close()
    if receipt.errors:
        raise LoadError(f"events were refused: {receipt.errors[:3]}")
    return sum(len(piece.data) for piece in pieces)


def split(events: Sequence[AnyEvent], parts: int) -> list[Sequence[AnyEvent]]:
    """The events in so many parts, as equal as can be, in order."""
    edges = [len(events) * number // parts for number in range(parts + 1)]
    return [events[first:last] for first, last in pairwise(edges)]


def _events(town: City, kind: str, events: int, first_seq: int, number: int) -> Sequence[AnyEvent]:
    match kind:
        case "call":
            return scene.calls(town, events, number, first_seq)
        case "read":
            return scene.plate_reads(town, events, first_seq, number)
        case "position":
            return list(scene.positions(town, events, first_seq))
    at = to_datetime(time.time_ns() // 1_000)
    return [
        CrewStatus(seq=first_seq + at_row, at=at, crew=town.crews[at_row % len(town.crews)].call_sign, status="free")
        for at_row in range(events)
    ]


def report(address: tuple[str, int], size: scene.Size) -> None:
    """Has every crew report for duty."""
    lane = Lane(address, "cost-crews", SOURCE_TOKEN)
    scene.report_for_duty(lane, scene.city(size))
    lane.close()


def figure(values: Sequence[float]) -> Figure:
    """The median of rounds, with half the distance of the least from the greatest for its error. Never below nothing."""
    return Figure(rounded(max(0.0, median(values))), rounded((max(values) - min(values)) / 2))


def _cost(rounds: Sequence[Round]) -> Cost:
    names = Cost.__struct_fields__
    return Cost(**{name: figure([getattr(one, name) for one in rounds]) for name in names})


def _shown(watched: Sequence[Round], unwatched: Cost) -> Figure:
    """What an event costs more for each client that watches."""
    more = [(one.centre_us - unwatched.centre_us.value) / CLIENTS for one in watched]
    return figure(more)


def measure(stand: Bed, size: scene.Size, shrink: int, rounds: int) -> Coefficients:
    """Plays everything, each kind to a service of its own with all crews on duty and free. Raises `BedError`, `LoadError`."""

    @contextmanager
    def served() -> Iterator[Stand]:
        stand.make(DATABASE, BASE)
        with stand.serving(DATABASE) as service:
            yield Stand(stand, service, size, shrink, rounds)

    costs: dict[str, Cost] = {}
    for kind, counted in COUNTS.items():
        with served() as played:
            costs[kind] = _cost(played.rounds({kind: counted}))
            if kind == "call":
                centre_bytes, crew_bytes = played.empty_bytes, played.crew_bytes
                calls = counted // shrink * rounds
                call_bytes = (played.resident_bytes() - played.on_duty_bytes) / calls
    with served() as played:
        mixed = figure([one.centre_us for one in played.rounds(MIX)])
    with served() as played, played.watched(positions=True):
        shown_position = _shown(played.rounds({"position": COUNTS["position"]}), costs["position"])
    with served() as played, played.watched(positions=False):
        client_bytes = (played.resident_bytes() - played.on_duty_bytes) / CLIENTS
        shown_call = _shown(played.rounds({"call": COUNTS["call"]}), costs["call"])
    foretold_us = sum(costs[kind].centre_us.value * counted for kind, counted in MIX.items()) / sum(MIX.values())
    return Coefficients(
        machine=_machine(),
        measured_on=date.today().isoformat(),  # noqa: DTZ011  # the day on this machine's wall
        version=version("jedel"),
        **costs,
        shown_call_us=shown_call,
        shown_position_us=shown_position,
        centre_bytes=Figure(float(centre_bytes)),
        call_bytes=Figure(rounded(max(0.0, call_bytes))),
        crew_bytes=Figure(rounded(crew_bytes)),
        client_bytes=Figure(rounded(max(0.0, client_bytes))),
        check=rounded(mixed.value / foretold_us),
    )


def _machine() -> str:
    cores = sum(1 for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if line.startswith("processor"))
    names = [line for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if line.startswith("model name")]
    name = names[0].partition(":")[2].strip() if names else platform.processor()
    return f"{cores} cores of {name}, Python {platform.python_version()}"


def main() -> int:
    """Measures and writes what the command line asks for; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.cost", description="What one event costs, for `jedel size`.")
    parser.add_argument("--quick", action="store_true", help="short rounds, to see that everything works")
    parser.add_argument("--out", type=Path, default=OUT, help="file for the coefficients")
    asked = parser.parse_args()
    size, shrink, rounds = (scene.QUICK, 4, 2) if asked.quick else (scene.FULL, 1, 5)
    with tempfile.TemporaryDirectory(prefix="jedel-cost-") as folder, bed(Path(folder)) as stand:
        stand.import_city(scene.city(size))
        found = measure(stand, size, shrink, rounds)
    asked.out.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n")
    print(
        f"{asked.out}: a call {found.call.centre_us.value:.0f} us, a plate read {found.read.centre_us.value:.1f} us;"
        f" a mix took {found.check:.2f} times what they foretell"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
