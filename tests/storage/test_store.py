"""The facade: the order of a centre's life, over again when the lock is lost."""

from __future__ import annotations

import asyncio

import pytest

from core.decisions import Decisions
from core.recovered import EMPTY
from storage.errors import Fenced, StorageError, StorageReason
from storage.migrate import Migration, known, migrate
from storage.partitions import Pruned, Retention
from storage.refused_data import RefusedEvent
from storage.session import connect
from storage.store import Store
from tests.storage import samples


async def commit(store: Store, decisions: Decisions) -> list[RefusedEvent]:
    ended: asyncio.Future[list[RefusedEvent]] = asyncio.get_running_loop().create_future()
    store.commit(decisions, ended.set_result, ended.set_exception)
    return await ended


async def no_pause(_: float) -> None:
    return


def test_store_lives_from_an_empty_database_to_a_successor(empty_database: str) -> None:
    async def main() -> None:
        store = await Store.open(empty_database, "almaty")
        assert await store.pending() == known()
        with pytest.raises(Fenced):
            await commit(store, samples.batch(1))
        migrated: list[Migration] = []
        assert await store.become_active(on_migrated=migrated.append) == 1
        assert migrated == known()
        assert await store.pending() == []
        assert await store.recover() == EMPTY
        await store.prepare_days(samples.NOW)
        await commit(store, samples.batch(1, samples.taken([samples.plate(1)]), high_water={"cams": 1}))

        standby = await Store.open(empty_database, "almaty")
        waiting = asyncio.Event()
        task = asyncio.create_task(standby.become_active(waiting.set))
        await waiting.wait()
        await store.close()
        await store.close()
        assert await task == 2
        assert (await standby.recover()).high_water == {"cams": 1}
        await commit(standby, samples.batch(2))
        assert await standby.verify(lambda _: b"") == []
        assert await standby.prune(samples.NOW, Retention()) == Pruned([], held=None)
        assert await standby.pruned_us() == samples.NOW
        with pytest.raises(Fenced):
            await commit(store, samples.batch(3))
        await standby.close()

    asyncio.run(main())


def test_store_becomes_active_again_when_asked(database: str) -> None:
    async def main() -> None:
        store = await Store.open(database)
        assert await store.become_active() == 1
        await commit(store, samples.batch(1))
        assert await store.become_active() == 2
        assert (await store.recover()).batch_no == 1
        await commit(store, samples.batch(2))
        await store.close()

    asyncio.run(main())


def test_become_active_says_what_is_in_the_way_of_a_migration_and_goes_on_when_it_is_gone(empty_database: str) -> None:
    async def main() -> None:
        reader = await connect(empty_database, "a dump")
        # 0010 changes the table `centre`.
        await migrate(reader, [one for one in known() if one.number < 10])
        before = reader.transaction()
        await before.start()
        await reader.execute("LOCK TABLE centre IN ACCESS SHARE MODE")
        blocked: list[StorageError] = []
        freeing: list[asyncio.Task[None]] = []

        def note(error: StorageError) -> None:
            blocked.append(error)
            freeing.append(asyncio.create_task(before.rollback()))

        store = await Store.open(empty_database)
        await store.become_active(on_blocked=note)
        assert [error.reason for error in blocked] == [StorageReason.UNREACHABLE]
        assert "lock timeout" in blocked[0].text
        assert await store.pending() == []
        await asyncio.gather(*freeing)
        await reader.close()
        await store.close()

    asyncio.run(main())


def test_open_gives_up_when_nothing_answers() -> None:
    with pytest.raises(StorageError) as raised:
        asyncio.run(Store.open("postgresql://postgres@127.0.0.1:1/none", sleep=no_pause, timeout_s=1.0))
    assert raised.value.reason is StorageReason.UNREACHABLE


def test_open_raises_at_once_when_the_database_does_not_exist(database: str) -> None:
    with pytest.raises(StorageError) as raised:
        asyncio.run(Store.open(database.replace("/test_", "/absent_")))
    assert raised.value.reason is StorageReason.INTERNAL
