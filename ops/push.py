"""`jedel push`: a file of events sent as one source, the quickest way to see what a centre makes of them.

Place in the flow: in front of it, at an integrator's. Rules: what a line lacks of `seq` and `at` is filled in, all else goes as
it stands, mistakes too, so that the centre's own errors are seen. What is not acknowledged is kept, and sent again when a
connection breaks; beyond `KEPT_MAX` lines the file is not read on, so memory is bounded whatever the file.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from io import BufferedReader
from typing import Final

import msgspec

from core.instant import SECOND_US, Micros
from ops.push_wire import READ_BYTES, Connect, Wire
from protocols.ingest.codec import decode_from_centre, encode
from protocols.ingest.frame import LineReader, frame_line
from protocols.ingest.message import (
    PROTOCOL,
    Ack,
    EventError,
    Framing,
    FromCentre,
    Goodbye,
    GoodbyeReason,
    Hello,
    SourceGoodbye,
    Welcome,
)

LINE_MAX_BYTES: Final = 16 * 1024 * 1024
"""As long as a centre may be set to take; a longer line ends the reading."""

KEPT_MAX: Final = 65_536
RETRY_PAUSES_S: Final = (0.1, 0.2, 0.4, 0.8, 1.6, 3.0, 5.0, 5.0, 5.0, 5.0, 5.0)
"""Before each further connection; anew from the first one only after a connection by which the centre took something."""
_PASSING: Final = frozenset(
    {
        GoodbyeReason.DRAINING,
        GoodbyeReason.IDLE_TIMEOUT,
        GoodbyeReason.HELLO_TIMEOUT,
        GoodbyeReason.TOO_MANY_CONNECTIONS,
        GoodbyeReason.HALF_OPEN_LIMIT,
    }
)
"""Goodbyes after which another connection helps."""

Tell = Callable[[str], None]
_fields: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


class PushError(Exception):
    """The file could not be sent to its end; the text says why and how far it came."""


class Pushed(msgspec.Struct, frozen=True):
    """What became of a file."""

    sent: int
    """Lines sent."""
    refused: int
    """Of these, answered with an error."""
    acked_seq: int
    """Everything up to it is committed, or was answered with an error."""


async def push(
    connect: Connect, source: str, token: str, file: BufferedReader, *, now_us: Callable[[], Micros], tell: Tell
) -> Pushed:
    """Sends a file's lines as events of a source and waits for the last acknowledgement.

    Args:
        connect: opens a connection to the centre (`ops.push_wire.connector`).
        source: the source's name.
        token: its token.
        file: NDJSON.
        now_us: the time of events that have none.
        tell: gets a line for each welcome, each refused event and each break.

    Raises:
        PushError: the centre refuses the source or its stream, was there and does not come back, or takes nothing more by
            however many connections.
        OSError: it cannot be reached.
    """
    return await _Run(source, token, file, now_us, tell).play(connect)


def completed(line: bytes, next_seq: int, at: str) -> tuple[bytes, int | None]:
    """An event with the `seq` and `at` that it lacks, and its number; None where it has none.

    What is no JSON object goes as it is, and uses no number: the centre says what is wrong with it.
    """
    try:
        fields = _fields.decode(line)
        seq = msgspec.json.decode(fields["seq"], type=int) if "seq" in fields else next_seq
    except msgspec.DecodeError:
        return line, None
    missing = {name: value for name, value in (("seq", next_seq), ("at", at)) if name not in fields}
    return (msgspec.json.encode({**fields, **missing}) if missing else line), seq


class _BrokenError(Exception):
    """The connection is gone, and another one may do better."""


class _Run:
    """One file's way to the centre, over as many connections as it takes."""

    def __init__(self, source: str, token: str, file: BufferedReader, now_us: Callable[[], Micros], tell: Tell) -> None:
        self._source = source
        self._token = token
        self._blocks = _lines(file)
        self._now_us = now_us
        self._tell = tell
        self._kept: deque[tuple[int, bytes]] = deque()
        """Frames that were sent and are not acknowledged, each with the seq whose acknowledgement covers it."""
        self._room = asyncio.Event()
        self._next_seq = 0
        self._sent = 0
        self._refused = 0
        self._acked_seq = 0
        self._pauses = iter(RETRY_PAUSES_S)
        """Those left until the centre acknowledges something."""

    async def play(self, connect: Connect) -> Pushed:
        wire = await connect()
        while True:
            before_seq = self._acked_seq
            try:
                await self._converse(wire)
                return Pushed(self._sent, self._refused, self._acked_seq)
            except (_BrokenError, ConnectionError) as error:
                broken = str(error) or "connection lost"
                self._tell(f"broken: {broken}; acknowledged up to seq {self._acked_seq}")
            finally:
                wire.close()
            if self._acked_seq > before_seq:
                self._pauses = iter(RETRY_PAUSES_S)
            wire = await self._again(connect, broken)

    async def _again(self, connect: Connect, broken: str) -> Wire:
        why = f"the centre takes nothing more, connection after connection: {broken}"
        for pause_s in self._pauses:
            await asyncio.sleep(pause_s)
            try:
                return await connect()
            except OSError:
                why = "the centre is gone"
        raise PushError(f"{why}; acknowledged up to seq {self._acked_seq}")

    async def _converse(self, wire: Wire) -> None:
        """One connection; returns when everything is acknowledged."""
        hello = Hello(protocol=PROTOCOL, token=self._token, source=self._source, version="jedel push")
        await wire.write(frame_line(msgspec.json.encode(hello)))
        answers = _answers(wire)
        try:
            first = await anext(answers)
        except _BrokenError as error:
            raise _BrokenError(f"{error} before its welcome; perhaps something else listens there") from error
        if not isinstance(first, Welcome):
            raise _refusal(first)
        wire.limit(first.limits.frame_max_bytes)
        self._tell(f"welcome: {self._source} goes on from seq {first.committed_seq + 1}")
        self._next_seq = max(self._next_seq, first.committed_seq + 1)
        self._forget(first.committed_seq)
        listening = asyncio.create_task(self._listen(answers))
        sending = asyncio.create_task(self._send(wire))
        try:
            await asyncio.wait({listening, sending}, return_when=asyncio.FIRST_COMPLETED)
            if not listening.done():
                await sending
            await listening
        finally:
            listening.cancel()
            sending.cancel()
            await asyncio.gather(listening, sending, return_exceptions=True)

    async def _send(self, wire: Wire) -> None:
        await wire.write(b"".join(frame for _, frame in self._kept))
        for lines in self._blocks:
            at = datetime.fromtimestamp(self._now_us() / SECOND_US, UTC).isoformat()
            frames: list[bytes] = []
            for line in lines:
                event, seq = completed(line, self._next_seq, at)
                frames.append(frame_line(event))
                # A line without a number is covered by whatever comes next.
                self._kept.append((self._next_seq if seq is None else seq, frames[-1]))
                self._next_seq = self._next_seq if seq is None else seq + 1
            self._sent += len(lines)
            await wire.write(b"".join(frames))
            while len(self._kept) > KEPT_MAX:
                self._room.clear()
                await self._room.wait()
        await wire.write(encode(Framing.NDJSON, [SourceGoodbye(reason="done")]))

    async def _listen(self, answers: AsyncIterator[FromCentre]) -> None:
        async for message in answers:
            if isinstance(message, Ack):
                self._forget(message.seq)
            elif isinstance(message, EventError):
                self._refused += 1
                number = "without a seq" if message.seq is None else f"seq {message.seq}"
                self._tell(f"error: {number}: {message.code.value} {message.field}: {message.text}")
            elif isinstance(message, Goodbye):
                if message.reason is GoodbyeReason.FINISHED:
                    return
                raise _refusal(message)

    def _forget(self, seq: int) -> None:
        """Everything up to it is the centre's."""
        self._acked_seq = max(self._acked_seq, seq)
        while self._kept and self._kept[0][0] <= seq:
            self._kept.popleft()
        self._room.set()


async def _answers(wire: Wire) -> AsyncIterator[FromCentre]:
    frames = LineReader(LINE_MAX_BYTES)
    while data := await wire.read():
        for frame in frames.feed(data):
            yield decode_from_centre(Framing.NDJSON, frame)
    raise _BrokenError("the centre has closed the connection")


def _refusal(message: FromCentre) -> Exception:
    if not isinstance(message, Goodbye):
        return PushError(f"no welcome but {type(message).__name__}")
    words = f"goodbye {message.reason.value}: {message.text}"
    return _BrokenError(words) if message.reason in _PASSING else PushError(words)


def _lines(file: BufferedReader) -> Iterator[list[bytes]]:
    reader = LineReader(LINE_MAX_BYTES)
    while data := file.read1(READ_BYTES):
        yield reader.feed(data)
        if reader.too_large:
            raise PushError(f"{file.name}: a line is longer than {LINE_MAX_BYTES} bytes")
    yield reader.feed(b"", ends_message=True)
