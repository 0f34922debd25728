"""Reads what an act of handover tells, in one snapshot, and keeps the acts (OCC-3, OCC-9).

The schema does not know whether somebody has acknowledged a notice, so every notice of an incident that is open counts as open.
"""

from __future__ import annotations

from typing import Final

import asyncpg
import msgspec

from core import limits
from core.incident import decode_incident
from core.roster.fact import Mark
from core.roster.handover import Act, OpenIncident, OpenNotice, decode_act, encode_act, open_incident
from core.roster.model import is_below
from storage.crew_log import read_marks
from storage.errors import DRIVER_ERRORS, translate

_INCIDENTS: Final = (
    "SELECT view, count(*) OVER () FROM incident"
    " WHERE closed_at IS NULL AND ($1 = '' OR territory = $1 OR starts_with(territory, $1 || '/'))"
    " ORDER BY priority, incident_id LIMIT $2"
)
_NOTICES: Final = (
    "SELECT notice.incident_id, notice.at, notice.term, notice.text, count(*) OVER ()"
    " FROM notice JOIN incident ON incident.incident_id = notice.incident_id WHERE incident.closed_at IS NULL"
    " AND ($1 = '' OR incident.territory = $1 OR starts_with(incident.territory, $1 || '/'))"
    " ORDER BY notice.at DESC, notice.incident_id LIMIT $2"
)


class Situation(msgspec.Struct, frozen=True):
    """What there is to give over."""

    batch_no: int
    incidents: tuple[OpenIncident, ...]
    incident_count: int
    marks: tuple[Mark, ...]
    """The newest of each crew of the territory, and of each crew on one of the incidents."""
    notices: tuple[OpenNotice, ...]
    notice_count: int


async def read_situation(connection: asyncpg.Connection, territory: str, at_us: int) -> Situation:
    """The committed state of a territory, all of it after the same batch. Raises `StorageError`.

    Args:
        connection: from `storage.session.connect`, outside a transaction.
        territory: path; empty for all of the centre's.
        at_us: the present.
    """
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            batch_no = await connection.fetchval("SELECT last_batch FROM centre")
            incidents = await connection.fetch(_INCIDENTS, territory, limits.HANDOVER_INCIDENTS_MAX)
            notices = await connection.fetch(_NOTICES, territory, limits.HANDOVER_NOTICES_MAX)
            marks = await read_marks(connection, at_us + 1, at_us + 1)
    except DRIVER_ERRORS as error:
        raise translate(error) from error
    told = tuple(open_incident(decode_incident(row["view"])) for row in incidents)
    known = {incident.incident_id for incident in told}
    return Situation(
        batch_no,
        told,
        incidents[0][1] if incidents else 0,
        tuple(mark for mark in marks if is_below(mark.territory, territory) or mark.incident_id in known),
        tuple(OpenNotice(*tuple(row)[:4]) for row in notices),
        notices[0][4] if notices else 0,
    )


async def save_act(connection: asyncpg.Connection, act: Act, actor: str) -> int:
    """Keeps an act; returns its number. Raises `StorageError`."""
    try:
        number: int = await connection.fetchval(
            "INSERT INTO roster_handover (at, territory, from_person, to_person, actor, act) VALUES ($1, $2, $3, $4, $5, $6)"
            " RETURNING handover_id",
            *(act.at_us, act.territory, act.from_person.name, act.to_person.name, actor, encode_act(act)),
        )
    except DRIVER_ERRORS as error:
        raise translate(error) from error
    return number


async def read_act(connection: asyncpg.Connection, number: int) -> Act | None:
    """A kept act, or None. Raises `StorageError`."""
    try:
        act = await connection.fetchval("SELECT act FROM roster_handover WHERE handover_id = $1", number)
    except DRIVER_ERRORS as error:
        raise translate(error) from error
    return None if act is None else decode_act(act)
