"""Several assignments of one crew: one active, each with its own state, and nothing done to one that changes another."""

from __future__ import annotations

from typing import Literal

import pytest

from core.commands import Accept, Clear, Close, Decline, EnRoute, Merge, OnScene, Order, Reassign
from core.vocabulary import AssignmentState, CrewState, IncidentId, RejectCode
from tests.core.town import ACCEPT_S, DONE, EASTERN, ELSEWHERE, SPOT, Town, code_of

A, S = AssignmentState, CrewState
CREW = "P-1"


def busy_town(stage: str = "en_route") -> tuple[Town, IncidentId, IncidentId]:
    """A crew that has come so far with a first incident, and a second one that waits for somebody."""
    town = Town()
    town.crew(CREW, "patrol")
    first = town.call("fight")
    if stage != "assigned":
        town.status(CREW, stage)
    return town, first, town.call("fight", fix=EASTERN)


def send(town: Town, incident: int, when: Literal["free", "next", "now"]) -> tuple[bool, str]:
    return town.order(Reassign(command_id=town.command_id, incident=incident, to=CREW, when=when))


def told(town: Town, incident: int) -> list[tuple[str, AssignmentState, bool]]:
    return [(one.crew, one.state, one.held) for one in town.incident(incident).assignments]


def test_reassign_to_a_working_crew_is_refused_unless_it_is_said_what_becomes_of_its_work() -> None:
    town, first, second = busy_town()
    assert send(town, second, "free") == (False, "crew_not_free")
    assert send(town, first, "now") == (False, "same_incident")
    town.status(CREW, "off_duty")
    assert send(town, second, "now") == (False, "crew_not_free")


def test_next_when_the_crew_works_waits_for_it_and_comes_up_when_it_clears() -> None:
    town, first, second = busy_town("on_scene")
    assert send(town, second, "next") == DONE
    assert (town.states()[CREW], told(town, first)) == (S.ON_SCENE, [(CREW, A.ON_SCENE, False)])
    assert told(town, second) == [(CREW, A.OFFERED, True)]
    assert town.order(Clear(command_id="c", incident=first, crew=CREW)) == DONE
    assert (town.states()[CREW], told(town, first)) == (S.ASSIGNED, [(CREW, A.CLEARED, False)])
    assert told(town, second) == [(CREW, A.OFFERED, False)]


def test_now_when_the_crew_works_holds_its_work_which_comes_back_as_it_was() -> None:
    town, first, second = busy_town("en_route")
    assert send(town, second, "now") == DONE
    assert (town.states()[CREW], told(town, first)) == (S.ASSIGNED, [(CREW, A.EN_ROUTE, True)])
    town.status(CREW, "on_scene")
    assert told(town, second) == [(CREW, A.ON_SCENE, False)], "a status without an incident means the active one"
    town.status(CREW, "cleared")
    assert (town.states()[CREW], told(town, first)) == (S.EN_ROUTE, [(CREW, A.EN_ROUTE, False)])


@pytest.mark.parametrize("stage", ["accepted", "en_route"])
def test_report_for_a_held_assignment_moves_it_alone_and_setting_out_turns_to_it(stage: str) -> None:
    town, first, second = busy_town("on_scene")
    send(town, second, "next")
    assert town.status(CREW, stage, incident=second) == second
    if stage == "accepted":
        assert (town.states()[CREW], told(town, second)) == (S.ON_SCENE, [(CREW, A.ACCEPTED, True)])
    else:
        assert (town.states()[CREW], told(town, second)) == (S.EN_ROUTE, [(CREW, A.EN_ROUTE, False)])
        assert told(town, first) == [(CREW, A.ON_SCENE, True)]
        assert town.order(OnScene(command_id="back", incident=first, crew=CREW)) == DONE
        assert (town.states()[CREW], told(town, first)) == (S.ON_SCENE, [(CREW, A.ON_SCENE, False)]), "it goes back"


@pytest.mark.parametrize("end", ["decline", "expire", "withdraw", "close", "clear"])
def test_held_assignment_when_it_ends_changes_nothing_of_the_active_one(end: str) -> None:
    town, first, second = busy_town("on_scene")
    send(town, second, "next")
    before = told(town, first)
    match end:
        case "decline":
            assert town.order(Decline(command_id="c", incident=second, crew=CREW)) == DONE
        case "expire":
            town.wait(ACCEPT_S)
        case "withdraw":
            assert town.order(Reassign(command_id="c", incident=second, crew=CREW)) == DONE
        case "close":
            assert town.order(Close(command_id="c", incident=second, result="over")) == DONE
        case _:
            town.status(CREW, "accepted", incident=second)
            assert town.order(Clear(command_id="c", incident=second, crew=CREW)) == DONE
    assert (town.states()[CREW], told(town, first)) == (S.ON_SCENE, before)
    crew = town.engine.state.crews[CREW]  # type: ignore[index]
    assert (crew.incident_id, crew.held) == (first, ())


def test_active_assignment_when_it_expires_with_another_held_gives_the_crew_back_to_that() -> None:
    town, first, second = busy_town("on_scene")
    send(town, second, "now")
    town.wait(ACCEPT_S)
    assert (town.states()[CREW], told(town, first)) == (S.ON_SCENE, [(CREW, A.ON_SCENE, False)])
    assert told(town, second)[0][1] is A.EXPIRED


def test_crew_when_it_goes_off_duty_gives_back_all_it_had() -> None:
    town, first, second = busy_town("on_scene")
    send(town, second, "now")
    assert town.status(CREW, "free") is not None
    town.crew("P-2", "patrol", fix=ELSEWHERE)
    town.status(CREW, "off_duty")
    assert (town.states()[CREW], told(town, first)) == (S.OFF_DUTY, [(CREW, A.CLEARED, False)])
    assert told(town, second) == [(CREW, A.WITHDRAWN, False), ("P-2", A.OFFERED, False)]


def test_returning_when_another_assignment_is_held_clears_the_active_one_and_goes_there() -> None:
    town, first, second = busy_town("on_scene")
    send(town, second, "next")
    town.status(CREW, "returning")
    assert (town.states()[CREW], told(town, first)) == (S.ASSIGNED, [(CREW, A.CLEARED, False)])
    assert told(town, second) == [(CREW, A.OFFERED, False)]


def test_merge_when_a_held_assignment_is_on_the_incident_that_ends_keeps_it_held() -> None:
    town, first, second = busy_town("on_scene")
    send(town, second, "next")
    third = town.call("fight", fix=ELSEWHERE)
    assert town.order(Merge(command_id="c", incident=second, into=third)) == DONE
    assert told(town, third) == [(CREW, A.OFFERED, True)]
    assert (town.states()[CREW], told(town, first)) == (S.ON_SCENE, [(CREW, A.ON_SCENE, False)])


def test_merge_when_the_crew_has_an_assignment_to_both_leaves_one() -> None:
    town, first, second = busy_town("en_route")
    send(town, second, "next")
    assert town.order(Merge(command_id="c", incident=second, into=first)) == DONE
    assert (town.states()[CREW], told(town, first)) == (S.EN_ROUTE, [(CREW, A.EN_ROUTE, False)])


def test_order_of_a_crew_without_assignment_there_is_refused() -> None:
    town, _, second = busy_town()
    assert town.order(EnRoute(command_id="c", incident=second, crew=CREW)) == (False, "no_assignment")
    assert code_of(town.status(CREW, "en_route", incident=second)) is RejectCode.ILLEGAL_MOVE
    assert town.crew("P-2", "patrol", fix=SPOT).held == ()


def test_report_about_a_held_incident_is_answered_with_that_incident() -> None:
    town, _, second = busy_town("on_scene")
    send(town, second, "next")
    decisions = town.handle(orders=[Order("operator:a", Accept(command_id="a", incident=second, crew=CREW))])
    assert decisions is not None
    assert decisions.commands[0].incident_id == second


def test_merge_into_a_held_incident_leaves_the_crew_where_it_works() -> None:
    town, first, second = busy_town("on_scene")
    third = town.call("fight", fix=ELSEWHERE)
    send(town, third, "next")
    send(town, second, "next")
    assert town.order(Merge(command_id="m", incident=first, into=second)) == DONE
    assert (town.states()[CREW], told(town, second)) == (S.ON_SCENE, [(CREW, A.ON_SCENE, False)])
    assert told(town, third) == [(CREW, A.OFFERED, True)]
