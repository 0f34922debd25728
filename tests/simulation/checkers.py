"""The invariants of ARCHITECTURE.md as checks, made at the very moment something is decided, committed, told or heard.

Each failure is a `Violation` that names the invariant. The log's own checks are in `log_checker`, the engine's
in `engine_checker`; what only holds when everything has come to rest is `at_rest`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from core.decisions import Decisions
from core.events import Chunk
from core.incident import fold
from core.vocabulary import Mode
from protocols.dispatch.codec import decode_centre
from protocols.dispatch.message import Answer, Changes, Snapshot, Welcome
from protocols.dispatch.subscription import Subscription
from protocols.ingest.codec import decode_from_centre
from protocols.ingest.frame import LengthReader, LineReader
from protocols.ingest.message import Ack, Framing
from tests.simulation.crew_checker import CrewChecker
from tests.simulation.engine_checker import check_decided, check_recovered
from tests.simulation.log_checker import LogChecker, Violation
from tests.simulation.network import Link
from tests.simulation.patrol_checker import PatrolChecker
from tests.simulation.places import SESSION_LIMITS

if TYPE_CHECKING:
    from tests.simulation.clients import DispatchClient
    from tests.simulation.process import Life
    from tests.simulation.sources import Source
    from tests.simulation.world import World

READ_EVENTS: Final = 8
"""Events that one read may bring beyond the window; a burst of a source and the loss that it declares."""
READ_BYTES: Final = 2_500
DEEP_BATCHES: Final = 20
"""Every so many batches the live engine is compared with one that has recovered."""


class _Head(msgspec.Struct, frozen=True):
    incident_id: int
    version: int


_head: Final = msgspec.json.Decoder(_Head).decode


class Checks:
    """All checks of one world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.log = LogChecker()
        self.patrols = PatrolChecker()
        self.crews = CrewChecker()
        self.made = 0
        """Checks made so far."""
        self._views: dict[tuple[int, int], bytes] = {}
        """(incident, version) → view, as committed."""
        self._next_deep = DEEP_BATCHES

    def require(self, invariant: int, holds: bool, text: str, *values: object) -> None:
        """Raises `Violation` unless it holds. Values stand in the text at each `{}`: they are millions, and seldom wanted."""
        self.made += 1
        if not holds:
            raise Violation(invariant, text.format(*values) if values else text)

    # Ingest.

    def sent_to_source(self, link: Link, data: bytes) -> None:
        """1: an acknowledgement that leaves the centre is of something committed."""
        assert link.connection is not None
        session = link.connection.session
        ndjson = session.framing is Framing.NDJSON or data[:1] == b"{"
        reader = LineReader(1_000_000) if ndjson else LengthReader(1_000_000)
        for frame in reader.feed(data):
            message = decode_from_centre(Framing.NDJSON if ndjson else Framing.MSGPACK, frame)
            if isinstance(message, Ack):
                committed = self._world.store.high_water.get(session.source, 0)
                self.require(1, message.seq <= committed, f"{session.source} is told {message.seq}, committed is {committed}")

    def acknowledged(self, source: Source, seq: int, *, by_ack: bool) -> None:
        """4: whatever is acknowledged is stored as event, position or refused, and the refused were answered."""
        store = self._world.store
        name = source.name
        for sent in source.stream:
            if not sent.is_covered(seq):
                continue
            if sent.seq is None:
                found = any(sent.token in raw for raw in store.malformed.get(name, ()))
                self.require(4, found, f"{name}: an unreadable frame after {sent.after} is dropped in silence ({sent.token!r})")
                continue
            key = (name, sent.seq)
            kept = key in store.events or key in store.positions_taken or key in store.rejected
            self.require(4, kept, f"{name}/{sent.seq} is acknowledged and nowhere stored")
            self.require(4, not sent.faulty or key in store.rejected, f"{name}/{sent.seq} is faulty and accepted")
            if by_ack and key in store.rejected:
                self.require(4, sent.seq in source.errors, f"{name}/{sent.seq} is refused and was not answered with an error")

    def taken(self, life: Life, chunks: list[Chunk]) -> None:
        """9: urgent sources go before the others."""
        waiting = life.inlet.urgent_sources
        if waiting:
            hasty = [chunk.source for chunk in chunks if chunk.source not in waiting and not _leads_to_urgent(chunk, chunks)]
            self.require(9, not hasty, f"{hasty} go before {waiting}, who have something urgent")

    def bounded(self, life: Life) -> None:
        """8: what a source may bring is bounded, however often it comes back."""
        inlet = life.inlet
        for connection in life.hub.links:
            session = connection.session
            events = session.unacknowledged_events
            within = events < SESSION_LIMITS.window_events + READ_EVENTS
            self.require(8, within, "{} has {} events under way", session.source, events)
            held_bytes = inlet.held_of(session.source)
            most = 2 * SESSION_LIMITS.window_bytes + READ_BYTES
            text = "{} has {} bytes in the inlet, {} are allowed"
            self.require(8, held_bytes <= most, text, session.source, held_bytes, most)

    # The engine.

    def decided(self, life: Life, decisions: Decisions | None) -> None:
        """5, 6, and the queue: what must hold of the live state after every batch."""
        check_decided(life.engine, decisions, self.require)

    # Storage.

    def committed(self, decisions: Decisions) -> None:
        """3, 5, 7, 11: a transaction has become durable."""
        modes = [Mode(msgspec.json.decode(one.body)["mode"]) for one in decisions.centre_log if one.fact == "mode_set"]
        self.log.take(decisions.log, modes)
        self.patrols.take(decisions)
        self.crews.take(decisions)
        for change in decisions.incidents:
            self.log.check_view(change)
            self._views[change.incident_id, change.version] = change.view
        self.made += len(decisions.log) + len(decisions.incidents)
        seqs: dict[str, int] = {}
        for taken in decisions.taken:
            for item in taken.chunk.items[taken.skip :]:
                if item.seq is not None:
                    known = seqs.get(taken.chunk.source, 0)
                    self.require(3, item.seq > known, f"{taken.chunk.source}: {item.seq} after {known}")
                    seqs[taken.chunk.source] = item.seq
        for source, seq in seqs.items():
            self.require(3, decisions.high_water.get(source, 0) >= seq, f"the high-water mark of {source} lies below {seq}")

    def committed_by(self, life: Life) -> None:
        """7: now and then the engine is compared with one that has recovered from what is committed."""
        store = self._world.store
        if store.last_batch >= self._next_deep and life.at_rest and life.epoch == store.epoch:
            self._next_deep = store.last_batch + DEEP_BATCHES
            self.recovers(life)

    def recovers(self, life: Life) -> None:
        """7: an engine that recovers now equals the live one."""
        check_recovered(life.engine, self._world.store.recovered(), self.require)

    # Dispatch.

    def published(self, life: Life, subscription: Subscription, payload: bytes) -> None:
        """2, 8: what leaves for a client is committed; what waits for it is bounded."""
        message = decode_centre(payload)
        assert isinstance(message, Snapshot | Changes)
        for view in message.incidents:
            head = _head(view)
            known = self._views.get((head.incident_id, head.version))
            self.require(
                2, known == bytes(view), f"{subscription.id} is told {head.incident_id} v{head.version}, which is not committed"
            )
        last = self._world.store.last_batch
        self.require(2, message.cursor <= last, f"cursor {message.cursor} is told, batch {last} is committed")

    def welcomed(self, client: DispatchClient, message: Welcome) -> None:
        """2: a cursor told is committed."""
        last = self._world.store.last_batch
        self.require(2, message.cursor <= last, f"{client.token} is welcomed at {message.cursor}, batch {last} is committed")

    def answered(self, answer: Answer) -> None:
        """2: an answer told is committed, as it was told."""
        known = self._world.store.answers.get(answer.command_id)
        same = known is not None and (known.done, known.incident_id, known.reason, known.text) == (
            answer.done,
            answer.incident,
            answer.reason,
            answer.text,
        )
        self.require(2, same, f"{answer.command_id} is answered {answer}, committed is {known}")

    # At the end.

    def heard_out(self) -> None:
        """3, 4: nobody waits for ever for an acknowledgement or an answer."""
        for source in self._world.sources:
            self.require(4, source.is_done, f"{source.name} waits for ever for {len(source.stream)} acknowledgements")
        for client in self._world.clients:
            self.require(3, not client.unanswered, f"{client.token} waits for ever for {sorted(client.unanswered)}")

    def at_rest(self, life: Life) -> None:
        """What holds once nothing goes wrong any more, everything was said, and everybody was told."""
        store = self._world.store
        self.require(7, life.at_rest and life.epoch == store.epoch, "the centre has not come to rest")
        self.recovers(life)
        self._check_mirrors(life)
        self._check_told()
        entries: dict[int, list[int]] = {}
        for index, entry in enumerate(store.log):
            entries.setdefault(entry.incident_id, []).append(index)
        self.require(7, entries.keys() == store.incidents.keys(), "the log and the incidents are not of the same")
        for number, change in store.incidents.items():
            view = fold(store.log[index] for index in entries[number])
            self.require(7, view == change.view, f"incident {number}: the log does not give its view")

    def _check_mirrors(self, life: Life) -> None:
        """10: every client holds what is committed and matches, no more and no less."""
        store = self._world.store
        for client, subscription in life.desk.subscriptions:
            selection = subscription.audience.selection
            mirror = next(one.mirror for one in self._world.clients if one.token == client.operator)
            expected = {
                one.incident_id: one.view for one in store.incidents.values() if one.closed_us is None and selection.takes(one)
            }
            self.require(10, mirror.incidents == expected, f"{client.operator} holds other incidents than are committed")
            crews = {one.crew_id: one.view for one in store.crews.values() if selection.takes_crew(one.crew_id, one.territory)}
            self.require(10, mirror.crews == crews, f"{client.operator} holds other crews than are committed")

    def _check_told(self) -> None:
        """3: an event tells of one incident, once; what an incident tells of is stored."""
        store = self._world.store
        where: dict[str, int] = {}
        for number, incident in self.log.incidents.items():
            if incident.merged_into is not None:
                continue
            for joined in incident.told:
                self.require(3, joined.event not in where, f"{joined.event} is told by {where.get(joined.event)} and {number}")
                where[joined.event] = number
                if not joined.event.startswith("command:"):
                    source, _, seq = joined.event.partition("/")
                    self.require(3, (source, int(seq)) in store.events, f"{joined.event} is told and not stored")
            self.require(
                3, incident.event_count == len(incident.told), f"incident {number} counts {incident.event_count} events"
            )


def _leads_to_urgent(chunk: Chunk, chunks: list[Chunk]) -> bool:
    """Whether a chunk is urgent, or lies before an urgent one of its source."""
    place = next(index for index, other in enumerate(chunks) if other is chunk)
    return any(other.urgent and other.source == chunk.source for other in chunks[place:])
