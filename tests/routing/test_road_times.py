"""Driving times: the cases that have names, and random networks against an oracle that tries all ways."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.arrival import straight_line_s
from core.ports import TravelTimes
from routing.geodesy import unit_vector, unit_vectors
from routing.road_graph import NO_ROADS, RoadGraph
from routing.road_times import ACCESS_MAX_M, EMERGENCY_FACTOR, OFF_ROAD_MPS, RoadTimes
from tests.routing.crew_oracle import haversine_m
from tests.routing.road_town import Oracle, Place, Tags, degrees, kmh_s, roads_of, seconds, seconds_of, street, travel_s

BLOCK = street((0, 0), (0, 1000), (1000, 1000), (1000, 0), (0, 0))
"""A square of streets, a kilometre a side, driven both ways."""


class Case(NamedTuple):
    """A drive and what it should take; the places lie on the roads, where a point of access is at most half a step off."""

    ways: list[tuple[list[Place], Tags]]
    origin: Place
    destination: Place
    expected_s: float


CASES = {
    "along one street": Case([street((0, 0), (0, 1000))], (0, 100), (0, 900), kmh_s(800, 25)),
    "against it, both ways round": Case([street((0, 0), (0, 1000))], (0, 900), (0, 100), kmh_s(800, 25)),
    "with a one-way street": Case(
        [BLOCK, street((0, 0), (1000, 0), highway="primary", oneway="yes")], (100, 0), (900, 0), kmh_s(800, 65)
    ),
    "against a one-way street, round the block": Case(
        [street((0, 0), (1000, 0), oneway="yes"), street((1000, 0), (1000, 1000), (0, 1000), (0, 0))],
        (900, 0),
        (100, 0),
        kmh_s(100 + 3000 + 100, 25),
    ),
    "oneway=-1 is the other way round": Case(
        [street((1000, 0), (0, 0), oneway="-1"), street((1000, 0), (1000, 1000), (0, 1000), (0, 0))],
        (900, 0),
        (100, 0),
        kmh_s(100 + 3000 + 100, 25),
    ),
    "a roundabout is driven one way round": Case(
        [street((0, 0), (0, 1000), (1000, 1000), (1000, 0), (0, 0), junction="roundabout"), street((0, 0), (-500, 0))],
        (0, 900),
        (0, 100),
        kmh_s(100 + 3000 + 100, 25),
    ),
    "a motorway is one-way, and faster than the short street beside it": Case(
        [
            street((0, 0), (0, 3000)),
            street((0, 0), (-500, 0), (-500, 3000), (0, 3000), highway="motorway"),
            street((0, 0), (0, -200)),
            street((0, 3000), (0, 3200)),
        ],
        (0, -150),
        (0, 3150),
        kmh_s(150 + 150, 25) + kmh_s(4000, 90),
    ),
    "a motorway does not lead back": Case(
        [street((0, 0), (0, 3000)), street((0, 0), (-500, 0), (-500, 3000), (0, 3000), highway="motorway")],
        (0, 3000),
        (0, 0),
        kmh_s(3000, 25),
    ),
    "maxspeed takes the place of the class": Case(
        [street((0, 0), (0, 1000), maxspeed="60")], (0, 100), (0, 900), kmh_s(800, 48)
    ),
    "a maxspeed that cannot be read does not": Case(
        [street((0, 0), (0, 1000), maxspeed="signals")], (0, 100), (0, 900), kmh_s(800, 25)
    ),
    "a reversible street is not driven": Case(
        [street((0, 0), (1000, 0), oneway="reversible"), street((1000, 0), (1000, 1000), (0, 1000), (0, 0))],
        (1000, 100),
        (0, 100),
        kmh_s(2800, 25),
    ),
    "a yard apart is entered from the nearest street": Case(
        [street((0, 0), (0, 2000)), street((100, 500), (100, 600))], (0, 1500), (100, 550), kmh_s(950, 25) + 100 / OFF_ROAD_MPS
    ),
    "on foot to what is at hand": Case([street((0, 0), (0, 1000)), street((0, 1000), (60, 1000), (60, 0))],
                                        (20, 100), (45, 100), 25 / OFF_ROAD_MPS),
    "a closed street is not driven": Case(
        [street((0, 0), (1000, 0), access="no"), street((1000, 0), (1000, 1000), (0, 1000), (0, 0))],
        (1000, 20),
        (0, 20),
        kmh_s(2960, 25),
    ),
    "through a gate that only emergencies pass": Case(
        [
            street((0, 0), (1000, 0), access="no", emergency="yes"),
            street((1000, 0), (1000, 1000), (0, 1000), (0, 0)),
        ],
        (1000, 20),
        (0, 20),
        kmh_s(1040, 25),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_drive_takes_what_its_roads_take(name: str) -> None:
    case = CASES[name]
    roads = roads_of(*case.ways)
    found = seconds(RoadTimes(roads), case.origin, case.destination)
    assert found == pytest.approx(case.expected_s, abs=12.5 / OFF_ROAD_MPS * 2 + 0.5)
    assert found == pytest.approx(Oracle(roads).seconds(case.origin, case.destination), rel=1e-3)


def test_times_fill_the_port() -> None:
    times: TravelTimes = RoadTimes(roads_of(BLOCK))
    assert travel_s(times, np.zeros(0), np.zeros(0), *degrees((0, 0))).shape == (0,)


def test_places_off_the_map_are_straight_lines() -> None:
    times = RoadTimes(roads_of(BLOCK))
    far: Place = (0.0, 1000.0 + ACCESS_MAX_M + 100)
    near: Place = (0.0, 1000.0 + ACCESS_MAX_M - 100)
    assert not times.have_roads(np.array([unit_vector(*degrees(far))]))[0]
    assert times.have_roads(np.array([unit_vector(*degrees(near))]))[0]
    straight_s = straight_line_s(haversine_m(*degrees(far), *degrees((0, 500))))
    assert seconds(times, (0, 500), far) == pytest.approx(straight_s, rel=1e-6)
    mixed = seconds_of(times, [far, near], (0, 500))
    assert mixed[0] == pytest.approx(straight_s, rel=1e-6)
    assert mixed[1] == pytest.approx((ACCESS_MAX_M - 100) / OFF_ROAD_MPS + kmh_s(500, 25), rel=0.02)


def test_no_roads_are_refused() -> None:
    with pytest.raises(ValueError, match="no roads"):
        RoadTimes(NO_ROADS)


def test_search_is_kept_for_who_asks_of_the_same_place_again() -> None:
    times = RoadTimes(roads_of(BLOCK), searches_bytes=3 * 8 * 2)
    seconds(times, (0, 100), (1000, 500))
    seconds(times, (0, 200), (1000, 500))
    assert times.searched == 1
    for north in range(4):
        seconds(times, (0, 100), (1000, 500 + north))
    assert times.searched == 4
    seconds(times, (0, 100), (1000, 500))
    assert times.searched == 5


@pytest.mark.parametrize("first_s", [0.0, 50.0, 200.0, 1_000.0])
def test_drives_that_take_longer_than_asked_for_are_left_out_whatever_is_known(first_s: float) -> None:
    origins: list[Place] = [(0, 100), (0, 900), (1000, 900), (9_000, 0), (0, 100.5)]
    latitude_deg, longitude_deg = np.array([degrees(origin) for origin in origins]).T
    whole = np.array(seconds_of(RoadTimes(roads_of(BLOCK)), origins, (0, 100)))
    for then_s in (0.0, 10.0, 50.0, 120.0, 200.0, 1_500.0):
        times = RoadTimes(roads_of(BLOCK))
        travel_s(times, latitude_deg, longitude_deg, *degrees((0, 100)), within_s=first_s)
        found = travel_s(times, latitude_deg, longitude_deg, *degrees((0, 100)), within_s=then_s)
        assert found.tolist() == pytest.approx(np.where(whole <= then_s, whole, np.inf).tolist())


PLACES = st.tuples(st.integers(-400, 2400).map(float), st.integers(-400, 2400).map(float))
CROSSINGS = st.tuples(st.integers(0, 5).map(lambda step: step * 400.0), st.integers(0, 5).map(lambda step: step * 400.0))
WAYS = st.tuples(
    st.lists(CROSSINGS, min_size=2, max_size=6),
    st.fixed_dictionaries(
        {"highway": st.sampled_from(["residential", "primary", "motorway", "living_street"])},
        optional={"oneway": st.sampled_from(["yes", "-1", "no"]), "maxspeed": st.sampled_from(["20", "90"])},
    ),
)


@st.composite
def networks(draw: st.DrawFn) -> RoadGraph:
    """Connected by a ring, so that something is left of them."""
    ring = street((0, 0), (2000, 0), (2000, 2000), (0, 2000), (0, 0))
    return roads_of(ring, *draw(st.lists(WAYS, max_size=8)))


@settings(max_examples=150)
@given(networks(), st.lists(PLACES, min_size=1, max_size=5), st.lists(PLACES, min_size=1, max_size=3))
def test_times_are_those_of_the_oracle_whatever_was_asked_before(
    roads: RoadGraph, origins: list[Place], destinations: list[Place]
) -> None:
    oracle, times = Oracle(roads), RoadTimes(roads)
    for destination in (*destinations, *reversed(destinations)):
        together = seconds_of(times, origins, destination)
        alone = [seconds(times, origin, destination) for origin in origins]
        assert together == pytest.approx(alone, rel=1e-9)
        for origin, found in zip(origins, together, strict=True):
            least_s, most_s = oracle.bounds_s(origin, destination)
            assert least_s * 0.999 - 0.05 <= found <= most_s * 1.001 + 0.05


@settings(max_examples=150)
@given(networks(), PLACES, PLACES)
def test_no_drive_is_shorter_than_the_straight_line_at_top_speed(roads: RoadGraph, origin: Place, destination: Place) -> None:
    top_mps = max(float(roads.road_speed_kmh.max()) * EMERGENCY_FACTOR / 3.6, 1 / straight_line_s(1.0))
    apart_m = haversine_m(*degrees(origin), *degrees(destination))
    assert seconds(RoadTimes(roads), origin, destination) >= apart_m / top_mps * (1 - 1e-6)


def test_roads_are_found_farther_apart_when_there_are_too_many_for_memory() -> None:
    roads = roads_of(BLOCK)
    fine, coarse = RoadTimes(roads), RoadTimes(roads, samples_max=40)
    here, there = (0.0, 100.0), (1000.0, 900.0)
    assert seconds(coarse, here, there) != seconds(fine, here, there)
    assert seconds(coarse, here, there) == pytest.approx(seconds(fine, here, there), abs=2 * 50 / OFF_ROAD_MPS)


@settings(max_examples=100)
@given(
    networks(),
    st.lists(
        st.tuples(
            st.lists(st.tuples(st.integers(0, 4), PLACES), max_size=4, unique_by=lambda one: one[0]),
            st.lists(st.tuples(PLACES, st.sampled_from([0.0, 30.0, 90.0, 400.0, np.inf])), min_size=1, max_size=20),
        ),
        min_size=1,
        max_size=4,
    ),
)
def test_drives_asked_for_together_are_those_asked_for_apart_wherever_everybody_was_before(
    roads: RoadGraph, steps: list[tuple[list[tuple[int, Place]], list[tuple[Place, float]]]]
) -> None:
    """Each step moves some of five crews and asks of all for several destinations, more than are searched for in one go."""
    together = RoadTimes(roads)
    stand: list[Place] = [(0.0, 400.0 * number) for number in range(5)]
    for moved, asked in steps:
        for number, place in moved:
            stand[number] = place
        latitude_deg, longitude_deg = np.array([degrees(place) for place in stand]).T
        origins = unit_vectors(latitude_deg, longitude_deg)
        there = np.array([unit_vector(*degrees(place)) for place, _ in asked])
        within_s = [most_s for _, most_s in asked]
        who = np.tile(np.arange(5), len(asked))
        found = together.drives_s(np.tile(origins, (len(asked), 1)), [5] * len(asked), there, within_s, who)
        alone = RoadTimes(roads)
        apart = [
            travel_s(alone, latitude_deg, longitude_deg, *degrees(place), within_s=most_s).tolist() for place, most_s in asked
        ]
        assert found.tolist() == pytest.approx(np.ravel(apart).tolist(), rel=1e-9)
