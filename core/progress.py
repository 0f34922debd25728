"""Progress: what a crew reports of its assignment, by its terminal or by a dispatcher's command (OCC-4).

Both ways lead through `report`, so that they obey one set of rules. A report that repeats what is already so is accepted and
changes nothing (a terminal may send it twice); a report that cannot be is refused with an enumerated reason and a text.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

import msgspec

from core.crew import Crew
from core.facts import AssignmentEnded, AssignmentMoved
from core.incident import ASSIGNMENT_MOVES, Assignment, Incident
from core.instant import Micros
from core.state import CentreState
from core.vocabulary import AssignmentState, CrewState, IncidentId

_A = AssignmentState
_CREW_STATE: Final[dict[AssignmentState, CrewState]] = {
    _A.ACCEPTED: CrewState.ASSIGNED,
    _A.EN_ROUTE: CrewState.EN_ROUTE,
    _A.ON_SCENE: CrewState.ON_SCENE,
    _A.CLEARED: CrewState.FREE,
    _A.DECLINED: CrewState.FREE,
    _A.WITHDRAWN: CrewState.FREE,
    _A.EXPIRED: CrewState.BUSY,
}
"""The crew's state after its assignment moved. A crew that did not answer is not asked again before it reports itself free."""
_ORDER: Final = {_A.OFFERED: 0, _A.ACCEPTED: 1, _A.EN_ROUTE: 2, _A.ON_SCENE: 3, _A.CLEARED: 4}


class RefusalReason(Enum):
    """Why a report or a command changes nothing."""

    UNKNOWN_INCIDENT = "unknown_incident"
    UNKNOWN_CREW = "unknown_crew"
    NO_ASSIGNMENT = "no_assignment"
    ILLEGAL_MOVE = "illegal_move"
    CREW_NOT_FREE = "crew_not_free"
    SAME_INCIDENT = "same_incident"
    UNKNOWN_EVENT = "unknown_event"
    UNKNOWN_CATEGORY = "unknown_category"
    INTERNAL_FAULT = "internal_fault"


class Refusal(msgspec.Struct, frozen=True):
    """A reason with words for a person."""

    reason: RefusalReason
    text: str


def report(
    state: CentreState, crew: Crew, incident_id: IncidentId | None, to: AssignmentState, actor: str, cause: str, text: str = ""
) -> Refusal | None:
    """Moves the crew's active assignment. Returns why not, or None when it is so now.

    Args:
        state: the centre.
        crew: who reports.
        incident_id: the incident it means, or None for the one it is on.
        to: the state reported.
        actor, cause: for the log.
        text: the crew's own words.
    """
    incident = None if crew.incident_id is None else state.incidents[crew.incident_id]
    # A crew may still call its incident by the number it had before it was merged into this one.
    if incident is None or (incident_id not in (None, incident.incident_id) and incident_id not in incident.absorbed):
        where = "" if incident_id is None else f" to incident {incident_id}"
        return Refusal(RefusalReason.NO_ASSIGNMENT, f"crew {crew.crew_id} has no active assignment{where}")
    assignment = incident.active(crew.crew_id)
    assert assignment is not None  # a working crew's incident carries its assignment (invariant 5)
    if to in _ORDER and _ORDER[to] <= _ORDER[assignment.state]:
        return None
    if to not in ASSIGNMENT_MOVES[assignment.state]:
        return Refusal(RefusalReason.ILLEGAL_MOVE, f"the assignment is {assignment.state.value}, it cannot become {to.value}")
    move(state, incident, assignment, to, actor, cause, text)
    return None


def move(
    state: CentreState, incident: Incident, assignment: Assignment, to: AssignmentState, actor: str, cause: str, text: str = ""
) -> None:
    """Moves an assignment and its crew together, and wants a crew again where the move leaves a need unmet."""
    if to in (_A.DECLINED, _A.EXPIRED, _A.WITHDRAWN):
        state.record(incident, AssignmentEnded(assignment.assignment_id, to, text), actor, cause)
    else:
        starts_journey = assignment.state is _A.OFFERED and to in (_A.ACCEPTED, _A.EN_ROUTE)
        due_us = Micros(state.now_us + state.rules.terms.on_scene_us) if starts_journey else None
        state.record(incident, AssignmentMoved(assignment.assignment_id, to, due_us), actor, cause)
    state.touch_assignment(incident, assignment)
    crew = state.crews[assignment.crew]  # type: ignore[index]  # the log keeps call signs as plain text
    keeps = to in (_A.ACCEPTED, _A.EN_ROUTE, _A.ON_SCENE)
    state.set_crew_state(crew, _CREW_STATE[to], (incident.incident_id, assignment.assignment_id) if keeps else None)
    if not keeps and incident.is_open:
        state.want(incident)


def withdraw_all(state: CentreState, incident: Incident, actor: str, cause: str, text: str) -> None:
    """Frees every crew still on an incident that ends; a crew on scene has cleared, another is withdrawn."""
    for assignment in list(incident.assignments):
        if assignment.state is _A.ON_SCENE:
            move(state, incident, assignment, _A.CLEARED, actor, cause, text)
        elif assignment.state in (_A.OFFERED, _A.ACCEPTED, _A.EN_ROUTE):
            move(state, incident, assignment, _A.WITHDRAWN, actor, cause, text)
