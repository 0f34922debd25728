"""Driving times over the roads of a map, from many places to one. Fills `core.ports.TravelTimes`.

Place in the flow: assign, after `routing.candidates` has found the nearest crews by straight line. Requirement: OCC-4.

Rules: a place has *access* to the roads that pass it within `ACCESS_SLACK_M` of the nearest, which may be `ACCESS_MAX_M` away:
a position is not certain enough to say on which of two carriageways it is. From a place to its road one goes at `OFF_ROAD_MPS`,
and so to what is no farther than that uncertainty. Driving follows one-way streets; turns cost nothing. A search runs backwards
from the destination (Dijkstra on the reversed graph, so one search serves all crews) and no farther than the origins need; it
is kept for who asks of the same place again. What was asked before never changes an answer: a search that was cut off is only
believed up to its limit.

The roads' speeds leave out what a siren saves, the waiting at lights and in queues, so they need little more: with
`EMERGENCY_FACTOR` a kilometre of straight line, between places 0.3 to 5 km apart in the Almaty extract, takes what it took the
fire units in San Francisco's CAD of 2020 (12.2 m/s; without it 11.7). Against driving the same way under the rules crews with
lights and siren save 31 to 38 % (Ho and Casey, Annals of Emergency Medicine 32, 1998; Ho and Lindquist, Prehospital Emergency
Care 5, 2001).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from math import inf
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra
from scipy.spatial import cKDTree

from core.arrival import straight_line_s
from core.limits import ROAD_SAMPLES_MAX, ROAD_TREES_BYTES, ROAD_TREES_MAX
from routing.geodesy import EARTH_RADIUS_M, Flags, Floats, chord_of, chords_squared, metres, unit_vectors
from routing.map_data import DEGREE
from routing.neighbours import Rows
from routing.road_graph import RoadGraph

EMERGENCY_FACTOR: Final = 1.05
"""How many times as fast as everybody else a crew in service drives on any road."""
OFF_ROAD_MPS: Final = 10 / 3.6
"""From a road into a yard, on wheels or on foot."""
ACCESS_MAX_M: Final = 1_000.0
"""A place farther from every road is off the map: six minutes of walking are no estimate any more."""
ACCESS_SLACK_M: Final = 30.0
"""What a position in a street is off, and about the width of an avenue."""
ACCESSES: Final = 8
"""Points on roads that a place may have access by."""
SAMPLE_STEP_M: Final = 25.0
LIMIT_LEAST_S: Final = 60.0
LIMIT_S_A_METRE: Final = 0.3
"""How far the first search looks, by the straight line of the farthest origin: one in ten drives to the sixteenth nearest crew
is slower, and a second search costs more than looking farther at once."""
LIMIT_GROWTH: Final = 3.0
LOOKS_MAX: Final = 2
"""Searches with a limit; the next one has none."""
SEARCHES: Final = 16
"""Destinations searched for in one call of scipy's, whose own work before the first junction costs as much as a search."""
ALIKE: Final = 1.5
"""Searches go together while their limits differ by no more than this: all go as far as the farthest."""


class _Access(NamedTuple):
    """The points on roads by which places are reached: arrays of shape (n, `ACCESSES`), none where `off_s` is infinite."""

    off_s: Floats
    """Between the place and the point."""
    road: Rows
    driven_s: Floats
    """From the road's beginning to the point."""


class _Search:
    """What is known of the ways to one destination."""

    __slots__ = ("driven_s", "limit_s", "off_s", "road", "seconds")

    def __init__(self, off_s: Floats, road: Rows, driven_s: Floats) -> None:
        """One row of an `_Access`: the destination's own, nearest first."""
        self.off_s, self.road, self.driven_s = off_s, road, driven_s
        self.limit_s = -inf
        self.seconds: Floats = np.zeros(0)
        """From each junction, as far as `limit_s`; infinite beyond it."""

    @property
    def has_roads(self) -> bool:
        return self.off_s.item(0) < inf


class RoadTimes:
    """See the module. Not thread-safe: it belongs to the engine.

    Args:
        roads: at least one road.
        samples_max: points on roads among which the nearest is looked for.
        searches_bytes: of searches kept.

    Raises:
        ValueError: there are no roads.
    """

    def __init__(
        self, roads: RoadGraph, *, samples_max: int = ROAD_SAMPLES_MAX, searches_bytes: int = ROAD_TREES_BYTES
    ) -> None:
        if not len(roads):
            raise ValueError("no roads to drive on")
        shape = unit_vectors(*(roads.road_points / DEGREE).T)
        run_m = _run_m(shape, roads.road_start)
        begins, ends = roads.road_start[:-1], roads.road_start[1:] - 1
        length_m = run_m[ends] - run_m[begins]
        self._from = roads.road_from.astype(np.int64)
        self._to = roads.road_to.astype(np.int64)
        self._oneway: Flags = roads.road_oneway == 1
        self._seconds = length_m / (roads.road_speed_kmh * (EMERGENCY_FACTOR / 3.6))
        step_m = max(SAMPLE_STEP_M, float(length_m.sum()) / samples_max)
        counts = np.maximum(1, np.round(length_m / step_m)).astype(np.int64)
        self._road_of = np.repeat(np.arange(len(roads)), counts)
        share = (np.arange(len(self._road_of)) - np.repeat(np.cumsum(counts) - counts, counts) + 0.5) / counts[self._road_of]
        self._driven_s = share * self._seconds[self._road_of]
        samples = _points_at(shape, run_m, run_m[begins][self._road_of] + share * length_m[self._road_of])
        self._samples = cKDTree(samples, leafsize=32, balanced_tree=False)
        self._graph = _reversed_graph(self._from, self._to, self._oneway, self._seconds)
        self._start = roads.junctions
        """The first of the nodes that searches start from: each leads to where its destination's roads are left."""
        self._searches: OrderedDict[bytes, _Search] = OrderedDict()
        self._kept = max(1, min(ROAD_TREES_MAX, searches_bytes // (8 * (self._start + 1))))
        self._stood: Floats = np.zeros((0, 3))
        """Where whoever was asked for, by number, stood then."""
        self._known = _Access(np.zeros((0, ACCESSES)), np.zeros((0, ACCESSES), np.int64), np.zeros((0, ACCESSES)))
        """The roads there."""
        self.searched = 0
        """How often the graph has been searched, for measurements."""

    def have_roads(self, places: Floats) -> list[bool]:
        """As the port has it."""
        return [search.has_roads for search in self._searches_to(places)]

    def drives_s(
        self,
        origins: Floats,
        counts: Sequence[int],
        destinations: Floats,
        within_s: Sequence[float],
        who: Rows | None = None,
    ) -> Floats:
        """As the port has it.

        Complexity: for each destination a search of what lies as near as its origins, unless one is remembered; the fixed cost
        of looking roads up and of searching, which is most of it, is one for all that are asked for together.
        """
        to = np.repeat(np.arange(len(counts)), counts)
        apart_m = metres(chords_squared(origins, destinations[to]))
        within = np.array(within_s)
        straight_s = apart_m * straight_line_s(1.0)
        searches = self._searches_to(destinations)
        ends = np.cumsum(counts).tolist()
        spans = [
            (number, search, end - count, end)
            for number, (search, count, end) in enumerate(zip(searches, counts, ends, strict=True))
            if count and search.has_roads
        ]
        if not spans:
            return np.where(straight_s <= within[to], straight_s, inf)
        access = self._access(origins) if who is None else self._access_of(who, origins)
        seconds = np.where(apart_m <= ACCESS_SLACK_M, apart_m / OFF_ROAD_MPS, inf)
        self._pass_on_one_road(seconds, access, searches, to)
        by_road = access.off_s[:, 0] < inf
        from_there, from_here = self._to[access.road], self._from[access.road]
        left_s = self._seconds[access.road] - access.driven_s + access.off_s
        back_s = np.where(self._oneway[access.road], inf, access.driven_s + access.off_s)
        limits = [
            min(within_s[number], LIMIT_LEAST_S + LIMIT_S_A_METRE * float(apart_m[start:end].max()))
            for number, _, start, end in spans
        ]
        for look in range(LOOKS_MAX + 1):
            self._search([search for _, search, _, _ in spans], limits)
            more: list[tuple[int, _Search, int, int]] = []
            farther: list[float] = []
            for (number, search, start, end), limit_s in zip(spans, limits, strict=True):
                known = slice(start, end)
                ahead = search.seconds.take(from_there[known])
                ahead += left_s[known]
                back = search.seconds.take(from_here[known])
                back += back_s[known]
                reached = np.minimum(ahead, back).min(axis=1)
                np.minimum(reached, seconds[known], out=seconds[known])
                if search.limit_s < within_s[number] and bool((seconds[known][by_road[known]] > search.limit_s).any()):
                    more.append((number, search, start, end))
                    farther.append(within_s[number] if look == LOOKS_MAX - 1 else min(within_s[number], LIMIT_GROWTH * limit_s))
            if not more:
                break
            spans, limits = more, farther
        off_map = ~by_road
        for number, search in enumerate(searches):
            if not search.has_roads:
                off_map |= to == number
        seconds = np.where(off_map, straight_s, seconds)
        return np.where(seconds <= within[to], seconds, inf)

    def _access(self, places: Floats) -> _Access:
        found = self._samples.query(places, ACCESSES, distance_upper_bound=chord_of(ACCESS_MAX_M))
        chords, samples = np.asarray(found[0], np.float64), np.asarray(found[1], np.int64)
        off_m = chords * EARTH_RADIUS_M
        none = off_m > off_m[:, :1] + ACCESS_SLACK_M
        none |= samples == len(self._road_of)
        samples[none] = 0
        return _Access(np.where(none, inf, off_m / OFF_ROAD_MPS), self._road_of[samples], self._driven_s[samples])

    def _access_of(self, who: Rows, places: Floats) -> _Access:
        """As `_access`, looking up only who has moved since."""
        highest = int(who.max())
        if highest >= len(self._stood):
            more = max(highest + 1 - len(self._stood), len(self._stood))
            self._stood = np.concatenate((self._stood, np.full((more, 3), np.nan)))
            empty = np.zeros((more, ACCESSES))
            self._known = _Access(
                np.concatenate((self._known.off_s, empty)),
                np.concatenate((self._known.road, empty.astype(np.int64))),
                np.concatenate((self._known.driven_s, empty)),
            )
        moved = np.flatnonzero((self._stood.take(who, axis=0) != places).any(axis=1))
        if len(moved):
            rows = who[moved]
            self._stood[rows] = places[moved]
            for known, found in zip(self._known, self._access(places[moved]), strict=True):
                known[rows] = found
        off_s, road, driven_s = self._known
        return _Access(off_s.take(who, axis=0), road.take(who, axis=0), driven_s.take(who, axis=0))

    def _searches_to(self, places: Floats) -> list[_Search]:
        """What is known of the ways to places, unit vectors of shape (m, 3)."""
        keys = [place.tobytes() for place in places]
        missing = [row for row, key in enumerate(keys) if key not in self._searches]
        if missing:
            access = self._access(places[missing])
            for row, *own in zip(missing, *access, strict=True):
                self._searches[keys[row]] = _Search(*own)
        found = []
        for key in keys:
            self._searches.move_to_end(key)
            found.append(self._searches[key])
        while len(self._searches) > max(self._kept, len(keys)):
            self._searches.popitem(last=False)
        return found

    def _search(self, searches: Sequence[_Search], limits_s: Sequence[float]) -> None:
        """Has each search reach its limit, those with similar limits in one go."""
        wanting = [(limit_s, row) for row, limit_s in enumerate(limits_s) if searches[row].limit_s < limit_s]
        wanting.sort()
        while wanting:
            nearest_s = wanting[0][0]
            together = [each for each in wanting[:SEARCHES] if each[0] <= nearest_s * ALIKE]
            del wanting[: len(together)]
            limit_s = together[-1][0]
            # Several demands may be for one place.
            alike = list(dict.fromkeys(searches[row] for _, row in together))
            for search, seconds in zip(alike, self._dijkstra(alike, limit_s), strict=True):
                # A view would keep all of them in memory.
                search.seconds, search.limit_s = seconds.copy() if len(alike) > 1 else seconds, limit_s

    def _dijkstra(self, searches: Sequence[_Search], limit_s: float) -> Floats:
        """Seconds from each junction to each destination, shape (searches, nodes)."""
        self.searched += len(searches)
        off_s = np.array([search.off_s for search in searches])
        road = np.array([search.road for search in searches])
        driven_s = np.array([search.driven_s for search in searches])
        doors = np.concatenate((self._from[road], self._to[road]), axis=1)
        costs_s = np.concatenate(
            (off_s + driven_s, np.where(self._oneway[road], inf, off_s + self._seconds[road] - driven_s)), axis=1
        )
        # What is no door is the first one once more: it is always one.
        none = np.isinf(costs_s)
        doors = np.where(none, doors[:, :1], doors)
        costs_s = np.where(none, costs_s[:, :1], costs_s)
        first = len(self._graph.indices) - SEARCHES * 2 * ACCESSES
        self._graph.indices[first : first + doors.size] = doors.ravel()
        self._graph.data[first : first + costs_s.size] = costs_s.ravel()
        starts = [self._start + number for number in range(len(searches))]
        found: Floats = dijkstra(self._graph, directed=True, indices=starts, limit=limit_s)
        return found

    def _pass_on_one_road(self, seconds: Floats, access: _Access, searches: Sequence[_Search], to: Rows) -> None:
        """Lowers `seconds` to the fastest ways along a destination's own roads, where an origin is on one of them."""
        own = np.array([search.road for search in searches])[to]
        same = access.road[:, :, None] == own[:, None, :]
        # What is no access has the first road's number.
        same &= access.off_s[:, :, None] < inf
        rows = np.flatnonzero(same.any(axis=(1, 2)))
        if not len(rows):
            return
        there = to[rows]
        off_s = np.array([search.off_s for search in searches])[there]
        driven_s = np.array([search.driven_s for search in searches])[there]
        ahead_s = driven_s[:, None, :] - access.driven_s[rows, :, None]
        drive_s = np.where(ahead_s >= 0, ahead_s, np.where(self._oneway[own[rows]][:, None, :], inf, -ahead_s))
        ways = np.where(same[rows], drive_s + access.off_s[rows, :, None] + off_s[:, None, :], inf)
        seconds[rows] = np.minimum(seconds[rows], ways.min(axis=(1, 2)))


def _run_m(shape: Floats, starts: npt.NDArray[np.int32]) -> Floats:
    """Metres from the first point of all shapes to each point, where from the end of a road to the next it is one metre."""
    steps_m = metres(chords_squared(shape[1:], shape[:-1]))
    steps_m[starts[1:-1] - 1] = 1.0
    return np.append(0.0, np.cumsum(steps_m))


def _points_at(shape: Floats, run_m: Floats, at_m: Floats) -> Floats:
    """The points of the shapes, as unit vectors, at so many metres of the run."""
    before = np.clip(np.searchsorted(run_m, at_m, side="right") - 1, 0, len(run_m) - 2)
    gap_m = run_m[before + 1] - run_m[before]
    share = np.divide(at_m - run_m[before], gap_m, out=np.zeros_like(at_m), where=gap_m > 0)
    points = shape[before] + share[:, None] * (shape[before + 1] - shape[before])
    unit: Floats = points / np.sqrt((points * points).sum(axis=1, keepdims=True))
    return unit


def _reversed_graph(begins: Rows, ends: Rows, oneway: Flags, seconds: Floats) -> csr_array:
    """From where a road is left to where it is entered, the fastest of several roads; the last rows are searches' starts."""
    both = np.flatnonzero(~oneway)
    rows, columns = np.concatenate((ends, begins[both])), np.concatenate((begins, ends[both]))
    weights = np.concatenate((seconds, seconds[both]))
    order = np.lexsort((weights, columns, rows))
    rows, columns, weights = rows[order], columns[order], weights[order]
    fastest = np.append(True, (rows[1:] != rows[:-1]) | (columns[1:] != columns[:-1])) & (rows != columns)
    rows, columns, weights = rows[fastest], columns[fastest], weights[fastest]
    size = 1 + int(max(begins.max(), ends.max()))
    doors = 2 * ACCESSES * SEARCHES
    counts = np.append(np.bincount(rows, minlength=size), np.full(SEARCHES, 2 * ACCESSES))
    return csr_array(
        (
            np.append(weights, np.zeros(doors)),
            np.append(columns, np.zeros(doors, np.int64)).astype(np.int32),
            np.append(0, np.cumsum(counts)).astype(np.int32),
        ),
        shape=(size + SEARCHES, size + SEARCHES),
    )
