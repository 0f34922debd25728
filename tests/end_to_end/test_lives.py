"""A life that ends with a commit under way leaves nothing behind: neither what it holds in memory nor a word of its commit."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.events import PlateRead
from storage.session import connect
from tests.database_way import Way
from tests.end_to_end.service import PROGRAM, Service, until
from tests.end_to_end.test_health import ask, push, said, started

pytestmark = pytest.mark.end_to_end

COUNTING = """
import weakref
import ops.life

lives = weakref.WeakSet()
begin = ops.life.Life.__init__

def counted(self, *given, **named):
    lives.add(self)
    with open({file!r}, "a") as file:
        file.write(f"{{len(lives)}} ")
    begin(self, *given, **named)

ops.life.Life.__init__ = counted
"""
"""Writes, as each life begins, how many there are in memory."""


def plate(seq: int) -> PlateRead:
    return PlateRead(seq=seq, at=datetime.now(UTC), camera="c", plate="A1")


def test_next_life_is_ready_and_alone_when_the_database_went_with_a_commit_under_way(tmp_path: Path, database: str) -> None:
    counts = tmp_path / "lives"

    async def main() -> None:
        way = Way(database)
        async with way.served() as dsn:
            with Service(tmp_path, dsn, program=COUNTING.format(file=str(counts)) + PROGRAM) as service:
                health = await started(service, 1)
                await service.ready()
                await push(service, "cameras", plate(1))
                connection = await connect(database, "test")

                async def commit_waits() -> bool:
                    return bool(await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"))

                async with connection.transaction():
                    await connection.execute("LOCK TABLE centre IN EXCLUSIVE MODE")
                    pushing = asyncio.create_task(push(service, "cameras", plate(2)))
                    await until(commit_waits, "no commit was ever under way")
                    # Nothing comes in any more that would be committed, and so end what a commit's failure has said.
                    pushing.cancel()
                    way.cut()
                await connection.close()
                await until(said(health, "/readyz", ["starting", "database_away"]), "the life did not end")
                way.is_open = True

                async def lives_again() -> bool:
                    state: dict[str, object] = json.loads((await ask(health, "/readyz")).body)
                    return state["state"] == "active" and state["epoch"] == 2

                await until(lives_again, "no other life began")
                assert (await ask(health, "/readyz")).reasons == []
                assert counts.read_text().split() == ["1", "1"]

    asyncio.run(main())
