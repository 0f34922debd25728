"""The crews: they drive along streets at their speed, obey their newest assignment, and say what they do."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from core.events import AnyEvent, CrewStatus, Position
from core.instant import SECOND_US, to_micros
from loadtest.cadastre import Point
from loadtest.city import City
from loadtest.crews import Fleet, Habits, distance_m, drive

CITY = City(3, districts=3, streets=16, crews=20, cameras=0, subscribers=0)
START_US = 1_700_000_000 * SECOND_US
DUTIFUL = Habits(decline_share=0.0, silent_share=0.0)
FAR = CITY.crossings[-1]


def statuses(events: list[AnyEvent], crew: str) -> list[str]:
    return [event.status for event in events if type(event) is CrewStatus and event.crew == crew]


def after(seconds: float) -> int:
    return START_US + round(seconds * SECOND_US)


def test_crews_report_for_duty_when_the_shift_begins() -> None:
    events = Fleet(CITY, 1, START_US).events_until(START_US)
    first = {event.crew: event for event in events if type(event) is CrewStatus}
    assert set(first) == {crew.call_sign for crew in CITY.crews}
    assert all(event.status == "free" and event.capabilities and event.fix for event in first.values())


def test_every_crew_reports_its_position_every_interval() -> None:
    events = Fleet(CITY, 1, START_US).events_until(after(50))
    reported: defaultdict[str, list[int]] = defaultdict(list)
    for event in events:
        if type(event) is Position:
            reported[event.crew].append(to_micros(event.at))
    assert len(reported) == 20
    for instants in reported.values():
        assert 9 <= len(instants) <= 11
        assert {later - earlier for earlier, later in pairwise(instants)} == {5 * SECOND_US}


def test_events_are_numbered_by_one_from_the_number_given() -> None:
    events = Fleet(CITY, 1, START_US, next_seq=41).events_until(after(30))
    assert [event.seq for event in events] == list(range(41, 41 + len(events)))
    assert [event.at for event in events] == sorted(event.at for event in events)


@settings(max_examples=20)
@given(cuts=st.lists(st.integers(0, 120 * SECOND_US), max_size=10).map(sorted))
def test_events_are_the_same_however_the_time_is_cut(cuts: list[int]) -> None:
    def run(cuts: list[int]) -> list[AnyEvent]:
        fleet = Fleet(CITY, 5, START_US, pace=4.0)
        fleet.offer(CITY.crews[0].call_sign, 1, FAR, START_US)
        return [event for cut_us in (*cuts, 120 * SECOND_US) for event in fleet.events_until(START_US + cut_us)]

    assert run(cuts) == run([])


def test_crew_does_its_whole_task_when_assigned() -> None:
    fleet = Fleet(CITY, 1, START_US, habits=DUTIFUL)
    crew = CITY.crews[0].call_sign
    fleet.events_until(START_US)
    fleet.offer(crew, 7, FAR, START_US)
    events = fleet.events_until(after(4 * 3600))
    told = [event for event in events if type(event) is CrewStatus and event.crew == crew]
    assert [event.status for event in told] == ["accepted", "en_route", "on_scene", "cleared"]
    assert {event.incident for event in told} == {7}
    arrived = told[2].fix
    assert arrived is not None
    assert distance_m(Point(arrived.latitude_deg, arrived.longitude_deg), FAR) < 1.0
    assert fleet.crews[crew].doing == "free"


def test_crew_goes_on_with_its_task_when_the_offer_is_repeated() -> None:
    fleet = Fleet(CITY, 1, START_US, habits=DUTIFUL)
    crew = CITY.crews[0].call_sign
    events = fleet.events_until(START_US)
    for repeat in range(20):
        fleet.offer(crew, 7, FAR, after(repeat * 10))
        events += fleet.events_until(after(repeat * 10 + 5))
    events += fleet.events_until(after(4 * 3600))
    assert statuses(events, crew) == ["free", "accepted", "en_route", "on_scene", "cleared"]


def test_crew_forgets_its_task_when_it_is_withdrawn() -> None:
    fleet = Fleet(CITY, 1, START_US, habits=DUTIFUL)
    crew = CITY.crews[0].call_sign
    events = fleet.events_until(START_US)
    fleet.offer(crew, 7, FAR, START_US)
    fleet.withdraw(crew, 7, START_US + 1)
    fleet.offer(crew, 8, FAR, START_US + 2)
    fleet.withdraw(crew, 7, START_US + 3)
    events += fleet.events_until(after(4 * 3600))
    told = [event for event in events if type(event) is CrewStatus and event.crew == crew and event.status != "free"]
    assert {event.incident for event in told} == {8}
    assert [event.status for event in told][-1] == "cleared"


def test_crew_says_that_it_is_free_when_its_task_was_taken_from_it() -> None:
    fleet = Fleet(CITY, 1, START_US, habits=Habits(silent_share=1.0, back_s=60.0))
    crew = CITY.crews[0].call_sign
    fleet.events_until(START_US)
    fleet.offer(crew, 7, FAR, START_US)
    fleet.withdraw(crew, 7, after(60))
    (told,) = [event for event in fleet.events_until(after(3600)) if type(event) is CrewStatus and event.crew == crew]
    assert (told.status, told.incident) == ("free", None)
    assert after(66) <= to_micros(told.at) <= after(60 + 6 * 60)


def test_crew_goes_to_the_newer_task_when_it_gets_another() -> None:
    fleet = Fleet(CITY, 1, START_US, habits=DUTIFUL)
    crew = CITY.crews[0].call_sign
    events = fleet.events_until(START_US)
    fleet.offer(crew, 7, FAR, START_US)
    fleet.offer(crew, 8, None, START_US + 1)
    events += fleet.events_until(after(4 * 3600))
    assert {event.incident for event in events if type(event) is CrewStatus and event.crew == crew} == {None, 8}


def test_crew_declines_or_is_silent_when_that_is_its_habit() -> None:
    crew = CITY.crews[0].call_sign
    for habits, expected in (
        (Habits(decline_share=1.0, silent_share=0.0), ["free", "declined"]),
        (Habits(decline_share=0.0, silent_share=1.0), ["free"]),
    ):
        fleet = Fleet(CITY, 1, START_US, habits=habits)
        events = fleet.events_until(START_US)
        fleet.offer(crew, 7, FAR, START_US)
        events += fleet.events_until(after(3600))
        assert statuses(events, crew) == expected


def test_positions_move_no_faster_than_the_crew_when_it_is_sent_across_the_city() -> None:
    fleet = Fleet(CITY, 1, START_US, habits=DUTIFUL)
    for number, profile in enumerate(CITY.crews):
        fleet.offer(profile.call_sign, number + 1, FAR, START_US)
    last: dict[str, tuple[int, Point]] = {}
    moved_m = 0.0
    for event in fleet.events_until(after(1200)):
        if type(event) is Position:
            place, at_us = Point(event.latitude_deg, event.longitude_deg), to_micros(event.at)
            if event.crew in last:
                before_us, before = last[event.crew]
                step_m = distance_m(before, place)
                # Twenty-five metres for the receiver's noise at both ends.
                assert step_m <= 14.0 * 1.2 * (at_us - before_us) / SECOND_US + 25.0
                moved_m += step_m
            last[event.crew] = at_us, place
    assert moved_m > 20_000


def test_crews_live_faster_when_the_pace_is_higher() -> None:
    def cleared_us(pace: float) -> int:
        fleet = Fleet(CITY, 1, START_US, pace=pace, habits=DUTIFUL)
        fleet.offer(CITY.crews[-1].call_sign, 7, FAR, START_US)
        told = [event for event in fleet.events_until(after(4 * 3600)) if type(event) is CrewStatus]
        return next(to_micros(event.at) - START_US for event in told if event.status == "cleared")

    assert 9.5 < cleared_us(1.0) / cleared_us(10.0) < 10.5


@given(
    steps=st.lists(st.tuples(st.floats(-0.05, 0.05), st.floats(-0.05, 0.05)), min_size=1, max_size=6),
    share=st.floats(0, 1),
    speed_mps=st.floats(1, 30),
)
def test_drive_stays_on_its_way(steps: list[tuple[float, float]], share: float, speed_mps: float) -> None:
    points = [Point(47.0 + north, 71.0 + east) for north, east in steps]
    way = drive(points, START_US, speed_mps)
    assert distance_m(way.at(START_US - 1)[0], points[0]) < 0.01
    assert distance_m(way.at(way.ends_us + 1)[0], points[-1]) < 0.01
    now_us = START_US + round((way.ends_us - START_US) * share)
    driven_m = distance_m(points[0], way.at(now_us)[0])
    assert driven_m <= (now_us - START_US) / SECOND_US * speed_mps * 1.001 + 0.1
