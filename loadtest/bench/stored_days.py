"""Days of a centre's life written into its tables faster than they can be lived, and the same rows into plain tables.

By COPY, in the order of their times, as the centre would have written them: plate reads for the most part, and between them
calls, incidents with their logs, what crews did, notices and tellings. Everything but the last hour's incidents is closed. The
past is filled by `storage.past`, which fills it in a running centre too.

The plain tables stand in a schema of their own under the same names, so that whoever puts that schema first on the search path
asks them the same question: no partitions, and no index but a primary key.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from operator import itemgetter
from random import Random
from typing import Final

import asyncpg
import msgspec

from core.context import cell_of
from core.decisions import IncidentChange
from core.instant import SECOND_US, Micros
from core.vocabulary import EventKind, IncidentState
from loadtest.bench.fill import fill
from loadtest.bench.recovery import copy_of
from storage import past, tables
from storage.copy_binary import Column, Kind, Row, Table
from storage.partitions import DAY_US, day_of, ensure

PLAIN: Final = "plain"
CREWS: Final = 1_000
PART: Final = 50_000
PAST_PART: Final = 2_000
EVENTS_AN_INCIDENT: Final = 100
"""Of which two are its calls; the others are plate reads, which belong to none."""
OPEN_US: Final = 3_600 * SECOND_US
FACTS: Final = (
    ("opened", 0),
    ("crew_assigned", 1),
    ("event_joined", 20),
    ("crew_accepted", 30),
    ("crew_arrived", 600),
    ("closed", 2_400),
)
"""An incident's log: what, and how many seconds after it was opened."""
STATES: Final = (("offered", 1), ("accepted", 30), ("on_scene", 600), ("free", 2_400))
"""What its crew does, likewise."""
CREW_LOG: Final = Table(
    "crew_log",
    Column("crew_id", Kind.TEXT),
    Column("at", Kind.INSTANT),
    Column("state", Kind.TEXT),
    Column("territory", Kind.TEXT),
    Column("incident_id", Kind.INT8, nullable=True),
    Column("batch", Kind.INT8),
)
_KEYS: Final = {
    "incident": "incident_id",
    "incident_log": "incident_id, version",
    "crew_log": "crew_id, at, batch",
    "notice": "incident_id, at",
    "outbox": "key",
    "delivery": "delivery_id",
    "incident_past": "incident_id",
    "incident_caller": "phone, opened_at, incident_id",
}
"""The plain tables and their primary keys: what one would give them without having thought of any question."""
_DELIVERIES: Final = (
    "INSERT INTO delivery (key, person, channel, rank, state, due_at, changed_at)"
    " SELECT key, 'lead', 'sms', 0, CASE WHEN incident_id % 50 = 0 THEN 'failed' ELSE 'sent' END, at, at FROM outbox"
)


class Stored(msgspec.Struct, frozen=True):
    """What was written."""

    events: int
    incidents: int
    first_of_last_day: int
    """The number of the first incident of the last 24 hours."""
    now_us: Micros


def crew_name(number: int) -> str:
    """A crew's call sign."""
    return f"P-{number % CREWS + 1}"


async def store(
    dsn: str, connection: asyncpg.Connection, templates: list[IncidentChange], events: int, days: int, now_us: Micros
) -> Stored:
    """Writes so many events of the last days, evenly spread. Raises what asyncpg raises, and `OSError`.

    Args:
        dsn: of a database with the centre's tables and nothing in them.
        connection: to it, from `storage.session.connect`.
        templates: open incidents, as the engine makes them.
        events: all together.
        days: before `now_us`.
        now_us: the present.
    """
    incidents = events // EVENTS_AN_INCIDENT
    start_us = now_us - days * DAY_US
    step_us = days * DAY_US // incidents
    await ensure(connection, range(day_of(Micros(start_us)), day_of(now_us) + 2))
    await _write(dsn, tables.CREW, _crew_rows(now_us))
    await _write(dsn, tables.EVENT, _event_rows(start_us, days * DAY_US // events, events))
    opened = {number: start_us + (number - 1) * step_us for number in range(1, incidents + 1)}
    rng = Random(1)
    await _write(dsn, tables.INCIDENT, (_incident(templates, number, at, now_us, rng) for number, at in opened.items()))
    await _write(dsn, tables.INCIDENT_LOG, _in_time(_log_rows(opened, now_us), 2))
    await _write(dsn, CREW_LOG, _in_time(_crew_log_rows(opened, now_us), 1))
    await _write(dsn, tables.NOTICE, _notice_rows(opened))
    await _write(dsn, tables.OUTBOX, _outbox_rows(opened))
    await connection.execute(_DELIVERIES)
    numbers = iter(opened.items())
    while part := dict(islice(numbers, PAST_PART)):
        await past.fill(connection, part, _addresses)
    await connection.execute("UPDATE centre SET last_at = $1, last_batch = 1", now_us)
    await _copy_plainly(connection)
    for table in (*_KEYS, *(f"{PLAIN}.{table}" for table in _KEYS)):
        await connection.execute(f"VACUUM (ANALYZE) {table}")
    await connection.execute("CHECKPOINT")
    return Stored(events, incidents, next(number for number, at in opened.items() if at >= now_us - DAY_US), now_us)


async def _write(dsn: str, table: Table, rows: Iterable[Row]) -> None:
    waiting = iter(rows)
    while part := list(islice(waiting, PART)):
        await fill(dsn, table, part)


async def _copy_plainly(connection: asyncpg.Connection) -> None:
    await connection.execute(f"CREATE SCHEMA {PLAIN}")
    for table, key in _KEYS.items():
        await connection.execute(f"CREATE TABLE {PLAIN}.{table} AS SELECT * FROM {table}")
        await connection.execute(f"ALTER TABLE {PLAIN}.{table} ADD PRIMARY KEY ({key})")


def _in_time(rows: Iterable[Row], column: int) -> list[Row]:
    """Rows in the order in which they were written."""
    return sorted(rows, key=itemgetter(column))


def _crew_rows(now_us: int) -> Iterator[Row]:
    for number in range(CREWS):
        yield crew_name(number), "free", "kz/almaty", None, now_us, b"{}"


def _event_rows(start_us: int, step_us: int, count: int) -> Iterator[Row]:
    for number in range(count):
        at_us = start_us + number * step_us
        incident, rest = divmod(number, EVENTS_AN_INCIDENT)
        if rest < 2:
            payload = f'{{"kind":"call","seq":{number},"phone":"+7701{incident:07d}","words":"Пожар, горит дом"}}'
            yield at_us, "telephone", number, int(EventKind.CALL), at_us, incident + 1, f"+7701{incident:07d}", payload.encode()
        else:
            plate = f"{number % 1_000:03d}ABC{number % 17:02d}"
            payload = f'{{"kind":"plate","seq":{number},"camera":"c{number % 500}","plate":"{plate}","confidence":0.97}}'
            yield at_us, "cameras", number, int(EventKind.PLATE), at_us, None, plate, payload.encode()


def _incident(templates: list[IncidentChange], number: int, opened_us: int, now_us: int, rng: Random) -> Row:
    copied = copy_of(templates[number % len(templates)], number, rng)
    closed_us = opened_us + FACTS[-1][1] * SECOND_US
    is_open = opened_us > now_us - OPEN_US
    return tables.incident_row(
        msgspec.structs.replace(
            copied,
            opened_us=Micros(opened_us),
            updated_us=Micros(min(closed_us, now_us)),
            closed_us=None if is_open else Micros(closed_us),
            state=copied.state if is_open else IncidentState.CLOSED,
        )
    )


def _log_rows(opened: dict[int, int], now_us: int) -> Iterator[Row]:
    for number, opened_us in opened.items():
        for version, (fact, after_s) in enumerate(FACTS, 1):
            at_us = opened_us + after_s * SECOND_US
            if at_us <= now_us:
                joined = {
                    "caller": {"e164": f"+7701{number % 50_000:07d}"},
                    "kind": "call",
                    "reason": "new",
                    "words": "w" * 150,
                }
                body = (
                    {"joined": joined} if fact in ("opened", "event_joined") else {"crew": crew_name(number), "text": "t" * 80}
                )
                yield number, version, at_us, fact, "engine", f"event:telephone/{number}", msgspec.json.encode(body)


def _crew_log_rows(opened: dict[int, int], now_us: int) -> Iterator[Row]:
    for number, opened_us in opened.items():
        for state, after_s in STATES:
            at_us = opened_us + after_s * SECOND_US
            if at_us <= now_us:
                yield crew_name(number), at_us, state, "kz/almaty", number, number


def _notice_rows(opened: dict[int, int]) -> Iterator[Row]:
    for number, opened_us in opened.items():
        if number % 5 == 0:
            yield number, opened_us + SECOND_US, "shift_lead", "no_crew", "kz/almaty", "no crew is free", ""


def _outbox_rows(opened: dict[int, int]) -> Iterator[Row]:
    for number, opened_us in opened.items():
        if number % 2 == 0:
            key, at_us = f"incident/{number}/opened", opened_us + SECOND_US
            expires_us = at_us + 3_600 * SECOND_US
            values = b'{"category":"fire","address":"a"}'
            state = "nobody" if number % 200 == 0 else "resolved"
            yield key, at_us, expires_us, "shift_lead", "kz/almaty", number, "incident_opened", values, 2, state, b"[]"


def _addresses(places: Iterable[past.Place]) -> list[past.Address]:
    """An address and a street for each place, as many as a city has houses and streets."""
    found = []
    for place in places:
        cell = cell_of(place.latitude_deg, place.longitude_deg)
        found.append(past.Address(cell % 50_000, (cell % 320,)))
    return found
