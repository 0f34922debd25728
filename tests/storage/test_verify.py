"""Every way in which stored state can disagree with itself is found."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest

from core.decisions import LogEntry
from core.vocabulary import IncidentId
from storage.session import connect
from storage.verify import FINDINGS_MAX, Check, verify
from storage.writer import Writer
from tests.database import execute
from tests.storage import samples


def fold(entries: Iterable[LogEntry]) -> bytes:
    """A stand-in for the engine's fold: the view of `samples.incident` counts its log's lines."""
    lines = list(entries)
    if lines[-1].fact == "impossible":
        raise ValueError("no such fact")
    return f'{{"lines":{len(lines)}}}'.encode()


def findings(database: str, *statements: str) -> list[tuple[Check, str]]:
    """Commits a sound state, spoils it, and verifies."""

    async def main() -> list[tuple[Check, str]]:
        writer = Writer(database, 0)
        await writer.commit(
            samples.batch(
                1,
                samples.taken([samples.call(1), samples.plate(2)], "tel", incidents={0: IncidentId(1)}),
                high_water={"tel": 2},
                entries=[samples.log(number, version) for number in (1, 2, 3) for version in (1, 2)],
                incidents=[samples.incident(number, 2) for number in (1, 2, 3)],
                assignments=[samples.assignment(1, 1, "A-1"), samples.assignment(2, 2, "A-1", ended_us=samples.NOW)],
                crews=[samples.crew("A-1", 1), samples.crew("A-2")],
            )
        )
        await writer.close()
        await execute(database, *statements)
        connection = await connect(database, "test")
        try:
            return [(finding.check, finding.subject) for finding in await verify(connection, fold)]
        finally:
            await connection.close()

    return asyncio.run(main())


CASES: list[tuple[str, list[tuple[Check, str]]]] = [
    ("SELECT 1", []),
    ("DELETE FROM incident_log WHERE incident_id = 2 AND version = 1", [(Check.LOG_GAP, "2")]),
    ("DELETE FROM incident_log WHERE incident_id = 2 AND version = 2", [(Check.VERSION_DIFFERS, "2")]),
    ("DELETE FROM incident_log WHERE incident_id = 1", [(Check.INCIDENT_WITHOUT_LOG, "1")]),
    ("DELETE FROM incident_log WHERE incident_id = 3", [(Check.INCIDENT_WITHOUT_LOG, "3")]),
    (
        "DELETE FROM incident WHERE incident_id = 1",
        [(Check.ASSIGNMENT_WITHOUT_INCIDENT, "1"), (Check.LOG_WITHOUT_INCIDENT, "1")],
    ),
    ("DELETE FROM incident WHERE incident_id = 3", [(Check.LOG_WITHOUT_INCIDENT, "3")]),
    ("UPDATE incident SET view = '{}' WHERE incident_id = 3", [(Check.VIEW_DIFFERS, "3")]),
    ("UPDATE incident_log SET fact = 'impossible' WHERE incident_id = 1 AND version = 2", [(Check.FOLD_FAILED, "1")]),
    ("UPDATE source SET high_water = 1", [(Check.HIGH_WATER_LOW, "tel")]),
    ("DELETE FROM source", [(Check.HIGH_WATER_LOW, "tel")]),
    ("INSERT INTO event SELECT * FROM event WHERE seq = 2", [(Check.EVENT_TWICE, "tel/2")]),
    ("UPDATE assignment SET ended_at = NULL", [(Check.CREW_TWICE, "A-1")]),
    ("UPDATE crew SET state = 'busy' WHERE crew_id = 'A-2'", [(Check.CREW_LOG_DIFFERS, "A-2")]),
    ("UPDATE crew SET incident_id = NULL", [(Check.CREW_LOG_DIFFERS, "A-1")]),
    ("DELETE FROM crew_log", []),
]


@pytest.mark.parametrize(("statement", "expected"), CASES)
def test_verify_finds_it_when_the_tables_disagree(database: str, statement: str, expected: list[tuple[Check, str]]) -> None:
    assert findings(database, statement) == expected


def test_verify_reports_a_bounded_number_of_findings(database: str) -> None:
    many = "INSERT INTO incident_log SELECT n, 1, now(), '', '', '', '{}' FROM generate_series(1000, 1500) n"
    assert findings(database, many) == [(Check.LOG_WITHOUT_INCIDENT, str(1000 + n)) for n in range(FINDINGS_MAX)]
