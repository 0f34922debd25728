"""The pipeline against a real PostgreSQL: one stretch is one transaction, an error undoes it whole, the next goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from struct import pack

import asyncpg
import pytest
import uvloop

from storage.copy_binary import Column, Kind, Table
from storage.errors import DRIVER_ERRORS, StorageReason, reason_of
from storage.pipeline import Pipeline
from storage.session import close, connect, cut
from tests.storage.proxy import proxy_of

NUMBERS = Table("number", Column("number", Kind.INT8))
INT8 = 20


def int8(number: int) -> bytes:
    return pack(">q", number)


class ByteByByte(Pipeline):
    """A pipeline whose network carries one byte at a time."""

    def data_received(self, data: bytes) -> None:
        for at in range(len(data)):
            super().data_received(data[at : at + 1])


def run(dsn: str, body: Callable[[Pipeline, asyncpg.Connection], Awaitable[None]], kind: type[Pipeline] = Pipeline) -> None:
    """Runs a test's body with a pipeline that knows how to add numbers, and a connection to look with."""

    async def main() -> None:
        looking = await asyncpg.connect(dsn)
        await looking.execute("CREATE TABLE number (number bigint PRIMARY KEY)")
        pipeline = await kind.open(dsn, "test")
        pipeline.prepare("add", "INSERT INTO number VALUES ($1)", [INT8])
        pipeline.prepare("copy", NUMBERS.copy_statement)
        await pipeline.commit()
        try:
            await body(pipeline, looking)
        finally:
            await looking.close()
            pipeline.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


def ended_as_by_the_server(connection: asyncpg.Connection) -> None:
    """Does what the loop does when it reads the end of the stream; the protocol hears of it only in the loop's next turn."""
    connection._transport.close()  # type: ignore[attr-defined]  # asyncpg shows its socket nowhere else


async def numbers(looking: asyncpg.Connection) -> list[int]:
    return [row["number"] for row in await looking.fetch("SELECT number FROM number ORDER BY number")]


async def copy(pipeline: Pipeline, *added: int) -> None:
    await pipeline.copy("copy", [b"".join(NUMBERS.pack([(number,)])) for number in added])


def test_everything_up_to_the_commit_is_one_transaction(empty_database: str) -> None:
    async def body(pipeline: Pipeline, looking: asyncpg.Connection) -> None:
        pipeline.execute("add", [int8(1)])
        await copy(pipeline, 2, 3)
        await copy(pipeline)
        pipeline.execute("add", [int8(4)])
        assert await numbers(looking) == []
        await pipeline.commit()
        assert await numbers(looking) == [1, 2, 3, 4]
        assert await looking.fetchval("SELECT count(DISTINCT xmin::text) FROM number") == 1

    run(empty_database, body)


@pytest.mark.parametrize("culprit", ["first statement", "COPY's row", "COPY's bytes", "last statement"])
def test_nothing_has_happened_when_any_part_is_refused_and_the_next_transaction_goes_on(
    empty_database: str, culprit: str
) -> None:
    async def body(pipeline: Pipeline, looking: asyncpg.Connection) -> None:
        pipeline.execute("add", [int8(7)])
        await pipeline.commit()
        pipeline.execute("add", [int8(7 if culprit == "first statement" else 1)])
        if culprit == "COPY's bytes":
            await pipeline.copy("copy", [b"\x00\x05rubbish"])
        else:
            await copy(pipeline, 2, 7 if culprit == "COPY's row" else 3)
        pipeline.execute("add", [int8(7 if culprit == "last statement" else 4)])
        expected = asyncpg.BadCopyFileFormatError if culprit == "COPY's bytes" else asyncpg.UniqueViolationError
        with pytest.raises(expected):
            await pipeline.commit()
        assert await numbers(looking) == [7]
        pipeline.execute("add", [int8(8)])
        await pipeline.commit()
        assert await numbers(looking) == [7, 8]

    run(empty_database, body)


def test_commit_raises_with_the_servers_reason_when_the_connection_is_ended(empty_database: str) -> None:
    async def body(pipeline: Pipeline, looking: asyncpg.Connection) -> None:
        async with looking.transaction():
            await looking.execute("LOCK TABLE number")
            pipeline.execute("add", [int8(1)])
            task = asyncio.create_task(pipeline.commit())
            while not (waiting := await looking.fetchval("SELECT pid FROM pg_locks WHERE NOT granted")):  # noqa: ASYNC110
                await asyncio.sleep(0)
            await looking.execute("SELECT pg_terminate_backend($1)", waiting)
            with pytest.raises(ConnectionResetError) as raised:
                await task
        assert isinstance(raised.value.__cause__, asyncpg.AdminShutdownError)
        assert not pipeline.is_open
        with pytest.raises(ConnectionResetError):
            await pipeline.commit()
        assert await numbers(looking) == []

    run(empty_database, body)


@pytest.mark.parametrize("rows", [0, 1])
def test_a_server_that_went_unseen_is_a_lost_connection_whatever_is_written_to_it_next(empty_database: str, rows: int) -> None:
    """Between the loop's seeing the end of the stream and its telling us, uvloop refuses every write with a RuntimeError."""

    async def body(pipeline: Pipeline, looking: asyncpg.Connection) -> None:
        ended_as_by_the_server(pipeline._connection)
        with pytest.raises(ConnectionResetError):
            if rows:
                await copy(pipeline, *range(rows))
            await pipeline.commit()
        pipeline.abort()
        assert not pipeline.is_open
        assert await numbers(looking) == []

    run(empty_database, body)


def test_a_connection_that_ended_unseen_is_cut_and_its_errors_pass_by_themselves(empty_database: str) -> None:
    async def body(_: Pipeline, looking: asyncpg.Connection) -> None:
        for statement in ("SELECT 1", "SELECT count(*) FROM number"):
            connection = await connect(empty_database, "test")
            ended_as_by_the_server(connection)
            with pytest.raises(DRIVER_ERRORS) as raised:
                await connection.fetchval(statement)
            assert reason_of(raised.value) is StorageReason.UNREACHABLE
            cut(connection)
            await close(connection)
            assert connection.is_closed()

    run(empty_database, body)


def test_commit_raises_when_the_server_does_not_answer_in_time(empty_database: str) -> None:
    async def body(pipeline: Pipeline, looking: asyncpg.Connection) -> None:
        async with looking.transaction():
            await looking.execute("LOCK TABLE number")
            pipeline.execute("add", [int8(1)])
            with pytest.raises(TimeoutError):
                await pipeline.commit(timeout_s=0.0)
            pipeline.abort()
            assert not pipeline.is_open

    run(empty_database, body)


def test_answers_are_understood_when_they_come_byte_by_byte(empty_database: str) -> None:
    async def body(pipeline: Pipeline, looking: asyncpg.Connection) -> None:
        pipeline.execute("add", [int8(1)])
        await pipeline.commit()
        pipeline.execute("add", [int8(1)])
        with pytest.raises(asyncpg.UniqueViolationError, match="number_pkey"):
            await pipeline.commit()

    run(empty_database, body, ByteByByte)


def test_close_lets_go_of_the_connection_and_may_be_repeated(empty_database: str) -> None:
    async def main() -> None:
        async with proxy_of(empty_database) as proxy:
            pipeline = await Pipeline.open(proxy.dsn, "test")
            assert pipeline.is_open
            pipeline.close()
            pipeline.close()
            assert not pipeline.is_open

    asyncio.run(main())
