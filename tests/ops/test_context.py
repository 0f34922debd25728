"""`jedel context` on a real database: as lines and as JSON, of one territory, for an incident that no service has come to."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec
import pytest

from core.context import Context
from core.decisions import IncidentChange
from ops.addresses import AddressReader
from ops.cli import main
from routing.unmapped import Unmapped
from storage import past
from storage.session import connect
from tests.storage.past_days import Days, incident

PHONE = "+77010000001"
BEFORE = [
    incident(1, days_ago=20, phones=(PHONE,), result="hoax, nobody there", territory="kz/astana", at=None),
    incident(2, days_ago=0.5, phones=(PHONE,), result="worked"),
]
SUBJECT = incident(3, days_ago=0, phones=(PHONE,), text="улица Абая, 10")


def store(dsn: str, changes: Sequence[IncidentChange], filled: Sequence[IncidentChange]) -> None:
    async def run() -> None:
        async with Days(dsn) as days:
            for one in changes:
                await days.commit(one, now_us=one.opened_us)
        connection = await connect(dsn, "test")
        try:
            await past.fill(connection, {one.incident_id: one.opened_us for one in filled}, AddressReader(Unmapped()))
            await past.set_through(connection, BEFORE[1].opened_us)
        finally:
            await connection.close()

    asyncio.run(run())


def test_context_reads_as_it_is(database: str, capsys: pytest.CaptureFixture[str]) -> None:
    store(database, [*BEFORE, SUBJECT], BEFORE)
    assert main(["context", "3", "--dsn", database]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "incident 3: kz/almaty/medeu; past known up to 2024-04-30T22:00:00.123456Z",
        "same address: none",
        "same number: 2 (1 within a day, 2 within 30, 2 within 365)",
        "  incident 2; 2024-04-30T22:00:00.123456Z; fire; handled; 0 m; same_number, nearby: worked",
        "  incident 1; 2024-04-11T10:00:00.123456Z; fire; false_call; same_number: hoax, nobody there",
        "nearby: 1 (1 within a day, 1 within 30, 1 within 365)",
        "  incident 2; 2024-04-30T22:00:00.123456Z; fire; handled; 0 m; same_number, nearby: worked",
        "same road: none",
        ("+77010000001: told of 2 before, 1 false (first 2024-04-11T10:00:00.123456Z, last 2024-04-11T10:00:00.123456Z)"),
    ]


def test_context_of_one_territory_is_json_for_machines(database: str, capsys: pytest.CaptureFixture[str]) -> None:
    store(database, [*BEFORE, SUBJECT], [*BEFORE, SUBJECT])
    assert main(["context", "3", "--dsn", database, "--territory", "kz/almaty", "--json"]) == 0
    found = msgspec.json.decode(capsys.readouterr().out, type=Context)
    assert [one.incident_id for one in found.same_number.listed] == [2]
    assert [(one.incidents, one.false_calls) for one in found.numbers] == [(1, 0)]


def test_context_looks_as_far_as_the_centre_has_set(database: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The incident lies 1,112 m north of the one of that day."""
    store(database, [*BEFORE, incident(4, days_ago=0, at=(43.26, 76.95))], BEFORE)
    for radius, found in (("1100", "none"), ("1120", "1 (1 within a day, 1 within 30, 1 within 365)")):
        assert main(["context", "4", "--dsn", database, "--set", f"context.near_m={radius}"]) == 0
        assert f"nearby: {found}" in capsys.readouterr().out.splitlines()


def test_unknown_incident_is_one_line_and_status_1(database: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["context", "3", "--dsn", database]) == 1
    assert capsys.readouterr().err == "jedel: incident 3 is not known, or was merged into another one\n"
