"""The roster in a real PostgreSQL: what was planned stays, whatever is planned later."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings

from core.instant import Micros
from core.roster.model import Person, Place, Roster, roster_of
from core.vocabulary import CrewId
from storage.errors import StorageError
from storage.register_import import ImportRunning
from storage.roster import (
    Revision,
    RosterChange,
    difference,
    one_revision,
    read_call_signs,
    read_history,
    read_revision,
    read_roster,
    save_revision,
)
from storage.session import connect
from tests.core.roster.samples import DAY, at, rosters, shift

PLACES = [Place("post", "Арбат", "kz/almaty"), Place("route", "№ 5", "")]
FIRST = roster_of([shift("A-1", 8, 20, "Ахметов/17", post="Арбат"), shift("A-2", 8, 20)], PLACES)
SECOND = roster_of([shift("A-1", 8, 14, "Ахметов/17", post="Арбат"), shift("A-1", 14, 20, vehicles=("7",))], PLACES)


def run(database: str, body: Callable[[asyncpg.Connection], Awaitable[None]]) -> None:
    async def main() -> None:
        connection = await connect(database, "test")
        try:
            await body(connection)
        finally:
            await connection.close()

    asyncio.run(main())


async def plan(connection: asyncpg.Connection, roster: Roster, hour: float = 0, reason: str = "") -> int:
    """Makes a roster the present one."""
    async with one_revision(connection):
        before = await read_roster(connection)
        revision = Revision(at(hour), "aida", "import", reason, "duty.csv")
        return await save_revision(connection, revision, difference(before, roster))


def test_read_roster_gives_back_what_was_planned_and_when(database: str) -> None:
    async def body(connection: asyncpg.Connection) -> None:
        assert await read_roster(connection) == Roster()
        assert await read_revision(connection) == 0
        assert [await plan(connection, FIRST, 1), await plan(connection, SECOND, 14, "авария")] == [1, 2]
        assert await read_roster(connection) == SECOND
        # As it was planned before the change: who was where on any past day, and who should have been.
        moments = [await read_revision(connection, at(hour)) for hour in (0, 1, 13, 14, 30)]
        assert moments == [0, 1, 1, 2, 2]
        assert await read_roster(connection, revision_no=1) == FIRST
        assert await read_roster(connection, revision_no=0) == Roster()

    run(database, body)


@pytest.mark.parametrize(
    ("begin", "end", "crews"),
    [
        (0, 8, []),
        (0, 8.1, ["A-1", "A-3"]),
        (14, 15, ["A-1", "A-3", "A-2"]),
        (20, 21, ["A-3"]),
        (100, 101, ["A-3"]),
        (176, 200, []),
    ],
)
def test_read_roster_of_a_span_has_every_shift_that_meets_it(database: str, begin: float, end: float, crews: list[str]) -> None:
    # A-3 serves the longest that a shift may last.
    roster = roster_of([shift("A-1", 8, 20), shift("A-2", 14, 20), shift("A-3", 8, 176)], [])

    async def body(connection: asyncpg.Connection) -> None:
        await plan(connection, roster)
        found = await read_roster(connection, (at(begin), at(end)))
        assert [one.crew for one in found.shifts] == crews

    run(database, body)


def test_read_history_names_each_change_of_a_shift(database: str) -> None:
    async def body(connection: asyncpg.Connection) -> None:
        await plan(connection, FIRST, 1)
        await plan(connection, SECOND, 14, "авария")
        told = await read_history(connection, ["A-1", "A-2"], (at(0), at(24)))
        assert [(one.revision, one.crew, one.from_us, one.until_us, one.withdrawn, one.reason) for one in told] == [
            (1, "A-1", at(8), at(20), False, "duty.csv"),
            (1, "A-2", at(8), at(20), False, "duty.csv"),
            (2, "A-1", at(8), at(14), False, "авария, duty.csv"),
            (2, "A-2", at(8), at(20), True, "авария, duty.csv"),
            (2, "A-1", at(14), at(20), False, "авария, duty.csv"),
        ]
        assert {(one.at_us, one.actor, one.kind) for one in told} == {(at(1), "aida", "import"), (at(14), "aida", "import")}
        assert await read_history(connection, ["A-2"], (at(20), at(24))) == []

    run(database, body)


def test_withdrawn_shift_that_is_planned_again_is_there_again(database: str) -> None:
    async def body(connection: asyncpg.Connection) -> None:
        for roster in (FIRST, SECOND, FIRST):
            await plan(connection, roster)
        assert await read_roster(connection) == FIRST

    run(database, body)


def test_revision_that_fails_leaves_nothing_behind(database: str) -> None:
    async def body(connection: asyncpg.Connection) -> None:
        await plan(connection, FIRST)
        with pytest.raises(StorageError):
            async with one_revision(connection):
                change = RosterChange(shifts=(shift("A-7", 8, 20), shift("A-8", 20, 8)))
                await save_revision(connection, Revision(Micros(DAY), "aida", "change"), change)
        assert await read_roster(connection) == FIRST
        assert await read_revision(connection) == 1
        await plan(connection, SECOND)

    run(database, body)


def test_two_revisions_at_once_are_one_after_the_other(database: str) -> None:
    async def body(connection: asyncpg.Connection) -> None:
        other = await connect(database, "test")
        async with one_revision(connection):
            with pytest.raises(ImportRunning, match="roster"):
                await plan(other, FIRST)
        await plan(other, FIRST)
        await other.close()

    run(database, body)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE roster_shift SET post = 'elsewhere'",
        "DELETE FROM roster_shift",
        "TRUNCATE roster_shift",
        "UPDATE roster_revision SET actor = 'nobody'",
        "DELETE FROM roster_place",
        "UPDATE roster_handover SET to_person = 'nobody'",
    ],
)
def test_tables_refuse_to_forget(database: str, statement: str) -> None:
    async def body(connection: asyncpg.Connection) -> None:
        await plan(connection, FIRST)
        with pytest.raises(asyncpg.PostgresError, match="is only ever added to"):
            await connection.execute(statement)
        assert await read_roster(connection) == FIRST

    run(database, body)


def test_difference_is_only_what_differs() -> None:
    change = difference(FIRST, SECOND)
    assert [(one.crew, one.from_us) for one in change.shifts] == [("A-1", at(8)), ("A-1", at(14))]
    assert [one.crew for one in change.withdrawn] == ["A-2"]
    assert change.places == ()
    assert difference(FIRST, FIRST).is_empty
    assert not change.is_empty
    moved = Place("post", "Арбат", "kz")
    assert difference(FIRST, roster_of(list(FIRST.shifts), [moved])).places == (moved,)


def test_read_call_signs_knows_the_planned_and_the_heard_of(database: str) -> None:
    async def body(connection: asyncpg.Connection) -> None:
        await plan(connection, FIRST)
        await connection.execute("INSERT INTO crew VALUES ('B-1', 'free', '', NULL, $1, '{}')", DAY)
        assert sorted(await read_call_signs(connection)) == ["A-1", "A-2", "B-1"]

    run(database, body)


def test_people_stand_in_a_past_shift_as_they_were_then(database: str) -> None:
    async def body(connection: asyncpg.Connection) -> None:
        await plan(connection, roster_of([shift("A-1", 8, 20, "Ахметов/17//лейтенант")], []))
        (then,) = (await read_roster(connection)).shifts
        later = roster_of([then, shift("A-1", 32, 44, "Ахметов/17/капитан")], [])
        await plan(connection, later)
        people = [one.people[0] for one in (await read_roster(connection)).shifts]
        assert people == [Person("Ахметов", "17", "", "лейтенант"), Person("Ахметов", "17", "капитан")]

    run(database, body)


@given(rosters())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_roster_is_stored_and_read_back(database: str, roster: Roster) -> None:
    async def body(connection: asyncpg.Connection) -> None:
        before = await read_roster(connection)
        kept = {(place.kind, place.name): place for place in (*before.places, *roster.places)}
        number = await plan(connection, roster)
        assert await read_roster(connection) == roster_of(list(roster.shifts), list(kept.values()))
        assert await read_roster(connection, revision_no=number - 1) == before
        assert {one.crew for one in roster.shifts} <= {CrewId(crew) for crew in await read_call_signs(connection)}

    run(database, body)
