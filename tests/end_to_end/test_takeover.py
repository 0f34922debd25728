"""Two processes that both believe they are the active one, and an end of service while the database is away.

The active process is stopped in the middle of its work, its lock is taken from it, and another one takes over. When the first
goes on it must tell nobody anything (invariants 1 and 2), notice what has happened, stand by, and take over in its turn.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from core.events import Call, Fix, PlateRead
from core.incident import fold
from protocols.ingest.client import IngestClient
from storage.session import connect
from storage.store import Store
from tests.end_to_end.service import CONFIGURATION, SOURCE_TOKEN, Service, until

pytestmark = pytest.mark.end_to_end

LOCK_BACKEND = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'jedel lock'"
PATIENT = CONFIGURATION.replace("no_crew_s = 5", "no_crew_s = 600")
"""No term passes while a test counts batches, however slow the machine is."""


async def _scalar(dsn: str, query: str) -> object:
    connection = await connect(dsn, "test")
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


def _call(number: int) -> Call:
    fix = Fix(43.0 + number * 0.01, 76.9, 10.0)
    return Call(seq=1, at=datetime.now(UTC), phone=f"+7701555{number:04d}", words="драка", fix=fix)


def _read_all(peer: socket.socket) -> bytes:
    """What the centre says until it ends the connection, in whichever way."""
    told = b""
    try:
        while data := peer.recv(65_536):
            told += data
    except ConnectionResetError:
        return told
    return told


def _logged(service: Service, words: str) -> Callable[[], Awaitable[bool]]:
    async def says() -> bool:
        return words in service.log.read_text()

    return says


def test_process_that_was_stopped_beyond_a_takeover_tells_nothing_and_stands_by(tmp_path: Path, database: str) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()

    async def run(first: Service, second: Service) -> None:
        stopped = first.start(configuration=PATIENT)
        await first.ready()
        async with IngestClient(first.tcp_url, source="phone", token=SOURCE_TOKEN) as phone:
            await phone.push([_call(1)])
            await phone.flush()
        second.start(configuration=PATIENT)
        await until(_logged(second, "standby"), "the second process did not stand by")

        # Greeted by the first process, and then heard by it only after the second has taken over.
        peer = await asyncio.to_thread(socket.create_connection, first.tcp_address)
        hello = {"kind": "hello", "protocol": "jedel-ingest/1", "token": SOURCE_TOKEN, "source": "late", "version": "1"}
        await asyncio.to_thread(peer.sendall, msgspec.json.encode(hello) + b"\n")
        assert b'"committed_seq":0' in await asyncio.to_thread(peer.recv, 65_536)
        stopped.send_signal(signal.SIGSTOP)
        plates = [PlateRead(seq=seq, at=datetime.now(UTC), camera="cam-1", plate="123ABC02") for seq in range(1, 201)]
        await asyncio.to_thread(peer.sendall, b"".join(msgspec.json.encode(one) + b"\n" for one in plates))
        await _scalar(database, f"SELECT pg_terminate_backend(({LOCK_BACKEND} ORDER BY backend_start LIMIT 1))")
        await second.ready()
        async with IngestClient(second.tcp_url, source="phone", token=SOURCE_TOKEN) as phone:
            await phone.push([_call(2)])
            await phone.flush()
        committed = await _scalar(database, "SELECT last_batch FROM centre")

        stopped.send_signal(signal.SIGCONT)
        told = await asyncio.to_thread(_read_all, peer)
        peer.close()
        assert b'"ack"' not in told
        assert await _scalar(database, "SELECT count(*) FROM event WHERE source = 'late'") == 0
        await until(_logged(first, "standby"), "the first process did not notice that it is not active any more")
        assert stopped.poll() is None
        assert await _scalar(database, "SELECT last_batch FROM centre") == committed

        # In its turn it takes over, knowing what the other one committed.
        await second.kill_active()
        await first.ready()
        async with IngestClient(first.tcp_url, source="late", token=SOURCE_TOKEN) as late:
            await late.push(plates)
            await late.flush()
        assert await _scalar(database, "SELECT count(*) FROM event WHERE source = 'late'") == len(plates)
        assert await _scalar(database, "SELECT count(*) FROM incident") == 2
        store = await Store.open(database, "tested")
        assert await store.verify(fold) == []
        await store.close()

    with Service(tmp_path / "first", database) as first, Service(tmp_path / "second", database) as second:
        asyncio.run(run(first, second))


def test_centre_stops_when_told_to_though_its_database_does_not_answer(tmp_path: Path, database: str) -> None:
    async def run(service: Service) -> None:
        process = service.start()
        await service.ready()
        async with IngestClient(service.tcp_url, source="phone", token=SOURCE_TOKEN) as phone:
            await phone.push([_call(1)])
            await phone.flush()
            writer = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'jedel writer'"
            backend = await _scalar(database, writer)
            assert isinstance(backend, int)
            os.kill(backend, signal.SIGSTOP)
            try:
                await phone.push([_call(2)])
                process.send_signal(signal.SIGTERM)
                assert await asyncio.to_thread(process.wait, 60) == 0
            finally:
                os.kill(backend, signal.SIGCONT)
            service.start()
            await service.ready()
            await phone.flush()
        assert await _scalar(database, "SELECT count(*) FROM event WHERE source = 'phone'") == 2

    with Service(tmp_path, database) as service:
        asyncio.run(run(service))
