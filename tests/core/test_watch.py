"""The first terms: what each does when it passes, in which order, once, and over a restart."""

from __future__ import annotations

import pytest

from core.commands import Close
from core.decisions import Decisions
from core.vocabulary import AssignmentState, CrewState
from tests.core.town import ACCEPT_S, CREW_S, EASTERN, ELSEWHERE, ON_SCENE_S, REVIEW_S, Town


def told(decisions: Decisions | None) -> list[tuple[str, int | None]]:
    return [] if decisions is None else [(notice.term, notice.incident_id) for notice in decisions.notices]


def test_accept_term_when_it_passes_sends_the_next_crew_and_tells_the_lead() -> None:
    town = Town()
    town.crew("P-1", "patrol")
    town.crew("P-2", "patrol", fix=ELSEWHERE)
    incident = town.call("fight")
    assert told(town.wait(ACCEPT_S - 0.001)) == []
    decisions = town.wait(0.001)
    assert told(decisions) == [("accept", incident)]
    assert decisions is not None
    assert (decisions.notices[0].to, decisions.notices[0].text) == (
        "shift_lead",
        f"crew P-1 has not accepted incident {incident}",
    )
    assert town.crews_on(incident) == ["P-2"]
    assert town.committed.assignments[1].state is AssignmentState.EXPIRED
    assert town.states() == {"P-1": CrewState.BUSY, "P-2": CrewState.ASSIGNED}


@pytest.mark.parametrize("status", ["accepted", "en_route", "on_scene"])
def test_accept_term_when_crew_has_answered_does_not_fire(status: str) -> None:
    town = Town()
    town.crew("P-1", "patrol")
    incident = town.call("fight")
    town.status("P-1", status)
    assert told(town.wait(ACCEPT_S)) == []
    assert town.crews_on(incident) == ["P-1"]


def test_on_scene_term_when_it_passes_tells_the_lead_once() -> None:
    town = Town()
    town.crew("P-1", "patrol")
    incident = town.call("fight")
    town.status("P-1", "accepted")
    town.wait(1)
    town.status("P-1", "en_route")
    assert told(town.wait(ON_SCENE_S - 1)) == [("on_scene", incident)]
    assert told(town.wait(ON_SCENE_S)) == []
    assert town.crews_on(incident) == ["P-1"]


def test_crew_term_when_it_passes_asks_crews_that_refused_again() -> None:
    town = Town()
    town.crew("P-1", "patrol")
    incident = town.call("fight")
    town.status("P-1", "declined")
    assert town.crews_on(incident) == []
    assert told(town.wait(CREW_S)) == [("crew", incident)]
    assert town.crews_on(incident) == ["P-1"]


def test_review_term_when_nothing_ends_the_incident_comes_again_and_again() -> None:
    town = Town()
    incident = town.call("question")
    for _ in range(3):
        assert told(town.wait(REVIEW_S)) == [("review", incident)]
    town.order(Close(command_id="1", incident=incident, result="answered"))
    assert told(town.wait(REVIEW_S)) == []
    assert town.engine.state.incidents == {}


def test_terms_when_overdue_fire_in_the_order_of_their_deadlines() -> None:
    town = Town()
    town.crew("P-1", "patrol")
    first = town.call("fight")  # accept after 20 s, review after 100 s
    town.wait(5)
    second = town.call("fight", fix=EASTERN)  # crew after 15 s, review after 105 s
    town.wait(1)
    third = town.call("question", fix=ELSEWHERE)  # review after 106 s
    assert told(town.wait(REVIEW_S)) == [
        ("crew", second),
        ("accept", first),
        ("review", first),
        ("review", second),
        ("review", third),
    ]


def test_terms_when_the_process_was_dead_fire_once_after_the_restart() -> None:
    town = Town()
    town.crew("P-1", "patrol")
    first, second = town.call("fight"), town.call("fight", fix=EASTERN)
    again = Town(recovered=town.committed.recovered())
    assert told(again.wait(ACCEPT_S)) == [("crew", second), ("accept", first)]
    assert told(again.handle()) == []
    assert told(again.wait(CREW_S)) == [("crew", first)], "the crew let go has left a need of its own"


def test_terms_when_more_are_due_than_a_batch_may_fire_follow_in_the_next() -> None:
    town = Town()
    for number in range(2_300):
        town.call("question", fix=None, source=f"s{number}")
    first = town.wait(REVIEW_S)
    assert len(told(first)) == 2_000
    assert town.engine.has_more
    assert len(told(town.handle())) == 300
    assert not town.engine.has_more
