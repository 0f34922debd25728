"""What is said to a session without I/O and what it says, for tests."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from core.events import Chunk
from core.instant import SECOND_US, Micros
from protocols.ingest.codec import decode_from_centre
from protocols.ingest.frame import LengthReader, LineReader
from protocols.ingest.message import (
    PROTOCOL,
    Framing,
    FromCentre,
)
from protocols.ingest.session import IngestSession
from protocols.ingest.state import (
    Greet,
    Instruction,
    Offer,
    Send,
    SessionLimits,
)
from tests.protocols.small_centre import NOW_US

HELLO = {"kind": "hello", "protocol": PROTOCOL, "token": "t", "source": "cam"}


AT = "2026-05-09T10:00:00Z"


def hello(**fields: object) -> bytes:
    return msgspec.json.encode({**HELLO, **fields}) + b"\n"


def plate(seq: int, **fields: object) -> bytes:
    return msgspec.json.encode({"kind": "plate", "seq": seq, "at": AT, "camera": "c", "plate": "p", **fields}) + b"\n"


def after(seconds: float) -> Micros:
    return Micros(NOW_US + int(seconds * SECOND_US))


def streaming(
    committed: int = 0, session_limits: SessionLimits | None = None, **fields: object
) -> tuple[IngestSession, list[Instruction]]:
    """A welcomed session and what its welcome told."""
    session = IngestSession(NOW_US, session_limits)
    [greet] = session.receive_data(hello(**fields), NOW_US)
    assert isinstance(greet, Greet)
    return session, session.welcome("cam/1", committed, NOW_US)


def said(instructions: Sequence[Instruction], framing: Framing = Framing.NDJSON) -> list[FromCentre]:
    """What the instructions send, decoded."""
    stream = b"".join(each.data for each in instructions if isinstance(each, Send))
    reader = LineReader(1 << 20) if framing is Framing.NDJSON else LengthReader(1 << 20)
    return [decode_from_centre(framing, frame) for frame in reader.feed(stream)]


def chunks(instructions: Sequence[Instruction]) -> list[Chunk]:
    return [each.chunk for each in instructions if isinstance(each, Offer)]


def seqs(instructions: Sequence[Instruction]) -> list[int | None]:
    return [item.seq for chunk in chunks(instructions) for item in chunk.items]


def without_last_seq(frames: list[FromCentre]) -> list[str]:
    return [type(frame).__name__ for frame in frames]
