"""The queue of needs for which no crew was free, in priority order: the most urgent first, then the oldest (OCC-4).

One heap a capability and territory, so that a crew that frees is matched with the most urgent need it may serve in O(log n),
however many wait elsewhere. Entries are dropped lazily: whether a need still waits is asked of its incident when it comes to
the top.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable

from core.vocabulary import PRIORITY_LOWEST, IncidentId


class Waiting:
    """Needs waiting for a crew.

    Args:
        still_waits: tells whether an incident still has an unmet need of a capability, at this priority.
    """

    def __init__(self, still_waits: Callable[[IncidentId, str, int], bool]) -> None:
        self._still_waits = still_waits
        self._heaps: dict[str, dict[str, list[tuple[int, int, IncidentId]]]] = {}
        """capability → territory → heap of (priority, opened_us, incident)."""

    def push(self, incident_id: IncidentId, capability: str, territory: str, priority: int, opened_us: int) -> None:
        """Adds one need. The same need may be pushed again after a change of priority or territory."""
        heap = self._heaps.setdefault(capability, {}).setdefault(territory, [])
        heapq.heappush(heap, (priority, opened_us, incident_id))

    def pop(
        self, capabilities: Iterable[str], serves: Callable[[str], bool], lowest_priority: int = PRIORITY_LOWEST
    ) -> tuple[IncidentId, str] | None:
        """Takes the most urgent need among these capabilities in a territory the crew serves, the oldest of equals.

        Returns the incident and the capability, or None when nothing such waits down to the priority given.
        """
        best: tuple[tuple[int, int, IncidentId], str, str] | None = None
        for capability in capabilities:
            for territory, heap in list(self._heaps.get(capability, {}).items()):
                if not serves(territory):
                    continue
                while heap and not self._still_waits(heap[0][2], capability, heap[0][0]):
                    heapq.heappop(heap)
                if not heap:
                    del self._heaps[capability][territory]
                elif best is None or heap[0] < best[0]:
                    best = (heap[0], capability, territory)
        if best is None or best[0][0] > lowest_priority:
            return None
        _, capability, territory = best
        entry = heapq.heappop(self._heaps[capability][territory])
        return entry[2], capability
