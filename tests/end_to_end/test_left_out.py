"""A real service whose engine fails on parts of its work in every life, or on a call never ends: others are served, and it says
what is off."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from core.events import Call, Fix
from core.vocabulary import RejectCode
from protocols.ingest.client import IngestClient
from protocols.ingest.message import EventError
from storage.session import connect
from tests.end_to_end.faulty import ENDLESS, FAULTY
from tests.end_to_end.service import SOURCE_TOKEN, Service, until
from tests.end_to_end.test_scenarios import PROJECT, call, raise_version, scenario_of

pytestmark = pytest.mark.end_to_end
FAILING = """
import sys
from core import engine
from core.vocabulary import Part
from ops.cli import main
from tests.simulation.planted import BROKEN, replaced

right = engine._load_scenarios

def load(state, scenarios):
    if scenarios["fire"].version == 2:
        raise ZeroDivisionError("planted")
    right(state, scenarios)

with BROKEN[Part.SIGNALS](), BROKEN[Part.ROSTER](), replaced(engine, "_load_scenarios", load):
    sys.exit(main())
"""


async def left_out(dsn: str) -> list[tuple[str, bool]]:
    """What the centre's log says is left out or refused, once each."""
    connection = await connect(dsn, "test")
    try:
        rows = await connection.fetch("SELECT body FROM centre_log WHERE fact = 'left_out' ORDER BY entry")
    finally:
        await connection.close()
    said = [msgspec.json.decode(row["body"]) for row in rows]
    return list(dict.fromkeys((one["part"], one["refused"]) for one in said))


async def _story(folder: Path, scenarios: Path, dsn: str) -> None:
    with Service(folder, dsn, settings={"centre.scenarios": str(scenarios)}, program=FAILING) as service:
        service.start()
        await service.ready()
        await call(service, 1)
        assert await left_out(dsn) == [("signals", False), ("roster", False)]

        raise_version(scenarios, 2, within_s=1)
        os.kill(await service.ready(), signal.SIGHUP)

        async def refused() -> bool:
            return ("scenarios", True) in await left_out(dsn)

        await until(refused, "the scenarios on which the engine fails were not refused")
        await service.ready()
        await call(service, 2)
        assert await scenario_of(dsn, 2) == "fire@1", "what was before stays, though the files are read again"
        assert "the engine has failed on it" in service.log.read_text()

        raise_version(scenarios, 3, within_s=2)
        os.kill(await service.ready(), signal.SIGHUP)

        async def taken() -> bool:
            return "scenarios read" in service.log.read_text().rsplit('"event": "ready"', 1)[-1]

        await until(taken, "the mended scenarios were not read")
        await call(service, 3)
        assert await scenario_of(dsn, 3) == "fire@3"


def test_service_that_fails_on_parts_of_its_work_serves_calls_and_says_what_is_off(tmp_path: Path, database: str) -> None:
    scenarios = tmp_path / "scenarios"
    shutil.copytree(PROJECT / "core" / "scenarios", scenarios)
    raise_version(scenarios, 1, within_s=30)
    asyncio.run(_story(tmp_path, scenarios, database))


async def _endless(folder: Path, dsn: str) -> None:
    errors: list[EventError] = []
    with Service(folder, dsn, program=FAULTY) as service:
        service.start()
        pid = await service.ready()
        async with IngestClient(service.tcp_url, source="first", token=SOURCE_TOKEN, on_error=errors.append) as phone:
            place = Fix(43.2, 76.9, 10.0)
            words = ["драка", ENDLESS, "пожар"]
            await phone.push([Call(seq=1, at=datetime.now(UTC), words=each, fix=place) for each in words])
            await phone.flush()
        await call(service, 2)
        assert await service.ready() == pid, "no other process had to take over"
        text = service.log.read_text()
    assert [(error.seq, error.code) for error in errors] == [(2, RejectCode.INTERNAL_FAULT)]
    assert "event first/2: refused from now on" in text
    assert "in classify" in text, "its makers see where it was cut off"


def test_call_on_which_the_engine_computes_for_ever_is_refused_and_others_are_served(tmp_path: Path, database: str) -> None:
    asyncio.run(_endless(tmp_path, database))
