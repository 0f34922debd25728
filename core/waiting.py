"""The queue of needs for which no crew was free, in priority order: the most urgent first, then the oldest (OCC-4).

One heap a capability and territory, so that a crew that frees is matched with the most urgent need it may serve in O(log n),
however many wait elsewhere. Entries are dropped lazily: whether a need still waits is asked of its incident when it comes to
the top, and of all in a heap when it has doubled: one for a capability that no crew has is never looked at from the top, and
one that is asked for again and again has an entry for each time.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from core.vocabulary import PRIORITY_LOWEST, IncidentId

SWEEP_MIN: Final = 1_024
"""About 100 KB of them."""


class _Heap:
    """Needs of one capability in one territory, with those that wait no more."""

    __slots__ = ("entries", "sweep_at")

    def __init__(self, sweep_at: int) -> None:
        self.entries: list[tuple[int, int, IncidentId]] = []
        """(priority, opened_us, incident)."""
        self.sweep_at = sweep_at


class Waiting:
    """Needs waiting for a crew.

    Args:
        still_waiting: tells how many needs of a capability an incident still has waiting, at this priority.
        sweep_min: entries below which no heap is looked through.
    """

    def __init__(self, still_waiting: Callable[[IncidentId, str, int], int], sweep_min: int = SWEEP_MIN) -> None:
        self._still_waiting = still_waiting
        self._sweep_min = sweep_min
        self._heaps: dict[str, dict[str, _Heap]] = {}
        """capability → territory → heap."""

    def __len__(self) -> int:
        """Entries held, those of needs that wait no more among them: at most twice as many as wait, and some."""
        return sum(len(heap.entries) for by_territory in self._heaps.values() for heap in by_territory.values())

    def push(self, incident_id: IncidentId, capability: str, territory: str, priority: int, opened_us: int) -> None:
        """Adds one need. The same need may be pushed again."""
        by_territory = self._heaps.setdefault(capability, {})
        heap = by_territory.get(territory)
        if heap is None:
            heap = by_territory[territory] = _Heap(self._sweep_min)
        heapq.heappush(heap.entries, (priority, opened_us, incident_id))
        if len(heap.entries) >= heap.sweep_at:
            heap.entries = list(self._swept(heap.entries, capability))
            heapq.heapify(heap.entries)
            heap.sweep_at = max(self._sweep_min, 2 * len(heap.entries))

    def _swept(self, entries: Iterable[tuple[int, int, IncidentId]], capability: str) -> Iterator[tuple[int, int, IncidentId]]:
        """Of each need's entries as many as it still waits for."""
        kept: Counter[tuple[int, int, IncidentId]] = Counter()
        for entry in entries:
            priority, _, incident_id = entry
            if kept[entry] < self._still_waiting(incident_id, capability, priority):
                kept[entry] += 1
                yield entry

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
                entries = heap.entries
                while entries and not self._still_waiting(entries[0][2], capability, entries[0][0]):
                    heapq.heappop(entries)
                if not entries:
                    del self._heaps[capability][territory]
                elif best is None or entries[0] < best[0]:
                    best = (entries[0], capability, territory)
        if best is None or best[0][0] > lowest_priority:
            return None
        _, capability, territory = best
        entry = heapq.heappop(self._heaps[capability][territory].entries)
        return entry[2], capability
