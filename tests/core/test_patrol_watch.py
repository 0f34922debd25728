"""Patrols: what is told of crews on their routes, when, and how often."""

from __future__ import annotations

import math

import numpy as np
import pytest

from core.instant import SECOND_US, Micros
from core.vocabulary import CrewNo
from tests.core.patrol_town import (
    CREWS,
    END_US,
    RULES,
    SECONDS,
    START_US,
    WIDTH_M,
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

# Leaving and coming back


def test_off_route_is_told_once_when_a_crew_stays_beyond_the_width() -> None:
    town = patrolling()
    assert town.stay(300, SECONDS["off"] - 5) == []
    assert town.stay(300, 3600) == ["off_route"]
    assert town.is_in(P.OFF_ROUTE)


def test_off_route_says_since_when_and_how_far() -> None:
    town = patrolling()
    (told,) = [finding for _ in range(13) if town.wait(5) == [] for finding in town.seen_whole(300)]
    assert told.since_us == START_US + 10 * SECOND_US
    assert told.at_us - told.since_us <= RULES.off_us
    assert told.distance_m == pytest.approx(300, rel=1e-3)
    assert (told.crew_id, told.route_id, told.route) == ("P-1", "abay", "Abay")


def test_off_route_is_told_by_time_when_positions_are_rare() -> None:
    town = patrolling()
    assert town.stay(300, 90, step_s=45) == []
    assert town.stay(300, 45, step_s=45) == ["off_route"]


@pytest.mark.parametrize(
    ("off_m", "accuracy_m", "is_off"),
    [
        (WIDTH_M + 5, 5.0, False),  # nearer than the best accuracy believed
        (WIDTH_M + 12, 5.0, True),
        (WIDTH_M + 40, 50.0, False),
        (WIDTH_M + 60, 50.0, True),
        (5_000, RULES.accuracy_worst_m + 1, False),  # says nothing
    ],
)
def test_off_route_is_beyond_width_and_accuracy(off_m: float, accuracy_m: float, is_off: bool) -> None:
    town = patrolling()
    told = [word for _ in range(30) for word in town.wait(5) + town.seen(off_m, accuracy_m=accuracy_m)]
    assert told == (["off_route"] if is_off else [])


def test_return_is_told_when_well_within_the_width_and_not_at_its_edge() -> None:
    town = off_route()
    assert town.stay(WIDTH_M * 0.9, 600) == []
    assert town.is_in(P.OFF_ROUTE)
    assert town.stay(WIDTH_M * 0.7, 10) == ["off_route: returned"]
    assert town.stay(300, 80) == ["off_route"]


@pytest.mark.parametrize("jump_m", [300.0, 5_000.0])
def test_single_jump_neither_leaves_nor_returns(jump_m: float) -> None:
    town = patrolling()
    for _ in range(20):
        assert town.walk(30) + town.stay(jump_m, 5) == []
    town = off_route()
    for _ in range(20):
        assert town.stay(jump_m, 30) + town.stay(0, 5) == []


def test_gap_longer_than_silence_breaks_a_run_off_the_route() -> None:
    town = patrolling()
    assert town.stay(300, 50) == []
    town.wait(SECONDS["silence"] + 1)
    assert town.stay(300, 50) == []
    assert town.stay(300, 15) == ["off_route"]


# Beginning and ending


def test_not_started_is_told_by_the_clock_when_nothing_is_heard() -> None:
    town = Town()
    assert town.is_in(P.EXPECTED)
    assert town.wait(SECONDS["start"] - 1) == []
    assert town.wait(1) == ["not_started"]
    assert town.now_us == START_US + RULES.start_us
    assert town.wait(3600) == []
    assert town.seen(0) == ["not_started: started"]


def test_not_started_is_told_when_crew_is_heard_from_elsewhere() -> None:
    town = Town()
    assert town.stay(5_000, 3600) == ["not_started"]


def test_nothing_is_told_outside_the_timetable() -> None:
    town = Town(now_us=END_US - SECOND_US)
    town.seen(0)
    town.wait(1)
    assert town.is_in(P.OFF_TIMETABLE)
    assert town.stay(5_000, 3600) == []
    assert town.patrols.next_due_us == instant("2026-05-05 08:00")


def test_open_fault_ends_with_the_shift_and_next_day_is_another_occurrence() -> None:
    town = off_route()
    assert town.wait(12 * 3600) == ["off_route: shift_over"]
    assert town.wait(24 * 3600) == ["not_started", "not_started: shift_over"]


def test_shift_shorter_than_its_start_is_told_when_it_is_over() -> None:
    town = Town(street(timetable=timetable("08:00", "08:05")))
    assert town.wait(3600) == ["not_started", "not_started: shift_over"]


def test_crew_on_two_routes_serves_each_in_its_shift() -> None:
    morning, evening = street("morning", timetable=timetable("08:00", "12:00")), street("evening", timetable=timetable("12:00"))
    town = Town(morning, evening)
    town.wait(3 * 3600)
    assert town.seen_whole(0)[0].route_id == "morning"
    assert town.wait(3600 + SECONDS["start"]) == ["not_started"]
    assert town.seen_whole(0)[0].route_id == "evening"


# Standing


def test_standing_is_told_once_and_again_after_having_moved() -> None:
    town = standing()
    assert town.stay(0, 7200) == []
    assert town.stay(0, 10, along_m=100) == ["standing: moved"]
    assert town.walk(3600) == []
    assert town.stay(0, SECONDS["stand"] + 10) == ["standing"]


def test_standing_is_told_when_receiver_jitters() -> None:
    town = patrolling()
    rng = np.random.default_rng(3)
    told = [
        word
        for east_m, north_m in rng.normal(0.0, 15.0, (220, 2))
        for word in town.wait(5) + town.seen(north_m, east_m, accuracy_m=15.0)
    ]
    assert told == ["standing"]


def test_standing_is_told_by_the_clock_when_the_last_minutes_are_silent() -> None:
    town = patrolling()
    assert town.stay(0, SECONDS["stand"] - 120) == []
    assert town.wait(119) == []
    assert town.wait(2) == ["standing"]


def test_silence_is_not_standing() -> None:
    town = patrolling()
    assert town.stay(0, 300) == []
    assert town.wait(3600) == []
    # What was silent counts as long as silence says anything, and the next position goes on from there.
    assert town.stay(0, 290) == []
    assert town.stay(0, 20) == ["standing"]


@pytest.mark.parametrize(("stand_s", "told"), [(0, []), (120, ["standing"]), (7200, [])])
def test_route_has_its_own_patience_with_standing(stand_s: int, told: list[str]) -> None:
    town = patrolling(street(stand_s=stand_s))
    assert town.stay(0, 1800) == told


def test_standing_ends_when_crew_leaves_the_route() -> None:
    town = standing()
    assert town.stay(300, 10) == ["standing: moved"]
    assert town.stay(300, 60) == ["off_route"]


# Assignments and signal


def test_crew_with_an_assignment_is_not_at_fault_and_has_grace_to_come_back() -> None:
    town = patrolling()
    assert town.hold(assigned=True) == []
    assert town.stay(5_000, 3600) == []
    assert town.is_in(P.SUSPENDED)
    assert town.hold() == []
    assert town.is_in(P.RETURNING)
    assert town.stay(5_000, SECONDS["grace"] - 5) == []
    assert town.stay(5_000, 10) == ["off_route"]


def test_crew_that_comes_back_in_grace_is_on_route() -> None:
    town = patrolling()
    town.hold(assigned=True)
    town.hold()
    assert town.stay(5_000, 600) == []
    assert town.stay(0, 5) == []
    assert town.is_in(P.ON_ROUTE)
    town.hold(lost=True)
    town.hold()
    assert town.is_in(P.ON_ROUTE)
    assert town.stay(300, 80) == ["off_route"]  # no grace is left over


def test_assignment_excuses_an_open_fault() -> None:
    town = off_route()
    assert town.hold(assigned=True) == ["off_route: excused"]
    assert town.hold(assigned=True) == []
    town.hold()
    assert town.stay(300, SECONDS["grace"] + 5) == ["off_route"]


def test_crew_that_was_sent_away_before_it_began_has_grace_to_begin() -> None:
    town = Town()
    town.hold(assigned=True)
    assert town.wait(3600) == []
    town.hold()
    assert town.is_in(P.EXPECTED)
    assert town.wait(SECONDS["grace"] - 1) == []
    assert town.wait(1) == ["not_started"]


def test_crew_assigned_before_its_shift_is_suspended_from_its_beginning() -> None:
    town = Town(now_us=START_US - 3600 * SECOND_US)
    town.hold(assigned=True)
    assert town.wait(2 * 3600) == []
    assert town.is_in(P.SUSPENDED)


def test_lost_crew_is_blamed_for_nothing_new() -> None:
    town = patrolling()
    town.hold(lost=True)
    assert town.is_in(P.LOST)
    assert town.stay(5_000, 3600) == []
    town.hold()
    assert town.is_in(P.ON_ROUTE)
    assert town.stay(5_000, 80) == ["off_route"]


def test_open_fault_outlives_a_lost_signal_and_is_not_told_again() -> None:
    for town, told, phase in ((off_route(), "off_route: returned", P.OFF_ROUTE), (standing(), "standing: moved", P.STANDING)):
        town.hold(lost=True)
        town.wait(600)
        assert town.hold() == []
        assert town.is_in(phase)
        off_m = 300 if phase is P.OFF_ROUTE else 0
        assert town.stay(off_m, 1800) == []
        assert town.walk(60) == [told]


def test_lost_crew_that_has_not_begun_is_told_of() -> None:
    town = Town()
    town.hold(lost=True)
    assert town.wait(SECONDS["start"]) == ["not_started"]


# Clocks


def test_position_of_the_future_is_of_now() -> None:
    town = patrolling()
    for _ in range(11):
        assert town.wait(5) + town.seen(300, at_s=290) == []
    assert town.wait(5) + town.seen(300, at_s=290) == ["off_route"]
    assert town.stay(0, 10) == ["off_route: returned"]  # the clock was put right: nothing has to catch up


def test_older_and_repeated_positions_say_nothing() -> None:
    town = patrolling()
    for _ in range(100):
        town.wait(1)
        assert town.walk(5) + town.seen(300, at_s=-60) == []
    sent_us = town.now_us
    for _ in range(100):
        town.wait(5)
        assert town.seen(300, at_s=(sent_us - town.now_us) / SECOND_US) == []
    assert town.is_in(P.ON_ROUTE)


def test_burst_within_a_second_is_one_position() -> None:
    town = patrolling()
    assert town.wait(5) + [word for at in range(50) for word in town.seen(300, at_s=at / 100 - 0.5)] == []


def test_device_clock_that_was_set_back_is_believed_after_a_silence() -> None:
    town = patrolling()
    told = [word for _ in range(100) for word in town.wait(5) + town.seen(300, at_s=-3600)]
    assert told == ["off_route"]
    assert town.now_us - START_US > RULES.silence_us


def test_device_clock_that_jumps_ahead_an_hour_makes_no_hour() -> None:
    town = patrolling()
    for _ in range(70):
        town.wait(5)
        town.seen(0, at_s=-3600)
    assert town.wait(5) + town.seen(0) == []


def test_centre_clock_that_jumps_back_undoes_nothing() -> None:
    town = off_route()
    before_us = town.now_us
    town.now_us = Micros(START_US - 3600 * SECOND_US)
    assert town.seen(300) == []
    assert town.is_in(P.OFF_ROUTE)
    (told,) = town.patrols.hold(CrewNo(0), assigned=True, lost=False, now_us=town.now_us)
    assert told.at_us == before_us


def test_centre_clock_that_jumps_ahead_makes_nobody_stand_or_leave() -> None:
    town = patrolling()
    assert town.stay(0, SECONDS["stand"] - 120) == []
    town.now_us = Micros(town.now_us + 3 * 3600 * SECOND_US)
    assert words(town.patrols.fire_due(town.now_us)) == []
    assert town.seen(300) == []
    assert town.is_in(P.ON_ROUTE)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_position_that_is_no_place_says_nothing(bad: float) -> None:
    town = patrolling()
    assert [word for _ in range(30) for word in town.wait(5) + town.seen(bad)] == []


# Checkpoints


def test_checkpoint_is_missed_once_by_a_crew_that_was_not_there_in_time() -> None:
    town = patrolling(
        street(timetable=timetable("08:00", "20:00", checkpoint("09:00", 800), checkpoint("10:00", -800, "school")))
    )
    told: list[str] = []
    while town.now_us < instant("2026-05-04 09:20"):
        told += town.wait(200) + town.seen(0, -500) + town.wait(100) + town.seen(0, -400)
    assert told == ["checkpoint_missed"]
    while town.now_us < instant("2026-05-04 10:00"):
        told += town.wait(200) + town.seen(0, -600) + town.wait(100) + town.seen(0, -800)
    assert told + town.wait(1800) == ["checkpoint_missed"]


def test_checkpoint_that_was_missed_is_named_with_its_hour() -> None:
    town = patrolling(street(timetable=timetable("08:00", "20:00", checkpoint("09:00", 800))))
    (told,) = town.patrols.fire_due(instant("2026-05-04 09:10"))
    assert (told.checkpoint, told.since_us, told.ended) == ("bank", instant("2026-05-04 09:00"), None)


@pytest.mark.parametrize("where", ["assigned", "lost", "expected"])
def test_checkpoint_is_not_missed_by_a_crew_that_could_not_be_there(where: str) -> None:
    town = Town(street(timetable=timetable("08:00", "20:00", checkpoint("09:00"))))
    if where != "expected":
        town.seen(0, 900)
        town.hold(**{where: True})
    assert "checkpoint_missed" not in town.wait(4 * 3600)


# Restarts and the roster


def test_changes_are_given_once_and_only_of_crews_that_have_changed() -> None:
    town = Town(crews=3)
    assert len(town.patrols.changes()) == 3
    town.seen(0, crew=1)
    (state,) = town.patrols.changes()
    assert (state.crew_id, state.phase, state.started) == (CREWS[1], P.ON_ROUTE, True)
    for _ in range(12):
        assert town.wait(5) + town.seen(0, crew=1) == []
    assert town.patrols.changes() == []


def test_post_puts_a_crew_on_the_routes_that_the_roster_says() -> None:
    town = Town(street(crews=None), street("other", crews=None))
    assert (town.phase, town.patrols.next_due_us) == (P.OFF_TIMETABLE, None)
    assert town.patrols.post(CrewNo(0), [town.routes[0].route_id], town.now_us) == []
    assert town.wait(SECONDS["start"]) == ["not_started"]
    assert town.patrols.post(CrewNo(0), [town.routes[0].route_id], town.now_us) == []
    told = town.patrols.post(CrewNo(0), [town.routes[1].route_id], town.now_us)
    assert words(told) == ["not_started: route_changed"]
    town.wait(1)
    assert town.is_in(P.EXPECTED)
    town.patrols.post(CrewNo(0), [], town.now_us)
    assert (town.phase, town.patrols.next_due_us) == (P.OFF_TIMETABLE, None)


def test_post_leaves_the_routes_that_list_their_crews_to_those() -> None:
    town = Town(street(crews=CREWS[1:]), street("other"))
    town.patrols.post(CrewNo(0), [town.routes[0].route_id], town.now_us)
    assert town.wait(SECONDS["start"]) == ["not_started"]
    # It is on the route that lists it, before and after.
    assert town.patrols.post(CrewNo(0), [], town.now_us) == []
    assert town.is_in(P.NOT_STARTED)
    town = Town(street(crews=CREWS[1:]))
    town.patrols.post(CrewNo(0), [town.routes[0].route_id], town.now_us)
    assert town.patrols.next_due_us is None


def test_new_version_of_a_route_takes_over_with_the_next_shift() -> None:
    noon_us = instant("2026-05-04 12:00")
    old = street(valid_until_us=noon_us)
    new = street(version=2, valid_from_us=noon_us, width_m=500.0)
    town = Town(old, new)
    town.seen(0)
    town.wait(6 * 3600)
    assert town.stay(300, 80) == ["off_route"]
    town.wait(18 * 3600)
    town.seen(0)
    assert town.stay(300, 600) == []


def test_know_raises_when_a_number_is_not_the_next() -> None:
    with pytest.raises(ValueError, match="the next one is 1"):
        Town().patrols.know(CrewNo(3), CREWS[1], START_US)


def test_many_crews_are_known_when_the_table_grows() -> None:
    town = Town(street(crews=None))
    for number in range(1, 1000):
        town.patrols.know(CrewNo(number), CREWS[0], START_US)
    assert len(town.patrols) == 1000
    assert town.patrols.next_due_us is None


# The rule itself
