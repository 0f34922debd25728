"""Running terms in order of their deadlines: O(log n) to start one, O(1) to know the next, nothing polled.

A term's truth is the incident's own list (`core.incident.Term`); the heap only says when to look. So an ended term needs no
removal: when its entry comes up, the incident no longer has it and it is dropped.
"""

from __future__ import annotations

import heapq
from typing import assert_never

import msgspec

from core.incident import Incident
from core.incident_terms import Term
from core.instant import Micros
from core.vocabulary import IncidentId, TermKind


class TermLengths(msgspec.Struct, frozen=True):
    """How long terms run, in microseconds, where the centre sets it for all its scenarios; None leaves it to them."""

    accept_us: int | None = None
    """An assigned crew accepts."""
    no_crew_us: int | None = None
    """A crew is found."""
    on_scene_us: int | None = None
    """The crew arrives, counted from its accepting."""
    review_us: int | None = None
    """The owner looks at the incident again, repeated until it is closed."""
    pace: float = 1.0
    """Scenarios' seconds that pass in one second of the clock: more than one where recorded days are run faster than life."""

    def of(self, kind: TermKind) -> int | None:
        """The length set for a kind of term, or None."""
        match kind:
            case TermKind.ACCEPT:
                return self.accept_us
            case TermKind.CREW:
                return self.no_crew_us
            case TermKind.ON_SCENE:
                return self.on_scene_us
            case TermKind.REVIEW:
                return self.review_us
            case TermKind.WAVE:
                return None
            case _:
                assert_never(kind)


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
