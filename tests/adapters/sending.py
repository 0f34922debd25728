"""What the channels' tests share: a message, and how a try is followed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from adapters.channels.channel import Message, Sender, SendError
from core.delivery import DeliveryFault
from core.instant import Micros
from core.telling import Happened, Telling
from core.vocabulary import IncidentId

NOW = Micros(1_714_557_600_123_456)
TELLING = Telling(
    "incident/17/accept/42/step/0",
    "shift_lead",
    "kz/almaty",
    IncidentId(17),
    Happened.ACCEPT_PASSED,
    {"crew": "A-1", "address": "Абай даңғылы, 10"},
    NOW,
    Micros(NOW + 3600 * 1_000_000),
    2,
)


def now_us() -> Micros:
    return NOW


def message(short: str = "№17 A-1 қабылдамады: Абай даңғылы, 10", *, priority: int = 2) -> Message:
    telling = Telling(**{name: getattr(TELLING, name) for name in TELLING.__struct_fields__} | {"priority": priority})
    return Message("0f" * 16, telling, "aida", "kk", "A-1 жасағы қабылдамады", "Шешіміңіз қажет.\n", short)


class Try:
    """One try: whether the message was handed over, and what came of it."""

    def __init__(self) -> None:
        self.handed = 0

    async def hand(self) -> None:
        self.handed += 1

    async def of(self, channel: Sender, address: str, one: Message | None = None) -> str | DeliveryFault:
        """The receipt, or the fault."""
        try:
            return await channel.send(address, one or message(), self.hand)
        except SendError as error:
            return error.fault


@asynccontextmanager
async def port_that_hangs() -> AsyncIterator[int]:
    """A server that takes connections and never says a word."""

    ended: list[asyncio.Future[None]] = []

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        end = asyncio.get_running_loop().create_future()
        ended.append(end)
        await reader.read(-1)
        writer.close()
        await writer.wait_closed()
        end.set_result(None)

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await asyncio.gather(*ended)


def closed_port() -> int:
    """A port on which nobody listens."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as one:
        port: int = one.getsockname()[1]
    return port
