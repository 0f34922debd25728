"""Simulated sources: what they say, what they say wrongly, and that they say again whatever is not acknowledged.

A source keeps its frames until they are acknowledged, as `protocols.ingest.client_session` does for integrators, but it also
does what that one never would: malformed frames, unknown kinds, repeats, gaps, a memory that is lost.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import msgspec

from core.events import AnyEvent
from core.instant import SECOND_US
from protocols.ingest.codec import decode_from_centre
from protocols.ingest.frame import LengthReader, LineReader, frame_body, frame_line
from protocols.ingest.message import PROTOCOL, Ack, EventError, Framing, Goodbye, Hello, SourceGoodbye, Welcome
from tests.simulation.network import Link

if TYPE_CHECKING:
    from tests.simulation.world import World

_RECONNECT_US: Final = 400_000
_BURST: Final = 6
_TO_JSON: Final = msgspec.json.encode

Saying = Callable[["World"], list[AnyEvent]]
"""What a source says next; the seq is the source's to set."""


class Sent(msgspec.Struct, frozen=True):
    """One frame of a source's stream. `seq` is None for one that nobody can read; `after` is the last number before it."""

    seq: int | None
    after: int
    frame: bytes
    token: bytes
    """Something that the stored raw bytes of an unreadable frame contain."""
    faulty: bool

    def is_covered(self, seq: int) -> bool:
        """Whether an acknowledgement tells that it was heard: of an unreadable one, something behind it must be."""
        return self.seq <= seq if self.seq is not None else self.after < seq


class Source:
    """An integrator's system.

    Args:
        world: where it lives.
        name: the source's name.
        framing: how its frames follow one another.
        saying: gives its next events.
        interval_us: mean time between two of its bursts.
    """

    def __init__(self, world: World, name: str, framing: Framing, saying: Saying, interval_us: int) -> None:
        self.world = world
        self.name = name
        self.framing = framing
        self.saying = saying
        self.interval_us = interval_us
        self.stream: list[Sent] = []
        """Everything said so far that is not acknowledged."""
        self.next_seq = 1
        self.acked_seq = 0
        self.lost: set[int] = set()
        """Numbers declared lost."""
        self.errors: set[int] = set()
        """Numbers answered with an error on the present connection."""
        self._welcomed_seq = 0
        self._link: Link | None = None
        self._reader: LineReader | LengthReader | None = None
        self._sent = 0
        """Frames of `stream` sent on the present connection."""
        self._welcomed = False
        world.agenda.after(world.agenda.delay_us(SECOND_US), self.connect)
        world.agenda.after(world.agenda.delay_us(SECOND_US), self._speak)

    @property
    def is_done(self) -> bool:
        """Whether everything is acknowledged; an unreadable last frame never is."""
        return not any(sent.seq is not None for sent in self.stream)

    @property
    def link(self) -> Link | None:
        """The present connection."""
        return self._link

    def connect(self) -> None:
        """Opens a connection, if there is a centre and none is open."""
        world = self.world
        if self._link is not None:
            return
        life = world.reachable_life()
        if life is None:
            world.agenda.after(world.agenda.delay_us(_RECONNECT_US), self.connect)
            return
        if self.stream and world.agenda.chance(world.faults.bad_order_share):
            self.lost.update(range(self.acked_seq + 1, self.next_seq))
            self.stream.clear()
            world.agenda.tell(f"{self.name} has lost everything up to {self.next_seq - 1}")
        last_lost = max(self.lost, default=0)
        first_seq = last_lost + 1 if last_lost > self.acked_seq else None
        self._reader, self._welcomed, self._sent = None, False, 0
        self._link = link = Link(world.agenda, world.faults, self, world.checks.sent_to_source)
        life.connect(link)
        hello = Hello(
            protocol=PROTOCOL, token=f"token-of-{self.name}", source=self.name, framing=self.framing, first_seq=first_seq
        )
        link.send(frame_line(_TO_JSON(hello)))

    def received(self, link: Link, data: bytes) -> None:
        """The centre has said something."""
        if link is not self._link:
            return
        if self._reader is None:
            ndjson = data[:1] == b"{" or self.framing is Framing.NDJSON
            self._reader = LineReader(1_000_000) if ndjson else LengthReader(1_000_000)
        framing = Framing.NDJSON if isinstance(self._reader, LineReader) else Framing.MSGPACK
        for frame in self._reader.feed(data):
            message = decode_from_centre(framing, frame)
            match message:
                case Welcome():
                    self._welcomed, self._welcomed_seq = True, message.committed_seq
                    self.errors.clear()
                    self._acknowledged(message.committed_seq, by_ack=False)
                    self._sent = 0
                    self._send()
                case Ack():
                    self._acknowledged(message.seq, by_ack=True)
                case EventError():
                    if message.seq is not None:
                        self.errors.add(message.seq)
                case Goodbye():
                    self.world.agenda.tell(f"{self.name} hears goodbye {message.reason.value}: {message.text}")
                case _:
                    pass

    def disconnected(self, link: Link) -> None:
        """The connection is gone."""
        if link is self._link:
            self._link, self._welcomed = None, False
            self.world.agenda.after(self.world.agenda.delay_us(_RECONNECT_US), self.connect)

    def say(self, events: list[AnyEvent]) -> None:
        """Numbers events, keeps them, and sends them when connected."""
        for event in events:
            self._keep(msgspec.structs.replace(event, seq=self.next_seq))
        self._send()

    def _speak(self) -> None:
        world = self.world
        if world.ending:
            return
        if len(self.stream) < 200:
            self.say(self.saying(world))
        world.agenda.after(world.agenda.delay_us(self.interval_us), self._speak)

    def insist(self) -> None:
        """Says again on this connection what is not acknowledged."""
        self._sent = 0
        self._send()

    def _keep(self, event: AnyEvent) -> None:
        agenda, faults = self.world.agenda, self.world.faults
        seq = self.next_seq
        tree = msgspec.to_builtins(event)
        tree["extra"] = f"{self.name}-{seq}"
        faulty = agenda.chance(faults.bad_frame_share)
        if faulty:
            which = agenda.rng.randrange(5)
            if which == 0:
                token = f"garbage-{self.name}-{seq}-{len(self.stream)}"
                self.stream.append(Sent(None, seq - 1, self._frame({"kind": "call", "words": token}), token.encode(), True))
                # Nobody can say whether it would have been an event: some sources have counted it, some have not.
                self.next_seq += agenda.rng.randrange(2)
                return
            if which == 1:
                tree["kind"] = "telepathy"
            elif which == 2:
                tree["at"] = "yesterday"
            elif which == 3:
                tree["at"] = "2099-01-01T00:00:00Z"
            else:
                tree["fix"] = {"latitude_deg": 1234.5, "longitude_deg": 0.0}
                faulty = "fix" in type(event).__struct_fields__
        self.stream.append(Sent(seq, seq - 1, self._frame(tree), b"", faulty))
        self.next_seq += 1

    def _frame(self, tree: dict[str, object]) -> bytes:
        if self.framing is Framing.NDJSON:
            return frame_line(_TO_JSON(tree))
        return frame_body(msgspec.msgpack.encode(tree))

    def _send(self) -> None:
        world = self.world
        if not self._welcomed or self._link is None:
            return
        if self._sent and world.agenda.chance(world.faults.bad_order_share):
            # It says again what it has said on this connection, or forgets to say something.
            self._sent = max(0, self._sent - 1 - world.agenda.rng.randrange(3))
            # An unreadable frame excuses a gap behind it, for it may have been the event that is missing: so one or the other.
            if not world.faults.bad_frame_share and world.agenda.chance(0.3):
                self._sent += 2
        frames = [sent.frame for sent in self.stream[self._sent :]]
        self._sent = len(self.stream)
        for start in range(0, len(frames), _BURST):
            self._link.send(b"".join(frames[start : start + _BURST]))

    def _acknowledged(self, seq: int, *, by_ack: bool) -> None:
        if seq > self.acked_seq:
            self.world.checks.acknowledged(self, seq, by_ack=by_ack)
            self.acked_seq = seq
        self.next_seq = max(self.next_seq, seq + 1)
        before = len(self.stream)
        self.stream = [sent for sent in self.stream if not sent.is_covered(seq)]
        self._sent = max(0, self._sent - (before - len(self.stream)))

    def goodbye(self) -> None:
        """Ends the connection in order."""
        if self._welcomed and self._link is not None:
            if self.framing is Framing.NDJSON:
                self._link.send(frame_line(_TO_JSON(SourceGoodbye(reason="done"))))
            else:
                self._link.send(frame_body(msgspec.msgpack.encode(SourceGoodbye(reason="done"))))
