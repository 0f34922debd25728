"""Points that move all the time, and which of a layer are nearest to given places: exactly, by k-d trees rebuilt rarely.

Place in the flow: the ground under assign. A k-d tree cannot move a point, and building one for 100,000 crews takes tens of
milliseconds, so a tree keeps each point's *anchor*, its place when all were anchored, and three things keep answers exact:

- *Drift*: the farthest any anchored point has gone from its anchor. A point outside the tree's k nearest anchors, the last
  of them at distance d, is now at least `d - drift` away; what is found nearer is certain, and if too little is, k grows.
- *Loose points*: those gone farther than `slack` from their anchors, or placed since. They are compared one by one.
- *Toil*: the extra comparisons that drift and loose points have cost since all were anchored. When they have cost as much as
  anchoring would, that is done, so that the sum is at most twice the best that hindsight could have done (ski rental).
  Toil counts operations, never time: the same calls build at the same moment, and no answer depends on when that is.

Points belong to *layers*, and each layer has a tree of its own over the anchors, built when it is first asked: the few of a
kind are found among themselves, not behind the many of other kinds, and no single call pays for all trees. A layer of few
points has no tree; they are all compared.

Order is by squared chord and then by row, so ties fall to the lower row. Rows are dense from 0; a row may be nowhere (NaN).
"""

from __future__ import annotations

from collections.abc import Iterable
from math import inf, sqrt
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from routing.geodesy import Floats, chord_of, chords_squared
from routing.neighbours import Line, Lines, Rows, first, line_of, lines_of

FEW: Final = 64
"""Points that are not worth a tree: sorting them all costs less than asking one."""
BUILD_TOIL: Final = 10
"""What anchoring costs a point in comparisons: about 0.3 µs with its trees against 30 ns, measured at 100,000 points."""
SLACK_SPACINGS: Final = 3.0
"""Slack in units of the eighth neighbour's distance: with it the ball to be searched holds about 16 times as many points."""
SLACK_MIN_M: Final = 20.0
"""Least slack: where all points stand on one spot, positioning noise must not make each of them loose."""
LOOK_MAX: Final = 512
"""Beyond so many neighbours a plain scan of all points costs no more than the tree."""
_ROUNDING: Final = 1e-14
"""What `d - drift` is lessened by, far above the rounding error of the chords and far below a micrometre."""
_SAMPLE: Final = 64
_NONE: Final[Rows] = np.empty(0, dtype=np.int64)


class _Tree:
    """A tree over the anchors of some rows. `spacing` is the distance at which eight neighbours lie, as a chord."""

    __slots__ = ("rows", "spacing", "tree")

    def __init__(self, rows: Rows, anchors: Floats) -> None:
        self.rows = rows
        # Sliding midpoints: built twice as fast as scipy's default medians (100,000: 10 ms, not 21), asked as fast.
        self.tree = cKDTree(anchors, leafsize=32, balanced_tree=False)
        sample = anchors[:: -(-len(rows) // _SAMPLE)]
        farthest = np.asarray(self.tree.query(sample, [min(9, len(rows))])[0], dtype=np.float64)
        self.spacing = max(float(np.median(farthest)), chord_of(SLACK_MIN_M / SLACK_SPACINGS))


class _Layer:
    """The rows of one kind.

    Invariant: `loose` holds its rows that are placed but not anchored (and perhaps some that are nowhere); `tree`, where there
    is one, holds at least the anchored ones.
    """

    __slots__ = ("_loose_rows", "_rows", "loose", "members", "name", "tree")

    def __init__(self, name: str) -> None:
        self.name = name
        self.members: set[int] = set()
        self.loose: dict[int, None] = {}
        self.tree: _Tree | None = None
        self._rows: Rows | None = None
        self._loose_rows = _NONE

    def add(self, row: int) -> None:
        self.members.add(row)
        self._rows = None

    def discard(self, row: int) -> None:
        self.members.discard(row)
        self._rows = None
        self.loose.pop(row, None)
        self._loose_rows = _NONE

    def rows(self) -> Rows:
        """All members: ascending, or in the order of the last tree, for rows near one another are built in half the time."""
        if self._rows is None:
            self._rows = np.array(sorted(self.members), dtype=np.int64)
        return self._rows

    def loose_rows(self) -> Rows:
        # Between two calls of `discard` or `forget` rows are only added, so the length tells whether the copy is old.
        if len(self._loose_rows) != len(self.loose):
            self._loose_rows = np.fromiter(self.loose, np.int64, len(self.loose))
        return self._loose_rows

    def build(self, anchors: Floats, anchored: npt.NDArray[np.bool_]) -> _Tree | None:
        """Builds the tree over the anchored rows, if there are any."""
        rows = self.rows()
        rows = rows[anchored[rows]]
        if len(rows):
            self.tree = _Tree(rows, anchors[rows])
            if len(rows) == len(self.members):
                self._rows = rows[self.tree.tree.indices]
        return self.tree

    def forget(self) -> None:
        """No tree, nothing loose."""
        self.tree = None
        self.loose.clear()
        self._loose_rows = _NONE


class MovingPoints:
    """Unit vectors addressed by dense rows, and exact nearest neighbours among those of a layer.

    Invariant: a placed row is either anchored or loose in each of its layers.

    Args:
        few: points of a layer that need no tree; the tests lower it to see trees over a handful of points.
        build_toil: what anchoring costs a point; the tests vary it to see that no answer depends on it.
    """

    def __init__(self, few: int = FEW, build_toil: int = BUILD_TOIL) -> None:
        self._few = few
        self._build_toil = build_toil
        self._size = 0
        self._points: Floats = np.full((64, 3), np.nan)
        self._anchors: Floats = np.full((64, 3), np.nan)
        self._anchored = np.zeros(64, dtype=np.bool_)
        self._loose = np.zeros(64, dtype=np.bool_)
        """Rows that their layers hold as loose."""
        self._layers: dict[str, _Layer] = {}
        self._layers_of: list[tuple[_Layer, ...]] = []
        self._drift = 0.0
        self._slack = 0.0
        self._toil = 0
        self.builds = 0
        """How often the points have been anchored, for measurements."""

    def __len__(self) -> int:
        return self._size

    def is_placed(self, rows: Rows) -> npt.NDArray[np.bool_]:
        """Which of the rows have a place."""
        nowhere: npt.NDArray[np.bool_] = np.isnan(self._points[rows, 0])
        return ~nowhere

    def places(self, rows: Rows) -> Floats:
        """Unit vectors of rows, shape (n, 3); NaN where one is nowhere."""
        return self._points.take(rows, axis=0)

    def members(self, layer: str) -> Rows:
        """The rows of a layer, placed or not, in no order. Not to be written to."""
        known = self._layers.get(layer)
        return _NONE if known is None else known.rows()

    def append(self) -> None:
        """Adds one row, nowhere and in no layer. Amortised O(1)."""
        if self._size == len(self._points):
            fresh = np.full((self._size, 3), np.nan)
            self._points = np.concatenate((self._points, fresh))
            self._anchors = np.concatenate((self._anchors, fresh))
            self._anchored = np.concatenate((self._anchored, np.zeros(self._size, dtype=np.bool_)))
            self._loose = np.concatenate((self._loose, np.zeros(self._size, dtype=np.bool_)))
        self._size += 1
        self._layers_of.append(())

    def enlist(self, row: int, names: Iterable[str]) -> None:
        """Makes these the layers of a row. O(their number)."""
        layers = dict.fromkeys(self._layers.setdefault(name, _Layer(name)) for name in names)
        for layer in self._layers_of[row]:
            if layer not in layers:
                layer.discard(row)
                if not layer.members:
                    del self._layers[layer.name]
        for layer in layers:
            layer.add(row)
        self._layers_of[row] = tuple(layers)
        # The trees of the layers it leaves still find its anchor, and those it joins do not: without one it is loose in each.
        if self._anchored[row] or self._loose[row]:
            self._anchored[row] = False
            self._loosen(np.array([row]))

    def move(self, rows: Rows, points: Floats) -> None:
        """Puts rows to new places.

        Args:
            rows: shape (n,), no row twice.
            points: unit vectors, shape (n, 3); a line of NaN makes the row stand nowhere.
        """
        self._points[rows] = points
        anchored = self._anchored[rows]
        gone_squared = chords_squared(points, self._anchors[rows])
        # NaN compares false: a row that is now nowhere, or was never anchored, does not stay.
        stays = anchored & (gone_squared <= self._slack * self._slack)
        if stays.any():
            self._drift = max(self._drift, sqrt(gone_squared[stays].max()))
        if not stays.all():
            self._anchored[rows[anchored & ~stays]] = False
            self._loosen(rows[~(stays | np.isnan(points[:, 0]) | self._loose[rows])])

    def _loosen(self, rows: Rows) -> None:
        self._loose[rows] = True
        for row in rows.tolist():
            for layer in self._layers_of[row]:
                layer.loose[row] = None

    def chords_squared(self, at: Floats, rows: Rows) -> Floats:
        """Squared chords from each place, shape (m, 3), to each of the rows, shape (n,): shape (m, n)."""
        return chords_squared(at[:, None, :], self._points.take(rows, axis=0))

    def look(self, name: str, at: Floats, hope: int) -> Lines:
        """The nearest placed rows of a layer to each place, by one query of its tree.

        Args:
            name: the layer.
            at: unit vectors, shape (m, 3), m at least 1.
            hope: how many neighbours each place should get where that costs no second look.

        Returns:
            One line a place, with about as many rows as hoped for, perhaps fewer.
        """
        return lines_of(*self._look(name, at, hope))

    def look_for_few(self, name: str, at: Floats, hope: int) -> list[Line]:
        """As `look`; cheaper for a few places, dearer for many."""
        rows, apart, edges_squared = self._look(name, at, hope)
        return list(map(line_of, rows.tolist(), apart.tolist(), edges_squared.tolist()))

    def _look(self, name: str, at: Floats, hope: int) -> tuple[Rows, Floats, Floats]:
        """Rows near each place in any order, with their squared chords, and the one below which no row is missing."""
        layer = self._layers.get(name)
        if layer is None:
            return _nobody(len(at))
        if len(layer.members) <= self._few:
            return self._compare(layer, at, hope)
        self._settle(layer, len(at))
        rows, apart, edges_squared = self._find_anchored(layer, at, hope)
        if layer.loose:
            loose = layer.loose_rows()
            loose_apart = self.chords_squared(at, loose)
            if layer.tree is None and len(loose) > 2 * hope:
                # As many as are hoped for are enough; those as far as the last of them are kept too.
                last = np.partition(loose_apart, hope - 1, axis=1)[:, hope - 1]
                edges_squared = np.fmin(np.inf, np.nextafter(last, np.inf))
            place, column = np.nonzero(loose_apart < edges_squared[:, None])
            if len(place):
                rows, apart = _beside(rows, apart, place, loose[column], loose_apart[place, column])
        return rows, apart, edges_squared

    def nearest(self, name: str, at: Floats, want: int) -> list[Line]:
        """The nearest placed rows of a layer to each place: `want` or more, or all where there are fewer.

        Args:
            name: the layer.
            at: unit vectors, shape (m, 3), m at least 1.
            want: how many each place must get.
        """
        hope = want + 1
        lines = self.look_for_few(name, at, hope)
        while short := [at for at, line in enumerate(lines) if len(line.rows) < want and not line.complete]:
            hope *= 4
            again = self.look_for_few(name, at[short], hope) if hope <= LOOK_MAX else self._scan(name, at[short], want)
            for line, better in zip(short, again, strict=True):
                lines[line] = better
        return lines

    def _compare(self, layer: _Layer, at: Floats, hope: int) -> tuple[Rows, Floats, Floats]:
        """The nearest of few rows."""
        rows = layer.rows()
        placed = rows[self.is_placed(rows)]
        if not len(placed):
            return _nobody(len(at))
        apart = self.chords_squared(at, placed)
        edges_squared = np.full(len(at), inf)
        if len(placed) > hope:
            # The one behind those that are hoped for is the first that is not told.
            edges_squared = np.partition(apart, hope, axis=1)[:, hope]
            edges_squared = np.nextafter(edges_squared, inf)
        return np.broadcast_to(placed, apart.shape), apart, edges_squared

    def _settle(self, layer: _Layer, places: int) -> None:
        """Anchors the points if what their age costs has come to cost as much as that; `places` are about to be asked."""
        blur = 0.0 if layer.tree is None else self._drift / layer.tree.spacing
        self._toil += places * (len(layer.loose) + int(12 * blur * (blur + 2.0)))
        if self._toil >= self._build_toil * self._size:
            self._anchor()
        if layer.tree is None and self.builds:
            layer.build(self._anchors, self._anchored)

    def _anchor(self) -> None:
        """Makes every placed point's present place its anchor, and builds the largest tree; the others when asked."""
        placed = self.is_placed(np.arange(self._size))
        self._anchors[: self._size] = self._points[: self._size]
        self._anchored[: self._size] = placed
        self._loose[: self._size] = False
        for layer in self._layers.values():
            layer.forget()
        self._toil = 0
        self._drift = 0.0
        tree = max(self._layers.values(), key=lambda layer: len(layer.members)).build(self._anchors, self._anchored)
        self._slack = 0.0 if tree is None else SLACK_SPACINGS * tree.spacing
        self.builds += 1

    def _find_anchored(self, layer: _Layer, at: Floats, hope: int) -> tuple[Rows, Floats, Floats]:
        """Rows whose anchors are nearest, with their squared chords, and the one below which no anchored row is missing."""
        if layer.tree is None:
            return _nobody(len(at))
        count = len(layer.tree.rows)
        blur = 1.0 + self._drift / layer.tree.spacing
        look = min(int(1.25 * hope * blur * blur) + 2, LOOK_MAX, count)
        answer = layer.tree.tree.query(at, look)
        anchors_apart = np.asarray(answer[0]).reshape(len(at), look)
        rows = layer.tree.rows[answer[1]].reshape(len(at), look)
        apart = chords_squared(self._points.take(rows, axis=0), at[:, None, :])
        apart[~self._anchored.take(rows)] = inf
        if look == count:
            return rows, apart, np.full(len(at), inf)
        edges = np.maximum(anchors_apart[:, -1] - (self._drift + _ROUNDING), 0.0)
        return rows, apart, edges * edges

    def _scan(self, name: str, at: Floats, want: int) -> list[Line]:
        """The `want` nearest of a layer's placed rows, by comparing every one."""
        rows = self.members(name)
        rows = rows[self.is_placed(rows)]
        return [first(rows, self.chords_squared(place[None, :], rows)[0], want) for place in at]


def _nobody(places: int) -> tuple[Rows, Floats, Floats]:
    """No neighbour for any place, in one column."""
    return np.zeros((places, 1), np.int64), np.full((places, 1), inf), np.full(places, inf)


def _beside(rows: Rows, apart: Floats, place: Rows, more: Rows, more_apart: Floats) -> tuple[Rows, Floats]:
    """Rows, shape (m, k), with others put beside them in more columns; `place`, rising, says in which line each belongs."""
    counts = np.bincount(place, minlength=len(rows))
    column = np.arange(len(place)) - (np.cumsum(counts) - counts)[place]
    width = int(counts.max())
    beside = np.zeros((len(rows), width), np.int64)
    beside_apart = np.full((len(rows), width), inf)
    beside[place, column] = more
    beside_apart[place, column] = more_apart
    return np.concatenate((rows, beside), axis=1), np.concatenate((apart, beside_apart), axis=1)
