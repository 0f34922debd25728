"""`roads`: what choosing by driving time costs a lone call, and how much sooner the chosen crew arrives.

On the roads of the simulated city as they are imported, crews stand anywhere near a road and calls come from anywhere near one.

Baselines, in the same run on the same crews and calls:
- plainly: of as many candidates, found by a scan, the fastest by scipy's Dijkstra on the reversed graph, from the junction
  nearest to the call through the whole city, read at the junctions nearest to the candidates;
- for the arrival, the nearest crew by straight line.
Without a road compared, a lone call is the benchmark `assign`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from math import inf
from typing import Final

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra
from scipy.spatial import cKDTree

from core.limits import ROAD_CANDIDATES
from core.ports import Demand, TravelTimes
from core.vocabulary import CrewNo
from loadtest.bench.bed import Bed
from loadtest.bench.record import Record, record
from loadtest.bench.scene import QUICK, SEED, Size
from routing.crew_index import CrewTree
from routing.geodesy import Floats, unit_vectors
from routing.map_data import DEGREE
from routing.osm import import_osm
from routing.road_graph import RoadGraph
from routing.road_times import EMERGENCY_FACTOR, RoadTimes

CREWS: Final = (30, 300, 3_000)
CALLS: Final = 500
OFF_ROAD_DEG: Final = 0.0003
"""How far from a road crews and calls are: some tens of metres."""
CAPABILITY: Final = "patrol"


def run(bed: Bed, size: Size) -> list[Record]:
    """Measures it on the city that the bed has imported. Raises `MapError`."""
    roads = import_osm(bed.folder / "city" / "city.osm.pbf").roads
    return measure(roads, CREWS, CALLS // 5 if size is QUICK else CALLS, size.rounds)


def measure(roads: RoadGraph, fleets: tuple[int, ...], calls: int, rounds: int) -> list[Record]:
    """Records of a network for fleets of each size."""
    rng = np.random.default_rng(SEED)
    plain = Plain(roads)
    records: list[Record] = []
    remark = f"{len(roads):,} roads, {roads.junctions:,} junctions"
    for fleet in fleets:
        crews = _anywhere(roads, fleet, rng)
        straight = _index(crews, None)
        ours: list[float] = []
        theirs: list[float] = []
        for _ in range(rounds):
            demands = [Demand(0, north, east, CAPABILITY, "", 1) for north, east in _anywhere(roads, calls, rng).tolist()]
            # What a search remembers must not be another round's.
            by_road = _index(crews, RoadTimes(roads))
            ours.append(_cost_us(partial(_choose, by_road), demands))
            theirs.append(_cost_us(partial(plain.choose, crews), demands))
        baseline = "nearest junctions, scipy Dijkstra through the whole city"
        records.append(record(f"roads_{fleet}_lone", ours, "us/call", baseline, theirs, remark))
        times = RoadTimes(roads)
        arrivals = _arrivals_s(_index(crews, times), straight, times, crews, _anywhere(roads, calls, rng))
        records.append(
            record(f"roads_{fleet}_arrival", [arrivals[0]], "s", "nearest by straight line", [arrivals[1]], "mean driving time")
        )
    return records


class Plain:
    """Driving times as they are found in an afternoon: from junction to junction."""

    def __init__(self, roads: RoadGraph) -> None:
        places = np.zeros((roads.junctions, 2))
        places[roads.road_from] = roads.road_points[roads.road_start[:-1]] / DEGREE
        places[roads.road_to] = roads.road_points[roads.road_start[1:] - 1] / DEGREE
        self._junctions = cKDTree(unit_vectors(*places.T))
        shape = unit_vectors(*(roads.road_points / DEGREE).T)
        steps_m = np.append(0.0, np.sqrt(((shape[1:] - shape[:-1]) ** 2).sum(axis=1)) * 6_371_008.8)
        steps_m[roads.road_start[:-1]] = 0.0
        seconds = np.add.reduceat(steps_m, roads.road_start[:-1]) / (roads.road_speed_kmh * EMERGENCY_FACTOR / 3.6)
        both = roads.road_oneway == 0
        rows = np.concatenate((roads.road_to, roads.road_from[both]))
        columns = np.concatenate((roads.road_from, roads.road_to[both]))
        weights = np.concatenate((seconds, seconds[both]))
        self._graph = csr_array((weights, (rows, columns)), shape=(roads.junctions, roads.junctions))

    def choose(self, crews: Floats, demand: Demand) -> int:
        """The fastest of the nearest crews."""
        at = np.array([[demand.latitude_deg, demand.longitude_deg]])
        apart = np.hypot(*((crews - at) * (1.0, 0.73)).T)
        near = np.argpartition(apart, min(ROAD_CANDIDATES, len(crews) - 1))[:ROAD_CANDIDATES]
        start = int(np.asarray(self._junctions.query(unit_vectors(*at.T))[1])[0])
        seconds = dijkstra(self._graph, indices=[start])[0]
        leaves = np.asarray(self._junctions.query(unit_vectors(*crews[near].T))[1])
        return int(near[seconds[leaves].argmin()])


def _anywhere(roads: RoadGraph, count: int, rng: np.random.Generator) -> Floats:
    """Latitudes and longitudes near roads, shape (n, 2)."""
    points = roads.road_points[rng.integers(0, len(roads.road_points), count)] / DEGREE
    return np.asarray(points + rng.normal(0.0, OFF_ROAD_DEG, (count, 2)), np.float64)


def _index(crews: Floats, travel: TravelTimes | None) -> CrewTree:
    index = CrewTree(travel=travel)
    for crew_no in range(len(crews)):
        index.put(CrewNo(crew_no), [CAPABILITY], "", outside=False)
        index.set_availability(CrewNo(crew_no), None)
    index.move(np.arange(len(crews)), *np.ascontiguousarray(crews.T))
    return index


def _choose(index: CrewTree, demand: Demand) -> None:
    index.choose([demand])


def _cost_us(choose: Callable[[Demand], object], demands: list[Demand]) -> float:
    """Microseconds of this process's time for each, after a few that build what is built lazily."""
    for demand in demands[:10]:
        choose(demand)
    began = time.process_time()
    for demand in demands[10:]:
        choose(demand)
    return (time.process_time() - began) / (len(demands) - 10) * 1e6


def _arrivals_s(by_road: CrewTree, straight: CrewTree, times: RoadTimes, crews: Floats, calls: Floats) -> tuple[float, float]:
    """Mean driving times of the crews chosen by road, and of those chosen by straight line."""
    chosen: list[float] = []
    nearest: list[float] = []
    for latitude_deg, longitude_deg in calls.tolist():
        there = unit_vectors(np.array([latitude_deg]), np.array([longitude_deg]))
        demand = Demand(0, latitude_deg, longitude_deg, CAPABILITY, "", 1)
        for index, arrivals in ((by_road, chosen), (straight, nearest)):
            (choice,) = index.choose([demand])
            assert choice.crew_no is not None, "all crews are free"
            here = crews[choice.crew_no : choice.crew_no + 1]
            arrivals.append(float(times.drives_s(unit_vectors(here[:, 0], here[:, 1]), [1], there, [inf])[0]))
    return float(np.mean(chosen)), float(np.mean(nearest))
