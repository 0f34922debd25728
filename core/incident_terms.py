"""The running terms of an incident: which of them a fact ends, and which run on (invariant 6).

Part of `core.incident.apply`: these are called by it alone, and by nothing that has not been written into the log.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from core.facts import STOPS, Acknowledged, AssignmentEnded, AssignmentMoved
from core.instant import Micros
from core.vocabulary import AssignmentId, AssignmentState, TermKind

if TYPE_CHECKING:
    from core.incident import Incident

_A: Final = AssignmentState


class Term(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A running deadline of the incident or of one of its assignments, or the next moment of the chain of a passed one."""

    kind: TermKind
    due_us: Micros
    assignment_id: AssignmentId | None = None
    moment: int = 0
    """0 while the term itself runs; afterwards the moment of its chain that comes next (`core.escalation`)."""
    until: tuple[str, ...] = STOPS
    """What ends the chain early."""


def runs_on(term: Term, fact: AssignmentMoved | AssignmentEnded) -> bool:
    """Whether a term of an assignment, or the chain of one that has passed, runs on when the assignment moves."""
    if term.kind is TermKind.ON_SCENE:
        if fact.to is _A.ON_SCENE:
            return term.moment > 0 and "met" not in term.until
        return fact.to is _A.EN_ROUTE and isinstance(fact, AssignmentMoved) and fact.on_scene_due_us is None
    # A crew that did not answer is let go; the chain goes on until another one answers in its place (`_settle`).
    return term.moment > 0 and (fact.to is _A.EXPIRED or "met" not in term.until)


def await_wave(incident: Incident, due_us: Micros | None) -> None:
    incident.terms = [term for term in incident.terms if term.kind is not TermKind.WAVE]
    if due_us is not None:
        incident.terms.append(Term(TermKind.WAVE, due_us))


def acknowledge(incident: Incident, fact: Acknowledged) -> None:
    """Ends the chains of what has passed; what has not passed yet runs on."""
    incident.terms = [
        term for term in incident.terms if term.kind not in fact.terms or not term.moment or "acknowledged" not in term.until
    ]
    if fact.review_due_us is not None:
        incident.terms.append(Term(TermKind.REVIEW, fact.review_due_us))


def _is_needed(incident: Incident, term: Term, unmet: list[str]) -> bool:
    match term.kind:
        case TermKind.CREW:
            return bool(unmet)
        case TermKind.ACCEPT:
            return not term.moment or _is_awaited(incident, term, unmet)
        case _:
            return True


def _is_awaited(incident: Incident, term: Term, unmet: list[str]) -> bool:
    """Whether the chain of an accept term that has passed waits for a crew in place of the one that did not answer."""
    late = next((one for one in incident.assignments if one.assignment_id == term.assignment_id), None)
    if late is None or term.assignment_id is None:
        return False
    return late.capability in unmet or any(
        one.state is _A.OFFERED and one.capability == late.capability and one.assignment_id >= term.assignment_id
        for one in incident.assignments
    )


def keep_awaited(incident: Incident, unmet: list[str]) -> None:
    """Ends the crew term, and the chains of passed accept terms, where nobody is waited for any more.

    Args:
        incident: with its assignments as they are now.
        unmet: its needs without a crew.
    """
    incident.terms = [
        term for term in incident.terms if (term.moment > 0 and "met" not in term.until) or _is_needed(incident, term, unmet)
    ]
