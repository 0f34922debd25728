"""What was before an incident, over a whole service: told to who asks, and waited for by nobody else."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest
import trio
import uvloop

from core.bridge import host, on_host
from core.commands import Close
from core.events import Call, Fix
from ops.config import ClientEntry, Config, Database, Listen, SourceEntry
from ops.ready_file import READY_FILE
from ops.serve import Service
from protocols.dispatch.client import DispatchClient, DispatchError
from protocols.ingest.client import IngestClient

pytestmark = pytest.mark.end_to_end

PHONE = "+77010000001"
TOKEN = "token"


PATIENCE_S = 30.0
"""A call that waits for the past fails the test instead of standing still with it."""


AT = Fix(43.25, 76.95, 5.0)


async def workers_waiting(connection: asyncpg.Connection) -> bool:
    """Whether the background stands before a lock of ours."""
    waiting = await connection.fetchval(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'jedel contexts' AND wait_event_type = 'Lock'"
    )
    return bool(waiting)


def serve(folder: Path, dsn: str, story: Callable[[dict[str, str]], Awaitable[None]]) -> None:
    """Runs a whole service and a story on its own loop; the story gets its addresses."""
    anywhere = Listen(ingest_tcp="127.0.0.1:0", ingest_ws="127.0.0.1:0", dispatch="127.0.0.1:0", health="127.0.0.1:0")
    config = Config(
        database=Database(dsn=dsn),
        listen=anywhere,
        sources=(SourceEntry(id="tel", token=TOKEN),),
        clients=(ClientEntry(operator="aida", role="dispatcher", token=TOKEN),),
    )

    async def tell() -> None:
        ready = json.loads((folder / READY_FILE).read_bytes())
        tcp, dispatch = (":".join(map(str, ready[name])) for name in ("ingest_tcp", "dispatch"))
        await story({"tcp": f"tcp://{tcp}", "dispatch": f"ws://{dispatch}/dispatch/v1"})

    async def main() -> None:
        service = Service(config, dsn, folder)
        with trio.fail_after(60):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(service.run)
                for _ in iter((folder / READY_FILE).exists, True):
                    await trio.sleep(0.01)  # a file tells nobody
                await on_host(tell())
                service.stop()

    host(main, uvloop.new_event_loop)


def call(seq: int, words: str = "драка во дворе") -> Call:
    return Call(seq=seq, at=datetime.now(UTC), phone=PHONE, words=words, fix=AT)


def test_acknowledgement_does_not_wait_for_the_past(tmp_path: Path, database: str) -> None:
    async def story(url: dict[str, str]) -> None:
        connection = await asyncpg.connect(database)
        async with (
            IngestClient(url["tcp"], source="tel", token=TOKEN) as source,
            DispatchClient(url["dispatch"], TOKEN, retry_s=0.001) as client,
        ):
            try:
                async with asyncio.timeout(PATIENCE_S):
                    await connection.execute("BEGIN; LOCK TABLE incident_past, past_progress IN ACCESS EXCLUSIVE MODE")
                    await source.push([call(1)])
                    await source.flush()
                    while not await workers_waiting(connection):
                        await source.push([call(1, "пожар, горит крыша")])
                        await source.flush()
                    # Acknowledged and committed while the background waits.
                    before = await connection.fetchval("SELECT last_batch FROM centre")
                    await source.push([call(1, "человек без сознания")])
                    await source.flush()
                    assert await connection.fetchval("SELECT last_batch FROM centre") > before
                    assert await workers_waiting(connection)
            finally:
                # Whoever waits for the lock, a call among them if it comes to that, goes on.
                connection.terminate()
            while True:
                try:
                    found = await client.context(1)
                    break
                except DispatchError as error:
                    assert error.reason in ("unavailable", "too_many")
            assert found.same_number.listed == ()

    serve(tmp_path, database, story)


def test_dispatcher_is_told_of_a_false_call_from_the_same_number(tmp_path: Path, database: str) -> None:
    """From the call to the context: the engine's own views are what the past is read from."""

    async def story(url: dict[str, str]) -> None:
        async with (
            IngestClient(url["tcp"], source="tel", token=TOKEN) as source,
            DispatchClient(url["dispatch"], TOKEN, retry_s=0.001) as client,
        ):
            await source.push([call(1)])
            await source.flush()
            answer = await client.command(Close(command_id="c1", incident=1, result="Ложный вызов: никого нет"))
            assert answer.done
            await source.push([call(1, "пожар")])
            await source.flush()
            found = await client.context(2)
            assert [(one.incident_id, one.outcome.value) for one in found.same_number.listed] == [(1, "false_call")]
            assert [(one.phone, one.incidents, one.false_calls) for one in found.numbers] == [(PHONE, 1, 1)]
            assert [one.distance_m for one in found.nearby.listed] == [0.0]
            with pytest.raises(DispatchError, match="unknown_incident"):
                await client.context(99)

    serve(tmp_path, database, story)
