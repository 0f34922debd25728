"""What a console knows: newest versions only, new tasks told once, ended ones taken back."""

from __future__ import annotations

import msgspec
import pytest

from core.crew import Crew, encode_crew
from core.decisions import Notice
from core.facts import CategoryReason, CorrelateReason, Explanation, Joined, PassedOver
from core.incident import Assignment, Incident
from core.instant import Micros
from core.vocabulary import (
    AssignmentId,
    AssignmentState,
    AssignReason,
    CategoryCode,
    CrewId,
    CrewState,
    IncidentId,
    IncidentState,
)
from loadtest.board import Board, Cleared, Offered, Turn, Unplaced, Withdrawn

A = AssignmentState
S = IncidentState


def view(number: int, version: int, state: IncidentState, *assignments: tuple[int, str, AssignmentState]) -> bytes:
    """An incident's view, encoded as the engine encodes it."""
    why = Explanation(AssignReason.BEST_FOR_ALL, 120.0, (PassedOver("П-2", 80.0, AssignReason.NOT_FREE),))
    return msgspec.json.encode(
        Incident(
            incident_id=IncidentId(number),
            version=version,
            state=state,
            category=CategoryCode("fire"),
            category_reason=CategoryReason.WORDS,
            priority=2,
            opened_us=Micros(1),
            updated_us=Micros(2),
            told_us=Micros(2),
            told=[Joined(event=event, kind="call", reason=CorrelateReason.FIRST) for event in ("telephone/1", "alarms/4")],
            assignments=[
                Assignment(AssignmentId(assignment), crew, "fire", state, why, Micros(1))
                for assignment, crew, state in assignments
            ],
        )
    )


def turns(board: Board, *views: bytes) -> list[Turn]:
    return [turn for one in views for turn in board.take_incident(one)[1]]


def test_new_task_is_told_once_with_its_reason() -> None:
    board = Board()
    found = turns(board, view(7, 2, S.ASSIGNED, (1, "П-1", A.OFFERED)), view(7, 3, S.ASSIGNED, (1, "П-1", A.OFFERED)))
    (offered,) = found
    assert isinstance(offered, Offered)
    assert (offered.crew, offered.incident.incident_id) == ("П-1", 7)
    explanation = offered.assignment.explanation
    assert (explanation.reason, explanation.passed_over[0].reason) == ("best_for_all", "not_free")
    assert (board.assigned, list(board.latest)) == (1, [offered])


@pytest.mark.parametrize("ended", [A.EXPIRED, A.WITHDRAWN, A.DECLINED])
def test_ended_task_is_taken_back_once(ended: AssignmentState) -> None:
    board = Board()
    turns(board, view(7, 2, S.ASSIGNED, (1, "П-1", A.OFFERED)))
    again = (view(7, version, S.ASSIGNED, (1, "П-1", ended), (2, "П-2", A.OFFERED)) for version in (3, 4))
    withdrawn, offered = turns(board, *again)
    assert withdrawn == Withdrawn("П-1", 7)
    assert isinstance(offered, Offered)
    assert offered.crew == "П-2"


def test_crew_keeps_its_newest_task_when_views_come_in_another_order() -> None:
    board = Board()
    found = turns(board, view(8, 2, S.ASSIGNED, (5, "П-1", A.OFFERED)), view(7, 2, S.ASSIGNED, (4, "П-1", A.OFFERED)))
    assert [turn.incident.incident_id for turn in found if isinstance(turn, Offered)] == [8]
    assert board.assigned == 2


def test_older_version_changes_nothing_and_is_counted() -> None:
    board = Board()
    turns(board, view(7, 5, S.ON_SCENE))
    assert turns(board, view(7, 4, S.ASSIGNED, (1, "П-1", A.OFFERED)), view(7, 5, S.QUEUED)) == []
    assert board.open[7].state is S.ON_SCENE
    assert (board.disordered, board.published, board.incidents) == (1, 3, 1)


def test_incident_is_closable_once_when_all_its_crews_are_done() -> None:
    board = Board()
    views = [view(7, version, S.CLEARED, (1, "П-1", A.CLEARED)) for version in (5, 6)]
    assert turns(board, *views) == [Cleared(7)]


def test_incident_that_waits_without_a_place_is_told_once() -> None:
    board = Board()
    assert turns(board, view(7, 1, S.OPENED)) == []
    assert turns(board, view(7, 2, S.QUEUED), view(7, 3, S.QUEUED)) == [Unplaced(7)]
    placed = msgspec.json.decode(view(8, 2, S.QUEUED)) | {"place": {"latitude_deg": 43.2, "longitude_deg": 76.9}}
    assert turns(board, msgspec.json.encode(placed)) == []


def test_finished_incident_is_forgotten_but_for_its_number() -> None:
    board = Board()
    turns(board, view(7, 1, S.OPENED), view(8, 1, S.QUEUED), view(7, 2, S.CLOSED), view(9, 1, S.MERGED))
    assert set(board.open) == {8}
    assert dict(board.by_state()) == {S.QUEUED: 1, S.CLOSED: 1, S.MERGED: 1}
    assert board.incidents == 3


def test_events_of_an_incident_are_those_it_names() -> None:
    assert Board().take_incident(view(7, 1, S.OPENED))[0].events == ("telephone/1", "alarms/4")


def test_crews_count_by_their_newest_state() -> None:
    board = Board()
    for crew, state in (("П-1", CrewState.FREE), ("П-2", CrewState.FREE), ("П-1", CrewState.ASSIGNED)):
        board.take_crew(encode_crew(Crew(crew_id=CrewId(crew), state=state, updated_us=Micros(1))))
    assert dict(board.crews_by_state()) == {CrewState.FREE: 1, CrewState.ASSIGNED: 1}


def test_notices_count_by_their_term() -> None:
    board = Board()
    board.take_notices([Notice(IncidentId(7), Micros(1), "shift_lead", "accept", "kz", "П-1")] * 20)
    assert board.notice_counts["accept"] == 20
    assert len(board.notices) == 12


def test_view_is_refused_when_it_is_none() -> None:
    with pytest.raises(msgspec.DecodeError):
        Board().take_incident(b'{"incident_id":"seven"}')
