"""The centre's storage in one object: what the composition root opens at start and closes at the end.

Place in the flow: persist, and everything before and after it that needs the database. Order of use: `open`, `become_active`
(waits while another process is; then migrates), `recover`, then `commit` batch after batch, `close`. Runs on asyncio or
uvloop; one `commit` at a time, the other calls have connections of their own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Final

import asyncpg

from core.decisions import Decisions, LogEntry
from core.instant import Micros
from core.recovered import Recovered
from storage import map_layers, partitions, recovery
from storage.errors import DRIVER_ERRORS, Fenced, StorageError, StorageReason, translate
from storage.lock import ActiveLock, acquire
from storage.map_layers import MapLayer
from storage.migrate import Migration, migrate, pending
from storage.partitions import Pruned, Retention
from storage.session import close, connect
from storage.verify import Finding, verify
from storage.writer import Attempt, Writer
from storage.writer_thread import Committed, Failed, WriterThread

OLDEST_VERSION: Final = 14
OPEN_TIMEOUT_S: Final = 60.0
_PAUSE_S: Final = 0.2


def _say_nothing(_: Attempt) -> None:
    return


def _nothing() -> None:
    return


def _ignore(_: object) -> None:
    return


class Store:
    """Storage of one centre. Make it with `Store.open`."""

    def __init__(
        self,
        dsn: str,
        centre: str,
        on_failure: Callable[[Attempt], None] = _say_nothing,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._dsn = dsn
        self._centre = centre
        self._on_failure = on_failure
        self._sleep = sleep
        self._lock: ActiveLock | None = None
        self._writer: WriterThread | None = None

    @classmethod
    async def open(
        cls,
        dsn: str,
        centre: str = "centre",
        *,
        on_failure: Callable[[Attempt], None] = _say_nothing,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        timeout_s: float = OPEN_TIMEOUT_S,
    ) -> Store:
        """Makes sure that the database answers and is new enough; waits for one that is starting.

        Args:
            dsn: any PostgreSQL 14 or later; one database a centre.
            centre: its name, for the lock.
            on_failure: called at every failed try to commit, for the log and the metric, from the writer's thread.
            sleep: the pause between tries, in seconds; of a commit, on the writer's loop.
            timeout_s: how long to wait for a database that does not answer.

        Raises:
            StorageError: it does not answer in time, refuses us, or is too old.
        """
        store = cls(dsn, centre, on_failure, sleep)
        tries_left = max(1, round(timeout_s / _PAUSE_S))
        while True:
            try:
                async with store._connection("open") as connection:
                    version = connection.get_server_version()
                    if version.major < OLDEST_VERSION:
                        raise StorageError(
                            StorageReason.INTERNAL,
                            f"PostgreSQL {version.major} is too old: {OLDEST_VERSION} or later is needed",
                        )
                    return store
            except StorageError as error:
                tries_left -= 1
                if error.reason is not StorageReason.UNREACHABLE or tries_left <= 0:
                    raise
            await sleep(_PAUSE_S)

    async def pending(self) -> list[Migration]:
        """The migrations that `become_active` will run. Raises `StorageError` for a database of another history."""
        async with self._connection("schema") as connection:
            return await pending(connection)

    async def become_active(
        self,
        on_waiting: Callable[[], None] = _nothing,
        on_lost: Callable[[], None] = _nothing,
        on_migrated: Callable[[Migration], None] = _ignore,
        on_blocked: Callable[[StorageError], None] = _ignore,
    ) -> int:
        """Waits until this process is the centre's active one, and brings the schema up to date; returns its epoch.

        Args:
            on_waiting, on_lost: as of `storage.lock.acquire`.
            on_migrated: called for every migration that was run.
            on_blocked: called when the schema could not be brought up to date for now, which is tried again.

        Raises:
            StorageError: what waiting does not heal: `NEWER_DATABASE` where a newer version was active meanwhile.

        After `on_lost` was called or `commit` raised `Fenced`, call it again, and `recover`, before the next `commit`.
        """
        await self._step_down()

        async def prepare(connection: asyncpg.Connection) -> None:
            try:
                for migration in await migrate(connection):
                    on_migrated(migration)
            except StorageError as error:
                on_blocked(error)
                raise

        self._lock = await acquire(self._dsn, self._centre, on_waiting, on_lost, prepare=prepare, sleep=self._sleep)
        self._writer = WriterThread(Writer(self._dsn, self._lock.epoch, on_failure=self._on_failure, sleep=self._sleep))
        return self._lock.epoch

    async def recover(self) -> Recovered:
        """The committed state. Call it while active, so that nobody else changes it."""
        async with self._connection("recover") as connection:
            return await recovery.recover(connection)

    def commit(self, decisions: Decisions, committed: Committed, failed: Failed) -> None:
        """Begins to commit one batch; see `Writer.commit`. One of the two is called on this thread when that has ended.

        Raises `Fenced` when this process was never, or is no longer, active.
        """
        if self._writer is None:
            raise Fenced("this process has not become active")
        self._writer.begin(decisions, committed, failed)

    def settle(self) -> bool:
        """Tells now of a commit that has ended, where this thread's loop would be told later. Returns whether one had."""
        return self._writer is not None and self._writer.settle()

    async def prepare_days(self, now_us: Micros) -> None:
        """Makes the partitions of the coming days; call it every few hours, so that no batch has to."""
        async with self._connection("partitions") as connection:
            await partitions.ensure(connection, partitions.days_around(now_us))

    async def prune(self, now_us: Micros, retention: Retention) -> Pruned:
        """Drops what is older than it is kept, step by step; see `storage.partitions.prune`. Call it daily."""
        async with self._connection("prune") as connection:
            return await partitions.prune(connection, now_us, retention, sleep=self._sleep)

    async def vacuum_past(self, now_us: Micros) -> list[str]:
        """Vacuums days that are over; see `storage.partitions.vacuum_past`. Call it nightly."""
        async with self._connection("vacuum") as connection:
            return await partitions.vacuum_past(connection, now_us)

    async def pruned_us(self) -> Micros | None:
        """When retention was last obeyed to its end; None where it never was."""
        async with self._connection("prune") as connection:
            pruned_us: Micros | None = await connection.fetchval("SELECT pruned_at FROM centre")
            return pruned_us

    async def verify(self, fold: Callable[[Iterable[LogEntry]], bytes]) -> list[Finding]:
        """What is wrong with what is stored; see `storage.verify`."""
        async with self._connection("verify", timeout_s=None) as connection:
            return await verify(connection, fold)

    async def save_map(self, name: str, data: bytes, *, imported_us: Micros, source_name: str, statistics: bytes) -> MapLayer:
        """Stores an imported map; see `storage.map_layers`."""
        async with self._connection("map") as connection:
            return await map_layers.save_map(
                connection, name, data, imported_us=imported_us, source_name=source_name, statistics=statistics
            )

    async def load_map(self, name: str) -> tuple[MapLayer, bytes] | None:
        """A stored map, or None."""
        async with self._connection("map") as connection:
            return await map_layers.load_map(connection, name)

    async def close(self) -> None:
        """Gives the lock up, so that a standby takes over, and closes every connection. Idempotent."""
        await self._step_down()

    async def _step_down(self) -> None:
        writer, self._writer = self._writer, None
        lock, self._lock = self._lock, None
        if writer is not None:
            await writer.close()
        if lock is not None:
            await lock.release()

    @asynccontextmanager
    async def _connection(self, purpose: str, timeout_s: float | None = 600.0) -> AsyncIterator[asyncpg.Connection]:
        """A connection for one task, with asyncpg's errors translated."""
        connection: asyncpg.Connection | None = None
        try:
            connection = await connect(self._dsn, purpose, timeout_s)
            yield connection
        except DRIVER_ERRORS as error:
            raise translate(error) from error
        finally:
            if connection is not None:
                await close(connection)
