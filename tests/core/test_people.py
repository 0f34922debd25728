"""Who is told: by role, territory, duty and quiet hours, up to the level where somebody can be reached, and why not others."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.instant import SECOND_US, Micros
from core.people import Absence, Duty, Hours, PassedReason, People, Person, Way, levels
from core.telling import LEVEL_ABOVE, Channel, Role

ALMATY = ZoneInfo("Asia/Almaty")
SMS = Way(Channel.SMS, "+77010000001")
MAIL = Way(Channel.MAIL, "a@example.kz")


def person(
    person_id: str,
    role: Role = Role.SHIFT_LEAD,
    territory: str = "kz/almaty",
    *,
    ways: tuple[Way, ...] = (SMS,),
    zone: ZoneInfo = ALMATY,
    duty: tuple[Duty, ...] = (),
    absent: tuple[Absence, ...] = (),
    quiet: tuple[Hours, ...] = (),
) -> Person:
    return Person(
        person_id=person_id,
        name=person_id,
        roles=frozenset({role}),
        territories=frozenset({territory}),
        languages=("kk",),
        ways=ways,
        zone=zone,
        duty=duty,
        absent=absent,
        quiet=quiet,
    )


def at(text: str, zone: ZoneInfo = ALMATY) -> Micros:
    return Micros(round(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp() * 1_000_000))


NOON = at("2026-05-11 12:00")  # a Monday
WEEKDAYS = Duty(Hours(8 * 60, 20 * 60), weekdays=frozenset(range(5)))
NIGHTS = Duty(Hours(20 * 60, 8 * 60), weekdays=frozenset({4}))  # Friday into Saturday
VICTORY = Duty(Hours(0, 24 * 60), first=date(2026, 5, 9), last=date(2026, 5, 9))


def reached(people: People, to: str, territory: str, at_us: Micros = NOON, priority: int = 5) -> list[str]:
    return [each.person_id for each, _ in people.who(to, territory, at_us, priority).reached]


def test_who_gives_each_of_a_person_s_ways_in_order() -> None:
    aida = person("aida", ways=(MAIL, SMS))
    assert People([aida]).who("shift_lead", "kz/almaty", NOON, 5).reached == ((aida, MAIL), (aida, SMS))


@pytest.mark.parametrize(
    ("territory", "expected"),
    [
        ("kz/almaty/medeu", ["medeu"]),
        ("kz/almaty/bostandyk", ["city"]),
        ("kz/almaty", ["city"]),
        ("kz/astana", ["country"]),
        ("kz", ["country"]),
        ("uz", ["centre"]),
        ("", ["centre"]),
    ],
)
def test_who_is_the_holder_on_the_nearest_level(territory: str, expected: list[str]) -> None:
    people = People(
        [
            person("medeu", territory="kz/almaty/medeu"),
            person("city"),
            person("country", territory="kz"),
            person("centre", territory=""),
            person("officer", Role.DUTY_OFFICER, ""),
        ]
    )
    assert reached(people, "shift_lead", territory) == expected


def test_who_climbs_when_nobody_on_a_level_can_be_reached_and_says_why() -> None:
    people = People(
        [
            person("off", duty=(NIGHTS,)),
            person("asleep", quiet=(Hours(11 * 60, 13 * 60),)),
            person("mute", ways=()),
            person("country", territory="kz"),
        ]
    )
    found = people.who("shift_lead", "kz/almaty/medeu", NOON, 5)
    assert [each.person_id for each, _ in found.reached] == ["country"]
    assert [(each.person, each.territory, each.reason) for each in found.passed_over] == [
        ("off", "kz/almaty", PassedReason.OFF_DUTY),
        ("asleep", "kz/almaty", PassedReason.QUIET_HOURS),
        ("mute", "kz/almaty", PassedReason.NO_CHANNEL),
    ]


@pytest.mark.parametrize("to", ["shift_lead", "no_such_role", "person:nobody", LEVEL_ABOVE, ""])
def test_who_says_so_when_there_is_nobody_at_all(to: str) -> None:
    found = People().who(to, "kz/almaty", NOON, 1)
    assert found.reached == ()
    assert [each.reason for each in found.passed_over] == [PassedReason.NOT_KNOWN]


def test_who_of_a_person_by_name_is_that_person_wherever_it_was() -> None:
    people = People([person("aida", territory="kz/astana", duty=(NIGHTS,)), person("bota", territory="kz/astana")])
    assert reached(people, "person:bota", "kz/almaty") == ["bota"]
    found = people.who("person:aida", "kz/almaty", NOON, 1)
    assert found.reached == () and found.passed_over[0].reason is PassedReason.OFF_DUTY


def test_who_on_the_level_above_is_not_on_the_level_itself() -> None:
    people = People(
        [
            person("lead"),
            person("officer", Role.DUTY_OFFICER),
            person("above lead", territory="kz"),
            person("above officer", Role.DUTY_OFFICER, "kz"),
            person("top", Role.CHIEF, ""),
        ]
    )
    assert reached(people, LEVEL_ABOVE, "kz/almaty/medeu") == ["officer"]
    assert reached(people, LEVEL_ABOVE, "kz/almaty") == ["above officer"]
    assert reached(people, LEVEL_ABOVE, "kz") == ["top"]
    assert reached(people, LEVEL_ABOVE, "") == ["top"]


@pytest.mark.parametrize(
    ("instant", "on_duty"),
    [
        ("2026-05-11 07:59", False),
        ("2026-05-11 08:00", True),
        ("2026-05-11 19:59", True),
        ("2026-05-11 20:00", False),
        ("2026-05-15 20:00", True),  # Friday night begins
        ("2026-05-16 07:59", True),  # and ends on Saturday
        ("2026-05-16 08:00", False),
        ("2026-05-16 20:00", False),
        ("2026-05-09 03:00", True),  # a Saturday, by date
        ("2026-05-10 03:00", False),
    ],
)
def test_duty_is_by_week_and_by_date_over_midnight_too(instant: str, on_duty: bool) -> None:
    one = person("aida", duty=(WEEKDAYS, NIGHTS, VICTORY))
    assert one.hindrance(at(instant), 5) is (None if on_duty else PassedReason.OFF_DUTY)


def test_absence_wins_over_duty() -> None:
    one = person("aida", duty=(WEEKDAYS,), absent=(Absence(date(2026, 5, 11), date(2026, 5, 12)),))
    assert [one.hindrance(at(f"2026-05-{day} 12:00"), 1) is None for day in (11, 12, 13)] == [False, False, True]


@pytest.mark.parametrize(
    ("instant", "priority", "told"),
    [
        ("2026-05-11 23:00", 2, True),
        ("2026-05-11 23:00", 3, False),
        ("2026-05-12 06:59", 3, False),
        ("2026-05-12 07:00", 3, True),
    ],
)
def test_quiet_hours_are_broken_by_what_is_urgent(instant: str, priority: int, told: bool) -> None:
    one = person("aida", quiet=(Hours(22 * 60, 7 * 60),))
    assert one.hindrance(at(instant), priority) is (None if told else PassedReason.QUIET_HOURS)


def test_duty_times_are_those_of_the_person_s_own_zone() -> None:
    instant = at("2026-05-11 09:00")  # 06:00 in Berlin
    assert person("aida", duty=(WEEKDAYS,)).hindrance(instant, 5) is None
    assert person("uwe", zone=ZoneInfo("Europe/Berlin"), duty=(WEEKDAYS,)).hindrance(instant, 5) is PassedReason.OFF_DUTY


@given(st.integers(946_684_800, 3_786_912_000), st.sampled_from(["Europe/Berlin", "America/New_York"]))
def test_somebody_is_always_on_duty_when_two_share_the_day(second: int, zone: str) -> None:
    # Over the change to summer time too: no minute of local time is between two shifts.
    own, instant = ZoneInfo(zone), Micros(second * SECOND_US)
    week = frozenset(range(7))
    days = person("days", zone=own, duty=(Duty(Hours(8 * 60, 20 * 60), weekdays=week),))
    nights = person("nights", zone=own, duty=(Duty(Hours(20 * 60, 8 * 60), weekdays=week),))
    assert (days.hindrance(instant, 5) is None) != (nights.hindrance(instant, 5) is None)


def test_levels_end_with_the_whole_centre() -> None:
    assert list(levels("kz/almaty/medeu")) == ["kz/almaty/medeu", "kz/almaty", "kz", ""]
