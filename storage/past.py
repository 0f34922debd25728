"""Fills the past: copies what incidents are found again by into `incident_past`, in the background (CITY-11).

Place in the flow: after it. Rules:

- Only committed rows are read, and a row of the past follows from its incident alone: any process may fill at any time, twice
  too, and a copy that is lost is made again.
- `past_progress.through` says how far the past is whole. Every fact carries the time of its batch, and that never goes back, so
  what has changed since is in the log from `through` on: after a crash, or when more has changed than could wait, that is read.
- Merged incidents have no past of their own: their callers and events are the other one's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import asyncpg
import msgspec

from core import limits
from core.context import Outcome, PastIncident, cell_of, outcome_of
from core.instant import Micros
from core.vocabulary import IncidentId, IncidentState
from storage.partitions import DAY_US, day_of

CATCH_UP_TIMEOUT_MS: Final = 600_000
"""Of the one statement that reads the log: hours of a storm, or the first time that a long-lived database is opened."""
_INCIDENTS: Final = (
    "SELECT incident_id, opened_at, closed_at IS NOT NULL AS closed, state, category, territory, latitude_deg, longitude_deg,"
    " view FROM incident WHERE incident_id = ANY($1) AND opened_at >= $2 AND opened_at < $3"
)
_KNOWN: Final = "SELECT * FROM incident_past WHERE incident_id = ANY($1)"
# A statement a chunk: row by row, and between a BEGIN and a COMMIT, a storm's past took a tenth of the thread that decides.
_PUT: Final = """
WITH put AS (
    INSERT INTO incident_past (incident_id, opened_at, category, territory, outcome, result, latitude_deg, longitude_deg,
        address, streets, phones, cell)
    SELECT incident_id, timestamptz 'epoch' + opened_us * interval '1 microsecond', category, territory, outcome, result,
        latitude_deg, longitude_deg, address, streets, phones, cell
    FROM json_to_recordset($1) AS one(incident_id bigint, opened_us bigint, category text, territory text, outcome text,
        result text, latitude_deg double precision, longitude_deg double precision, address bigint, streets bigint[],
        phones bigint[], cell bigint)
    ON CONFLICT (incident_id) DO UPDATE SET category = excluded.category, territory = excluded.territory,
        outcome = excluded.outcome, result = excluded.result, latitude_deg = excluded.latitude_deg,
        longitude_deg = excluded.longitude_deg, address = excluded.address, streets = excluded.streets,
        phones = excluded.phones, cell = excluded.cell
)
INSERT INTO incident_caller (phone, opened_at, incident_id)
SELECT * FROM unnest($2::bigint[], $3::timestamptz[], $4::bigint[]) ON CONFLICT DO NOTHING
"""
_DROP_CALLER: Final = "DELETE FROM incident_caller WHERE phone = $1 AND opened_at = $2 AND incident_id = $3"
_DROP: Final = "DELETE FROM incident_past WHERE incident_id = $1"
# Held beyond its statement: the ids wait in the server, and other statements run between two fetches.
_CHANGED: Final = (
    "DECLARE past_changes CURSOR WITH HOLD FOR SELECT incident_id, min(at) FILTER (WHERE version = 1) AS opened_at"
    " FROM incident_log WHERE at >= (SELECT through FROM past_progress) GROUP BY incident_id"
)
_OPENED: Final = "SELECT incident_id, opened_at FROM incident_past WHERE incident_id = ANY($1)"
_OPENED_SLOWLY: Final = "SELECT incident_id, opened_at FROM incident WHERE incident_id = ANY($1)"


class Place(msgspec.Struct, frozen=True, gc=False):
    """What is known of where an incident is, for its address to be read."""

    text: str
    latitude_deg: float
    longitude_deg: float
    accuracy_m: float


class Address(msgspec.Struct, frozen=True, gc=False):
    """An address as the past compares it (`core.context.PastIncident`)."""

    address: int | None
    streets: tuple[int, ...]


Addresses = Callable[[Sequence[Place]], Sequence[Address]]
"""The address of each place. Called once a chunk; what it costs is paid by the thread that decides."""


class _Place(msgspec.Struct):
    latitude_deg: float
    longitude_deg: float
    accuracy_m: float
    text: str = ""


class _Caller(msgspec.Struct):
    e164: str = ""


class _Told(msgspec.Struct):
    caller: _Caller | None = None


class _View(msgspec.Struct):
    """The little of an incident's view that the past keeps."""

    place: _Place | None = None
    told: list[_Told] = []
    result: str = ""


_VIEW: Final = msgspec.json.Decoder(_View)
_OUTCOMES: Final = {outcome.value: outcome for outcome in Outcome}
_NO_ADDRESS: Final = Address(None, ())


class Filled(msgspec.Struct, frozen=True):
    """What a fill has found."""

    put: tuple[PastIncident, ...]
    """Incidents that are new in the past or stand differently there now."""
    moved: tuple[IncidentId, ...]
    """Those of them whose context is another one now: new, or with another place, address or number."""


async def fill(connection: asyncpg.Connection, opened: Mapping[int, int], addresses: Addresses) -> Filled:
    """Brings the past of some incidents up to date. Raises whatever asyncpg raises.

    Args:
        connection: from `storage.session.connect`, outside a transaction.
        opened: incident → when it was opened (UTC microseconds); unknown ones are passed over.
        addresses: reads addresses.
    """
    by_day: dict[int, list[int]] = {}
    for incident_id, opened_us in opened.items():
        by_day.setdefault(day_of(opened_us), []).append(incident_id)
    rows: list[asyncpg.Record] = []
    for day, ids in by_day.items():
        rows += await connection.fetch(_INCIDENTS, ids, day * DAY_US, (day + 1) * DAY_US)
    past, merged = _read(rows, addresses)
    known = {
        row[0]: past_incident(row) for row in await connection.fetch(_KNOWN, [*(one.incident_id for one in past), *merged])
    }
    put = [one for one in past if known.get(one.incident_id) != one]
    gone = [known[incident_id] for incident_id in merged if incident_id in known]
    await _write(connection, put, gone, known)
    return Filled(tuple(put), tuple(one.incident_id for one in put if _has_moved(known.get(one.incident_id), one)))


async def _write(
    connection: asyncpg.Connection, put: list[PastIncident], gone: list[PastIncident], known: Mapping[int, PastIncident]
) -> None:
    if not put and not gone:
        return
    dropped = [(phone, one.opened_us, one.incident_id) for one in gone for phone in one.phones]
    added: list[tuple[int, int, int]] = []
    for one in put:
        before = known.get(one.incident_id)
        old = set(before.phones) if before is not None else set()
        dropped += [(phone, one.opened_us, one.incident_id) for phone in old.difference(one.phones)]
        added += [(phone, one.opened_us, one.incident_id) for phone in one.phones if phone not in old]
    if not dropped and not gone:
        await _put(connection, put, added)
        return
    async with connection.transaction():
        await _put(connection, put, added)
        if dropped:
            await connection.executemany(_DROP_CALLER, dropped)
        if gone:
            await connection.executemany(_DROP, [(one.incident_id,) for one in gone])


async def _put(connection: asyncpg.Connection, put: list[PastIncident], callers: list[tuple[int, int, int]]) -> None:
    """Puts incidents into the past, and who called about them."""
    columns = zip(*callers, strict=True) if callers else ((), (), ())
    await connection.execute(_PUT, msgspec.json.encode([_row(one) for one in put]), *columns)


def _has_moved(before: PastIncident | None, after: PastIncident) -> bool:
    return before is None or _sought(before) != _sought(after)


def _sought(one: PastIncident) -> tuple[object, ...]:
    return one.latitude_deg, one.longitude_deg, one.address, one.streets, one.phones[: limits.CONTEXT_NUMBERS]


def _read(rows: Sequence[asyncpg.Record], addresses: Addresses) -> tuple[list[PastIncident], list[int]]:
    """Rows of incidents as the past has them, and the ids of those that were merged."""
    seen = [(row, _VIEW.decode(row["view"])) for row in rows if row["state"] != IncidentState.MERGED.value]
    placed = [view.place for _, view in seen if view.place is not None]
    read = iter(addresses([Place(one.text, one.latitude_deg, one.longitude_deg, one.accuracy_m) for one in placed]))
    past = [_past_of(row, view, _NO_ADDRESS if view.place is None else next(read)) for row, view in seen]
    return past, [row["incident_id"] for row in rows if row["state"] == IncidentState.MERGED.value]


def _past_of(row: asyncpg.Record, view: _View, address: Address) -> PastIncident:
    phones = dict.fromkeys(
        int(told.caller.e164[1:]) for told in view.told if told.caller is not None and told.caller.e164[1:].isdecimal()
    )
    return PastIncident(
        incident_id=row["incident_id"],
        opened_us=row["opened_at"],
        category=row["category"],
        territory=row["territory"],
        outcome=outcome_of(view.result, closed=row["closed"]),
        result=view.result[: limits.CONTEXT_RESULT_CHARS],
        latitude_deg=row["latitude_deg"],
        longitude_deg=row["longitude_deg"],
        address=address.address,
        streets=address.streets,
        phones=tuple(phones)[: limits.PAST_PHONES],
    )


def _row(one: PastIncident) -> dict[str, object]:
    placed = one.latitude_deg is not None and one.longitude_deg is not None
    return msgspec.structs.asdict(one) | {
        "outcome": one.outcome.value,
        "cell": cell_of(one.latitude_deg, one.longitude_deg) if placed else None,  # type: ignore[arg-type]  # both known
    }


def past_incident(row: asyncpg.Record) -> PastIncident:
    """A row of `incident_past`."""
    return PastIncident(
        incident_id=row["incident_id"],
        opened_us=row["opened_at"],
        category=row["category"],
        territory=row["territory"],
        outcome=_OUTCOMES[row["outcome"]],
        result=row["result"],
        latitude_deg=row["latitude_deg"],
        longitude_deg=row["longitude_deg"],
        address=row["address"],
        streets=tuple(row["streets"]),
        phones=tuple(row["phones"]),
    )


async def opened_at(connection: asyncpg.Connection, incident_ids: Sequence[int]) -> dict[int, Micros]:
    """When incidents were opened; those that are not known are absent. Quick for incidents of the past."""
    found = {row[0]: Micros(row[1]) for row in await connection.fetch(_OPENED, incident_ids)}
    missing = [incident_id for incident_id in incident_ids if incident_id not in found]
    if missing:
        found |= {row[0]: Micros(row[1]) for row in await connection.fetch(_OPENED_SLOWLY, missing)}
    return found


async def through(connection: asyncpg.Connection) -> Micros:
    """How far the past is whole."""
    return Micros(await connection.fetchval("SELECT through FROM past_progress"))


async def set_through(connection: asyncpg.Connection, at_us: int) -> None:
    """Says that the past is whole up to an instant. It never goes back."""
    await connection.execute("UPDATE past_progress SET through = $1 WHERE through < $1", at_us)


async def begin_changes(connection: asyncpg.Connection) -> Micros:
    """Begins to read from the log what has changed since `through`; gives the instant up to which that is whole.

    One such reading a connection; between its steps the connection may be used for other statements.
    """
    last_us = Micros(await connection.fetchval("SELECT last_at FROM centre"))
    await connection.execute("SELECT set_config('statement_timeout', $1, false)", str(CATCH_UP_TIMEOUT_MS))
    try:
        await connection.execute(_CHANGED, timeout=CATCH_UP_TIMEOUT_MS / 1000)
    finally:
        if not connection.is_closed():
            await connection.execute("RESET statement_timeout")
    return last_us


async def more_changes(connection: asyncpg.Connection) -> dict[int, Micros]:
    """The next incidents of that reading with when they were opened, at most `limits.PAST_CHUNK`; empty at its end."""
    rows = await connection.fetch(f"FETCH {limits.PAST_CHUNK} FROM past_changes")
    if not rows:
        await connection.execute("CLOSE past_changes")
        return {}
    opened = {row[0]: Micros(row[1]) for row in rows if row[1] is not None}
    older = [row[0] for row in rows if row[1] is None]
    return opened | (await opened_at(connection, older) if older else {})
