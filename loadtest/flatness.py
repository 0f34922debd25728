"""Judges whether a series over time stays as it is: the slope with its confidence, and what may be said of it.

Pure: numbers in, a judgement out. Neighbouring samples of a process say nearly the same, and would make a slope look surer than
it is; so a series is cut into blocks, each is worth its median, and the slope is that of Theil and Sen through those: the
median of the slopes between any two of them, with the interval of its rank statistic (Sen 1968, as `scipy.stats.theilslopes`
has it). A spike moves neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from itertools import pairwise
from statistics import median
from typing import Final

import msgspec
from scipy.stats import theilslopes

BLOCKS: Final = 24
BLOCKS_MIN: Final = 6
CONFIDENCE: Final = 0.95
_HOUR_S: Final = 3_600.0


class Verdict(StrEnum):
    """What may be said."""

    FLAT = "flat"
    GROWS = "grows"
    UNDECIDED = "undecided"
    """The series is too short or too restless to tell."""


class Trend(msgspec.Struct, frozen=True):
    """How a series moves."""

    level: float
    """Its median."""
    per_hour: float
    low: float
    """With `CONFIDENCE`, not less an hour than this, and not more than `high`."""
    high: float

    def verdict(self, tolerance: float) -> Verdict:
        """Whether it stays within a growth that is none.

        Args:
            tolerance: an hour, in the series' unit. What falls is flat: nothing runs out.
        """
        if self.high <= tolerance:
            return Verdict.FLAT
        return Verdict.GROWS if self.low > 0 and self.per_hour > tolerance else Verdict.UNDECIDED

    def told(self, tolerance: float, unit: str) -> str:
        """The verdict in words."""
        numbers = f"{self.per_hour:+.3g} {unit}/h ({CONFIDENCE:.0%}: {self.low:+.3g} to {self.high:+.3g})"
        match self.verdict(tolerance):
            case Verdict.FLAT:
                return f"flat: {numbers}"
            case Verdict.GROWS:
                return f"grows by {self.per_hour:.3g} {unit}/h: {numbers}"
        return f"undecided, to be played longer: {numbers}"


def trend(at_s: Sequence[float], values: Sequence[float]) -> Trend:
    """How a series moves over time. Raises `ValueError` for fewer samples than `BLOCKS_MIN`.

    Args:
        at_s: seconds, rising.
        values: as many.
    """
    count = min(BLOCKS, len(values))
    if count < BLOCKS_MIN or len(at_s) != len(values):
        raise ValueError(f"{len(values)} samples are too few for a trend")
    edges = [len(values) * block // count for block in range(count + 1)]
    times = [median(at_s[first:last]) for first, last in pairwise(edges)]
    levels = [median(values[first:last]) for first, last in pairwise(edges)]
    slope, _, low, high = theilslopes(levels, times, CONFIDENCE)
    return Trend(median(values), float(slope) * _HOUR_S, float(low) * _HOUR_S, float(high) * _HOUR_S)
