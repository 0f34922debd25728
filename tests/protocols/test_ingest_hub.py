"""The hub over real sockets on uvloop: who comes in, who is let go, and what is told to whom."""

from __future__ import annotations

import asyncio
import json
import ssl
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from core.decisions import Taken
from core.events import Chunk, PlateRead, Rejected
from core.inlet import Inlet
from core.vocabulary import RejectCode
from protocols.ingest.client import IngestClient
from protocols.ingest.client_session import IngestRefusedError
from protocols.ingest.frame import frame_body
from protocols.ingest.hub import IngestHub
from protocols.ingest.message import EventError, Framing, GoodbyeReason
from tests.protocols.raw_source import HANDSHAKE, frames_of, hello, line, plates, run, until
from tests.protocols.small_centre import NOW_US, TOKEN, SmallCentre, commit

CERTIFICATE = Path(__file__).parent / "localhost.pem"


@pytest.mark.parametrize("framing", Framing)
@pytest.mark.parametrize("scheme", ["tcp", "ws"])
def test_events_are_committed_once_and_answered_when_a_client_sends_them(scheme: str, framing: Framing) -> None:
    async def scenario() -> None:
        centre = SmallCentre(high_water={"cam": 5})
        start = centre.hub.start_tcp if scheme == "tcp" else centre.hub.start_ws
        host, port = await start("127.0.0.1", 0)
        errors: list[EventError] = []
        url = f"{scheme}://{host}:{port}"
        async with IngestClient(url, source="cam", token=TOKEN, framing=framing, on_error=errors.append) as client:
            assert client.next_seq == 6
            await client.push(plates(3000))
            await client.push([PlateRead(seq=1, at=datetime(1990, 1, 1, tzinfo=UTC), camera="c", plate="p")])
            assert await client.push(plates(1)) == 3007
            await client.flush()
        assert centre.seqs["cam"] == [*range(6, 3006), 3007]
        [error] = errors
        assert (error.seq, error.code, error.field) == (3006, RejectCode.TIME_OUT_OF_RANGE, "$.at")
        assert client.acked_seq == 3007
        assert client.counters["goodbye_finished"] == 1
        assert await centre.hub.drain()
        assert centre.hub.connections == 0

    run(scenario)


@pytest.mark.parametrize("scheme", ["tls", "wss"])
def test_events_are_committed_when_the_connection_is_encrypted(scheme: str) -> None:
    async def scenario() -> None:
        server_side = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        server_side.load_cert_chain(CERTIFICATE)
        client_side = ssl.create_default_context(cafile=str(CERTIFICATE))
        centre = SmallCentre(tls=server_side)
        start = centre.hub.start_tcp if scheme == "tls" else centre.hub.start_ws
        _, port = await start("127.0.0.1", 0)
        async with IngestClient(f"{scheme}://localhost:{port}", source="cam", token=TOKEN, tls=client_side) as client:
            await client.push(plates(2000))
        assert centre.seqs["cam"] == list(range(1, 2001))
        await centre.hub.drain()

    run(scenario)


@pytest.mark.parametrize("scheme", ["tcp", "ws"])
def test_source_is_refused_when_its_token_is_wrong(scheme: str) -> None:
    async def scenario() -> None:
        centre = SmallCentre()
        start = centre.hub.start_tcp if scheme == "tcp" else centre.hub.start_ws
        host, port = await start("127.0.0.1", 0)
        client = IngestClient(f"{scheme}://{host}:{port}", source="cam", token="wrong", framing=Framing.MSGPACK)
        with pytest.raises(IngestRefusedError) as refused:
            await client.start()
        assert refused.value.reason == GoodbyeReason.UNAUTHORIZED.value
        await client.abort()
        assert centre.hub.sources == []
        await centre.hub.drain()

    run(scenario)


BROKEN_STREAMS = [
    ("random", b"\x16\x03\x01\x02\x00\x01\n", "bad_hello"),
    ("http", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "bad_hello"),
    ("endless line", b"x" * 5000, "bad_hello"),
    ("huge line", hello() + b"x" * 300_000, "frame_too_large"),
    ("1 GiB", hello(framing="msgpack") + (1 << 30).to_bytes(4, "big") + bytes(100_000), "frame_too_large"),
    ("4 GiB", hello(framing="msgpack") + b"\xff\xff\xff\xff", "frame_too_large"),
    ("malformed for ever", hello() + b"noise\n" * 2000, "too_many_malformed"),
    ("gap", hello() + line(1) + line(3), "seq_gap"),
]


@pytest.mark.parametrize(("name", "stream", "reason"), BROKEN_STREAMS, ids=[case[0] for case in BROKEN_STREAMS])
def test_peer_is_told_why_and_closed_when_it_breaks_the_protocol(name: str, stream: bytes, reason: str) -> None:
    async def scenario() -> None:
        centre = SmallCentre()
        host, port = await centre.hub.start_tcp("127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(stream)
        answer = await reader.read()
        assert f'"{reason}"'.encode() in answer or reason.encode() in answer
        writer.close()
        await until(lambda: centre.hub.connections == 0)
        assert centre.hub.counters[f"goodbye_{reason}"] == 1
        await centre.hub.drain()

    run(scenario)


def test_websocket_is_closed_as_too_big_when_a_frame_claims_a_gibibyte() -> None:
    async def scenario() -> None:
        centre = SmallCentre()
        host, port = await centre.hub.start_ws("127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(HANDSHAKE + b"\x82\xff" + (1 << 30).to_bytes(8, "big") + bytes(4) + bytes(50_000))
        answer = await reader.read()
        assert b"101 Switching" in answer
        assert (1009).to_bytes(2, "big") in answer
        writer.close()
        await until(lambda: centre.hub.connections == 0)
        await centre.hub.drain()

    run(scenario)


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (HANDSHAKE.replace(b"/ingest/v1", b"/other"), b"404"),
        (HANDSHAKE.replace(b"Upgrade: websocket\r\n", b""), b"400"),
        (b"\x00\x01garbage\r\n\r\n", b"400"),
    ],
)
def test_websocket_upgrade_is_refused_when_the_request_is_wrong(request_bytes: bytes, status: bytes) -> None:
    async def scenario() -> None:
        centre = SmallCentre()
        host, port = await centre.hub.start_ws("127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(request_bytes)
        assert (await reader.read()).split(b" ")[1] == status
        writer.close()
        await until(lambda: centre.hub.connections == 0)
        await centre.hub.drain()

    run(scenario)


def test_slow_source_is_served_when_its_bytes_come_one_by_one() -> None:
    async def scenario() -> None:
        centre = SmallCentre()
        host, port = await centre.hub.start_tcp("127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(host, port)
        for byte in hello() + line(1) + line(2, confidence=9) + line(3):
            writer.write(bytes([byte]))
            await asyncio.sleep(0)
        await until(lambda: centre.high_water.get("raw") == 3)
        writer.write_eof()
        frames = await frames_of(reader)
        assert [frame["kind"] for frame in frames if frame["kind"] != "ack"] == ["welcome", "error", "goodbye"]
        assert frames[-2] == {"kind": "ack", "seq": 3}
        writer.close()
        await centre.hub.drain()

    run(scenario)


def test_file_piped_into_a_socket_is_committed_and_acknowledged() -> None:
    async def scenario() -> None:
        centre = SmallCentre()
        centre.paused = True
        host, port = await centre.hub.start_tcp("127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(hello() + b"".join(line(seq) for seq in range(1, 1001)) + line(1001)[:30])
        writer.write_eof()
        await until(lambda: centre.hub.counters["events"] == 1000)
        for _ in range(50):
            await asyncio.sleep(0)
        centre.paused = False
        centre.wake()
        frames = await frames_of(reader)
        assert frames[-2] == {"kind": "ack", "seq": 1000}
        assert frames[-1]["reason"] == "finished"
        assert centre.seqs["raw"] == list(range(1, 1001))
        writer.close()
        await centre.hub.drain()

    run(scenario)


def test_older_connection_goes_when_its_source_says_hello_again() -> None:
    async def scenario() -> None:
        centre = SmallCentre()
        host, port = await centre.hub.start_tcp("127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(hello("cam") + line(1))
        await until(lambda: centre.high_water.get("cam") == 1)
        async with IngestClient(f"tcp://{host}:{port}", source="cam", token=TOKEN) as client:
            assert client.next_seq == 2
            assert (await frames_of(reader))[-1]["reason"] == "superseded"
            await client.push(plates(5))
        assert centre.seqs["cam"] == [1, 2, 3, 4, 5, 6]
        writer.close()
        await centre.hub.drain()

    run(scenario)


def test_chunks_of_a_superseded_connection_are_acknowledged_to_the_new_one() -> None:
    async def scenario() -> None:
        centre = SmallCentre()
        centre.paused = True
        host, port = await centre.hub.start_tcp("127.0.0.1", 0)
        _, older = await asyncio.open_connection(host, port)
        older.write(hello("cam") + b"".join(line(seq) for seq in range(1, 11)))
        await until(lambda: bool(centre.inlet))
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(hello("cam") + line(1) + line(2))
        assert json.loads(await reader.readline())["committed_seq"] == 0
        await until(lambda: centre.hub.counters["chunks"] == 2)
        centre.run()
        assert json.loads(await reader.readline()) == {"kind": "ack", "seq": 10}
        writer.write(line(3) + line(11))
        centre.paused = False
        await until(lambda: bool(centre.inlet))
        centre.run()
        assert centre.seqs["cam"] == list(range(1, 12))
        older.close()
        writer.close()
        await centre.hub.drain()

    run(scenario)


def test_drain_waits_for_commits_and_tells_each_source() -> None:
    async def scenario() -> None:
        centre = SmallCentre()
        centre.paused = True
        host, port = await centre.hub.start_tcp("127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(hello() + line(1))
        await until(lambda: bool(centre.inlet))
        draining = asyncio.create_task(centre.hub.drain())
        await asyncio.sleep(0)
        with pytest.raises(OSError):
            await asyncio.open_connection(host, port)
        writer.write(line(2))
        centre.paused = False
        centre.wake()
        frames = await frames_of(reader)
        assert [frame["kind"] for frame in frames] == ["welcome", "ack", "goodbye"]
        assert frames[-1]["reason"] == "draining"
        writer.close()
        assert await draining
        assert centre.seqs["raw"] == [1]

    run(scenario)


def test_drain_cuts_the_rest_when_its_time_is_over() -> None:
    async def scenario() -> None:
        centre = SmallCentre()
        centre.paused = True
        host, port = await centre.hub.start_tcp("127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(hello() + line(1))
        await until(lambda: bool(centre.inlet))
        assert not await centre.hub.drain(timeout_s=0.01)
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await reader.readexactly(1 << 20)
        await until(lambda: centre.hub.connections == 0)
        writer.close()

    run(scenario)


def test_source_is_told_when_the_engine_rejects_what_the_codec_took() -> None:
    async def scenario() -> None:
        hub = IngestHub(inlet := Inlet(), lambda _token, _source: True, {}, lambda: NOW_US, lambda: None)
        host, port = await hub.start_tcp("127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(hello() + line(1) + line(2, confidence=5) + line(3))
        await until(lambda: bool(inlet))
        [chunk], _ = inlet.take()
        assert isinstance(chunk, Chunk)
        refused = Rejected(seq=3, code=RejectCode.UNKNOWN_CREW, field="$.crew", text="no such crew")
        high_water: dict[str, int] = {}
        decisions = commit(1, [chunk], high_water)
        decisions.taken[0] = Taken(chunk=chunk, skip=0, incidents={}, rejected={2: refused})
        hub.committed(decisions)
        frames = [json.loads(await reader.readline()) for _ in range(4)]
        assert [(frame["kind"], frame.get("seq"), frame.get("code")) for frame in frames[1:]] == [
            ("error", 2, "invalid_field"),
            ("error", 3, "unknown_crew"),
            ("ack", 3, None),
        ]
        writer.close()
        await until(lambda: hub.connections == 0)
        hub.close()

    run(scenario)


def test_errors_are_not_told_again_when_the_engine_skips_what_it_took_before() -> None:
    async def scenario() -> None:
        hub = IngestHub(inlet := Inlet(), lambda _token, _source: True, {}, lambda: NOW_US, lambda: None)
        host, port = await hub.start_tcp("127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(hello() + line(1, confidence=5) + line(2, confidence=5))
        await until(lambda: bool(inlet))
        chunks, _ = inlet.take()
        hub.committed(commit(1, chunks, {"raw": 1}))
        frames = [json.loads(await reader.readline()) for _ in range(3)]
        assert [(frame["kind"], frame.get("seq")) for frame in frames[1:]] == [("error", 2), ("ack", 2)]
        writer.close()
        await until(lambda: hub.connections == 0)
        hub.close()

    run(scenario)


def test_body_of_any_read_is_taken_when_framing_is_msgpack_over_fragmented_websocket() -> None:
    async def scenario() -> None:
        centre = SmallCentre()
        host, port = await centre.hub.start_ws("127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(host, port)
        event = {"kind": "call", "seq": 1, "at": "2026-05-09T10:00:00Z"}
        stream = frame_body(msgspec.msgpack.encode(event)) + frame_body(msgspec.msgpack.encode({**event, "seq": 2}))

        def message(payload: bytes, opcode: int, *, fin: bool) -> bytes:
            return bytes([(0x80 if fin else 0) | opcode, 0x80 | len(payload)]) + bytes(4) + payload

        writer.write(HANDSHAKE + message(hello(framing="msgpack"), 1, fin=True))
        writer.write(message(stream[:7], 2, fin=False) + message(b"ping", 9, fin=True) + message(stream[7:50], 0, fin=True))
        writer.write(message(stream[50:], 2, fin=True) + message(b"last", 9, fin=True))
        await until(lambda: centre.high_water.get("raw") == 2)
        assert centre.seqs["raw"] == [1, 2]
        answer = await reader.readuntil(b"last")
        assert b"\x8a\x04ping" in answer
        writer.close()
        await until(lambda: centre.hub.connections == 0)
        await centre.hub.drain()

    run(scenario)
