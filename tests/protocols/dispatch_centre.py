"""A dispatch hub that listens, and clients that keep what they are sent, for tests over real sockets."""

from __future__ import annotations

import asyncio
import base64
import socket
import struct
from collections.abc import Awaitable, Callable

import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from core.commands import Order
from core.decisions import Decisions
from protocols.dispatch.codec import decode_centre, encode, text_of
from protocols.dispatch.contexts import Answer as Answerer
from protocols.dispatch.listener import DispatchHub
from protocols.dispatch.message import (
    PATH,
    PROTOCOL,
    CentreMessage,
    Changes,
    ClientMessage,
    Hello,
    Snapshot,
    Subscribe,
    Welcome,
)
from protocols.dispatch.mirror import Mirror
from protocols.dispatch.publisher import Publisher
from protocols.dispatch.subscription import Client
from tests.protocols.dispatch_world import CITY

TOKENS = {"d": Client(operator="aigul", role="dispatcher"), "o": Client(operator="eye", role="observer", territory=CITY)}


HELLO = Hello(protocol=PROTOCOL, token="d")


class Centre:
    """A hub that listens, with the orders it has handed over."""

    def __init__(self, publisher: Publisher | None = None, **options: float) -> None:
        self.publisher = publisher or Publisher()
        self.orders: list[Order] = []
        self.questions: list[tuple[int, str, Answerer]] = []
        self.hub = DispatchHub(
            self.publisher,
            TOKENS.get,
            self.orders.append,
            lambda: 1_000,
            contexts=self,
            **options,  # type: ignore[arg-type]
        )
        self.port = 0

    async def __aenter__(self) -> Centre:
        _, self.port = await self.hub.start("127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.hub.drain()

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}{PATH}"

    def commit(self, decisions: Decisions) -> None:
        self.hub.committed(decisions)

    def ask(self, incident: int, territory: str, answer: Answerer) -> None:
        """Keeps the question until the test answers it."""
        self.questions.append((incident, territory, answer))


class Peer(WSListener):
    """A client that keeps what it is sent."""

    def __init__(self) -> None:
        self.transport: WSTransport | None = None
        self.mirror = Mirror()
        self.count = 0
        self._queue: asyncio.Queue[CentreMessage | None] = asyncio.Queue()

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()
            return
        message = decode_centre(frame.get_payload_as_bytes())
        if isinstance(message, Snapshot | Changes):
            self.count += 1
            self.mirror.apply(message)
        self._queue.put_nowait(message)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._queue.put_nowait(None)

    async def get(self) -> CentreMessage | None:
        """The next message, None when the connection has ended."""
        return await asyncio.wait_for(self._queue.get(), 20)

    async def until(self, wanted: Callable[[], bool]) -> None:
        """Takes messages until something holds."""
        while not wanted():
            assert await self.get() is not None, "the connection ended first"

    def send(self, message: ClientMessage) -> None:
        assert self.transport is not None
        self.transport.send(WSMsgType.TEXT, text_of(encode(message)))


async def connect(centre: Centre, *messages: ClientMessage) -> Peer:
    _, listener = await ws_connect(Peer, centre.url)
    assert isinstance(listener, Peer)
    for message in messages:
        listener.send(message)
    return listener


async def greeted(centre: Centre, *messages: ClientMessage) -> Peer:
    peer = await connect(centre, HELLO, *messages)
    assert isinstance(await peer.get(), Welcome)
    return peer


async def watching(centre: Centre, **options: float) -> Peer:
    peer = await greeted(centre, Subscribe(id="map", **options))  # type: ignore[arg-type]
    while isinstance(message := await peer.get(), Snapshot) and message.more:
        pass
    assert peer.mirror.complete
    return peer


async def until(wanted: Callable[[], bool]) -> None:
    """Lets the loop turn until something holds."""

    async def turn() -> None:
        while not wanted():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0)

    await asyncio.wait_for(turn(), 20)


def holds(peer: Peer, count: int) -> bool:
    return len(peer.mirror.incidents) == count


def run(story: Callable[[], Awaitable[None]]) -> None:
    async def whole() -> None:
        await asyncio.wait_for(story(), 60)

    uvloop.run(whole())


async def raw_socket(centre: Centre, *messages: ClientMessage) -> socket.socket:
    """A WebSocket by hand, past its handshake, with the smallest receive buffer: it reads only what the test reads."""
    loop = asyncio.get_running_loop()
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    sock.setblocking(False)
    await loop.sock_connect(sock, ("127.0.0.1", centre.port))
    key = base64.b64encode(bytes(16)).decode()
    request = (
        f"GET {PATH} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
    )
    await loop.sock_sendall(sock, request.encode())
    head = b""
    while b"\r\n\r\n" not in head:
        head += await loop.sock_recv(sock, 4096)
    for message in messages:
        await loop.sock_sendall(sock, masked(0x81, text_of(encode(message))))
    return sock


def masked(first: int, payload: bytes) -> bytes:
    """A client's WebSocket frame; its mask is zero, which RFC 6455 does not forbid."""
    size = len(payload)
    head = struct.pack("!BB", first, 0x80 | size) if size < 126 else struct.pack("!BBH", first, 0x80 | 126, size)
    return head + bytes(4) + payload


def buffers(hub: DispatchHub) -> list[int]:
    transports = [one.transport for one in hub._connections]
    return [one.underlying_transport.get_write_buffer_size() for one in transports if one is not None]
