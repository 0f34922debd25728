"""The writer in its thread: it needs nothing of the loop that waits for it, and ends with it."""

from __future__ import annotations

import asyncio
import os
import threading

import asyncpg
import msgspec
import pytest

from core.decisions import Decisions
from core.instant import SECOND_US
from storage.errors import Fenced, StorageError
from storage.refused_data import RefusedEvent
from storage.writer import Writer
from storage.writer_thread import WriterThread
from tests.database import execute
from tests.database_way import Way
from tests.storage import samples

LOOKS_MAX = 100_000


async def last_batch(dsn: str) -> int:
    """The first batch that comes into sight."""
    connection = await asyncpg.connect(dsn)
    try:
        for _ in range(LOOKS_MAX):
            if number := await connection.fetchval("SELECT last_batch FROM centre"):
                return int(number)
        return 0
    finally:
        await connection.close()


def begin(thread: WriterThread, decisions: Decisions) -> asyncio.Future[list[RefusedEvent]]:
    ended: asyncio.Future[list[RefusedEvent]] = asyncio.get_running_loop().create_future()
    thread.begin(decisions, ended.set_result, ended.set_exception)
    return ended


def test_commit_goes_on_while_the_loop_that_waits_is_busy_and_is_told_when_that_loop_asks(database: str) -> None:
    async def main() -> None:
        await execute(database, "UPDATE centre SET epoch = 1")
        thread = WriterThread(Writer(database, 1))
        raws = [samples.plate(number) for number in range(1, 20_000)]
        ended = begin(thread, samples.batch(1, samples.taken(raws), high_water={"cams": 20_000}))
        assert not thread.settle()
        # From here on this loop does nothing until somebody else has seen the batch in the database.
        seen: list[int] = []
        watcher = threading.Thread(target=lambda: seen.append(asyncio.run(last_batch(database))))
        watcher.start()
        watcher.join()
        assert seen == [1]
        assert not ended.done()
        while not thread.settle():
            os.sched_yield()  # The writer has yet to read the server's answer.
        assert ended.done(), "told without a turn of this loop"
        assert not thread.settle(), "and told once"
        await ended
        await thread.close()

    asyncio.run(main())


def writers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "writer"]


def test_errors_come_back_and_close_ends_the_thread(database: str) -> None:
    async def main() -> None:
        thread = WriterThread(Writer(database, 9))
        with pytest.raises(Fenced):
            await begin(thread, samples.batch(1))
        await thread.close()
        assert writers() == []

    asyncio.run(main())


def test_close_cuts_off_what_is_under_way_and_tells_of_it_no_more(database: str) -> None:
    async def main() -> None:
        connection = await asyncpg.connect(database)
        await connection.execute("UPDATE centre SET epoch = 1")
        thread = WriterThread(Writer(database, 1))
        await begin(thread, samples.batch(1))
        async with connection.transaction():
            await connection.execute("LOCK TABLE centre IN EXCLUSIVE MODE")
            ended = begin(thread, samples.batch(2))
            while not await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):  # noqa: ASYNC110
                await asyncio.sleep(0)
            await thread.close()
            assert not ended.done()
        again = WriterThread(Writer(database, 1))
        await begin(again, samples.batch(2))
        assert await connection.fetchval("SELECT last_batch FROM centre") == 2
        await again.close()
        await connection.close()

    asyncio.run(main())


def test_close_ends_where_the_server_answers_nothing_any_more(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.writer_thread.CLOSE_TIMEOUT_S", 0.05)

    async def main() -> None:
        await execute(database, "UPDATE centre SET epoch = 1")
        # In a transaction of its own, whose rollback waits for an answer: the batch's day has yet to be made.
        way = Way(database, mute_from=b"PARTITION OF")
        async with way.served() as dsn:
            thread = WriterThread(Writer(dsn, 1))
            begin(thread, msgspec.structs.replace(samples.batch(1), now_us=samples.NOW + 400 * 86_400 * SECOND_US))
            await asyncio.wait_for(way.is_mute.wait(), 10)
            await asyncio.wait_for(thread.close(), 10)
            assert writers() == []

    asyncio.run(main())


def test_close_tells_of_nothing_that_ended_before_it(database: str) -> None:
    async def main() -> None:
        await execute(database, "UPDATE centre SET epoch = 1")
        thread = WriterThread(Writer(database, 1))
        ended = begin(thread, samples.batch(1))
        # Without a turn of this loop, which would be told.
        watcher = threading.Thread(target=lambda: asyncio.run(last_batch(database)))
        watcher.start()
        watcher.join()
        await thread.close()
        await asyncio.sleep(0)
        assert not ended.done()
        assert not thread.settle()

    asyncio.run(main())


class _Ending(Writer):
    """A writer whose commits end by something that is no failure of storage."""

    def __init__(self, dsn: str, end: BaseException) -> None:
        super().__init__(dsn, 1)
        self._end = end

    async def commit(self, decisions: Decisions) -> list[RefusedEvent]:
        raise self._end


@pytest.mark.parametrize("end", [asyncio.CancelledError(), GeneratorExit()])
def test_commit_that_ends_by_nothing_foreseen_is_told_of(database: str, end: BaseException) -> None:
    async def main() -> None:
        thread = WriterThread(_Ending(database, end))
        with pytest.raises(StorageError, match=r"the commit has ended by (CancelledError|GeneratorExit)"):
            await asyncio.wait_for(begin(thread, samples.batch(1)), 10)
        await thread.close()

    asyncio.run(main())
