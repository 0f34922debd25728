"""The neighbours of places, nearest first, as looks at trees and comparisons give them.

Place in the flow: under assign, between the trees and the judgement of crews.

Rules: order is by squared chord, then by row. A line holds only what is certain: nobody is missing before its last entry. Lines
of a whole batch of places are one array, because sorting and judging them together costs a few calls of numpy for all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import inf
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from routing.geodesy import Flags, Floats

Rows = npt.NDArray[np.int64]


class Line(NamedTuple):
    """The neighbours of one place, nearest first."""

    rows: Sequence[int]
    chords_squared: Sequence[float]
    complete: bool
    """Whether these are all there are."""


class Lines:
    """The neighbours of several places.

    Invariant: line `i` is the first `counts[i]` columns of `rows[i]` and `chords_squared[i]`; behind them chords are infinite.
    There is at least one column.

    Args:
        rows: shape (m, k).
        chords_squared: shape (m, k).
        counts: shape (m,).
        complete: shape (m,), whether the line's neighbours are all there are.
    """

    __slots__ = ("chords_squared", "complete", "counts", "rows")

    def __init__(self, rows: Rows, chords_squared: Floats, counts: Rows, complete: Flags) -> None:
        self.rows = rows
        self.chords_squared = chords_squared
        self.counts = counts
        self.complete = complete

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, at: int) -> Line:
        count = self.counts[at]
        return Line(self.rows[at, :count].tolist(), self.chords_squared[at, :count].tolist(), bool(self.complete[at]))

    def __iter__(self) -> Iterator[Line]:
        return map(self.__getitem__, range(len(self)))


def lines_of(rows: Rows, chords_squared: Floats, edges_squared: Floats) -> Lines:
    """Lines of neighbours in any order, of which none nearer than a line's edge is missing; those beyond it are left out.

    Args:
        rows: shape (m, k).
        chords_squared: shape (m, k); infinite or NaN for who does not count.
        edges_squared: shape (m,), infinite where all there are are among the rows.
    """
    chords_squared = np.where(chords_squared < edges_squared[:, None], chords_squared, inf)
    order = np.lexsort((rows, chords_squared), axis=1)
    chords_squared = np.take_along_axis(chords_squared, order, axis=1)
    counts = np.count_nonzero(chords_squared < inf, axis=1)
    # What lies behind every line need not be carried along; one column stays, for those who take the first.
    width = max(1, int(counts.max()))
    rows = np.take_along_axis(rows, order[:, :width], axis=1)
    return Lines(rows, chords_squared[:, :width], counts, edges_squared == inf)


def line_of(rows: Sequence[int], chords_squared: Sequence[float], edge_squared: float) -> Line:
    """One line, as `lines_of` makes them: of a dozen neighbours, sorting pairs in Python costs less than numpy's calls."""
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
