"""Running terms in order of their deadlines: O(log n) to start one, O(1) to know the next, nothing polled.

A term's truth is the incident's own list (`core.incident.Term`); the heap only says when to look. So an ended term needs no
removal: when its entry comes up, the incident no longer has it and it is dropped.
"""

from __future__ import annotations

import heapq

import msgspec

from core.incident import Incident, Term
from core.instant import SECOND_US, Micros
from core.vocabulary import IncidentId


class TermLengths(msgspec.Struct, frozen=True):
    """How long each first term runs, in microseconds."""

    accept_us: int = 60 * SECOND_US
    """An assigned crew accepts (turnout: NFPA 1710 gives 60–80 s)."""
    no_crew_us: int = 30 * SECOND_US
    """A crew is found; afterwards the shift lead is told."""
    on_scene_us: int = 900 * SECOND_US
    """The crew arrives, counted from its accepting."""
    review_us: int = 3600 * SECOND_US
    """The owner looks at the incident again, repeated until it is closed."""


class RunningTerms:
    """A heap of deadlines."""

    def __init__(self) -> None:
        self._heap: list[tuple[Micros, IncidentId, int]] = []
        self._serial = 0

    def watch(self, incident_id: IncidentId, due_us: Micros) -> None:
        """Asks to look at the incident when this instant has come."""
        self._serial += 1
        heapq.heappush(self._heap, (due_us, incident_id, self._serial))

    def watch_many(self, deadlines: list[tuple[Micros, IncidentId]]) -> None:
        """`watch` for a whole recovery, in O(n)."""
        for due_us, incident_id in deadlines:
            self._serial += 1
            self._heap.append((due_us, incident_id, self._serial))
        heapq.heapify(self._heap)

    @property
    def next_due_us(self) -> Micros | None:
        """The earliest deadline that may still matter, or None."""
        return self._heap[0][0] if self._heap else None

    def pop_due(self, now_us: Micros) -> tuple[Micros, IncidentId] | None:
        """Takes the earliest deadline that has come, or None."""
        if self._heap and self._heap[0][0] <= now_us:
            due_us, incident_id, _ = heapq.heappop(self._heap)
            return due_us, incident_id
        return None


def due_terms(incident: Incident, due_us: Micros) -> list[Term]:
    """The incident's terms that are due at this instant or before it, earliest first."""
    return sorted((term for term in incident.terms if term.due_us <= due_us), key=lambda term: term.due_us)
