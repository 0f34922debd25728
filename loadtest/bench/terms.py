"""`terms`: what one term costs from its beginning to its firing while so many others run.

Deadlines come up in a steady state: each round the earliest is taken and another one begun, as in a centre in which as many
incidents open as close. The baseline, in the same run, is the usual way: a list that is looked through for what is due; it is
not asked to do so for a million.
"""

from __future__ import annotations

import time
from random import Random
from typing import Final

from core.instant import SECOND_US, Micros
from core.terms import RunningTerms
from core.vocabulary import IncidentId
from loadtest.bench.bed import Bed
from loadtest.bench.record import Record, record
from loadtest.bench.scene import QUICK, SEED, Size

RUNNING: Final = (1_000, 10_000, 100_000, 1_000_000)
FIRED: Final = 20_000
LOOKED_THROUGH: Final = 200
"""Looks of the baseline; each goes through all."""
LOOKED_THROUGH_MAX: Final = 100_000
SPAN_US: Final = 3_600 * SECOND_US


def run(_: Bed, size: Size) -> list[Record]:
    """Measures it."""
    fired = FIRED // 10 if size is QUICK else FIRED
    records: list[Record] = []
    scanned: list[float] = []
    for running in RUNNING[:2] if size is QUICK else RUNNING:
        ours = [term_us(running, fired, SEED + number) for number in range(size.rounds)]
        if running <= LOOKED_THROUGH_MAX:
            scanned = [scan_us(running, LOOKED_THROUGH, SEED + number) for number in range(size.rounds)]
        baseline = f"a list of {min(running, LOOKED_THROUGH_MAX):,}, looked through"
        records.append(record(f"terms {running:,} running", ours, "µs a term", baseline, scanned))
    return records


def term_us(running: int, fired: int, seed: int) -> float:
    """Microseconds to begin one term and to fire one, with so many running."""
    rng = Random(seed)
    terms = RunningTerms()
    terms.watch_many([(Micros(rng.randrange(SPAN_US)), IncidentId(number)) for number in range(running)])
    later = [rng.randrange(SPAN_US) for _ in range(fired)]
    began = time.perf_counter()
    for number, after_us in enumerate(later):
        due_us = terms.next_due_us
        assert due_us is not None
        first = terms.first_due(due_us)
        assert first is not None
        terms.forget(first[1], first[0])
        terms.watch(IncidentId(number), Micros(due_us + after_us))
    return (time.perf_counter() - began) / fired * 1e6


def scan_us(running: int, fired: int, seed: int) -> float:
    """The same with a list of deadlines."""
    rng = Random(seed)
    deadlines = [rng.randrange(SPAN_US) for _ in range(running)]
    began = time.perf_counter()
    for _ in range(fired):
        due_us = min(deadlines)
        deadlines.remove(due_us)
        deadlines.append(due_us + rng.randrange(SPAN_US))
    return (time.perf_counter() - began) / fired * 1e6
