"""The patrol routes' register, in versions: imported as a whole, loaded when it changes, asked for a past day (OCC-3, OCC-5).

Place in the flow: beside it; `core.patrol_watch` works with what `load_patrol_routes` gives. Rules: a version that has been in
force is never changed but for its end, so who was to be on which route on a past day has an answer for ever. An import begins
now or on a day to come, by each route's own clock; versions that had not come into force by then give way. A route that is as
it was keeps its version.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Final

import msgspec

from core.instant import Micros, rfc3339
from core.patrol import PatrolRoute, RouteId
from core.timetable import Timetable, midnight_us
from core.vocabulary import CrewId
from storage.register_file import RegisterFileError
from storage.register_import import ImportMode, one_import, raise_version, storage_errors

if TYPE_CHECKING:
    import asyncpg

    from storage.register_import import Connection

REGISTER: Final = "patrol_route"
SHIFT_MAX_US: Final = 26 * 3600 * 1_000_000
"""A whole day, and an hour or two by which the clocks may stretch it."""
_INSERT: Final = (
    "INSERT INTO patrol_route (route_id, version, valid_from, imported_at, source_name, name, width_m, stand_s, timetable,"
    " crews, shape) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
)
_encode = msgspec.json.Encoder().encode
_decode_timetable = msgspec.json.Decoder(Timetable).decode


class PatrolImportReport(msgspec.Struct, frozen=True):
    """What an import did, in routes."""

    added: int
    """Not in force before."""
    changed: int
    unchanged: int
    ended: int
    """In force before, and not in the file."""
    row_count: int
    """In force once the import has come into force."""
    version: int
    """Of the register."""


async def import_patrol_routes(
    connection: Connection,
    routes: Sequence[PatrolRoute],
    *,
    source_name: str,
    now_us: Micros,
    since: date | None = None,
    mode: ImportMode = ImportMode.REPLACE,
) -> PatrolImportReport:
    """Brings routes into the register. A running centre sees them by the register's version.

    Args:
        connection: one of `storage.session.connect`.
        routes: no two of one id; their versions and validity are not looked at.
        source_name: the file's.
        now_us: the centre's time.
        since: the day, by each route's clock, from which on they hold; now when None.
        mode: whether routes that are not among them end or stay.

    Raises:
        RegisterFileError: `since` has begun already somewhere; what was in force is not rewritten.
        ImportRunning: another import of the register is running.
        StorageError: storage failed; the register is as it was.
    """
    with storage_errors():
        async with one_import(connection, REGISTER), connection.transaction():
            last = {route.route_id: route for route in await _latest(connection)}
            given = {route.route_id: route for route in routes}
            going = [route for route in last.values() if route.route_id not in given] if mode is ImportMode.REPLACE else []
            begins_us = {route.route_id: _begins_us(route, since, now_us) for route in (*going, *routes)}
            # What had not come into force gives way, and what it was to follow goes on as if it had never been planned.
            in_force: dict[RouteId, PatrolRoute] = {}
            for route_id, from_us in begins_us.items():
                await connection.execute("DELETE FROM patrol_route WHERE route_id = $1 AND valid_from >= $2", route_id, from_us)
                before = await _reopened(connection, route_id, from_us)
                if before is not None:
                    in_force[route_id] = before
            added = changed = unchanged = ended = 0
            for route in routes:
                before = in_force.get(route.route_id)
                if before is not None and _is_same(before, route):
                    unchanged += 1
                    continue
                if before is None:
                    added += 1
                else:
                    changed += 1
                    await _end(connection, before, begins_us[route.route_id])
                number = before.version if before is not None else await _last_version(connection, route.route_id)
                await connection.execute(_INSERT, *_row(route, number + 1, begins_us[route.route_id], now_us, source_name))
            for route in going:
                before = in_force.get(route.route_id)
                if before is not None:
                    ended += 1
                    await _end(connection, before, begins_us[route.route_id])
            row_count: int = await connection.fetchval("SELECT count(*) FROM patrol_route WHERE valid_until IS NULL")
            version = await raise_version(connection, REGISTER, row_count)
    return PatrolImportReport(added, changed, unchanged, ended, row_count, version)


async def load_patrol_routes(connection: Connection, now_us: Micros) -> list[PatrolRoute]:
    """Every version of which a shift may run now or later, in order of id and version. Raises `StorageError`."""
    return await patrol_routes_between(connection, Micros(now_us - SHIFT_MAX_US), None)


async def read_version(connection: Connection) -> int:
    """The register's version, which every import raises. Raises `StorageError`."""
    with storage_errors():
        version: int = await connection.fetchval("SELECT version FROM register_version WHERE register = $1", REGISTER)
    return version


async def patrol_routes_between(connection: Connection, from_us: Micros, until_us: Micros | None) -> list[PatrolRoute]:
    """Every version in force at some time of a span, `until_us` None for ever, in order of id and version.

    Raises `StorageError`.
    """
    with storage_errors():
        rows = await connection.fetch(
            "SELECT * FROM patrol_route WHERE (valid_until IS NULL OR valid_until > $1)"
            " AND ($2::timestamptz IS NULL OR valid_from < $2) ORDER BY route_id, version",
            from_us,
            until_us,
        )
    return [_route(row) for row in rows]


def _begins_us(route: PatrolRoute, since: date | None, now_us: Micros) -> Micros:
    if since is None:
        return now_us
    begins_us = midnight_us(route.timetable, since)
    if begins_us <= now_us:
        raise RegisterFileError(
            f"{since} has begun for route {route.route_id} in {route.timetable.zone} (now is {rfc3339(now_us)}): "
            "routes begin now or on a day to come"
        )
    return begins_us


def _is_same(one: PatrolRoute, other: PatrolRoute) -> bool:
    """Whether two versions say the same."""
    plain = {"version": 0, "valid_from_us": Micros(0), "valid_until_us": None}
    return msgspec.structs.replace(one, **plain) == msgspec.structs.replace(other, **plain)


async def _latest(connection: Connection) -> list[PatrolRoute]:
    """The last version of every route that has not ended."""
    rows = await connection.fetch("SELECT * FROM patrol_route WHERE valid_until IS NULL")
    return [_route(row) for row in rows]


async def _reopened(connection: Connection, route_id: RouteId, from_us: Micros) -> PatrolRoute | None:
    """The version of a route in force at an instant, after which none is left, without its end; None where there is none."""
    row = await connection.fetchrow(
        "UPDATE patrol_route SET valid_until = NULL WHERE route_id = $1 AND (valid_until IS NULL OR valid_until >= $2)"
        " RETURNING *",
        route_id,
        from_us,
    )
    return None if row is None else _route(row)


async def _last_version(connection: Connection, route_id: RouteId) -> int:
    number: int = await connection.fetchval("SELECT coalesce(max(version), 0) FROM patrol_route WHERE route_id = $1", route_id)
    return number


async def _end(connection: Connection, route: PatrolRoute, until_us: Micros) -> None:
    await connection.execute(
        "UPDATE patrol_route SET valid_until = $3 WHERE route_id = $1 AND version = $2", route.route_id, route.version, until_us
    )


def _row(route: PatrolRoute, version: int, valid_from_us: Micros, now_us: Micros, source_name: str) -> tuple[object, ...]:
    return (
        route.route_id,
        version,
        valid_from_us,
        now_us,
        source_name,
        route.name,
        route.width_m,
        route.stand_s,
        _encode(route.timetable),
        route.crews,
        route.wkb,
    )


def _route(row: asyncpg.Record) -> PatrolRoute:
    crews = row["crews"]
    return PatrolRoute(
        route_id=RouteId(row["route_id"]),
        version=row["version"],
        valid_from_us=row["valid_from"],
        valid_until_us=row["valid_until"],
        name=row["name"],
        width_m=row["width_m"],
        stand_s=row["stand_s"],
        timetable=_decode_timetable(row["timetable"]),
        crews=None if crews is None else tuple(map(CrewId, crews)),
        wkb=row["shape"],
    )
