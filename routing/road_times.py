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
from math import inf
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra
from scipy.spatial import cKDTree

from core.limits import ROAD_SAMPLES_MAX, ROAD_TREES_BYTES, ROAD_TREES_MAX
from routing.geodesy import EARTH_RADIUS_M, Flags, Floats, chord_of, chords_squared, metres, unit_vector, unit_vectors
from routing.map_data import DEGREE
from routing.neighbours import Rows
from routing.road_graph import RoadGraph
from routing.straight_line import straight_lines_s

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

    def __init__(self, access: _Access) -> None:
        known = np.flatnonzero(access.off_s[0] < inf)
        self.off_s = access.off_s[0, known]
        self.road = access.road[0, known]
        self.driven_s = access.driven_s[0, known]
        self.limit_s = -inf
        self.seconds: Floats | None = None
        """From each junction, as far as `limit_s`; infinite beyond it."""


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
        """The node that every search starts from: it leads to where the destination's roads are left."""
        self._searches: OrderedDict[tuple[float, float], _Search] = OrderedDict()
        self._kept = max(1, min(ROAD_TREES_MAX, searches_bytes // (8 * (self._start + 1))))
        self.searched = 0
        """How often the graph has been searched, for measurements."""

    def has_roads_at(self, latitude_deg: float, longitude_deg: float) -> bool:
        """As the port has it."""
        return bool(len(self._search_to(latitude_deg, longitude_deg).road))

    def travel_s(
        self,
        from_latitude_deg: Floats,
        from_longitude_deg: Floats,
        to_latitude_deg: float,
        to_longitude_deg: float,
        within_s: float = inf,
    ) -> Floats:
        """As the port has it. Complexity: a search of what lies as near as the origins, unless one is remembered."""
        origins = unit_vectors(from_latitude_deg, from_longitude_deg)
        destination = np.array(unit_vector(to_latitude_deg, to_longitude_deg))
        apart_m = metres(chords_squared(origins, destination))
        search = self._search_to(to_latitude_deg, to_longitude_deg)
        straight_s = straight_lines_s(origins, destination)
        if not len(search.road) or not len(origins):
            return np.where(straight_s <= within_s, straight_s, inf)
        access = self._access(origins)
        at_hand_s = np.where(apart_m <= ACCESS_SLACK_M, apart_m / OFF_ROAD_MPS, inf)
        unlimited = np.fmin(self._on_one_road(access, search), at_hand_s)
        limit_s = min(within_s, LIMIT_LEAST_S + LIMIT_S_A_METRE * float(apart_m.max()))
        on_map = access.off_s[:, 0] < inf
        for look in range(LOOKS_MAX + 1):
            reached_s, known_s = self._through_junctions(access, search, limit_s if look < LOOKS_MAX else within_s)
            seconds: Floats = np.fmin(reached_s, unlimited)
            if known_s >= within_s or bool((seconds[on_map] <= known_s).all()):
                break
            limit_s = min(within_s, LIMIT_GROWTH * limit_s)
        seconds = np.where(on_map, seconds, straight_s)
        return np.where(seconds <= within_s, seconds, inf)

    def _access(self, places: Floats) -> _Access:
        found = self._samples.query(places, ACCESSES, distance_upper_bound=chord_of(ACCESS_MAX_M))
        chords, samples = np.asarray(found[0], np.float64), np.asarray(found[1], np.int64)
        off_m = chords * EARTH_RADIUS_M
        none = off_m > off_m[:, :1] + ACCESS_SLACK_M
        none |= samples == len(self._road_of)
        samples[none] = 0
        return _Access(np.where(none, inf, off_m / OFF_ROAD_MPS), self._road_of[samples], self._driven_s[samples])

    def _search_to(self, latitude_deg: float, longitude_deg: float) -> _Search:
        key = latitude_deg, longitude_deg
        search = self._searches.get(key)
        if search is None:
            search = _Search(self._access(np.array([unit_vector(*key)])))
            if len(self._searches) >= self._kept:
                self._searches.popitem(last=False)
            self._searches[key] = search
        else:
            self._searches.move_to_end(key)
        return search

    def _through_junctions(self, access: _Access, search: _Search, limit_s: float) -> tuple[Floats, float]:
        """The fastest ways through a junction, infinite where none is known, and the time up to which none is missing."""
        if search.seconds is None or search.limit_s < limit_s:
            search.seconds = self._dijkstra(search, limit_s)
            search.limit_s = limit_s
        left_s = self._seconds[access.road] - access.driven_s
        ahead = search.seconds[self._to[access.road]] + left_s
        back = np.where(self._oneway[access.road], inf, search.seconds[self._from[access.road]] + access.driven_s)
        return (np.minimum(ahead, back) + access.off_s).min(axis=1), search.limit_s

    def _dijkstra(self, search: _Search, limit_s: float) -> Floats:
        """Seconds from each junction to a destination."""
        self.searched += 1
        arrive: dict[int, float] = {}
        for road, driven_s, off_s in zip(search.road.tolist(), search.driven_s.tolist(), search.off_s.tolist(), strict=True):
            ways = [(self._from.item(road), driven_s)]
            if not self._oneway[road]:
                ways.append((self._to.item(road), self._seconds.item(road) - driven_s))
            for junction, drive_s in ways:
                arrive[junction] = min(arrive.get(junction, inf), off_s + drive_s)
        doors = list(arrive.items())
        doors += doors[:1] * (2 * ACCESSES - len(doors))
        self._graph.indices[-2 * ACCESSES :] = [junction for junction, _ in doors]
        self._graph.data[-2 * ACCESSES :] = [seconds for _, seconds in doors]
        found: Floats = dijkstra(self._graph, directed=True, indices=[self._start], limit=limit_s)[0]
        return found

    def _on_one_road(self, access: _Access, search: _Search) -> Floats:
        """The fastest ways along the destination's own roads, infinite where there is none."""
        same = access.road[:, :, None] == search.road
        same &= access.off_s[:, :, None] < inf
        if not same.any():
            return np.full(len(access.road), inf)
        ahead_s = search.driven_s - access.driven_s[:, :, None]
        drive_s = np.where(ahead_s >= 0, ahead_s, np.where(self._oneway[search.road], inf, -ahead_s))
        ways = np.where(same, drive_s + access.off_s[:, :, None] + search.off_s, inf)
        shortest: Floats = ways.min(axis=(1, 2))
        return shortest


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
    """From where a road is left to where it is entered, the fastest of several roads; the last row is for a search's start."""
    both = np.flatnonzero(~oneway)
    rows, columns = np.concatenate((ends, begins[both])), np.concatenate((begins, ends[both]))
    weights = np.concatenate((seconds, seconds[both]))
    order = np.lexsort((weights, columns, rows))
    rows, columns, weights = rows[order], columns[order], weights[order]
    fastest = np.append(True, (rows[1:] != rows[:-1]) | (columns[1:] != columns[:-1])) & (rows != columns)
    rows, columns, weights = rows[fastest], columns[fastest], weights[fastest]
    size = 1 + int(max(begins.max(), ends.max()))
    counts = np.append(np.bincount(rows, minlength=size), 2 * ACCESSES)
    return csr_array(
        (
            np.append(weights, np.zeros(2 * ACCESSES)),
            np.append(columns, np.zeros(2 * ACCESSES, np.int64)).astype(np.int32),
            np.append(0, np.cumsum(counts)).astype(np.int32),
        ),
        shape=(size + 1, size + 1),
    )
