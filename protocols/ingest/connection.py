"""One ingest connection: a session, the wire it speaks over, and the carrying out of what the session says.

Place in the flow: **bytes → frame → message → event**. TCP and WebSocket differ only in the `Wire`; all else is here once.
Runs on the asyncio loop's thread; nothing here waits.
"""

from __future__ import annotations

from time import perf_counter
from typing import Protocol, assert_never

from core.events import Chunk, Rejected
from core.instant import Micros
from protocols.ingest.message import GoodbyeReason, Hello
from protocols.ingest.session import IngestSession
from protocols.ingest.state import (
    Close,
    Greet,
    Hold,
    Instruction,
    Offer,
    PauseReading,
    ResumeReading,
    Send,
    SessionLimits,
)


class Wire(Protocol):
    """What a transport does for a connection. No method raises, whatever has become of the transport."""

    def write(self, data: bytes) -> None:
        """Sends whole frames, buffering what the peer does not take at once."""

    def close(self, reason: GoodbyeReason) -> None:
        """Sends what is buffered, then closes; within a few seconds whatever the peer does."""

    def abort(self) -> None:
        """Closes at once."""

    def pause_reading(self) -> None:
        """Lets TCP slow the peer."""

    def resume_reading(self) -> None:
        """Reads again."""


class Registry(Protocol):
    """What a connection needs of the hub."""

    def now_us(self) -> Micros:
        """The centre's time."""

    def greet(self, connection: Connection, hello: Hello) -> None:
        """Decides on a hello: calls `welcome` or `refuse` on the connection."""

    def offer(self, connection: Connection, chunk: Chunk) -> None:
        """Takes a chunk for the inlet."""

    def decoded(self, took_s: float) -> None:
        """The connection has made what it read into messages, which took so long."""

    def ahead(self, connection: Connection, wake_us: Micros) -> None:
        """The source is ahead of its rate; `tick` is wanted at `wake_us`."""

    def closing(self, connection: Connection, reason: GoodbyeReason) -> None:
        """The connection's session is over; the wire may live on for a moment."""

    def lost(self, connection: Connection) -> None:
        """The wire is gone."""


class Connection:
    """Carries out a session's instructions on a wire."""

    def __init__(self, registry: Registry, wire: Wire, session_limits: SessionLimits) -> None:
        self._registry = registry
        self._wire = wire
        self.session = IngestSession(registry.now_us(), session_limits)

    def received(self, data: bytes, *, ends_message: bool = False) -> None:
        """The wire has read bytes."""
        began_s = perf_counter()
        instructions = self.session.receive_data(data, self._registry.now_us(), ends_message=ends_message)
        self._registry.decoded(perf_counter() - began_s)
        self._carry_out(instructions)
        wake_us = self.session.wake_us
        if wake_us is not None:
            self._registry.ahead(self, wake_us)

    def ended(self) -> None:
        """The peer has closed its sending half."""
        self._carry_out(self.session.receive_eof(self._registry.now_us()))

    def lost(self) -> None:
        """The wire is gone."""
        self.session.disconnected()
        self._registry.lost(self)

    def writing_blocked(self) -> None:
        """The peer takes less than is sent; it is not read until it does."""
        self.hold(Hold.WRITE)

    def writing_freed(self) -> None:
        """The peer has taken what was sent."""
        self.release(Hold.WRITE)

    def welcome(self, session: str, committed_seq: int) -> None:
        """Lets the source in."""
        self._carry_out(self.session.welcome(session, committed_seq, self._registry.now_us()))

    def refuse(self, reason: GoodbyeReason, text: str) -> None:
        """Says goodbye and closes."""
        self._carry_out(self.session.refuse(reason, text, self._registry.now_us()))

    def committed(self, seq: int, rejected: list[Rejected]) -> None:
        """Events of the source are committed."""
        self._carry_out(self.session.committed(seq, rejected, self._registry.now_us()))

    def drain(self, reason: GoodbyeReason) -> None:
        """Takes nothing more."""
        self._carry_out(self.session.drain(reason, self._registry.now_us()))

    def tick(self, now_us: Micros) -> None:
        """The session's clocks."""
        self._carry_out(self.session.tick(now_us))

    def hold(self, reason: Hold) -> None:
        """Stops reading for a reason."""
        self._carry_out(self.session.hold(reason, self._registry.now_us()))

    def release(self, reason: Hold) -> None:
        """Takes the reason back."""
        self._carry_out(self.session.release(reason, self._registry.now_us()))

    def abort(self) -> None:
        """Cuts the wire."""
        self._wire.abort()

    def _carry_out(self, instructions: list[Instruction]) -> None:
        for instruction in instructions:
            match instruction:
                case Offer(chunk=chunk):
                    self._registry.offer(self, chunk)
                case Send(data=data):
                    self._wire.write(data)
                case Greet(hello=hello):
                    self._registry.greet(self, hello)
                case PauseReading() | ResumeReading():
                    # A write may block at once and hold the session anew before this instruction's turn has come, so what
                    # counts is how the session stands now.
                    if self.session.holds:
                        self._wire.pause_reading()
                    else:
                        self._wire.resume_reading()
                case Close(reason=reason, at_once=at_once):
                    self._registry.closing(self, reason)
                    if at_once:
                        self._wire.abort()
                    else:
                        self._wire.close(reason)
                case _:
                    assert_never(instruction)
