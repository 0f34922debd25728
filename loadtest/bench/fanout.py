"""`fanout`: updates a second delivered to 10, 100 and 1,000 dispatch clients within 50 ms, against `websockets`' broadcast.

The real `DispatchHub` and `Publisher`, in a process of their own, are given committed batches at the pace of a busy centre's
commits: so the engine is not the bound of what is measured. Every update is another incident's, as long as a real view, and
none of them can replace another within the time that counts. The baseline sends the same bytes at the same instants, one update
a frame, as one writes it with the `websockets` library. One process reads for all clients, plainly from sockets, so that it
costs both the same; eight of them date what they read.

What is found is the greatest rate of a ladder at which 99 % of the updates were read within 50 ms by those eight.
"""

from __future__ import annotations

import asyncio
import re
import selectors
import socket
import time
from collections.abc import Awaitable, Callable
from multiprocessing.connection import Connection
from typing import Final

import msgspec
import uvloop
from websockets.asyncio.server import ServerConnection, broadcast, serve

from core.decisions import Decisions, IncidentChange
from core.instant import Micros
from core.vocabulary import CategoryCode, IncidentId, IncidentState
from loadtest.bench import scene
from loadtest.bench.bed import Bed
from loadtest.bench.children import apart, beside
from loadtest.bench.load import LoadError
from loadtest.bench.record import Record, percentile, record

CLIENTS: Final = (10, 100, 1_000)
WITHIN_MS: Final = 50.0
SHARE: Final = 0.99
BATCH_S: Final = 0.005
"""Between two commits of a busy centre."""
PLAY_S: Final = 1.5
VIEW_BYTES: Final = 900
"""An incident's view with two callers and a crew."""
STEP: Final = 1.25
"""Between two rungs of the ladder."""
FIRST: Final = 200.0
"""Updates a second of the lowest rung."""
INCIDENTS: Final = 50_000
DATED: Final = 8
PATIENCE_S: Final = 30.0
TOKEN: Final = "fanout"
_STAMP: Final = re.compile(rb'"stamp":(\d{19})')
_HEAD: Final = b'{"incident_id":%d,"version":%d,"stamp":%019d,"words":"'


class Trial(msgspec.Struct, frozen=True):
    """What the reading end found."""

    delays_ms: list[float]
    wanted: int
    """Updates that each client was to read."""


def run(_: Bed, size: scene.Size) -> list[Record]:
    """Measures it. Raises `LoadError`."""
    records = []
    for clients in CLIENTS:
        ours, theirs = [], []
        for _round in range(size.rounds):
            ours.append(apart(climb, "hub", clients))
            theirs.append(apart(climb, "broadcast", clients))
        remark = f"{VIEW_BYTES} bytes each; updates a second times clients"
        records.append(
            record(
                f"fanout_{clients}",
                [rate * clients for rate in ours],
                "updates/s",
                "websockets broadcast, one update a frame",
                [rate * clients for rate in theirs],
                remark,
            )
        )
    return records


def climb(kind: str, clients: int) -> float:
    """The greatest rate, in updates a second, at which a server of this kind is in time; 0 if none is."""
    reached, rate, strides = 0.0, FIRST, True
    with beside(SERVERS[kind]) as server:
        readers = Readers(server.recv(), clients, kind)
        try:
            while True:
                if in_time(readers.trial(server, rate)):
                    reached = rate
                    rate *= STEP**4 if strides else STEP
                elif strides and reached:
                    # Back to the last stride that held, and on in single steps.
                    strides, rate = False, reached * STEP
                else:
                    return reached
        finally:
            readers.close()


def in_time(trial: Trial) -> bool:
    """Whether everything arrived, and enough of it in time."""
    return len(trial.delays_ms) >= trial.wanted and percentile(trial.delays_ms, SHARE) <= WITHIN_MS


class Readers:
    """All clients' sockets."""

    def __init__(self, port: int, clients: int, kind: str) -> None:
        self._selector = selectors.DefaultSelector()
        self._buffer = bytearray(1 << 20)
        for number in range(clients):
            one = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
            path = "/dispatch/v1" if kind == "hub" else "/"
            one.sendall(
                f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
            )
            _until(one, b"\r\n\r\n")
            if kind == "hub":
                one.sendall(_masked(b'{"kind":"hello","protocol":"jedel-dispatch/1","token":"%s"}' % TOKEN.encode()))
                one.sendall(_masked(b'{"kind":"subscribe","id":"all"}'))
                _until(one, b'"reset":true')
            one.setblocking(False)
            self._selector.register(one, selectors.EVENT_READ, number < DATED)

    def trial(self, server: Connection, rate: float) -> Trial:
        """Has the server send at this rate, and reads until all that is dated has come or time is up."""
        server.send(rate)
        dated = min(DATED, len(self._selector.get_map()))
        rests: dict[int, bytes] = {}
        delays_ms: list[float] = []
        wanted: int | None = None
        deadline = time.monotonic() + PLAY_S + 2.0
        while wanted is None or (len(delays_ms) < wanted * dated and time.monotonic() < deadline):
            if wanted is None and server.poll():
                wanted = server.recv()
            for key, _ in self._selector.select(0.01):
                assert isinstance(key.fileobj, socket.socket)
                got = key.fileobj.recv_into(self._buffer)
                if not got:
                    raise LoadError("the server has closed a client")
                if key.data:
                    now_ns = time.monotonic_ns()
                    text = rests.get(key.fd, b"") + self._buffer[:got]
                    end = 0
                    for found in _STAMP.finditer(text):
                        delays_ms.append((now_ns - int(found[1])) / 1e6)
                        end = found.end()
                    rests[key.fd] = text[max(end, len(text) - 40) :]
        self._quiet()
        return Trial(delays_ms, wanted * dated)

    def _quiet(self) -> None:
        """Reads what is still on its way, so that it does not weigh on the next trial."""
        deadline = time.monotonic() + PATIENCE_S
        while (ready := self._selector.select(0.2)) and time.monotonic() < deadline:
            for key, _ in ready:
                assert isinstance(key.fileobj, socket.socket)
                key.fileobj.recv_into(self._buffer)

    def close(self) -> None:
        """Closes all of them."""
        for key in list(self._selector.get_map().values()):
            assert isinstance(key.fileobj, socket.socket)
            key.fileobj.close()
        self._selector.close()


def _until(one: socket.socket, mark: bytes) -> None:
    received = b""
    while mark not in received:
        part = one.recv(65_536)
        if not part:
            raise LoadError(f"the server has closed a client: {received[-200:]!r}")
        received += part


def _masked(text: bytes) -> bytes:
    """A client's text frame under the mask of zeros, which leaves it as it is (RFC 6455, 5.3)."""
    length = bytes((0x80 | len(text),)) if len(text) < 126 else bytes((0x80 | 126,)) + len(text).to_bytes(2, "big")
    return b"\x81" + length + bytes(4) + text


def view(number: int, version: int) -> bytes:
    """An incident as long as a real one, stamped with the present instant."""
    head = _HEAD % (number, version, time.monotonic_ns())
    return head + b"x" * (VIEW_BYTES - len(head) - 2) + b'"}'


async def play(connection: Connection, send: Callable[[list[bytes], int], Awaitable[None]]) -> None:
    """Sends at each rate that the pipe names, in batches, and tells how many updates that were."""
    sent = 0
    while True:
        rate = await asyncio.to_thread(connection.recv)
        loop = asyncio.get_running_loop()
        began_s, done = loop.time(), 0
        batches = round(PLAY_S / BATCH_S)
        for batch in range(1, batches + 1):
            await asyncio.sleep(began_s + batch * BATCH_S - loop.time())
            due = round(rate * batch * BATCH_S) - done
            if due:
                first = sent
                sent, done = sent + due, done + due
                await send([view(n % INCIDENTS + 1, n // INCIDENTS + 1) for n in range(first, sent)], first)
        connection.send(done)


def hub(connection: Connection) -> None:
    """The process of the real hub."""
    _until_parent_is_done(_hub, connection)


def plain(connection: Connection) -> None:
    """The process of the baseline."""
    _until_parent_is_done(_broadcast, connection)


def _until_parent_is_done(body: Callable[[Connection], Awaitable[None]], connection: Connection) -> None:
    async def whole() -> None:
        await body(connection)

    try:
        uvloop.run(whole())
    except (EOFError, OSError):
        # The parent is done.
        return


async def _hub(connection: Connection) -> None:
    from protocols.dispatch.listener import DispatchHub
    from protocols.dispatch.publisher import Publisher
    from protocols.dispatch.subscription import Client

    client = Client(operator="fanout", role="observer")
    listening = DispatchHub(
        Publisher(),
        {TOKEN: client}.get,
        lambda _: None,
        lambda: 0,
        clients_max=2 * max(CLIENTS),
        # The readers of a measurement say nothing.
        idle_timeout_s=3_600.0,
    )
    _, port = await listening.start("127.0.0.1", 0)
    connection.send(port)
    batch_no = 0

    async def send(views: list[bytes], first: int) -> None:
        nonlocal batch_no
        batch_no += 1
        changes = [_change(n % INCIDENTS + 1, n // INCIDENTS + 1, one) for n, one in enumerate(views, first)]
        listening.committed(_committed(batch_no, changes))

    await play(connection, send)


async def _broadcast(connection: Connection) -> None:
    clients: set[ServerConnection] = set()

    async def serve_one(client: ServerConnection) -> None:
        clients.add(client)
        try:
            await client.wait_closed()
        finally:
            clients.discard(client)

    async with serve(serve_one, "127.0.0.1", 0, compression=None, max_queue=None) as server:
        connection.send(next(iter(server.sockets)).getsockname()[1])

        async def send(views: list[bytes], _: int) -> None:
            for one in views:
                broadcast(clients, one.decode())

        await play(connection, send)


def _change(number: int, version: int, text: bytes) -> IncidentChange:
    return IncidentChange(
        incident_id=IncidentId(number),
        version=version,
        created=version == 1,
        opened_us=Micros(1),
        updated_us=Micros(version),
        closed_us=None,
        state=IncidentState.OPENED,
        category=CategoryCode("fire"),
        priority=1,
        territory="kz/city",
        latitude_deg=43.2,
        longitude_deg=76.9,
        crews=(),
        phone="",
        view=text,
    )


def _committed(batch_no: int, changes: list[IncidentChange]) -> Decisions:
    return Decisions(
        batch_no=batch_no,
        now_us=Micros(batch_no),
        taken=[],
        high_water={},
        log=[],
        incidents=changes,
        assignments=[],
        crews=[],
        positions=[],
        commands=[],
        notices=[],
        live_positions=[],
    )


SERVERS: Final = {"hub": hub, "broadcast": plain}
