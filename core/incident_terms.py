"""The running terms of an incident: which of them a fact ends, and which run on (invariant 6).

Part of `core.incident.apply`: these are called by it alone, and by nothing that has not been written into the log.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from core.facts import STOPS, Acknowledged, AssignmentEnded, AssignmentMoved, Queued, TermFired, TermsCarried
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
    asked_us: Micros | None = None
    """When the crew was asked for that a crew term waits for; None for the others, and for one from an older log."""
    length_us: int | None = None
    """How long a crew term runs from then, as the mode in which it began has it, whatever the mode is now."""

    is_early: bool = False
    """Only what comes before its passing has come: the term itself still runs."""

    @property
    def has_passed(self) -> bool:
        """Whether the chain of a passed term runs, and not the term itself."""
        return self.moment > 0 and not self.is_early

    @property
    def passed_us(self) -> Micros | None:
        """When a crew term passes or has passed, and its chain begins; None where that is not known."""
        return None if self.asked_us is None or self.length_us is None else Micros(self.asked_us + self.length_us)


def await_crew(incident: Incident, fact: Queued, at_us: Micros) -> None:
    """Begins the crew term, unless one runs: it counts from the first crew that was asked for and is missing."""
    if any(term.kind is TermKind.CREW for term in incident.terms):
        return
    asked_us = None if fact.crew_term_us is None else at_us
    incident.terms.append(Term(TermKind.CREW, fact.crew_due_us, asked_us=asked_us, length_us=fact.crew_term_us))


def go_on(incident: Incident, fact: TermFired) -> None:
    """Puts the next moment of a chain in the place of the one that has come, or nothing after the last."""
    fired = [term for term in incident.terms if (term.kind, term.assignment_id) == (fact.term, fact.assignment_id)]
    incident.terms = [term for term in incident.terms if term not in fired]
    if fact.next_due_us is not None:
        term = Term(fact.term, fact.next_due_us, fact.assignment_id, fact.next_moment, fact.until)
        if fired and fired[0].passed_us is not None:
            asked_us, length_us, is_early = fired[0].asked_us, fired[0].length_us, fact.due_us < fired[0].passed_us
            term = msgspec.structs.replace(term, asked_us=asked_us, length_us=length_us, is_early=is_early)
        incident.terms.append(term)


def carry(incident: Incident, fact: TermsCarried) -> None:
    """Puts the terms that an assignment had elsewhere in the place of those that it began with here."""
    incident.terms = [term for term in incident.terms if term.assignment_id != fact.assignment_id]
    incident.terms += [Term(one.kind, one.due_us, fact.assignment_id, one.moment, one.until) for one in fact.terms]


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
        term
        for term in incident.terms
        if term.kind not in fact.terms or not term.has_passed or "acknowledged" not in term.until
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
        one.state is _A.OFFERED
        and one.capability == late.capability
        and one.assignment_id >= term.assignment_id
        # A relief is waited for by nobody: the crew that it relieves has its own term.
        and (one is late or incident.relieved(one) is None)
        for one in incident.assignments
    )


def keep_awaited(incident: Incident, unmet: list[str]) -> None:
    """Ends the crew term, and the chains of passed accept terms, where nobody is waited for any more.

    Args:
        incident: with its assignments as they are now.
        unmet: its needs without a crew.
    """
    incident.terms = [
        term for term in incident.terms if (term.has_passed and "met" not in term.until) or _is_needed(incident, term, unmet)
    ]
