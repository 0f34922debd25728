"""What to do when the engine itself fails: find the one event or order that it fails on, refuse it, and go on.

Place in the flow: between the inlet and the engine. A fault in the middle of a batch is ours, and it leaves the live state
half changed; so the life ends and another one recovers what is committed. But the sources send the same batch again, and the
centre would fail for ever. So the quarantine outlives the lives: the batch of a fault is suspect, and the next life hands its
events and orders to the engine one by one. The one on which the engine fails again is refused from then on, stored and
answered with `internal_fault` (invariant 4).

A fault in what time does comes without any event and would come again in every life. A term's leaves out its incident's terms,
another part's (`core.vocabulary.Part`) that part, each until the process ends. Where crews are found for several incidents at
once, they are first found for one after another, and then not any more for the one on which the engine fails: whoever has it in
hand sends them. Scenarios, a roster or patrol routes on which the engine fails as they come into force are refused, and those
before them stay.

Rules: what is not suspect goes to the engine in whole batches as always; a source's order is never changed; no event and no
order is refused that has not failed all by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from core.events import Chunk, Rejected
from core.instant import Micros
from core.left_out import LeftOut
from core.patrol import PatrolRoute
from core.roster.model import Roster
from core.scenario import ScenarioSet
from core.state import Batch, CentreState
from core.vocabulary import IncidentId, Part, RejectCode

News = ScenarioSet | Roster | tuple[PatrolRoute, ...]
"""What may come into force: as values, for the batch that brings them is spent in its life."""
_TEXT: Final = "the centre has failed on this event; it is kept for its makers to look into"


class EngineFaultError(Exception):
    """The engine has failed: the life must end, and the next one knows from the quarantine what to be careful with."""


class Quarantine:
    """Suspects and culprits of engine faults; one for all lives of a process.

    Bounded by faults: each life that ends of one adds one batch's suspects or one culprit. Of what may come into force it keeps
    what was refused last and what was in force last, one of each kind.
    """

    def __init__(self) -> None:
        self._suspect_until: dict[str, int] = {}
        """Source → last `seq` of its suspects."""
        self._suspect_orders: set[str] = set()
        self._culprits: set[tuple[str, int]] = set()
        self._culprit_orders: set[str] = set()
        self._left_out: dict[tuple[Part, IncidentId | None, bool], LeftOut] = {}
        self._tried: dict[Part, News] = {}
        """What the life in hand began with, until a batch has gone well."""
        self._in_force: dict[Part, News] = {}
        """What has been in force in a batch that went well."""
        self._refused: dict[Part, News] = {}

    @property
    def is_careful(self) -> bool:
        """Whether anything is suspect, so that terms must be decided on their own before events are."""
        return bool(self._suspect_until or self._suspect_orders)

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """What the next life does without."""
        return tuple(self._left_out.values())

    def begin(self, part: Part, news: News) -> News | None:
        """What a life begins with: these scenarios or routes, or those before them where the engine has failed on these.

        Returns:
            None where it has failed on the first of all.
        """
        chosen = self._in_force.get(part) if self._is_refused(part, news) else news
        self._tried.pop(part, None)
        if chosen is not None:
            self._tried[part] = chosen
        return chosen

    def admit(self, batch: Batch) -> Batch | None:
        """A batch with what is to come into force, or in its stead one with the roster that was in force before.

        Returns:
            The batch itself; another one, or None, where the engine has failed on what it brings. Scenarios and routes need no
            other one: a life begins with those that were in force.
        """
        brought = _news_of(batch)
        if brought is None or not self._is_refused(*brought):
            return batch
        before = self._in_force.get(brought[0])
        return Batch([], [], {}, roster=before) if isinstance(before, Roster) else None

    def went_well(self, batch: Batch) -> None:
        """Notes that the engine has decided a batch: what it brought, and what the life began with, is in force."""
        if self._tried:
            self._in_force.update(self._tried)
            self._tried.clear()
        brought = _news_of(batch)
        if brought is not None:
            part, news = brought
            if not self._is_in_force(part, news):
                # Something newer than what was refused has come into force.
                self._left_out.pop((part, None, True), None)
            self._in_force[part] = news

    def blame(self, batch: Batch, state: CentreState, now_us: Micros) -> str:
        """Notes a batch that the engine has failed on. Returns what is suspect or found out, for a person to read.

        Args:
            batch: as it was handed to the engine.
            state: of the engine, as the fault has left it: it says what was being done.
            now_us: when.
        """
        if state.firing is not None:
            return self._leave_out(LeftOut(now_us, Part.TERMS, state.firing))
        events = [(chunk.source, item.seq) for chunk in batch.chunks for item in chunk.items if not isinstance(item, Rejected)]
        orders = [order.command.command_id for order in batch.orders]
        # An incident that the batch has opened goes with its event.
        asking = {number for number in state.asking if number not in state.changed or not state.changed[number][1]}
        if asking and len(asking) == len(set(state.asking)) and len(events) + len(orders) <= 1:
            number = asking.pop() if len(asking) == 1 else None
            return self._leave_out(LeftOut(now_us, Part.TOGETHER if number is None else Part.CREWS, number))
        brought, doing = _news_of(batch), state.doing
        if brought is not None and doing in (brought[0], None) and not self._is_in_force(*brought):
            return self._refuse(*brought, now_us)
        if doing is not None:
            tried = self._tried.get(doing)
            if tried is not None and not self._is_in_force(doing, tried):
                return self._refuse(doing, tried, now_us)
            return self._leave_out(LeftOut(now_us, doing))
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

    def _leave_out(self, one: LeftOut) -> str:
        self._left_out[one.part, one.incident_id, one.is_refused] = one
        if one.is_refused:
            return f"new {one.part.value}: refused, what was before stays"
        of = "" if one.incident_id is None else f" of incident {one.incident_id}"
        return f"{one.part.value}{of}: left out until the process ends"

    def _refuse(self, part: Part, news: News, now_us: Micros) -> str:
        self._refused[part] = news
        return self._leave_out(LeftOut(now_us, part, is_refused=True))

    def _is_refused(self, part: Part, news: News) -> bool:
        refused = self._refused.get(part)
        return refused is not None and _is_same(refused, news)

    def _is_in_force(self, part: Part, news: News) -> bool:
        before = self._in_force.get(part)
        return before is not None and _is_same(before, news)

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


def _news_of(batch: Batch) -> tuple[Part, News] | None:
    if batch.scenarios is not None:
        return Part.SCENARIOS, batch.scenarios
    if batch.roster is not None:
        return Part.ROSTER, batch.roster
    return None if batch.patrols is None else (Part.PATROLS, batch.patrols.routes)


def _is_same(one: News, other: News) -> bool:
    """By what they say: the same file read twice is the same."""
    if isinstance(one, ScenarioSet) or isinstance(other, ScenarioSet):
        return tuple(one) == tuple(other) if isinstance(one, ScenarioSet) and isinstance(other, ScenarioSet) else False
    return one == other


def _singles(chunk: Chunk) -> Iterator[Chunk]:
    """The chunk's items one by one, each acknowledging itself and nothing that follows."""
    numbered = [item.seq for item in chunk.items if item.seq is not None]
    last_seq = numbered[0] - 1
    for item, raw in zip(chunk.items, chunk.raws, strict=True):
        last_seq = last_seq if item.seq is None else item.seq
        yield msgspec.structs.replace(chunk, items=[item], raws=[raw], last_seq=last_seq)
