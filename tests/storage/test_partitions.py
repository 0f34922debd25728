"""Days: made, and dropped without ever taking from an incident that is still open."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from core.decisions import Decisions
from core.instant import Micros
from core.vocabulary import IncidentId
from storage.errors import StorageError, StorageReason
from storage.partitions import (
    CHUNK_ROWS,
    DAY_US,
    TIME_COLUMNS,
    Retention,
    days_around,
    ensure,
    partition_name,
    prune,
    vacuum_past,
)
from storage.session import connect
from storage.writer import Writer
from tests.storage import samples

DAY = samples.NOW // DAY_US


async def no_pause(_: float) -> None:
    return


def day_batch(batch_no: int, day: int, incident: int, *, is_open: bool, closed_day: int | None = None) -> Decisions:
    """One day's incident with an event and two lines of log."""
    at = Micros(day * DAY_US + 5)
    end = Micros((day if closed_day is None else closed_day) * DAY_US + 6)
    change = samples.incident(incident, 2, opened_us=at, closed_us=None if is_open else end)
    return samples.batch(
        batch_no,
        samples.taken(
            [samples.call(batch_no), samples.plate(batch_no + 1)], "tel", incidents={0: IncidentId(incident)}, received_us=at
        ),
        entries=[samples.log(incident, 1, at), samples.log(incident, 2, end)],
        incidents=[type(change)(**{**{f: getattr(change, f) for f in change.__struct_fields__}, "updated_us": end})],
        positions=[samples.place("A-1", at)],
        now_us=at,
    )


async def parts(connection: asyncpg.Connection) -> set[str]:
    rows = await connection.fetch("SELECT relname FROM pg_class WHERE relname ~ '_[0-9]{8}$' AND relkind = 'r'")
    return {row["relname"] for row in rows}


def test_ensure_makes_every_tables_partition_once(database: str) -> None:
    async def main() -> None:
        connection = await connect(database, "test")
        days = days_around(samples.NOW)
        await ensure(connection, days)
        await ensure(connection, days)
        assert list(days) == [DAY - 1, DAY, DAY + 1, DAY + 2, DAY + 3]
        assert await parts(connection) == {partition_name(table, day) for table in TIME_COLUMNS for day in days}
        assert "event_20240501" in await parts(connection)
        await connection.close()

    asyncio.run(main())


def test_ensure_leaves_a_day_in_the_default_partition_when_it_has_rows_there(database: str) -> None:
    async def main() -> None:
        connection = await connect(database, "test")
        insert = "INSERT INTO position VALUES ('A-1', $1, 1, 2, 3, NULL, NULL)"
        await connection.execute(insert, samples.NOW)
        await ensure(connection, [DAY])
        await connection.execute(insert, samples.NOW)
        assert await connection.fetchval("SELECT count(*) FROM position_default") == 2
        assert partition_name("event", DAY) in await parts(connection)
        await connection.close()

    asyncio.run(main())


def test_prune_drops_old_days_and_keeps_what_belongs_to_living_incidents(database: str) -> None:
    async def main() -> None:
        connection = await connect(database, "test")
        writer = Writer(database, 0)
        # Incidents 1 and 3 are long over; 2 was opened beside 1 and is still open; 4 was closed only today.
        await writer.commit(day_batch(1, DAY - 40, 1, is_open=False))
        await writer.commit(day_batch(2, DAY - 40, 2, is_open=True))
        await writer.commit(day_batch(3, DAY - 39, 3, is_open=False))
        await writer.commit(day_batch(4, DAY - 38, 4, is_open=False, closed_day=DAY))
        await writer.commit(day_batch(5, DAY, 5, is_open=False))
        await writer.close()

        keeping = Retention(event_days=10, incident_days=30, position_days=20)
        dropped = (await prune(connection, samples.NOW, keeping, sleep=no_pause)).dropped

        ids = "SELECT DISTINCT incident_id FROM {} WHERE incident_id IS NOT NULL ORDER BY 1"
        for table in ("incident", "incident_log", "event"):
            rows = await connection.fetch(ids.format(table))
            assert [row["incident_id"] for row in rows] == [2, 4, 5], table
        assert await connection.fetchval("SELECT count(*) FROM incident_log") == 6
        # Of the plates, which belong to no incident, only today's is left; of the positions too.
        assert await connection.fetchval("SELECT count(*) FROM event WHERE incident_id IS NULL") == 1
        assert await connection.fetchval("SELECT count(*) FROM position") == 1
        assert partition_name("incident", DAY - 39) in dropped
        assert partition_name("incident", DAY - 40) not in dropped
        assert set(dropped).isdisjoint(await parts(connection))
        assert await connection.fetchval("SELECT next_incident_id FROM centre") == 6
        await connection.close()

    asyncio.run(main())


def test_prune_empties_the_default_partition_of_what_is_old(database: str) -> None:
    async def main() -> None:
        connection = await connect(database, "test")
        for day in (DAY - 40, DAY - 1):
            await connection.execute("INSERT INTO notice VALUES (1, $1, 'shift_lead', 'accept', '', '')", day * DAY_US)
            await connection.execute("INSERT INTO position VALUES ('A-1', $1, 1, 2, 3, NULL, NULL)", day * DAY_US)
        await prune(connection, samples.NOW, Retention(event_days=10, incident_days=30, position_days=30), sleep=no_pause)
        assert await connection.fetchval("SELECT count(*) FROM notice") == 1
        assert await connection.fetchval("SELECT count(*) FROM position") == 1
        await connection.close()

    asyncio.run(main())


def test_prune_deletes_old_tellings_and_keeps_those_of_living_incidents(database: str) -> None:
    async def main() -> None:
        connection = await connect(database, "test")
        writer = Writer(database, 0)
        await writer.commit(day_batch(1, DAY - 40, 1, is_open=True))
        old = Micros((DAY - 40) * DAY_US)
        told = [
            samples.telling("incident/1/accept", at_us=old, incident_id=1),
            samples.telling("incident/2/accept", at_us=old, incident_id=2),
            samples.telling("mode/7", at_us=old, incident_id=None),
            samples.telling("mode/8", incident_id=None),
        ]
        await writer.commit(samples.batch(2, tellings=told))
        await writer.close()
        await connection.execute(
            "INSERT INTO delivery (key, person, channel, rank, state, due_at, changed_at)"
            " SELECT key, 'aida', 'sms', 0, 'sent', at, at FROM outbox"
        )
        await prune(connection, samples.NOW, Retention(event_days=10, incident_days=30, position_days=30), sleep=no_pause)
        for table in ("outbox", "delivery"):
            keys = [row["key"] for row in await connection.fetch(f"SELECT key FROM {table} ORDER BY key")]
            assert keys == ["incident/1/accept", "mode/8"], table
        await connection.close()

    asyncio.run(main())


def test_prune_leaves_what_somebody_reads_and_holds_nobody_up_for_long(database: str) -> None:
    async def main() -> None:
        connection = await connect(database, "test")
        await ensure(connection, [DAY - 40, DAY - 39, DAY])
        reader = await connect(database, "a dump")
        transaction = reader.transaction()
        await transaction.start()
        await reader.execute("LOCK TABLE incident IN ACCESS SHARE MODE")
        keeping = Retention(event_days=10, incident_days=30, position_days=20)

        pruned = await prune(connection, samples.NOW, keeping, sleep=no_pause)
        assert pruned.held == partition_name("incident", DAY - 40)
        assert partition_name("event", DAY - 40) in pruned.dropped
        assert await connection.fetchval("SELECT pruned_at FROM centre") is None
        assert await connection.fetchval("SHOW lock_timeout") == "0"

        await transaction.rollback()
        pruned = await prune(connection, samples.NOW, keeping, sleep=no_pause)
        assert pruned.held is None
        assert {name.rpartition("_")[2] for name in await parts(connection)} == {"20240501"}
        assert await connection.fetchval("SELECT pruned_at FROM centre") == samples.NOW
        await reader.close()
        await connection.close()

    asyncio.run(main())


def test_prune_is_done_by_one_process_at_a_time(database: str) -> None:
    async def main() -> None:
        first, second = await connect(database, "test"), await connect(database, "test")
        refusals: list[StorageError] = []

        async def meanwhile(_: float) -> None:
            with pytest.raises(StorageError) as raised:
                await prune(second, samples.NOW, Retention(), sleep=no_pause)
            refusals.append(raised.value)

        await ensure(first, [DAY - 40])
        await prune(first, samples.NOW, Retention(), sleep=meanwhile)
        assert {error.reason for error in refusals} == {StorageReason.BUSY}
        assert (await prune(second, samples.NOW, Retention(), sleep=no_pause)).held is None
        await first.close()
        await second.close()

    asyncio.run(main())


def test_prune_empties_the_default_partition_piece_by_piece(database: str) -> None:
    async def main() -> None:
        connection = await connect(database, "test")
        pauses: list[float] = []

        async def pause(pause_s: float) -> None:
            pauses.append(pause_s)

        rows = 2 * CHUNK_ROWS + 1
        await connection.execute(
            "INSERT INTO position SELECT 'A-1', $1, 1, 2, 3, NULL, NULL FROM generate_series(1, $2)", (DAY - 40) * DAY_US, rows
        )
        await prune(connection, samples.NOW, Retention(), sleep=pause)
        assert await connection.fetchval("SELECT count(*) FROM position") == 0
        assert len(pauses) == 2
        await connection.close()

    asyncio.run(main())


def test_ensure_leaves_days_to_the_default_partition_while_a_dump_reads_it(database: str) -> None:
    async def main() -> None:
        connection = await connect(database, "test")
        reader = await connect(database, "a dump")
        transaction = reader.transaction()
        await transaction.start()
        await reader.execute("LOCK TABLE event_default IN ACCESS SHARE MODE")
        await ensure(connection, [DAY])
        assert partition_name("event", DAY) not in await parts(connection)
        assert partition_name("incident", DAY) in await parts(connection)
        await transaction.rollback()
        await ensure(connection, [DAY])
        assert partition_name("event", DAY) in await parts(connection)
        await reader.close()
        await connection.close()

    asyncio.run(main())


def test_day_that_is_over_is_vacuumed_by_night_and_the_one_that_runs_is_not(database: str) -> None:
    async def main() -> None:
        connection = await connect(database, "test")
        await ensure(connection, [DAY - 1, DAY])
        writer = Writer(database, 0)
        for batch_no, day in ((1, DAY - 1), (2, DAY)):
            await writer.commit(day_batch(batch_no, day, batch_no, is_open=False))
        await writer.close()
        options = "SELECT array_to_string(reloptions, ' ') FROM pg_class WHERE relname = $1"
        # Known since its first vacuum; whether its rows are visible to all depends on who else is looking.
        pages = "SELECT relpages FROM pg_class WHERE relname = $1"
        for passed in (0, 1):
            for table in ("event", "incident_log", "position"):
                over, running = partition_name(table, DAY - 1), partition_name(table, DAY)
                assert "autovacuum_vacuum_insert_threshold=-1" in await connection.fetchval(options, running)
                assert [await connection.fetchval(pages, name) for name in (over, running)] == [passed, 0]
            vacuumed = await vacuum_past(connection, Micros(DAY * DAY_US + 7))
            if not passed:
                assert set(vacuumed) == {partition_name(table, DAY - 1) for table in ("event", "incident_log", "position")}
        await connection.close()

    asyncio.run(main())
