"""Plain counters of what a thread has seen, for others to read: numbers and lists, nothing that knows of any metric.

Place in the flow: beside each stage that counts. Rules: a tally is written by one thread only; whoever reads it from another
copies it first, and a copy of a list or a dict is made in one step of the interpreter. Once a batch, never an event.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence


class Buckets:
    """How often a value lay between neighbouring bounds, and the sum of all values.

    Args:
        bounds: upper bounds, inclusive, rising.
    """

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        """Values up to each bound and above the bound before; the last one holds what is above all bounds."""
        self.total = 0.0

    def observe(self, value: float, times: int = 1) -> None:
        """Notes a value, or the same one several times. O(log bounds)."""
        self.counts[bisect_left(self.bounds, value)] += times
        self.total += value * times

    def __add__(self, other: Buckets) -> Buckets:
        """Both together; the bounds must be the same."""
        both = Buckets(self.bounds)
        both.counts = [mine + theirs for mine, theirs in zip(self.counts, other.counts, strict=True)]
        both.total = self.total + other.total
        return both


DURATIONS_S = (
    0.0001,
    0.00025,
    0.0005,
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    30.0,
    60.0,
)
"""Bounds for what a stage takes: from a batch of one event to a database that is away."""
