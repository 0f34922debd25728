"""What to do when the engine itself fails: find the one event or order that it fails on, refuse it, and go on.

Place in the flow: between the inlet and the engine. A fault in the middle of a batch is ours, and it leaves the live state
half changed; so the life ends and another one recovers what is committed. But the sources send the same batch again, and the
centre would fail for ever. So the quarantine outlives the lives: the batch of a fault is suspect, and the next life hands its
events and orders to the engine one by one. The one on which the engine fails again is refused from then on, stored and
answered with `internal_fault` (invariant 4). A fault of a term, which comes without any event, mutes its incident's terms.

Rules: what is not suspect goes to the engine in whole batches as always; a source's order is never changed; nothing is refused
that has not failed all by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from core.events import Chunk, Rejected
from core.state import Batch
from core.vocabulary import IncidentId, RejectCode

_TEXT: Final = "the centre has failed on this event; it is kept for its makers to look into"


class EngineFaultError(Exception):
    """The engine has failed: the life must end, and the next one knows from the quarantine what to be careful with."""


class Quarantine:
    """Suspects and culprits of engine faults; one for all lives of a process.

    Bounded by faults: each life that ends of one adds one batch's suspects or one culprit.
    """

    def __init__(self) -> None:
        self._suspect_until: dict[str, int] = {}
        """Source → last `seq` of its suspects."""
        self._suspect_orders: set[str] = set()
        self._culprits: set[tuple[str, int]] = set()
        self._culprit_orders: set[str] = set()
        self._muted: set[IncidentId] = set()

    @property
    def is_careful(self) -> bool:
        """Whether anything is suspect, so that terms must be decided on their own before events are."""
        return bool(self._suspect_until or self._suspect_orders)

    @property
    def muted(self) -> frozenset[IncidentId]:
        """Incidents whose terms are not fired because the engine failed on them."""
        return frozenset(self._muted)

    def blame(self, batch: Batch, firing: IncidentId | None) -> str:
        """Notes a batch that the engine has failed on. Returns what is suspect or found out, for a person to read.

        Args:
            batch: as it was handed to the engine.
            firing: the incident whose term was being fired, or None.
        """
        if firing is not None:
            self._muted.add(firing)
            return f"a term of incident {firing}: its terms are muted"
        events = [(chunk.source, item.seq) for chunk in batch.chunks for item in chunk.items if not isinstance(item, Rejected)]
        orders = [order.command.command_id for order in batch.orders]
        match events, orders:
            case [event], []:
                self._culprits.add(event)
                return f"event {event[0]}/{event[1]}: refused from now on"
            case [], [order]:
                self._culprit_orders.add(order)
                return f"order {order}: refused from now on"
        for source, seq in events:
            self._suspect_until[source] = max(seq, self._suspect_until.get(source, 0))
        self._suspect_orders.update(orders)
        return f"{len(events)} events and {len(orders)} orders are suspect"

    def portions(self, batch: Batch) -> Iterator[Batch]:
        """The batch as the engine is to get it: whole while nothing is suspect, else each suspect alone, in order.

        A suspect for which the next portion is asked has proved harmless.
        """
        if not (self.is_careful or self._culprits or self._culprit_orders):
            yield batch
            return
        together: list[Chunk] = []
        for chunk in map(self._without_culprits, batch.chunks):
            if not self._is_suspect(chunk):
                together.append(chunk)
                continue
            if together:
                yield msgspec.structs.replace(batch, chunks=together, orders=[])
                together = []
            for single in _singles(chunk):
                yield msgspec.structs.replace(batch, chunks=[single], orders=[])
            if chunk.last_seq >= self._suspect_until[chunk.source]:
                del self._suspect_until[chunk.source]
        refused = [order for order in batch.orders if order.command.command_id in self._culprit_orders]
        harmless = [
            order for order in batch.orders if order.command.command_id not in self._culprit_orders | self._suspect_orders
        ]
        yield msgspec.structs.replace(batch, chunks=together, orders=harmless, refused=refused)
        for order in batch.orders:
            if order.command.command_id in self._suspect_orders:
                yield msgspec.structs.replace(batch, chunks=[], orders=[order])
                self._suspect_orders.discard(order.command.command_id)

    def _is_suspect(self, chunk: Chunk) -> bool:
        until = self._suspect_until.get(chunk.source, 0)
        first = next((item.seq for item in chunk.items if item.seq is not None), None)
        if first is not None and until < first:
            self._suspect_until.pop(chunk.source, None)  # all of them were committed before the fault
        return first is not None and first <= until

    def _without_culprits(self, chunk: Chunk) -> Chunk:
        if not any((chunk.source, item.seq) in self._culprits for item in chunk.items):
            return chunk
        items = [
            Rejected(item.seq, RejectCode.INTERNAL_FAULT, "$", _TEXT) if (chunk.source, item.seq) in self._culprits else item
            for item in chunk.items
        ]
        return msgspec.structs.replace(chunk, items=items)


def _singles(chunk: Chunk) -> Iterator[Chunk]:
    """The chunk's items one by one, each acknowledging itself and nothing that follows."""
    numbered = [item.seq for item in chunk.items if item.seq is not None]
    last_seq = numbered[0] - 1
    for item, raw in zip(chunk.items, chunk.raws, strict=True):
        last_seq = last_seq if item.seq is None else item.seq
        yield msgspec.structs.replace(chunk, items=[item], raws=[raw], last_seq=last_seq)
