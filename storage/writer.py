"""Commits one batch in one transaction: the step after which sources are acknowledged and clients told.

Place in the flow: assign → **persist** → acknowledge, publish. Invariants 1, 2 and 3 rest on three rules here:
- Everything of a batch is in one transaction, behind a fence: `centre.last_batch` goes from n-1 to n under this process's
  epoch, or nothing is written and `Fenced` is raised.
- `commit` returns only when the batch is committed. When a connection dies, the outcome of its transaction is unknown; the next
  connection reads `centre.last_batch` first: n means it is committed, n-1 means it must be written.
- Failures that pass by themselves are tried again for ever, with a capped pause; values PostgreSQL cannot hold are dealt with
  (`storage.refused_data`); everything else is our bug and is raised.

How rows travel: up to `COPY_ABOVE_ROWS` rows of a table are parameters of the schema's `commit_batch`, more go by binary COPY.
Changed rows are always parameters: for 1 and 50 rows that takes 0.5 of COPY into a temporary table, for 1,000 the same.
A batch without COPY, which is what a single call makes, is one statement: one round trip and one flush to disk.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Final

import asyncpg
import msgspec

from core.decisions import CommandAnswer, Decisions
from storage import partitions, tables
from storage.copy_binary import HEADER, TRAILER, Row, Table
from storage.errors import Fenced, StorageError, StorageReason, translate
from storage.event_rows import event_rows, pack_events, rejected_rows
from storage.refused_data import RefusedEvent, clean
from storage.session import close, connect

COPY_ABOVE_ROWS: Final = 64
"""Rows of one table beyond which COPY is faster than parameters."""
PAUSE_FIRST_S: Final = 0.05
PAUSE_MAX_S: Final = 2.0
"""Between tries: short at first, for a connection that was cut, and never so long that a database that is back waits for us."""
_COMMIT_BATCH: Final = "SELECT commit_batch($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)"


class Attempt(msgspec.Struct, frozen=True):
    """A failed try to commit, for the log and the metric."""

    batch_no: int
    number: int
    """1 for the first failure of this batch."""
    error: StorageError
    pause_s: float


def _say_nothing(_: Attempt) -> None:
    return


class Writer:
    """Writes batches, one at a time, on a connection of its own."""

    def __init__(
        self,
        dsn: str,
        epoch: int,
        *,
        on_failure: Callable[[Attempt], None] = _say_nothing,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        copy_above_rows: int = COPY_ABOVE_ROWS,
    ) -> None:
        self._dsn = dsn
        self._epoch = epoch
        self._on_failure = on_failure
        self._sleep = sleep
        self._copy_above_rows = copy_above_rows
        self._connection: asyncpg.Connection | None = None
        self._days: set[int] = set()

    async def commit(self, decisions: Decisions) -> list[RefusedEvent]:
        """Commits a batch; returns when it is on disk, however often the database has to be asked.

        Returns:
            Events that PostgreSQL could not hold and that went to `rejected_event` instead; nearly always empty.

        Raises:
            Fenced: another process is active, or the batch is not the next one.
            StorageError: `REFUSED_DATA` or `INTERNAL`, which trying again would not heal. Nothing of the batch is written.

        Cancellation drops the connection; whether the batch was committed is then for `recover` to say.
        """
        refused: list[RefusedEvent] = []
        failures = 0
        in_doubt = cleaned = False
        while True:
            try:
                connection = await self._connected()
                if not in_doubt or not await self._is_committed(connection, decisions.batch_no):
                    await self._write(connection, decisions)
                return refused
            except asyncio.CancelledError:
                self._drop()
                raise
            except Exception as failure:
                error = translate(failure)
                if error.reason is StorageReason.FENCED and not isinstance(failure, Fenced):
                    # A transaction of ours whose outcome was in doubt may have been committed meanwhile.
                    in_doubt = True
                    self._drop()
                    continue
                if error.reason is StorageReason.REFUSED_DATA and not cleaned:
                    decisions, refused = clean(decisions)
                    cleaned = True
                    continue
                self._drop()
                if error.reason is not StorageReason.UNREACHABLE:
                    raise error from failure
                in_doubt = True
                failures += 1
                pause_s = min(PAUSE_MAX_S, PAUSE_FIRST_S * 2 ** min(failures - 1, 10))
                self._on_failure(Attempt(decisions.batch_no, failures, error, pause_s))
                await self._sleep(pause_s)

    async def close(self) -> None:
        """Closes the connection. The writer may be used again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await close(connection)

    async def _connected(self) -> asyncpg.Connection:
        if self._connection is None or self._connection.is_closed():
            self._connection = await connect(self._dsn, "writer")
        return self._connection

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()

    async def _is_committed(self, connection: asyncpg.Connection, batch_no: int) -> bool:
        row = await connection.fetchrow("SELECT epoch, last_batch FROM centre")
        if row is None or row["epoch"] != self._epoch or row["last_batch"] not in (batch_no - 1, batch_no):
            raise Fenced(f"batch {batch_no} of epoch {self._epoch} is not the next one: the centre is at {row}")
        return bool(row["last_batch"] == batch_no)

    async def _write(self, connection: asyncpg.Connection, decisions: Decisions) -> None:
        today = partitions.day_of(decisions.now_us)
        if today not in self._days:
            # Made ahead by housekeeping as a rule; what comes late for another day without a partition has the default one.
            await partitions.ensure(connection, [today])
            self._days.add(today)
        added, upserted = self._rows(decisions)
        copied: list[tuple[Table, Iterable[bytes]]] = []
        parameters: list[list[Row]] = []
        events_max = sum(len(one.chunk.items) - one.skip for one in decisions.taken)
        for table in tables.ALL:
            new, other = added.get(table.name, []), upserted.get(table.name, [])
            if table is tables.EVENT:
                if events_max > self._copy_above_rows:
                    copied.append((table, pack_events(decisions.taken)))
                else:
                    new = _with_text(event_rows(decisions.taken))
            elif len(new) > self._copy_above_rows:
                copied.append((table, [b"".join(table.pack(new))]))
                new = []
            parameters.append(new + other)
        arguments = (self._epoch, decisions.batch_no, decisions.now_us, *parameters)
        if not copied:
            await connection.execute(_COMMIT_BATCH, *arguments)
            return
        async with connection.transaction():
            for table, pieces in copied:
                await copy_in(connection, table, pieces)
            await connection.execute(_COMMIT_BATCH, *arguments)

    def _rows(self, decisions: Decisions) -> tuple[dict[str, list[Row]], dict[str, list[Row]]]:
        """Rows by table: those that are certainly new, and those that may replace an earlier one."""
        added = {
            "rejected_event": rejected_rows(decisions.taken, decisions.batch_no),
            "incident": [tables.incident_row(one) for one in decisions.incidents if one.created],
            "incident_log": [tables.log_row(one) for one in decisions.log],
            "assignment": [tables.assignment_row(one) for one in decisions.assignments if one.created],
            "position": [tables.position_row(one) for one in decisions.positions],
            "command": [tables.command_row(one) for one in _new_answers(decisions)],
            "notice": [tables.notice_row(one) for one in decisions.notices],
        }
        upserted: dict[str, list[Row]] = {
            "source": list(decisions.high_water.items()),
            "incident": [tables.incident_row(one) for one in decisions.incidents if not one.created],
            "assignment": [tables.assignment_row(one) for one in decisions.assignments if not one.created],
            "crew": [tables.crew_row(one) for one in decisions.crews],
        }
        return added, upserted


async def copy_in(connection: asyncpg.Connection, table: Table, pieces: Iterable[bytes]) -> None:
    """Sends packed rows by COPY, piece by piece: the server works on one while the next is packed."""

    async def flow() -> AsyncIterator[bytes]:
        yield HEADER
        for piece in pieces:
            yield piece
        yield TRAILER

    await connection.copy_to_table(table.name, source=flow(), columns=table.column_names, format="binary")


def _new_answers(decisions: Decisions) -> Iterable[CommandAnswer]:
    """The batch's answers without those that were given and stored before, to a command that is only asked again."""
    return {one.command_id: one for one in decisions.commands if one.at_us >= decisions.now_us}.values()


def _with_text(rows: list[Row]) -> list[Row]:
    """Event rows with the payload as `str`, which is what asyncpg wants for a text parameter."""
    return [(*row[:-1], row[-1].decode()) for row in rows]  # type: ignore[union-attr]
