"""`jedel push`: a file of events sent as one source over TCP, the quickest way to see what a centre makes of them.

Place in the flow: in front of it, at an integrator's. Rules: what a line lacks of `seq` and `at` is filled in, all else goes as
it stands, mistakes too, so that the centre's own errors are seen; one connection, so a break ends it. Nothing is kept in
memory: the centre's window slows the reading of the file.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from io import BufferedReader
from typing import Final
from urllib.parse import urlsplit

import msgspec

from core.instant import SECOND_US, Micros
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

READ_BYTES: Final = 64 * 1024
LINE_MAX_BYTES: Final = 16 * 1024 * 1024
"""As long as a centre may be set to take; a longer line ends the reading."""

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


async def push(url: str, source: str, token: str, file: BufferedReader, *, now_us: Callable[[], Micros], tell: Tell) -> Pushed:
    """Sends a file's lines as events of a source and waits for the last acknowledgement.

    Args:
        url: `tcp://HOST:PORT` or `tls://HOST:PORT`.
        source: the source's name.
        token: its token.
        file: NDJSON.
        now_us: the time of events that have none.
        tell: gets a line for the welcome and for each refused event.

    Raises:
        ValueError: the url is none of these.
        PushError: the centre ends the connection before everything is acknowledged.
        OSError: it cannot be reached.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("tcp", "tls") or not parts.hostname or not parts.port:
        raise ValueError(f"{url!r} is not tcp://HOST:PORT or tls://HOST:PORT")
    context = ssl.create_default_context() if parts.scheme == "tls" else None
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port, ssl=context)
    try:
        return await _Run(source, reader, writer, tell).play(token, file, now_us)
    finally:
        writer.close()


def completed(line: bytes, next_seq: int, at: str) -> tuple[bytes, int]:
    """An event with the `seq` and `at` that it lacks, and the number of the event after it.

    What is no JSON object goes as it is, and uses no number: the centre says what is wrong with it.
    """
    try:
        fields = _fields.decode(line)
    except msgspec.DecodeError:
        return line, next_seq
    lacking: dict[str, object] = {}
    if "seq" not in fields:
        lacking["seq"] = next_seq
    if "at" not in fields:
        lacking["at"] = at
    try:
        seq = next_seq if "seq" in lacking else msgspec.json.decode(fields["seq"], type=int)
    except msgspec.DecodeError:
        return line, next_seq
    return (msgspec.json.encode({**fields, **lacking}) if lacking else line), seq + 1


class _Run:
    """One connection."""

    def __init__(self, source: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, tell: Tell) -> None:
        self._source = source
        self._reader = reader
        self._writer = writer
        self._tell = tell
        self._frames = LineReader(LINE_MAX_BYTES)
        self._waiting: list[FromCentre] = []
        self._sent = 0
        self._refused = 0
        self._acked_seq = 0

    async def play(self, token: str, file: BufferedReader, now_us: Callable[[], Micros]) -> Pushed:
        hello = Hello(protocol=PROTOCOL, token=token, source=self._source, version="jedel push")
        self._writer.write(frame_line(msgspec.json.encode(hello)))
        first = await self._answer()
        if not isinstance(first, Welcome):
            raise PushError(f"no welcome but {_words(first)}")
        self._acked_seq = first.committed_seq
        self._tell(f"welcome: {self._source} goes on from seq {first.committed_seq + 1}")
        listening = asyncio.create_task(self._listen())
        sending = asyncio.create_task(self._send(file, first.committed_seq + 1, now_us))
        try:
            await asyncio.wait({listening, sending}, return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                await sending
            await listening
        finally:
            listening.cancel()
            sending.cancel()
            await asyncio.gather(listening, sending, return_exceptions=True)
        return Pushed(self._sent, self._refused, self._acked_seq)

    async def _send(self, file: BufferedReader, next_seq: int, now_us: Callable[[], Micros]) -> None:
        for lines in _lines(file):
            at = datetime.fromtimestamp(now_us() / SECOND_US, UTC).isoformat()
            for line in lines:
                event, next_seq = completed(line, next_seq, at)
                self._writer.write(frame_line(event))
                self._sent += 1
            await self._writer.drain()
        self._writer.write(encode(Framing.NDJSON, [SourceGoodbye(reason="done")]))

    async def _listen(self) -> None:
        while True:
            message = await self._answer()
            if isinstance(message, Ack):
                self._acked_seq = message.seq
            elif isinstance(message, EventError):
                self._refused += 1
                number = "without a seq" if message.seq is None else f"seq {message.seq}"
                self._tell(f"error: {number}: {message.code.value} {message.field}: {message.text}")
            elif isinstance(message, Goodbye):
                if message.reason is GoodbyeReason.FINISHED:
                    return
                raise PushError(f"{_words(message)}; acknowledged up to seq {self._acked_seq}")

    async def _answer(self) -> FromCentre:
        while not self._waiting:
            data = await self._reader.read(READ_BYTES)
            if not data:
                raise PushError(f"the connection broke; acknowledged up to seq {self._acked_seq}")
            self._waiting = [decode_from_centre(Framing.NDJSON, frame) for frame in self._frames.feed(data)]
        return self._waiting.pop(0)


def _lines(file: BufferedReader) -> Iterator[list[bytes]]:
    reader = LineReader(LINE_MAX_BYTES)
    while data := file.read1(READ_BYTES):
        yield reader.feed(data)
        if reader.too_large:
            raise PushError(f"{file.name}: a line is longer than {LINE_MAX_BYTES} bytes")
    yield reader.feed(b"", ends_message=True)


def _words(message: FromCentre) -> str:
    if isinstance(message, Goodbye):
        return f"goodbye {message.reason.value}: {message.text}"
    return type(message).__name__.lower()
