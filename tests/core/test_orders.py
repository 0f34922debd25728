"""Orders: what each does, why it is refused, and that a repeated one changes nothing."""

from __future__ import annotations

import pytest

from core.commands import (
    Accept,
    AddNote,
    AnyCommand,
    ChangePriority,
    Clear,
    Close,
    CreateIncident,
    Decline,
    EnRoute,
    Merge,
    OnScene,
    Order,
    Reassign,
    Split,
)
from core.events import Fix
from core.vocabulary import AssignmentState, AssignReason, CrewState, IncidentState, LocationSource
from tests.core.town import DONE, EASTERN, ELSEWHERE, SPOT, Town
from tests.simulation.places import EAST, WEST

A = AssignmentState


def staffed() -> tuple[Town, int]:
    """A town whose patrol P-1 has been offered an incident, and P-2 is free farther away."""
    town = Town()
    town.crew("P-1", "patrol")
    town.crew("P-2", "patrol", fix=ELSEWHERE)
    return town, town.call("fight")


@pytest.mark.parametrize(
    ("command", "state", "crew_state"),
    [
        (Accept, A.ACCEPTED, CrewState.ASSIGNED),
        (EnRoute, A.EN_ROUTE, CrewState.EN_ROUTE),
        (OnScene, A.ON_SCENE, CrewState.ON_SCENE),
    ],
)
def test_report_when_crew_works_moves_it(
    command: type[Accept | EnRoute | OnScene], state: AssignmentState, crew_state: CrewState
) -> None:
    town, incident = staffed()
    assert town.order(command(command_id="1", incident=incident, crew="P-1")) == DONE
    assert town.assignment("P-1").state is state
    assert town.states() == {"P-1": crew_state, "P-2": CrewState.FREE}


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (Accept(command_id="1", incident=99, crew="P-1"), "unknown_incident"),
        (Accept(command_id="1", incident=1, crew="P-9"), "unknown_crew"),
        (Accept(command_id="1", incident=1, crew="P-2"), "no_assignment"),
        (Clear(command_id="1", incident=1, crew="P-1"), "illegal_move"),
        (AddNote(command_id="1", incident=99, words="x"), "unknown_incident"),
        (Reassign(command_id="1", incident=1, crew="P-2"), "no_assignment"),
        (Reassign(command_id="1", incident=1, to="P-9"), "unknown_crew"),
        (Reassign(command_id="1", incident=1, crew="P-1", to="P-1"), "crew_not_free"),
        (Merge(command_id="1", incident=1, into=1), "same_incident"),
        (Merge(command_id="1", incident=1, into=99), "unknown_incident"),
        (Split(command_id="1", incident=1, events=("s/9",)), "unknown_event"),
        (Split(command_id="1", incident=1, events=("s/1",)), "unknown_event"),
        (CreateIncident(command_id="1", category="no such"), "unknown_category"),
    ],
)
def test_order_when_refused_changes_nothing(command: AnyCommand, reason: str) -> None:
    town, incident = staffed()
    before = (town.committed.incidents[incident].view, town.states(), len(town.committed.log))
    assert town.order(command) == (False, reason)
    assert (town.committed.incidents[incident].view, town.states(), len(town.committed.log)) == before


def test_order_when_repeated_gets_the_same_answer_and_changes_nothing() -> None:
    town, incident = staffed()
    note = Order("operator:a", AddNote(command_id="1", incident=incident, words="x"))
    first, second = town.handle(orders=[note]), town.handle(orders=[note])
    assert first is not None
    assert second is not None
    assert second.commands == first.commands
    assert second.log == []
    assert len(town.incident(incident).notes) == 1


def test_decline_when_another_crew_is_near_sends_it_at_once() -> None:
    town, incident = staffed()
    assert town.order(Decline(command_id="1", incident=incident, crew="P-1", reason="flat tyre")) == DONE
    assert town.crews_on(incident) == ["P-2"]
    assert town.states() == {"P-1": CrewState.FREE, "P-2": CrewState.ASSIGNED}


def test_decline_when_all_have_declined_waits_and_asks_nobody_again_before_the_term() -> None:
    town, incident = staffed()
    town.order(Decline(command_id="1", incident=incident, crew="P-1"))
    town.order(Decline(command_id="2", incident=incident, crew="P-2"))
    assert town.incident(incident).state is IncidentState.QUEUED
    assert town.wait(9) is None
    decisions = town.wait(1)
    assert decisions is not None
    assert [notice.term for notice in decisions.notices] == ["crew"]
    assert town.crews_on(incident) == ["P-1"]


def test_close_when_crews_are_on_it_frees_them_for_what_waits() -> None:
    town = Town()
    town.crew("P-1", "patrol")
    first = town.call("fight")
    second = town.call("fight", fix=EASTERN)
    town.order(OnScene(command_id="1", incident=first, crew="P-1"))
    assert town.order(Close(command_id="2", incident=first, result="all quiet")) == DONE
    assert town.committed.assignments[1].state is A.CLEARED
    assert town.crews_on(second) == ["P-1"]
    assert town.order(Accept(command_id="3", incident=first, crew="P-1")) == (False, "unknown_incident")
    assert town.order(AddNote(command_id="4", incident=first, words="late")) == (False, "unknown_incident")


@pytest.mark.parametrize("stage", ["offered", "accepted", "en_route", "on_scene"])
def test_reassign_when_crew_is_at_any_stage_sends_the_best_other(stage: str) -> None:
    town, incident = staffed()
    if stage != "offered":
        town.status("P-1", stage)
    assert town.order(Reassign(command_id="1", incident=incident, crew="P-1")) == DONE
    assert town.crews_on(incident) == ["P-2"]
    assert town.committed.assignments[1].state is A.WITHDRAWN
    assert town.states()["P-1"] is CrewState.FREE


def test_reassign_when_crew_is_named_sends_it_with_the_reason_ordered() -> None:
    town, incident = staffed()
    town.crew("P-3", "patrol", fix=EASTERN)
    assert town.order(Reassign(command_id="1", incident=incident, crew="P-1", to="P-3")) == DONE
    assert town.crews_on(incident) == ["P-3"]
    explanation = town.assignment("P-3").explanation
    assert explanation.reason is AssignReason.ORDERED
    assert explanation.distance_m == pytest.approx(9_727, rel=0.01)


def test_reassign_when_nobody_leaves_sends_one_more() -> None:
    town, incident = staffed()
    assert town.order(Reassign(command_id="1", incident=incident, to="P-2")) == DONE
    assert town.crews_on(incident) == ["P-1", "P-2"]


def test_change_priority_when_waiting_moves_in_the_queue() -> None:
    town = Town()
    first, second = town.call("fight"), town.call("fight", fix=EASTERN)
    assert town.order(ChangePriority(command_id="1", incident=second, priority=1)) == DONE
    town.crew("P-1", "patrol")
    assert (town.crews_on(first), town.crews_on(second)) == ([], ["P-1"])
    town.call("shooting", fix=EASTERN, source="t")
    assert town.incident(second).priority == 1, "a fixed priority stays"


def test_create_incident_when_given_place_and_priority_is_an_incident_like_others() -> None:
    town = Town()
    town.crew("F-1", "fire")
    command = CreateIncident(command_id="1", category="fire", words="x", place=SPOT, phone="87010000001", priority=1)
    assert town.order(command) == DONE
    incident = town.incident(1)
    assert (incident.category, incident.priority, incident.priority_fixed, incident.territory) == ("fire", 1, True, WEST)
    assert incident.told[0].caller is not None
    assert town.crews_on(1) == ["F-1"]


def test_merge_when_crew_is_on_its_way_takes_it_along() -> None:
    town, first = staffed()
    second = town.call("fight", fix=EASTERN)
    town.status("P-2", "en_route")
    assert town.order(Merge(command_id="1", incident=second, into=first)) == DONE
    assert town.committed.incidents[second].state is IncidentState.MERGED
    assert town.crews_on(first) == ["P-1", "P-2"]
    assert (town.assignment("P-2").state, town.states()["P-2"]) == (A.EN_ROUTE, CrewState.EN_ROUTE)
    assert town.incident(first).event_count == 2


def test_merge_when_crew_still_uses_the_old_number_understands_it() -> None:
    town, first = staffed()
    second = town.call("fight", fix=EASTERN)
    town.order(Merge(command_id="1", incident=second, into=first))
    assert town.order(Accept(command_id="2", incident=second, crew="P-2")) == DONE
    assert town.status("P-2", "on_scene", incident=second) == first
    assert town.assignment("P-2").state is A.ON_SCENE
    assert town.order(Accept(command_id="3", incident=second, crew="P-1")) == DONE


def test_merge_when_the_other_is_more_urgent_takes_over_what_it_is() -> None:
    town = Town()
    vague = town.call("help", fix=None)
    fire = town.call("fire", fix=EASTERN, source="t")
    assert town.order(Merge(command_id="1", incident=fire, into=vague)) == DONE
    known = town.incident(vague)
    assert (known.category, known.priority, known.needs, known.territory) == ("fire", 2, ("fire", "ambulance"), EAST)
    town.crew("A-2", "ambulance", territory=EAST, fix=EASTERN)
    assert town.crews_on(vague) == ["A-2"]


def test_merge_when_needs_differ_meets_both() -> None:
    town = Town()
    gas, fire = town.call("gas leak"), town.call("fire", source="t")
    town.order(Merge(command_id="1", incident=fire, into=gas))
    known = town.incident(gas)
    assert (known.category, known.needs) == ("gas", ("rescue", "fire", "ambulance"))


def test_merge_when_a_call_is_updated_later_finds_where_it_went() -> None:
    town, first = staffed()
    second = town.call("fire", fix=EASTERN, call_id="c", phone="87010000005")
    town.order(Merge(command_id="1", incident=second, into=first))
    assert town.call("fire", fix=None, phone="87010000005") == first


def test_split_when_events_tell_of_something_else_opens_it() -> None:
    town = Town()
    first = town.call("fight", phone="87010000005")
    assert town.call("fire", fix=None, phone="87010000005") == first
    assert town.call("fire", fix=Fix(43.2005, 76.8, 5.0)) == first
    assert town.order(Split(command_id="1", incident=first, events=("s/2",))) == DONE
    kept, new = town.incident(first), town.incident(2)
    assert [joined.event for joined in kept.told] == ["s/1", "s/3"]
    assert [joined.event for joined in new.told] == ["s/2"]
    assert (new.category, new.place, new.event_count, kept.event_count) == ("fire", None, 1, 2)
    assert town.call("fire", fix=None, phone="87010000005") == 2


def test_split_when_the_best_place_leaves_moves_both_to_their_territories() -> None:
    town = Town()
    first = town.call("fight", fix=None, given=SPOT, phone="87010000005", call_id="a")
    far = Fix(43.2, 76.9, 5.0)
    assert town.call("fight", fix=far, phone="87010000005") == first
    assert town.incident(first).territory == EAST
    town.order(Split(command_id="1", incident=first, events=("s/2",)))
    kept, new = town.incident(first), town.incident(2)
    assert (kept.territory, new.territory) == (WEST, EAST)
    assert kept.place is not None
    assert kept.place.source is LocationSource.GIVEN


def test_split_when_no_place_is_left_sends_nobody_there() -> None:
    town = Town()
    first = town.call("fight", fix=None, phone="87010000005")
    assert town.call("fight", phone="87010000005") == first
    town.order(Split(command_id="1", incident=first, events=("s/2",)))
    town.crew("P-1", "patrol")
    assert (town.crews_on(first), town.crews_on(2)) == ([], ["P-1"])


def test_split_when_the_words_that_leave_tell_of_another_category_is_that() -> None:
    town = Town()
    first = town.call("fire", phone="87010000005")
    assert town.call("burglar", fix=None, phone="87010000005") == first
    town.order(Split(command_id="1", incident=first, events=("s/2",)))
    assert (town.incident(2).category, town.incident(2).needs) == ("burglary", ("patrol",))
