"""Migrations: in order, once, on an old database too, and never on one that is newer or different."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg
import msgspec
import pytest

from core.vocabulary import IncidentId
from storage import tables
from storage.errors import StorageError, StorageReason
from storage.lock import acquire
from storage.migrate import Migration, known, migrate, pending
from storage.recovery import recover
from storage.session import connect
from storage.writer import Writer
from tests.storage import samples

FIRST = Migration(1, "first", "CREATE TABLE one (a integer); INSERT INTO one VALUES (1)")
SECOND = Migration(2, "second", "ALTER TABLE one ADD b text NOT NULL DEFAULT 'old'")
BROKEN = Migration(2, "broken", "CREATE TABLE two (a integer); SELECT nonsense")


def run(dsn: str, body: Callable[[asyncpg.Connection], Awaitable[None]]) -> None:
    async def main() -> None:
        connection = await connect(dsn, "test")
        try:
            await body(connection)
        finally:
            await connection.close()

    asyncio.run(main())


def test_migrate_runs_each_once_in_order(empty_database: str) -> None:
    async def body(connection: asyncpg.Connection) -> None:
        assert await migrate(connection, [FIRST]) == [FIRST]
        assert await migrate(connection, [FIRST, SECOND]) == [SECOND]
        assert await migrate(connection, [FIRST, SECOND]) == []
        assert [tuple(row) for row in await connection.fetch("SELECT a, b FROM one")] == [(1, "old")]
        rows = await connection.fetch("SELECT number, name, checksum FROM schema_migration ORDER BY number")
        assert [tuple(row) for row in rows] == [(1, "first", FIRST.checksum), (2, "second", SECOND.checksum)]

    run(empty_database, body)


def test_migrate_keeps_the_data_when_a_database_of_version_1_is_upgraded(empty_database: str) -> None:
    migrations = known()
    batch = samples.batch(
        1,
        samples.taken([samples.call(1)], "tel", incidents={0: IncidentId(1)}),
        high_water={"tel": 1},
        entries=[samples.log(1)],
        incidents=[samples.incident(1)],
    )

    async def old(connection: asyncpg.Connection) -> None:
        await migrate(connection, migrations[:1])
        # As the writer of that version left it: today's knows columns that it did not have.
        incident, (entry,) = batch.incidents[0], batch.log
        names = ", ".join(f'"{name}"' for name in tables.INCIDENT.column_names)
        await connection.execute("UPDATE centre SET last_batch = 1")
        await connection.execute("INSERT INTO source VALUES ('tel', 1)")
        held = ", ".join(f"${number}" for number in range(1, len(tables.INCIDENT.columns) + 1))
        await connection.execute(f"INSERT INTO incident ({names}) VALUES ({held})", *tables.incident_row(incident))
        await connection.execute("INSERT INTO incident_log VALUES ($1, $2, $3, $4, $5, $6, $7)", *tables.log_row(entry))
        await connection.execute(
            "INSERT INTO assignment VALUES (1, 1, 'A-1', 'fire', 'offered', $1, NULL, NULL, NULL, NULL, 5.0, '{}')", samples.NOW
        )
        await connection.execute("INSERT INTO notice VALUES (1, $1, 'shift_lead', 'accept', '', 'late')", samples.NOW)

    async def new(connection: asyncpg.Connection) -> None:
        assert await migrate(connection) == migrations[1:]
        recovered = await recover(connection)
        assert recovered.batch_no == 1
        assert recovered.high_water == {"tel": 1}
        assert recovered.incidents == [msgspec.structs.replace(samples.incident(1), created=False)]
        writer = Writer(empty_database, 0)
        await writer.commit(msgspec.structs.replace(batch, batch_no=2, incidents=[], log=[samples.log(1, 2)]))
        await writer.close()
        assert await connection.fetchval("SELECT held FROM assignment") is False
        notices = await connection.fetch("SELECT incident_id, crew_id FROM notice")
        assert [tuple(row) for row in notices] == [(1, "")]

    assert len(migrations) > 1
    run(empty_database, old)
    run(empty_database, new)


def test_migrate_runs_each_once_when_two_processes_start_together(empty_database: str) -> None:
    async def body(connection: asyncpg.Connection) -> None:
        other = await connect(empty_database, "test")
        ran = await asyncio.gather(migrate(connection), migrate(other))
        await other.close()
        assert sorted(map(len, ran)) == [0, len(known())]

    run(empty_database, body)


@pytest.mark.parametrize(
    ("now", "reason", "words"),
    [
        ([FIRST], StorageReason.NEWER_DATABASE, "0002_second"),
        ([FIRST, Migration(2, "second", "SELECT 1")], StorageReason.CHANGED_MIGRATION, "0002_second"),
    ],
)
def test_migrate_refuses_a_database_of_another_history(
    empty_database: str, now: list[Migration], reason: StorageReason, words: str
) -> None:
    async def body(connection: asyncpg.Connection) -> None:
        await migrate(connection, [FIRST, SECOND])
        with pytest.raises(StorageError, match=words) as raised:
            await migrate(connection, now)
        assert raised.value.reason is reason
        assert await migrate(connection, [FIRST, SECOND]) == []

    run(empty_database, body)


def test_migrate_leaves_nothing_of_a_migration_that_fails(empty_database: str) -> None:
    async def body(connection: asyncpg.Connection) -> None:
        with pytest.raises(StorageError) as raised:
            await migrate(connection, [FIRST, BROKEN])
        assert raised.value.reason is StorageReason.INTERNAL
        assert await connection.fetchval("SELECT to_regclass('two')") is None
        assert await migrate(connection, [FIRST, SECOND]) == [SECOND]

    run(empty_database, body)


def test_migrate_leaves_the_schema_alone_while_another_process_is_active(empty_database: str) -> None:
    older, newer = known()[:1], known()[:2]

    async def body(connection: asyncpg.Connection) -> None:
        assert await migrate(connection, older, unless_active=True) == older
        active = await acquire(empty_database, "any centre")
        assert await migrate(connection, older, unless_active=True) == []
        with pytest.raises(StorageError, match="0002_registers") as raised:
            await migrate(connection, newer, unless_active=True)
        assert raised.value.reason is StorageReason.OLDER_DATABASE
        await active.release()
        assert await migrate(connection, newer, unless_active=True) == newer[1:]

    run(empty_database, body)


def test_pending_says_what_migrate_would_run_and_changes_nothing(empty_database: str) -> None:
    async def body(connection: asyncpg.Connection) -> None:
        assert await pending(connection) == known()
        assert await connection.fetchval("SELECT to_regclass('schema_migration')") is None
        await migrate(connection, known()[:2])
        assert await pending(connection) == known()[2:]
        await connection.execute("UPDATE schema_migration SET checksum = 'x' WHERE number = 1")
        with pytest.raises(StorageError) as raised:
            await pending(connection)
        assert raised.value.reason is StorageReason.CHANGED_MIGRATION

    run(empty_database, body)


def test_known_raises_when_a_number_is_missing(tmp_path: Path) -> None:
    (tmp_path / "0001_a.sql").write_text("SELECT 1", encoding="utf-8")
    (tmp_path / "0003_b.sql").write_text("SELECT 1", encoding="utf-8")
    with pytest.raises(StorageError, match="0003_b"):
        known(tmp_path)
