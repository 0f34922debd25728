"""Reads one incident's log back, for those who have to answer for it (OCC-6)."""

from __future__ import annotations

from typing import Final

import asyncpg

from core.decisions import LogEntry
from core.vocabulary import IncidentId
from storage.errors import DRIVER_ERRORS, translate

_LOG: Final = (
    "SELECT version, at, fact, actor, cause, body FROM incident_log WHERE incident_id = $1"
    # The partition's time and the index of its blocks leave a few pages of the few days on which anything happened.
    " AND at >= (SELECT opened_at FROM incident WHERE incident_id = $1) ORDER BY version"
)


async def read_log(connection: asyncpg.Connection, incident_id: int) -> list[LogEntry]:
    """The committed log of an incident in order; empty where there is none. Raises `StorageError`.

    Args:
        connection: from `storage.session.connect`.
        incident_id: open, or closed as long ago as storage keeps it.
    """
    try:
        rows = await connection.fetch(_LOG, incident_id)
    except DRIVER_ERRORS as error:
        raise translate(error) from error
    return [LogEntry(IncidentId(incident_id), *row) for row in rows]
