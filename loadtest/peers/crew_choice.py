"""What the peers with a queue share of choosing crews: what is wanted, who is found, and the way of PostgreSQL by GiST.

Rule: crews are claimed by SKIP LOCKED, or in Redis (`redis_service`), so that several of these may work side by side.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

import asyncpg
import msgspec

from loadtest.peers.fastapi_service import CAPABILITIES

CANDIDATES: Final = 4
"""Crews looked at for each demand of a batch before it is asked again for those who had none of them."""
CREWS: Final = {
    capability: (
        "SELECT n.row, c.crew_id, c.distance_m"
        " FROM unnest($1::float8[], $2::float8[], $3::text[]) WITH ORDINALITY AS n (x, y, territory, row) CROSS JOIN LATERAL"
        " (SELECT k.crew_id, k.place <-> point(n.x, n.y) AS distance_m FROM crew k"
        f" WHERE k.state = 'free' AND k.capabilities @> '{{{capability}}}'"
        " AND (k.outside OR k.territory = n.territory OR n.territory LIKE k.territory || '/%')"
        f" ORDER BY k.place <-> point(n.x, n.y) LIMIT {CANDIDATES}) c ORDER BY n.row, c.distance_m"
    )
    for capability in CAPABILITIES
}
CLAIM: Final = (
    "WITH mine AS (SELECT crew_id FROM crew WHERE crew_id = ANY($1) AND state = 'free' FOR UPDATE SKIP LOCKED)"
    " UPDATE crew SET state = 'assigned', incident_id = n.incident"
    " FROM unnest($1::text[], $2::bigint[]) AS n (id, incident) JOIN mine ON mine.crew_id = n.id"
    " WHERE crew.crew_id = n.id RETURNING crew.crew_id"
)

Place = tuple[float, float]


class Demand(msgspec.Struct, frozen=True):
    """A crew is wanted."""

    incident_id: int
    capability: str
    place: Place
    territory: str


class Found(msgspec.Struct, frozen=True):
    """The crew that goes."""

    crew_id: str
    distance_m: float


class Crews(Protocol):
    """Finds and claims the nearest free crews."""

    async def choose(self, connection: asyncpg.Connection, demands: Sequence[Demand]) -> list[Found | None]:
        """A crew for each demand, claimed within the connection's transaction; None where there is none."""

    async def undo(self) -> None:
        """The transaction of what was chosen last has failed."""


class PostgresCrews:
    """Nearest free crews by GiST, some for each demand of a batch in one statement a capability."""

    async def choose(self, connection: asyncpg.Connection, demands: Sequence[Demand]) -> list[Found | None]:
        """As `Crews.choose`."""
        found: list[Found | None] = [None] * len(demands)
        waiting = list(range(len(demands)))
        while waiting:
            offers = await self._offers(connection, demands, waiting)
            chosen: dict[str, int] = {}
            for row in waiting:
                crew = next((one for one in offers.get(row, ()) if one.crew_id not in chosen), None)
                if crew is not None:
                    chosen[crew.crew_id] = row
                    found[row] = crew
            incidents = [demands[row].incident_id for row in chosen.values()]
            claimed = {row[0] for row in await connection.fetch(CLAIM, list(chosen), incidents)} if chosen else set()
            for crew_id, row in chosen.items():
                if crew_id not in claimed:
                    found[row] = None
            # Whom nobody was offered has nobody; the others ask again, and see what has been taken since.
            waiting = [row for row in waiting if found[row] is None and row in offers]
        return found

    async def undo(self) -> None:
        """The transaction has done it."""

    async def _offers(
        self, connection: asyncpg.Connection, demands: Sequence[Demand], waiting: Sequence[int]
    ) -> dict[int, list[Found]]:
        offers: dict[int, list[Found]] = {}
        for capability in dict.fromkeys(demands[row].capability for row in waiting):
            rows = [row for row in waiting if demands[row].capability == capability]
            asked = [(*demands[row].place, demands[row].territory) for row in rows]
            for told in await connection.fetch(CREWS[capability], *columns_of(asked, 3)):
                offers.setdefault(rows[told[0] - 1], []).append(Found(told[1], told[2]))
        return offers


def columns_of(rows: Sequence[Sequence[object]], count: int) -> list[list[object]]:
    """Rows as a list for each column, as `unnest` takes them."""
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(count)]
