"""`jedel verify` finds what does not agree, and `jedel prune` drops what is over, on a real database."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from core.facts import CategoryReason, CorrelateReason, Joined, Opened, PrioritySet
from core.incident import encode_fact, fold
from core.instant import Micros
from core.vocabulary import CategoryCode
from ops.cli import main
from ops.commands.configured import connected
from ops.config import Database
from storage.session import connect
from storage.writer import Writer
from tests.storage import samples


def store_incident(dsn: str) -> None:
    """Commits one incident whose log is of two lines."""
    facts = (
        Opened(
            category=CategoryCode("fire"),
            category_reason=CategoryReason.GIVEN,
            priority=2,
            territory="kz/almaty",
            owner="centre",
            needs=("fire",),
            review_due_us=Micros(samples.NOW + 1),
            joined=Joined(event="cams/1", kind="plate", reason=CorrelateReason.FIRST),
        ),
        PrioritySet(priority=1),
    )
    log = [
        msgspec.structs.replace(samples.log(1, version, Micros(samples.NOW + version)), body=encode_fact(fact))
        for version, fact in enumerate(facts, start=1)
    ]
    change = msgspec.structs.replace(samples.incident(1, version=2), view=fold(log))
    decisions = samples.batch(1, samples.taken([samples.plate(1)]), high_water={"cams": 1}, entries=log, incidents=[change])

    async def run() -> None:
        async with connected(Database(dsn=dsn)) as connection:
            await connection.execute("UPDATE centre SET epoch = 1")
        writer = Writer(dsn, 1)
        try:
            await writer.commit(decisions)
        finally:
            await writer.close()

    asyncio.run(run())


def execute(dsn: str, statement: str) -> None:
    async def run() -> None:
        async with connected(Database(dsn=dsn)) as connection:
            await connection.execute(statement)

    asyncio.run(run())


def test_verify_proves_what_the_writer_wrote(database: str, capsys: pytest.CaptureFixture[str]) -> None:
    store_incident(database)
    assert main(["verify", "--dsn", database]) == 0
    assert capsys.readouterr().out == "verify: 1 incidents and 2 log entries, nothing wrong\n"


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        ("DELETE FROM incident_log WHERE version = 1", "log_gap 1: "),
        ("UPDATE incident SET version = 3", "version_differs 1: "),
        ("UPDATE incident SET view = '{}'", "view_differs 1: "),
        ("UPDATE incident_log SET body = '{}' WHERE version = 2", "fold_failed 1: "),
        ("UPDATE source SET high_water = 0", "high_water_low cams: "),
        ("DELETE FROM incident", "log_without_incident 1: "),
    ],
)
def test_verify_names_what_was_changed_behind_the_centre_s_back(
    database: str, damage: str, found: str, capsys: pytest.CaptureFixture[str]
) -> None:
    store_incident(database)
    execute(database, damage)
    assert main(["verify", "--dsn", database]) == 1
    written = capsys.readouterr()
    assert written.err.startswith(found)
    assert written.out.endswith(", 1 wrong\n")


def test_prune_drops_days_beyond_those_kept(database: str, capsys: pytest.CaptureFixture[str]) -> None:
    execute(
        database,
        "CREATE TABLE position_20200101 PARTITION OF position"
        " FOR VALUES FROM ('2020-01-01 00:00:00+00') TO ('2020-01-02 00:00:00+00')",
    )
    assert main(["prune", "--dsn", database, "--set", "storage.position_days=36500"]) == 0
    assert capsys.readouterr().out == "prune: 0 partitions dropped\n"
    assert main(["prune", "--dsn", database]) == 0
    assert capsys.readouterr().out == "prune: 1 partitions dropped: position_20200101\n"


def test_prune_says_what_is_in_use_and_fails(database: str, capsys: pytest.CaptureFixture[str]) -> None:
    execute(
        database,
        "CREATE TABLE position_20200101 PARTITION OF position"
        " FOR VALUES FROM ('2020-01-01 00:00:00+00') TO ('2020-01-02 00:00:00+00')",
    )

    async def read_and_prune() -> int:
        reader = await connect(database, "a dump")
        async with reader.transaction():
            await reader.execute("LOCK TABLE position IN ACCESS SHARE MODE")
            status = await asyncio.to_thread(main, ["prune", "--dsn", database])
        await reader.close()
        return status

    assert asyncio.run(read_and_prune()) == 1
    assert "prune: position_20200101 is in use" in capsys.readouterr().err
