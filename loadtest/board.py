"""What a console knows from the views it is sent: incidents, crews, assignments with their reasons, notices.

Place in the flow: after it, in a dispatch client. Rules: only what the centre published counts; versions of one incident may
only rise, and a step back is counted; finished incidents are forgotten but for their number.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from typing import Final

import msgspec

from core.decisions import Notice
from core.vocabulary import AssignmentState, CrewState, IncidentState
from loadtest.cadastre import Point

UNPLACED_S: Final = 30.0
"""So long a dispatcher rings back a caller who has said nothing of the place; then the incident is closed,"""
UNREACHED: Final = "the caller could not be reached"
"""with this result."""
LATEST: Final = 12
"""Assignments and notices kept for showing."""
_ENDED: Final = frozenset({AssignmentState.DECLINED, AssignmentState.EXPIRED, AssignmentState.WITHDRAWN})


class PassedOverView(msgspec.Struct, frozen=True):
    """A nearer crew that was not sent."""

    crew: str
    distance_m: float
    reason: str


class ExplanationView(msgspec.Struct, frozen=True):
    """Why this crew."""

    reason: str
    distance_m: float
    passed_over: tuple[PassedOverView, ...] = ()
    travel_s: float | None = None


class AssignmentView(msgspec.Struct, frozen=True):
    """One crew's task, as an incident's view tells it."""

    assignment_id: int
    crew: str
    capability: str
    state: AssignmentState
    explanation: ExplanationView
    offered_us: int
    accepted_us: int | None = None
    on_scene_us: int | None = None
    ended_us: int | None = None


class ToldView(msgspec.Struct, frozen=True):
    """What one event told."""

    event: str


class IncidentView(msgspec.Struct, frozen=True):
    """The part of an incident's view that a console here looks at; what is left out has the value given here."""

    incident_id: int
    opened_us: int
    state: IncidentState = IncidentState.OPENED
    version: int = 0
    category: str = ""
    priority: int = 0
    territory: str = ""
    place: Point | None = None
    told: tuple[ToldView, ...] = ()
    event_count: int = 0
    assignments: tuple[AssignmentView, ...] = ()

    @property
    def events(self) -> tuple[str, ...]:
        """The events it names, as `SOURCE/SEQ`."""
        return tuple(told.event for told in self.told)


class CrewView(msgspec.Struct, frozen=True):
    """The part of a crew's view that a console here looks at."""

    crew_id: str
    state: CrewState = CrewState.OFF_DUTY


class Offered(msgspec.Struct, frozen=True):
    """A crew has a new task."""

    crew: str
    incident: IncidentView
    assignment: AssignmentView


class Withdrawn(msgspec.Struct, frozen=True):
    """A crew's task has ended without its doing."""

    crew: str
    incident_id: int


class Cleared(msgspec.Struct, frozen=True):
    """All crews of an incident are done: a dispatcher may close it."""

    incident_id: int


class Unplaced(msgspec.Struct, frozen=True):
    """Nobody can be sent to an incident, because nobody knows where it is: a dispatcher must find out."""

    incident_id: int


Turn = Offered | Withdrawn | Cleared | Unplaced

_read_incident: Final = msgspec.json.Decoder(IncidentView).decode
_read_crew: Final = msgspec.json.Decoder(CrewView).decode


class Board:
    """See the module's rules."""

    def __init__(self) -> None:
        self.open: dict[int, IncidentView] = {}
        self.finished: Counter[IncidentState] = Counter()
        """Incidents closed or merged, by how they ended."""
        self.crews: dict[str, CrewState] = {}
        self.latest: deque[Offered] = deque(maxlen=LATEST)
        self.notices: deque[Notice] = deque(maxlen=LATEST)
        self.notice_counts: Counter[str] = Counter()
        """Notices by the term that passed."""
        self.assigned = 0
        """Assignments seen."""
        self.published = 0
        """Views of incidents received."""
        self.disordered = 0
        """Times an older version of an incident came after a newer one."""
        self._versions: dict[int, int] = {}
        self._newest_assignment: dict[str, int] = {}

    @property
    def incidents(self) -> int:
        """Incidents seen so far, finished ones included."""
        return len(self._versions)

    def by_state(self) -> Counter[IncidentState]:
        """How many incidents are in which state."""
        return Counter(incident.state for incident in self.open.values()) + self.finished

    def crews_by_state(self) -> Counter[CrewState]:
        """How many crews are in which state."""
        return Counter(self.crews.values())

    def take_incident(self, view: bytes) -> tuple[IncidentView, list[Turn]]:
        """Reads an incident's view; gives it and what it asks of crews and dispatchers.

        A version held already changes nothing. Raises `msgspec.DecodeError` for a view that is none.
        """
        incident = _read_incident(view)
        self.published += 1
        number = incident.incident_id
        known = self._versions.get(number, -1)
        if incident.version <= known:
            self.disordered += incident.version < known
            return incident, []
        self._versions[number] = incident.version
        before = self.open.get(number)
        turns = self._turns(before, incident)
        if incident.state in (IncidentState.CLOSED, IncidentState.MERGED):
            self.open.pop(number, None)
            self.finished[incident.state] += 1
        else:
            self.open[number] = incident
        return incident, turns

    def take_crew(self, view: bytes) -> None:
        """Reads a crew's view. Raises `msgspec.DecodeError`."""
        crew = _read_crew(view)
        self.crews[crew.crew_id] = crew.state

    def take_notices(self, notices: Iterable[Notice]) -> None:
        """Keeps notices to the shift lead."""
        for notice in notices:
            self.notices.append(notice)
            self.notice_counts[notice.term] += 1

    def _turns(self, before: IncidentView | None, now: IncidentView) -> list[Turn]:
        turns: list[Turn] = []
        earlier = {} if before is None else {one.assignment_id: one.state for one in before.assignments}
        for assignment in now.assignments:
            was = earlier.get(assignment.assignment_id)
            if was is None:
                self.assigned += 1
            if was is None and assignment.state is AssignmentState.OFFERED:
                offered = Offered(assignment.crew, now, assignment)
                self.latest.append(offered)
                if assignment.assignment_id > self._newest_assignment.get(assignment.crew, 0):
                    # Views of two incidents may come in either order; a crew has only its newest task.
                    self._newest_assignment[assignment.crew] = assignment.assignment_id
                    turns.append(offered)
            elif assignment.state in _ENDED and was not in _ENDED:
                turns.append(Withdrawn(assignment.crew, now.incident_id))
        if now.state is IncidentState.CLEARED and (before is None or before.state is not IncidentState.CLEARED):
            turns.append(Cleared(now.incident_id))
        if _is_unplaced(now) and (before is None or not _is_unplaced(before)):
            turns.append(Unplaced(now.incident_id))
        return turns


def _is_unplaced(incident: IncidentView) -> bool:
    return incident.state is IncidentState.QUEUED and incident.place is None
