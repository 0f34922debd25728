"""The process's lives: what a dead one held is let go of before the next one has grown."""

from __future__ import annotations

import gc
from pathlib import Path

import asyncpg
import trio
import uvloop

from core.bridge import host, on_host
from core.engine import Engine
from ops.config import Config, Database, Listen
from ops.ready_file import READY_FILE
from ops.serve import Service

LIVES = 3
LOCK = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE application_name = 'jedel lock' AND datname = current_database()"
)


async def take_lock_away(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        assert await connection.fetchval(LOCK)
    finally:
        await connection.close()


def test_dead_lives_are_forgotten(tmp_path: Path, database: str) -> None:
    anywhere = Listen(ingest_tcp="127.0.0.1:0", ingest_ws="127.0.0.1:0", dispatch="127.0.0.1:0", health="127.0.0.1:0")
    config = Config(database=Database(dsn=database), listen=anywhere)
    ready = tmp_path / READY_FILE
    engines: list[int] = []

    async def main() -> None:
        service = Service(config, database, tmp_path)
        with trio.fail_after(60):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(service.run)
                for life in range(LIVES):
                    while not ready.exists():  # noqa: ASYNC110 - a file tells nobody
                        await trio.sleep(0.01)
                    if life < LIVES - 1:
                        ready.unlink()
                        await on_host(take_lock_away(database))
                # What `gc.freeze` has put aside is not among the objects otherwise.
                gc.unfreeze()
                engines.append(sum(isinstance(one, Engine) for one in gc.get_objects()))
                service.stop()

    gc.collect()  # other tests' engines
    before = sum(isinstance(one, Engine) for one in gc.get_objects())
    host(main, uvloop.new_event_loop)
    assert engines == [before + 1]
    assert not ready.exists()
