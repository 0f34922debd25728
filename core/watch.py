"""Watch the first terms: what happens when one passes (OCC-4).

Not accepted in time: the crew is let go, the next is looked for, the shift lead is told. No crew in time: the shift lead is
told, and crews that refused before may be asked again. Not on scene in time: the shift lead is told. Nothing closed in time:
the owner is to look again, and the term starts anew. A term fires exactly once: firing is a fact that takes it off the
incident, in the same transaction as everything it causes.
"""

from __future__ import annotations

from typing import Final, assert_never

from core.decisions import Notice
from core.facts import TermFired
from core.incident import Incident, Term
from core.instant import SECOND_US, Micros
from core.progress import move
from core.state import CentreState
from core.terms import due_terms
from core.vocabulary import AssignmentState, TermKind

SHIFT_LEAD: Final = "shift_lead"


def fire_due_terms(state: CentreState, max_incidents: int) -> bool:
    """Fires what has passed, in order of the deadlines. Returns whether more is due than `max_incidents` allowed.

    Args:
        state: the centre, with `now_us` set.
        max_incidents: bound of one batch; after a long outage the rest follows in the next one.
    """
    for _ in range(max_incidents):
        popped = state.running.pop_due(state.now_us)
        if popped is None:
            return False
        incident = state.incidents.get(popped[1])
        if incident is not None and incident.incident_id not in state.muted:
            state.firing = incident.incident_id
            # Not all that have passed by now: another incident's term may lie between two of this one's.
            for term in due_terms(incident, popped[0]):
                _fire(state, incident, term)
            state.firing = None
    return True


def _fire(state: CentreState, incident: Incident, term: Term) -> None:
    if term not in incident.terms:
        return
    cause = f"term:{term.kind.value}"
    repeats = term.kind is TermKind.REVIEW
    next_due_us = Micros(state.now_us + state.rules.terms.review_us) if repeats else None
    state.record(incident, TermFired(term.kind, term.assignment_id, term.due_us, SHIFT_LEAD, next_due_us), "engine", cause)
    assignment = next((a for a in incident.assignments if a.assignment_id == term.assignment_id), None)
    crew = assignment.crew if assignment is not None else ""
    match term.kind:
        case TermKind.ACCEPT:
            text = f"crew {crew} has not accepted incident {incident.incident_id}"
            if assignment is not None:
                move(state, incident, assignment, AssignmentState.EXPIRED, "engine", cause, "not accepted in time")
        case TermKind.CREW:
            text = f"no crew for incident {incident.incident_id}: {', '.join(incident.unmet())}"
            _retry(state, incident)
        case TermKind.ON_SCENE:
            text = f"crew {crew} is not on scene at incident {incident.incident_id}"
        case TermKind.REVIEW:
            waited_s = (state.now_us - incident.opened_us) // SECOND_US
            text = f"incident {incident.incident_id} is {incident.state.value} after {waited_s} s"
            if incident.unmet():
                _retry(state, incident)
        case _:
            assert_never(term.kind)
    state.notices.append(Notice(incident.incident_id, state.now_us, SHIFT_LEAD, term.kind.value, incident.territory, text))


def _retry(state: CentreState, incident: Incident) -> None:
    state.retried.add(incident.incident_id)
    state.want(incident)
