"""What peers do to the ingest hub costs what it may: connections, windows, the inlet, rubbish, silence."""

from __future__ import annotations

import asyncio
import json
import resource
from collections.abc import Iterator

import pytest

from core.inlet import Inlet
from core.instant import SECOND_US, Micros
from protocols.ingest.client import IngestClient
from protocols.ingest.state import SessionLimits
from tests.protocols.raw_source import HANDSHAKE, frames_of, hello, line, plates, run, until
from tests.protocols.small_centre import NOW_US, TOKEN, SmallCentre, commit


@pytest.fixture
def many_files() -> Iterator[None]:
    """Allows this process both ends of a few thousand connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 8192 if hard == resource.RLIM_INFINITY else min(8192, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("many_files")
@pytest.mark.parametrize("scheme", ["tcp", "ws"])
def test_thousand_silent_connections_do_not_disturb_a_source(scheme: str) -> None:
    async def scenario() -> None:
        centre = SmallCentre(half_open_max=600)
        start = centre.hub.start_tcp if scheme == "tcp" else centre.hub.start_ws
        host, port = await start("127.0.0.1", 0)
        async with IngestClient(f"{scheme}://{host}:{port}", source="cam", token=TOKEN) as client:
            silent = []
            for _ in range(1000):
                silent.append(await asyncio.open_connection(host, port))
                await client.push(plates(2))
            await client.flush()
            assert client.acked_seq == 2000
            await until(lambda: centre.hub.counters["goodbye_half_open_limit"] == 400)
            assert centre.hub.half_open == 600
        assert client.counters["connections"] == 1
        for _, writer in silent:
            writer.close()
        await until(lambda: centre.hub.connections == 0)
        await centre.hub.drain()

    run(scenario)


@pytest.mark.parametrize("scheme", ["tcp", "ws"])
def test_connection_is_turned_away_with_a_goodbye_when_there_are_too_many(scheme: str) -> None:
    async def scenario() -> None:
        centre = SmallCentre(connections_max=1)
        start = centre.hub.start_tcp if scheme == "tcp" else centre.hub.start_ws
        host, port = await start("127.0.0.1", 0)
        async with IngestClient(f"{scheme}://{host}:{port}", source="cam", token=TOKEN) as client:
            reader, writer = await asyncio.open_connection(host, port)
            if scheme == "ws":
                writer.write(HANDSHAKE)
            answer = await reader.readuntil(b"}")
            assert b"too_many_connections" in answer
            writer.close()
            await client.push(plates(10))
        assert centre.seqs["cam"] == list(range(1, 11))
        await centre.hub.drain()

    run(scenario)


def test_connections_are_cut_unanswered_when_even_those_turned_away_are_too_many() -> None:
    async def scenario() -> None:
        centre = SmallCentre(connections_max=2, half_open_max=2)
        host, port = await centre.hub.start_tcp("127.0.0.1", 0)
        peers = [await asyncio.open_connection(host, port) for _ in range(7)]
        await until(lambda: centre.hub.counters["connections"] == 7)
        assert centre.hub.counters["goodbye_too_many_connections"] == 2
        assert centre.hub.counters["cut_unanswered"] == 3
        for _, writer in peers:
            writer.close()
        await until(lambda: centre.hub.connections == 0)
        await centre.hub.drain()

    run(scenario)


@pytest.mark.parametrize("scheme", ["tcp", "ws"])
def test_fast_source_is_held_at_its_window_when_nothing_is_committed(scheme: str) -> None:
    async def scenario() -> None:
        centre = SmallCentre(session_limits=SessionLimits(window_events=1000))
        centre.paused = True
        start = centre.hub.start_tcp if scheme == "tcp" else centre.hub.start_ws
        host, port = await start("127.0.0.1", 0)
        client = IngestClient(f"{scheme}://{host}:{port}", source="cam", token=TOKEN)
        await client.start()
        client.offer(plates(100_000))
        await until(lambda: centre.hub.counters["events"] >= 1000)
        for _ in range(200):
            await asyncio.sleep(0)
        # One read beyond the window at most.
        assert centre.hub.counters["events"] < 1000 + 256 * 1024 // 70
        centre.paused = False
        centre.wake()
        await client.close()
        assert centre.seqs["cam"] == list(range(1, 100_001))
        await centre.hub.drain()

    run(scenario)


def test_only_urgent_sources_are_read_when_the_inlet_is_full() -> None:
    async def scenario() -> None:
        centre = SmallCentre(inlet=Inlet(capacity_bytes=1))
        centre.paused = True
        host, port = await centre.hub.start_tcp("127.0.0.1", 0)
        calm = await asyncio.open_connection(host, port)
        calm[1].write(hello("calm") + line(1))
        await until(lambda: centre.hub.counters["chunks"] == 1)
        calm[1].write(line(2))
        caller = await asyncio.open_connection(host, port)
        call = json.dumps({"kind": "call", "seq": 1, "at": "2026-05-09T10:00:00Z"}).encode() + b"\n"
        caller[1].write(hello("caller") + call)
        await until(lambda: centre.hub.counters["chunks"] == 2)
        caller[1].write(call.replace(b'"seq": 1', b'"seq": 2'))
        await until(lambda: centre.hub.counters["chunks"] == 3)
        assert centre.foreseen == ["caller", "caller"]
        first, _ = centre.inlet.take()
        assert [chunk.source for chunk in first] == ["caller", "caller", "calm"]
        centre.hub.committed(commit(1, first, centre.high_water))
        await until(lambda: centre.hub.counters["chunks"] == 4)
        for _, writer in (calm, caller):
            writer.close()
        centre.hub.close()
        await until(lambda: centre.hub.connections == 0)

    run(scenario)


def test_urgent_sources_wait_too_when_the_reserve_is_used_up_and_go_on_before_the_others() -> None:
    async def scenario() -> None:
        centre = SmallCentre(inlet=Inlet(capacity_bytes=1, reserve_bytes=300))
        centre.paused = True
        host, port = await centre.hub.start_tcp("127.0.0.1", 0)
        call = json.dumps({"kind": "call", "seq": 1, "at": "2026-05-09T10:00:00Z", "words": "w" * 200}).encode() + b"\n"
        peers = {}
        for count, (source, event) in enumerate((("calm", line(1)), ("caller", call)), start=1):
            peers[source] = await asyncio.open_connection(host, port)
            peers[source][1].write(hello(source) + event)
            await until(lambda count=count: centre.hub.counters["chunks"] == count)  # type: ignore[misc]
        held = centre.inlet.held_bytes
        peers["calm"][1].write(line(2))
        peers["caller"][1].write(call.replace(b'"seq": 1', b'"seq": 2'))
        late = await asyncio.open_connection(host, port)
        late[1].write(hello("late") + line(1))
        await until(lambda: centre.hub.counters["chunks"] == 3)
        assert sorted(centre.hub.sources) == ["caller", "calm", "late"]
        assert centre.inlet.held_bytes == held + len(line(1).rstrip()), "neither the caller nor the calm source is read"
        # Room within the reserve alone is room for calls alone.
        first, _ = centre.inlet.take(1)
        assert [chunk.source for chunk in first] == ["caller"]
        centre.hub.committed(commit(1, first, centre.high_water))
        await until(lambda: centre.hub.counters["chunks"] == 4)
        first, _ = centre.inlet.take(1)
        assert [chunk.source for chunk in first] == ["caller"]
        for _, writer in (*peers.values(), late):
            writer.close()
        centre.hub.close()
        await until(lambda: centre.hub.connections == 0)

    run(scenario)


def test_memory_is_bounded_when_a_peer_sends_rubbish_and_never_reads() -> None:
    async def scenario() -> None:
        centre = SmallCentre(session_limits=SessionLimits(window_events=500))
        host, port = await centre.hub.start_tcp("127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(host, port, limit=1024)
        writer.write(hello())
        sent = 0
        # Each bad event is answered with an error as long as itself; the peer reads none of them.
        bad = [b'{"seq":%d,"kind":"%s"}\n' % (seq, b"?" * 600) for seq in range(1, 25_001)]
        writer.write(b"".join(bad))
        sent = len(bad)
        await until(lambda: centre.hub.counters["events"] > 0)
        seen = 0
        while seen != centre.hub.counters["events"]:
            seen = centre.hub.counters["events"]
            for _ in range(500):
                await asyncio.sleep(0)
        assert 0 < seen < sent
        frames = 0
        while True:
            frame = json.loads(await reader.readline())
            frames += frame["kind"] == "error"
            if frame["kind"] == "ack" and frame["seq"] == sent:
                break
        assert frames == sent
        writer.close()
        await until(lambda: centre.hub.connections == 0)
        await centre.hub.drain()

    run(scenario)


def test_silent_and_idle_connections_are_closed_when_their_time_is_over() -> None:
    async def scenario() -> None:
        clock = [NOW_US]
        centre = SmallCentre(now_us=lambda: clock[0])
        host, port = await centre.hub.start_tcp("127.0.0.1", 0)
        silent, silent_writer = await asyncio.open_connection(host, port)
        idle, idle_writer = await asyncio.open_connection(host, port)
        idle_writer.write(hello())
        await until(lambda: centre.hub.sources == ["raw"] and centre.hub.half_open == 1)
        clock[0] = Micros(NOW_US + 61 * SECOND_US)
        centre.hub.tick()
        assert (await frames_of(silent))[-1]["reason"] == "hello_timeout"
        assert (await frames_of(idle))[-1]["reason"] == "idle_timeout"
        silent_writer.close()
        idle_writer.close()
        await centre.hub.drain()

    run(scenario)
