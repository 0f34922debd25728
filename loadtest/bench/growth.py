"""`growth`: what an event costs, and an incident weighs, with a thousand to a million incidents open.

In process: the engine with its real crew index and territories of one city, nothing else. The incidents that are already open
came as calls like all others, so memory is what a running centre would hold. Each size runs in a process of its own.
"""

from __future__ import annotations

import gc
import os
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from random import Random
from statistics import median
from typing import Final

import msgspec

from core.category import load_categories
from core.engine import Engine
from core.events import Call, CrewStatus, Fix
from core.events import Chunk as EventChunk
from core.instant import SECOND_US, Micros, to_datetime
from core.recovered import EMPTY
from core.state import Batch, CentreRules
from loadtest.bench import scene
from loadtest.bench.bed import Bed
from loadtest.bench.children import apart
from loadtest.bench.record import Record, record
from ops.scenarios import load_scenarios
from routing.crew_index import CrewTree
from routing.territory import TerritoryIndex
from routing.unmapped import Unmapped

NOW: Final = Micros(1_750_000_000 * SECOND_US)
BATCH_CALLS: Final = 500
MEASURED: Final = 4_000
"""Calls of each kind that are timed."""
CREWS: Final = 500
"""All are sent before anything is timed, and nobody frees: a new incident then waits, however many are open."""
TRACED_MAX: Final = 10_000
"""Incidents up to which memory is what the interpreter has allocated; for more, what the process holds: pages that are kept
for later outweigh a few incidents."""
SIDE_DEG: Final = (20.0, 30.0)
"""A country's extent: a million happenings in one city would be the same few over and over."""
WORDS: Final = ("Пожар, горит дом", "Драка во дворе", "Кража из квартиры", "Жол апаты болды", "Человек без сознания")


class Weight(msgspec.Struct, frozen=True):
    """What was found at one size."""

    open_us: list[float]
    """Microseconds a call that opens an incident, by batch."""
    join_us: list[float]
    """Microseconds a call that joins one, by batch."""
    incident_bytes: float
    opened: int
    """Of `MEASURED` calls about something new, those that opened an incident."""
    joined: int
    """Of `MEASURED` calls about something known, those that joined one."""


def run(_: Bed, size: scene.Size) -> list[Record]:
    """Measures it at every size; the smallest is the baseline of the others."""
    found = {
        count: [apart(weigh, count) for _ in range(size.rounds if count < 1_000_000 else 1)] for count in size.open_incidents
    }
    first = size.open_incidents[0]
    baseline = f"with {first:,} open"
    records = []
    for count, weights in found.items():
        for kind in ("open", "join"):
            values, least = (
                [median(one.open_us if kind == "open" else one.join_us) for one in group] for group in (weights, found[first])
            )
            records.append(record(f"growth_{kind}_{count}", values, "us/event", baseline, least))
        records.append(
            record(
                f"growth_bytes_{count}",
                [one.incident_bytes for one in weights],
                "bytes/incident",
                baseline,
                [one.incident_bytes for one in found[first]],
                "allocated; from 100,000 on resident memory",
            )
        )
    return records


def weigh(count: int) -> Weight:
    """Opens this many incidents, and then times calls that open more and calls that join."""
    rng = Random(scene.SEED)
    engine, seq = _engine(rng)
    before_bytes, before = _resident_bytes(), len(engine.state.incidents)
    places, seq = _fill(engine, seq, count, rng)
    grown_bytes = _resident_bytes() - before_bytes
    held = len(engine.state.incidents) - before
    # As the service does after recovery, so that what is timed is the engine and not the collector.
    gc.freeze()
    open_us: list[float] = []
    join_us: list[float] = []
    grown = {"open": 0, "join": 0}
    for _ in range(MEASURED // BATCH_CALLS):
        fresh = [_place(rng) for _ in range(BATCH_CALLS)]
        known = [rng.choice(places) for _ in range(BATCH_CALLS)]
        for kind, into, part in (("open", open_us, fresh), ("join", join_us, known)):
            before = len(engine.state.incidents)
            began = time.perf_counter()
            seq = _handle(engine, seq, part)
            into.append((time.perf_counter() - began) / BATCH_CALLS * 1e6)
            grown[kind] += len(engine.state.incidents) - before
    return Weight(
        open_us=open_us,
        join_us=join_us,
        incident_bytes=grown_bytes / held if count > TRACED_MAX else apart(traced_bytes, count),
        opened=grown["open"],
        joined=MEASURED - grown["join"],
    )


def traced_bytes(count: int) -> float:
    """Bytes that this many open incidents hold, by the interpreter's own account of its allocations, divided by them."""
    rng = Random(scene.SEED)
    engine, seq = _engine(rng)
    before = len(engine.state.incidents)
    tracemalloc.start()
    _fill(engine, seq, count, rng)
    return tracemalloc.get_traced_memory()[0] / (len(engine.state.incidents) - before)


def _engine(rng: Random) -> tuple[Engine, int]:
    """An engine with its crews and one batch of incidents: what is built with the first of them belongs to none."""
    categories = load_categories(None)
    engine = Engine(
        CentreRules(), categories, load_scenarios(None, categories), Unmapped(), TerritoryIndex([]), CrewTree(), EMPTY
    )
    _enlist(engine, rng)
    seq = _handle(engine, 0, [_place(rng) for _ in range(BATCH_CALLS)])
    gc.collect()
    return engine, seq


def _fill(engine: Engine, seq: int, count: int, rng: Random) -> tuple[list[Fix], int]:
    """Opens incidents; returns the places of some of them and the last number."""
    places: list[Fix] = []
    for start in range(0, count, BATCH_CALLS):
        part = [_place(rng) for _ in range(min(BATCH_CALLS, count - start))]
        places += part[:: max(1, count // 10_000)]
        seq = _handle(engine, seq, part)
    # What the last batch has changed is no part of what is open.
    engine.state.clear_changes()
    gc.collect()
    return places, seq


def _place(rng: Random) -> Fix:
    return Fix(40.0 + rng.random() * SIDE_DEG[0], 50.0 + rng.random() * SIDE_DEG[1], 15.0)


def _enlist(engine: Engine, rng: Random) -> None:
    statuses = [
        CrewStatus(
            seq=seq,
            at=to_datetime(NOW),
            crew=f"crew-{seq}",
            status="free",
            capabilities=("patrol", "ambulance", "fire", "rescue", "gas"),
            territory="",
            outside=True,
            fix=_place(rng),
        )
        for seq in range(1, CREWS + 1)
    ]
    engine.handle(Batch([EventChunk("crews", NOW, list(statuses), [b""] * CREWS, CREWS, urgent=True)], [], {}), NOW)


def _handle(engine: Engine, seq: int, places: list[Fix]) -> int:
    """Hands one batch of calls to the engine; returns the last number."""
    calls = list(_calls(seq, places))
    chunk = EventChunk("telephone", NOW, list(calls), [b""] * len(calls), calls[-1].seq, urgent=True)
    engine.handle(Batch([chunk], [], {}), NOW)
    return calls[-1].seq


def _calls(seq: int, places: list[Fix]) -> Iterator[Call]:
    at = to_datetime(NOW)
    for number, place in enumerate(places, seq + 1):
        # The words follow from the place, so that a second call about it tells of the same category.
        words = WORDS[int(place.latitude_deg * 1e6) % len(WORDS)]
        yield Call(seq=number, at=at, call_id=f"T{number}", words=words, fix=place)


def _resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
