"""The city's script: all its sources, each counting on from where the centre stands, and crews that are its own."""

from __future__ import annotations

from core.events import CrewStatus
from core.instant import SECOND_US
from core.vocabulary import AssignmentState, IncidentState
from loadtest.board import AssignmentView, ExplanationView, IncidentView, Offered
from loadtest.city import City
from loadtest.crews import Habits
from loadtest.happening import Rates
from loadtest.script import CREWS, CityScript

CITY = City(3, districts=3, streets=16, crews=10, cameras=30, subscribers=100)
START_US = 1_700_000_000 * SECOND_US
NEXT_SEQ = {source: 1_000 * number for number, source in enumerate(CityScript.SOURCES, 1)}


def script() -> CityScript:
    rates = Rates(happenings=5.0, panels=1.0, plates=5.0, readings=5.0, analytics=1.0)
    return CityScript(CITY, rates, 1, START_US, NEXT_SEQ, habits=Habits(decline_share=0.0, silent_share=0.0))


def offered(crew: str) -> Offered:
    why = ExplanationView("nearest_capable", 1.0)
    assignment = AssignmentView(1, crew, "patrol", AssignmentState.OFFERED, why, START_US)
    return Offered(crew, IncidentView(7, START_US, IncidentState.ASSIGNED, place=CITY.crossings[0]), assignment)


def test_every_source_speaks_and_counts_on() -> None:
    events = script().events_until(START_US + 30 * SECOND_US)
    assert set(events) == set(CityScript.SOURCES)
    for source, said in events.items():
        assert [event.seq for event in said] == list(range(NEXT_SEQ[source], NEXT_SEQ[source] + len(said)))


def test_crew_goes_where_it_is_sent() -> None:
    played = script()
    crew = CITY.crews[0].call_sign
    played.events_until(START_US)
    played.offer(offered(crew), START_US)
    said = played.events_until(START_US + 4 * 3600 * SECOND_US)[CREWS]
    told = [event.status for event in said if type(event) is CrewStatus and event.crew == crew]
    assert told == ["accepted", "en_route", "on_scene", "cleared"]


def test_crew_stays_when_its_task_is_taken_back() -> None:
    played = script()
    crew = CITY.crews[0].call_sign
    played.events_until(START_US)
    played.offer(offered(crew), START_US)
    played.withdraw(crew, 7, START_US + 1)
    said = played.events_until(START_US + 3600 * SECOND_US)[CREWS]
    assert [event.status for event in said if type(event) is CrewStatus and event.crew == crew] == ["free"]


def test_crew_of_another_city_is_left_alone() -> None:
    played = script()
    played.offer(offered("Чужой-1"), START_US)
    played.withdraw("Чужой-1", 7, START_US)
    said = played.events_until(START_US + 60 * SECOND_US)[CREWS]
    assert {event.crew for event in said if type(event) is CrewStatus} == {crew.call_sign for crew in CITY.crews}
