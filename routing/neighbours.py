"""The neighbours of a place, nearest first, as looks at trees and comparisons give them.

Place in the flow: under assign, between the trees and the judgement of crews.

Rules: order is by squared chord, then by row. A line holds only what is certain: nobody is missing before its last entry.
Lines are short, so they are plain lists: sorting a dozen pairs in Python costs less than the calls of numpy that would do it.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from routing.geodesy import Floats

Rows = npt.NDArray[np.int64]


class Line(NamedTuple):
    """The neighbours of one place, nearest first."""

    rows: Sequence[int]
    chords_squared: Sequence[float]
    complete: bool
    """Whether these are all there are."""


NOBODY: Final = Line((), (), True)


def line_of(rows: Sequence[int], chords_squared: Sequence[float], edge_squared: float) -> Line:
    """The line of neighbours in any order, no neighbour nearer than the edge being missing; those beyond it are left out."""
    pairs = sorted([pair for pair in zip(chords_squared, rows, strict=True) if pair[0] < edge_squared])
    if not pairs:
        return Line((), (), edge_squared == inf)
    apart, ordered = zip(*pairs, strict=True)
    return Line(ordered, apart, edge_squared == inf)


def first(rows: Rows, chords_squared: Floats, want: int) -> Line:
    """The `want` nearest of rows, shape (n,), all of them placed. O(n + want log want)."""
    complete = want >= len(rows)
    if not complete:
        last = np.partition(chords_squared, want - 1)[want - 1]
        kept = np.flatnonzero(chords_squared <= last)
        rows, chords_squared = rows[kept], chords_squared[kept]
    order = np.lexsort((rows, chords_squared))[:want]
    return Line(rows[order].tolist(), chords_squared[order].tolist(), complete)
