"""The roads benchmark compares like with like: the plain way finds the same crews, and nobody chosen by road comes later."""

from __future__ import annotations

import numpy as np

from core.ports import Demand
from loadtest.bench.roads import CAPABILITY, Plain, measure
from routing.crew_index import CrewTree
from routing.road_times import RoadTimes
from tests.routing.road_town import Place, degrees, roads_of, street
from tests.routing.test_road_ranking import index_of

STREETS = roads_of(
    *(street(*((north, east * 200.0) for east in range(8))) for north in (0.0, 200.0, 400.0)),
    *(street(*((north * 200.0, east) for north in range(3)), oneway="yes") for east in (0.0, 800.0)),
    *(street(*((north * 200.0, east) for north in range(3))) for east in (400.0, 1200.0)),
)


def test_plain_way_and_index_choose_the_same_crew_where_all_stand_at_junctions() -> None:
    crews: list[Place] = [(0, 0), (400, 400), (200, 1200)]
    calls: list[Place] = [(0, 0), (200, 0), (200, 400), (400, 800), (0, 1200), (0, 800)]
    index: CrewTree = index_of(crews, RoadTimes(STREETS))
    places = np.array([degrees(place) for place in crews])
    plain = Plain(STREETS)
    chosen = []
    for call in calls:
        demand = Demand(0, *degrees(call), CAPABILITY, "", 1)
        chosen.append(plain.choose(places, demand))
        assert chosen[-1] == index.choose([demand])[0].crew_no, call
    assert set(chosen) == {0, 1, 2}


def test_measure_tells_costs_and_arrivals_of_each_fleet() -> None:
    records = measure(STREETS, (5, 30), 20, 2)
    assert [one.name for one in records] == ["roads_5_lone", "roads_5_arrival", "roads_30_lone", "roads_30_arrival"]
    assert all(one.value > 0 and one.baseline_value > 0 for one in records)
    assert all(one.value <= one.baseline_value + 1e-6 for one in records if one.name.endswith("arrival"))
