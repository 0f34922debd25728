"""Points that move all the time, and which of them are nearest to given places: exactly, by k-d trees rebuilt rarely.

Place in the flow: the ground under assign. A k-d tree cannot move a point, and building one for 100,000 crews takes tens of
milliseconds, so the tree keeps each point's *anchor*, its place when the tree was built, and three things keep answers exact:

- *Drift*: the farthest any anchored point has gone from its anchor. A point outside the tree's k nearest anchors, the last
  of them at distance d, is now at least `d - drift` away; what is found nearer is certain, and if too little is, k grows.
- *Loose points*: those gone farther than `slack` from their anchors, or placed since the build. They are compared one by one.
- *Toil*: the extra comparisons that drift and loose points have cost since the build. When they have cost as much as a build
  would, the points are anchored anew, so that the sum is at most twice the best that hindsight could have done (ski rental).
  Toil counts operations, never time: the same calls build at the same moment, and no answer depends on when that is.

Points belong to *layers* besides the layer `""` that holds all, and each layer has a tree of its own over the same anchors,
built when it is first asked: the few of a kind are found among themselves, not behind the many of other kinds.

Order is by squared chord and then by row, so ties fall to the lower row. Rows are dense from 0; a row may be nowhere (NaN).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isnan
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from routing.geodesy import Floats, chord_of, chords_squared
from routing.neighbours import Found, Near, Rows, first, joined, ordered, replaced, stacked

EVERYONE: Final = ""
"""The layer of all points."""
LOOSE_FREE: Final = 256
"""Points that are not worth a tree: comparing them costs less than asking one."""
BUILD_TOIL: Final = 10
"""A build's cost a point in comparisons: about 0.4 µs with its layers against 40 ns, measured at 100,000 points."""
SLACK_SPACINGS: Final = 3.0
"""Slack in units of the eighth neighbour's distance: with it the ball to be searched holds about 16 times as many points."""
SLACK_MIN_M: Final = 20.0
"""Least slack: where all points stand on one spot, positioning noise must not make each of them loose."""
LOOK_MAX: Final = 512
"""Beyond so many neighbours a plain scan of all points costs no more than the tree."""
_ROUNDING: Final = 1e-14
"""What `d - drift` is lessened by, far above the rounding error of the chords and far below a micrometre."""
_SAMPLE: Final = 64


class Ask(NamedTuple):
    """How to look from the next `places` places."""

    layer: str
    places: int
    hope: int
    """How many neighbours each should get where that costs no second look."""


class _Layer:
    """A tree over the anchors of some rows. `spacing` is the distance at which eight neighbours lie, as a chord."""

    __slots__ = ("rows", "spacing", "tree")

    def __init__(self, rows: Rows, anchors: Floats) -> None:
        self.rows = rows
        # Sliding midpoints: built twice as fast as scipy's default medians (100,000: 10 ms, not 21), asked as fast.
        self.tree = cKDTree(anchors, leafsize=32, balanced_tree=False)
        sample = anchors[:: -(-len(rows) // _SAMPLE)]
        farthest = np.asarray(self.tree.query(sample, [min(9, len(rows))])[0], dtype=np.float64)
        self.spacing = max(float(np.median(farthest)), chord_of(SLACK_MIN_M / SLACK_SPACINGS))


class MovingPoints:
    """Unit vectors addressed by dense rows, and exact nearest neighbours among them.

    Invariant: a placed row is either anchored or in the loose list; an anchored one is in the tree of each of its layers.

    Args:
        loose_free: points that need no tree, at least 1; the tests lower it to see trees over a handful of points.
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
        self._listed = np.zeros(64, dtype=np.bool_)
        self._loose: Rows = np.empty(64, dtype=np.int64)
        self._loose_count = 0
        self._members: dict[str, set[int]] = {}
        self._layers: dict[str, _Layer | None] = {}
        """Trees built since the points were anchored; None for a layer without anchored members."""
        self._drift = 0.0
        self._slack = 0.0
        self._toil = 0
        self.builds = 0
        """How often the points have been anchored anew, for measurements."""

    def __len__(self) -> int:
        return self._size

    @property
    def placed(self) -> int:
        """How many rows have a place."""
        return self._placed

    @property
    def are_few(self) -> bool:
        """Whether every placed point is compared with every place: then layers tell nothing, and a look may see them all."""
        return self._layers.get(EVERYONE) is None and self._loose_count <= self._loose_free

    def is_placed(self, rows: Rows) -> npt.NDArray[np.bool_]:
        """Which of the rows have a place."""
        nowhere: npt.NDArray[np.bool_] = np.isnan(self._points[rows, 0])
        return ~nowhere

    def is_row_placed(self, row: int) -> bool:
        """Whether one row has a place."""
        return not isnan(self._points[row, 0])

    def members(self, layer: str) -> int:
        """How many rows belong to a layer, placed or not."""
        return len(self._members.get(layer, ()))

    def append(self) -> None:
        """Adds one row, nowhere and in no layer but everyone's. Amortised O(1)."""
        if self._size == len(self._points):
            fresh = np.full((self._size, 3), np.nan)
            self._points = np.concatenate((self._points, fresh))
            self._anchors = np.concatenate((self._anchors, fresh))
            self._anchored = np.concatenate((self._anchored, np.zeros(self._size, dtype=np.bool_)))
            self._listed = np.concatenate((self._listed, np.zeros(self._size, dtype=np.bool_)))
            self._loose = np.resize(self._loose, 2 * self._size)
        self._size += 1

    def enlist(self, row: int, leaves: Iterable[str], joins: Iterable[str]) -> None:
        """Takes a row out of layers and puts it into others. A look may still find it where it was until the next build."""
        for layer in leaves:
            self._members[layer].discard(row)
            if not self._members[layer]:
                del self._members[layer]
        for layer in joins:
            self._members.setdefault(layer, set()).add(row)
        if self._anchored[row]:
            # The trees of the layers it joins do not know it.
            self._anchored[row] = False
            self._loosen(np.array([row]))

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
            self._loosen(rows[~stays & ~after & ~self._listed[rows]])

    def _loosen(self, rows: Rows) -> None:
        self._listed[rows] = True
        self._loose[self._loose_count : self._loose_count + len(rows)] = rows
        self._loose_count += len(rows)

    def chords_squared(self, at: Floats, rows: Rows) -> Floats:
        """Squared chords from each place, shape (m, 3), to each of the rows, shape (n,): shape (m, n)."""
        return chords_squared(at[:, None, :], self._points[rows][None, :, :])

    def settle(self, places: int) -> None:
        """Anchors the points anew if what their age costs has come to cost as much as that; `places` are about to be asked."""
        everyone = self._layers.get(EVERYONE)
        if self._loose_count > self._loose_free or everyone is not None:
            blur = 0.0 if everyone is None else self._drift / everyone.spacing
            self._toil += places * (self._loose_count + int(12 * blur * (blur + 2.0)))
            if self._toil >= self._build_toil * max(self._placed, self._loose_free):
                self._anchor()

    def look(self, at: Floats, asks: Sequence[Ask]) -> Near:
        """The nearest placed rows to each place, by one query of the tree of each layer asked.

        Args:
            at: unit vectors, shape (m, 3), m at least 1, in the order of `asks`, whose places add up to m.
            asks: what is asked from which places.

        Returns:
            What is certain; about as many as hoped for, perhaps fewer. Loose points of other layers appear too.
        """
        parts = []
        edges = []
        start = 0
        for ask in asks:
            rows, edge_squared = self._look_in(at[start : start + ask.places], ask)
            parts.append(rows)
            edges.append(edge_squared)
            start += ask.places
        rows = stacked(parts)
        apart = chords_squared(self._points[rows], at[:, None, :])
        apart[~self._anchored[rows] | (rows < 0)] = np.inf
        found = Found(rows, apart, np.concatenate(edges))
        if self._loose_count:
            loose = self._loose[: self._loose_count]
            loose_apart = self.chords_squared(at, loose)
            most = max(ask.hope for ask in asks)
            if self._loose_count > 2 * most:
                # As many loose points as are hoped for are enough; those as far as the last of them are kept too.
                last = np.partition(loose_apart, most - 1, axis=1)[:, most - 1]
                found = found._replace(edge_squared=np.fmin(found.edge_squared, np.nextafter(last, np.inf)))
            found = joined(found, loose, loose_apart)
        return ordered(found)

    def nearest(self, at: Floats, want: int) -> Near:
        """The nearest placed rows to each place: `want` for certain, or all where there are fewer.

        Args:
            at: unit vectors, shape (m, 3), m at least 1.
            want: how many each place must get.
        """
        want = min(want, self._placed)
        hope = want + 1
        near = self.look(at, [Ask(EVERYONE, len(at), hope)])
        while (short := np.flatnonzero(near.certain < want)).size:
            hope *= 4
            asks = [Ask(EVERYONE, len(short), hope)]
            near = replaced(near, short, self.look(at[short], asks) if hope <= LOOK_MAX else self._scan(at[short], want))
        return near

    def _look_in(self, at: Floats, ask: Ask) -> tuple[Rows, Floats]:
        """Rows whose anchors are nearest in one layer, and the squared chord below which it has no anchored row besides."""
        layer = self._layer(ask.layer)
        if layer is None:
            return np.empty((len(at), 0), dtype=np.int64), np.full(len(at), np.inf)
        blur = 1.0 + self._drift / layer.spacing
        look = min(int(1.25 * ask.hope * blur * blur) + 2, LOOK_MAX, len(layer.rows))
        answer = layer.tree.query(at, look)
        rows = layer.rows[answer[1]].reshape(len(at), look)
        if look == len(layer.rows):
            return rows, np.full(len(at), np.inf)
        anchors_apart = np.asarray(answer[0], dtype=np.float64)
        edge = np.maximum(anchors_apart.reshape(len(at), look)[:, -1] - (self._drift + _ROUNDING), 0.0)
        return rows, edge * edge

    def _layer(self, name: str) -> _Layer | None:
        """The layer's tree, built if it is asked for the first time since the points were anchored."""
        if name not in self._layers and self._layers.get(EVERYONE) is not None:
            members = self._members.get(name, ())
            rows = np.fromiter(members, np.int64, len(members))
            rows = rows[self._anchored[rows]]
            self._layers[name] = _Layer(rows, self._anchors[rows]) if len(rows) else None
        return self._layers.get(name)

    def _anchor(self) -> None:
        """Makes every placed point's present place its anchor, and builds everyone's tree; the other layers' when asked."""
        last = self._layers.get(EVERYONE)
        rows = self._loose[: self._loose_count]
        if last is not None:
            # Rows in the order of the last tree lie near one another: the new one is built in half the time.
            kept = last.rows[last.tree.indices]
            rows = np.concatenate((kept[self._anchored[kept]], rows))
        rows = rows[self.is_placed(rows)]
        self._anchored[: self._size] = False
        self._listed[: self._size] = False
        self._layers.clear()
        self._toil = 0
        self._drift = 0.0
        self._loose_count = 0
        if len(rows) <= self._loose_free:
            self._loosen(rows)
            return
        self._anchors[rows] = self._points[rows]
        self._anchored[rows] = True
        everyone = _Layer(rows, self._anchors[rows])
        self._layers[EVERYONE] = everyone
        self._slack = SLACK_SPACINGS * everyone.spacing
        self.builds += 1

    def _scan(self, at: Floats, want: int) -> Near:
        """The `want` nearest of all placed rows, by comparing every one."""
        everyone = np.flatnonzero(~np.isnan(self._points[: self._size, 0]))
        parts = [first(everyone, self.chords_squared(place[None, :], everyone)[0], want) for place in at]
        rows = np.stack([part[0] for part in parts])
        found = np.stack([part[1] for part in parts])
        return Near(rows, found, np.full(len(at), rows.shape[1]))
