"""Partitions by UTC day: made ahead, made on demand, dropped when their time is over.

Place in the flow: persist, and a daily housekeeping task. Rules:
- A row always has a place: what lies outside the days that have a partition of their own falls into the table's default
  partition. A source with a broken clock can therefore not make the centre create thousands of tables.
- Retention drops whole days. What belongs to an incident that is still open, or that changed within the days kept, survives:
  such a day is emptied of everything else instead, so no incident ever loses half of its log.
- Tellings and their deliveries have no partitions, since a telling's key is unique for ever: retention deletes them.
Days are counted since 1970-01-01. Names of tables come from this module and from the catalogue, never from data.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Final

import asyncpg
import msgspec

from core.instant import Micros

DAY_US: Final = 86_400_000_000
AHEAD_DAYS: Final = 3
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


async def ensure(connection: asyncpg.Connection, days: Iterable[int]) -> None:
    """Makes the partitions of these days that do not exist yet. Outside a transaction."""
    wanted = {partition_name(table, day): (table, day) for day in days for table in TIME_COLUMNS}
    there = {
        row["relname"] for row in await connection.fetch("SELECT relname FROM pg_class WHERE relname = ANY($1)", list(wanted))
    }
    for name, (table, day) in wanted.items():
        if name in there:
            continue
        room = " WITH (fillfactor = 75)" if table in _UPDATED_IN_PLACE else ""
        try:
            await connection.execute(
                f'CREATE TABLE IF NOT EXISTS {name} PARTITION OF "{table}"'
                f" FOR VALUES FROM ('{_date(day)} 00:00:00+00') TO ('{_date(day + 1)} 00:00:00+00'){room}"
            )
        except asyncpg.CheckViolationError:
            # The default partition holds rows of this day already (a clock was set back): they and their like stay there.
            continue


def days_around(now_us: int) -> range:
    """The days to have partitions for: yesterday's late rows to `AHEAD_DAYS` ahead."""
    today = day_of(now_us)
    return range(today - 1, today + AHEAD_DAYS + 1)


async def prune(connection: asyncpg.Connection, now_us: Micros, retention: Retention) -> list[str]:
    """Drops what is older than it must be kept. Returns the names of the partitions dropped.

    Takes a lock that the writer waits for, for milliseconds a partition; waits at most 10 s for its own.
    """
    dropped: list[str] = []
    await connection.execute("SET lock_timeout = '10s'")
    try:
        await connection.execute(
            "UPDATE centre SET next_incident_id = greatest(next_incident_id, (SELECT max(incident_id) + 1 FROM incident)),"
            " next_assignment_id = greatest(next_assignment_id, (SELECT max(assignment_id) + 1 FROM assignment))"
        )
        for table, column in TIME_COLUMNS.items():
            first_day = day_of(now_us) - retention.days_of(table)
            kept = await _kept_incidents(connection, first_day) if table in _OF_INCIDENT else []
            for name in await _partitions_of(connection, table):
                day = _day_of_name(table, name)
                if day is None:
                    await _empty_default(connection, table, column, first_day, kept)
                elif day < first_day and not await _empty_of_others(connection, table, name, kept):
                    await connection.execute(f"DROP TABLE {name}")
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
    finally:
        if not connection.is_closed():
            await connection.execute("RESET lock_timeout")
    return dropped


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


async def _empty_default(connection: asyncpg.Connection, table: str, column: str, first_day: int, kept: list[int]) -> None:
    spare = " AND (incident_id IS NULL OR incident_id <> ALL($2))" if table in _OF_INCIDENT else " AND $2::bigint[] IS NOT NULL"
    await connection.execute(f"DELETE FROM {table}_default WHERE {column} < $1{spare}", first_day * DAY_US, kept)  # noqa: S608


async def _empty_of_others(connection: asyncpg.Connection, table: str, name: str, kept: list[int]) -> bool:
    """Empties a partition of everything but the kept incidents' rows. Returns False, and does nothing, when it has none."""
    if table not in _OF_INCIDENT or not kept:
        return False
    if not await connection.fetchval(f"SELECT EXISTS (SELECT FROM {name} WHERE incident_id = ANY($1))", kept):  # noqa: S608
        return False
    async with connection.transaction():
        # Few rows survive: to write them anew is cheaper than to delete the millions around them.
        await connection.execute(f"LOCK TABLE {name} IN ACCESS EXCLUSIVE MODE")
        await connection.execute(f"CREATE TEMP TABLE survivor (LIKE {name}) ON COMMIT DROP")
        await connection.execute(f"INSERT INTO survivor SELECT * FROM {name} WHERE incident_id = ANY($1)", kept)  # noqa: S608
        await connection.execute(f"TRUNCATE {name}")
        await connection.execute(f"INSERT INTO {name} SELECT * FROM survivor")  # noqa: S608
    return True
