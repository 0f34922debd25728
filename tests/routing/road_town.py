"""Small networks of roads laid out in metres, and their driving times by brute force.

Places are metres north and east of the town's corner. The oracle knows the rules of `routing.road_times` and nothing of how it
works: it lays every point of access out as a node of its own and tries the ways with a heap.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from heapq import heappop, heappush
from itertools import pairwise
from math import cos, inf, radians

import numpy as np
from scipy.sparse import csr_array

from core.arrival import straight_line_s
from core.ports import TravelTimes
from routing.geodesy import Floats, chords_squared, metres, unit_vector, unit_vectors
from routing.map_data import DEGREE
from routing.neighbours import Rows
from routing.road_graph import RoadGraph, RoadWay, road_graph_of
from routing.road_tags import drivable
from routing.road_times import ACCESS_MAX_M, ACCESS_SLACK_M, ACCESSES, EMERGENCY_FACTOR, OFF_ROAD_MPS, SAMPLE_STEP_M, RoadTimes
from tests.routing.crew_oracle import haversine_m

SOUTH_DEG, WEST_DEG = 43.25, 76.90
METRES_A_DEGREE = 111_195.0
Place = tuple[float, float]
Tags = dict[str, str]


def degrees(place: Place) -> tuple[float, float]:
    """Latitude and longitude."""
    east_deg = place[1] / (METRES_A_DEGREE * cos(radians(SOUTH_DEG)))
    return SOUTH_DEG + place[0] / METRES_A_DEGREE, WEST_DEG + east_deg


def roads_of(*ways: tuple[list[Place], Tags], skipped: dict[str, int] | None = None) -> RoadGraph:
    """The roads of ways; those that pass the same place meet there."""
    nodes: dict[Place, int] = {}
    taken = []
    for places, tags in ways:
        driven = drivable(tags)
        if driven is not None:
            node_ids = np.array([nodes.setdefault(place, len(nodes)) for place in places], np.int64)
            points = np.round(np.array([degrees(place) for place in places]) * DEGREE).astype(np.int32)
            taken.append(RoadWay(node_ids, points, driven))
    return road_graph_of(taken, {} if skipped is None else skipped)


def street(*places: Place, **tags: str) -> tuple[list[Place], Tags]:
    """A residential street, unless a tag says otherwise."""
    return list(places), {"highway": "residential", **tags}


def seconds(times: RoadTimes, origin: Place, destination: Place) -> float:
    """How long one drive takes."""
    return seconds_of(times, [origin], destination)[0]


class StraightLine:
    """Driving times without roads: great circles, driven with the usual detour at the usual speed (`core.arrival`)."""

    def have_roads(self, places: Floats) -> list[bool]:
        """Nowhere."""
        return [False] * len(places)

    def drives_s(
        self,
        origins: Floats,
        counts: Sequence[int],
        destinations: Floats,
        within_s: Sequence[float],
        who: Rows | None = None,
    ) -> Floats:
        """As the port has it."""
        seconds = metres(chords_squared(origins, np.repeat(destinations, counts, axis=0))) * straight_line_s(1.0)
        return np.where(seconds <= np.repeat(within_s, counts), seconds, inf)


def travel_s(
    times: TravelTimes, from_latitude_deg: Floats, from_longitude_deg: Floats, *to_deg: float, within_s: float = inf
) -> Floats:
    """How long drives from many places to one take that take no longer than so many seconds; places in degrees."""
    origins = unit_vectors(from_latitude_deg, from_longitude_deg)
    return times.drives_s(origins, [len(origins)], np.array([unit_vector(*to_deg)]), [within_s])


def seconds_of(times: RoadTimes, origins: list[Place], destination: Place) -> list[float]:
    """How long drives from several places take."""
    latitude_deg, longitude_deg = np.array([degrees(origin) for origin in origins]).T
    found: list[float] = travel_s(times, latitude_deg, longitude_deg, *degrees(destination)).tolist()
    return found


def whole_network(roads: RoadGraph) -> csr_array:
    """An arc for each way a road is driven, between its junctions."""
    both = roads.road_oneway == 0
    rows = np.concatenate((roads.road_from, roads.road_to[both]))
    columns = np.concatenate((roads.road_to, roads.road_from[both]))
    return csr_array((np.ones(len(rows)), (rows, columns)), shape=(roads.junctions, roads.junctions))


def kmh_s(distance_m: float, speed_kmh: float) -> float:
    """How long a road of a class is driven over so many metres."""
    return distance_m / (speed_kmh * EMERGENCY_FACTOR / 3.6)


MARGIN_M = 0.1
"""Points on roads are interpolated in degrees here and on the sphere there."""


class Oracle:
    """Driving times of a few roads, by trying all ways."""

    def __init__(self, roads: RoadGraph) -> None:
        self.arcs: dict[object, list[tuple[object, float]]] = defaultdict(list)
        self.samples: dict[object, tuple[float, float]] = {}
        for road in range(len(roads)):
            start, end = roads.road_start[road], roads.road_start[road + 1]
            shape = (roads.road_points[start:end] / DEGREE).tolist()
            legs_m = [haversine_m(*here, *there) for here, there in pairwise(shape)]
            length_m, speed_mps = sum(legs_m), float(roads.road_speed_kmh[road]) * EMERGENCY_FACTOR / 3.6
            count = max(1, round(length_m / SAMPLE_STEP_M))
            stops: list[tuple[object, float]] = [(int(roads.road_from[road]), 0.0)]
            for number in range(count):
                at_m = (number + 0.5) / count * length_m
                self.samples[road, number] = self._point(shape, legs_m, at_m)
                stops.append(((road, number), at_m))
            stops.append((int(roads.road_to[road]), length_m))
            for (here, here_m), (there, there_m) in pairwise(stops):
                drive_s = (there_m - here_m) / speed_mps
                self.arcs[here].append((there, drive_s))
                if not roads.road_oneway[road]:
                    self.arcs[there].append((here, drive_s))

    @staticmethod
    def _point(shape: list[list[float]], legs_m: list[float], at_m: float) -> tuple[float, float]:
        for (here, there), leg_m in zip(pairwise(shape), legs_m, strict=True):
            if at_m <= leg_m and leg_m:
                share = at_m / leg_m
                return here[0] + share * (there[0] - here[0]), here[1] + share * (there[1] - here[1])
            at_m -= leg_m
        return shape[-1][0], shape[-1][1]

    def access(self, place: Place, margin_m: float) -> dict[object, float]:
        """Points of access and the seconds to them, with those that are in or out only by the margin, or without them."""
        near = sorted((haversine_m(*degrees(place), *at), str(sample), sample) for sample, at in self.samples.items())
        reach_m = min(near[0][0] + ACCESS_SLACK_M, ACCESS_MAX_M)
        if len(near) > ACCESSES:
            # Of roads that lie on each other any may be the last that counts.
            reach_m = min(reach_m, near[ACCESSES - 1][0] if margin_m > 0 else near[ACCESSES][0])
        return {sample: off_m / OFF_ROAD_MPS for off_m, _, sample in near if off_m <= reach_m + margin_m}

    def bounds_s(self, origin: Place, destination: Place) -> tuple[float, float]:
        """Between what the fastest of all ways takes: in most cases these are the same."""
        least_s = self.seconds(origin, destination, MARGIN_M)
        # Where all roads lie on each other all may be in or out by the margin, and without any there is no way to compare.
        known = all(self.access(place, -MARGIN_M) or not self.access(place, MARGIN_M) for place in (origin, destination))
        return least_s, self.seconds(origin, destination, -MARGIN_M) if known else inf

    def seconds(self, origin: Place, destination: Place, margin_m: float = MARGIN_M) -> float:
        """The fastest of all ways."""
        apart_m = haversine_m(*degrees(origin), *degrees(destination))
        doors, leaving = self.access(destination, margin_m), self.access(origin, margin_m)
        if not doors or not leaving:
            return straight_line_s(apart_m)
        heap = [(off_s, str(sample), sample) for sample, off_s in leaving.items()]
        done: set[object] = set()
        best = apart_m / OFF_ROAD_MPS if apart_m <= ACCESS_SLACK_M + margin_m else inf
        while heap:
            so_far, _, here = heappop(heap)
            if here in done or so_far > best:
                continue
            done.add(here)
            best = min(best, so_far + doors.get(here, inf))
            for there, drive_s in self.arcs[here]:
                heappush(heap, (so_far + drive_s, str(there), there))
        return best
