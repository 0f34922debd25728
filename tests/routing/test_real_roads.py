"""The roads of a real city: driving times over an OSM extract of Almaty (2013), and what they change about who is sent.

The file is not part of the project: `REAL_DATA` names its folder.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from scipy.sparse.csgraph import connected_components

from core.limits import ROAD_CANDIDATES
from core.ports import Demand
from core.vocabulary import AssignReason, CrewNo
from routing.crew_index import CrewTree
from routing.gazetteer import MapGazetteer
from routing.map_data import DEGREE, MapData
from routing.osm import import_osm
from routing.road_graph import RoadGraph
from routing.road_times import EMERGENCY_FACTOR, RoadTimes
from tests.routing.crew_oracle import haversine_m
from tests.routing.road_town import travel_s, whole_network

pytestmark = pytest.mark.real

Place = tuple[float, float]


class City(NamedTuple):
    """The imported city."""

    roads: RoadGraph
    times: RoadTimes
    gazetteer: MapGazetteer


@pytest.fixture(scope="module")
def city(real_data: Path) -> City:
    map_data = MapData.from_bytes(import_osm(real_data / "almaty.osm.pbf").to_bytes())
    return City(map_data.roads, RoadTimes(map_data.roads), MapGazetteer(map_data))


def drive_min(times: RoadTimes, origin: Place, destination: Place) -> float:
    (seconds,) = travel_s(times, np.array([origin[0]]), np.array([origin[1]]), *destination).tolist()
    return float(seconds) / 60


def place_of(city: City, words: str) -> Place:
    found = city.gazetteer.search(words)[0]
    return found.latitude_deg, found.longitude_deg


def places_by_roads(city: City, count: int, rng: np.random.Generator) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Where crews and incidents are: within some tens of metres of a road."""
    points = city.roads.road_points[rng.integers(0, len(city.roads.road_points), count)] / DEGREE
    return points + rng.normal(0.0, 0.0003, (count, 2))


def test_network_is_one_city_of_the_size_that_the_file_has(city: City) -> None:
    assert 12_000 < len(city.roads) < 12_700  # 12,446 stretches of its ways, of which 157 lie apart
    assert 8_300 < city.roads.junctions < 8_700
    assert connected_components(whole_network(city.roads), connection="strong")[0] == 1
    oneway = float(city.roads.road_oneway.mean())
    assert 0.1 < oneway < 0.3


# By hand, on a street map: minutes without traffic between places that everybody there knows.
DRIVES = [
    ("больница скорой помощи", "угол Абая и Сейфуллина", 1.0, 4.0),
    ("театр оперы и балета", "угол Абая и Сейфуллина", 1.5, 5.0),
    ("пр. Достык 125", "больница скорой помощи", 5.0, 12.0),
    ("Аксай-4, 59", "театр оперы и балета", 8.0, 20.0),
    ("городская больница 7", "Жібек жолы 33", 10.0, 25.0),
    ("Международный Аэропорт Алматы", "больница скорой помощи", 12.0, 25.0),
    ("Медео", "угол Абая и Сейфуллина", 12.0, 25.0),
    ("Чимбулак", "Медео", 8.0, 25.0),
]


@pytest.mark.parametrize(("origin", "destination", "least_min", "most_min"), DRIVES)
def test_drive_between_known_places_is_plausible_there_and_back(
    city: City, origin: str, destination: str, least_min: float, most_min: float
) -> None:
    here, there = place_of(city, origin), place_of(city, destination)
    out_min, back_min = drive_min(city.times, here, there), drive_min(city.times, there, here)
    assert least_min <= out_min <= most_min
    assert out_min == pytest.approx(back_min, rel=0.25)
    top_mps = float(city.roads.road_speed_kmh.max()) * EMERGENCY_FACTOR / 3.6
    assert out_min * 60 >= haversine_m(*here, *there) / top_mps


def test_road_and_straight_line_take_about_the_same_on_average(city: City) -> None:
    rng = np.random.default_rng(1)
    speeds_mps = []
    for destination in places_by_roads(city, 60, rng).tolist():
        origins = places_by_roads(city, 60, rng)
        seconds = travel_s(city.times, origins[:, 0].copy(), origins[:, 1].copy(), *destination)
        apart_m = np.array([haversine_m(*origin, *destination) for origin in origins.tolist()])
        in_town = (apart_m > 1_000) & (apart_m < 4_000)
        speeds_mps += (apart_m[in_town] / seconds[in_town]).tolist()
    # `core.arrival` says 8.9 m/s as the crow flies where no map knows better.
    assert np.median(speeds_mps) == pytest.approx(8.9, rel=0.2)


def test_fastest_of_all_crews_is_among_those_compared_and_often_not_the_nearest(city: City) -> None:
    rng = np.random.default_rng(7)
    nearest = among = 0
    lost_s: list[float] = []
    saved_s: list[float] = []
    for destination in places_by_roads(city, 200, rng).tolist():
        crews = places_by_roads(city, 300, rng)
        seconds = travel_s(city.times, crews[:, 0].copy(), crews[:, 1].copy(), *destination)
        apart_m = np.array([haversine_m(*crew, *destination) for crew in crews.tolist()])
        by_distance = np.argsort(apart_m)
        best_s = float(seconds[by_distance[:ROAD_CANDIDATES]].min())
        nearest += int(by_distance[0] == seconds.argmin())
        among += int(best_s == seconds.min())
        lost_s.append(best_s - float(seconds.min()))
        saved_s.append(float(seconds[by_distance[0]]) - best_s)
    assert 0.6 < nearest / 200 < 0.85
    assert among >= 197
    assert float(np.mean(lost_s)) < 0.5
    assert float(np.mean(saved_s)) > 10.0


def test_index_sends_the_crew_that_is_there_first(city: City) -> None:
    rng = np.random.default_rng(11)
    crews = places_by_roads(city, 100, rng)
    by_road, straight = CrewTree(travel=city.times), CrewTree()
    for index in (by_road, straight):
        for crew_no in range(len(crews)):
            index.put(CrewNo(crew_no), ["patrol"], "", outside=False)
            index.set_availability(CrewNo(crew_no), None)
        index.move(np.arange(len(crews)), crews[:, 0].copy(), crews[:, 1].copy())
    changed = 0
    for destination in places_by_roads(city, 100, rng).tolist():
        demand = Demand(0, destination[0], destination[1], "patrol", "", 1)
        (fastest,), (nearest,) = by_road.choose([demand]), straight.choose([demand])
        assert fastest.crew_no is not None and nearest.crew_no is not None and fastest.travel_s is not None
        assert fastest.reason is AssignReason.FASTEST_BY_ROAD
        there_s = by_road.travel_s(nearest.crew_no, *destination)
        assert there_s is not None and fastest.travel_s <= there_s + 1e-6
        if fastest.crew_no != nearest.crew_no:
            changed += 1
            named = {nearer.crew_no: nearer for nearer in fastest.passed_over}
            assert named[nearest.crew_no].reason is AssignReason.SLOWER_BY_ROAD
            told_s = named[nearest.crew_no].travel_s
            assert told_s is None or told_s == pytest.approx(there_s)
    assert 15 <= changed <= 50
