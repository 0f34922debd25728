"""Ways become roads between junctions, and what nothing leads to is left out."""

from __future__ import annotations

import numpy as np
import pytest

from routing.map_data import DEGREE
from routing.road_graph import NO_ROADS, RoadGraph, StoredRoads
from tests.routing.road_town import Place, Tags, degrees, roads_of, street


def ends(roads: RoadGraph) -> set[tuple[tuple[float, ...], tuple[float, ...], bool, int]]:
    """Each road by its first and last point, whether it is one-way, and how many points it has."""
    return {
        (
            tuple((roads.road_points[start] / DEGREE).round(5).tolist()),
            tuple((roads.road_points[end - 1] / DEGREE).round(5).tolist()),
            bool(oneway),
            int(end - start),
        )
        for start, end, oneway in zip(roads.road_start[:-1], roads.road_start[1:], roads.road_oneway, strict=True)
    }


def end(begin: Place, last: Place, oneway: bool = False, points: int = 2) -> tuple[object, ...]:
    here, there = (tuple(round(degree, 5) for degree in degrees(place)) for place in (begin, last))
    return here, there, oneway, points


@pytest.mark.parametrize(
    ("ways", "expected"),
    [
        # A bend is no junction.
        ([street((0, 0), (0, 100), (100, 100))], {end((0, 0), (100, 100), points=3)}),
        # A crossing cuts both.
        (
            [street((0, -100), (0, 0), (0, 100)), street((-100, 0), (0, 0), (100, 0))],
            {end((0, -100), (0, 0)), end((0, 0), (0, 100)), end((-100, 0), (0, 0)), end((0, 0), (100, 0))},
        ),
        # A way that begins in the middle of another one.
        (
            [street((0, -100), (0, 0), (0, 100)), street((0, 0), (100, 0))],
            {end((0, -100), (0, 0)), end((0, 0), (0, 100)), end((0, 0), (100, 0))},
        ),
        # One that crosses itself.
        (
            [street((0, 0), (0, 100), (0, 200), (100, 200), (0, 100))],
            {end((0, 0), (0, 100)), end((0, 100), (0, 100), points=4)},
        ),
        # Nodes twice running are one.
        ([street((0, 0), (0, 0), (0, 100), (0, 100))], {end((0, 0), (0, 100))}),
        ([street((0, 0), (0, 0))], set()),
        # Against its nodes means turned round.
        (
            [street((0, 0), (0, 100), oneway="-1"), street((0, 0), (0, 100))],
            {end((0, 100), (0, 0), oneway=True), end((0, 0), (0, 100))},
        ),
        # A one-way street into nothing leads nowhere, and one out of nothing is never reached.
        ([street((0, 0), (0, 100)), street((0, 100), (0, 200), oneway="yes")], {end((0, 0), (0, 100))}),
        ([street((0, 0), (0, 100)), street((0, 200), (0, 100), oneway="yes")], {end((0, 0), (0, 100))}),
        # Of two parts the one with more roads.
        (
            [street((0, 0), (0, 100)), street((500, 0), (500, 100)), street((500, 100), (500, 200))],
            {end((500, 0), (500, 100)), end((500, 100), (500, 200))},
        ),
        ([street((0, 0), (0, 100), oneway="yes")], set()),
        ([street((0, 0), (0, 100), highway="footway")], set()),
        ([], set()),
    ],
)
def test_ways_become_roads(ways: list[tuple[list[Place], Tags]], expected: set[tuple[object, ...]]) -> None:
    skipped: dict[str, int] = {}
    roads = roads_of(*ways, skipped=skipped)
    assert ends(roads) == expected
    assert roads.is_whole()
    used = {*roads.road_from.tolist(), *roads.road_to.tolist()}
    assert used == set(range(roads.junctions))


def test_roads_left_out_are_counted() -> None:
    skipped = {"road apart from the others": 0, "house without a street": 1}
    roads_of(street((0, 0), (0, 100)), street((0, 100), (0, 200), oneway="yes"), street((9, 9), (9, 99)), skipped=skipped)
    assert skipped == {"road apart from the others": 2, "house without a street": 1}


def test_stored_roads_come_back() -> None:
    roads = roads_of(street((0, 0), (0, 100), (50, 100)), street((50, 100), (0, 0), highway="primary", oneway="yes"))
    again = StoredRoads(**roads.columns()).roads()
    assert len(again) == 2
    for name in roads.__struct_fields__:
        assert np.array_equal(getattr(again, name), getattr(roads, name)), name
    assert len(StoredRoads(**NO_ROADS.columns()).roads()) == 0
