"""The past on a real PostgreSQL: what is copied of an incident, what changes with it, and what is read back from the log."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg
import pytest

from core import limits
from core.context import Outcome, PastIncident, cell_of
from core.decisions import IncidentChange
from core.instant import SECOND_US, Micros
from storage import past
from storage.context import read_subject
from storage.partitions import Retention, prune
from storage.session import connect
from tests.storage.past_days import DAY_US, HERE, NOW, Days, addresses, incident, line

Story = Callable[[Days, asyncpg.Connection], Awaitable[None]]
ONE, OTHER, THIRD = "+77010000001", "+77010000002", "+77010000003"


def run(dsn: str, story: Story) -> None:
    async def main() -> None:
        connection = await connect(dsn, "test")
        try:
            async with Days(dsn) as days:
                await asyncio.wait_for(story(days, connection), 60)
        finally:
            await connection.close()

    asyncio.run(main())


async def fill(connection: asyncpg.Connection, *changes: IncidentChange) -> past.Filled:
    return await past.fill(connection, {one.incident_id: one.opened_us for one in changes}, addresses)


async def callers(connection: asyncpg.Connection) -> set[tuple[int, int]]:
    return {(row[0], row[1]) for row in await connection.fetch("SELECT phone, incident_id FROM incident_caller")}


async def changed(connection: asyncpg.Connection) -> dict[int, Micros]:
    """Everything that the log tells of since `through`, read to its end."""
    await past.begin_changes(connection)
    found: dict[int, Micros] = {}
    while chunk := await past.more_changes(connection):
        assert len(chunk) <= limits.PAST_CHUNK
        found |= chunk
    return found


def test_incident_stands_in_the_past_as_it_is(database: str) -> None:
    async def story(days: Days, connection: asyncpg.Connection) -> None:
        one = incident(7, text="5/10", phones=(ONE, OTHER, ONE), category="accident", result="ложный вызов " + "я" * 300)
        await days.commit(one)
        filled = await fill(connection, one)
        expected = PastIncident(
            incident_id=one.incident_id,
            opened_us=one.opened_us,
            category=one.category,
            territory="kz/almaty/medeu",
            outcome=Outcome.FALSE_CALL,
            result=("ложный вызов " + "я" * 300)[: limits.CONTEXT_RESULT_CHARS],
            latitude_deg=HERE[0],
            longitude_deg=HERE[1],
            address=510,
            streets=(5,),
            phones=(77010000001, 77010000002),
        )
        assert filled == past.Filled((expected,), (one.incident_id,))
        assert await read_subject(connection, 7) == expected
        assert await callers(connection) == {(77010000001, 7), (77010000002, 7)}
        assert await connection.fetchval("SELECT cell FROM incident_past") == cell_of(*HERE)

    run(database, story)


def test_incident_without_place_or_caller_stands_in_the_past_too(database: str) -> None:
    async def story(days: Days, connection: asyncpg.Connection) -> None:
        one = incident(7, at=None, territory="")
        await days.commit(one)
        await fill(connection, one)
        subject = await read_subject(connection, 7)
        assert subject is not None
        assert (subject.latitude_deg, subject.address, subject.streets, subject.phones) == (None, None, (), ())
        assert subject.outcome is Outcome.OPEN
        assert await connection.fetchval("SELECT cell FROM incident_past") is None

    run(database, story)


def test_filling_again_writes_nothing_and_says_so(database: str) -> None:
    async def story(days: Days, connection: asyncpg.Connection) -> None:
        one = incident(7, phones=(ONE,))
        await days.commit(one)
        await fill(connection, one)
        before = await connection.fetchval("SELECT xmin::text FROM incident_past")
        assert await fill(connection, one) == past.Filled((), ())
        assert await connection.fetchval("SELECT xmin::text FROM incident_past") == before

    run(database, story)


def test_change_is_taken_over_and_told_apart_from_a_move(database: str) -> None:
    async def story(days: Days, connection: asyncpg.Connection) -> None:
        first = incident(7, phones=(ONE, OTHER))
        await days.commit(first)
        await fill(connection, first)
        closed = incident(7, version=2, phones=(ONE, OTHER), result="worked")
        await days.commit(closed)
        filled = await fill(connection, closed)
        assert ([one.outcome for one in filled.put], filled.moved) == ([Outcome.HANDLED], ())
        split = incident(7, version=3, phones=(OTHER, THIRD), result="worked")
        await days.commit(split)
        filled = await fill(connection, split)
        assert filled.moved == (7,)
        assert await callers(connection) == {(77010000002, 7), (77010000003, 7)}

    run(database, story)


def test_merged_incident_leaves_the_past(database: str) -> None:
    async def story(days: Days, connection: asyncpg.Connection) -> None:
        first, never = incident(7, phones=(ONE,)), incident(8, phones=(ONE,), merged=True)
        await days.commit(first, never)
        await fill(connection, first, never)
        assert await callers(connection) == {(77010000001, 7)}
        merged = incident(7, version=2, phones=(ONE,), merged=True)
        await days.commit(merged)
        assert await fill(connection, merged) == past.Filled((), ())
        assert await read_subject(connection, 7) is None
        assert await callers(connection) == set()

    run(database, story)


def test_incidents_of_many_days_are_filled_at_once_and_unknown_ones_passed_over(database: str) -> None:
    async def story(days: Days, connection: asyncpg.Connection) -> None:
        many = [incident(number, days_ago=number / 2) for number in range(1, 21)]
        await days.commit(*many)
        filled = await fill(connection, *many, incident(99))
        assert [one.incident_id for one in sorted(filled.put, key=lambda one: one.incident_id)] == list(range(1, 21))

    run(database, story)


def test_log_tells_what_has_changed_since_the_past_was_whole(database: str) -> None:
    async def story(days: Days, connection: asyncpg.Connection) -> None:
        many = [incident(number, days_ago=5) for number in range(1, limits.PAST_CHUNK + 3)]
        await days.commit(*many, now_us=Micros(NOW - 5 * DAY_US))
        opened: dict[int, int] = {one.incident_id: one.opened_us for one in many}
        assert await changed(connection) == opened
        await past.fill(connection, opened, addresses)
        await past.set_through(connection, NOW - 4 * DAY_US)
        assert await changed(connection) == {}
        # One known to the past, one that is not, each closed later, and one opened later.
        later = [incident(1, version=2, days_ago=5, result="worked"), incident(200, days_ago=1)]
        await connection.execute("DELETE FROM incident_past WHERE incident_id = 2")
        await days.commit(*later, entries=[line(one) for one in later] + [line(incident(2, version=2, days_ago=5))])
        assert await past.begin_changes(connection) == NOW
        assert await past.more_changes(connection) == {
            1: many[0].opened_us,
            2: many[1].opened_us,
            200: later[1].opened_us,
        }

    run(database, story)


def test_facts_of_the_very_instant_up_to_which_the_past_is_whole_are_told_again(database: str) -> None:
    async def story(days: Days, connection: asyncpg.Connection) -> None:
        one = incident(1)
        await days.commit(one)
        await past.set_through(connection, one.opened_us)
        assert set(await changed(connection)) == {1}
        await past.set_through(connection, one.opened_us + 1)
        assert set(await changed(connection)) == set()

    run(database, story)


def test_progress_never_goes_back(database: str) -> None:
    async def story(days: Days, connection: asyncpg.Connection) -> None:
        await past.set_through(connection, NOW)
        await past.set_through(connection, NOW - SECOND_US)
        assert await past.through(connection) == NOW

    run(database, story)


@pytest.mark.parametrize("filled", [True, False])
def test_opening_of_an_incident_is_found_with_and_without_the_past(database: str, filled: bool) -> None:
    async def story(days: Days, connection: asyncpg.Connection) -> None:
        one = incident(7, days_ago=3)
        await days.commit(one)
        if filled:
            await fill(connection, one)
        assert await past.opened_at(connection, [7, 8]) == {7: one.opened_us}

    run(database, story)


def test_past_goes_with_the_incidents_when_their_time_is_over(database: str) -> None:
    async def story(days: Days, connection: asyncpg.Connection) -> None:
        old = incident(1, days_ago=40, phones=(ONE,), result="worked")
        still_open = incident(2, days_ago=40, phones=(ONE,))
        young = incident(3, days_ago=20, phones=(ONE,), result="worked")
        await days.commit(old, still_open, young)
        await fill(connection, old, still_open, young)
        await prune(connection, NOW, Retention(incident_days=30))
        assert {row[0] for row in await connection.fetch("SELECT incident_id FROM incident_past")} == {2, 3}
        assert await callers(connection) == {(77010000001, 2), (77010000001, 3)}

    run(database, story)
