"""The incident log as it becomes durable: folded entry by entry, and held to what no order of entries may break."""

from __future__ import annotations

from collections.abc import Iterable

from core.decisions import IncidentChange, LogEntry
from core.facts import (
    Acknowledged,
    AssignmentEnded,
    AssignmentHeld,
    AssignmentMoved,
    CrewAssigned,
    Fact,
    Opened,
    Queued,
    TermFired,
    TermsCarried,
)
from core.incident import ACTIVE, IllegalMoveError, Incident, apply, decode_fact, encode_incident
from core.incident_terms import Term
from core.progress import RELIEF
from core.vocabulary import Mode, TermKind
from tests.simulation.chain_checker import CrewAsked, asked_of, is_over, step_fault
from tests.simulation.relief_checker import ReliefChecker


class Violation(Exception):  # noqa: N818 - says what has happened
    """An invariant does not hold. `invariant` is its number in ARCHITECTURE.md."""

    def __init__(self, invariant: int, text: str) -> None:
        super().__init__(f"invariant {invariant}: {text}")
        self.invariant = invariant


class LogChecker:
    """Incidents as the log tells them."""

    def __init__(self) -> None:
        self.incidents: dict[int, Incident] = {}
        self._on: dict[str, int] = {}
        """Crew → the assignment it is on."""
        self._crew_of: dict[int, str] = {}
        self._fired: set[tuple[int, str, int | None, int, int]] = set()
        self._created_by: set[str] = set()
        self._asked: dict[int, CrewAsked] = {}
        """Incident → the missing crew that its crew term counts from."""
        self._modes = [Mode.DAILY]
        self._carried: dict[str, tuple[list[Term], int | None, int]] = {}
        """Crew → what it was awaited by at an incident that is being merged, and the newest assignment of then."""
        self.reliefs = ReliefChecker()

    def take(self, entries: Iterable[LogEntry], modes: Iterable[Mode] = ()) -> None:
        """Folds the entries of one batch, in which the centre has gone over to these modes. Raises `Violation`."""
        self._modes = [self._modes[-1], *modes]
        for entry in entries:
            number = entry.incident_id
            incident = self.incidents.get(number)
            if incident is None:
                incident = self.incidents[number] = Incident(
                    incident_id=number, opened_us=entry.at_us, updated_us=entry.at_us, told_us=entry.at_us
                )
            if entry.at_us < incident.updated_us:
                raise Violation(7, f"incident {number} v{entry.version}: its log goes back in time")
            fact = decode_fact(entry.body)
            self._check(entry, incident, fact)
            fault = self.reliefs.fault(entry, incident, fact)
            if fault:
                raise Violation(5, f"incident {number} v{entry.version}: {fault}")
            terms = list(incident.terms)
            try:
                apply(incident, fact, entry.at_us, entry.actor)
            except IllegalMoveError as error:
                raise Violation(7, str(error)) from error
            for term in terms:
                if term not in incident.terms and not is_over(term, fact, incident):
                    raise Violation(6, f"incident {number}: {term} is lost by {fact}")
            if isinstance(fact, Acknowledged) and any(
                term.has_passed and term.kind in fact.terms and "acknowledged" in term.until for term in incident.terms
            ):
                raise Violation(6, f"incident {number} is acknowledged and {incident.terms} go on")
            if incident.version != entry.version:
                raise Violation(7, f"incident {number}: version {entry.version} follows {incident.version - 1}")
            fault = self.reliefs.fault_after(incident, fact)
            if fault:
                raise Violation(5, f"incident {number} v{entry.version}: {fault}")
        for incident in self.incidents.values():
            fault = self.reliefs.fault_between(incident)
            if fault:
                raise Violation(5, f"incident {incident.incident_id}: {fault}")

    def check_view(self, change: IncidentChange) -> None:
        """7: the stored view is what the log gives."""
        incident = self.incidents.get(change.incident_id)
        if incident is None or encode_incident(incident) != change.view:
            raise Violation(7, f"incident {change.incident_id} v{change.version}: the log does not give its view")
        crews = tuple(one.crew for one in incident.assignments if one.state in ACTIVE)
        if (change.state, change.crews, change.closed_us) != (incident.state, crews, incident.closed_us):
            raise Violation(7, f"incident {change.incident_id} v{change.version}: its columns are not its view's")

    def _check(self, entry: LogEntry, incident: Incident, fact: Fact) -> None:
        number = entry.incident_id
        match fact:
            case Opened():
                if entry.cause in self._created_by and not entry.cause.startswith("event:"):
                    raise Violation(3, f"{entry.cause} opens a second incident, {number}")
                self._created_by.add(entry.cause)
            case CrewAssigned():
                other = self._on.get(fact.crew)
                if other is not None and not fact.held:
                    raise Violation(5, f"crew {fact.crew} is on assignment {other} and gets {fact.assignment_id}")
                if fact.assignment_id in self._crew_of:
                    raise Violation(5, f"assignment {fact.assignment_id} is made twice")
                if entry.actor == "engine" and fact.relieves is None and fact.capability not in incident.unmet():
                    raise Violation(5, f"crew {fact.crew} is sent to {number} where no more {fact.capability} is wanted")
                if not fact.held:
                    self._on[fact.crew] = fact.assignment_id
                self._crew_of[fact.assignment_id] = fact.crew
            case AssignmentHeld():
                self._turn(fact)
            case AssignmentEnded():
                self._free(fact.assignment_id)
                if fact.text.startswith("merged into "):
                    assignment = next(one for one in incident.assignments if one.assignment_id == fact.assignment_id)
                    terms = [term for term in incident.terms if term.assignment_id == fact.assignment_id]
                    self._carried[assignment.crew] = (terms, assignment.expected_us, max(self._crew_of))
            case TermsCarried() if entry.cause != RELIEF:
                self._check_carried(incident, fact)
            case AssignmentMoved():
                if fact.to not in ACTIVE:
                    self._free(fact.assignment_id)
            case TermFired():
                term = (number, fact.term.value, fact.assignment_id, fact.due_us, fact.moment)
                if term in self._fired:
                    raise Violation(6, f"the term {fact.term.value} of incident {number} fires twice")
                self._fired.add(term)
                if fact.due_us > entry.at_us:
                    raise Violation(6, f"the term {fact.term.value} of incident {number} fires before it is due")
                asked = self._asked.get(number) if fact.term is TermKind.CREW else None
                fault = step_fault(incident, fact, entry.at_us, asked)
                if fault:
                    raise Violation(6, f"the term {fact.term.value} of incident {number}: {fault}: {fact}")
            case Queued():
                try:
                    asked = asked_of(incident, fact, entry.at_us, self._modes)
                except ValueError as error:
                    raise Violation(6, f"incident {number}: {error}") from error
                if asked is not None:
                    self._asked[number] = asked
            case _:
                pass

    def _check_carried(self, incident: Incident, fact: TermsCarried) -> None:
        """6: a crew whose incident is merged is awaited as before, neither longer nor anew."""
        assignment = next(one for one in incident.assignments if one.assignment_id == fact.assignment_id)
        terms, expected_us, newest = self._carried.pop(assignment.crew)
        had = [(term.kind, term.due_us, term.moment, term.until) for term in terms]
        has = [(term.kind, term.due_us, term.moment, term.until) for term in fact.terms]
        if had != has:
            raise Violation(6, f"incident {incident.incident_id}: crew {assignment.crew} had {had}, and has {has}")
        # Where nothing was known of its arrival, for want of a place, something may be now.
        if assignment.assignment_id > newest and expected_us is not None and assignment.expected_us != expected_us:
            raise Violation(6, f"crew {assignment.crew} was expected at {expected_us}, and is at {assignment.expected_us}")

    def _turn(self, fact: AssignmentHeld) -> None:
        crew = self._crew_of[fact.assignment_id]
        on = self._on.get(crew)
        if fact.held:
            if on != fact.assignment_id:
                raise Violation(5, f"crew {crew} holds {fact.assignment_id} and is on {on}")
            del self._on[crew]
        else:
            if on is not None:
                raise Violation(5, f"crew {crew} turns to {fact.assignment_id} and is on {on}")
            self._on[crew] = fact.assignment_id

    def _free(self, assignment_id: int) -> None:
        crew = self._crew_of[assignment_id]
        if self._on.get(crew) == assignment_id:
            del self._on[crew]
