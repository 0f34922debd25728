"""The course of an incident: everything its log tells, in the order and words in which somebody has to answer for it (OCC-6).

A reading of the log, not a second account of it: the entries are applied one by one as the engine applied them
(`core.incident.apply`), so a term's end is what took it off the incident, and nothing is shown that replay would not give.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from hashlib import sha256
from typing import Final

import msgspec

from core.decisions import LogEntry
from core.facts import (
    Absorbed,
    AssignmentMoved,
    Closed,
    CrewAssigned,
    EventJoined,
    Fact,
    Joined,
    Opened,
    TermFired,
    TermsCarried,
)
from core.incident import Assignment, replay
from core.incident_terms import Term
from core.instant import Micros
from core.vocabulary import AssignmentId, AssignmentState, IncidentId, IncidentState, TermKind


class TermEnd(Enum):
    """How a term ended."""

    KEPT = "kept"
    """What it waited for happened in time."""
    MISSED = "missed"
    """It passed, and somebody was told."""
    VOID = "void"
    """It no longer mattered: the crew was withdrawn, the need went, the incident was merged."""
    RUNNING = "running"


class TermCourse(msgspec.Struct, frozen=True):
    """One term from its beginning to its end."""

    kind: TermKind
    crew: str
    """Of an assignment's term; `""` for the incident's own."""
    began_us: Micros
    due_us: Micros
    ended_us: Micros | None
    end: TermEnd


class Telling(msgspec.Struct, frozen=True):
    """An event that told of the incident, and when the centre took it."""

    at_us: Micros
    joined: Joined


class Step(msgspec.Struct, frozen=True):
    """One line of the log: what happened, who caused it and by what."""

    version: int
    at_us: Micros
    actor: str
    cause: str
    fact: Fact


class Course(msgspec.Struct, frozen=True):
    """An incident's course. Its JSON is the certificate for machines."""

    incident_id: IncidentId
    state: IncidentState
    category: str
    priority: int
    territory: str
    owner: str
    opened_us: Micros
    closed_us: Micros | None
    latitude_deg: float | None
    longitude_deg: float | None
    address: str
    result: str
    tellings: list[Telling]
    crews: list[Assignment]
    terms: list[TermCourse]
    steps: list[Step]
    sha256: str
    """Of the log itself (`digest`): the same for every language and form, and gone with one changed letter."""


def course_of(entries: Iterable[LogEntry]) -> Course:
    """The course that an incident's whole log tells.

    Args:
        entries: in order, from version 1 on.

    Raises:
        IllegalMoveError: the log is not one that the engine could have written, or is empty.
        msgspec.ValidationError: an entry's body is not a fact.
    """
    log = list(entries)
    steps: list[Step] = []
    tellings: list[Telling] = []
    crews: dict[AssignmentId, Assignment] = {}
    terms = _Terms()
    before: list[Term] = []
    for entry, fact, incident in replay(log):
        steps.append(Step(entry.version, entry.at_us, entry.actor, entry.cause, fact))
        tellings += [Telling(entry.at_us, joined) for joined in _told(fact)]
        # The incident itself forgets crews that refused long ago; these are the same objects, and stay.
        crews.update({assignment.assignment_id: assignment for assignment in incident.assignments})
        terms.follow(before, incident.terms, fact, entry.at_us, crews)
        before = list(incident.terms)
    place = incident.place
    return Course(
        incident_id=incident.incident_id,
        state=incident.state,
        category=incident.category,
        priority=incident.priority,
        territory=incident.territory,
        owner=incident.owner,
        opened_us=incident.opened_us,
        closed_us=incident.closed_us,
        latitude_deg=None if place is None else place.latitude_deg,
        longitude_deg=None if place is None else place.longitude_deg,
        address="" if place is None else place.text,
        result=incident.result,
        tellings=tellings,
        crews=list(crews.values()),
        terms=terms.courses(),
        steps=steps,
        sha256=digest(log),
    )


def digest(log: Iterable[LogEntry]) -> str:
    """SHA-256 over every field of every line of a log, in hexadecimal digits."""
    lines = sha256()
    for entry in log:
        fields = (entry.incident_id, entry.version, entry.at_us, entry.fact, entry.actor, entry.cause)
        # As a JSON array, so that no two logs have one text.
        lines.update(msgspec.json.encode(fields))
        lines.update(entry.body)
        lines.update(b"\n")
    return lines.hexdigest()


class _Terms:
    """The terms met so far, each open until something takes it off the incident; what follows a passed one is its chain."""

    def __init__(self) -> None:
        self._running: dict[Term, TermCourse] = {}
        self._ended: list[TermCourse] = []

    def follow(
        self, before: list[Term], after: list[Term], fact: Fact, at_us: Micros, crews: dict[AssignmentId, Assignment]
    ) -> None:
        for term in before:
            if term not in after and not term.has_passed:
                course = self._running.pop(term)
                later = next((one for one in after if one.is_early and one.kind is term.kind), None)
                if later is not None:
                    # What came before its passing has come, and it runs on.
                    self._running[later] = course
                    continue
                if isinstance(fact, TermsCarried):
                    # Begun in the same moment, and never a term of that crew.
                    continue
                self._ended.append(msgspec.structs.replace(course, ended_us=at_us, end=_end_of(term, fact)))
        for term in after:
            if term not in before and not term.moment:
                crew = "" if term.assignment_id is None else crews[term.assignment_id].crew
                due_us = Micros(max(term.due_us, term.passed_us or 0))
                self._running[term] = TermCourse(term.kind, crew, at_us, due_us, None, TermEnd.RUNNING)

    def courses(self) -> list[TermCourse]:
        """All of them, in the order of their beginning."""
        return sorted([*self._ended, *self._running.values()], key=lambda course: (course.began_us, course.due_us))


_AWAITED: Final[dict[TermKind, frozenset[AssignmentState]]] = {
    TermKind.ACCEPT: frozenset({AssignmentState.ACCEPTED, AssignmentState.EN_ROUTE, AssignmentState.ON_SCENE}),
    TermKind.ON_SCENE: frozenset({AssignmentState.ON_SCENE}),
}
"""The states of its assignment that keep a term."""


def _end_of(term: Term, fact: Fact) -> TermEnd:
    """How a term ended that this fact took off the incident."""
    match fact:
        case TermFired():
            return TermEnd.MISSED
        case AssignmentMoved():
            return TermEnd.KEPT if fact.to in _AWAITED.get(term.kind, ()) else TermEnd.VOID
        case CrewAssigned():
            return TermEnd.KEPT if term.kind is TermKind.CREW else TermEnd.VOID
        case Closed():
            return TermEnd.KEPT if term.kind is TermKind.REVIEW else TermEnd.VOID
        case _:
            return TermEnd.VOID


def _told(fact: Fact) -> tuple[Joined, ...]:
    match fact:
        case Opened() | EventJoined():
            return (fact.joined,)
        case Absorbed():
            return fact.joined
        case _:
            return ()
