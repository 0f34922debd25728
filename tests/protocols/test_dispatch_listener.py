"""The hub over real sockets on uvloop: greeting, faults, pace, slow clients, many clients, drain. Counts decide, not clocks."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import socket
import ssl as tls
import struct
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest
import uvloop
from picows import WSFrame, WSHandshakeError, WSListener, WSMsgType, WSTransport, ws_connect

from core.commands import Accept, Order
from core.decisions import Decisions
from core.instant import Micros
from protocols.dispatch.client import DispatchClient
from protocols.dispatch.codec import decode_centre, encode, text_of
from protocols.dispatch.contexts import Answer as Answerer
from protocols.dispatch.listener import DispatchHub
from protocols.dispatch.message import (
    PATH,
    PROTOCOL,
    Answer,
    AskContext,
    CentreMessage,
    Changes,
    ClientMessage,
    CommandMessage,
    ContextAnswer,
    ContextReason,
    Error,
    ErrorCode,
    Goodbye,
    GoodbyeReason,
    Heartbeat,
    Hello,
    Snapshot,
    Subscribe,
    Welcome,
)
from protocols.dispatch.mirror import Mirror
from protocols.dispatch.publisher import Publisher
from protocols.dispatch.subscription import Client
from tests.protocols.dispatch_world import CITY, answer, batch, context, incident

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


def test_conversation_from_hello_to_goodbye() -> None:
    async def story() -> None:
        async with Centre() as centre:
            centre.commit(batch(1, [incident(1)]))
            peer = await watching(centre)
            assert peer.mirror.versions == {1: 1}
            command = Accept(command_id="c1", incident=1, crew="P-1")
            peer.send(CommandMessage(body=command))
            await until(lambda: bool(centre.orders))
            assert centre.orders == [Order("operator:aigul", command)]
            centre.commit(batch(2, [incident(1, 2)], commands=[answer("c1"), answer("somebody else's")]))
            # What the command did is told before its answer.
            assert isinstance(await peer.get(), Changes)
            assert await peer.get() == Answer(command_id="c1", done=True, incident=1, reason="", text="")
            peer.send(Goodbye())
            assert await peer.get() == Goodbye(reason="bye")
            assert await peer.get() is None
            assert centre.hub.clients == 0

    run(story)


def test_context_goes_to_who_asked_with_what_it_may_see() -> None:
    async def story() -> None:
        async with Centre() as centre:
            whole, limited = await connect(centre, HELLO), await connect(centre, Hello(protocol=PROTOCOL, token="o"))
            for peer in (whole, limited):
                assert isinstance(await peer.get(), Welcome)
                peer.send(AskContext(incident=2))
            await until(lambda: len(centre.questions) == 2)
            assert sorted(question[:2] for question in centre.questions) == [(2, ""), (2, CITY)]
            for _, territory, tell in centre.questions:
                tell(context(2) if territory else ContextReason.UNAVAILABLE)
            assert await whole.get() == ContextAnswer(incident=2, reason="unavailable", context=None)
            assert await limited.get() == ContextAnswer(incident=2, reason="", context=context(2))

    run(story)


def test_context_that_comes_when_its_client_has_gone_is_nobodys() -> None:
    async def story() -> None:
        async with Centre() as centre:
            peer, other = await greeted(centre), await greeted(centre)
            peer.send(AskContext(incident=2))
            await until(lambda: len(centre.questions) == 1)
            assert peer.transport is not None
            peer.transport.disconnect()
            await until(lambda: centre.hub.clients == 1)
            centre.questions[0][2](context(2))
            other.send(Goodbye())
            assert await other.get() == Goodbye(reason="bye")

    run(story)


def test_hub_that_knows_nobody_to_ask_says_so() -> None:
    async def story() -> None:
        hub = DispatchHub(Publisher(), TOKENS.get, lambda order: None, lambda: 0)
        _, port = await hub.start("127.0.0.1", 0)
        _, peer = await ws_connect(Peer, f"ws://127.0.0.1:{port}{PATH}")
        assert isinstance(peer, Peer)
        for message in (HELLO, AskContext(incident=2)):
            peer.send(message)
        assert isinstance(await peer.get(), Welcome)
        assert await peer.get() == ContextAnswer(incident=2, reason="unavailable", context=None)
        await hub.drain()

    run(story)


def test_answer_goes_to_every_session_that_asked_and_lives() -> None:
    async def story() -> None:
        async with Centre() as centre:
            peers = [await greeted(centre) for _ in range(3)]
            for peer in peers:
                for _ in range(2):
                    peer.send(CommandMessage(body=Accept(command_id="c1", incident=1, crew="P-1")))
            await until(lambda: all("c1" in session.asked for session in centre.hub.sessions()))
            assert peers[0].transport is not None
            peers[0].transport.disconnect()
            await until(lambda: centre.hub.clients == 2)
            centre.commit(batch(1, commands=[answer("c1"), answer("c1")]))
            centre.commit(batch(2, commands=[answer("c1")]))
            for peer in peers[1:]:
                assert isinstance(await peer.get(), Answer)
                peer.send(Goodbye())
                assert isinstance(await peer.get(), Goodbye), "the answer came once"

    run(story)


def test_command_is_handed_over_once_however_often_it_is_asked_before_its_answer() -> None:
    async def story() -> None:
        async with Centre(commands_max=3) as centre:
            for _ in range(3):
                # A client that comes, orders and goes must not fill the centre while the database is away.
                passing = await greeted(centre)
                for command_id in ("c1", "c1", "c2"):
                    passing.send(CommandMessage(body=Accept(command_id=command_id, incident=1, crew="P-1")))
                passing.send(Goodbye())
                assert isinstance(await passing.get(), Goodbye)
            peer = await greeted(centre)
            for command_id in ("c3", "c4", "c1"):
                peer.send(CommandMessage(body=Accept(command_id=command_id, incident=1, crew="P-1")))
            refused = await peer.get()
            assert isinstance(refused, Error)
            assert (refused.code, refused.ref) == (ErrorCode.TOO_MANY_COMMANDS, "c4")
            await until(lambda: centre.hub.sessions()[-1].asked == {"c1", "c3"})
            assert [order.command.command_id for order in centre.orders] == ["c1", "c2", "c3"]
            centre.commit(batch(1, commands=[answer("c1"), answer("c2"), answer("c3")]))
            for command_id in ("c1", "c3"):
                told = await peer.get()
                assert isinstance(told, Answer)
                assert told.command_id == command_id
            peer.send(CommandMessage(body=Accept(command_id="c4", incident=1, crew="P-1")))
            await until(lambda: len(centre.orders) == 4)

    run(story)


def test_wrong_token_is_turned_away() -> None:
    async def story() -> None:
        async with Centre() as centre:
            peer = await connect(centre, Hello(protocol=PROTOCOL, token="x"), Subscribe(id="a"))
            assert await peer.get() == Goodbye(reason="unauthorized")
            assert await peer.get() is None
            assert centre.hub.goodbyes[GoodbyeReason.UNAUTHORIZED] == 1

    run(story)


@pytest.mark.parametrize(("path", "status"), [("/", 404), ("/dispatch/v2", 404), (PATH + "/x", 404)])
def test_unknown_path_is_not_found(path: str, status: int) -> None:
    async def story() -> None:
        async with Centre() as centre:
            with pytest.raises(WSHandshakeError) as caught:
                await ws_connect(Peer, f"ws://127.0.0.1:{centre.port}{path}")
            assert caught.value.response is not None
            assert caught.value.response.status == status

    run(story)


def test_client_beyond_the_bound_is_told_to_come_later() -> None:
    async def story() -> None:
        async with Centre(clients_max=2) as centre:
            peers = [await connect(centre) for _ in range(2)]
            with pytest.raises(WSHandshakeError) as caught:
                await connect(centre)
            assert caught.value.response is not None
            assert caught.value.response.status == 503
            assert peers[0].transport is not None
            peers[0].transport.disconnect()
            await until(lambda: centre.hub.clients == 1)
            await greeted(centre)

    run(story)


def test_request_that_is_no_upgrade_leaves_nothing_behind() -> None:
    async def story() -> None:
        async with Centre() as centre:
            reader, writer = await asyncio.open_connection("127.0.0.1", centre.port)
            writer.write(f"GET {PATH} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            assert b" 400 " in await reader.read()
            assert centre.hub.clients == 0
            writer.close()

    run(story)


def test_bad_message_is_answered_and_the_stream_goes_on() -> None:
    async def story() -> None:
        async with Centre() as centre:
            peer = await greeted(centre)
            assert peer.transport is not None
            peer.transport.send(WSMsgType.TEXT, b'{"kind":"subscribe","id":"a","filter":{"box":[1]}}')
            peer.transport.send(WSMsgType.BINARY, b"\x00")
            peer.send(Subscribe(id="b"))
            error = await peer.get()
            assert isinstance(error, Error)
            assert (error.ref, error.field) == ("a", "$.filter.box")
            assert isinstance(await peer.get(), Error)
            assert isinstance(await peer.get(), Snapshot)

    run(story)


def test_message_in_fragments_is_one_message() -> None:
    async def story() -> None:
        async with Centre(message_max_bytes=1_000) as centre:
            peer = await greeted(centre)
            assert peer.transport is not None
            text = text_of(encode(Subscribe(id="қала"))).ljust(900)
            for at in range(0, 900, 100):
                kind = WSMsgType.CONTINUATION if at else WSMsgType.TEXT
                peer.transport.send(kind, text[at : at + 100], at == 800)
            snapshot = await peer.get()
            assert isinstance(snapshot, Snapshot)
            assert snapshot.subscription == "қала"
            peer.transport.send(WSMsgType.TEXT, b" " * 600, False)
            peer.transport.send(WSMsgType.CONTINUATION, b" " * 600, False)
            assert await peer.get() == Goodbye(reason="message_too_large")

    run(story)


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


@pytest.mark.parametrize(
    "frame",
    [
        struct.pack("!BBQ", 0x81, 0x80 | 127, 1 << 30) + bytes(4),
        struct.pack("!BBQ", 0x81, 0x80 | 127, (1 << 63) - 1) + bytes(4),
        b"\x81\x05hello",
        b"\xff" * 64,
    ],
    ids=["1 GiB", "8 EiB", "not masked", "garbage"],
)
def test_frame_against_the_protocol_ends_its_connection_alone(frame: bytes) -> None:
    async def story() -> None:
        async with Centre(close_grace_s=0.05) as centre:
            other = await watching(centre)
            sock = await raw_socket(centre, HELLO)
            await asyncio.get_running_loop().sock_sendall(sock, frame + os.urandom(50_000))
            await until(lambda: centre.hub.clients == 1)
            centre.commit(batch(1, [incident(1)]))
            await other.until(lambda: 1 in other.mirror.incidents)
            sock.close()

    run(story)


def test_silent_connection_is_closed_without_hello_and_without_heartbeat() -> None:
    async def story() -> None:
        async with Centre(hello_timeout_s=0.05, idle_timeout_s=0.3) as centre:
            mute = await connect(centre)
            assert await mute.get() == Goodbye(reason="hello_timeout")
            idle = await watching(centre)
            beats = 0
            while isinstance(message := await idle.get(), Heartbeat):
                assert message.now_us == 1_000
                beats += 1
            assert message == Goodbye(reason="idle")
            assert beats >= 1

    run(story)


def test_heartbeat_moves_the_cursor_of_a_quiet_subscription() -> None:
    async def story() -> None:
        async with Centre(idle_timeout_s=0.3) as centre:
            peer = await watching(centre)
            centre.commit(batch(5))
            await peer.until(lambda: peer.mirror.cursor == 5)

    run(story)


def test_rate_limited_subscription_gets_the_newest_state_in_fewer_messages() -> None:
    async def story() -> None:
        async with Centre() as centre:
            limited, free = await watching(centre, max_per_s=4.0), await watching(centre)
            for version in range(1, 101):
                centre.commit(batch(version, [incident(1, version)]))
            await limited.until(lambda: limited.mirror.versions == {1: 100})
            await free.until(lambda: free.mirror.versions == {1: 100})
            assert free.count == 1 + 100
            # One a quarter of a second: the hundred batches are not the work of two seconds.
            assert limited.count < 10

    run(story)


def test_rate_yields_to_the_bound_rather_than_cut_the_client() -> None:
    async def story() -> None:
        async with Centre(Publisher(pending_max=50)) as centre:
            limited = await watching(centre, max_per_s=0.01)
            for number in range(1, 301):
                centre.commit(batch(number, [incident(number)]))
            await limited.until(lambda: len(limited.mirror.incidents) >= 270)
            assert centre.hub.goodbyes[GoodbyeReason.TOO_SLOW] == 0
            # Half the bound at a time: about twelve messages after the snapshot, not three hundred.
            assert limited.count < 20

    run(story)


def buffers(hub: DispatchHub) -> list[int]:
    transports = [one.transport for one in hub._connections]
    return [one.underlying_transport.get_write_buffer_size() for one in transports if one is not None]


def test_client_that_never_reads_is_cut_at_its_bound_and_slows_nobody() -> None:
    async def story() -> None:
        publisher = Publisher(pending_max=200)
        async with Centre(publisher, buffer_bytes=100_000, close_grace_s=0.05) as centre:
            fast = await watching(centre)
            dead = await raw_socket(centre, HELLO, Subscribe(id="map"))
            await until(lambda: centre.hub.clients == 2)
            number = most = 0
            while centre.hub.clients == 2:
                number += 1
                assert number < 20_000
                centre.commit(batch(number, [incident(number, padding=20_000)]))
                most = max(most, *buffers(centre.hub))
                # The fast client has each batch before the next one.
                await fast.until(partial(fast.mirror.incidents.__contains__, number))
            assert centre.hub.goodbyes[GoodbyeReason.TOO_SLOW] == 1
            assert most < 50_000 + 21_000, "half the bound and one message"
            # It never reads its goodbye either: after the grace the connection goes.
            await until(lambda: len(centre.hub._connections) == 1)
            dead.close()

    run(story)


def test_client_that_pauses_conflates_and_catches_up() -> None:
    async def story() -> None:
        async with Centre(buffer_bytes=100_000) as centre:
            peer = await watching(centre)
            assert peer.transport is not None
            peer.transport.underlying_transport.pause_reading()
            for version in range(1, 2_001):
                centre.commit(batch(version, [incident(n, version, created=version == 1, padding=5_000) for n in range(3)]))
                if version % 20 == 0:
                    await asyncio.sleep(0)
            sent = centre.hub.delivered_messages
            assert sent < 2_001
            peer.transport.underlying_transport.resume_reading()
            await peer.until(lambda: peer.mirror.versions == dict.fromkeys(range(3), 2_000))
            assert peer.count == centre.hub.delivered_messages

    run(story)


def test_client_that_sends_and_never_reads_is_cut() -> None:
    async def story() -> None:
        async with Centre(buffer_bytes=50_000, close_grace_s=0.05) as centre:
            loop = asyncio.get_running_loop()
            sock = await raw_socket(centre, HELLO)
            pings = masked(0x89, bytes(100)) * 500
            most = 0
            with pytest.raises(ConnectionError):
                while True:
                    await loop.sock_sendall(sock, pings)
                    most = max([most, *buffers(centre.hub)])
            assert centre.hub.goodbyes[GoodbyeReason.TOO_SLOW] == 1
            assert most < 100_000
            sock.close()

    run(story)


def test_many_clients_with_one_filter_share_every_message() -> None:
    async def story() -> None:
        async with Centre() as centre:
            peers = [await watching(centre) for _ in range(100)]
            before = centre.publisher.encodings
            for number in range(1, 21):
                centre.commit(batch(number, [incident(number), incident(1_000 + number)]))
            for peer in peers:
                await peer.until(partial(holds, peer, 40))
            # One for the snapshot, and one a batch, or fewer where the batches came faster than a hundred could be told.
            count = peers[0].count
            assert 2 <= count <= 21
            assert {peer.count for peer in peers} == {count}
            assert centre.publisher.encodings == before + count - 1
            assert centre.hub.delivered_messages == 100 * count

    run(story)


def test_clients_are_told_in_turns_and_what_is_committed_meanwhile_shares_their_message() -> None:
    async def story() -> None:
        async with Centre(fanout_turn=2) as centre:
            peers = [await watching(centre) for _ in range(6)]
            for number in range(1, 11):
                centre.commit(batch(number, [incident(number)]))
            # The first two had their turn with the first batch; the loop has not turned since.
            assert centre.hub.delivered_messages == 6 + 2
            for peer in peers:
                await peer.until(partial(holds, peer, 10))
            assert [peer.count for peer in peers] == [3, 3, 2, 2, 2, 2]

    run(story)


def test_answer_comes_after_what_its_command_changed_also_before_the_clients_turn() -> None:
    async def story() -> None:
        async with Centre(fanout_turn=1) as centre:
            peers = [await watching(centre) for _ in range(5)]
            peers[-1].send(CommandMessage(body=Accept(command_id="c1", incident=1, crew="P-1")))
            await until(lambda: bool(centre.orders))
            centre.commit(batch(1, [incident(1)], commands=[answer("c1")]))
            assert isinstance(await peers[-1].get(), Changes)
            assert isinstance(await peers[-1].get(), Answer)
            assert peers[-1].count == 2
            for peer in peers:
                await peer.until(partial(holds, peer, 1))
                assert peer.count == 2

    run(story)


def test_who_waits_for_a_turn_is_told_at_once_when_the_bound_is_near() -> None:
    async def story() -> None:
        async with Centre(Publisher(pending_max=50), fanout_turn=1) as centre:
            peers = [await watching(centre) for _ in range(4)]
            for number in range(1, 301):
                centre.commit(batch(number, [incident(number)]))
            for peer in peers:
                await peer.until(partial(holds, peer, 300))
            assert centre.hub.goodbyes[GoodbyeReason.TOO_SLOW] == 0

    run(story)


def test_drain_tells_those_who_wait_for_their_turn() -> None:
    async def story() -> None:
        async with Centre(fanout_turn=1) as centre:
            peers = [await watching(centre) for _ in range(5)]
            centre.commit(batch(1, [incident(1)]))
        for peer in peers:
            assert isinstance(await peer.get(), Changes)
            assert await peer.get() == Goodbye(reason="shutdown")

    run(story)


def test_large_snapshot_goes_out_in_parts_while_changes_come() -> None:
    async def story() -> None:
        publisher = Publisher(part_bytes=10_000, step=50)
        async with Centre(publisher, buffer_bytes=60_000) as centre:
            centre.commit(batch(1, [incident(n, padding=500) for n in range(2_000)]))
            peer = await greeted(centre, Subscribe(id="map"))
            for number in range(2, 30):
                centre.commit(batch(number, [incident(number * 60, number, created=False)]))
                await asyncio.sleep(0)
            await peer.until(lambda: peer.mirror.cursor == 29)
            assert peer.mirror.versions == {n: n // 60 if n % 60 == 0 and 2 <= n // 60 < 30 else 1 for n in range(2_000)}
            assert peer.count > 50

    run(story)


def test_large_snapshot_waits_for_a_socket_that_takes_no_more() -> None:
    async def story() -> None:
        publisher = Publisher(part_bytes=20_000)
        async with Centre(publisher, buffer_bytes=60_000, close_grace_s=0.05) as centre:
            centre.commit(batch(1, [incident(n, padding=1_000) for n in range(10_000)]))
            deaf = await raw_socket(centre, HELLO, Subscribe(id="map"))
            peer = await watching(centre)
            assert len(peer.mirror.incidents) == 10_000
            assert max(buffers(centre.hub)) < 30_000 + 22_000, "half the bound and one part"
            deaf.close()

    run(story)


def test_drain_says_goodbye_and_refuses_newcomers() -> None:
    async def story() -> None:
        centre = Centre(close_grace_s=0.1)
        async with centre:
            peers = [await watching(centre) for _ in range(5)]
            deaf = await raw_socket(centre, HELLO)
            await until(lambda: centre.hub.clients == 6)
        for peer in peers:
            assert await peer.get() == Goodbye(reason="shutdown")
            assert await peer.get() is None
        with pytest.raises(OSError):
            await connect(centre)
        deaf.close()

    run(story)


def test_conversation_goes_over_tls() -> None:
    async def story() -> None:
        certificate = Path(__file__).parent / "localhost.pem"
        serving = tls.SSLContext(tls.PROTOCOL_TLS_SERVER)
        serving.load_cert_chain(certificate)
        trusting = tls.create_default_context(cafile=str(certificate))
        hub = DispatchHub(Publisher(), TOKENS.get, lambda order: None, lambda: 0)
        _, port = await hub.start("127.0.0.1", 0, serving)
        async with DispatchClient(f"wss://localhost:{port}{PATH}", "d", ssl=trusting) as client:
            feed = client.subscribe("map")
            await feed.synced()
            hub.committed(batch(1, [incident(n, padding=2_000) for n in range(500)]))
            await until(lambda: len(feed.mirror.incidents) == 500)
            assert [session.program for session in hub.sessions()] == ["jedel-client"]
        await hub.drain()

    run(story)


def test_batches_before_the_start_are_kept() -> None:
    async def story() -> None:
        centre = Centre()
        centre.commit(batch(1, [incident(1)], commands=[answer("c1")]))
        async with centre:
            peer = await watching(centre)
            assert peer.mirror.versions == {1: 1}

    run(story)


def test_time_of_the_centre_is_told_in_the_welcome() -> None:
    async def story() -> None:
        async with Centre() as centre:
            peer = await connect(centre, HELLO)
            welcome = await peer.get()
            assert isinstance(welcome, Welcome)
            assert Micros(welcome.now_us) == 1_000
            assert json.loads(text_of(encode(welcome)))["limits"]["message_max_bytes"] == 256 * 1024

    run(story)
