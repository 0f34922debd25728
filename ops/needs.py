"""Needs that wait for a crew: since when the one of each priority waits that has waited longest.

Place in the flow: a part of `ops.measure`, on the deciding thread. Rules:
- An incident waits from the commit after which some need of it has no crew until the one after which each has, closed or merged
  ones never. Its second need does not begin anew what its first has begun.
- Kept as things change, so that neither a batch nor a scrape walks the incidents. What no longer waits is dropped when it comes
  to the top of its heap, and all such at once when they are more than what waits.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import Final

import msgspec

from core.decisions import IncidentChange
from core.instant import Micros
from core.state import CentreState
from core.vocabulary import PRIORITY_LOWEST, IncidentId, TermKind

_DEAD_MIN: Final = 1_024
"""Entries of what no longer waits that are kept in any case: fewer are not worth building the heaps anew."""


class Waiting(msgspec.Struct, frozen=True, gc=False):
    """An incident with a need that waits."""

    incident_id: IncidentId
    priority: int
    since_us: Micros


def waiting_in(state: CentreState) -> Iterator[Waiting]:
    """What waits in a state that has just been recovered.

    The incident's crew term says since when. Where it has passed to the end of its chain nothing does any more, and the opening
    stands for it: such a need has waited longest anyway. O(incidents that wait).
    """
    for incident_id in state.queued:
        incident = state.incidents[incident_id]
        asked_us = [term.asked_us for term in incident.terms if term.kind is TermKind.CREW and term.asked_us is not None]
        yield Waiting(incident_id, incident.priority, min(asked_us, default=incident.opened_us))


class Needs:
    """Which incidents wait. Written by one thread; others read `oldest_us` in a copy."""

    def __init__(self) -> None:
        self.oldest_us: list[Micros | None] = [None] * (PRIORITY_LOWEST + 1)
        """Priority → since when the need waits that has waited longest; None where none does."""
        self._waiting: dict[IncidentId, Waiting] = {}
        self._heaps: list[list[tuple[Micros, IncidentId]]] = [[] for _ in self.oldest_us]
        self._entries = 0
        """In all heaps, those among them that wait no longer."""

    def __len__(self) -> int:
        """How many incidents wait."""
        return len(self._waiting)

    def note(self, change: IncidentChange, now_us: Micros, *, waits: bool) -> None:
        """A batch has changed an incident. `settle` follows the last one of the batch. O(log waiting)."""
        known = self._waiting.get(change.incident_id)
        if not waits:
            if known is not None:
                del self._waiting[change.incident_id]
        elif known is None:
            self.add(Waiting(change.incident_id, change.priority, now_us))
        elif known.priority != change.priority:
            self.add(Waiting(change.incident_id, change.priority, known.since_us))

    def add(self, waiting: Waiting) -> None:
        """An incident waits, or does so with another priority."""
        self._waiting[waiting.incident_id] = waiting
        heapq.heappush(self._heaps[waiting.priority], (waiting.since_us, waiting.incident_id))
        self._entries += 1

    def settle(self) -> None:
        """Brings `oldest_us` in line with what waits now. O(1) in the mean of all batches, and a few steps a priority."""
        if self._entries > 2 * len(self._waiting) + _DEAD_MIN:
            self._rebuild()
        for priority, heap in enumerate(self._heaps):
            while heap and not self._waits(priority, *heap[0]):
                heapq.heappop(heap)
                self._entries -= 1
            self.oldest_us[priority] = heap[0][0] if heap else None

    def _waits(self, priority: int, since_us: Micros, incident_id: IncidentId) -> bool:
        waiting = self._waiting.get(incident_id)
        return waiting is not None and (waiting.priority, waiting.since_us) == (priority, since_us)

    def _rebuild(self) -> None:
        self._heaps = [[] for _ in self.oldest_us]
        for waiting in self._waiting.values():
            self._heaps[waiting.priority].append((waiting.since_us, waiting.incident_id))
        for heap in self._heaps:
            heapq.heapify(heap)
        self._entries = len(self._waiting)
