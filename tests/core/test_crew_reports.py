"""What crews' terminals say: becoming known, the states in turn, refusals that change nothing, positions."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from core.commands import Merge
from core.events import CrewStatus, Position
from core.instant import SECOND_US
from core.vocabulary import AssignmentState, CrewId, CrewState, IncidentState, RejectCode
from tests.core.town import EASTERN, SPOT, Town, chunk, code_of
from tests.simulation.places import EAST, RULES, WEST

S = CrewState


def test_status_when_crew_is_unknown_needs_its_capabilities() -> None:
    town = Town()
    assert code_of(town.status("P-1", "free", fix=SPOT)) is RejectCode.UNKNOWN_CREW
    assert town.states() == {}
    assert town.status("P-1", "free", capabilities=("patrol",)) is None
    assert town.states() == {"P-1": S.FREE}


def test_status_when_crew_works_through_its_task_moves_both() -> None:
    town = Town()
    town.crew("P-1", "patrol")
    incident = town.call("fight")
    expected = [
        ("accepted", IncidentState.ASSIGNED, S.ASSIGNED),
        ("en_route", IncidentState.EN_ROUTE, S.EN_ROUTE),
        ("accepted", IncidentState.EN_ROUTE, S.EN_ROUTE),
        ("on_scene", IncidentState.ON_SCENE, S.ON_SCENE),
        ("cleared", IncidentState.CLEARED, S.FREE),
    ]
    for status, incident_state, crew_state in expected:
        assert town.status("P-1", status) == incident
        assert (town.incident(incident).state, town.states()["P-1"]) == (incident_state, crew_state)
    assignment = town.committed.assignments[1]
    assert None not in (assignment.accepted_us, assignment.en_route_us, assignment.on_scene_us, assignment.ended_us)


@pytest.mark.parametrize(
    ("steps", "status"),
    [
        ((), "accepted"),
        ((), "cleared"),
        (("call",), "free"),
        (("call",), "cleared"),
        (("call", "on_scene"), "declined"),
        (("call", "on_scene", "cleared"), "on_scene"),
        (("call", "off_duty"), "accepted"),
    ],
)
def test_status_when_it_cannot_be_is_refused_and_changes_nothing(steps: tuple[str, ...], status: str) -> None:
    town = Town()
    town.crew("P-1", "patrol")
    for step in steps:
        if step == "call":
            town.call("fight")
        else:
            town.status("P-1", step)
    crew = msgspec.json.encode(town.engine.state.crews[CrewId("P-1")])
    refused = town.status("P-1", status, capabilities=("fire",), territory=EAST, fix=EASTERN)
    assert code_of(refused) is RejectCode.ILLEGAL_MOVE
    assert msgspec.json.encode(town.engine.state.crews[CrewId("P-1")]) == crew
    assert town.engine.state.last_positions["P-1"].longitude_deg == SPOT.longitude_deg


@pytest.mark.parametrize(("stage", "ended"), [("accepted", AssignmentState.WITHDRAWN), ("on_scene", AssignmentState.CLEARED)])
@pytest.mark.parametrize("status", ["off_duty", "busy", "out_of_service"])
def test_status_when_crew_stops_in_the_middle_ends_its_task(stage: str, ended: AssignmentState, status: str) -> None:
    town = Town()
    town.crew("P-1", "patrol")
    town.crew("P-2", "patrol", fix=EASTERN)
    incident = town.call("fight")
    town.status("P-1", stage)
    assert town.status("P-1", status) == incident
    assert town.states()["P-1"] is S(status)
    assert town.committed.assignments[1].state is ended
    assert town.crews_on(incident) == ([] if ended is AssignmentState.CLEARED else ["P-2"])


def test_status_when_incident_was_closed_or_named_wrongly_is_refused() -> None:
    town = Town()
    town.crew("P-1", "patrol")
    incident = town.call("fight")
    assert code_of(town.status("P-1", "accepted", incident=99)) is RejectCode.ILLEGAL_MOVE
    assert town.status("P-1", "accepted", incident=incident) == incident


def test_status_when_incident_was_merged_understands_the_old_number() -> None:
    town = Town()
    town.crew("P-1", "patrol")
    first, second = town.call("fight"), town.call("fire", fix=EASTERN)
    town.order(Merge(command_id="1", incident=first, into=second))
    assert town.status("P-1", "en_route", incident=first) == second


def test_profile_when_capability_comes_serves_what_waits() -> None:
    town = Town()
    town.crew("P-1", "patrol", territory=EAST)
    incident = town.call("pain")
    town.status("P-1", "free", capabilities=("patrol", "ambulance"))
    assert town.crews_on(incident) == []
    town.status("P-1", "free", territory=WEST)
    assert town.crews_on(incident) == ["P-1"]


def position(town: Town, longitude_deg: float, after_s: float = 0.0) -> Position:
    at = town.at + timedelta(seconds=after_s)
    return Position(seq=town.number(), at=at, crew="P-1", latitude_deg=43.2, longitude_deg=longitude_deg, speed_mps=7.0)


def test_position_when_several_come_in_a_batch_the_latest_wins() -> None:
    town = Town()
    decisions = town.say(position(town, 76.81), position(town, 76.83, 2.0), position(town, 76.82, 1.0))
    assert [row.longitude_deg for row in decisions.live_positions] == [76.83]
    late = town.say(position(town, 76.84, -5.0))
    assert (late.live_positions, late.positions) == ([], [])
    assert town.engine.state.last_positions["P-1"].longitude_deg == 76.83


def test_position_when_frequent_is_thinned() -> None:
    town = Town()
    interval_s = RULES.position_interval_us / SECOND_US
    kept = []
    start_us = town.now_us
    for after_s in (0.0, 1.0, interval_s - 0.1, interval_s, interval_s + 1.0):
        town.now_us = start_us + int(after_s * SECOND_US)
        decisions = town.say(position(town, 76.8 + after_s / 1000))
        assert len(decisions.live_positions) == 1
        kept.append(len(decisions.positions))
    assert kept == [1, 0, 0, 1, 0]


def test_position_when_it_comes_before_the_crew_is_known_counts_from_then_on() -> None:
    town = Town()
    incident = town.call("fight")
    town.say(position(town, 76.8))
    assert town.crews_on(incident) == []
    town.status("P-1", "free", capabilities=("patrol",))
    assert town.crews_on(incident) == ["P-1"]


def test_position_when_it_comes_after_the_crew_is_free_lets_it_go() -> None:
    town = Town()
    incident = town.call("fight")
    town.status("P-1", "free", capabilities=("patrol",))
    assert town.crews_on(incident) == []
    town.say(position(town, 76.8))
    assert town.crews_on(incident) == ["P-1"]


def test_status_fix_when_newer_than_a_position_of_the_batch_wins() -> None:
    town = Town()
    town.crew("P-1", "patrol")
    status = CrewStatus(seq=2, at=town.at + timedelta(seconds=9), crew="P-1", status="busy", fix=EASTERN)
    town.handle(chunk("t", Position(seq=1, at=town.at, crew="P-1", latitude_deg=43.2, longitude_deg=76.8), status))
    assert town.engine.state.last_positions["P-1"].longitude_deg == EASTERN.longitude_deg


def test_position_when_it_is_from_the_future_counts_as_of_now() -> None:
    town = Town()
    town.crew("P-1", "patrol")
    town.say(position(town, 76.83, 250.0))
    town.now_us += SECOND_US
    town.say(position(town, 76.84))
    assert town.engine.state.last_positions["P-1"].longitude_deg == 76.84, "a clock ahead holds nothing up"


@pytest.mark.parametrize(
    ("state", "status", "expected"),
    [
        (S.FREE, "returning", S.RETURNING),
        (S.ASSIGNED, "returning", RejectCode.ILLEGAL_MOVE),
        (S.EN_ROUTE, "returning", RejectCode.ILLEGAL_MOVE),
        (S.ON_SCENE, "returning", S.RETURNING),
        (S.BUSY, "returning", S.RETURNING),
        (S.OFF_DUTY, "returning", RejectCode.ILLEGAL_MOVE),
        (S.RETURNING, "off_duty", S.OFF_DUTY),
        (S.RETURNING, "free", S.FREE),
    ],
)
def test_status_when_a_crew_returns(state: CrewState, status: str, expected: CrewState | RejectCode) -> None:
    town = Town()
    town.crew("P-1", "patrol")
    if state in (S.ASSIGNED, S.EN_ROUTE, S.ON_SCENE):
        town.call("fight")
    if state not in (S.ASSIGNED, S.FREE):
        town.status("P-1", state.value)
    assert town.states()["P-1"] is state
    outcome = town.status("P-1", status)
    assert (code_of(outcome) or town.states()["P-1"]) is expected


def test_call_when_a_crew_returns_sends_it() -> None:
    town = Town()
    town.crew("P-1", "patrol")
    town.status("P-1", "returning")
    assert town.crews_on(town.call("fight")) == ["P-1"]
