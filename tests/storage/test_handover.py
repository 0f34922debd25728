"""What an act of handover is made from, read in one snapshot, and kept."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg
import msgspec

from core.decisions import CrewChange, IncidentChange
from core.incident import encode_incident
from core.instant import SECOND_US, Micros
from core.roster.handover import Act
from core.roster.model import Person
from core.vocabulary import CrewId, CrewState, IncidentId
from storage.handover import read_act, read_situation, save_act
from storage.session import connect
from storage.writer import Writer
from tests.core.roster.test_handover import incident
from tests.storage import samples

NOW = samples.NOW


def run(database: str, body: Callable[[asyncpg.Connection], Awaitable[None]]) -> None:
    async def main() -> None:
        connection = await connect(database, "test")
        try:
            await body(connection)
        finally:
            await connection.close()

    asyncio.run(main())


def stored(number: int, territory: str, priority: int, *, closed: bool = False) -> IncidentChange:
    view = incident()
    view.incident_id, view.territory, view.priority = IncidentId(number), territory, priority
    change = samples.incident(number, closed_us=NOW if closed else None)
    return msgspec.structs.replace(change, territory=territory, priority=priority, view=encode_incident(view))


def crew(name: str, state: CrewState, territory: str, on: int | None = None) -> CrewChange:
    return CrewChange(CrewId(name), state, territory, None if on is None else IncidentId(on), NOW, b"{}")


async def fill(database: str) -> None:
    writer = Writer(database, 0)
    batch = samples.batch(
        1,
        incidents=[
            stored(1, "kz/almaty", 3),
            stored(2, "kz/almaty/medeu", 1),
            stored(3, "kz/almaty/medeu", 2, closed=True),
            stored(4, "kz/almatyx", 1),
            stored(5, "", 9),
        ],
        crews=[
            crew("A-1", CrewState.ASSIGNED, "kz/almaty", 2),
            crew("B-1", CrewState.FREE, "kz/astana"),
            crew("B-2", CrewState.ON_SCENE, "kz/astana", 1),  # lent by another territory
            crew("C-1", CrewState.OFF_DUTY, "kz/almaty/medeu"),
        ],
        notices=[samples.notice(number) for number in (1, 3, 4)],
    )
    await writer.commit(batch)
    await writer.close()


def test_read_situation_has_the_open_incidents_of_the_territory_the_most_urgent_first(database: str) -> None:
    async def body(connection: asyncpg.Connection) -> None:
        await fill(database)
        found = await read_situation(connection, "kz/almaty", NOW + SECOND_US)
        assert found.batch_no == 1
        assert [one.incident_id for one in found.incidents] == [2, 1]
        assert found.incident_count == 2
        assert sorted(mark.crew for mark in found.marks) == ["A-1", "B-2", "C-1"]
        assert [(one.incident_id, one.term) for one in found.notices] == [(1, "accept")]
        assert found.notice_count == 1

    run(database, body)


def test_read_situation_of_the_whole_centre_has_everything_that_is_open(database: str) -> None:
    async def body(connection: asyncpg.Connection) -> None:
        await fill(database)
        found = await read_situation(connection, "", NOW + SECOND_US)
        assert [one.incident_id for one in found.incidents] == [2, 4, 1, 5]
        assert len(found.marks) == 4
        assert [one.incident_id for one in found.notices] == [1, 4]

    run(database, body)


def test_read_situation_of_a_quiet_centre_is_empty(database: str) -> None:
    async def body(connection: asyncpg.Connection) -> None:
        found = await read_situation(connection, "kz", NOW)
        assert (found.incidents, found.incident_count, found.marks, found.notices, found.notice_count) == ((), 0, (), (), 0)

    run(database, body)


def test_acts_are_numbered_and_kept(database: str) -> None:
    async def body(connection: asyncpg.Connection) -> None:
        await fill(database)
        found = await read_situation(connection, "kz", NOW + SECOND_US)
        act = Act(
            at_us=Micros(NOW + SECOND_US),
            territory="kz",
            from_person=Person("Ахметов", "17"),
            to_person=Person("Серік"),
            batch_no=found.batch_no,
            incidents=found.incidents,
            incident_count=found.incident_count,
            crews_out=(),
            notices=found.notices,
            notice_count=found.notice_count,
        )
        assert [await save_act(connection, act, "aida"), await save_act(connection, act, "aida")] == [1, 2]
        assert await read_act(connection, 2) == act
        assert await read_act(connection, 3) is None
        row = await connection.fetchrow("SELECT territory, from_person, to_person, actor FROM roster_handover LIMIT 1")
        assert row is not None and tuple(row) == ("kz", "Ахметов", "Серік", "aida")

    run(database, body)
