"""Partitions by UTC day: made ahead, made on demand, dropped when their time is over.

Place in the flow: persist, and a daily housekeeping task (`ops.upkeep`). Rules:
- A row always has a place: what lies outside the days that have a partition of their own falls into the table's default
  partition. A source with a broken clock can therefore not make the centre create thousands of tables.
- Retention drops whole days. What belongs to an incident that is still open, or that changed within the days kept, survives:
  such a day is emptied of everything else instead, so no incident ever loses half of its log.
- Tellings and their deliveries have no partitions, since a telling's key is unique for ever: retention deletes them.
- Whoever makes or drops a partition needs, for a moment, a lock that a commit waits for. PostgreSQL has a way round it
  (DETACH PARTITION CONCURRENTLY), but not beside a default partition. So nothing here waits long for a table: behind a dump
  that reads it for an hour, every commit would wait with us. What cannot be had is left for the next time.
- A day to which rows are only added is vacuumed once, by night, when it is over. PostgreSQL's autovacuum would do so each time
  that it has grown by a fifth, which is when most is to be done.
Days are counted since 1970-01-01. Names of tables come from this module and from the catalogue, never from data.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from datetime import date, timedelta
from typing import Final, TypeVar

import asyncpg
import msgspec

from core.instant import Micros
from storage.errors import StorageError, StorageReason

T = TypeVar("T")

DAY_US: Final = 86_400_000_000
AHEAD_DAYS: Final = 3
ENSURE_WAIT_MS: Final = 3000
"""Longest wait for a default partition, which only a day's making needs: longer than PostgreSQL takes to call its own
housekeeping off. Without its partition a day has the default one."""
DROP_WAIT_MS: Final = 200
"""Longest wait for a table of which a day is dropped, and so the longest that commits are held up by it."""
DROP_TRIES: Final = 5
PAUSE_S: Final = 0.2
"""Between two steps of retention, in which what waited behind one catches up."""
CHUNK_ROWS: Final = 10_000
"""Rows that one statement deletes."""
PRUNE_LOCK: Final = 0x6A6564656C505255
"""Advisory lock key: `jedelPRU` in ASCII."""
_FIRST_DAY: Final = date(1970, 1, 1)
_UPDATED_IN_PLACE: Final = frozenset({"incident", "assignment"})
"""Tables whose pages keep room, so that a new version of a row stays on its page."""

TIME_COLUMNS: Final[dict[str, str]] = {
    "event": "received_at",
    "rejected_event": "received_at",
    "incident": "opened_at",
    "incident_log": "at",
    "assignment": "offered_at",
    "position": "at",
    "crew_log": "at",
    "command": "at",
    "notice": "at",
}
"""Partitioned tables and the column they are partitioned by."""
_APPENDED: Final = frozenset(TIME_COLUMNS) - _UPDATED_IN_PLACE
"""Those of them to which rows are only added."""
_ROOM: Final = " WITH (fillfactor = 75)"
_BY_NIGHT: Final = " WITH (autovacuum_vacuum_insert_threshold = -1)"
"""What becomes of rows that are deleted is left to the autovacuum all the same."""
VACUUM_DELAY_MS: Final = 2
"""As long as autovacuum pauses between pieces of its work, so that commits have the disk."""
VACUUM_TIMEOUT_S: Final = 12 * 3600.0
"""Longest time for a table: at that pace, some 30 MB a second, a month of the largest centre."""
GONE_CHECK_MS: Final = 10_000
"""Between two looks of the server whether the process is still there for which it vacuums."""
_OF_INCIDENT: Final = frozenset({"event", "incident", "incident_log", "assignment", "notice"})
"""Those of them whose rows belong to an incident."""


class Retention(msgspec.Struct, frozen=True):
    """Whole days that each kind of row is kept. The day that is running is not counted."""

    event_days: int = 30
    """Events and rejected events; those of an incident that is kept for being open stay with it."""
    incident_days: int = 1095
    """Incidents, their log, assignments, commands, notices and tellings, from the incident's last change; crews' states."""
    position_days: int = 30

    def days_of(self, table: str) -> int:
        """Days that rows of a table are kept."""
        if table in ("event", "rejected_event"):
            return self.event_days
        return self.position_days if table == "position" else self.incident_days


def day_of(instant_us: int) -> int:
    """The UTC day of an instant."""
    return instant_us // DAY_US


def partition_name(table: str, day: int) -> str:
    """Name of a table's partition of a day, for example `event_20240501`."""
    return f"{table}_{_date(day):%Y%m%d}"


def _date(day: int) -> date:
    return _FIRST_DAY + timedelta(days=day)


def _day_of_name(table: str, name: str) -> int | None:
    """The day of a partition by its name, None for the default partition."""
    digits = name.removeprefix(f"{table}_")
    if len(digits) != 8 or not digits.isdigit():
        return None
    return (date(int(digits[:4]), int(digits[4:6]), int(digits[6:])) - _FIRST_DAY).days


class Pruned(msgspec.Struct, frozen=True):
    """What retention has come to."""

    dropped: list[str]
    """Partitions dropped."""
    held: str | None
    """The partition at which it gave up, because somebody else has its table; None where everything is done."""


async def ensure(connection: asyncpg.Connection, days: Iterable[int]) -> None:
    """Makes the partitions of these days that do not exist yet, but for those that somebody holds up. Outside a transaction."""
    wanted = {partition_name(table, day): (table, day) for day in days for table in TIME_COLUMNS}
    there = {
        row["relname"] for row in await connection.fetch("SELECT relname FROM pg_class WHERE relname = ANY($1)", list(wanted))
    }
    absent = {name: of for name, of in wanted.items() if name not in there}
    if absent:
        await _with_lock_timeout(connection, ENSURE_WAIT_MS, lambda: _make(connection, absent))


async def _with_lock_timeout(connection: asyncpg.Connection, wait_ms: int, work: Callable[[], Awaitable[T]]) -> T:
    """Does it with a bound on waiting for locks. Who is cancelled gives the connection up, and waits for no answer any more."""
    await connection.execute(f"SET lock_timeout = {wait_ms}")
    try:
        done = await work()
    except Exception:
        if not connection.is_closed():
            await connection.execute("RESET lock_timeout")
        raise
    await connection.execute("RESET lock_timeout")
    return done


async def _make(connection: asyncpg.Connection, absent: dict[str, tuple[str, int]]) -> None:
    for name, (table, day) in absent.items():
        options = _BY_NIGHT if table in _APPENDED else _ROOM
        try:
            await connection.execute(
                f'CREATE TABLE IF NOT EXISTS {name} PARTITION OF "{table}"'
                f" FOR VALUES FROM ('{_date(day)} 00:00:00+00') TO ('{_date(day + 1)} 00:00:00+00'){options}"
            )
        except (asyncpg.CheckViolationError, asyncpg.LockNotAvailableError):
            # The default partition holds rows of this day already (a clock was set back), and they and their like stay there;
            # or somebody reads it (a dump), and the day is tried again with the next batch of days.
            continue


def days_around(now_us: int) -> range:
    """The days to have partitions for: yesterday's late rows to `AHEAD_DAYS` ahead."""
    today = day_of(now_us)
    return range(today - 1, today + AHEAD_DAYS + 1)


async def prune(
    connection: asyncpg.Connection,
    now_us: Micros,
    retention: Retention,
    *,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Pruned:
    """Drops what is older than it must be kept, beside whoever commits, in steps with a pause after each.

    A step holds commits up for milliseconds, and for `DROP_WAIT_MS` at most where its table is in use.

    Args:
        connection: from `storage.session.connect`, outside a transaction.
        now_us: the time.
        retention: how long what is kept.
        sleep: the pause, in seconds.

    Raises:
        StorageError: `BUSY` where another process prunes this database. What asyncpg raises is not translated.
    """
    if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", PRUNE_LOCK):
        raise StorageError(StorageReason.BUSY, "another process drops what is no longer kept")
    try:
        dropped: list[str] = []
        held = await _prune(connection, now_us, retention, sleep, dropped)
        if held is None:
            await connection.execute("UPDATE centre SET pruned_at = $1", now_us)
        return Pruned(dropped, held)
    finally:
        if not connection.is_closed():
            await connection.execute("SELECT pg_advisory_unlock($1)", PRUNE_LOCK)


async def vacuum_past(connection: asyncpg.Connection, now_us: Micros) -> list[str]:
    """Vacuums the days before this one that never were, but for those that somebody else has in hand. Returns their tables.

    It holds no commit up, and ends with its process where the server can notice that.

    Args:
        connection: outside a transaction, and given up afterwards: it is left with settings that suit this.
        now_us: the time.
    """
    past = [
        name
        for table in sorted(_APPENDED)
        for name in await _partitions_of(connection, table)
        if (day := _day_of_name(table, name)) is not None and day < day_of(now_us)
    ]
    never = "SELECT relname FROM pg_class WHERE relname = ANY($1) AND relallvisible = 0 AND pg_relation_size(oid) > 0"
    names = [row["relname"] for row in await connection.fetch(never, past)]
    await connection.execute(f"SET vacuum_cost_delay = {VACUUM_DELAY_MS}")
    with suppress(asyncpg.PostgresError):
        # Where its system does not say so, the server learns that a client is gone when it has an answer for it.
        await connection.execute(f"SET client_connection_check_interval = {GONE_CHECK_MS}")
    for name in names:
        await connection.execute(f"VACUUM (FREEZE, SKIP_LOCKED) {name}", timeout=VACUUM_TIMEOUT_S)
    return names


async def _prune(
    connection: asyncpg.Connection,
    now_us: Micros,
    retention: Retention,
    sleep: Callable[[float], Awaitable[None]],
    dropped: list[str],
) -> str | None:
    """Adds to `dropped` what it drops; returns the partition that it could not have."""
    await _keep_ids(connection)
    for table, column in TIME_COLUMNS.items():
        first_day = day_of(now_us) - retention.days_of(table)
        kept = await _kept_incidents(connection, first_day) if table in _OF_INCIDENT else []
        for name in await _partitions_of(connection, table):
            day = _day_of_name(table, name)
            if day is None:
                await _empty_default(connection, table, column, first_day, kept, sleep)
            elif day < first_day:
                gone = await _drop(connection, table, name, kept, sleep)
                if gone is None:
                    return name
                if gone:
                    dropped.append(name)
    first_day = day_of(now_us) - retention.days_of("outbox")
    await connection.execute(
        "DELETE FROM outbox WHERE at < $1 AND (incident_id IS NULL OR incident_id <> ALL($2))",
        first_day * DAY_US,
        await _kept_incidents(connection, first_day),
    )
    # What the engine withdrew is of no use without the tellings; what a person has taken in hand stays for ever.
    await connection.execute(
        "DELETE FROM centre_log WHERE fact = 'telling_withdrawn' AND actor NOT LIKE 'operator:%' AND at < $1",
        first_day * DAY_US,
    )
    await _forget_past(connection, day_of(now_us) - retention.incident_days)
    return None


async def _drop(
    connection: asyncpg.Connection, table: str, name: str, kept: list[int], sleep: Callable[[float], Awaitable[None]]
) -> bool | None:
    """Drops a partition, or empties it of what is not kept. Returns whether it is gone; None where it could not be had."""

    async def work() -> bool:
        if await _empty_of_others(connection, table, name, kept):
            return False
        await connection.execute(f"DROP TABLE {name}")
        return True

    for _ in range(DROP_TRIES):
        try:
            return await _with_lock_timeout(connection, DROP_WAIT_MS, work)
        except asyncpg.LockNotAvailableError:
            continue
        finally:
            await sleep(PAUSE_S)
    return None


async def _keep_ids(connection: asyncpg.Connection) -> None:
    """Notes which ids were given, before the rows that say so are gone."""
    # Found out first: a commit waits for the row that is updated.
    incident_id = await connection.fetchval("SELECT max(incident_id) + 1 FROM incident")
    assignment_id = await connection.fetchval("SELECT max(assignment_id) + 1 FROM assignment")
    await connection.execute(
        "UPDATE centre SET next_incident_id = greatest(next_incident_id, $1),"
        " next_assignment_id = greatest(next_assignment_id, $2)",
        incident_id,
        assignment_id,
    )


async def _forget_past(connection: asyncpg.Connection, first_day: int) -> None:
    """Takes from the past what is no longer kept of incidents (`storage.past`)."""
    kept = await _kept_incidents(connection, first_day)
    for statement in (
        "DELETE FROM incident_caller WHERE opened_at < $1 AND incident_id <> ALL($2)",
        "DELETE FROM incident_past WHERE opened_at < $1 AND incident_id <> ALL($2)",
    ):
        await connection.execute(statement, first_day * DAY_US, kept)


async def _kept_incidents(connection: asyncpg.Connection, first_day: int) -> list[int]:
    """Incidents opened before a day of which nothing may go: open, or changed on that day or later."""
    cutoff_us = first_day * DAY_US
    rows = await connection.fetch(
        "SELECT incident_id FROM incident WHERE opened_at < $1 AND (closed_at IS NULL OR updated_at >= $1)", cutoff_us
    )
    return [row["incident_id"] for row in rows]


async def _partitions_of(connection: asyncpg.Connection, table: str) -> list[str]:
    rows = await connection.fetch(
        "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
        " WHERE i.inhparent = $1::text::regclass ORDER BY c.relname",
        f'"{table}"',
    )
    return [row["relname"] for row in rows]


async def _empty_default(
    connection: asyncpg.Connection,
    table: str,
    column: str,
    first_day: int,
    kept: list[int],
    sleep: Callable[[float], Awaitable[None]],
) -> None:
    spare = " AND (incident_id IS NULL OR incident_id <> ALL($2))" if table in _OF_INCIDENT else " AND $2::bigint[] IS NOT NULL"
    old = f"SELECT ctid FROM {table}_default WHERE {column} < $1{spare} LIMIT {CHUNK_ROWS}"  # noqa: S608
    delete = f"DELETE FROM {table}_default WHERE ctid = ANY (ARRAY({old}))"  # noqa: S608
    while await connection.execute(delete, first_day * DAY_US, kept) == f"DELETE {CHUNK_ROWS}":
        await sleep(PAUSE_S)


async def _empty_of_others(connection: asyncpg.Connection, table: str, name: str, kept: list[int]) -> bool:
    """Empties a partition of everything but the kept incidents' rows. Returns False, and does nothing, when it has none."""
    if table not in _OF_INCIDENT or not kept:
        return False
    if not await connection.fetchval(f"SELECT EXISTS (SELECT FROM {name} WHERE incident_id = ANY($1))", kept):  # noqa: S608
        return False
    others = f"SELECT EXISTS (SELECT FROM {name} WHERE incident_id IS NULL OR incident_id <> ALL($1))"  # noqa: S608
    if not await connection.fetchval(others, kept):
        return True
    async with connection.transaction():
        # Few rows survive: to write them anew is cheaper than to delete the millions around them.
        await connection.execute(f"LOCK TABLE {name} IN ACCESS EXCLUSIVE MODE")
        await connection.execute(f"CREATE TEMP TABLE survivor (LIKE {name}) ON COMMIT DROP")
        await connection.execute(f"INSERT INTO survivor SELECT * FROM {name} WHERE incident_id = ANY($1)", kept)  # noqa: S608
        await connection.execute(f"TRUNCATE {name}")
        await connection.execute(f"INSERT INTO {name} SELECT * FROM survivor")  # noqa: S608
    return True
