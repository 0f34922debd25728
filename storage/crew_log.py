"""Reads back what crews did over time: the fact that a roster is held against (OCC-3).

The writer fills `crew_log` with each batch (`commit_batch`), a row whenever a crew's state, incident or territory changes.
"""

from __future__ import annotations

from typing import Final

import asyncpg

from core.instant import SECOND_US
from core.roster.fact import Mark
from core.vocabulary import CrewId
from storage.errors import DRIVER_ERRORS, translate

_NEAR_US: Final = 8 * 86_400 * SECOND_US
"""How far back a crew's last mark is looked for first: further back all days would be asked, and few crews are that still."""
_WITHIN: Final = (
    "SELECT crew_id, at, state, territory, incident_id FROM crew_log WHERE at >= $1 AND at < $2 ORDER BY at, batch, crew_id"
)
# A statement of its own: one that may name a crew or not has a plan that reads the whole span.
_WITHIN_OF: Final = (
    "SELECT crew_id, at, state, territory, incident_id FROM crew_log"
    " WHERE crew_id = $3 AND at >= $1 AND at < $2 ORDER BY at, batch"
)
_LAST: Final = (
    "SELECT last.* FROM unnest($1::text[]) AS known (crew_id) CROSS JOIN LATERAL"
    " (SELECT crew_id, at, state, territory, incident_id FROM crew_log"
    "  WHERE crew_log.crew_id = known.crew_id AND at >= $2 AND at < $3 ORDER BY at DESC, batch DESC LIMIT 1) last"
)


async def read_marks(connection: asyncpg.Connection, from_us: int, until_us: int, crew: str | None = None) -> list[Mark]:
    """The marks in a span of time, and before them the last earlier mark of each crew; in order of time. Raises `StorageError`.

    Args:
        connection: from `storage.session.connect`.
        from_us: beginning of the span.
        until_us: its end, not included.
        crew: only this one's.
    """
    try:
        crews = [crew] if crew is not None else [row[0] for row in await connection.fetch("SELECT crew_id FROM crew")]
        rows = []
        for since_us in (from_us - _NEAR_US, 0):
            if not crews:
                break
            found = await connection.fetch(_LAST, crews, since_us, from_us)
            rows += found
            known = {row["crew_id"] for row in found}
            crews = [one for one in crews if one not in known]
        rows.sort(key=lambda row: (row["at"], row["crew_id"]))
        if crew is None:
            rows += await connection.fetch(_WITHIN, from_us, until_us)
        else:
            rows += await connection.fetch(_WITHIN_OF, from_us, until_us, crew)
    except DRIVER_ERRORS as error:
        raise translate(error) from error
    return [Mark(CrewId(row[0]), row[1], *row[2:]) for row in rows]
