"""The incident: what it is, which moves its life allows, and how a fact changes it.

`apply` is the only function that changes an incident. The live engine and `fold` both use it, so the log replayed is the live
state (invariant 7). The state follows from the incident's assignments and needs; `MOVES` says which changes of state are legal,
and anything else raises `IllegalMoveError` with the incident's story. Requirements: CITY-1, CITY-7, CITY-10.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Final, assert_never

import msgspec

from core import limits
from core.decisions import LogEntry
from core.facts import (
    Absorbed,
    Acknowledged,
    ArrivalLeft,
    ArrivalSeen,
    AssignmentEnded,
    AssignmentHeld,
    AssignmentMoved,
    CategoryReason,
    Closed,
    CrewAssigned,
    EventJoined,
    EventsLeft,
    Evidence,
    Explanation,
    Fact,
    Joined,
    MergedInto,
    NeedsRaised,
    Noted,
    Opened,
    OwnerSet,
    PersonTold,
    PrioritySet,
    Queued,
    Recategorised,
    Relief,
    TermFired,
    TermsCarried,
)
from core.incident_terms import Term, acknowledge, await_crew, await_wave, carry, go_on, keep_awaited, runs_on
from core.instant import Micros
from core.locate import best_place
from core.vocabulary import AssignmentId, AssignmentState, CategoryCode, IncidentId, IncidentState, TermKind

_S = IncidentState
MOVES: Final[dict[IncidentState, frozenset[IncidentState]]] = {
    _S.OPENED: frozenset({_S.QUEUED, _S.ASSIGNED, _S.CLOSED, _S.MERGED}),
    _S.QUEUED: frozenset({_S.ASSIGNED, _S.OPENED, _S.CLEARED, _S.CLOSED, _S.MERGED}),
    _S.ASSIGNED: frozenset({_S.OPENED, _S.QUEUED, _S.EN_ROUTE, _S.ON_SCENE, _S.CLEARED, _S.CLOSED, _S.MERGED}),
    _S.EN_ROUTE: frozenset({_S.OPENED, _S.QUEUED, _S.ASSIGNED, _S.ON_SCENE, _S.CLEARED, _S.CLOSED, _S.MERGED}),
    _S.ON_SCENE: frozenset({_S.OPENED, _S.QUEUED, _S.ASSIGNED, _S.EN_ROUTE, _S.CLEARED, _S.CLOSED, _S.MERGED}),
    _S.CLEARED: frozenset({_S.QUEUED, _S.ASSIGNED, _S.CLOSED, _S.MERGED}),
    _S.CLOSED: frozenset(),
    _S.MERGED: frozenset(),
}
"""Legal changes of state; the last two are final."""

_A = AssignmentState
ASSIGNMENT_MOVES: Final[dict[AssignmentState, frozenset[AssignmentState]]] = {
    _A.OFFERED: frozenset({_A.ACCEPTED, _A.EN_ROUTE, _A.ON_SCENE, _A.DECLINED, _A.EXPIRED, _A.WITHDRAWN}),
    _A.ACCEPTED: frozenset({_A.EN_ROUTE, _A.ON_SCENE, _A.CLEARED, _A.DECLINED, _A.WITHDRAWN}),
    _A.EN_ROUTE: frozenset({_A.ON_SCENE, _A.CLEARED, _A.DECLINED, _A.WITHDRAWN}),
    _A.ON_SCENE: frozenset({_A.CLEARED, _A.WITHDRAWN}),
    _A.CLEARED: frozenset(),
    _A.DECLINED: frozenset(),
    _A.EXPIRED: frozenset(),
    _A.WITHDRAWN: frozenset(),
}
"""Legal moves of one crew's task. A crew may skip a report (arrive without having said that it set out)."""

ACTIVE: Final = frozenset({_A.OFFERED, _A.ACCEPTED, _A.EN_ROUTE, _A.ON_SCENE})
REFUSED: Final = frozenset({_A.DECLINED, _A.EXPIRED, _A.WITHDRAWN})
"""The crew did not go, or not to the end: the need is unmet again, and another crew is asked first."""
_SERVING: Final = ACTIVE | {_A.CLEARED}
FINAL: Final = frozenset({_S.CLOSED, _S.MERGED})


class IllegalMoveError(Exception):
    """A move that the tables do not have: a fault of ours, told with the incident's story."""


class Assignment(msgspec.Struct, omit_defaults=True, gc=False):
    """One crew sent to one incident, as the incident carries it."""

    assignment_id: AssignmentId
    crew: str
    capability: str
    state: AssignmentState
    explanation: Explanation
    offered_us: Micros
    accepted_us: Micros | None = None
    en_route_us: Micros | None = None
    on_scene_us: Micros | None = None
    ended_us: Micros | None = None
    held: bool = False
    """Whether its crew works on another of its assignments meanwhile."""
    expected_us: Micros | None = None
    """When the crew is expected on scene, as reckoned when it was sent."""
    seen_us: Micros | None = None
    """Since when its positions say that it is there, whatever it says itself."""
    relieves: Relief | None = None
    """Whom it was sent to take over from."""
    served_by: AssignmentId | None = None
    """Which assignment serves in its place, where a relief has taken over or was not needed any more."""


class Note(msgspec.Struct, frozen=True, gc=False):
    """Words a dispatcher added."""

    at_us: Micros
    operator: str
    words: str


class Incident(msgspec.Struct, kw_only=True, gc=False):
    """What the centre responds to. Its JSON is the view that clients get and that storage keeps.

    Invariants: `version` counts its facts; `place` is the best of all evidence told, or None; a non-final incident has an owner
    and at least one term (invariant 6).
    """

    incident_id: IncidentId
    version: int = 0
    state: IncidentState = _S.OPENED
    category: CategoryCode = CategoryCode("")
    category_reason: CategoryReason = CategoryReason.DEFAULT
    priority: int = 0
    priority_fixed: bool = False
    opened_us: Micros
    updated_us: Micros
    told_us: Micros
    """When an event told of it last: by that it is found again, and not by what crews and terms do to it."""
    closed_us: Micros | None = None
    territory: str = ""
    owner: str = ""
    scenario: str = ""
    """The version of the scenario it goes by (`core.scenario.Scenario.key`)."""
    needs: tuple[str, ...] = ()
    place: Evidence | None = None
    place_reason: str = ""
    told: list[Joined] = msgspec.field(default_factory=list)
    """What each event told: the first one and the latest, at most `limits.VIEW_EVENTS_MAX`; all of them stand in the log."""
    event_count: int = 0
    notes: list[Note] = msgspec.field(default_factory=list)
    assignments: list[Assignment] = msgspec.field(default_factory=list)
    terms: list[Term] = msgspec.field(default_factory=list)
    quiet: dict[str, Micros] = msgspec.field(default_factory=dict)
    """`TERM:RECIPIENT` → until when the recipient is not told of that term again."""
    informed: list[str] = msgspec.field(default_factory=list)
    """`WHEN:RECIPIENT` of those whom the scenario names and who have been told."""
    merged_into: IncidentId | None = None
    absorbed: list[IncidentId] = msgspec.field(default_factory=list)
    """Incidents that turned out to be this one; their crews may still call it by the old number."""
    result: str = ""

    @property
    def is_open(self) -> bool:
        """Whether the incident still needs anything of the centre."""
        return self.state not in FINAL

    def active(self, crew: str) -> Assignment | None:
        """The crew's running assignment to this incident, or None."""
        for assignment in reversed(self.assignments):
            if assignment.crew == crew and assignment.state in ACTIVE:
                return assignment
        return None

    def relieved(self, assignment: Assignment) -> Assignment | None:
        """The assignment that serves until this one, its relief, takes over; None where it is no relief, or none any more."""
        if assignment.relieves is None:
            return None
        number = assignment.relieves.assignment_id
        return next((one for one in self.assignments if one.assignment_id == number and one.state in _SERVING), None)

    def relief_of(self, assignment: Assignment) -> Assignment | None:
        """The running assignment that is to take over from this one, or None."""
        number = assignment.assignment_id
        for one in self.assignments:
            if one.relieves is not None and one.relieves.assignment_id == number and one.state in ACTIVE:
                return one
        return None

    def unmet(self) -> list[str]:
        """Capabilities still wanted, one entry a crew. A crew and its relief are one crew."""
        wanted = list(self.needs)
        for assignment in self.assignments:
            if (
                assignment.state in _SERVING
                and assignment.capability in wanted
                and (assignment.relieves is None or self.relieved(assignment) is None)
            ):
                wanted.remove(assignment.capability)
        return wanted


def apply(incident: Incident, fact: Fact, at_us: Micros, actor: str) -> None:
    """Changes the incident by one fact. Raises `IllegalMoveError` for a fact that cannot follow its story."""
    if incident.state in FINAL:
        raise IllegalMoveError(
            f"incident {incident.incident_id} is {incident.state.value}: {type(fact).__name__} cannot follow"
        )
    incident.version += 1
    incident.updated_us = at_us
    match fact:
        case Opened():
            incident.category = fact.category
            incident.category_reason = fact.category_reason
            incident.priority = fact.priority
            incident.territory = fact.territory
            incident.owner = fact.owner
            incident.scenario = fact.scenario
            incident.needs = fact.needs
            incident.terms = [Term(TermKind.REVIEW, fact.review_due_us)]
            await_wave(incident, fact.wave_due_us)
            _join(incident, fact.joined)
            incident.told_us = at_us
        case EventJoined():
            _join(incident, fact.joined)
            incident.told_us = at_us
            incident.territory = fact.territory
        case Recategorised():
            incident.category = fact.category
            incident.category_reason = fact.category_reason
            incident.priority = fact.priority
            incident.needs = fact.needs
            if fact.scenario:
                incident.scenario = fact.scenario
                await_wave(incident, fact.wave_due_us)
            _settle(incident)
        case NeedsRaised():
            incident.needs += fact.needs
            _settle(incident)
        case PrioritySet():
            incident.priority = fact.priority
            incident.priority_fixed = True
        case Queued():
            await_crew(incident, fact, at_us)
            _settle(incident)
        case CrewAssigned():
            _forget_refusals(incident)
            incident.assignments.append(
                Assignment(
                    assignment_id=fact.assignment_id,
                    crew=fact.crew,
                    capability=fact.capability,
                    state=_A.OFFERED,
                    explanation=fact.explanation,
                    offered_us=at_us,
                    held=fact.held,
                    expected_us=fact.expected_us,
                    relieves=fact.relieves,
                )
            )
            incident.terms.append(Term(TermKind.ACCEPT, fact.accept_due_us, fact.assignment_id))
            _settle(incident)
        case ArrivalSeen():
            _running(incident, fact.assignment_id).seen_us = fact.since_us
        case ArrivalLeft():
            _running(incident, fact.assignment_id).seen_us = None
        case AssignmentHeld():
            _running(incident, fact.assignment_id).held = fact.held
        case AssignmentMoved() | AssignmentEnded():
            _move_assignment(incident, fact, at_us)
            _settle(incident)
        case TermFired():
            go_on(incident, fact)
            if fact.quiet_until_us is not None:
                incident.quiet[f"{fact.term.value}:{fact.told}"] = fact.quiet_until_us
        case TermsCarried():
            carry(incident, fact)
        case Acknowledged():
            acknowledge(incident, fact)
        case PersonTold():
            incident.informed.append(f"{fact.when}:{fact.to}")
        case OwnerSet():
            incident.owner = fact.owner
        case Noted():
            incident.notes.append(Note(at_us, actor, fact.words))
            if len(incident.notes) > limits.VIEW_NOTES_MAX:
                del incident.notes[0]
        case Absorbed():
            for joined in fact.joined:
                _join(incident, joined)
            incident.told_us = at_us
            incident.absorbed.append(fact.other)
            incident.territory = fact.territory
        case MergedInto():
            incident.merged_into = fact.into
            _end(incident, _S.MERGED, at_us)
        case EventsLeft():
            _leave(incident, fact.events)
            incident.territory = fact.territory
        case Closed():
            incident.result = fact.result
            _end(incident, _S.CLOSED, at_us)
        case _:
            assert_never(fact)


def replay(entries: Iterable[LogEntry]) -> Iterator[tuple[LogEntry, Fact, Incident]]:
    """An incident's log entries from version 1 on, each with its fact and the incident after it: always the same, growing one.

    Raises:
        IllegalMoveError: the log is not one that the engine could have written.
        msgspec.ValidationError: an entry's body is not a fact.
    """
    incident: Incident | None = None
    for entry in entries:
        fact = decode_fact(entry.body)
        if incident is None:
            incident = Incident(
                incident_id=entry.incident_id, opened_us=entry.at_us, updated_us=entry.at_us, told_us=entry.at_us
            )
        apply(incident, fact, entry.at_us, entry.actor)
        if incident.version != entry.version:
            raise IllegalMoveError(f"incident {entry.incident_id}: version {entry.version} follows {incident.version - 1}")
        yield entry, fact, incident
    if incident is None:
        raise IllegalMoveError("an incident without a log")


def fold(entries: Iterable[LogEntry]) -> bytes:
    """The JSON view that an incident's log entries lead to, from version 1 on, in order. Raises as `replay` does."""
    ((_, _, incident),) = deque(replay(entries), maxlen=1)
    return encode_incident(incident)


encode_incident = msgspec.json.Encoder().encode
decode_incident = msgspec.json.Decoder(Incident).decode


def renew(view: bytes) -> bytes:
    """A view as today's version writes it: an earlier one's lacks fields that have come since."""
    return encode_incident(decode_incident(view))


encode_fact = msgspec.json.Encoder().encode
decode_fact = msgspec.json.Decoder(Fact).decode


def _join(incident: Incident, joined: Joined) -> None:
    incident.event_count += 1
    incident.told.append(joined)
    if len(incident.told) > limits.VIEW_EVENTS_MAX:
        del incident.told[1]
    if joined.evidence:
        # The best of all is the better of the best so far and the new ones: `best_place` prefers the later of equals.
        known = joined.evidence if incident.place is None else (incident.place, *joined.evidence)
        incident.place, reason = best_place(known)
        incident.place_reason = reason.value


def _leave(incident: Incident, events: tuple[str, ...]) -> None:
    gone = set(events)
    incident.told = [joined for joined in incident.told if joined.event not in gone]
    incident.event_count -= len(gone)
    incident.place, reason = best_place([piece for joined in incident.told for piece in joined.evidence])
    incident.place_reason = reason.value


def _forget_refusals(incident: Incident) -> None:
    """Keeps the view bounded while crew after crew refuses."""
    if len(incident.assignments) < limits.VIEW_REFUSALS_MAX:
        return
    refused = [assignment for assignment in incident.assignments if assignment.state in REFUSED]
    if len(refused) >= limits.VIEW_REFUSALS_MAX:
        incident.assignments = [assignment for assignment in incident.assignments if assignment is not refused[0]]


def _running(incident: Incident, assignment_id: AssignmentId) -> Assignment:
    for assignment in incident.assignments:
        if assignment.assignment_id == assignment_id and assignment.state in ACTIVE:
            return assignment
    raise IllegalMoveError(f"incident {incident.incident_id}: assignment {assignment_id} is not running")


def _move_assignment(incident: Incident, fact: AssignmentMoved | AssignmentEnded, at_us: Micros) -> None:
    assignment = next((a for a in incident.assignments if a.assignment_id == fact.assignment_id), None)
    if assignment is None or fact.to not in ASSIGNMENT_MOVES[assignment.state]:
        now = "absent" if assignment is None else assignment.state.value
        raise IllegalMoveError(
            f"incident {incident.incident_id}: assignment {fact.assignment_id} is {now}, not to {fact.to.value}"
        )
    assignment.state = fact.to
    if fact.to is _A.ACCEPTED:
        assignment.accepted_us = at_us
    elif fact.to is _A.EN_ROUTE:
        assignment.accepted_us = assignment.accepted_us or at_us
        assignment.en_route_us = at_us
    elif fact.to is _A.ON_SCENE:
        assignment.accepted_us = assignment.accepted_us or at_us
        assignment.on_scene_us = at_us
    else:
        assignment.ended_us = at_us
        assignment.held = False
        if isinstance(fact, AssignmentEnded):
            assignment.served_by = fact.served_by
    incident.terms = [term for term in incident.terms if term.assignment_id != fact.assignment_id or runs_on(term, fact)]
    if isinstance(fact, AssignmentMoved) and fact.on_scene_due_us is not None:
        incident.terms.append(Term(TermKind.ON_SCENE, fact.on_scene_due_us, fact.assignment_id))


def _settle(incident: Incident) -> None:
    """Brings state, the crew term and passed accept terms in line with the assignments and needs."""
    unmet = incident.unmet()
    keep_awaited(incident, unmet)
    states = [assignment.state for assignment in incident.assignments]
    if _A.ON_SCENE in states:
        target = _S.ON_SCENE
    elif _A.EN_ROUTE in states:
        target = _S.EN_ROUTE
    elif _A.OFFERED in states or _A.ACCEPTED in states:
        target = _S.ASSIGNED
    elif unmet:
        target = _S.QUEUED
    elif _A.CLEARED in states:
        target = _S.CLEARED
    else:
        target = _S.OPENED
    _to_state(incident, target)


def _end(incident: Incident, state: IncidentState, at_us: Micros) -> None:
    if any(assignment.state in ACTIVE for assignment in incident.assignments):
        raise IllegalMoveError(f"incident {incident.incident_id} cannot end as {state.value}: crews are still on it")
    _to_state(incident, state)
    incident.closed_us = at_us
    incident.terms = []


def _to_state(incident: Incident, target: IncidentState) -> None:
    if target is incident.state:
        return
    if target not in MOVES[incident.state]:
        raise IllegalMoveError(f"incident {incident.incident_id}: {incident.state.value} to {target.value} is not a legal move")
    incident.state = target
