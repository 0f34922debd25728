"""What the world does to a running centre: its database restarts, it is told to stop, peers send garbage or nothing at all.

Everything here is real: `jedel serve`, PostgreSQL, sockets. What is acknowledged is there exactly once, and the service is up.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from core.commands import AddNote
from core.events import Call, Fix, PlateRead
from core.incident import fold
from protocols.dispatch.client import DispatchClient
from protocols.ingest.client import IngestClient
from storage import embedded
from storage.session import connect
from storage.store import Store
from tests.database import CHEAP
from tests.end_to_end.service import DISPATCHER_TOKEN, SOURCE_TOKEN, Service, postmaster_pid

pytestmark = pytest.mark.end_to_end


def _call(number: int) -> Call:
    # Apart from each other, so that every call opens an incident of its own.
    fix = Fix(43.0 + number * 0.01, 76.9, 10.0)
    return Call(seq=1, at=datetime.now(UTC), phone=f"+7701555{number:04d}", words="драка", fix=fix)


def _plates(count: int) -> list[PlateRead]:
    return [PlateRead(seq=1, at=datetime.now(UTC), camera="cam-1", plate="123ABC02") for _ in range(count)]


async def _stored(dsn: str, source: str) -> tuple[int, int]:
    """Rows and distinct sequence numbers of a source."""
    connection = await connect(dsn, "test")
    try:
        row = await connection.fetchrow("SELECT count(*), count(DISTINCT seq) FROM event WHERE source = $1", source)
        assert row is not None
        return row[0], row[1]
    finally:
        await connection.close()


def test_nothing_is_lost_when_postgresql_restarts_under_load(tmp_path: Path) -> None:
    database = tmp_path / "database"
    database.mkdir()
    tmp_path.chmod(0o755)

    async def run(service: Service) -> int:
        service.start()
        await service.ready()
        sent = 0
        async with IngestClient(service.tcp_url, source="cameras", token=SOURCE_TOKEN) as cameras:
            for stop_signal in (signal.SIGINT, signal.SIGQUIT, signal.SIGINT):
                for _ in range(20):
                    sent += await cameras.push(_plates(100)) and 100
                # SIGINT is PostgreSQL's fast shutdown, SIGQUIT its immediate one, as after a crash.
                os.kill(postmaster_pid(database), stop_signal)
                for _ in range(20):
                    sent += await cameras.push(_plates(100)) and 100
                servers.append(await asyncio.to_thread(embedded.start, database, CHEAP))
            await cameras.flush()
        return sent

    servers = [embedded.start(database, CHEAP)]
    dsn = servers[0].dsn
    try:
        with Service(tmp_path, dsn) as service:
            sent = asyncio.run(run(service))
            assert asyncio.run(_stored(dsn, "cameras")) == (sent, sent)
            assert service.active_pid() is not None
    finally:
        for server in servers:
            server.stop()


def test_an_embedded_server_that_is_killed_is_started_again_and_nothing_is_lost(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)

    async def run(service: Service) -> int:
        service.start()
        await service.ready()
        sent = 0
        async with IngestClient(service.tcp_url, source="cameras", token=SOURCE_TOKEN) as cameras:
            for _ in range(20):
                sent += await cameras.push(_plates(100)) and 100
            os.kill(postmaster_pid(tmp_path), signal.SIGKILL)
            for _ in range(20):
                sent += await cameras.push(_plates(100)) and 100
            await cameras.flush()
        return sent

    try:
        with Service(tmp_path, "") as service:
            sent = asyncio.run(run(service))
    finally:
        # The last user of the server, now that the service is killed, may stop it.
        server = embedded.start(tmp_path, CHEAP)
        stored = asyncio.run(_stored(server.dsn, "cameras"))
        assert server.stop() is True
    assert stored == (sent, sent)


def test_what_was_taken_is_committed_and_acknowledged_when_told_to_stop(tmp_path: Path, database: str) -> None:
    async def run(service: Service) -> None:
        process = service.start()
        await service.ready()
        acked: list[int] = []
        async with IngestClient(service.tcp_url, source="phone", token=SOURCE_TOKEN, on_ack=acked.append) as phone:
            await phone.push([_call(number) for number in range(40)])
            await phone.flush()
            assert await service.stop(process) == 0
            assert acked[-1] == 40
            assert phone.counters["goodbye_draining"] == 1
        assert await _stored(database, "phone") == (40, 40)

    with Service(tmp_path, database) as service:
        asyncio.run(run(service))


def test_calls_are_served_while_peers_send_garbage_or_nothing(tmp_path: Path, database: str) -> None:
    hello = {"kind": "hello", "protocol": "jedel-ingest/1", "token": SOURCE_TOKEN, "source": "vandal", "version": "1"}
    greeting = msgspec.json.encode(hello) + b"\n"
    packed_greeting = msgspec.json.encode({**hello, "source": "vandal-2", "framing": "msgpack"}) + b"\n"
    garbage = [
        b"\x00\xff\xfe garbage \n" * 100,
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        msgspec.json.encode({**hello, "token": "wrong"}) + b"\n",
        greeting + b'{"kind":"plate","seq":1',
        greeting + b"[" * 100_000 + b"\n",
        greeting + b"\xff" * 300_000,
        packed_greeting + (1 << 30).to_bytes(4, "big") + b"x" * 1000,
        packed_greeting + b"\x00\x00\x00\x05",
    ]

    async def run(service: Service) -> None:
        service.start()
        await service.ready()
        silent = [await asyncio.to_thread(socket.create_connection, service.tcp_address) for _ in range(1000)]
        vandals = []
        for bytes_ in garbage:
            vandal = await asyncio.to_thread(socket.create_connection, service.tcp_address)
            await asyncio.to_thread(_send_what_goes, vandal, bytes_)
            vandals.append(vandal)
        async with (
            IngestClient(service.tcp_url, source="phone", token=SOURCE_TOKEN) as phone,
            DispatchClient(service.dispatch_url, DISPATCHER_TOKEN) as client,
        ):
            feed = client.subscribe("all")
            await phone.push([_call(number) for number in range(20)])
            await phone.flush()
            async for _ in feed:
                if len(feed.mirror.incidents) == 20:
                    break
            answer = await client.command(AddNote(command_id="note-1", incident=1, words="caller is safe"))
            assert answer.done
        for peer in (*silent, *vandals):
            peer.close()
        assert await _stored(database, "phone") == (20, 20)
        store = await Store.open(database, "tested")
        assert await store.verify(fold) == []
        await store.close()

    with Service(tmp_path, database) as service:
        asyncio.run(run(service))
        assert service.active_pid() is not None


def _send_what_goes(peer: socket.socket, bytes_: bytes) -> None:
    try:
        peer.sendall(bytes_)
    except (BrokenPipeError, ConnectionResetError):
        return  # the centre has heard enough
