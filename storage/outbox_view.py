"""The outbox as a person asks for it: what stands there, and what is to be tried again (`jedel outbox`).

Place in the flow: beside it, from a command in another process, which rings the bell of the one that sends.
"""

from __future__ import annotations

from typing import Final

import asyncpg
import msgspec

from core.instant import SECOND_US, Micros
from core.people import PassedOver
from storage import outbox
from storage.outbox import BELL

RETRY_LIVES_US: Final = 3_600 * SECOND_US
"""What is tried again by order is worth telling for at least this long."""
_READ: Final = """
SELECT * FROM outbox o
WHERE ($1 = '' OR key = $1 OR (key >= $1 || '/' AND key < $1 || '0'))
  AND (NOT $2 OR state IN ('nobody', 'expired', 'unreadable')
       OR EXISTS (SELECT FROM delivery d WHERE d.key = o.key AND d.state IN ('failed', 'unknown', 'expired')))
ORDER BY at DESC, key LIMIT $3
"""
_DELIVERIES: Final = "SELECT * FROM delivery WHERE key = ANY($1) ORDER BY key, person, rank, channel"
_RETRY_TELLINGS: Final = """
UPDATE outbox SET state = CASE WHEN state IN ('nobody', 'expired', 'unreadable') THEN 'waiting' ELSE state END,
    expires_at = greatest(expires_at, $2)
WHERE key = $1 OR (key >= $1 || '/' AND key < $1 || '0')
"""
_RETRY: Final = """
UPDATE delivery SET state = 'waiting', tries = 0, due_at = $2, changed_at = $2
WHERE state IN ('failed', 'expired', 'unknown') AND (key = $1 OR (key >= $1 || '/' AND key < $1 || '0'))
"""


class DeliveryLine(msgspec.Struct, frozen=True):
    """A delivery as shown."""

    person: str
    channel: str
    state: str
    tries: int
    due_us: int
    fault: str
    detail: str
    receipt: str


class OutboxLine(msgspec.Struct, frozen=True):
    """A telling as shown, with its deliveries."""

    key: str
    at_us: int
    expires_us: int
    to: str
    territory: str
    template: str
    priority: int
    state: str
    passed_over: list[PassedOver]
    deliveries: list[DeliveryLine]


async def read_outbox(connection: asyncpg.Connection, prefix: str, *, failed: bool, limit: int) -> list[OutboxLine]:
    """Tellings, the newest first.

    Args:
        connection: from `storage.session.connect`.
        prefix: of their keys, in whole steps; `""` for all.
        failed: only those for which nobody was found, or a channel of somebody's did not go through.
        limit: at most so many.
    """
    rows = await connection.fetch(_READ, prefix.rstrip("/"), failed, limit)
    below: dict[str, list[DeliveryLine]] = {row["key"]: [] for row in rows}
    for row in await connection.fetch(_DELIVERIES, list(below)):
        below[row["key"]].append(
            DeliveryLine(
                person=row["person"],
                channel=row["channel"],
                state=row["state"],
                tries=row["tries"],
                due_us=row["due_at"],
                fault=row["fault"],
                detail=row["detail"],
                receipt=row["receipt"],
            )
        )
    return [
        OutboxLine(
            key=row["key"],
            at_us=row["at"],
            expires_us=row["expires_at"],
            to=row["recipient"],
            territory=row["territory"],
            template=row["template"],
            priority=row["priority"],
            state=row["state"],
            passed_over=msgspec.json.decode(row["passed_over"], type=list[PassedOver]),
            deliveries=below[row["key"]],
        )
        for row in rows
    ]


async def retry(connection: asyncpg.Connection, prefix: str, now_us: Micros) -> int:
    """Has what failed, expired or is in doubt tried again, and people looked for again where nobody was found.

    Returns how many tellings and deliveries wait now that did not.
    """
    whole = prefix.rstrip("/")
    async with connection.transaction():
        lost = await connection.fetchval(
            "SELECT count(*) FROM outbox WHERE state IN ('nobody', 'expired', 'unreadable')"
            " AND (key = $1 OR (key >= $1 || '/' AND key < $1 || '0'))",
            whole,
        )
        await connection.execute(_RETRY_TELLINGS, whole, now_us + RETRY_LIVES_US)
        done = await connection.execute(_RETRY, whole, now_us)
        await _ring(connection)
    return int(lost) + int(done.rpartition(" ")[2])


async def cancel(connection: asyncpg.Connection, prefix: str, now_us: Micros) -> int:
    """As `storage.outbox.Outbox.cancel`."""
    async with connection.transaction():
        return await outbox.cancel(connection, prefix, now_us)


async def _ring(connection: asyncpg.Connection) -> None:
    await connection.execute("SELECT pg_notify($1, '')", BELL)
