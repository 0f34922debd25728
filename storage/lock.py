"""One active process a centre: an advisory lock on a connection of its own, and a fencing token behind it.

Place in the flow: before it. Rules:
- PostgreSQL releases the lock the moment the holder's connection is gone, and gives it to whoever has waited longest: a standby
  takes over within milliseconds of the active process's death.
- The lock alone cannot stop a process that was cut off without noticing. Each new holder raises `centre.epoch`, and every batch
  is written under the writer's epoch: the old holder's next commit finds another one and fails (`Fenced`).
- Losing the lock's connection means losing the lock: the holder is told at once and must become active anew.
- What only the active process may do to the database before it works (migrations) is done on the lock's own connection: who
  loses the lock in the middle of it has done nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from typing import Final

import asyncpg
import msgspec

from storage.errors import StorageReason, translate
from storage.session import close, connect, cut

_LOCK_SPACE: Final = 0x6A65646C
"""First half of the key: `jedl` in ASCII, so that other programs' locks are not met."""
PAUSE_S: Final = 0.2
"""Between tries to reach a database that is away."""


class ActiveLock:
    """The centre's lock, held. Ends when it is released or when its connection dies."""

    def __init__(self, connection: asyncpg.Connection, epoch: int, on_lost: Callable[[], None]) -> None:
        self.epoch = epoch
        self._connection = connection
        self._on_lost: Callable[[], None] | None = on_lost
        connection.add_termination_listener(lambda _: self._ended())

    @property
    def is_held(self) -> bool:
        """Whether, as far as this end knows, the lock is still ours."""
        return self._on_lost is not None and not self._connection.is_closed()

    async def release(self) -> None:
        """Gives the lock up; a waiting standby becomes active. Idempotent."""
        self._on_lost = None
        await close(self._connection)

    def _ended(self) -> None:
        on_lost, self._on_lost = self._on_lost, None
        if on_lost is not None:
            on_lost()


def _nothing() -> None:
    return


def _key(centre: str) -> int:
    return int.from_bytes(hashlib.sha256(centre.encode()).digest()[:4], "big", signed=True)


class LockUser(msgspec.Struct, frozen=True):
    """A process that holds a centre's lock, or waits for it, as PostgreSQL knows it."""

    is_active: bool
    address: str
    """Where it connects from; empty for a local socket."""


async def read_users(connection: asyncpg.Connection, centre: str) -> list[LockUser]:
    """Who is active and who stands by, the active one first. Raises what asyncpg raises."""
    rows = await connection.fetch(
        "SELECT l.granted, coalesce(host(a.client_addr), '') AS address FROM pg_locks l"
        " LEFT JOIN pg_stat_activity a USING (pid)"
        # The halves of the key are kept as unsigned numbers.
        " WHERE l.locktype = 'advisory' AND l.classid = $1::bigint::oid AND l.objid = $2::bigint::oid AND l.objsubid = 2"
        " AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) ORDER BY l.granted DESC",
        _LOCK_SPACE,
        _key(centre) & 0xFFFF_FFFF,
    )
    return [LockUser(row["granted"], row["address"]) for row in rows]


async def is_anybody_active(connection: asyncpg.Connection) -> bool:
    """Whether a process is active on this database, whatever its centre's name. Raises what asyncpg raises."""
    return bool(
        await connection.fetchval(
            "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted"
            " AND classid = $1::bigint::oid AND objsubid = 2"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))",
            _LOCK_SPACE,
        )
    )


async def _nothing_to_prepare(_: asyncpg.Connection) -> None:
    return


async def acquire(
    dsn: str,
    centre: str,
    on_waiting: Callable[[], None] = _nothing,
    on_lost: Callable[[], None] = _nothing,
    *,
    prepare: Callable[[asyncpg.Connection], Awaitable[None]] = _nothing_to_prepare,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> ActiveLock:
    """Waits until this process is the centre's active one, however long that takes, and raises the epoch.

    Args:
        dsn: the centre's database; migrated, or else by `prepare`.
        centre: the centre's name; processes with another name do not wait for one another.
        on_waiting: called once when somebody else is active and this process stands by.
        on_lost: called on the event loop when the lock's connection dies; not after `release`.
        prepare: called with the lock's connection while the lock is held, and nobody else can commit. What it raises as
            `StorageError` (`UNREACHABLE`) gives the lock up and is tried again.
        sleep: pause between tries to reach a database that is away, in seconds.

    Raises:
        StorageError: only for what waiting would not heal, for example a database that was never migrated.

    Cancellation gives the place in the queue up.
    """
    key = _key(centre)
    told = False
    while True:
        connection: asyncpg.Connection | None = None
        try:
            connection = await connect(dsn, "lock", timeout_s=None)
            if not await connection.fetchval("SELECT pg_try_advisory_lock($1, $2)", _LOCK_SPACE, key):
                if not told:
                    told = True
                    on_waiting()
                await connection.execute("SELECT pg_advisory_lock($1, $2)", _LOCK_SPACE, key)
            # First the fence, so that a process which does not know that it has lost the lock commits nothing meanwhile.
            fenced = await connection.fetchval("SELECT to_regclass('centre') IS NOT NULL")
            epoch = await _raise_epoch(connection) if fenced else 0
            await prepare(connection)
            if not fenced:
                epoch = await _raise_epoch(connection)
            return ActiveLock(connection, epoch, on_lost)
        except BaseException as failure:
            if connection is not None:
                cut(connection)
            if not isinstance(failure, Exception):
                raise
            error = translate(failure)
            if error.reason is not StorageReason.UNREACHABLE:
                raise error from failure
        await sleep(PAUSE_S)


async def _raise_epoch(connection: asyncpg.Connection) -> int:
    epoch: int = await connection.fetchval("UPDATE centre SET epoch = epoch + 1 RETURNING epoch")
    return epoch
