"""The centre's end of one ingest connection, without I/O: bytes and facts in, instructions out.

Place in the flow: **bytes → frame → message → event**, and after the commit the way back. The session knows its source's
sequence, its window and its clocks; it opens no socket and reads no time. Whoever holds the socket (`connection.py`) carries
out what it says.

Rules:
- Every method that may change the session returns the instructions to carry out, in order, or an empty list.
- `state.MOVES` is all that can happen to a session; a happening that its state lacks is not a move and changes nothing.
- Seqs rise by one from `committed_seq + 1`. One that was taken before is passed over: the cumulative acknowledgement covers it.
  After m malformed frames the next event may skip up to m seqs, for any of the frames may have been an event.
- Nothing is acknowledged but by `committed`, which is called after the commit (invariant 1).
- The window bounds what is taken and not committed; beyond it, and beyond the rate, reading stops and TCP slows the source.
Requirements: CITY-1, CITY-2; invariants 1, 3, 4, 8, 9.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from datetime import UTC, datetime, timedelta
from typing import Final, cast

import msgspec

from core.allowance import Allowance
from core.events import FUTURE_TOLERANCE_S, URGENT, AnyEvent, Chunk, Rejected
from core.instant import SECOND_US, Micros
from core.vocabulary import RejectCode
from protocols.ingest.codec import Item, decode_bodies, decode_lines, encode, storable
from protocols.ingest.frame import FrameReader, LengthReader, LineReader
from protocols.ingest.greeting import BadHelloError, Greeting
from protocols.ingest.message import (
    CONTROL,
    PROTOCOL,
    Ack,
    EventError,
    Framing,
    FromCentre,
    Goodbye,
    GoodbyeReason,
    Heartbeat,
    SourceGoodbye,
    Welcome,
    WelcomeLimits,
)
from protocols.ingest.state import (
    MOVES,
    Close,
    Greet,
    Happening,
    Hold,
    Instruction,
    Offer,
    PauseReading,
    ResumeReading,
    Send,
    SessionLimits,
    SessionState,
)
from protocols.ingest.window import Window

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class IngestSession:
    """One connection of a source. Not thread-safe; owned by the connection that feeds it."""

    def __init__(self, now_us: Micros, session_limits: SessionLimits | None = None) -> None:
        self._limits = session_limits or SessionLimits()
        self._state = SessionState.AWAITING_HELLO
        self._source = ""
        self._framing = Framing.NDJSON
        self._greeting = Greeting(self._limits.hello_max_bytes)
        self._reader: FrameReader = LineReader(self._limits.frame_max_bytes)
        self._last_seq = 0
        """Last seq taken, committed or not."""
        self._committed_seq = 0
        self._malformed_run = 0
        self._window = Window(self._limits)
        rate = self._limits.events_per_s
        self._allowance = None if rate is None else Allowance(rate, rate, now_us)
        """Frames that may still come; None: as many as come."""
        self._holds = Hold(0)
        self._opened_us = now_us
        self._heard_us = now_us
        self._sent_us = now_us
        self._blocked_us: Micros | None = None
        self._drain_reason = GoodbyeReason.FINISHED

    @property
    def state(self) -> SessionState:
        """Where the session is."""
        return self._state

    @property
    def source(self) -> str:
        """The source's name, empty before the welcome."""
        return self._source

    @property
    def framing(self) -> Framing:
        """How frames follow one another; NDJSON before the welcome."""
        return self._framing

    @property
    def last_seq(self) -> int:
        """Last seq taken, committed or not."""
        return self._last_seq

    @property
    def unacknowledged_events(self) -> int:
        """Events taken and not committed."""
        return self._window.events

    @property
    def holds(self) -> Hold:
        """Why the connection is not read; empty when it is."""
        return self._holds

    @property
    def wake_us(self) -> Micros | None:
        """When `tick` should be called besides its regular round: when the rate lets the source go on. None: not needed."""
        if self._allowance is None or Hold.RATE not in self._holds:
            return None
        return self._allowance.even_us

    def receive_data(self, data: bytes, now_us: Micros, *, ends_message: bool = False) -> list[Instruction]:
        """The next bytes of the stream.

        Args:
            data: bytes as they came, in any division.
            now_us: the centre's time.
            ends_message: whether a WebSocket message ends here.

        A `Greet` must be answered before more bytes are given.
        """
        self._heard_us = now_us
        if self._state is SessionState.STREAMING:
            return self._take(self._reader.feed(data, ends_message=ends_message), now_us)
        if self._state is SessionState.AWAITING_HELLO and self._greeting.hello is None:
            return self._await_hello(data, ends_message=ends_message)
        return []

    def receive_eof(self, now_us: Micros) -> list[Instruction]:
        """The source has closed its sending half; what lies behind the last whole frame is a cut frame and is not taken."""
        return self._source_left(now_us)

    def disconnected(self) -> None:
        """The connection is gone; nothing can be sent any more."""
        if self._state is not SessionState.CLOSED:
            self._move(Happening.DISCONNECTED)

    def welcome(self, session: str, committed_seq: int, now_us: Micros) -> list[Instruction]:
        """Answers the hello that `Greet` carried, and takes what the source sent behind it.

        Args:
            session: a name for this connection, for both ends' logs.
            committed_seq: the source's last committed seq, 0 if it is new.
            now_us: the centre's time.
        """
        hello = self._greeting.hello
        if hello is None or not self._may(Happening.WELCOMED):
            return []
        self._move(Happening.WELCOMED)
        self._source = hello.source
        self._framing = hello.framing
        self._last_seq = self._committed_seq = committed_seq
        if self._framing is Framing.MSGPACK:
            self._reader = LengthReader(self._limits.frame_max_bytes)
        told = WelcomeLimits(
            frame_max_bytes=self._limits.frame_max_bytes,
            window_events=self._limits.window_events,
            window_bytes=self._limits.window_bytes,
            idle_timeout_s=self._limits.idle_timeout_s,
            events_per_s=self._limits.events_per_s,
        )
        out: list[Instruction] = [
            self._send([Welcome(protocol=PROTOCOL, session=session, committed_seq=committed_seq, limits=told)], now_us)
        ]
        if hello.first_seq is not None and hello.first_seq > committed_seq + 1:
            out += self._declare_lost(hello.first_seq, now_us)
        rest = self._greeting.take_rest()
        if rest:
            out += self._take(self._reader.feed(rest, ends_message=self._greeting.rest_ends_message), now_us)
        return out

    def refuse(self, reason: GoodbyeReason, text: str, now_us: Micros, *, expected_seq: int | None = None) -> list[Instruction]:
        """Says goodbye for a reason and closes; in any state but CLOSED."""
        if not self._may(Happening.REFUSED):
            return []
        self._move(Happening.REFUSED)
        return [self._send([Goodbye(reason=reason, text=text, expected_seq=expected_seq)], now_us), Close(reason)]

    def committed(self, seq: int, rejected: list[Rejected], now_us: Micros) -> list[Instruction]:
        """A batch with events of this source is committed.

        Args:
            seq: the source's committed seq.
            rejected: the batch's events of this source that were not accepted, in order.
            now_us: the centre's time.
        """
        if self._state not in (SessionState.STREAMING, SessionState.DRAINING):
            return []
        self._window.committed(seq)
        # An earlier connection of the source may have brought events that only now are committed.
        self._last_seq = max(self._last_seq, seq)
        self._committed_seq = max(self._committed_seq, seq)
        answers: list[FromCentre] = [
            EventError(seq=each.seq, code=each.code, field=each.field, text=each.text) for each in rejected
        ]
        answers.append(Ack(self._committed_seq))
        out: list[Instruction] = [self._send(answers, now_us)]
        if Hold.WINDOW in self._holds and self._window.is_open:
            out += self.release(Hold.WINDOW, now_us)
        return out + self._finish_drain(now_us)

    def drain(self, reason: GoodbyeReason, now_us: Micros) -> list[Instruction]:
        """Takes nothing more; says goodbye once everything taken is committed."""
        if self._state is SessionState.AWAITING_HELLO:
            return self.refuse(reason, "the centre is shutting down", now_us)
        if not self._may(Happening.CENTRE_DRAINS):
            return []
        self._move(Happening.CENTRE_DRAINS)
        self._drain_reason = reason
        return self._finish_drain(now_us)

    def tick(self, now_us: Micros) -> list[Instruction]:
        """The clocks: hello and idle timeouts, heartbeats, the rate. Called about once a second and at `wake_us`."""
        bounds = self._limits
        if self._state is SessionState.CLOSED:
            return []
        if self._state is SessionState.AWAITING_HELLO:
            if now_us - self._opened_us > bounds.hello_timeout_s * SECOND_US:
                return self.refuse(GoodbyeReason.HELLO_TIMEOUT, f"no hello within {bounds.hello_timeout_s:g} s", now_us)
            return []
        idle_us = bounds.idle_timeout_s * SECOND_US
        if self._blocked_us is not None:
            if now_us - self._blocked_us > idle_us:
                self._move(Happening.REFUSED)
                return [Close(GoodbyeReason.NOT_READING, at_once=True)]
            return []
        out: list[Instruction] = []
        if self._allowance is not None and Hold.RATE in self._holds and self._allowance.left(now_us) >= 0.0:
            out += self.release(Hold.RATE, now_us)
        if self._state is SessionState.STREAMING and not self._holds and now_us - self._heard_us > idle_us:
            return self.refuse(GoodbyeReason.IDLE_TIMEOUT, f"nothing heard for {bounds.idle_timeout_s:g} s", now_us)
        if now_us - self._sent_us >= idle_us / 3:
            out.append(self._send([Heartbeat()], now_us))
        return out

    def hold(self, reason: Hold, now_us: Micros) -> list[Instruction]:
        """Stops reading for a reason; for the connection's own reasons `INLET` and `WRITE`."""
        was, self._holds = self._holds, self._holds | reason
        if Hold.WRITE in reason and self._blocked_us is None:
            self._blocked_us = now_us
        return [] if was else [PauseReading()]

    def release(self, reason: Hold, now_us: Micros) -> list[Instruction]:
        """Takes a reason back; reading goes on when none is left."""
        was, self._holds = self._holds, self._holds & ~reason
        if Hold.WRITE in reason:
            self._blocked_us = None
        if was and not self._holds:
            # The source was not listened to, so its silence proves nothing.
            self._heard_us = now_us
            return [ResumeReading()]
        return []

    def _may(self, happening: Happening) -> bool:
        return happening in MOVES[self._state]

    def _move(self, happening: Happening) -> None:
        self._state = MOVES[self._state][happening]

    def _send(self, messages: list[FromCentre], now_us: Micros) -> Send:
        self._sent_us = now_us
        return Send(encode(self._framing, messages))

    def _await_hello(self, data: bytes, *, ends_message: bool) -> list[Instruction]:
        try:
            hello = self._greeting.feed(data, ends_message=ends_message)
        except BadHelloError as fault:
            return self.refuse(fault.reason, str(fault), self._heard_us)
        return [] if hello is None else [Greet(hello)]

    def _declare_lost(self, first_seq: int, now_us: Micros) -> list[Instruction]:
        lost = Rejected(
            seq=first_seq - 1,
            code=RejectCode.SEQ_DECLARED_LOST,
            field="$.first_seq",
            text=f"the source declared its events {self._last_seq + 1} to {first_seq - 1} lost",
        )
        raw = msgspec.json.encode({"kind": "hello", "source": self._source, "first_seq": first_seq})
        self._last_seq = first_seq - 1
        return [self._offer([lost], [raw], frozenset({Rejected}), now_us)]

    def _take(self, frames: list[bytes], now_us: Micros) -> list[Instruction]:
        """Decodes whole frames, numbers them off against the sequence, and offers what is new."""
        out: list[Instruction] = []
        if frames:
            latest = _EPOCH + timedelta(microseconds=now_us, seconds=FUTURE_TOLERANCE_S)
            if self._framing is Framing.NDJSON:
                items, raws = decode_lines(frames, latest), frames
            else:
                items, raws = decode_bodies(frames, latest)
            kinds = set(map(type, items))
            if Rejected not in kinds and CONTROL.isdisjoint(kinds) and self._continues(cast(list[AnyEvent], items)):
                self._malformed_run = 0
                out.append(self._offer(cast(list[AnyEvent | Rejected], items), raws, kinds, now_us))
            else:
                out += self._take_each(items, raws, now_us)
        if self._reader.too_large and self._state is SessionState.STREAMING:
            out += self.refuse(
                GoodbyeReason.FRAME_TOO_LARGE, f"a frame is longer than {self._limits.frame_max_bytes} bytes", now_us
            )
        elif frames:
            out += self._hold_if_ahead(len(frames), now_us)
        return out

    def _continues(self, events: list[AnyEvent]) -> bool:
        first = self._last_seq + 1
        last = self._last_seq + len(events)
        if [event.seq for event in events] != list(range(first, last + 1)):
            return False
        self._last_seq = last
        return True

    def _take_each(self, items: list[Item], raws: list[bytes], now_us: Micros) -> list[Instruction]:
        """The same as the quick way, item by item: repeats, malformed frames, gaps, heartbeats, the source's goodbye."""
        kept: list[AnyEvent | Rejected] = []
        kept_raws: list[bytes] = []
        broken: Goodbye | None = None
        left = repeated = False
        for item, raw in zip(items, raws, strict=True):
            if isinstance(item, Heartbeat):
                continue
            if isinstance(item, SourceGoodbye):
                left = True
                break
            expected = self._last_seq + 1
            if item.seq is None:
                self._malformed_run += 1
                if self._malformed_run > self._limits.malformed_run_max:
                    text = f"more than {self._limits.malformed_run_max} malformed frames in a row"
                    broken = Goodbye(reason=GoodbyeReason.TOO_MANY_MALFORMED, text=text)
                    break
            elif item.seq < expected:
                self._malformed_run = 0
                repeated = True
                continue
            elif item.seq - expected > self._malformed_run:
                text = f"expected seq {expected}, got {item.seq}"
                broken = Goodbye(reason=GoodbyeReason.SEQ_GAP, text=text, expected_seq=expected)
                break
            else:
                self._malformed_run = 0
                self._last_seq = item.seq
            kept.append(item)
            kept_raws.append(storable(raw) if isinstance(item, Rejected) else raw)
        out: list[Instruction] = []
        if kept:
            out.append(self._offer(kept, kept_raws, set(map(type, kept)), now_us))
        elif repeated:
            # A source that sends again what is long committed would wait for an acknowledgement for ever.
            out.append(self._send([Ack(self._committed_seq)], now_us))
        if left:
            return out + self._source_left(now_us)
        if broken is not None:
            return out + self.refuse(broken.reason, broken.text, now_us, expected_seq=broken.expected_seq)
        return out

    def _offer(self, items: list[AnyEvent | Rejected], raws: list[bytes], kinds: AbstractSet[type], now_us: Micros) -> Offer:
        self._window.offered(self._last_seq, len(items), sum(map(len, raws)))
        return Offer(
            Chunk(
                source=self._source,
                received_us=now_us,
                items=items,
                raws=raws,
                last_seq=self._last_seq,
                urgent=not URGENT.isdisjoint(kinds),
            )
        )

    def _hold_if_ahead(self, frames: int, now_us: Micros) -> list[Instruction]:
        """Stops reading when the window or the rate is used up."""
        if self._state is not SessionState.STREAMING:
            return []
        out: list[Instruction] = []
        if not self._window.is_open:
            out += self.hold(Hold.WINDOW, now_us)
        if self._allowance is not None and self._allowance.spend(frames, now_us) < 0.0:
            out += self.hold(Hold.RATE, now_us)
        return out

    def _source_left(self, now_us: Micros) -> list[Instruction]:
        if not self._may(Happening.SOURCE_LEFT):
            return []
        self._move(Happening.SOURCE_LEFT)
        if self._state is SessionState.CLOSED:
            return [Close(GoodbyeReason.FINISHED)]
        return self._finish_drain(now_us)

    def _finish_drain(self, now_us: Micros) -> list[Instruction]:
        if self._window or not self._may(Happening.ALL_COMMITTED):
            return []
        self._move(Happening.ALL_COMMITTED)
        goodbye = Goodbye(reason=self._drain_reason, text="everything taken is committed and acknowledged")
        return [self._send([goodbye], now_us), Close(self._drain_reason)]
