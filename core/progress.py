"""Progress: what a crew reports of its assignment, by its terminal or by a dispatcher's command (OCC-4).

Both ways lead through `report`, so that they obey one set of rules. A crew with several assignments means the one whose
incident it names, or else the one it works on; by saying that it goes to a held one it turns to it. A report that repeats what
is already so is accepted and changes nothing (a terminal may send it twice); a report that cannot be is refused with an
enumerated reason and a text.

A crew that is to relieve another (`core.relief`) takes over by accepting, and the other is withdrawn in the same batch; whoever
arrives first stays, and the other of the two is withdrawn. Nothing else that becomes of one of them touches the other.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

import msgspec

from core.crew import STATE_OF, Crew, Task
from core.facts import AssignmentEnded, AssignmentHeld, AssignmentMoved, CarriedTerm, TermsCarried
from core.incident import ASSIGNMENT_MOVES, Assignment, Incident
from core.informing import inform
from core.state import CentreState
from core.vocabulary import AssignmentId, AssignmentState, CrewId, IncidentId, TermKind
from core.way import way_of

_A = AssignmentState
_KEEPS: Final = frozenset({_A.ACCEPTED, _A.EN_ROUTE, _A.ON_SCENE})
"""States in which the crew stays on the assignment."""
_SETS_OUT: Final = frozenset({_A.EN_ROUTE, _A.ON_SCENE})
"""Reports by which a crew turns to an assignment that was held."""
_ENGINE: Final = "engine"
RELIEF: Final = "relief"
"""The cause of what follows from a relief for the other one of the two."""
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
    """Moves one of the crew's assignments. Returns why not, or None when it is so now.

    Args:
        state: the centre.
        crew: who reports.
        incident_id: the incident it means, or None for the one it works on.
        to: the state reported.
        actor, cause: for the log.
        text: the crew's own words.
    """
    incident = _meant(state, crew, incident_id)
    if incident is None:
        where = "" if incident_id is None else f" to incident {incident_id}"
        return Refusal(RefusalReason.NO_ASSIGNMENT, f"crew {crew.crew_id} has no active assignment{where}")
    assignment = incident.active(crew.crew_id)
    assert assignment is not None  # a working crew's incident carries its assignment (invariant 5)
    if to in _ORDER and _ORDER[to] <= _ORDER[assignment.state]:
        if assignment.held and to in _SETS_OUT:
            # It went there before, was called away, and says that it goes there again.
            turn_to(state, crew, Task(incident.incident_id, assignment.assignment_id), actor, cause)
        return None
    if to not in ASSIGNMENT_MOVES[assignment.state]:
        return Refusal(RefusalReason.ILLEGAL_MOVE, f"the assignment is {assignment.state.value}, it cannot become {to.value}")
    move(state, incident, assignment, to, actor, cause, text)
    return None


def meant(state: CentreState, crew: Crew, incident_id: IncidentId | None) -> IncidentId | None:
    """Which of its incidents a crew means that names this one, or none; None where it has no assignment there."""
    incident = _meant(state, crew, incident_id)
    return None if incident is None else incident.incident_id


def _meant(state: CentreState, crew: Crew, incident_id: IncidentId | None) -> Incident | None:
    """The incident that a crew means, among those it has an assignment to."""
    tasks = crew.held if crew.active is None else (crew.active, *crew.held)
    if incident_id is None:
        return state.incidents[tasks[0].incident_id] if tasks else None
    for task in tasks:
        incident = state.incidents[task.incident_id]
        # A crew may still call its incident by the number it had before it was merged into this one.
        if incident_id == incident.incident_id or incident_id in incident.absorbed:
            return incident
    return None


def move(
    state: CentreState,
    incident: Incident,
    assignment: Assignment,
    to: AssignmentState,
    actor: str,
    cause: str,
    text: str = "",
    served_by: AssignmentId | None = None,
) -> None:
    """Moves an assignment and its crew together, and wants a crew again where the move leaves a need unmet.

    The crew's state follows where the assignment is its active one. A held one that ends changes nothing else; a crew that sets
    out to a held one turns to it. When the active one ends, the first one held becomes active, in the state in which it stands.
    A relief that has accepted takes over, and one whose crew to relieve has arrived is withdrawn.
    """
    crew = state.crews[assignment.crew]  # type: ignore[index]  # the log keeps call signs as plain text
    task = Task(incident.incident_id, assignment.assignment_id)
    if assignment.held and to in _SETS_OUT:
        turn_to(state, crew, task, actor, cause)
    if to in (_A.DECLINED, _A.EXPIRED, _A.WITHDRAWN):
        state.record(incident, AssignmentEnded(assignment.assignment_id, to, text, served_by), actor, cause)
    else:
        starts_journey = assignment.state is _A.OFFERED and to in (_A.ACCEPTED, _A.EN_ROUTE)
        due_us = state.plan_of(incident).due_us(TermKind.ON_SCENE, state.now_us, state.mode) if starts_journey else None
        state.record(incident, AssignmentMoved(assignment.assignment_id, to, due_us), actor, cause)
    state.touch_assignment(incident, assignment)
    if to is _A.ON_SCENE and sum(one.on_scene_us is not None for one in incident.assignments) == 1:
        inform(state, incident, "on_scene", actor, cause, crew.crew_id)
    if crew.active == task:
        if to in _KEEPS:
            state.set_crew_state(crew, STATE_OF[to], task)
        elif crew.held:
            turn_to(state, crew, crew.held[0], actor, cause, leaving=False)
        else:
            state.set_crew_state(crew, STATE_OF[to], None)
    elif to not in _KEEPS:
        state.set_held(crew, tuple(held for held in crew.held if held != task))
    if to not in _KEEPS and incident.is_open:
        state.want(incident)
    if to in _KEEPS:
        _take_over(state, incident, assignment)
    if to in (_A.ON_SCENE, _A.CLEARED):
        spare_relief(state, incident, assignment)


def _take_over(state: CentreState, incident: Incident, relief: Assignment) -> None:
    """Lets a relief that has just accepted, set out or arrived serve in the place of the crew that it relieves."""
    relieved = incident.relieved(relief)
    if relieved is None:
        return
    if relief.held:
        # It comes after something else: whoever is under way goes on.
        _withdraw_for(state, incident, relief, relieved, f"crew {relief.crew} is on something else first")
        return
    if relief.state is not _A.ON_SCENE:
        if _is_nearer_by_now(state, incident, relieved, relief):
            _withdraw_for(state, incident, relief, relieved, f"crew {relieved.crew} is nearer by now")
            return
        # It is awaited when the other one was: for the caller nothing begins anew.
        late = [
            term for term in incident.terms if term.assignment_id == relieved.assignment_id and term.kind is TermKind.ON_SCENE
        ]
        own = [
            term for term in incident.terms if term.assignment_id == relief.assignment_id and term.kind is not TermKind.ON_SCENE
        ]
        if late or relieved.accepted_us is not None:
            terms = tuple(CarriedTerm(term.kind, term.due_us, term.moment, term.until) for term in (*own, *late))
            state.record(incident, TermsCarried(relief.assignment_id, terms), _ENGINE, RELIEF)
    _withdraw_for(state, incident, relieved, relief, f"relieved by crew {relief.crew}")


def spare_relief(state: CentreState, incident: Incident, assignment: Assignment) -> None:
    """Withdraws the crew that was to relieve one that is there now."""
    relief = incident.relief_of(assignment)
    if relief is not None and incident.relieved(relief) is not None:
        _withdraw_for(state, incident, relief, assignment, f"crew {assignment.crew} was there first")


def _withdraw_for(state: CentreState, incident: Incident, leaving: Assignment, staying: Assignment, text: str) -> None:
    move(state, incident, leaving, _A.WITHDRAWN, _ENGINE, RELIEF, text, served_by=staying.assignment_id)


def _is_nearer_by_now(state: CentreState, incident: Incident, relieved: Assignment, relief: Assignment) -> bool:
    """Whether the crew that was to be relieved has come so far that it would be there first, as far as it is heard."""
    if relieved.held or incident.place is None or state.crews[CrewId(relieved.crew)].is_silent:
        return False
    left, own = (way_of(state, one.crew, incident.place) for one in (relieved, relief))
    return left is not None and (own is None or left.least_s < own.most_s)


def turn_to(state: CentreState, crew: Crew, task: Task, actor: str, cause: str, *, leaving: bool = True) -> None:
    """Makes a held assignment the crew's active one; the one that was active is held before all others.

    Args:
        state: the centre.
        crew: its crew.
        task: one of `crew.held`.
        actor, cause: for the log.
        leaving: False where the active one has just ended.
    """
    left = crew.active if leaving else None
    if left is not None:
        hold(state, left, True, actor, cause)
    hold(state, task, False, actor, cause)
    assignment = _assignment(state.incidents[task.incident_id], task.assignment_id)
    rest = tuple(held for held in crew.held if held != task)
    state.set_held(crew, rest if left is None else (left, *rest))
    state.set_crew_state(crew, STATE_OF[assignment.state], task)


def hold(state: CentreState, task: Task, held: bool, actor: str, cause: str) -> None:
    """Records that an assignment is held from now on, or no more. Its crew is the caller's to change."""
    incident = state.incidents[task.incident_id]
    state.record(incident, AssignmentHeld(task.assignment_id, held), actor, cause)
    state.touch_assignment(incident, _assignment(incident, task.assignment_id))


def _assignment(incident: Incident, assignment_id: AssignmentId) -> Assignment:
    return next(one for one in incident.assignments if one.assignment_id == assignment_id)


def withdraw_all(state: CentreState, incident: Incident, actor: str, cause: str, text: str) -> None:
    """Frees every crew still on an incident that ends; a crew on scene has cleared, another is withdrawn."""
    for assignment in list(incident.assignments):
        if assignment.state is _A.ON_SCENE:
            move(state, incident, assignment, _A.CLEARED, actor, cause, text)
        elif assignment.state in (_A.OFFERED, _A.ACCEPTED, _A.EN_ROUTE):
            move(state, incident, assignment, _A.WITHDRAWN, actor, cause, text)


def end_all(state: CentreState, crew: Crew, actor: str, cause: str, text: str) -> None:
    """Ends every assignment of a crew that cannot go on: what it had reached is cleared, what it had not is withdrawn."""
    tasks = (*crew.held, crew.active)
    for task in tasks:
        if task is not None:
            incident = state.incidents[task.incident_id]
            assignment = _assignment(incident, task.assignment_id)
            ended = _A.CLEARED if assignment.state is _A.ON_SCENE else _A.WITHDRAWN
            move(state, incident, assignment, ended, actor, cause, text)
