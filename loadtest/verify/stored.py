"""What the database holds of a run, read in one snapshot.

Place in the flow: after it. Rules: only rows whose source belongs to the run are looked at; of an event its number is kept, not
its bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import asyncpg
import msgspec
import numpy as np
import numpy.typing as npt

_FETCH_ROWS: Final = 10_000


class StoredIncident(msgspec.Struct, frozen=True):
    """An incident's row."""

    version: int
    territory: str


class Stored(msgspec.Struct, frozen=True):
    """See the module."""

    events: dict[str, npt.NDArray[np.int64]]
    """Source → numbers of its rows in `event`, one a row."""
    rejected: dict[str, list[tuple[int, str]]]
    """Source → (number, code) of its rows in `rejected_event`."""
    high_water: dict[str, int]
    """Source → up to where its events are taken."""
    incident_of: dict[str, int]
    """`SOURCE/SEQ` of events that belong to one → the incident."""
    version_of: dict[str, tuple[int, int]]
    """`SOURCE/SEQ` → (incident, the first version of it that knows the event), out of the log."""
    incidents: dict[int, StoredIncident]


async def read_stored(connection: asyncpg.Connection, tokens: Iterable[str], told: Iterable[int]) -> Stored:
    """What is stored of the sources whose names begin with one of the tokens and a dash, and of incidents.

    Args:
        connection: outside a transaction.
        tokens: of the runs; letters and digits.
        told: incidents to be read beside those of the sources.

    Raises `asyncpg.PostgresError`.
    """
    patterns = [f"{token}-%" for token in tokens]
    numbers: dict[str, list[int]] = {}
    rejected: dict[str, list[tuple[int, str]]] = {}
    incident_of: dict[str, int] = {}
    version_of: dict[str, tuple[int, int]] = {}
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        rows = connection.cursor(
            "SELECT source, seq, incident_id FROM event WHERE source LIKE ANY ($1::text[])", patterns, prefetch=_FETCH_ROWS
        )
        async for source, seq, incident_id in rows:
            numbers.setdefault(source, []).append(seq)
            if incident_id is not None:
                incident_of[f"{source}/{seq}"] = incident_id
        for source, seq, code in await connection.fetch(
            "SELECT source, coalesce(seq, 0), code FROM rejected_event WHERE source LIKE ANY ($1::text[])", patterns
        ):
            rejected.setdefault(source, []).append((seq, code))
        marks = await connection.fetch("SELECT source, high_water FROM source WHERE source LIKE ANY ($1::text[])", patterns)
        high_water: dict[str, int] = dict(map(tuple, marks))
        causes = [f"event:{pattern}" for pattern in patterns]
        for cause, incident_id, version in await connection.fetch(
            "SELECT cause, incident_id, min(version) FROM incident_log WHERE cause LIKE ANY ($1::text[]) GROUP BY 1, 2", causes
        ):
            version_of[cause.removeprefix("event:")] = incident_id, version
        asked = {*told, *incident_of.values(), *(number for number, _ in version_of.values())}
        incidents = {
            number: StoredIncident(version, territory)
            for number, version, territory in await connection.fetch(
                "SELECT incident_id, version, territory FROM incident WHERE incident_id = ANY ($1::bigint[])", sorted(asked)
            )
        }
    events = {source: np.array(seqs, dtype=np.int64) for source, seqs in numbers.items()}
    return Stored(events, rejected, high_water, incident_of, version_of, incidents)
