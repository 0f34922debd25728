"""The patrol routes' register on a real PostgreSQL: versions, days to come, days gone by."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import date

import asyncpg
import msgspec
import pytest

from core.instant import Micros
from core.patrol import PatrolRoute
from storage.errors import StorageError
from storage.patrol_routes import PatrolImportReport, import_patrol_routes, load_patrol_routes, patrol_routes_between
from storage.register_file import RegisterFileError
from storage.register_import import ImportMode, ImportRunning, one_import
from storage.session import connect
from tests.core.patrol_town import CREWS, checkpoint, instant, street, timetable

MONDAY = instant("2026-05-04 12:00")
TUESDAY = instant("2026-05-05 12:00")
ABAY = street("abay", timetable=timetable("20:00", "08:00", checkpoint("22:00")), stand_s=0)
DOSTYK = street("dostyk", crews=None)


def run(dsn: str, body: Callable[[asyncpg.Connection], Awaitable[None]]) -> None:
    async def main() -> None:
        connection = await connect(dsn, "test")
        try:
            await body(connection)
        finally:
            await connection.close()

    asyncio.run(main())


async def take(
    connection: asyncpg.Connection,
    *routes: PatrolRoute,
    now_us: Micros = MONDAY,
    since: date | None = None,
    mode: ImportMode = ImportMode.REPLACE,
) -> PatrolImportReport:
    return await import_patrol_routes(connection, routes, source_name="r.geojson", now_us=now_us, since=since, mode=mode)


async def versions(connection: asyncpg.Connection) -> list[tuple[str, int, int, int | None, float]]:
    found = await patrol_routes_between(connection, Micros(0), None)
    return [(str(one.route_id), one.version, one.valid_from_us, one.valid_until_us, one.width_m) for one in found]


def test_load_when_routes_were_imported_gives_them_back_whole(database: str) -> None:
    async def body(connection: asyncpg.Connection) -> None:
        report = await take(connection, ABAY, DOSTYK)
        assert report == PatrolImportReport(added=2, changed=0, unchanged=0, ended=0, row_count=2, version=1)
        expected = [msgspec.structs.replace(one, valid_from_us=MONDAY) for one in (ABAY, DOSTYK)]
        assert await load_patrol_routes(connection, MONDAY) == expected

    run(database, body)


def test_import_when_a_route_has_changed_makes_a_version_and_keeps_the_one_before(database: str) -> None:
    async def body(connection: asyncpg.Connection) -> None:
        await take(connection, ABAY, DOSTYK)
        wider = msgspec.structs.replace(ABAY, width_m=300.0)
        report = await take(connection, wider, DOSTYK, now_us=TUESDAY)
        assert report == PatrolImportReport(added=0, changed=1, unchanged=1, ended=0, row_count=2, version=2)
        assert await versions(connection) == [
            ("abay", 1, MONDAY, TUESDAY, 100.0),
            ("abay", 2, TUESDAY, None, 300.0),
            ("dostyk", 1, MONDAY, None, 100.0),
        ]

    run(database, body)


def test_past_day_when_asked_for_has_the_routes_and_crews_of_then(database: str) -> None:
    async def body(connection: asyncpg.Connection) -> None:
        await take(connection, ABAY)
        await take(connection, msgspec.structs.replace(ABAY, crews=CREWS[:1]), now_us=TUESDAY)
        (then,) = await patrol_routes_between(connection, Micros(MONDAY + 1), TUESDAY)
        assert then.crews == CREWS
        (now,) = await patrol_routes_between(connection, TUESDAY, None)
        assert now.crews == CREWS[:1]
        assert await patrol_routes_between(connection, Micros(0), MONDAY) == []

    run(database, body)


@pytest.mark.parametrize(("mode", "left"), [(ImportMode.REPLACE, ["dostyk"]), (ImportMode.MERGE, ["abay", "dostyk"])])
def test_import_when_a_route_is_not_in_the_file_ends_or_keeps_it(database: str, mode: ImportMode, left: list[str]) -> None:
    async def body(connection: asyncpg.Connection) -> None:
        await take(connection, ABAY)
        report = await take(connection, DOSTYK, now_us=TUESDAY, mode=mode)
        assert (report.added, report.ended, report.row_count) == (1, 2 - len(left), len(left))
        found = await patrol_routes_between(connection, TUESDAY, None)
        assert [str(one.route_id) for one in found] == left
        # A night shift that began before it ended runs out, also over a restart.
        assert [str(one.route_id) for one in await load_patrol_routes(connection, TUESDAY)] == ["abay", "dostyk"]
        returned = await take(connection, ABAY, DOSTYK, now_us=Micros(TUESDAY + 10))
        assert returned.added == 2 - len(left)

    run(database, body)


def test_import_when_for_a_day_to_come_begins_at_its_midnight_by_the_route_s_clock(database: str) -> None:
    midnight = instant("2026-06-01 00:00")

    async def body(connection: asyncpg.Connection) -> None:
        await take(connection, ABAY)
        wider = msgspec.structs.replace(ABAY, width_m=300.0)
        await take(connection, wider, since=date(2026, 6, 1))
        planned = [("abay", 1, MONDAY, midnight, 100.0), ("abay", 2, midnight, None, 300.0)]
        assert await versions(connection) == planned
        # What was planned gives way to another plan, and to what begins before it.
        again = await take(connection, msgspec.structs.replace(ABAY, width_m=400.0), since=date(2026, 6, 1))
        assert (again.added, again.changed) == (0, 1)
        assert await versions(connection) == [planned[0], ("abay", 2, midnight, None, 400.0)]
        report = await take(connection, ABAY, now_us=TUESDAY)
        assert (report.unchanged, report.row_count) == (1, 1)
        assert await versions(connection) == [("abay", 1, MONDAY, None, 100.0)]

    run(database, body)


def test_import_when_its_day_has_begun_is_refused_and_changes_nothing(database: str) -> None:
    async def body(connection: asyncpg.Connection) -> None:
        await take(connection, ABAY)
        with pytest.raises(RegisterFileError, match="2026-05-04 has begun for route dostyk in Asia/Almaty"):
            await take(connection, DOSTYK, since=date(2026, 5, 4), mode=ImportMode.MERGE)
        assert await versions(connection) == [("abay", 1, MONDAY, None, 100.0)]

    run(database, body)


def test_import_when_it_fails_half_way_changes_nothing(database: str) -> None:
    async def body(connection: asyncpg.Connection) -> None:
        await take(connection, ABAY)
        broken = msgspec.structs.replace(DOSTYK, width_m=-1.0)
        with pytest.raises(StorageError):
            await take(connection, msgspec.structs.replace(ABAY, width_m=300.0), broken, now_us=TUESDAY)
        assert await versions(connection) == [("abay", 1, MONDAY, None, 100.0)]

    run(database, body)


def test_import_when_another_one_runs_is_refused(database: str) -> None:
    async def body(connection: asyncpg.Connection) -> None:
        other = await connect(database, "test")
        try:
            async with one_import(other, "patrol_route"):
                with pytest.raises(ImportRunning):
                    await take(connection, ABAY)
        finally:
            await other.close()

    run(database, body)
