"""The outbox as a person asks for it: by prefix, the failed ones, and what an order to try again changes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg
import pytest

from core.instant import Micros
from storage.outbox_view import RETRY_LIVES_US, cancel, read_outbox, retry
from storage.session import connect
from storage.writer import Writer
from tests.storage import samples

STATES = ("held", "waiting", "sending", "sent", "failed", "expired", "cancelled", "unknown")


def run(database: str, body: Callable[[asyncpg.Connection], Awaitable[None]]) -> None:
    """A telling with a delivery in every state, and one for which nobody was found."""

    async def main() -> None:
        writer = Writer(database, 0)
        keys = ("incident/1/a", "incident/1/b", "incident/10/a")
        await writer.commit(samples.batch(1, tellings=[samples.telling(key, lives_s=60) for key in keys]))
        await writer.close()
        connection = await connect(database, "test")
        await connection.execute("UPDATE outbox SET state = 'resolved' WHERE key <> 'incident/1/b'")
        await connection.execute("UPDATE outbox SET state = 'nobody' WHERE key = 'incident/1/b'")
        await connection.executemany(
            "INSERT INTO delivery (key, person, channel, rank, state, tries, due_at, changed_at)"
            " VALUES ('incident/1/a', $1, 'sms', 0, $1, 3, $2, $2)",
            [(state, samples.NOW) for state in STATES],
        )
        try:
            await body(connection)
        finally:
            await connection.close()

    asyncio.run(main())


async def states(connection: asyncpg.Connection) -> dict[str, str]:
    return {row["person"]: row["state"] for row in await connection.fetch("SELECT person, state FROM delivery")}


@pytest.mark.parametrize(
    ("prefix", "failed", "keys"),
    [
        ("", False, ["incident/1/a", "incident/1/b", "incident/10/a"]),
        ("incident/1", False, ["incident/1/a", "incident/1/b"]),
        ("incident/1/", False, ["incident/1/a", "incident/1/b"]),
        ("incident/1/a", False, ["incident/1/a"]),
        ("incident/1/a/b", False, []),
        ("", True, ["incident/1/a", "incident/1/b"]),
    ],
)
def test_read_outbox_gives_what_is_asked_for(database: str, prefix: str, failed: bool, keys: list[str]) -> None:
    async def body(connection: asyncpg.Connection) -> None:
        lines = await read_outbox(connection, prefix, failed=failed, limit=9)
        assert [line.key for line in lines] == keys
        assert {len(line.deliveries) for line in lines if line.key == "incident/1/a"} <= {len(STATES)}
        assert len(await read_outbox(connection, prefix, failed=failed, limit=1)) == min(1, len(keys))

    run(database, body)


def test_retry_makes_wait_what_did_not_go_through_and_nothing_else(database: str) -> None:
    async def body(connection: asyncpg.Connection) -> None:
        now_us = Micros(samples.NOW + 1)
        assert await retry(connection, "incident/1", now_us) == 4
        changed = {person for person, state in (await states(connection)).items() if person != state}
        assert changed == {"failed", "expired", "unknown"}
        rows = await connection.fetch("SELECT key, state, expires_at FROM outbox ORDER BY key")
        assert [tuple(row) for row in rows] == [
            ("incident/1/a", "resolved", now_us + RETRY_LIVES_US),
            ("incident/1/b", "waiting", now_us + RETRY_LIVES_US),
            ("incident/10/a", "resolved", samples.NOW + 60_000_000),
        ]
        assert await retry(connection, "incident/1", now_us) == 0

    run(database, body)


def test_cancel_ends_what_waits_and_nothing_else(database: str) -> None:
    async def body(connection: asyncpg.Connection) -> None:
        assert await cancel(connection, "incident/1/a", samples.NOW) == 2
        changed = {person for person, state in (await states(connection)).items() if person != state}
        assert changed == {"held", "waiting"}

    run(database, body)
