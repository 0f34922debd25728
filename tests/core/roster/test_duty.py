"""Who is on duty at an instant, and when that changes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from core.roster.duty import DutyChanges, DutyProfile, changes, next_change_us, on_duty
from core.roster.model import Roster, roster_of
from core.vocabulary import CrewId
from tests.core.roster.samples import DAY, HOUR_US, at, rosters, shift

A1 = CrewId("A-1")


def test_on_duty_from_the_first_microsecond_to_before_the_last() -> None:
    roster = roster_of([shift("A-1", 8, 20)], [])
    assert [list(on_duty(roster, at(hour) + delta)) for hour, delta in ((8, -1), (8, 0), (20, -1), (20, 0))] == [
        [],
        [A1],
        [A1],
        [],
    ]


def test_on_duty_across_a_change_is_one_duty_with_the_present_profile() -> None:
    roster = roster_of(
        [
            shift("A-1", 8, 14),
            shift("A-1", 14, 20, territory="kz/astana", capabilities=("fire",)),
            shift("A-1", 21, 23, route="Маршрут 5"),
        ],
        [],
    )
    assert on_duty(roster, at(9))[A1] == DutyProfile(A1, "kz/almaty", ("patrol",), at(8), at(20))
    assert on_duty(roster, at(14))[A1] == DutyProfile(A1, "kz/astana", ("fire",), at(8), at(20))
    assert on_duty(roster, at(22))[A1] == DutyProfile(A1, "kz/almaty", ("patrol",), at(21), at(23), "Маршрут 5")
    steps = [next_change_us(roster, at(hour)) for hour in (0, 8, 14, 20, 21, 23)]
    assert steps == [at(8), at(14), at(20), at(21), at(23), None]


def test_changes_tell_who_came_who_went_and_who_serves_otherwise() -> None:
    roster = roster_of(
        [shift("A-1", 8, 14), shift("A-1", 14, 20, territory="kz"), shift("A-2", 8, 14), shift("A-3", 14, 15)], []
    )
    before, now = on_duty(roster, at(13)), on_duty(roster, at(14))
    assert changes(before, now) == DutyChanges(came=(now[CrewId("A-3")],), went=(before[CrewId("A-2")],), changed=(now[A1],))
    assert changes(now, now) == DutyChanges((), (), ())


@given(rosters(), st.integers(-5, 400), st.integers(0, 200))
def test_on_duty_is_the_same_until_the_next_change(roster: Roster, hour: int, part: int) -> None:
    at_us = DAY + hour * HOUR_US
    following = next_change_us(roster, at_us)
    last_us = DAY + 10_000 * HOUR_US if following is None else following - 1
    between = at_us + (last_us - at_us) * part // 200
    assert on_duty(roster, between) == on_duty(roster, at_us)
    assert set(on_duty(roster, at_us)) == {one.crew for one in roster.at(at_us)}
