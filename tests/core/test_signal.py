"""Crews that are not heard: stale, lost, heard again; told once, and sent only where nobody else can go."""

from __future__ import annotations

import msgspec
import pytest

from core.decisions import Decisions
from core.events import Position
from core.instant import SECOND_US, to_datetime
from core.signal import SignalRules
from core.vocabulary import AssignReason, CrewId, CrewState, Signal
from tests.core.town import EASTERN, ELSEWHERE, SPOT, Town
from tests.simulation.places import RULES

LISTENING = msgspec.structs.replace(RULES, signal=SignalRules(stale_us=100_000_000, lost_us=300_000_000))


def town_of(*crews: str) -> Town:
    town = Town(rules=LISTENING)
    for number, crew in enumerate(crews):
        town.crew(crew, "patrol", fix=(SPOT, ELSEWHERE, EASTERN)[number % 3])
    return town


def hear(town: Town, crew: str, longitude_deg: float = 76.8) -> Decisions:
    return town.say(
        Position(seq=town.number("gps"), at=town.at, crew=crew, latitude_deg=43.2, longitude_deg=longitude_deg), source="gps"
    )


def signals(town: Town) -> dict[str, Signal]:
    return {crew.crew_id: crew.signal for crew in town.engine.state.crews.values()}


def lost(decisions: Decisions | None) -> list[tuple[str, int | None]]:
    return [] if decisions is None else [(one.crew, one.incident_id) for one in decisions.notices if one.term == "signal_lost"]


def test_signal_when_nothing_comes_goes_stale_then_lost_and_is_told_once() -> None:
    town = town_of("P-1")
    assert signals(town) == {"P-1": Signal.HEARD}
    town.wait(99.9)
    assert signals(town) == {"P-1": Signal.HEARD}
    assert lost(town.wait(0.1)) == []
    assert signals(town) == {"P-1": Signal.STALE}
    assert lost(town.wait(200)) == [("P-1", None)]
    assert signals(town) == {"P-1": Signal.LOST}
    assert lost(town.wait(3000)) == []
    hear(town, "P-1")
    assert signals(town) == {"P-1": Signal.HEARD}
    town.wait(100)
    assert lost(town.wait(200)) == [("P-1", None)], "every loss is told"


def test_signal_when_a_crew_is_heard_while_stale_counts_from_then() -> None:
    town = town_of("P-1")
    town.wait(150)
    hear(town, "P-1")
    town.wait(99)
    assert signals(town) == {"P-1": Signal.HEARD}
    town.wait(1)
    assert signals(town) == {"P-1": Signal.STALE}


def test_signal_of_a_crew_that_never_sent_a_position_is_lost_too() -> None:
    town = Town(rules=LISTENING)
    town.status("P-1", "free", capabilities=("patrol",))
    assert signals(town) == {"P-1": Signal.NONE}
    town.wait(100)
    assert lost(town.wait(200)) == [("P-1", None)]


@pytest.mark.parametrize("status", ["off_duty", "out_of_service"])
def test_signal_of_a_crew_that_is_off_is_nobody_s_concern_until_it_is_back(status: str) -> None:
    town = town_of("P-1")
    town.status("P-1", status)
    assert lost(town.wait(5000)) == []
    assert signals(town) == {"P-1": Signal.HEARD}
    town.status("P-1", "free")
    assert lost(town.wait(100)) == []
    assert lost(town.wait(200)) == [("P-1", None)], "it has its time from then"


def test_call_when_the_nearest_crew_is_stale_sends_one_that_is_heard_and_says_why() -> None:
    town = town_of("P-1", "P-2")
    town.wait(60)
    hear(town, "P-2", 76.84)
    town.wait(60)
    incident = town.call("fight")
    assert town.crews_on(incident) == ["P-2"]
    explanation = town.incident(incident).assignments[0].explanation
    assert [(one.crew, one.reason) for one in explanation.passed_over] == [("P-1", AssignReason.STALE_POSITION)]


@pytest.mark.parametrize("silence_s", [150, 1000])
def test_call_when_nobody_is_heard_sends_the_nearest_by_its_last_position(silence_s: float) -> None:
    town = town_of("P-1", "P-2", "P-3")
    town.wait(100)
    town.wait(silence_s - 100)
    incident = town.call("fight")
    assert town.crews_on(incident) == ["P-1"]
    assert town.incident(incident).assignments[0].explanation.reason is AssignReason.LAST_KNOWN_POSITION


def test_stale_crew_when_it_frees_takes_what_waits() -> None:
    town = town_of("P-1")
    first = town.call("fight")
    town.status("P-1", "on_scene")
    second = town.call("burglar", fix=EASTERN)
    town.wait(150)
    assert signals(town) == {"P-1": Signal.STALE}
    town.status("P-1", "cleared")
    assert (town.crews_on(first), town.crews_on(second)) == ([], ["P-1"])


def test_working_crew_when_it_is_lost_keeps_its_assignment_and_its_incident_is_named() -> None:
    town = town_of("P-1")
    incident = town.call("fight")
    town.status("P-1", "on_scene")
    town.wait(100)
    assert lost(town.wait(200)) == [("P-1", incident)]
    assert town.states() == {"P-1": CrewState.ON_SCENE}


def test_crews_when_many_are_lost_at_once_are_told_of_together_by_territory() -> None:
    town = Town(rules=LISTENING)
    for number in range(30):
        town.crew(f"P-{number}", "patrol", territory="kz/town/west" if number % 3 else "kz/town/east")
    town.wait(100)
    decisions = town.wait(200)
    assert decisions is not None
    assert [(one.territory, one.text.split(" not")[0]) for one in decisions.notices] == [
        ("kz/town/east", "10 crews are"),
        ("kz/town/west", "20 crews are"),
    ]


def test_recovered_engine_gives_every_crew_its_time_anew_and_keeps_what_was_known() -> None:
    town = town_of("P-1", "P-2")
    town.wait(60)
    hear(town, "P-2")
    town.wait(60)
    assert signals(town) == {"P-1": Signal.STALE, "P-2": Signal.HEARD}
    again = Town(rules=LISTENING, recovered=town.committed.recovered())
    again.now_us = town.now_us + 3_600_000_000
    assert lost(again.handle()) == [], "the centre was deaf, not they silent"
    assert signals(again) == {"P-1": Signal.STALE, "P-2": Signal.HEARD}
    assert again.crews_on(again.call("fight")) == ["P-2"]
    again.wait(100)
    assert sorted(crew for crew, _ in lost(again.wait(200))) == ["P-1", "P-2"]
    assert again.engine.state.crews[CrewId("P-1")].signal is Signal.LOST


def test_crew_that_is_lost_over_a_restart_is_told_of_once() -> None:
    town = town_of("P-1")
    town.wait(100)
    assert lost(town.wait(200)) == [("P-1", None)]
    again = Town(rules=LISTENING, recovered=town.committed.recovered())
    again.now_us = town.now_us
    again.handle()
    for seconds in (100, 200, 300):
        assert lost(again.wait(seconds)) == []
    assert signals(again) == {"P-1": Signal.LOST}


def test_crew_whose_clock_went_back_is_heard() -> None:
    town = town_of("P-1")
    for _ in range(40):
        town.now_us += 10 * SECOND_US
        late = to_datetime(town.now_us - 3600 * SECOND_US)
        number = town.number("gps")
        town.say(Position(seq=number, at=late, crew="P-1", latitude_deg=43.2, longitude_deg=76.8), source="gps")
    assert signals(town) == {"P-1": Signal.HEARD}
