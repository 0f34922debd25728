"""Stores the post roster and reads it back, as it is now or as it was planned at any moment before (OCC-3).

Rules: a revision is one transaction, and only ever adds rows; the row of the highest revision counts. So a plan that was
changed still says what it said. Revisions are made one at a time, under the registers' lock.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, Literal

import asyncpg
import msgspec

from core.instant import SECOND_US, Micros
from core.limits import ROSTER_SHIFT_MAX_S
from core.roster.model import Person, Place, Roster, Shift, ShiftChange, order_of, roster_of
from core.vocabulary import CrewId
from storage.register_import import one_import, storage_errors

if TYPE_CHECKING:
    from storage.register_import import Connection

_SHIFTS: Final = (
    "SELECT crew_id, from_at, until_at, territory, post, route, capabilities, vehicles, means, people FROM"
    " (SELECT DISTINCT ON (from_at, crew_id) * FROM roster_shift"
    # A shift is never longer than its bound, so what meets the span began within it or not long before.
    " WHERE revision <= $1 AND from_at >= $2 AND from_at < $4 ORDER BY from_at, crew_id, revision DESC) newest"
    " WHERE NOT withdrawn AND until_at > $3 ORDER BY from_at, crew_id"
)
_PLACES: Final = (
    "SELECT DISTINCT ON (kind, name) kind, name, territory FROM roster_place"
    " WHERE revision <= $1 ORDER BY kind, name, revision DESC"
)
_HISTORY: Final = (
    "SELECT r.revision, r.at, r.actor, r.kind, concat_ws(', ', nullif(r.reason, ''), nullif(r.source_name, '')) AS reason,"
    " s.crew_id, s.from_at, s.until_at, s.withdrawn"
    " FROM roster_shift s JOIN roster_revision r USING (revision)"
    " WHERE s.crew_id = ANY($1) AND s.until_at > $2 AND s.from_at < $3 ORDER BY r.revision, s.from_at, s.crew_id"
)
_ADD_SHIFT: Final = (
    "INSERT INTO roster_shift (crew_id, from_at, until_at, territory, post, route, capabilities, vehicles, means, people,"
    " revision, withdrawn) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)"
)
_ADD_PLACE: Final = "INSERT INTO roster_place (kind, name, territory, revision) VALUES ($1, $2, $3, $4)"
_CREWS: Final = "SELECT crew_id FROM crew UNION SELECT crew_id FROM roster_shift"
_LONGEST_US: Final = ROSTER_SHIFT_MAX_S * SECOND_US
ALWAYS: Final = (0, 4_102_444_800 * SECOND_US)
"""From 1970 to 2100."""
_decode_people = msgspec.json.Decoder(tuple[Person, ...]).decode


class Revision(msgspec.Struct, frozen=True):
    """Who changed the roster, when and why."""

    at_us: Micros
    actor: str
    kind: Literal["import", "change"]
    reason: str = ""
    source_name: str = ""


class RosterChange(msgspec.Struct, frozen=True):
    """What a revision puts in place of what was there."""

    shifts: tuple[Shift, ...] = ()
    withdrawn: tuple[Shift, ...] = ()
    places: tuple[Place, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing would be different."""
        return not (self.shifts or self.withdrawn or self.places)


def difference(before: Roster, after: Roster) -> RosterChange:
    """What makes one plan another one; posts and routes are only ever added or moved to another territory."""
    was, will = ({order_of(shift): shift for shift in roster.shifts} for roster in (before, after))
    had = set(before.places)
    return RosterChange(
        shifts=tuple(shift for key, shift in will.items() if was.get(key) != shift),
        withdrawn=tuple(shift for key, shift in was.items() if key not in will),
        places=tuple(place for place in after.places if place not in had),
    )


@asynccontextmanager
async def one_revision(connection: Connection) -> AsyncIterator[None]:
    """Holds the roster for one revision: what is read inside stays so until it is written. One transaction.

    Raises:
        ImportRunning: another process is changing the roster.
        StorageError: storage failed; the roster is as it was.
    """
    with storage_errors():
        async with one_import(connection, "roster"), connection.transaction():
            yield


async def save_revision(connection: Connection, revision: Revision, change: RosterChange) -> int:
    """Stores what a revision changes, inside `one_revision`; returns its number."""
    number: int = await connection.fetchval(
        "INSERT INTO roster_revision (revision, at, actor, kind, reason, source_name)"
        " SELECT coalesce(max(revision), 0) + 1, $1, $2, $3, $4, $5 FROM roster_revision RETURNING revision",
        *(revision.at_us, revision.actor, revision.kind, revision.reason, revision.source_name),
    )
    await connection.executemany(
        _ADD_SHIFT,
        [_shift_row(shift, number, withdrawn=False) for shift in change.shifts]
        + [_shift_row(shift, number, withdrawn=True) for shift in change.withdrawn],
    )
    await connection.executemany(_ADD_PLACE, [(place.kind, place.name, place.territory, number) for place in change.places])
    return number


async def read_revision(connection: Connection, as_of_us: int | None = None) -> int:
    """Number of the newest revision, or of the newest one at an instant; 0 where there is none.

    A running centre asks for it to see whether the roster has changed. Raises `StorageError`.
    """
    with storage_errors():
        number: int = await connection.fetchval(
            "SELECT coalesce(max(revision), 0) FROM roster_revision WHERE $1::timestamptz IS NULL OR at <= $1", as_of_us
        )
    return number


async def read_roster(connection: Connection, span: tuple[int, int] | None = None, revision_no: int | None = None) -> Roster:
    """The plan: its posts and routes, and the shifts that meet a span of time, each of them whole.

    Args:
        connection: from `storage.session.connect`.
        span: `[from, until)`; None for all that was ever planned.
        revision_no: as it was planned after that revision; None for the newest.

    Raises:
        StorageError: storage failed.
    """
    from_us, until_us = ALWAYS if span is None else span
    with storage_errors():
        number = await read_revision(connection) if revision_no is None else revision_no
        shifts = await connection.fetch(_SHIFTS, number, max(0, from_us - _LONGEST_US), from_us, until_us)
        places = await connection.fetch(_PLACES, number)
    return roster_of([_shift(row) for row in shifts], [Place(*row) for row in places])


async def read_call_signs(connection: Connection) -> list[str]:
    """The call signs of all crews that were ever planned or heard of. Raises `StorageError`."""
    with storage_errors():
        return [row[0] for row in await connection.fetch(_CREWS)]


async def read_history(connection: Connection, crews: Iterable[str], span: tuple[int, int]) -> list[ShiftChange]:
    """Every revision of the shifts of some crews that meet a span of time, in order. Raises `StorageError`."""
    with storage_errors():
        rows = await connection.fetch(_HISTORY, list(crews), *span)
    return [ShiftChange(*row) for row in rows]


def _shift_row(shift: Shift, number: int, *, withdrawn: bool) -> tuple[object, ...]:
    return (
        *(shift.crew, shift.from_us, shift.until_us, shift.territory, shift.post, shift.route),
        *(shift.capabilities, shift.vehicles, shift.means, msgspec.json.encode(shift.people), number, withdrawn),
    )


def _shift(row: asyncpg.Record) -> Shift:
    crew, from_us, until_us, territory, post, route, capabilities, vehicles, means, people = row
    return Shift(
        crew=CrewId(crew),
        from_us=from_us,
        until_us=until_us,
        territory=territory,
        post=post,
        route=route,
        capabilities=tuple(capabilities),
        vehicles=tuple(vehicles),
        means=tuple(means),
        people=_decode_people(people),
    )
