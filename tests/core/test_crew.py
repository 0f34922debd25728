"""The crew: its table of moves and what hinders it."""

from __future__ import annotations

import pytest

from core.crew import AVAILABLE, MOVES, WORKING, Crew, decode_crew, encode_crew
from core.instant import Micros
from core.vocabulary import AssignReason, CrewId, CrewState

S = CrewState


def test_moves_when_read_let_only_an_available_or_working_crew_be_assigned_and_every_crew_stop() -> None:
    assert set(MOVES) == set(CrewState)
    assert {state for state, targets in MOVES.items() if S.ASSIGNED in targets} | {S.ASSIGNED} == AVAILABLE | WORKING
    for state, targets in MOVES.items():
        assert state not in targets
        assert {S.FREE, S.BUSY, S.OFF_DUTY, S.OUT_OF_SERVICE} - {state} <= targets


@pytest.mark.parametrize(
    ("state", "hindrance"),
    [
        (S.FREE, None),
        (S.RETURNING, None),
        (S.OFF_DUTY, AssignReason.OFF_DUTY),
        (S.OUT_OF_SERVICE, AssignReason.OFF_DUTY),
        (S.BUSY, AssignReason.NOT_FREE),
        *((state, AssignReason.NOT_FREE) for state in sorted(WORKING, key=lambda one: one.value)),
    ],
)
def test_hindrance_when_in_state(state: CrewState, hindrance: AssignReason | None) -> None:
    crew = Crew(crew_id=CrewId("P-1"), state=state, capabilities=("patrol",), updated_us=Micros(5))
    assert crew.hindrance is hindrance
    assert decode_crew(encode_crew(crew)) == crew
