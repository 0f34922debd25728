"""Reads what may belong to an incident's context from the past: one statement of four index scans (CITY-11).

Place in the flow: beside it, in the background or when somebody asks. With a million incidents it takes
milliseconds (ARCHITECTURE.md).
"""

from __future__ import annotations

from typing import Final

import asyncpg

from core import limits
from core.context import DAY_US, Past, PastIncident, Relation, Scope, box_of, cells_around
from core.instant import Micros
from storage.past import past_incident

_RELATIONS: Final = {relation.value: relation for relation in Relation}
_SUBJECT: Final = "SELECT * FROM incident_past WHERE incident_id = $1"
# $1 the incident, $2 when it was opened, $3 the reader's territory, $4 the most rows of each relation; a relation's own follow.
_CONTEXT: Final = """
(SELECT p.*, 'same_address' AS relation FROM incident_past p
 WHERE p.address = $5 AND p.opened_at <= $2 AND p.incident_id < $1
 AND ($3 = '' OR p.territory = $3 OR starts_with(p.territory, $3 || '/'))
 ORDER BY p.opened_at DESC LIMIT $4)
UNION ALL
(SELECT told.*, 'same_number' FROM unnest($6::bigint[]) AS number (phone) CROSS JOIN LATERAL
 (SELECT p.* FROM incident_caller c JOIN incident_past p ON p.incident_id = c.incident_id
  WHERE c.phone = number.phone AND c.opened_at <= $2 AND c.incident_id < $1
  AND ($3 = '' OR p.territory = $3 OR starts_with(p.territory, $3 || '/'))
  ORDER BY c.opened_at DESC LIMIT $4) told)
UNION ALL
(SELECT p.*, 'nearby' FROM incident_past p
 WHERE p.cell = ANY ($7::bigint[]) AND p.opened_at BETWEEN $8 AND $2 AND p.incident_id < $1
 AND p.latitude_deg BETWEEN $9 AND $11 AND p.longitude_deg BETWEEN $10 AND $12
 AND ($3 = '' OR p.territory = $3 OR starts_with(p.territory, $3 || '/'))
 ORDER BY p.opened_at DESC LIMIT $4)
UNION ALL
(SELECT p.*, 'same_road' FROM incident_past p
 WHERE p.category = ANY ($13::text[]) AND p.cell = ANY ($14::bigint[]) AND p.opened_at BETWEEN $15 AND $2
 AND p.incident_id < $1 AND p.streets && $16::bigint[]
 AND ($3 = '' OR p.territory = $3 OR starts_with(p.territory, $3 || '/'))
 ORDER BY p.opened_at DESC LIMIT $4)
"""


async def read_subject(connection: asyncpg.Connection, incident_id: int) -> PastIncident | None:
    """An incident as it stands in the past, None where it does not. Raises whatever asyncpg raises."""
    row = await connection.fetchrow(_SUBJECT, incident_id)
    return None if row is None else past_incident(row)


async def read_past(
    connection: asyncpg.Connection, subject: PastIncident, scope: Scope, territory: str, *, now_us: int, through_us: Micros
) -> Past:
    """What may belong to an incident's context. Raises whatever asyncpg raises.

    Args:
        connection: from `storage.session.connect`.
        subject: the incident.
        scope: how far the context looks.
        territory: of the reader: only incidents in it or below are read; `""` for all.
        now_us: the present instant, as the context shows it.
        through_us: how far the past is whole.
    """
    rows = await connection.fetch(_CONTEXT, *_arguments(subject, scope, territory))
    counts = dict.fromkeys(Relation, 0)
    found: dict[int, PastIncident] = {}
    for row in rows:
        counts[_RELATIONS[row["relation"]]] += 1
        if row["incident_id"] not in found:
            found[row["incident_id"]] = past_incident(row)
    reached = frozenset(relation for relation, count in counts.items() if count >= limits.CONTEXT_READ)
    return Past(subject, tuple(found.values()), reached, Micros(now_us), through_us)


def _arguments(subject: PastIncident, scope: Scope, territory: str) -> list[object]:
    latitude_deg, longitude_deg = subject.latitude_deg, subject.longitude_deg
    near: list[int] = []
    road: list[int] = []
    box = (0.0, 0.0, 0.0, 0.0)
    if latitude_deg is not None and longitude_deg is not None:
        near = cells_around(latitude_deg, longitude_deg, scope.near_m)
        box = box_of(latitude_deg, longitude_deg, scope.near_m)
        if subject.streets:
            road = cells_around(latitude_deg, longitude_deg, scope.road_m)
    return [
        subject.incident_id,
        subject.opened_us,
        territory,
        limits.CONTEXT_READ,
        subject.address,
        subject.phones[: limits.CONTEXT_NUMBERS],
        near,
        subject.opened_us - scope.near_days * DAY_US,
        *box,
        scope.road_categories,
        road,
        subject.opened_us - scope.road_days * DAY_US,
        subject.streets,
    ]
