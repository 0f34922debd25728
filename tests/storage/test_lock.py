"""One active process a centre, and a standby that takes over."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from storage.errors import Fenced, StorageError, StorageReason
from storage.lock import ActiveLock, acquire, is_anybody_active
from storage.session import connect
from storage.writer import Writer
from tests.storage import samples
from tests.storage.proxy import proxy_of


async def no_pause(_: float) -> None:
    return


async def waits(database: str) -> None:
    """Returns once somebody waits for an advisory lock in this database."""
    connection = await connect(database, "test")
    query = (
        "SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database"
        " WHERE locktype = 'advisory' AND NOT granted AND datname = current_database()"
    )
    while not await connection.fetchval(query):  # noqa: ASYNC110 - the server tells nobody
        await asyncio.sleep(0)
    await connection.close()


def test_acquire_takes_over_when_the_holder_releases(database: str) -> None:
    async def main() -> None:
        told: list[str] = []
        first = await acquire(database, "almaty", lambda: told.append("first waits"))
        task = asyncio.create_task(acquire(database, "almaty", lambda: told.append("second waits")))
        await waits(database)
        assert not task.done()
        await first.release()
        second = await task
        assert told == ["second waits"]
        assert (first.epoch, second.epoch) == (1, 2)
        assert (first.is_held, second.is_held) == (False, True)
        await second.release()

    asyncio.run(main())


def test_acquire_takes_over_and_fences_when_the_holders_connection_dies(database: str) -> None:
    async def main() -> None:
        lost = asyncio.Event()
        async with proxy_of(database) as proxy:
            first = await acquire(proxy.dsn, "almaty", on_lost=lost.set)
            writer = Writer(database, first.epoch)
            await writer.commit(samples.batch(1))
            task: asyncio.Task[ActiveLock] = asyncio.create_task(acquire(database, "almaty"))
            await waits(database)
            proxy.cut()
            second = await task
            await asyncio.wait_for(lost.wait(), 60)
            assert not first.is_held
            with pytest.raises(Fenced):
                await writer.commit(samples.batch(2, samples.taken([samples.plate(1)])))
            await writer.close()
            successor = Writer(database, second.epoch)
            await successor.commit(samples.batch(2))
            await successor.close()
            await second.release()

    asyncio.run(main())


def test_acquire_goes_on_waiting_when_its_connection_dies(database: str) -> None:
    async def main() -> None:
        waiting = 0

        def count() -> None:
            nonlocal waiting
            waiting += 1

        first = await acquire(database, "almaty")
        async with proxy_of(database) as proxy:
            task = asyncio.create_task(acquire(proxy.dsn, "almaty", count, sleep=no_pause))
            await waits(database)
            proxy.cut()
            passed = proxy.passed["up"]
            while proxy.passed["up"] == passed:  # noqa: ASYNC110 - until it has connected again
                await asyncio.sleep(0)
            await first.release()
            second = await task
            assert second.epoch == 2
            assert waiting == 1
            await second.release()

    asyncio.run(main())


def test_acquire_does_not_wait_for_another_centre(database: str) -> None:
    async def main() -> None:
        first = await acquire(database, "almaty")
        second = await acquire(database, "astana")
        await first.release()
        await first.release()
        await second.release()

    asyncio.run(main())


def test_acquire_gives_up_its_place_when_cancelled(database: str) -> None:
    async def main() -> None:
        first = await acquire(database, "almaty")
        task = asyncio.create_task(acquire(database, "almaty"))
        await waits(database)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await first.release()
        third = await acquire(database, "almaty")
        assert third.epoch == 2
        await third.release()

    asyncio.run(main())


def test_acquire_raises_when_the_database_was_never_migrated(empty_database: str) -> None:
    with pytest.raises(StorageError) as raised:
        asyncio.run(acquire(empty_database, "almaty"))
    assert raised.value.reason is StorageReason.INTERNAL


def test_acquire_prepares_under_the_lock_and_behind_the_fence(database: str) -> None:
    async def main() -> None:
        seen: list[tuple[bool, int]] = []

        async def prepare(connection: asyncpg.Connection) -> None:
            other = await connect(database, "test")
            seen.append((await is_anybody_active(other), await other.fetchval("SELECT epoch FROM centre")))
            await other.close()
            if len(seen) == 1:
                raise StorageError(StorageReason.UNREACHABLE, "a dump holds a table")

        lock = await acquire(database, "almaty", prepare=prepare, sleep=no_pause)
        assert seen == [(True, 1), (True, 2)]
        assert lock.epoch == 2
        await lock.release()

    asyncio.run(main())


def test_acquire_gives_the_lock_up_when_preparing_cannot_be_healed(database: str) -> None:
    async def refuse(_: asyncpg.Connection) -> None:
        raise StorageError(StorageReason.NEWER_DATABASE, "a newer version was active")

    async def main() -> None:
        with pytest.raises(StorageError) as raised:
            await acquire(database, "almaty", prepare=refuse)
        assert raised.value.reason is StorageReason.NEWER_DATABASE
        lock = await acquire(database, "almaty")
        assert lock.is_held
        await lock.release()

    asyncio.run(main())
