"""Escalations as the log tells them, beside what the scenarios say: no step is lost, none comes twice or after it was stopped.

Written anew from what a scenario's chain means, and not from the engine's way of unrolling it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from core.facts import Acknowledged, Fact, Queued, Recategorised, StepDone, TermFired, TermsCarried
from core.incident import ACTIVE, FINAL, Incident
from core.incident_terms import Term
from core.instant import SECOND_US
from core.scenario import Chain, Scenario
from core.vocabulary import AssignmentState, Mode, TermKind
from tests.simulation.places import LATER, SCENARIOS
from tests.simulation.relief_checker import relieved_by

_ANSWERED = (AssignmentState.ACCEPTED, AssignmentState.EN_ROUTE, AssignmentState.ON_SCENE, AssignmentState.CLEARED)


def is_over(term: Term, fact: Fact, incident: Incident) -> bool:
    """Whether a fact may have taken a term, or the rest of its chain, off the incident."""
    if incident.state in FINAL or (isinstance(fact, TermFired) and fact.term is term.kind):
        return True
    if isinstance(fact, TermsCarried):
        # What it began with here makes room for what it had there; that this is kept, `log_checker` sees.
        return term.assignment_id == fact.assignment_id
    if isinstance(fact, Acknowledged):
        return term.has_passed and term.kind in fact.terms and "acknowledged" in term.until
    if term.has_passed and "met" not in term.until:
        # The crew that was waited for is not sent any more.
        return term.kind is TermKind.ON_SCENE and _state(incident, term) not in ACTIVE
    match term.kind:
        case TermKind.CREW:
            return not incident.unmet()
        case TermKind.WAVE:
            return isinstance(fact, Recategorised) and fact.scenario != ""
        case TermKind.ON_SCENE:
            return _state(incident, term) not in (AssignmentState.ACCEPTED, AssignmentState.EN_ROUTE)
        case TermKind.ACCEPT:
            return _is_answered(incident, term) if term.moment else _state(incident, term) is not AssignmentState.OFFERED
        case _:
            return False


def _state(incident: Incident, term: Term) -> AssignmentState | None:
    return next((one.state for one in incident.assignments if one.assignment_id == term.assignment_id), None)


def _is_answered(incident: Incident, term: Term) -> bool:
    """Whether a crew has accepted in place of the one that did not, or none is wanted in its place any more."""
    late = next((one for one in incident.assignments if one.assignment_id == term.assignment_id), None)
    if late is None:
        return True
    others = [one for one in incident.assignments if one.capability == late.capability]
    waiting = any(
        one.state is AssignmentState.OFFERED and one.assignment_id >= late.assignment_id and relieved_by(incident, one) is None
        for one in others
    )
    return late.capability not in incident.unmet() and (not waiting or any(one.state in _ANSWERED for one in others))


class CrewAsked(NamedTuple):
    """A crew that was asked for and is missing."""

    at_us: int
    length_us: int
    """How long the crew term is, by the mode of that instant."""


def asked_of(incident: Incident, fact: Queued, at_us: int, modes: Iterable[Mode]) -> CrewAsked | None:
    """The asking that a crew term begins with, None where one runs already. Raises `ValueError` for a term of another mode.

    Args:
        incident: before the fact.
        fact: a crew is missing.
        at_us: when.
        modes: the centre's mode; two where the batch has changed it.
    """
    if any(term.kind is TermKind.CREW for term in incident.terms):
        return None
    scenario = SCENARIOS.at(incident.scenario)
    for mode in modes:
        length_us = round(scenario.crew.within_s.at(mode) * SECOND_US)
        first_s = _doings(scenario, TermKind.CREW, length_us)[0][0]
        if fact.crew_due_us == at_us + length_us + round(first_s * SECOND_US):
            return CrewAsked(at_us, length_us)
    raise ValueError(f"the crew term of {fact} is none of {modes}")


def step_fault(incident: Incident, fact: TermFired, at_us: int, asked: CrewAsked | None) -> str:
    """What is wrong with a step that comes now, `""` where it is what the scenario says.

    Args:
        incident: before it.
        fact: the step.
        at_us: now.
        asked: what a crew term waits for, where one is known.
    """
    running = [term for term in incident.terms if (term.kind, term.assignment_id) == (fact.term, fact.assignment_id)]
    if [(term.due_us, term.moment) for term in running] != [(fact.due_us, fact.moment)]:
        return f"{running} runs"
    scenario = SCENARIOS.at(incident.scenario)
    if fact.term is TermKind.WAVE:
        last = fact.moment == len(LATER) - 1
        due_us = None if last else fact.due_us + round((LATER[fact.moment + 1][0] - LATER[fact.moment][0]) * SECOND_US)
        return "" if fact.next_due_us == due_us else f"the next wave should come at {due_us}"
    length_us = 0 if asked is None else asked.length_us
    doings = _doings(scenario, fact.term, length_us)
    after_s, do, to = doings[min(fact.moment, len(doings) - 1)]
    if fact.moment + 1 < len(doings):
        coming_s = doings[fact.moment + 1][0]
        due_us = fact.due_us + round((coming_s - after_s) * SECOND_US)
        if fact.term is TermKind.CREW and asked is not None:
            # The incident may have turned out to be something else meanwhile, with other steps from the same passing.
            due_us = max(fact.due_us, asked.at_us + length_us + round(coming_s * SECOND_US))
        if (fact.next_moment, fact.next_due_us) != (fact.moment + 1, due_us):
            return f"step {fact.moment + 1} should come at {due_us}"
    elif (fact.next_due_us is None) is (fact.term is TermKind.REVIEW):
        return "a review begins anew, and nothing else does"
    quiet = at_us < incident.quiet.get(f"{fact.term.value}:{to}", 0)
    expected = {
        "next_crew": (StepDone.NEXT_CREW, ""),
        "ask_level_above": (StepDone.LEVEL_ABOVE, "level_above"),
        "tell": (StepDone.QUIET, "") if quiet else (StepDone.TOLD, to),
    }[do]
    return "" if (fact.step, fact.told) == expected else f"{expected} should be done"


def _doings(scenario: Scenario, kind: TermKind, length_us: int) -> list[tuple[float, str, str]]:
    """Everything that a chain does, as seconds after the passing, what, and to whom, in the order in which it comes."""
    chain: Chain = {
        TermKind.ACCEPT: scenario.accept,
        TermKind.CREW: scenario.crew,
        TermKind.ON_SCENE: scenario.on_scene,
        TermKind.REVIEW: scenario.review,
    }[kind]
    doings = [
        (step.after_s + step.repeat_s * number, place, step.do, step.to)
        for place, step in enumerate(chain.steps)
        for number in range(step.repeats + 1)
    ]
    if kind is TermKind.CREW and scenario.level_above.missing_s:
        missing_s = scenario.level_above.missing_s - length_us / SECOND_US
        doings.append((missing_s, len(chain.steps), "ask_level_above", ""))
    return [(after_s, do, to) for after_s, _, do, to in sorted(doings)]
