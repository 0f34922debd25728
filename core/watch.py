"""Watch the terms: what happens when one passes, step by step until somebody has it in hand (OCC-4, CITY-4).

The scenario's chain says what: another crew is looked for, somebody is told, the level above is asked, each at its moment after
the passing and repeated as it says. A moment comes exactly once: that it has come is a fact that puts the next one in its
place, in the same transaction as everything it causes. The chain ends when what was awaited happens or somebody acknowledges. A
review begins anew, so an open incident always has a term (invariant 6).
"""

from __future__ import annotations

from typing import assert_never

from core.escalation import Moment, Plan
from core.facts import NeedsRaised, StepDone, TermFired
from core.incident import ACTIVE, Assignment, Incident
from core.incident_terms import Term
from core.informing import LEVEL_ABOVE, tell_passed
from core.instant import SECOND_US, Micros
from core.progress import move
from core.state import CentreState
from core.terms import due_terms
from core.vocabulary import AssignmentState, TermKind


def fire_due_terms(state: CentreState, max_incidents: int) -> bool:
    """Fires what has passed, in order of the deadlines. Returns whether more is due than `max_incidents` allowed.

    Args:
        state: the centre, with `now_us` set.
        max_incidents: bound of one batch; after a long outage the rest follows in the next one.
    """
    for _ in range(max_incidents):
        first = state.running.first_due(state.now_us)
        if first is None:
            return False
        due_us, incident_id = first
        incident = state.incidents.get(incident_id)
        # Not all that have passed by now: another incident's term may lie between two of this one's.
        due = [] if incident is None or incident_id in state.muted else due_terms(incident, due_us)
        if incident is None or not due:
            state.running.forget(incident_id, due_us)
            continue
        state.firing = incident_id
        for term in due:
            # It leaves the incident's list with that, and so its deadline is forgotten.
            _fire(state, incident, term)
        state.firing = None
    return True


def _fire(state: CentreState, incident: Incident, term: Term) -> None:
    if term not in incident.terms:
        return
    plan = state.plan_of(incident)
    if term.kind is TermKind.WAVE:
        _fire_wave(state, incident, term, plan)
        return
    moments = plan.moments(term.kind, term.length_us)
    # A shorter chain than the term began with, where its version is known no more: the last step stands for the rest.
    moment = moments[min(term.moment, len(moments) - 1)]
    coming = plan.next_moment(term)
    if coming is None and term.kind is TermKind.REVIEW:
        coming = 0, plan.due_us(TermKind.REVIEW, state.now_us, state.mode)
    done, told = _doing(state, incident, term.kind, moment)
    quiet_us = plan.quiet_us(term.kind)
    fact = TermFired(
        term=term.kind,
        assignment_id=term.assignment_id,
        due_us=term.due_us,
        told=told,
        next_due_us=None if coming is None else coming[1],
        moment=term.moment,
        next_moment=0 if coming is None else coming[0],
        step=done,
        quiet_until_us=Micros(state.now_us + quiet_us) if told and quiet_us else None,
        until=plan.chain(term.kind).stop,
    )
    cause = f"term:{term.kind.value}"
    state.record(incident, fact, "engine", cause)
    assignment = next((one for one in incident.assignments if one.assignment_id == term.assignment_id), None)
    if told:
        text = _text(state, incident, term.kind, assignment)
        crew = "" if assignment is None else assignment.crew
        tell_passed(state, incident, term.kind, told, text, crew)
    if done is StepDone.NEXT_CREW:
        _look_for_another(state, incident, term.kind, assignment, cause)
    elif term.kind is TermKind.REVIEW and not term.moment and incident.unmet():
        _retry(state, incident)


def _doing(state: CentreState, incident: Incident, kind: TermKind, moment: Moment) -> tuple[StepDone, str]:
    """What a moment comes to, and who is told."""
    match moment.step.do:
        case "next_crew":
            return StepDone.NEXT_CREW, ""
        case "ask_level_above":
            return StepDone.LEVEL_ABOVE, LEVEL_ABOVE
        case "tell":
            to = moment.step.to
            if state.now_us < incident.quiet.get(f"{kind.value}:{to}", 0):
                return StepDone.QUIET, ""
            return StepDone.TOLD, to
        case _:
            assert_never(moment.step.do)


def _fire_wave(state: CentreState, incident: Incident, term: Term, plan: Plan) -> None:
    """Asks for the scenario's next crews. They count from the opening, or from when the scenario came to be this one."""
    waves = plan.waves
    cause = f"term:{term.kind.value}"
    following = term.moment + 1
    next_due_us = None
    if following < len(waves):
        next_due_us = Micros(term.due_us - waves[term.moment][0] + waves[following][0])
    done = StepDone.WAVE
    fact = TermFired(term.kind, None, term.due_us, "", next_due_us, term.moment, following if next_due_us else 0, done)
    state.record(incident, fact, "engine", cause)
    if term.moment < len(waves):
        state.record(incident, NeedsRaised(waves[term.moment][1]), "engine", cause)
        state.want(incident)


def _look_for_another(
    state: CentreState, incident: Incident, kind: TermKind, assignment: Assignment | None, cause: str
) -> None:
    match kind:
        case TermKind.ACCEPT:
            if assignment is not None and assignment.state is AssignmentState.OFFERED:
                move(state, incident, assignment, AssignmentState.EXPIRED, "engine", cause, "not accepted in time")
            elif incident.unmet():
                _retry(state, incident)
        case TermKind.ON_SCENE:
            # By its own word alone: what its positions say may be a red light beside the place.
            if assignment is not None and assignment.state in ACTIVE and assignment.on_scene_us is None:
                # The late crew goes on: whichever is there first serves.
                state.record(incident, NeedsRaised((assignment.capability,)), "engine", cause)
                state.want(incident)
        case TermKind.CREW | TermKind.REVIEW:
            if incident.unmet():
                _retry(state, incident)
        case TermKind.WAVE:
            return
        case _:
            assert_never(kind)


def _text(state: CentreState, incident: Incident, kind: TermKind, assignment: Assignment | None) -> str:
    number = incident.incident_id
    crew = "" if assignment is None else assignment.crew
    match kind:
        case TermKind.ACCEPT:
            return f"crew {crew} has not accepted incident {number}"
        case TermKind.CREW:
            return f"no crew for incident {number}: {', '.join(incident.unmet())}"
        case TermKind.ON_SCENE:
            if assignment is not None and assignment.seen_us is not None:
                there_s = (state.now_us - assignment.seen_us) // SECOND_US
                return (
                    f"crew {crew} has not reported on scene at incident {number}; by its positions it is there for {there_s} s"
                )
            return f"crew {crew} is not on scene at incident {number}"
        case TermKind.REVIEW | TermKind.WAVE:
            return f"incident {number} is {incident.state.value} after {(state.now_us - incident.opened_us) // SECOND_US} s"
        case _:
            assert_never(kind)


def _retry(state: CentreState, incident: Incident) -> None:
    state.retried.add(incident.incident_id)
    state.want(incident)
