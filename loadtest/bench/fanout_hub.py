"""The processes of `fanout` that tell: the product's own publisher and hub, and the `websockets` library's `broadcast`.

Both run on uvloop, tell of the same positions of the same crews in messages of the same protocol, and do nothing else. The
engine decides 100,000 positions a second with a core for itself and would be the bound for few clients; so the product's
batches are made here, of rows as the engine gives them, one of whatever has come due while the batch before was told. That is
what the centre does: a batch is what has come in while the one before was committed (`core.centre`).
"""

from __future__ import annotations

import gc
import resource
from collections.abc import Callable, Coroutine
from multiprocessing.connection import Connection
from typing import Final

import msgspec
import uvloop
from websockets.asyncio.server import ServerConnection, broadcast, serve

from core.decisions import CrewChange, Decisions, PositionRow
from core.instant import Micros
from core.vocabulary import CrewId, CrewState
from loadtest.bench.pace import serve_plays
from protocols.dispatch.listener import DispatchHub
from protocols.dispatch.publisher import Publisher
from protocols.dispatch.subscription import Client

TOKEN: Final = "fanout"
CREWS: Final = 4_000
"""More than move while one message waits to be taken, so that no position replaces another one untold."""
TERRITORY: Final = "kz/almaty"
FIRST: Final = 1_000_000
"""The number of the first update: seven digits each, so that every position is as long as every other."""
_SILENT_S: Final = 36_000.0
"""Clients of a measurement say nothing."""


def row_of(number: int) -> PositionRow:
    """The position that an update tells of; its instant is the update's number."""
    # Its last digit is never 0: so all are equally long.
    offset_deg = (100_001 + number % 80_000 * 10) / 1e6
    place = round(43.0 + offset_deg, 6), round(76.0 + offset_deg, 6)
    return PositionRow(CrewId(f"P-{number % CREWS:04d}"), Micros(number), *place, 5.0, 8.5, 90.0)


def message_of(number: int) -> bytes:
    """The same as a message by itself."""
    return b'{"kind":"changes","subscription":"all","cursor":%d,"positions":[%s]}' % (
        number,
        msgspec.json.encode(row_of(number)),
    )


def publish(connection: Connection) -> None:
    """The product's process: says where it listens, then plays what it is asked for (`pace.Play`)."""
    _run(_publish, connection)


def call_broadcast(connection: Connection) -> None:
    """The library's process, in the same way: one update a frame."""
    _run(_call_broadcast, connection)


def _run(serving: Callable[[Connection], Coroutine[None, None, None]], connection: Connection) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    try:
        uvloop.run(serving(connection))
    except EOFError:
        # The parent is done.
        return


async def _publish(connection: Connection) -> None:
    publisher = Publisher()
    crews = [
        CrewChange(CrewId(f"P-{number:04d}"), CrewState.FREE, TERRITORY, None, Micros(1), b'{"crew_id":"P-%04d"}' % number)
        for number in range(CREWS)
    ]
    publisher.restore(1, [], crews, [])
    observer = Client(operator="bench", role="observer")
    hub = DispatchHub(publisher, {TOKEN: observer}.get, lambda order: None, lambda: 0, idle_timeout_s=_SILENT_S)
    address = await hub.start("127.0.0.1", 0)
    gc.freeze()
    connection.send(address)

    def give(numbers: range) -> None:
        rows = [row_of(number) for number in numbers]
        hub.committed(
            Decisions(
                batch_no=publisher.batch_no + 1,
                now_us=Micros(1),
                taken=[],
                high_water={},
                log=[],
                incidents=[],
                assignments=[],
                crews=[],
                positions=[],
                commands=[],
                notices=[],
                live_positions=rows,
            )
        )

    await serve_plays(connection, give)


async def _call_broadcast(connection: Connection) -> None:
    clients: set[ServerConnection] = set()

    async def admit(client: ServerConnection) -> None:
        clients.add(client)
        await client.wait_closed()
        clients.discard(client)

    # Neither pings nor deflate: both would cost it more than they bring here.
    async with serve(admit, "127.0.0.1", 0, compression=None, ping_interval=None, backlog=4_096) as server:
        gc.freeze()
        connection.send(server.sockets[0].getsockname()[:2])

        def give(numbers: range) -> None:
            for number in numbers:
                broadcast(clients, message_of(number), text=True)

        await serve_plays(connection, give)
