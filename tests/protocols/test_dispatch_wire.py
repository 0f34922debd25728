"""What peers may do to the wire of a dispatch connection: wrong addresses, wrong frames, silence. It disturbs nobody else."""

from __future__ import annotations

import asyncio
import os
import ssl as tls
import struct
from pathlib import Path

import pytest
from picows import WSHandshakeError, WSMsgType, ws_connect

from protocols.dispatch.client import DispatchClient
from protocols.dispatch.codec import encode, text_of
from protocols.dispatch.listener import DispatchHub
from protocols.dispatch.message import (
    PATH,
    Error,
    Goodbye,
    Heartbeat,
    Snapshot,
    Subscribe,
)
from protocols.dispatch.publisher import Publisher
from tests.protocols.dispatch_centre import (
    HELLO,
    TOKENS,
    Centre,
    Peer,
    connect,
    greeted,
    raw_socket,
    run,
    until,
    watching,
)
from tests.protocols.dispatch_world import batch, incident


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
