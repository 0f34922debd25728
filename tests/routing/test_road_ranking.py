"""Who goes where roads are known: across a river, against one-way streets, together; and where they are not, as ever."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.limits import ROAD_CANDIDATES, ROAD_DEMANDS_MAX
from core.ports import Choice, Demand, TravelTimes
from core.vocabulary import AssignReason, CrewNo
from routing.assignment import Grant
from routing.candidates import Candidates, Crews
from routing.crew_index import CrewTree
from routing.eligibility import FREE
from routing.geodesy import unit_vectors
from routing.moving_points import MovingPoints
from routing.road_graph import RoadGraph
from routing.road_ranking import RoadRanking
from routing.road_times import ACCESS_MAX_M, RoadTimes
from tests.routing.crew_oracle import least_total
from tests.routing.road_town import Place, StraightLine, degrees, roads_of, seconds_of, street

BANKS = roads_of(
    street((0, 0), (0, 1000), (0, 2000), (0, 3000)),
    street((300, 0), (300, 1000), (300, 2000), (300, 3000)),
    street((0, 3000), (300, 3000)),
)
"""Two streets along a river, 300 m apart, and one bridge in the east."""


def index_of(places: Sequence[Place], travel: TravelTimes | None) -> CrewTree:
    """Free patrols at places."""
    index = CrewTree(travel=travel)
    for crew_no in range(len(places)):
        index.put(CrewNo(crew_no), ["patrol"], "", outside=False)
        index.set_availability(CrewNo(crew_no), None)
    latitude_deg, longitude_deg = np.array([degrees(place) for place in places]).T
    index.move(np.arange(len(places)), latitude_deg, longitude_deg)
    return index


def call(place: Place, key: int = 0, priority: int = 1, excluded: frozenset[CrewNo] = frozenset()) -> Demand:
    return Demand(key, *degrees(place), "patrol", "", priority, excluded)


def told(choice: Choice) -> list[tuple[int, AssignReason]]:
    return [(nearer.crew_no, nearer.reason) for nearer in choice.passed_over]


def test_crew_on_the_right_bank_goes_and_the_nearer_one_is_named() -> None:
    index = index_of([(300, 500), (0, 1300)], RoadTimes(BANKS))
    (choice,) = index.choose([call((0, 500))])
    assert (choice.crew_no, choice.reason) == (1, AssignReason.FASTEST_BY_ROAD)
    assert choice.distance_m == pytest.approx(800, rel=0.01)
    assert choice.travel_s == pytest.approx(800 / (25 * 1.05 / 3.6), abs=10)
    assert told(choice) == [(0, AssignReason.SLOWER_BY_ROAD)]
    assert choice.passed_over[0].travel_s is None  # it is enough to know that it would be later
    (straight,) = index_of([(300, 500), (0, 1300)], None).choose([call((0, 500))])
    assert (straight.crew_no, straight.reason) == (0, AssignReason.NEAREST_CAPABLE)


def test_nearer_crew_is_timed_when_it_would_be_there_soon_too() -> None:
    square = roads_of(street((0, 0), (0, 400), (200, 400), (200, 0), highway="primary"))
    (choice,) = index_of([(200, 100), (0, 350)], RoadTimes(square)).choose([call((0, 100))])
    assert (choice.crew_no, told(choice)) == (1, [(0, AssignReason.SLOWER_BY_ROAD)])
    assert choice.passed_over[0].travel_s == pytest.approx(800 / (65 * 1.05 / 3.6), abs=10)


def test_one_way_street_changes_the_choice() -> None:
    ring = street((0, 0), (0, 1000), (1000, 1000), (1000, 0), (0, 0), oneway="yes")
    crews: list[Place] = [(0, 700), (0, 200)]
    (choice,) = index_of(crews, RoadTimes(roads_of(ring))).choose([call((0, 500))])
    assert (choice.crew_no, told(choice)) == (1, [(0, AssignReason.SLOWER_BY_ROAD)])
    (choice,) = index_of(crews, None).choose([call((0, 500))])
    assert choice.crew_no == 0


def test_nearest_goes_when_it_is_the_fastest_too() -> None:
    (choice,) = index_of([(0, 400), (0, 1300)], RoadTimes(BANKS)).choose([call((0, 500))])
    assert (choice.crew_no, choice.reason, choice.passed_over) == (0, AssignReason.FASTEST_BY_ROAD, ())


def test_reasons_of_who_cannot_go_stay_what_they_are() -> None:
    index = index_of([(0, 500), (0, 510), (300, 500), (0, 520), (0, 1300)], RoadTimes(BANKS))
    index.set_availability(CrewNo(0), AssignReason.NOT_FREE)
    near = call((0, 500), excluded=frozenset({CrewNo(1)}))
    choice, other = index.choose([near, call((0, 525), key=1, priority=1)])
    assert (choice.crew_no, other.crew_no) in {(4, 3), (3, 1)}
    assert told(index.choose([near, call((0, 521), key=1, priority=1, excluded=frozenset({CrewNo(1), CrewNo(4)}))])[0]) == [
        (0, AssignReason.NOT_FREE),
        (1, AssignReason.EXCLUDED),
        (3, AssignReason.TAKEN),
        (2, AssignReason.SLOWER_BY_ROAD),
    ]


def test_contending_calls_take_the_least_time_together_not_the_least_distance() -> None:
    # Both calls are nearest to crew 0; by straight line crew 1, across the river, is the better second for the western one.
    index = index_of([(0, 1000), (300, 900), (0, 2400)], RoadTimes(BANKS))
    west, east = index.choose([call((0, 800), 1), call((0, 1300), 2)])
    assert (west.crew_no, east.crew_no) == (0, 2)
    assert (west.reason, east.reason) == (AssignReason.FASTEST_BY_ROAD, AssignReason.BEST_FOR_ALL)
    west, east = index_of([(0, 1000), (300, 900), (0, 2400)], None).choose([call((0, 800), 1), call((0, 1300), 2)])
    assert (west.crew_no, east.crew_no) == (1, 0)


def test_call_off_the_map_gets_its_nearest_crew() -> None:
    index = index_of([(300, 500), (0, 1300)], RoadTimes(BANKS))
    off: Place = (300 + ACCESS_MAX_M + 500, 500)
    choice, on_map = index.choose([call(off), call((0, 1300), 1)])
    assert (choice.crew_no, choice.reason, choice.travel_s) == (0, AssignReason.NEAREST_CAPABLE, None)
    assert (on_map.crew_no, on_map.reason) == (1, AssignReason.FASTEST_BY_ROAD)
    first, second = index.choose([call(off, 1), call((301 + ACCESS_MAX_M + 500, 500), 2)])
    assert {first.reason, second.reason} == {AssignReason.NEAREST_CAPABLE, AssignReason.BEST_FOR_ALL}


def test_crew_without_a_place_or_a_way_is_no_riddle() -> None:
    index = index_of([(300, 500), (0, 1300)], RoadTimes(BANKS))
    assert index.travel_s(CrewNo(1), *degrees((0, 500))) == pytest.approx(800 / (25 * 1.05 / 3.6), abs=10)
    assert index.travel_s(CrewNo(1), *degrees((9_000, 500))) is None
    index.move(np.array([1]), np.array([np.nan]), np.array([np.nan]))
    assert index.travel_s(CrewNo(1), *degrees((0, 500))) is None
    assert index_of([(0, 0)], None).travel_s(CrewNo(0), *degrees((0, 500))) is None
    with pytest.raises(IndexError, match="crew 2 is unknown"):
        index.travel_s(CrewNo(2), *degrees((0, 500)))


def test_no_more_calls_than_the_limit_are_compared_by_road_and_the_urgent_ones_first() -> None:
    crews: list[Place] = [(0, 10.0 * step) for step in range(ROAD_DEMANDS_MAX + 8)]
    times = RoadTimes(BANKS)
    demands = [call(place, key, 1 if key >= 8 else 2) for key, place in enumerate(crews)]
    choices = index_of(crews, times).choose(demands)
    assert [choice.travel_s is None for choice in choices] == [key < 8 for key in range(len(crews))]
    assert times.searched <= ROAD_DEMANDS_MAX


def test_crews_of_a_later_group_count_as_no_faster_than_those_before_them() -> None:
    across: list[Place] = [(300, 500.0 + step) for step in range(ROAD_CANDIDATES)]
    places = [*across, (0, 900), (0, 1000)]
    crews = Crews(MovingPoints())
    crews.standings = np.full(len(places), FREE)
    for row in range(len(places)):
        crews.points.append()
        crews.points.enlist(row, ["patrol"])
    crews.points.move(np.arange(len(places)), unit_vectors(*np.array([degrees(place) for place in places]).T))
    wanted = [call((0, 500))]
    ranking = RoadRanking(wanted, Candidates(wanted, [len(places)], crews), crews.points, RoadTimes(BANKS), 1)
    (grant,) = ranking.first()
    assert grant is not None and grant.row < ROAD_CANDIDATES
    (short,) = ranking.rank([0], ROAD_CANDIDATES)
    before = list(short.rows), list(short.costs)
    assert (len(short.rows), short.complete) == (ROAD_CANDIDATES, False)
    (longer,) = ranking.rank([0], ROAD_CANDIDATES + 1)
    assert (list(longer.rows[:ROAD_CANDIDATES]), list(longer.costs[:ROAD_CANDIDATES])) == before
    assert list(longer.rows[ROAD_CANDIDATES:]) == [ROAD_CANDIDATES, ROAD_CANDIDATES + 1]
    assert longer.complete
    assert list(longer.costs) == sorted(longer.costs)
    choice = ranking.choice(0, Grant(ROAD_CANDIDATES, longer.costs[-1]), ())
    assert choice.reason is AssignReason.FASTEST_BY_ROAD
    assert choice.travel_s == pytest.approx(400 / (25 * 1.05 / 3.6), abs=10)


PLACES = st.tuples(st.integers(-100, 400).map(float), st.integers(0, 3000).map(float))


@given(st.lists(PLACES, min_size=1, max_size=40), st.lists(PLACES, min_size=1, max_size=6), st.data())
def test_nothing_changes_without_roads(crews: list[Place], calls: list[Place], data: st.DataObject) -> None:
    demands = [call(place, key, data.draw(st.integers(1, 2))) for key, place in enumerate(calls)]
    without, straight = index_of(crews, None).choose(demands), index_of(crews, StraightLine()).choose(demands)
    assert all(choice.travel_s is None for choice in (*without, *straight))
    assert sum(choice.distance_m for choice in straight if choice.crew_no is not None) == pytest.approx(
        sum(choice.distance_m for choice in without if choice.crew_no is not None), abs=1e-3
    )
    by_road = {AssignReason.FASTEST_BY_ROAD, AssignReason.SLOWER_BY_ROAD}
    assert not by_road & {choice.reason for choice in straight}
    assert not by_road & {nearer.reason for choice in straight for nearer in choice.passed_over}


@settings(max_examples=60)
@given(
    st.lists(PLACES, min_size=1, max_size=3 * ROAD_CANDIDATES, unique=True),
    st.lists(PLACES, min_size=1, max_size=5),
    st.data(),
)
def test_each_priority_has_most_served_at_the_least_total_time(
    crews: list[Place], calls: list[Place], data: st.DataObject
) -> None:
    demands = [call(place, key, data.draw(st.integers(1, 2))) for key, place in enumerate(calls)]
    choices = index_of(crews, RoadTimes(BANKS)).choose(demands)
    costs = [costs_of(crews, place, BANKS) for place in calls]
    taken: set[int] = set()
    for priority in (1, 2):
        members = [key for key, demand in enumerate(demands) if demand.priority == priority]
        left = [{row: cost for row, cost in costs[key].items() if row not in taken} for key in members]
        served, total_s = least_total(left)
        mine = [(key, choice.crew_no) for key in members if (choice := choices[key]).crew_no is not None]
        assert len(mine) == served
        assert sum(costs[key][crew_no] for key, crew_no in mine) == pytest.approx(total_s, abs=0.01)
        taken.update(crew_no for _, crew_no in mine)
    for key, choice in enumerate(choices):
        if choice.crew_no is not None:
            expected_s = seconds_of(RoadTimes(BANKS), [crews[choice.crew_no]], calls[key])[0]
            assert choice.travel_s == pytest.approx(expected_s, abs=0.01)


def costs_of(crews: Sequence[Place], place: Place, roads: RoadGraph) -> dict[int, float]:
    """Seconds of each crew to a place; one beyond the nearest so many counts as no faster than they."""
    times = seconds_of(RoadTimes(roads), list(crews), place)
    by_distance = sorted(range(len(crews)), key=lambda row: (np.hypot(*np.subtract(crews[row], place)), row))
    costs: dict[int, float] = {}
    start, bound = 0, ROAD_CANDIDATES
    while start < len(crews):
        floor = max(costs.values(), default=0.0)
        costs.update({row: max(floor, times[row]) for row in by_distance[start:bound]})
        start, bound = bound, 4 * bound
    return costs
