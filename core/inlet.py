"""The one bounded inlet between the listeners and the engine, and the order in which it is emptied (invariants 8, 9).

Each connection offers chunks; a chunk waits in its source's own queue, so a source's sequence is never reordered. A source
whose queue holds an urgent event (call, alarm, crew status) goes first with everything that lies before that event; the
others follow, oldest first. Nothing is ever shed: into a full inlet nothing more is read, so TCP slows the sources, and those
that send urgent events only when the reserve for these is used up as well. Only what a source is just about to send again may
be forgotten.
"""

from __future__ import annotations

from collections import deque

from core import limits
from core.commands import Order
from core.events import Chunk


class Inlet:
    """Chunks and orders waiting for the engine. Not thread-safe: the listeners and the centre share one thread."""

    def __init__(self, capacity_bytes: int = limits.INLET_BYTES, reserve_bytes: int = limits.INLET_RESERVE_BYTES) -> None:
        self._capacity_bytes = capacity_bytes
        self._reserve_bytes = reserve_bytes
        self._held_bytes = 0
        self._queues: dict[str, deque[Chunk]] = {}
        self._urgent: dict[str, int] = {}
        """Source → urgent chunks in its queue; insertion order is the order of service."""
        self._orders: list[Order] = []

    @property
    def held_bytes(self) -> int:
        """Bytes of all waiting chunks."""
        return self._held_bytes

    @property
    def has_room(self) -> bool:
        """Whether connections without urgent events may go on reading."""
        return self._held_bytes < self._capacity_bytes

    @property
    def has_room_for_urgent(self) -> bool:
        """Whether connections with urgent events may go on reading: many of them could else fill the memory with calls."""
        return self._held_bytes < self._capacity_bytes + self._reserve_bytes

    def __bool__(self) -> bool:
        return bool(self._queues or self._orders)

    def offer(self, chunk: Chunk) -> None:
        """Takes a chunk. The caller has kept its source's window; the inlet itself refuses nothing."""
        queue = self._queues.get(chunk.source)
        if queue is None:
            queue = self._queues[chunk.source] = deque()
        queue.append(chunk)
        self._held_bytes += sum(map(len, chunk.raws))
        if chunk.urgent:
            self._urgent[chunk.source] = self._urgent.get(chunk.source, 0) + 1

    def held_of(self, source: str) -> int:
        """Bytes of a source's waiting chunks. O(chunks of the source)."""
        return sum(len(raw) for chunk in self._queues.get(source, ()) for raw in chunk.raws)

    def forget(self, source: str) -> None:
        """Lets go of a source's waiting chunks; none is acknowledged, and the source must be asked to send them again."""
        self._held_bytes -= self.held_of(source)
        self._queues.pop(source, None)
        self._urgent.pop(source, None)

    def order(self, order: Order) -> None:
        """Takes a dispatcher's command; it is decided in the next batch, after that batch's events."""
        self._orders.append(order)

    def take(self, max_events: int = limits.BATCH_EVENTS) -> tuple[list[Chunk], list[Order]]:
        """Takes the next batch: urgent sources first, up to about `max_events` events (whole chunks), and all orders.

        The events of an urgent chunk count `limits.URGENT_WEIGHT` times.
        """
        chunks: list[Chunk] = []
        budget = max_events
        for source in list(self._urgent):
            if budget <= 0:
                break
            budget = self._drain(source, chunks, budget, to_last_urgent=True)
        for source in list(self._queues):
            if budget <= 0:
                break
            budget = self._drain(source, chunks, budget, to_last_urgent=False)
        orders, self._orders = self._orders, []
        return chunks, orders

    def _drain(self, source: str, into: list[Chunk], budget: int, *, to_last_urgent: bool) -> int:
        queue = self._queues.get(source)
        if queue is None:
            return budget
        while queue and budget > 0:
            if to_last_urgent and source not in self._urgent:
                break
            chunk = queue.popleft()
            into.append(chunk)
            budget -= len(chunk.items) * (limits.URGENT_WEIGHT if chunk.urgent else 1)
            self._held_bytes -= sum(map(len, chunk.raws))
            if chunk.urgent:
                left = self._urgent[source] - 1
                if left:
                    self._urgent[source] = left
                else:
                    del self._urgent[source]
        if not queue:
            del self._queues[source]
        else:
            # Served once: it goes behind the sources that have waited longer, among the urgent ones too.
            self._queues[source] = self._queues.pop(source)
            if source in self._urgent:
                self._urgent[source] = self._urgent.pop(source)
        return budget
