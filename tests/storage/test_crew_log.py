"""What crews did over time: written with the batch that changed them, and read back for any day."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg
import pytest

from core.decisions import CrewChange
from core.instant import SECOND_US, Micros
from core.roster.fact import Mark
from core.vocabulary import CrewId, CrewState, IncidentId
from storage.crew_log import read_marks
from storage.migrate import known, migrate
from storage.partitions import DAY_US
from storage.session import connect
from storage.writer import Writer
from tests.storage import samples

NOW = samples.NOW
FREE, ASSIGNED, OFF_DUTY = CrewState.FREE, CrewState.ASSIGNED, CrewState.OFF_DUTY


def crew(
    name: str,
    state: CrewState,
    after_us: int = 0,
    *,
    incident: int | None = None,
    territory: str = "kz/almaty",
    view: str = "1",
) -> CrewChange:
    found = None if incident is None else IncidentId(incident)
    return CrewChange(CrewId(name), state, territory, found, Micros(NOW + after_us), f'{{"crew":{view}}}'.encode())


def run(database: str, body: Callable[[Writer, asyncpg.Connection], Awaitable[None]]) -> None:
    async def main() -> None:
        connection = await connect(database, "test")
        writer = Writer(database, 0)
        try:
            await body(writer, connection)
        finally:
            await writer.close()
            await connection.close()

    asyncio.run(main())


async def rows(connection: asyncpg.Connection) -> list[tuple[object, ...]]:
    found = await connection.fetch("SELECT crew_id, at, state, territory, incident_id FROM crew_log ORDER BY at, crew_id")
    return [tuple(row) for row in found]


def test_commit_logs_a_crew_when_its_state_incident_or_territory_has_changed(database: str) -> None:
    steps = [
        ([crew("A-1", FREE), crew("A-2", FREE)], 2),
        ([crew("A-1", FREE, 1, view="2")], 0),  # only what its terminal says of it
        ([crew("A-1", ASSIGNED, 2, incident=7)], 1),
        ([crew("A-1", ASSIGNED, 3, incident=8), crew("A-2", FREE, 3, territory="kz/almaty/medeu")], 2),
        ([crew("A-1", FREE, 4)], 1),
    ]

    async def body(writer: Writer, connection: asyncpg.Connection) -> None:
        for number, (crews, _) in enumerate(steps, 1):
            await writer.commit(samples.batch(number, crews=crews, now_us=crews[0].updated_us))
        assert await rows(connection) == [
            ("A-1", NOW, "free", "kz/almaty", None),
            ("A-2", NOW, "free", "kz/almaty", None),
            ("A-1", NOW + 2, "assigned", "kz/almaty", 7),
            ("A-1", NOW + 3, "assigned", "kz/almaty", 8),
            ("A-2", NOW + 3, "free", "kz/almaty/medeu", None),
            ("A-1", NOW + 4, "free", "kz/almaty", None),
        ]
        assert await connection.fetchval("SELECT count(*) FROM crew_log_20240501") == sum(added for _, added in steps)
        assert await connection.fetchval("SELECT state FROM crew WHERE crew_id = 'A-1'") == "free"

    run(database, body)


def test_marks_of_one_instant_are_in_order_of_their_batches(database: str) -> None:
    # A clock that was set back stands still for the centre, and batch after batch has the same time.
    states = [FREE, CrewState.BUSY, OFF_DUTY, FREE, CrewState.OUT_OF_SERVICE]

    async def body(writer: Writer, connection: asyncpg.Connection) -> None:
        for number, state in enumerate(states, 1):
            await writer.commit(samples.batch(number, crews=[crew("A-1", state)]))
        marks = await read_marks(connection, NOW, NOW + 1)
        assert [mark.state for mark in marks] == [state.value for state in states]
        (last,) = await read_marks(connection, NOW + 1, NOW + 2)
        assert last.state == "out_of_service"

    run(database, body)


def test_commit_logs_nothing_when_the_batch_is_fenced(database: str) -> None:
    async def body(writer: Writer, connection: asyncpg.Connection) -> None:
        await connection.execute("UPDATE centre SET epoch = 5")
        with pytest.raises(Exception, match="not the next one"):
            await writer.commit(samples.batch(1, crews=[crew("A-1", FREE)]))
        assert await rows(connection) == []

    run(database, body)


def test_migration_takes_the_crews_of_an_older_database_as_they_stand(empty_database: str) -> None:
    async def main() -> None:
        connection = await connect(empty_database, "test")
        migrations = known()
        number = next(one.number for one in migrations if one.name == "roster")
        await migrate(connection, migrations[: number - 1])
        await connection.execute("INSERT INTO crew VALUES ('A-1', 'busy', 'kz', NULL, $1, '{}')", NOW)
        await migrate(connection, migrations)
        assert await rows(connection) == [("A-1", NOW, "busy", "kz", None)]
        await connection.close()

    asyncio.run(main())


@pytest.mark.parametrize("silent_days", [0, 3, 40])
def test_read_marks_gives_a_span_and_the_last_mark_before_it(database: str, silent_days: int) -> None:
    begin = NOW + silent_days * DAY_US + 5 * SECOND_US

    async def body(writer: Writer, connection: asyncpg.Connection) -> None:
        await writer.commit(samples.batch(1, crews=[crew("A-1", OFF_DUTY), crew("A-2", FREE)]))
        await writer.commit(samples.batch(2, crews=[crew("A-1", FREE, SECOND_US)], now_us=Micros(NOW + SECOND_US)))
        inside = begin - NOW + SECOND_US
        await writer.commit(samples.batch(3, crews=[crew("A-1", ASSIGNED, inside, incident=1)], now_us=Micros(NOW + inside)))
        late = begin - NOW + 10 * SECOND_US
        await writer.commit(samples.batch(4, crews=[crew("A-1", FREE, late)], now_us=Micros(NOW + late)))
        until = begin + 10 * SECOND_US
        first = Mark(CrewId("A-1"), Micros(NOW + SECOND_US), "free", "kz/almaty", None)
        other = Mark(CrewId("A-2"), NOW, "free", "kz/almaty", None)
        within = Mark(CrewId("A-1"), Micros(begin + SECOND_US), "assigned", "kz/almaty", 1)
        assert await read_marks(connection, begin, until) == [other, first, within]
        assert await read_marks(connection, begin, until, "A-1") == [first, within]
        assert await read_marks(connection, begin, until, "B-9") == []

    run(database, body)
