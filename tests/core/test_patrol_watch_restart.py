"""What a restart does to patrols: nothing is told twice, and nothing is made of the time in which nobody looked."""

from __future__ import annotations

import pytest

from core.instant import SECOND_US, Micros
from core.patrol import decode_patrol, encode_patrol
from core.patrol_watch import Patrols
from core.vocabulary import CrewNo
from routing.patrol_routes import RouteShapes
from tests.core.patrol_town import (
    CREWS,
    END_US,
    RULES,
    SECONDS,
    START_US,
    P,
    Town,
    checkpoint,
    instant,
    off_route,
    patrolling,
    standing,
    street,
    timetable,
    words,
)


def restarted(town: Town, *, now_us: int) -> tuple[Town, list[str]]:
    """Another process with what the first one stored, at an instant."""
    states = [decode_patrol(encode_patrol(state)) for state in town.patrols.changes()]
    other = Town.__new__(Town)
    other.routes, other.now_us = town.routes, Micros(now_us)
    other.patrols = Patrols(town.routes, RouteShapes(town.routes))
    for number in range(len(town.patrols)):
        other.patrols.know(CrewNo(number), CREWS[number], other.now_us)
    told = other.patrols.restore(states, other.now_us)
    return other, words(told + other.patrols.fire_due(other.now_us))


@pytest.mark.parametrize(
    ("before", "off_m", "after"), [(off_route, 300, "off_route: returned"), (standing, 0, "standing: moved")]
)
def test_open_fault_is_not_told_again_after_a_restart(before: object, off_m: float, after: str) -> None:
    assert callable(before)
    town, told = restarted(town := before(), now_us=town.now_us + 60 * SECOND_US)
    assert told == []
    assert town.stay(off_m, 1800) == []
    assert town.walk(60) == [after]


def test_shift_that_ended_while_nobody_looked_ends_its_fault() -> None:
    town, told = restarted(off_route(), now_us=END_US + 3600 * SECOND_US)
    assert told == ["off_route: shift_over"]
    assert town.is_in(P.OFF_TIMETABLE)


def test_nobody_has_not_started_before_sources_could_say_so_after_a_restart() -> None:
    town, told = restarted(Town(), now_us=START_US + 2 * RULES.start_us)
    assert told == []
    assert town.wait(SECONDS["settle"] - 1) == []
    assert town.wait(1) == ["not_started"]


def test_fault_of_a_route_that_is_no_more_ends_once() -> None:
    town = off_route()
    states = town.patrols.changes()
    routes = [street("other", crews=None)]
    for told, left in ((["off_route: route_changed"], [(P.OFF_TIMETABLE, None)]), ([], [])):
        patrols = Patrols(routes, RouteShapes(routes))
        patrols.know(CrewNo(0), CREWS[0], town.now_us)
        assert words(patrols.restore(states, town.now_us)) == told
        states = patrols.changes()
        assert [(state.phase, state.fault) for state in states] == left


def test_checkpoint_that_passed_while_nobody_watched_is_not_missed() -> None:
    points = timetable("08:00", "20:00", checkpoint("09:00", 800), checkpoint("10:00", -800, "school"))
    town, told = restarted(patrolling(street(timetable=points)), now_us=instant("2026-05-04 09:30"))
    assert told == []
    assert town.walk(60) == []
    assert town.wait(3600) == ["checkpoint_missed"]
