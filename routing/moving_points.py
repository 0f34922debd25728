"""Points that move all the time, and which of them are nearest to given places: exactly, by a k-d tree rebuilt rarely.

Place in the flow: the ground under assign. A k-d tree cannot move a point, and building one for 100,000 crews takes tens of
milliseconds, so the tree keeps each point's *anchor*, its place when the tree was built, and three things keep answers exact:

- *Drift*: the farthest any anchored point has gone from its anchor. A point outside the tree's k nearest anchors, the last
  of them at distance d, is now at least `d - drift` away; what is found nearer is certain, and if too little is, k grows.
- *Loose points*: those gone farther than `slack` from their anchors, or placed since the build. They are compared one by one.
- *Toil*: the extra comparisons that drift and loose points have cost since the build. When they have cost as much as a build
  would, the tree is built anew, so that the sum is at most twice the best that hindsight could have done (ski rental). Toil
  counts operations, never time: the same calls rebuild at the same moment, and no answer depends on when that is.

Order is by squared chord and then by row, so ties fall to the lower row. Rows are dense from 0; a row may be nowhere (NaN).
"""

from __future__ import annotations

from math import isnan
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from routing.geodesy import Floats, chord_of, chords_squared

Rows = npt.NDArray[np.int64]

LOOSE_FREE: Final = 256
"""Loose points that are not worth a tree: comparing them costs less than asking one."""
BUILD_TOIL: Final = 20
"""A build's cost a point in comparisons: about 0.2 µs against 10 ns, measured at 1,000 to 100,000 points."""
SLACK_SPACINGS: Final = 3.0
"""Slack in units of the eighth neighbour's distance: with it the ball to be searched holds about 16 times as many points."""
SLACK_MIN_M: Final = 20.0
"""Least slack: where all points stand on one spot, positioning noise must not make each of them loose."""
LOOK_MAX: Final = 512
"""Beyond so many neighbours a plain scan of all points costs no more than the tree."""
_ROUNDING: Final = 1e-14
"""What `d - drift` is lessened by, far above the rounding error of the chords and far below a micrometre."""
_SAMPLE: Final = 64


class Near(NamedTuple):
    """Neighbours of m places, nearest first; a line's entries beyond `certain` may lack nearer points and mean nothing."""

    rows: Rows
    """Shape (m, w)."""
    chord_squared: Floats
    """Shape (m, w)."""
    certain: npt.NDArray[np.intp]
    """Shape (m,): how many leading entries of each line are exact."""


class MovingPoints:
    """Unit vectors addressed by dense rows, and exact nearest neighbours among them.

    Args:
        loose_free: loose points that cost nothing, at least 1; the tests lower it to see trees over a handful of points.
        build_toil: a build's cost a point; the tests vary it to see that no answer depends on it.
    """

    def __init__(self, loose_free: int = LOOSE_FREE, build_toil: int = BUILD_TOIL) -> None:
        self._loose_free = loose_free
        self._build_toil = build_toil
        self._size = 0
        self._placed = 0
        self._points: Floats = np.full((64, 3), np.nan)
        self._anchors: Floats = np.full((64, 3), np.nan)
        self._anchored = np.zeros(64, dtype=np.bool_)
        """Rows the tree answers for: within slack of their anchor."""
        self._listed = np.zeros(64, dtype=np.bool_)
        """Rows in the loose list. No row is both anchored and listed; a placed row is one of the two."""
        self._loose: Rows = np.empty(64, dtype=np.int64)
        self._loose_count = 0
        self._tree: cKDTree | None = None
        self._tree_rows: Rows = np.empty(0, dtype=np.int64)
        self._drift = 0.0
        self._slack = 0.0
        self._spacing = 1.0
        self._toil = 0
        self.builds = 0
        """Trees built so far, for measurements."""

    def __len__(self) -> int:
        return self._size

    @property
    def placed(self) -> int:
        """How many rows have a place."""
        return self._placed

    def is_placed(self, rows: Rows) -> npt.NDArray[np.bool_]:
        """Which of the rows have a place."""
        nowhere: npt.NDArray[np.bool_] = np.isnan(self._points[rows, 0])
        return ~nowhere

    def is_row_placed(self, row: int) -> bool:
        """Whether one row has a place."""
        return not isnan(self._points[row, 0])

    def append(self) -> None:
        """Adds one row, nowhere. Amortised O(1)."""
        if self._size == len(self._points):
            grown = 2 * self._size
            fresh = np.full((self._size, 3), np.nan)
            self._points = np.concatenate((self._points, fresh))
            self._anchors = np.concatenate((self._anchors, fresh))
            self._anchored = np.concatenate((self._anchored, np.zeros(self._size, dtype=np.bool_)))
            self._listed = np.concatenate((self._listed, np.zeros(self._size, dtype=np.bool_)))
            self._loose = np.resize(self._loose, grown)
        self._size += 1

    def move(self, rows: Rows, points: Floats) -> None:
        """Puts rows to new places.

        Args:
            rows: shape (n,), no row twice.
            points: unit vectors, shape (n, 3); a line of NaN makes the row stand nowhere.
        """
        before = np.isnan(self._points[rows, 0])
        after = np.isnan(points[:, 0])
        self._placed += int(np.count_nonzero(before)) - int(np.count_nonzero(after))
        self._points[rows] = points
        anchored = self._anchored[rows]
        gone_squared = chords_squared(points, self._anchors[rows])
        # NaN compares false: a row that is now nowhere, or was never anchored, does not stay.
        stays = anchored & (gone_squared <= self._slack * self._slack)
        if stays.any():
            self._drift = max(self._drift, float(np.sqrt(gone_squared[stays].max())))
        if not stays.all():
            self._anchored[rows[anchored & ~stays]] = False
            strays = rows[~stays & ~after & ~self._listed[rows]]
            self._listed[strays] = True
            self._loose[self._loose_count : self._loose_count + len(strays)] = strays
            self._loose_count += len(strays)

    def chords_squared(self, at: Floats, rows: Rows) -> Floats:
        """Squared chords from each place, shape (m, 3), to each of the rows, shape (n,): shape (m, n)."""
        return chords_squared(at[:, None, :], self._points[rows][None, :, :])

    def nearest(self, at: Floats, want: int, hope: int = 0) -> Near:
        """The nearest placed rows to each place.

        Args:
            at: unit vectors, shape (m, 3), m at least 1.
            want: how many neighbours each place must get for certain, if there are as many.
            hope: how many it should get where that costs no second look.

        Returns:
            At least `min(want, placed)` certain entries a line. One tree query a call as a rule.
        """
        self._settle(len(at))
        want = min(want, self._placed)
        look = int((1.25 * max(want, hope)) * (1.0 + self._drift / self._spacing) ** 2) + 4
        near = self._look(at, min(look, LOOK_MAX))
        while (short := np.flatnonzero(near.certain < want)).size:
            look *= 4
            again = self._look(at[short], look) if look <= LOOK_MAX else self._scan(at[short], want)
            near = _replace(near, short, again)
        return near

    def _settle(self, places: int) -> None:
        """Builds the tree anew if what its age costs has come to cost as much as a build."""
        if self._loose_count > self._loose_free or self._tree is not None:
            blur = 1.0 + self._drift / self._spacing
            self._toil += places * (self._loose_count + int(12 * (blur * blur - 1.0)))
            if self._toil >= self._build_toil * max(self._placed, self._loose_free):
                self._build()

    def _build(self) -> None:
        # Rows in the order of the last tree lie near one another: the new one is built in half the time.
        kept = self._tree_rows if self._tree is None else self._tree_rows[self._tree.indices]
        rows = np.concatenate((kept[self._anchored[kept]], self._loose[: self._loose_count]))
        rows = rows[self.is_placed(rows)]
        self._anchored[: self._size] = False
        self._listed[: self._size] = False
        self._toil = 0
        self._drift = 0.0
        if len(rows) <= self._loose_free:
            self._tree = None
            self._tree_rows = np.empty(0, dtype=np.int64)
            self._loose[: len(rows)] = rows
            self._loose_count = len(rows)
            self._listed[rows] = True
            return
        anchors = self._points[rows]
        # Sliding midpoints without shrunken boxes: built 2–3 times as fast as scipy's default, asked as fast on spread points.
        tree = cKDTree(anchors, leafsize=32, balanced_tree=False, compact_nodes=False)
        sample = anchors[:: -(-len(rows) // _SAMPLE)]
        self._spacing = max(float(np.median(tree.query(sample, [9])[0])), chord_of(SLACK_MIN_M / SLACK_SPACINGS))
        self._slack = SLACK_SPACINGS * self._spacing
        self._anchors[rows] = anchors
        self._anchored[rows] = True
        self._loose_count = 0
        self._tree = tree
        self._tree_rows = rows
        self.builds += 1

    def _look(self, at: Floats, look: int) -> Near:
        """One look at the tree for `look` anchors a place, and at all loose points."""
        edge_squared = np.full(len(at), np.inf)
        """Entries nearer than this are certain."""
        if self._tree is None:
            rows = np.empty((len(at), 0), dtype=np.int64)
            found = np.empty((len(at), 0))
        else:
            size = len(self._tree_rows)
            answer = self._tree.query(at, min(look, size))
            distance = np.asarray(answer[0], dtype=np.float64)
            rows = self._tree_rows[answer[1]]
            found = chords_squared(self._points[rows], at[:, None, :])
            found[~self._anchored[rows]] = np.inf
            if look < size:
                edge = distance[:, -1] - (self._drift + _ROUNDING)
                edge_squared = np.where(edge > 0.0, edge * edge, 0.0)
        if self._loose_count:
            loose = self._loose[: self._loose_count]
            apart = self.chords_squared(at, loose)
            if self._loose_count > 2 * look:
                # A place's `look` nearest loose points are enough; those as far as the last of them are kept too.
                last = np.partition(apart, look - 1, axis=1)[:, look - 1]
                edge_squared = np.fmin(edge_squared, np.nextafter(last, np.inf))
            rows, found = _join(rows, found, loose, apart, edge_squared)
        rows, found = _ordered(rows, found)
        certain = np.count_nonzero(found < edge_squared[:, None], axis=1)
        return Near(rows, found, certain)

    def _scan(self, at: Floats, want: int) -> Near:
        """The `want` nearest of all placed rows, by comparing every one."""
        everyone = np.flatnonzero(~np.isnan(self._points[: self._size, 0]))
        parts = [first(everyone, self.chords_squared(place[None, :], everyone)[0], want) for place in at]
        rows = np.stack([part[0] for part in parts])
        found = np.stack([part[1] for part in parts])
        return Near(rows, found, np.full(len(at), rows.shape[1]))


def first(rows: Rows, chord_squared: Floats, want: int) -> tuple[Rows, Floats]:
    """The `want` nearest of rows, in order; of equally far ones the lower. O(n + want log want)."""
    if want < len(rows):
        last = np.partition(chord_squared, want - 1)[want - 1]
        kept = np.flatnonzero(chord_squared <= last)
        rows, chord_squared = rows[kept], chord_squared[kept]
    order = np.lexsort((rows, chord_squared))[:want]
    return rows[order], chord_squared[order]


def _join(rows: Rows, found: Floats, loose: Rows, apart: Floats, edge_squared: Floats) -> tuple[Rows, Floats]:
    """Appends to each line the loose points nearer than its edge; shorter lines end in infinity."""
    line, column = np.nonzero(apart < edge_squared[:, None])
    if not line.size:
        return rows, found
    each = np.bincount(line, minlength=len(rows))
    width = int(each.max())
    slot = np.arange(len(line)) - np.repeat(np.cumsum(each) - each, each)
    more_rows = np.full((len(rows), width), -1, dtype=np.int64)
    more_found = np.full((len(rows), width), np.inf)
    more_rows[line, slot] = loose[column]
    more_found[line, slot] = apart[line, column]
    return np.concatenate((rows, more_rows), axis=1), np.concatenate((found, more_found), axis=1)


def _ordered(rows: Rows, found: Floats) -> tuple[Rows, Floats]:
    """Sorts each line by squared chord and then by row."""
    order = np.argsort(found, axis=1)
    ordered = np.take_along_axis(found, order, axis=1)
    if ((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] < np.inf)).any():
        order = np.lexsort((rows, found), axis=1)
        ordered = np.take_along_axis(found, order, axis=1)
    return np.take_along_axis(rows, order, axis=1), ordered


def _replace(near: Near, lines: npt.NDArray[np.intp], again: Near) -> Near:
    """`near` with some lines looked up anew, as wide as the wider of both."""
    width = max(near.rows.shape[1], again.rows.shape[1])
    rows = np.full((len(near.rows), width), -1, dtype=np.int64)
    found = np.full((len(near.rows), width), np.inf)
    rows[:, : near.rows.shape[1]] = near.rows
    found[:, : near.rows.shape[1]] = near.chord_squared
    rows[lines] = -1
    found[lines] = np.inf
    rows[lines, : again.rows.shape[1]] = again.rows
    found[lines, : again.rows.shape[1]] = again.chord_squared
    certain = near.certain.copy()
    certain[lines] = again.certain
    return Near(rows, found, certain)
