"""A source's end of an ingest connection, without I/O: for clients over any transport, for tests and for simulations.

Place in the flow: in front of it, at an integrator's. Events are numbered, kept until they are acknowledged, and sent again
from where the centre asks after every reconnection, so that a cut at any byte neither loses nor doubles one.

One `ClientSession` lives as long as the source; each connection begins with `connect` and ends with `disconnected`.
Requirements: CITY-2; invariant 3.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final

import msgspec

from core.events import AnyEvent
from protocols.ingest.codec import decode_from_centre, encode
from protocols.ingest.frame import FrameReader, LengthReader, LineReader, frame_body, frame_line
from protocols.ingest.message import (
    PROTOCOL,
    Ack,
    Framing,
    FromCentre,
    Goodbye,
    GoodbyeReason,
    Heartbeat,
    Hello,
    SourceGoodbye,
    Welcome,
    WelcomeLimits,
)

_ANSWER_MAX_BYTES: Final = 1024 * 1024
"""No frame of the centre is longer."""
_SEND_BYTES: Final = 128 * 1024
_FINAL: Final = frozenset(
    {
        GoodbyeReason.BAD_HELLO,
        GoodbyeReason.UNSUPPORTED_PROTOCOL,
        GoodbyeReason.UNAUTHORIZED,
        GoodbyeReason.SUPERSEDED,
        GoodbyeReason.FRAME_TOO_LARGE,
        GoodbyeReason.TOO_MANY_MALFORMED,
    }
)
"""Goodbyes after which connecting again only repeats them."""


class IngestRefusedError(Exception):
    """The centre will not take this source's stream, and connecting again would not help."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(f"{reason}: {text}")
        self.reason = reason
        """The goodbye's reason, or `seq_gap` where the source no longer has what the centre asks for."""


class ClientSession:
    """A source's events, their numbers, and what of them the centre has.

    Invariant: the kept frames are those of the seqs `acked_seq + 1 … next_seq - 1`, in order, first the sent ones.
    """

    def __init__(
        self,
        source: str,
        token: str,
        *,
        version: str = "jedel-client/1",
        framing: Framing = Framing.NDJSON,
        next_seq: int | None = None,
        declare_lost: bool = False,
    ) -> None:
        """Makes a source that has not connected yet.

        Args:
            source: its name.
            token: its token.
            version: product and version, for the centre's operators.
            framing: how frames follow one another.
            next_seq: the number of the next event, of a source that keeps its own count; None goes on where the centre stands,
                which is known after the first welcome.
            declare_lost: whether events that the centre asks for and the source no longer has are declared lost. Without it
                they end the session with `IngestRefusedError`.
        """
        self.source = source
        self.framing = framing
        self._token = token
        self._version = version
        self._declare_lost = declare_lost
        self._next_seq = next_seq
        self._acked_seq = 0 if next_seq is None else next_seq - 1
        self._sent: deque[bytes] = deque()
        self._unsent: deque[bytes] = deque()
        self._control: list[bytes] = []
        self._reader: FrameReader | None = None
        """Of the centre's frames; None before its first byte."""
        self._answer_framing = framing
        self._welcomed = False
        self._limits: WelcomeLimits | None = None

    @property
    def next_seq(self) -> int | None:
        """Number of the next event; None before the first welcome of a source that does not count for itself."""
        return self._next_seq

    @property
    def acked_seq(self) -> int:
        """Every event up to this one is committed or was answered with an error."""
        return self._acked_seq

    @property
    def unacknowledged(self) -> int:
        """Events offered and not acknowledged."""
        return len(self._sent) + len(self._unsent)

    @property
    def welcomed(self) -> bool:
        """Whether the present connection has its welcome."""
        return self._welcomed

    @property
    def limits(self) -> WelcomeLimits | None:
        """What the centre last told to keep to."""
        return self._limits

    def offer(self, events: Iterable[AnyEvent]) -> int:
        """Numbers events and keeps them until they are acknowledged.

        Args:
            events: in the order of their happening; a `seq` other than the next one is replaced by it.

        Returns:
            The last event's seq.

        Raises:
            ValueError: an event is larger than a frame may be; it and those after it are not taken.
            RuntimeError: no number is known yet (`next_seq`).
        """
        seq = self._next_seq
        if seq is None:
            raise RuntimeError("events have no numbers before the first welcome")
        encode_one = msgspec.json.encode if self.framing is Framing.NDJSON else msgspec.msgpack.encode
        frame = frame_line if self.framing is Framing.NDJSON else frame_body
        largest = None if self._limits is None else self._limits.frame_max_bytes
        keep = self._unsent.append
        try:
            for event in events:
                if event.seq != seq:
                    event = msgspec.structs.replace(event, seq=seq)
                body = encode_one(event)
                if largest is not None and len(body) > largest:
                    raise ValueError(f"event {seq} has {len(body)} bytes; the centre takes {largest}")
                keep(frame(body))
                seq += 1
        finally:
            self._next_seq = seq
        return seq - 1

    def connect(self) -> bytes:
        """A connection is open: the bytes of its hello."""
        self._reader = None
        self._welcomed = False
        first_seq = self._acked_seq + 1 if self._declare_lost and self._next_seq is not None else None
        hello = Hello(
            protocol=PROTOCOL,
            token=self._token,
            source=self.source,
            version=self._version,
            framing=self.framing,
            first_seq=first_seq,
        )
        return frame_line(msgspec.json.encode(hello))

    def disconnected(self) -> None:
        """The connection is gone; what is not acknowledged will be sent again."""
        self._welcomed = False
        self._control.clear()
        self._unsent.extendleft(reversed(self._sent))
        self._sent.clear()

    def receive_data(self, data: bytes, *, ends_message: bool = False) -> list[FromCentre]:
        """The next bytes from the centre; returns what it said, already taken account of.

        Raises:
            IngestRefusedError: connecting again would not help.
            msgspec.MsgspecError: the centre does not speak the protocol.
        """
        if self._reader is None:
            if not data:
                return []
            # A goodbye in place of the welcome is a JSON line in either framing.
            self._answer_framing = Framing.NDJSON if data[:1] == b"{" else self.framing
            ndjson = self._answer_framing is Framing.NDJSON
            self._reader = LineReader(_ANSWER_MAX_BYTES) if ndjson else LengthReader(_ANSWER_MAX_BYTES)
        frames = self._reader.feed(data, ends_message=ends_message)
        messages: list[FromCentre] = []
        for frame in frames:
            message = decode_from_centre(self._answer_framing, frame)
            messages.append(message)
            if isinstance(message, Ack):
                self._forget_to(message.seq)
            elif isinstance(message, Welcome):
                self._take_welcome(message)
            elif isinstance(message, Goodbye) and message.reason in _FINAL:
                raise IngestRefusedError(message.reason.value, message.text)
        return messages

    def data_to_send(self) -> bytes:
        """The next bytes for the centre, about 128 KiB at most; empty when there are none."""
        if not self._welcomed:
            return b""
        frames = self._control
        self._control = []
        size = 0
        unsent, sent = self._unsent, self._sent
        while unsent and size < _SEND_BYTES:
            frame = unsent.popleft()
            sent.append(frame)
            frames.append(frame)
            size += len(frame)
        return b"".join(frames)

    def heartbeat(self) -> None:
        """Lets the next `data_to_send` begin with a heartbeat."""
        self._control.append(encode(self.framing, [Heartbeat()]))

    def goodbye(self) -> bytes:
        """The bytes that end the stream in order; the centre answers with the last acknowledgements and its goodbye."""
        return encode(self.framing, [SourceGoodbye(reason="done")])

    def _take_welcome(self, welcome: Welcome) -> None:
        committed = welcome.committed_seq
        self._limits = welcome.limits
        if self._next_seq is None:
            self._next_seq = committed + 1
            self._acked_seq = committed
        if committed < self._acked_seq and not self._declare_lost:
            raise IngestRefusedError(
                GoodbyeReason.SEQ_GAP.value,
                f"the centre asks for event {committed + 1}, the source has those from {self._acked_seq + 1}",
            )
        self._forget_to(committed)
        self._welcomed = True

    def _forget_to(self, seq: int) -> None:
        """Drops the frames up to `seq`: the centre has them."""
        for _ in range(self._acked_seq, seq):
            if self._sent:
                self._sent.popleft()
            elif self._unsent:
                self._unsent.popleft()
            else:
                break
        self._acked_seq = max(self._acked_seq, seq)
        if self._next_seq is not None and self._next_seq <= self._acked_seq:
            self._next_seq = self._acked_seq + 1
