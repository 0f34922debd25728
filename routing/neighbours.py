"""Neighbours of places as arrays: a line a place, nearest first, as looks at trees and comparisons give them.

Place in the flow: under assign, between the tree and the judgement of crews. Leaf functions over whole batches.

Rules: order is by squared chord, then by row. A line shorter than the widest ends in entries at infinity, whose row means
nothing. Entries at or beyond a line's edge may lack others before them, and mean nothing either.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from routing.geodesy import Floats

Rows = npt.NDArray[np.int64]


class Found(NamedTuple):
    """Neighbours of m places in any order."""

    rows: Rows
    """Shape (m, w)."""
    chord_squared: Floats
    """Shape (m, w)."""
    edge_squared: Floats
    """Shape (m,): no neighbour nearer than this is missing."""


class Near(NamedTuple):
    """Neighbours of m places, nearest first."""

    rows: Rows
    """Shape (m, w)."""
    chord_squared: Floats
    """Shape (m, w)."""
    certain: npt.NDArray[np.intp]
    """Shape (m,): how many leading entries of each line are exact, with none missing among them."""


def first(rows: Rows, chord_squared: Floats, want: int) -> tuple[Rows, Floats]:
    """The `want` nearest of rows, in order; of equally far ones the lower. O(n + want log want)."""
    if want < len(rows):
        last = np.partition(chord_squared, want - 1)[want - 1]
        kept = np.flatnonzero(chord_squared <= last)
        rows, chord_squared = rows[kept], chord_squared[kept]
    order = np.lexsort((rows, chord_squared))[:want]
    return rows[order], chord_squared[order]


def stacked(parts: Sequence[Rows]) -> Rows:
    """Lines of rows below one another, each filled up to the widest with -1."""
    if len(parts) == 1:
        return parts[0]
    rows = np.full((sum(map(len, parts)), max(part.shape[1] for part in parts)), -1, dtype=np.int64)
    start = 0
    for part in parts:
        end = start + len(part)
        rows[start:end, : part.shape[1]] = part
        start = end
    return rows


def joined(found: Found, rows: Rows, chord_squared: Floats) -> Found:
    """Adds to each line those of other rows, shape (n,), that are nearer than its edge; `chord_squared` has shape (m, n)."""
    line, column = np.nonzero(chord_squared < found.edge_squared[:, None])
    if not line.size:
        return found
    each = np.bincount(line, minlength=len(found.rows))
    slot = np.arange(len(line)) - np.repeat(np.cumsum(each) - each, each)
    shape = len(found.rows), int(each.max())
    more_rows = np.full(shape, -1, dtype=np.int64)
    more_apart = np.full(shape, np.inf)
    more_rows[line, slot] = rows[column]
    more_apart[line, slot] = chord_squared[line, column]
    return Found(
        np.concatenate((found.rows, more_rows), axis=1),
        np.concatenate((found.chord_squared, more_apart), axis=1),
        found.edge_squared,
    )


def ordered(found: Found) -> Near:
    """Sorts each line by squared chord and then by row, and counts what is certain."""
    lines = np.arange(len(found.rows))[:, None]
    order = np.argsort(found.chord_squared, axis=1)
    apart = found.chord_squared[lines, order]
    if ((apart[:, 1:] == apart[:, :-1]) & (apart[:, 1:] < np.inf)).any():
        order = np.lexsort((found.rows, found.chord_squared), axis=1)
        apart = found.chord_squared[lines, order]
    certain = np.count_nonzero(apart < found.edge_squared[:, None], axis=1)
    return Near(found.rows[lines, order], apart, certain)


def replaced(near: Near, lines: npt.NDArray[np.intp], again: Near) -> Near:
    """`near` with some lines looked up anew, as wide as the wider of both."""
    width = max(near.rows.shape[1], again.rows.shape[1])
    rows = np.full((len(near.rows), width), -1, dtype=np.int64)
    apart = np.full((len(near.rows), width), np.inf)
    rows[:, : near.rows.shape[1]] = near.rows
    apart[:, : near.rows.shape[1]] = near.chord_squared
    rows[lines] = -1
    apart[lines] = np.inf
    rows[lines, : again.rows.shape[1]] = again.rows
    apart[lines, : again.rows.shape[1]] = again.chord_squared
    certain = near.certain.copy()
    certain[lines] = again.certain
    return Near(rows, apart, certain)
