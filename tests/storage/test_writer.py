"""The writer against a real PostgreSQL: what is committed, exactly once, whatever happens to the connection."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg
import msgspec
import pytest

from core.decisions import CentreEntry, Decisions
from core.events import Rejected
from core.instant import Micros
from core.limits import COMMANDS_WAITING
from core.vocabulary import IncidentId, RejectCode
from storage import tables
from storage.errors import Fenced, StorageError, StorageReason
from storage.session import connect
from storage.tables import ALL
from storage.writer import PAUSE_FIRST_S, PAUSE_MAX_S, Attempt, Writer
from tests.storage import samples
from tests.storage.proxy import proxy_of

EPOCH = 7
ALWAYS_COPY, NEVER_COPY = 0, 10**9


async def no_pause(_: float) -> None:
    return


def run(database: str, body: Callable[[Writer, asyncpg.Connection], Awaitable[None]], copy_above_rows: int = 32) -> None:
    """Runs a test's body with a writer and a connection to look with."""

    async def main() -> None:
        connection = await connect(database, "test")
        writer = Writer(database, EPOCH, sleep=no_pause, copy_above_rows=copy_above_rows)
        try:
            await connection.execute("UPDATE centre SET epoch = $1", EPOCH)
            await body(writer, connection)
        finally:
            await writer.close()
            await connection.close()

    asyncio.run(main())


async def contents(connection: asyncpg.Connection) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table the writer writes."""
    return {
        table.name: sorted((tuple(row) for row in await connection.fetch(f'SELECT * FROM "{table.name}"')), key=repr)
        for table in ALL
    }


def everything(batch_no: int = 1) -> Decisions:
    """A batch with rows for every table, among them what must not be stored."""
    malformed = Rejected(None, RejectCode.MALFORMED, "$", "not JSON")
    refused = Rejected(4, RejectCode.UNKNOWN_CREW, "$.crew", "unknown")
    raws = [samples.plate(1), samples.call(2), samples.position(3), samples.position(4), b"\xff{\x00"]
    return samples.batch(
        batch_no,
        samples.taken(raws, "mixed", incidents={1: IncidentId(1)}, rejected={3: refused}, refused_by_codec={4: malformed}),
        samples.taken([samples.plate(1), samples.plate(2, "ЖЕДЕЛ 7")], "cams", skip=1),
        high_water={"mixed": 4, "cams": 2},
        entries=[samples.log(1, 1), samples.log(1, 2)],
        incidents=[samples.incident(1, 2), samples.incident(2)],
        assignments=[samples.assignment(1, 1), samples.assignment(2, 2, "A-2")],
        crews=[samples.crew("A-1", 1), samples.crew("A-2")],
        positions=[samples.place("A-1"), samples.place("A-2")],
        commands=[samples.answer("c-1")],
        notices=[samples.notice(1)],
        tellings=[samples.telling()],
    )


@pytest.mark.parametrize("copy_above_rows", [ALWAYS_COPY, NEVER_COPY])
def test_commit_writes_every_table_when_a_batch_has_everything(database: str, copy_above_rows: int) -> None:
    async def body(writer: Writer, connection: asyncpg.Connection) -> None:
        assert await writer.commit(everything()) == []
        stored = await contents(connection)
        now = samples.NOW
        at_1, at_2 = 1_714_557_600_000_001, 1_714_557_600_000_002
        assert stored["source"] == [("cams", 2), ("mixed", 4)]
        assert stored["event"] == [
            (now, "cams", 2, 5, at_2, None, "ЖЕДЕЛ 7", samples.plate(2, "ЖЕДЕЛ 7").decode()),
            (now, "mixed", 1, 5, at_1, None, "123ABC02", samples.plate(1).decode()),
            (now, "mixed", 2, 1, 1_714_557_600_000_000, 1, "+77011234567", samples.call(2).decode()),
        ]
        assert stored["rejected_event"] == [
            (now, "mixed", 4, 1, "unknown_crew", "$.crew", "unknown", samples.position(4)),
            (now, "mixed", None, 1, "malformed", "$", "not JSON", b"\xff{\x00"),
        ]
        assert [row[:5] for row in stored["incident"]] == [(1, 2, now, now + 2, None), (2, 1, now, now + 1, None)]
        assert stored["incident"][0][9:] == (43.25, None, ["A-1", "жасақ «2»"], "+77010000001", b'{"lines":2}')
        assert stored["incident_log"] == [
            (1, version, now, "opened", "source:tel", "event:tel/1", b'{"fact":"opened"}') for version in (1, 2)
        ]
        assert stored["assignment"][0] == (
            *(1, 1, "A-1", "fire", "offered", now, None, None, None, None, 1234.5),
            b'{"reason":"nearest_capable"}',
            False,
        )
        assert stored["crew"][1] == ("A-2", "free", "kz/almaty", None, now, b'{"crew":1}')
        assert stored["position"][0] == ("A-1", now, 43.2, 76.9, 5.0, None, 90.0)
        assert stored["command"] == [("c-1", "aigul", now, False, None, "unknown_incident", "жоқ")]
        assert stored["notice"] == [(1, now, "shift_lead", "accept", "kz/almaty", "not accepted in 60 s", "")]
        values = '{"crew":"A-1","category":"fire","address":"Абай даңғылы, 10"}'.encode()
        assert stored["outbox"] == [
            (
                *("incident/1/accept/1/step/0", now, now + 600_000_000, "shift_lead", "kz/almaty/medeu", 1, "accept_passed"),
                *(values, 2, "waiting", b"[]"),
            )
        ]
        row = await connection.fetchrow("SELECT last_batch, last_at FROM centre")
        assert row is not None and tuple(row) == (1, now)

    run(database, body, copy_above_rows)


def test_commit_stores_the_same_when_rows_go_by_copy_and_as_parameters(database: str) -> None:
    results = []
    for copy_above_rows in (ALWAYS_COPY, NEVER_COPY):

        async def body(writer: Writer, connection: asyncpg.Connection) -> None:
            await connection.execute("TRUNCATE source, event, rejected_event, incident, incident_log, assignment")
            await connection.execute("TRUNCATE crew, position, command, notice, outbox, delivery")
            await connection.execute("UPDATE centre SET last_batch = 0")
            await writer.commit(everything())
            results.append(await contents(connection))

        run(database, body, copy_above_rows)
    assert results[0] == results[1]


@pytest.mark.parametrize("copy_above_rows", [ALWAYS_COPY, NEVER_COPY])
def test_commit_replaces_rows_when_they_have_changed(database: str, copy_above_rows: int) -> None:
    async def body(writer: Writer, connection: asyncpg.Connection) -> None:
        await writer.commit(everything())
        closed = samples.NOW
        await writer.commit(
            samples.batch(
                2,
                high_water={"cams": 9},
                incidents=[samples.incident(1, 3, created=False, closed_us=closed), samples.incident(3)],
                assignments=[samples.assignment(1, 1, created=False, ended_us=closed)],
                crews=[samples.crew("A-1"), samples.crew("A-3")],
            )
        )
        stored = await contents(connection)
        assert stored["source"] == [("cams", 9), ("mixed", 4)]
        assert [(row[0], row[1], row[4], row[5]) for row in stored["incident"]] == [
            (1, 3, closed, "closed"),
            (2, 1, None, "assigned"),
            (3, 1, None, "assigned"),
        ]
        assert [(row[0], row[4], row[9]) for row in stored["assignment"]] == [(1, "cleared", closed), (2, "offered", None)]
        assert [(row[0], row[1]) for row in stored["crew"]] == [("A-1", "free"), ("A-2", "free"), ("A-3", "free")]

    run(database, body, copy_above_rows)


def test_commit_leaves_a_telling_as_it_is_when_its_key_is_known(database: str) -> None:
    async def body(writer: Writer, connection: asyncpg.Connection) -> None:
        other = msgspec.structs.replace(samples.telling(), to="duty_officer")
        await writer.commit(samples.batch(1, tellings=[samples.telling(), other]))
        await writer.commit(samples.batch(2, tellings=[other, samples.telling("incident/1/accept/1/step/1")]))
        rows = await connection.fetch("SELECT key, recipient FROM outbox ORDER BY key")
        assert [tuple(row) for row in rows] == [
            ("incident/1/accept/1/step/0", "shift_lead"),
            ("incident/1/accept/1/step/1", "shift_lead"),
        ]

    run(database, body)


def test_commit_mends_a_telling_when_postgresql_cannot_hold_its_words(database: str) -> None:
    async def body(writer: Writer, connection: asyncpg.Connection) -> None:
        bad = msgspec.structs.replace(samples.telling(), territory="kz\x00", values={"crew": "A\x00\ud800"})
        await writer.commit(samples.batch(1, tellings=[bad]))
        row = await connection.fetchrow('SELECT territory, "values" FROM outbox')
        assert row is not None and tuple(row) == ("kz\ufffd", '{"crew":"A\ufffd?"}'.encode())

    run(database, body)


@pytest.mark.parametrize("number", [0, 2, 3])
def test_commit_raises_fenced_and_writes_nothing_when_the_batch_is_not_the_next_one(database: str, number: int) -> None:
    async def body(writer: Writer, connection: asyncpg.Connection) -> None:
        before = await contents(connection)
        with pytest.raises(Fenced):
            await writer.commit(everything(number or 5))
        assert await contents(connection) == before

    run(database, body)


def test_commit_raises_fenced_and_writes_nothing_when_another_process_has_become_active(database: str) -> None:
    async def body(writer: Writer, connection: asyncpg.Connection) -> None:
        await writer.commit(everything(1))
        before = await contents(connection)
        await connection.execute("UPDATE centre SET epoch = epoch + 1")
        with pytest.raises(Fenced):
            await writer.commit(samples.batch(2, samples.taken([samples.plate(7)])))
        assert await contents(connection) == before

    run(database, body)


def test_commit_returns_without_writing_when_the_batch_is_committed_already(database: str) -> None:
    async def body(writer: Writer, connection: asyncpg.Connection) -> None:
        await writer.commit(everything(1))
        before = await contents(connection)
        await writer.commit(everything(1))
        assert await contents(connection) == before

    run(database, body)


@pytest.mark.parametrize("direction", ["up", "down"])
@pytest.mark.parametrize("copy_above_rows", [ALWAYS_COPY, NEVER_COPY])
def test_commit_writes_exactly_once_when_the_connection_is_cut_at_any_byte(
    database: str, direction: str, copy_above_rows: int
) -> None:
    async def main() -> None:
        connection = await connect(database, "test")
        await connection.execute("UPDATE centre SET epoch = $1", EPOCH)
        attempts: list[Attempt] = []
        async with proxy_of(database) as proxy:
            writer = Writer(proxy.dsn, EPOCH, on_failure=attempts.append, sleep=no_pause, copy_above_rows=copy_above_rows)

            def one_event(number: int) -> Decisions:
                raws = [samples.plate(number)]
                return samples.batch(number, samples.taken(raws), high_water={"cams": number}, entries=[samples.log(1, number)])

            await writer.commit(one_event(1))
            before = proxy.passed[direction]
            await writer.commit(one_event(2))
            length = proxy.passed[direction] - before
            assert proxy.cuts == 0 and length > 20
            # The last byte counts most: it is the one whose loss leaves the commit in doubt.
            cuts = sorted({*range(1, length, max(1, length // 12)), length - 1, length})
            for number, count in enumerate(cuts, 3):
                proxy.cut_after(direction, count)
                await writer.commit(one_event(number))
            await writer.close()
            assert proxy.cuts >= len(cuts) - 1
        last = len(cuts) + 2
        seqs = [row["seq"] for row in await connection.fetch("SELECT seq FROM event ORDER BY seq")]
        assert seqs == list(range(1, last + 1))
        assert await connection.fetchval("SELECT count(*) FROM incident_log") == last
        assert await connection.fetchval("SELECT last_batch FROM centre") == last
        assert {attempt.error.reason for attempt in attempts} == {StorageReason.UNREACHABLE}
        await connection.close()

    asyncio.run(main())


def test_commit_tries_again_with_growing_pauses_when_nothing_answers() -> None:
    attempts: list[Attempt] = []

    class GivenUpError(Exception):
        """Ends the test."""

    async def main() -> None:
        async def sleep(_: float) -> None:
            if len(attempts) == 9:
                raise GivenUpError

        await Writer("postgresql://postgres@127.0.0.1:1/none", EPOCH, on_failure=attempts.append, sleep=sleep).commit(
            everything()
        )

    with pytest.raises(GivenUpError):
        asyncio.run(main())
    pauses = [attempt.pause_s for attempt in attempts]
    assert pauses == [min(PAUSE_MAX_S, PAUSE_FIRST_S * 2**n) for n in range(9)]
    assert [attempt.number for attempt in attempts] == list(range(1, 10))
    assert {(attempt.batch_no, attempt.error.reason) for attempt in attempts} == {(1, StorageReason.UNREACHABLE)}


@pytest.mark.parametrize("copy_above_rows", [ALWAYS_COPY, NEVER_COPY])
@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (samples.plate(2, "A\\u0000B"), RejectCode.INVALID_FIELD),
        (samples.plate(2)[:-1] + b',"own":"\xff\xfe"}', RejectCode.MALFORMED),
    ],
)
def test_commit_moves_an_event_to_the_rejected_ones_when_postgresql_cannot_hold_it(
    database: str, copy_above_rows: int, bad: bytes, code: RejectCode
) -> None:
    async def body(writer: Writer, connection: asyncpg.Connection) -> None:
        chunk = samples.taken([samples.plate(1), bad, samples.plate(3)])
        entry = msgspec.structs.replace(samples.log(1), actor="crew:A\x00")
        refused = await writer.commit(samples.batch(1, chunk, high_water={"cams": 3}, entries=[entry]))
        assert [(one.source, one.rejected.seq, one.rejected.code) for one in refused] == [("cams", 2, code)]
        stored = await contents(connection)
        assert [row[2] for row in stored["event"]] == [1, 3]
        assert [(row[2], row[4], row[7]) for row in stored["rejected_event"]] == [(2, code.value, bad)]
        assert stored["source"] == [("cams", 3)]
        assert stored["incident_log"][0][4] == "crew:A\ufffd"
        await writer.commit(samples.batch(2))

    run(database, body, copy_above_rows)


def test_commit_raises_when_a_row_breaks_the_schema(database: str) -> None:
    async def body(writer: Writer, connection: asyncpg.Connection) -> None:
        await writer.commit(samples.batch(1, incidents=[samples.incident(1)]))
        twice = [samples.incident(2, 2, created=False), samples.incident(2, 3, created=False)]
        with pytest.raises(StorageError) as raised:
            await writer.commit(samples.batch(2, incidents=twice))
        assert raised.value.reason is StorageReason.INTERNAL
        assert await connection.fetchval("SELECT last_batch FROM centre") == 1
        await writer.commit(samples.batch(2))

    run(database, body)


def test_commit_keeps_the_rows_of_a_day_without_a_partition(database: str) -> None:
    async def body(writer: Writer, connection: asyncpg.Connection) -> None:
        old = Micros(samples.NOW - 400 * 86_400_000_000)
        await writer.commit(samples.batch(1, samples.taken([samples.plate(1)], received_us=old)))
        await writer.commit(samples.batch(2, samples.taken([samples.plate(2)])))
        rows = await connection.fetch("SELECT tableoid::regclass::text AS part, seq FROM event ORDER BY seq")
        assert [tuple(row) for row in rows] == [("event_default", 1), ("event_20240501", 2)]

    run(database, body)


def test_commit_leaves_the_outcome_to_recovery_when_it_is_cancelled(database: str) -> None:
    async def body(writer: Writer, connection: asyncpg.Connection) -> None:
        await writer.commit(samples.batch(1))
        async with connection.transaction():
            await connection.execute("LOCK TABLE centre IN EXCLUSIVE MODE")
            task = asyncio.create_task(writer.commit(everything(2)))
            while not await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):  # noqa: ASYNC110
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        await writer.commit(everything(2))
        assert len((await contents(connection))["event"]) == 3

    run(database, body)


def test_centre_log_numbers_of_two_batches_never_meet() -> None:
    assert tables.CENTRE_LOG_STEP > COMMANDS_WAITING
    entry = CentreEntry(samples.NOW, "mode_set", "operator:a", "command:c", b"{}")
    last, following = tables.centre_log_row(entry, 7, COMMANDS_WAITING), tables.centre_log_row(entry, 8, 0)
    assert last[0] < following[0]  # type: ignore[operator]  # a row's first column is its number
