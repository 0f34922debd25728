"""The subscriber base on a real PostgreSQL: imports, look-ups while they run, and a cache that never outlives an import."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg
import pytest

from core.ports import Subscriber
from storage.register_file import LineError, RegisterFileError
from storage.register_import import LOCK_SPACE, ImportMode, ImportReport, ImportRunning
from storage.subscribers import VERSION_CHECK_US, SubscriberCache, import_subscribers, lookup

HEADER = "phone,name,line,address,latitude_deg,longitude_deg\n"
FIRST = "+77010000001"
SECOND = "+77010000002"
THIRD = "+77010000003"
NOBODY = "+77019999999"


def run(dsn: str, scene: Callable[[asyncpg.Connection], Awaitable[None]]) -> None:
    async def connected() -> None:
        connection = await asyncpg.connect(dsn)
        try:
            await scene(connection)
        finally:
            await connection.close()

    asyncio.run(connected())


def written(folder: Path, *lines: str) -> Path:
    path = folder / "subscribers.csv"
    path.write_text(HEADER + "".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def person(phone: str, name: str) -> Subscriber:
    return Subscriber(phone, name, "", "", None, None)


def test_import_when_file_is_good_is_found_whole(database: str, tmp_path: Path) -> None:
    path = written(
        tmp_path,
        '8 701 000 00 01,"Сериков ""Айдос""",Mobile,"Алматы, Абая 10",43.238949,76.889709',
        "+77010000002,,,,,",
        "+996555123456,Ётоо\\N,voip,\\.,-1e-3,180",
    )

    async def scene(connection: asyncpg.Connection) -> None:
        report = await import_subscribers(connection, path)
        assert report == ImportReport(line_count=3, accepted=3, rejected=0, duplicates=0, row_count=3, version=1, errors=())
        assert await lookup(connection, [FIRST, SECOND, NOBODY, "+996555123456", FIRST]) == {
            FIRST: Subscriber(FIRST, 'Сериков "Айдос"', "mobile", "Алматы, Абая 10", 43.238949, 76.889709),
            SECOND: person(SECOND, ""),
            "+996555123456": Subscriber("+996555123456", "Ётоо\\N", "voip", "\\.", -0.001, 180.0),
        }
        assert await lookup(connection, []) == {}
        assert await lookup(connection, ["", "anonymous", "+7701x", "+" + "9" * 40, "77010000001"]) == {}

    run(database, scene)


def test_import_when_lines_are_bad_names_each_and_keeps_the_good(database: str, tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "anonymous,A,,,,",
        "112,A,,,,",
        "2500000,A,,,,",
        "+7701,A,,,,",
        f"{FIRST},A,fax,,,",
        f"{FIRST},A,,,91,76",
        f"{FIRST},A,,,43,",
        f"{FIRST},A,,,43,nan",
        f"{FIRST},A,,",
        f"{FIRST},{'A' * 401},,,,",
        f"{SECOND},Good,,,,",
    )
    errors = io.StringIO()

    async def scene(connection: asyncpg.Connection) -> None:
        report = await import_subscribers(connection, path, errors_to=errors)
        assert report.errors == (
            LineError(2, "phone", "is not a subscriber's number: withheld", "anonymous"),
            LineError(3, "phone", "is not a subscriber's number: short", "112"),
            LineError(4, "phone", "is not a subscriber's number: local", "2500000"),
            LineError(5, "phone", "is not a subscriber's number: malformed", "+7701"),
            LineError(6, "line", "must be one of landline, m2m, mobile, payphone, voip, or empty", "fax"),
            LineError(7, "latitude_deg", "must lie between -90 and 90 degrees", "91"),
            LineError(8, "longitude_deg", "is empty while the other one is given", ""),
            LineError(9, "longitude_deg", "must lie between -180 and 180 degrees", "nan"),
            LineError(10, "", "has 4 fields, the header has 6", f"{FIRST},A,,"),
            LineError(11, "name", "is longer than 400 characters", "A" * 80),
        )
        assert (report.line_count, report.accepted, report.rejected, report.row_count) == (11, 1, 10, 1)
        assert await lookup(connection, [FIRST, SECOND]) == {SECOND: person(SECOND, "Good")}

    run(database, scene)
    assert len(errors.getvalue().splitlines()) == 11


@pytest.mark.parametrize("mode", list(ImportMode))
def test_import_when_numbers_repeat_last_line_wins(database: str, tmp_path: Path, mode: ImportMode) -> None:
    lines = [f"8701{number % 700:07},Name {number},,,," for number in range(2_000)]

    async def scene(connection: asyncpg.Connection) -> None:
        report = await import_subscribers(connection, written(tmp_path, *lines), mode=mode)
        assert (report.accepted, report.duplicates, report.row_count) == (2_000, 1_300, 700)
        found = await lookup(connection, [f"+7701{number:07}" for number in range(700)])
        assert {int(phone[-3:]): int(one.name.split()[1]) for phone, one in found.items()} == {
            number: number + (1_400 if number < 600 else 700) for number in range(700)
        }

    run(database, scene)


def test_import_when_replacing_drops_others_and_when_merging_keeps_them(database: str, tmp_path: Path) -> None:
    async def scene(connection: asyncpg.Connection) -> None:
        everybody = [FIRST, SECOND, THIRD]
        await import_subscribers(connection, written(tmp_path, f"{FIRST},A,,,,", f"{SECOND},B,,,,"))
        merged = written(tmp_path, f"{SECOND},New,,,,", f"{THIRD},C,,,,")
        report = await import_subscribers(connection, merged, mode=ImportMode.MERGE)
        assert (report.row_count, report.version) == (3, 2)
        found = await lookup(connection, everybody)
        assert {phone: one.name for phone, one in found.items()} == {FIRST: "A", SECOND: "New", THIRD: "C"}
        report = await import_subscribers(connection, merged)
        assert (report.row_count, report.version) == (2, 3)
        found = await lookup(connection, everybody)
        assert {phone: one.name for phone, one in found.items()} == {SECOND: "New", THIRD: "C"}

    run(database, scene)


def test_import_when_repeated_leaves_the_table_as_migrated(database: str, tmp_path: Path) -> None:
    shape = (
        "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'subscriber'::regclass "
        "AND contype <> 'n' ORDER BY pg_get_constraintdef(oid)"
    )

    async def scene(connection: asyncpg.Connection) -> None:
        before = await connection.fetch(shape)
        for _ in range(2):
            await import_subscribers(connection, written(tmp_path, f"{FIRST},A,,,,"))
        assert await connection.fetch(shape) == before
        assert await connection.fetchval("SELECT to_regclass('subscriber_incoming')") is None
        assert await connection.fetchval("SELECT to_regclass('pg_temp.subscriber_staging')") is None

    run(database, scene)


def test_import_when_file_is_refused_keeps_the_base(database: str, tmp_path: Path) -> None:
    async def scene(connection: asyncpg.Connection) -> None:
        await import_subscribers(connection, written(tmp_path, f"{FIRST},A,,,,"))
        bad = tmp_path / "bad.csv"
        bad.write_text("number\n1\n")
        with pytest.raises(RegisterFileError, match="header lacks 'phone'; it has number"):
            await import_subscribers(connection, bad)
        assert await lookup(connection, [FIRST]) == {FIRST: person(FIRST, "A")}
        report = await import_subscribers(connection, bad, headers={"phone": "number"})
        assert (report.rejected, report.row_count) == (1, 0)

    run(database, scene)


def test_import_when_another_is_running_is_refused(database: str, tmp_path: Path) -> None:
    async def scene(connection: asyncpg.Connection) -> None:
        other = await asyncpg.connect(database)
        await other.execute(f"SELECT pg_advisory_lock({LOCK_SPACE}, hashtext('subscriber'))")
        with pytest.raises(ImportRunning, match="another import of register 'subscriber' is running"):
            await import_subscribers(connection, written(tmp_path, f"{FIRST},A,,,,"))
        await other.close()

    run(database, scene)


def test_lookup_while_import_runs_answers_from_one_base_or_the_other(database: str, tmp_path: Path) -> None:
    old = written(tmp_path, *(f"8701{number:07},old,,,," for number in range(300))).rename(tmp_path / "old.csv")
    new = written(tmp_path, *(f"8701{number:07},new,,,," for number in range(300)))
    phones = [f"+7701{number:07}" for number in range(300)]

    async def scene(connection: asyncpg.Connection) -> None:
        await import_subscribers(connection, old)
        reader = await asyncpg.connect(database)
        importing = asyncio.create_task(import_subscribers(connection, new))
        seen: list[str] = []
        while not importing.done():
            found = await lookup(reader, phones)
            assert found.keys() == set(phones)
            names = {one.name for one in found.values()}
            assert len(names) == 1
            seen.append(names.pop())
        await importing
        # Old ones, then new ones; how many of each is the scheduler's.
        assert sorted(seen, reverse=True) == seen
        assert {one.name for one in (await lookup(reader, phones)).values()} == {"new"}
        await reader.close()

    run(database, scene)


def test_import_when_a_long_look_up_holds_the_table_stands_back_for_others(database: str, tmp_path: Path) -> None:
    async def scene(connection: asyncpg.Connection) -> None:
        await import_subscribers(connection, written(tmp_path, f"{FIRST},old,,,,"))
        slow, other = await asyncpg.connect(database), await asyncpg.connect(database)
        transaction = slow.transaction()
        await transaction.start()
        assert (await lookup(slow, [FIRST]))[FIRST].name == "old"
        importing = asyncio.create_task(import_subscribers(connection, written(tmp_path, f"{FIRST},new,,,,")))
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock'"
        while not await other.fetchval(waiting):
            assert not importing.done()
        # This one stands behind the waiting import, which goes out of its way in time.
        async with asyncio.timeout(20):
            assert (await lookup(other, [FIRST]))[FIRST].name == "old"
        assert not importing.done()
        await transaction.commit()
        assert (await importing).version == 2
        assert (await lookup(slow, [FIRST]))[FIRST].name == "new"
        await slow.close()
        await other.close()

    run(database, scene)


def test_cache_when_asked_again_does_not_ask_the_base(database: str, tmp_path: Path) -> None:
    async def scene(connection: asyncpg.Connection) -> None:
        await import_subscribers(connection, written(tmp_path, f"{FIRST},A,,,,"))
        cache = SubscriberCache()
        expected = {FIRST: person(FIRST, "A")}
        assert await cache.lookup(connection, [FIRST, NOBODY, FIRST], 0) == expected
        await connection.execute("DELETE FROM subscriber")
        assert await cache.lookup(connection, [FIRST, NOBODY], VERSION_CHECK_US - 1) == expected
        # The version is asked again, and is what it was: entries are still good.
        assert await cache.lookup(connection, [FIRST, NOBODY], VERSION_CHECK_US) == expected
        assert (cache.hits, cache.misses, len(cache), cache.version) == (4, 2, 2, 1)

    run(database, scene)


def test_cache_known_answers_at_once_only_while_it_knows_all_of_them_and_is_fresh(database: str, tmp_path: Path) -> None:
    async def scene(connection: asyncpg.Connection) -> None:
        await import_subscribers(connection, written(tmp_path, f"{FIRST},A,,,,", f"{SECOND},B,,,,"))
        cache = SubscriberCache(max_numbers=3)
        assert cache.known([FIRST], 0) is None
        await cache.lookup(connection, [FIRST, SECOND, NOBODY], 0)
        assert cache.known([NOBODY, FIRST, FIRST], 1) == {FIRST: person(FIRST, "A")}
        assert cache.known([FIRST, THIRD], 1) is None
        assert cache.known([FIRST], VERSION_CHECK_US) is None
        # To be asked for is to be used: the one that nobody asked for goes first.
        await cache.lookup(connection, [THIRD], 2)
        assert cache.known([SECOND], 3) is None
        assert cache.known([FIRST, NOBODY, THIRD], 3) == {FIRST: person(FIRST, "A")}

    run(database, scene)


@pytest.mark.parametrize("asked", [[FIRST, SECOND], [FIRST, SECOND, THIRD]])
def test_cache_when_base_is_imported_anew_forgets(database: str, tmp_path: Path, asked: list[str]) -> None:
    async def scene(connection: asyncpg.Connection) -> None:
        await import_subscribers(connection, written(tmp_path, f"{FIRST},A,,,,"))
        cache = SubscriberCache()
        assert await cache.lookup(connection, [FIRST, SECOND], 0) == {FIRST: person(FIRST, "A")}
        await import_subscribers(connection, written(tmp_path, f"{SECOND},B,,,,"))
        # A number not asked before goes to the base at once and sees the import; the others see it when the check is due.
        now_us = 1 if THIRD in asked else VERSION_CHECK_US
        assert await cache.lookup(connection, asked, now_us) == {SECOND: person(SECOND, "B")}
        assert cache.version == 2
        assert len(cache) == len(asked)

    run(database, scene)


def test_cache_when_another_number_shows_the_import_forgets_all(database: str, tmp_path: Path) -> None:
    async def scene(connection: asyncpg.Connection) -> None:
        await import_subscribers(connection, written(tmp_path, f"{FIRST},A,,,,"))
        cache = SubscriberCache()
        await cache.lookup(connection, [FIRST, SECOND], 0)
        await import_subscribers(connection, written(tmp_path, f"{SECOND},B,,,,"))
        assert await cache.lookup(connection, [THIRD], 1) == {}
        assert await cache.lookup(connection, [FIRST, SECOND], 2) == {SECOND: person(SECOND, "B")}

    run(database, scene)


def test_cache_when_clock_steps_back_checks_the_version(database: str, tmp_path: Path) -> None:
    async def scene(connection: asyncpg.Connection) -> None:
        await import_subscribers(connection, written(tmp_path, f"{FIRST},A,,,,"))
        cache = SubscriberCache()
        await cache.lookup(connection, [FIRST], 10 * VERSION_CHECK_US)
        await import_subscribers(connection, written(tmp_path, f"{FIRST},B,,,,"))
        assert (await cache.lookup(connection, [FIRST], 0))[FIRST].name == "B"

    run(database, scene)


def test_cache_when_full_forgets_the_least_recently_asked(database: str, tmp_path: Path) -> None:
    async def scene(connection: asyncpg.Connection) -> None:
        await import_subscribers(connection, written(tmp_path, *(f"{one},A,,,," for one in (FIRST, SECOND, THIRD))))
        cache = SubscriberCache(max_numbers=2)
        await cache.lookup(connection, [FIRST, SECOND], 0)
        await cache.lookup(connection, [FIRST], 1)
        await cache.lookup(connection, [THIRD], 2)
        await connection.execute("DELETE FROM subscriber")
        assert list(await cache.lookup(connection, [FIRST, THIRD], 3)) == [FIRST, THIRD]
        assert await cache.lookup(connection, [SECOND], 4) == {}
        many = [f"+7702{number:07}" for number in range(10)]
        assert await cache.lookup(connection, many, 5) == {}
        assert len(cache) == 2

    run(database, scene)


def test_cache_when_look_ups_cross_an_import_none_stays_old(database: str, tmp_path: Path) -> None:
    old = written(tmp_path, f"{FIRST},old,,,,").rename(tmp_path / "old.csv")
    new = written(tmp_path, f"{FIRST},new,,,,")

    async def scene(connection: asyncpg.Connection) -> None:
        await import_subscribers(connection, old)
        reader = await asyncpg.connect(database)
        cache = SubscriberCache()
        importing = asyncio.create_task(import_subscribers(connection, new))
        now_us = 0
        while not importing.done():
            await cache.lookup(reader, [FIRST, f"+7702{now_us:07}"], now_us)
            now_us += 1
        await importing
        assert (await cache.lookup(reader, [FIRST], now_us + VERSION_CHECK_US))[FIRST].name == "new"
        await reader.close()

    run(database, scene)
