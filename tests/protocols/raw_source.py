"""A source written by hand, byte by byte, and what a scenario over real sockets needs besides."""

from __future__ import annotations

import asyncio
import json
import warnings
from collections.abc import Awaitable, Callable

import uvloop

from core.events import PlateRead
from core.instant import to_datetime
from protocols.ingest.message import PROTOCOL
from tests.protocols.small_centre import NOW_US, TOKEN

NOW = to_datetime(NOW_US)


HANDSHAKE = (
    b"GET /ingest/v1 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def plates(count: int, first: int = 1) -> list[PlateRead]:
    return [PlateRead(seq=seq, at=NOW, camera="c", plate="p") for seq in range(first, first + count)]


def hello(source: str = "raw", **fields: object) -> bytes:
    line = {"kind": "hello", "protocol": PROTOCOL, "token": TOKEN, "source": source, **fields}
    return json.dumps(line).encode() + b"\n"


def line(seq: int, **fields: object) -> bytes:
    event = {"kind": "plate", "seq": seq, "at": "2026-05-09T10:00:00Z", "camera": "c", "plate": "p", **fields}
    return json.dumps(event).encode() + b"\n"


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    """Runs a scenario on uvloop; a hang is a failure."""

    async def bounded() -> None:
        try:
            async with asyncio.timeout(20):
                await scenario()
        except BaseException:
            # A failed scenario leaves its sockets open, and a warning raised while uvloop closes them makes it wait for ever.
            warnings.simplefilter("ignore", ResourceWarning)
            raise

    uvloop.run(bounded())


async def frames_of(reader: asyncio.StreamReader) -> list[dict[str, object]]:
    """What the centre says until it closes."""
    return [json.loads(text) for text in (await reader.read()).splitlines()]


async def until(holds: Callable[[], bool]) -> None:
    """Lets the loop run until something holds."""
    while not holds():  # noqa: ASYNC110 - what is waited for is another part of the same loop
        await asyncio.sleep(0)
