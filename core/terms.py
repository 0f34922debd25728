"""Running terms in order of their deadlines: O(log n) to start or to end one, O(1) to know the next, nothing polled.

A term's truth is the incident's own list (`core.incident.Term`); the order here only says when to look. A term that ends is
forgotten at once: nearly all end long before they are due, and a heap that kept them until then would grow by half a
gigabyte an hour under 400 calls a second.
"""

from __future__ import annotations

from typing import assert_never

import msgspec
from sortedcontainers import SortedList

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
    """Deadlines, one for each running term, in the order of their instants and then of their incidents."""

    def __init__(self) -> None:
        self._deadlines: SortedList[tuple[Micros, IncidentId]] = SortedList()

    def __len__(self) -> int:
        """Terms that run."""
        return len(self._deadlines)

    def watch(self, incident_id: IncidentId, due_us: Micros) -> None:
        """Asks to look at the incident when this instant has come."""
        self._deadlines.add((due_us, incident_id))

    def watch_many(self, deadlines: list[tuple[Micros, IncidentId]]) -> None:
        """`watch` for a whole recovery, sorted once."""
        self._deadlines.update(deadlines)

    def forget(self, incident_id: IncidentId, due_us: Micros) -> None:
        """Takes back one `watch`, if there was one: its term has ended, or has been dealt with."""
        self._deadlines.discard((due_us, incident_id))

    @property
    def next_due_us(self) -> Micros | None:
        """The earliest deadline, or None."""
        return self._deadlines[0][0] if self._deadlines else None

    def first_due(self, now_us: Micros) -> tuple[Micros, IncidentId] | None:
        """The earliest deadline, where it has come, or None. It stays until it is forgotten."""
        if self._deadlines and self._deadlines[0][0] <= now_us:
            return self._deadlines[0]
        return None


def due_terms(incident: Incident, due_us: Micros) -> list[Term]:
    """The incident's terms that are due at this instant or before it, earliest first."""
    return sorted((term for term in incident.terms if term.due_us <= due_us), key=lambda term: term.due_us)
