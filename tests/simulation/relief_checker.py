"""Reliefs as the log tells them: nobody loses a crew for a promise, whatever happens between two crews for one need."""

from __future__ import annotations

from typing import Final

from core.arrival import expected_s
from core.decisions import LogEntry
from core.facts import AssignmentEnded, AssignmentMoved, CrewAssigned, Fact, TermsCarried
from core.incident import ACTIVE, REFUSED, Assignment, Incident
from core.limits import RELIEF_MIN_S
from core.progress import RELIEF
from core.vocabulary import AssignmentId, AssignmentState, TermKind

_A: Final = AssignmentState
_UNDER_WAY: Final = frozenset({_A.OFFERED, _A.ACCEPTED, _A.EN_ROUTE})


class ReliefChecker:
    """Each method returns what is wrong, `""` where nothing is."""

    def __init__(self) -> None:
        self.offered = 0
        self.taken_over = 0
        """Reliefs after which the other crew was withdrawn."""
        self.spared = 0
        """Reliefs that were withdrawn for the crew that they were to relieve."""
        self.refused = 0
        """Reliefs that declined, did not answer, or were lost, while the other crew went on."""
        self.late = 0
        """Reliefs that have taken over the other crew's term."""
        self._wanted: list[str] | None = None
        """What the incident wants, where the fact in hand must not change it."""
        self._others: dict[AssignmentId, AssignmentState] = {}
        """The same of the states of its other assignments."""

    def fault(self, entry: LogEntry, incident: Incident, fact: Fact) -> str:
        """Before a fact is applied."""
        self._wanted = None
        match fact:
            case CrewAssigned() if fact.relieves is not None:
                self._keep(incident, fact.assignment_id)
                return self._offer_fault(entry, incident, fact)
            case AssignmentEnded():
                ending = _named(incident, fact.assignment_id)
                if fact.served_by is not None:
                    self._keep(incident, fact.assignment_id)
                    return self._hand_over_fault(incident, fact, ending)
                if relieved_by(incident, ending) is not None:
                    self._keep(incident, fact.assignment_id)
                    self.refused += 1
            case TermsCarried() if entry.cause == RELIEF:
                return self._terms_fault(incident, fact)
            case AssignmentMoved():
                # Who has come there is not relieved; who relieves is one crew with whom it relieves.
                self._keep(incident, fact.assignment_id)
            case _:
                pass
        return ""

    def fault_after(self, incident: Incident, fact: Fact) -> str:
        """After it was applied."""
        if self._wanted is None:
            return ""
        if incident.is_open and incident.unmet() != self._wanted:
            return f"{fact} makes it want {incident.unmet()}, and it wanted {self._wanted}"
        others = {one.assignment_id: one.state for one in incident.assignments if one.assignment_id in self._others}
        changed = {number for number, state in others.items() if state is not self._others[number]}
        return f"{fact} changes {changed}" if changed else ""

    def fault_between(self, incident: Incident) -> str:
        """Between two batches: only what is offered waits for another crew's relief, and that crew is under way."""
        for assignment in incident.assignments:
            relieved = relieved_by(incident, assignment)
            if assignment.state not in ACTIVE or relieved is None:
                continue
            if assignment.state is not _A.OFFERED:
                return f"crew {assignment.crew} has taken over and crew {relieved.crew} goes on"
            if relieved.state not in _UNDER_WAY:
                return f"crew {assignment.crew} is to relieve crew {relieved.crew}, which is {relieved.state.value}"
        return ""

    def _keep(self, incident: Incident, own: AssignmentId) -> None:
        self._wanted = incident.unmet()
        self._others = {one.assignment_id: one.state for one in incident.assignments if one.assignment_id != own}

    def _offer_fault(self, entry: LogEntry, incident: Incident, fact: CrewAssigned) -> str:
        assert fact.relieves is not None
        self.offered += 1
        relieved = next((one for one in incident.assignments if one.assignment_id == fact.relieves.assignment_id), None)
        if relieved is None or relieved.crew != fact.relieves.crew or relieved.capability != fact.capability:
            return f"{fact} relieves {relieved}"
        if relieved.state not in _UNDER_WAY or relieved.held or relieved.seen_us is not None:
            return f"{fact} relieves a crew that is not under way: {relieved}"
        if (
            any(relieved_by(incident, one) is relieved for one in incident.assignments if one.state in ACTIVE)
            or relieved_by(incident, relieved) is not None
        ):
            return f"{fact} relieves a crew that has a relief, or is one"
        if any(one.crew == fact.crew for one in incident.assignments) or entry.actor != "engine" or fact.held:
            return f"{fact} is nobody's that could relieve"
        gain_s = fact.relieves.left_s - expected_s(fact.explanation)
        return "" if gain_s >= RELIEF_MIN_S else f"{fact} gains {gain_s} s"

    def _hand_over_fault(self, incident: Incident, fact: AssignmentEnded, leaving: Assignment) -> str:
        assert fact.served_by is not None
        staying = _named(incident, fact.served_by)
        if fact.to is not _A.WITHDRAWN or staying.state in REFUSED:
            return f"{leaving} leaves it to {staying}"
        if staying.held and not leaving.held and _taking_over(staying, leaving):
            return f"crew {leaving.crew} is withdrawn for crew {staying.crew}, which comes after something else"
        if relieved_by(incident, staying) is leaving:
            self.taken_over += 1
            return "" if staying.accepted_us is not None else f"crew {leaving.crew} is withdrawn for a promise"
        self.spared += 1
        return (
            "" if relieved_by(incident, leaving) is staying else f"{leaving} and {staying} have nothing to do with each other"
        )

    def _terms_fault(self, incident: Incident, fact: TermsCarried) -> str:
        """A relief is awaited on scene when the other crew was, and otherwise as it was."""
        self.late += 1
        relief = _named(incident, fact.assignment_id)
        relieved = relieved_by(incident, relief)
        if relieved is None:
            return f"{fact} carries nobody's terms"
        had = {
            (term.kind, term.due_us, term.moment, term.until)
            for term in incident.terms
            if term.assignment_id == (relieved if term.kind is TermKind.ON_SCENE else relief).assignment_id
        }
        has = {(term.kind, term.due_us, term.moment, term.until) for term in fact.terms}
        return "" if had == has else f"crew {relief.crew} is awaited by {has}, it should be by {had}"


def _taking_over(one: Assignment, other: Assignment) -> bool:
    """Whether one of the two was sent to relieve the other, and has accepted."""
    relief, relieved = (one, other) if one.relieves is not None else (other, one)
    return (
        relief.accepted_us is not None
        and relief.relieves is not None
        and (relief.relieves.assignment_id == relieved.assignment_id)
    )


def relieved_by(incident: Incident, relief: Assignment) -> Assignment | None:
    """The crew that goes on until this one, its relief, has accepted; None where there is none any more, or never was."""
    if relief.relieves is None:
        return None
    other = next((one for one in incident.assignments if one.assignment_id == relief.relieves.assignment_id), None)
    return None if other is None or other.state in REFUSED else other


def _named(incident: Incident, number: AssignmentId) -> Assignment:
    return next(one for one in incident.assignments if one.assignment_id == number)
