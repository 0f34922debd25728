"""Commits one batch in one transaction: the step after which sources are acknowledged and clients told.

Place in the flow: assign → **persist** → acknowledge, publish. Invariants 1, 2 and 3 rest on three rules here:
- Everything of a batch is in one transaction, behind a fence: `centre.last_batch` goes from n-1 to n under this process's
  epoch, or nothing is written and `Fenced` is raised.
- `commit` returns only when the batch is committed. When a connection dies, the outcome of its transaction is unknown; the next
  connection reads `centre.last_batch` first: n means it is committed, n-1 means it must be written.
- Failures that pass by themselves are tried again for ever, with a capped pause; values PostgreSQL cannot hold are dealt with
  (`storage.refused_data`); everything else is our bug and is raised.

How rows travel: as parameters of the schema's `commit_batch`, arrays of the tables' row types packed by `storage.copy_binary`;
of a table with more than `COPY_ABOVE_ROWS` new rows these go by binary COPY. Both are sent in one stretch and awaited once
(`storage.pipeline`), so the server commits while the next batch is decided. A batch without COPY, which is what calls make, is
one message and one flush to disk.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from struct import Struct
from typing import Final

import msgspec

from core.decisions import CommandAnswer, Decisions
from storage import partitions, tables
from storage.copy_binary import EPOCH_2000_US, Row
from storage.errors import Fenced, StorageError, StorageReason, translate
from storage.event_rows import event_rows, pack_events, rejected_rows
from storage.pipeline import Pipeline
from storage.refused_data import RefusedEvent, clean
from storage.row_types import RowType, read_row_types
from storage.session import connect, cut

COPY_ABOVE_ROWS: Final = 128
"""Rows of one table beyond which COPY is faster than parameters."""
PAUSE_FIRST_S: Final = 0.05
PAUSE_MAX_S: Final = 2.0
"""Between tries: short at first, for a connection that was cut, and never so long that a database that is back waits for us."""
_COMMIT: Final = "commit_batch"
_COMMIT_BATCH: Final = "SELECT commit_batch($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)"
_INT8: Final = Struct(">q").pack
_INT8_OID: Final = 20
_TIMESTAMPTZ_OID: Final = 1184


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
        self._pipeline: Pipeline | None = None
        self._row_types: dict[str, RowType] = {}
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
        cleaned = False
        while True:
            try:
                if self._pipeline is None or not self._pipeline.is_open:
                    self._drop()
                    if await self._open(decisions.batch_no):
                        return refused
                await self._write(decisions)
                return refused
            except asyncio.CancelledError:
                self._drop()
                raise
            except Exception as failure:
                # Whatever it was, half a batch may lie in the pipeline; a new one begins by asking how far the centre is.
                self._drop()
                error = translate(failure)
                if error.reason is StorageReason.FENCED and not isinstance(failure, Fenced):
                    # A transaction of ours whose outcome was in doubt may have been committed meanwhile.
                    continue
                if error.reason is StorageReason.REFUSED_DATA and not cleaned:
                    decisions, refused = clean(decisions)
                    cleaned = True
                    continue
                if error.reason is not StorageReason.UNREACHABLE:
                    raise error from failure
                failures += 1
                pause_s = min(PAUSE_MAX_S, PAUSE_FIRST_S * 2 ** min(failures - 1, 10))
                self._on_failure(Attempt(decisions.batch_no, failures, error, pause_s))
                await self._sleep(pause_s)

    async def close(self) -> None:
        """Closes the connection. The writer may be used again."""
        pipeline, self._pipeline = self._pipeline, None
        if pipeline is not None:
            pipeline.close()

    def _drop(self) -> None:
        pipeline, self._pipeline = self._pipeline, None
        if pipeline is not None:
            pipeline.abort()

    async def _open(self, batch_no: int) -> bool:
        """Connects. Returns whether the batch has been committed already. Raises `Fenced` where it is not the next one."""
        connection = await connect(self._dsn, "writer")
        try:
            row = await connection.fetchrow("SELECT epoch, last_batch FROM centre")
            if row is None or row["epoch"] != self._epoch or row["last_batch"] not in (batch_no - 1, batch_no):
                raise Fenced(f"batch {batch_no} of epoch {self._epoch} is not the next one: the centre is at {row}")
            self._row_types = await read_row_types(connection)
        except BaseException:
            cut(connection)
            raise
        pipeline = self._pipeline = Pipeline(connection)
        arrays = [self._row_types[table.name].array_oid for table in tables.ALL]
        pipeline.prepare(_COMMIT, _COMMIT_BATCH, [_INT8_OID, _INT8_OID, _TIMESTAMPTZ_OID, *arrays])
        for table in tables.ALL:
            pipeline.prepare(table.name, table.copy_statement)
        await pipeline.commit()
        return bool(row["last_batch"] == batch_no)

    async def _write(self, decisions: Decisions) -> None:
        pipeline = self._pipeline
        assert pipeline is not None
        await self._prepare_day(partitions.day_of(decisions.now_us))
        added, upserted = self._rows(decisions)
        arguments = [_INT8(self._epoch), _INT8(decisions.batch_no), _INT8(decisions.now_us - EPOCH_2000_US)]
        events_max = sum(len(one.chunk.items) - one.skip for one in decisions.taken)
        for table in tables.ALL:
            rows = added.get(table.name, [])
            if table is tables.EVENT:
                if events_max > self._copy_above_rows:
                    await pipeline.copy(table.name, pack_events(decisions.taken))
                else:
                    rows = event_rows(decisions.taken)
            elif len(rows) > self._copy_above_rows:
                await pipeline.copy(table.name, [b"".join(table.pack(rows))])
                rows = []
            arguments.append(self._row_types[table.name].array(rows + upserted.get(table.name, [])))
        pipeline.execute(_COMMIT, arguments)
        await pipeline.commit()

    async def _prepare_day(self, day: int) -> None:
        """Makes a day's partitions, if housekeeping, which makes them ahead, has not; other days have the default one."""
        if day not in self._days:
            connection = await connect(self._dsn, "writer's partitions")
            try:
                await partitions.ensure(connection, [day])
            finally:
                cut(connection)
            self._days.add(day)

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
            "centre_log": [
                tables.centre_log_row(one, decisions.batch_no, number) for number, one in enumerate(decisions.centre_log)
            ],
        }
        upserted: dict[str, list[Row]] = {
            "source": list(decisions.high_water.items()),
            "incident": [tables.incident_row(one) for one in decisions.incidents if not one.created],
            "assignment": [tables.assignment_row(one) for one in decisions.assignments if not one.created],
            "crew": [tables.crew_row(one) for one in decisions.crews],
            "scenario": [tables.scenario_row(one) for one in decisions.scenarios],
            "patrol_state": [tables.patrol_row(one) for one in decisions.patrols],
            "outbox": [tables.outbox_row(one) for one in decisions.tellings],
        }
        return added, upserted


def _new_answers(decisions: Decisions) -> Iterable[CommandAnswer]:
    """The batch's answers without those that were given and stored before, to a command that is only asked again."""
    return {one.command_id: one for one in decisions.commands if one.at_us >= decisions.now_us}.values()
