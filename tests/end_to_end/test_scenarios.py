"""Scenarios edited beside a running service: read again without a restart, and open incidents keep what they began with."""

from __future__ import annotations

import asyncio
import shutil
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from core.commands import Acknowledge, SetMode
from core.events import Call, Fix
from core.incident import decode_incident
from ops.cli import main
from protocols.dispatch.client import DispatchClient
from protocols.ingest.client import IngestClient
from storage.session import connect
from tests.end_to_end.service import DISPATCHER_TOKEN, SOURCE_TOKEN, Service, until

pytestmark = pytest.mark.end_to_end
PROJECT = Path(__file__).parents[2]


def raise_version(folder: Path, version: int, *, within_s: float) -> None:
    """Edits the scenario of fires."""
    file = folder / "fire.toml"
    lines = file.read_text(encoding="utf-8").splitlines()
    inside = ""
    for number, line in enumerate(lines):
        inside = line if line.startswith("[") else inside
        if line.startswith("version = "):
            lines[number] = f"version = {version}"
        if inside == "[crew]" and line.startswith("within_s"):
            lines[number] = f"within_s = {within_s}"
    file.write_text("\n".join(lines), encoding="utf-8")


async def call(service: Service, number: int) -> None:
    async with IngestClient(service.tcp_url, source=f"phone-{number}", token=SOURCE_TOKEN) as phone:
        fix = Fix(43.2 + number / 10, 76.9, 10.0)
        await phone.push([Call(seq=1, at=datetime.now(UTC), words="пожар", fix=fix)])
        await phone.flush()


async def scenario_of(dsn: str, number: int) -> str:
    connection = await connect(dsn, "test")
    try:
        view: bytes = await connection.fetchval("SELECT view FROM incident WHERE incident_id = $1", number)
    finally:
        await connection.close()
    return decode_incident(view).scenario


async def _story(folder: Path, scenarios: Path, dsn: str) -> None:
    with Service(folder, dsn, settings={"centre.scenarios": str(scenarios)}) as service:
        service.start()
        await service.ready()
        await call(service, 1)
        raise_version(scenarios, 2, within_s=0.2)
        flags = ["--set", f"database.data_dir={folder}", "--set", f"centre.scenarios={scenarios}"]
        assert await asyncio.to_thread(main, ["scenarios", "reload", *flags]) == 0

        async def kept() -> bool:
            connection = await connect(dsn, "test")
            try:
                return bool(await connection.fetchval("SELECT count(*) FROM scenario WHERE key = 'fire@2'"))
            finally:
                await connection.close()

        await until(kept, "the new version is not kept")
        await call(service, 2)
        assert [await scenario_of(dsn, number) for number in (1, 2)] == ["fire@1", "fire@2"]

        async with DispatchClient(service.dispatch_url, DISPATCHER_TOKEN, name="lead") as lead:
            mode = await lead.command(SetMode(command_id="mode", mode="heightened", ground="order 138"))
            taken = await lead.command(Acknowledge(command_id="mine", incident=2))
        assert (mode.done, taken.done) == (True, True)

        file = scenarios / "fire.toml"
        file.write_text(file.read_text(encoding="utf-8").replace("capability", "capabilitie"), encoding="utf-8")
        assert await asyncio.to_thread(main, ["scenarios", "reload", *flags]) == 1, "what is faulty is not loaded"
        await service.kill_active()

        service.start()
        shutil.copy(PROJECT / "core/scenarios/fire.toml", file)
        await service.ready()
        await call(service, 3)
        assert await scenario_of(dsn, 3) == "fire@2", "an older file does not bring an older version back"
    connection = await connect(dsn, "test")
    try:
        (body,) = [row[0] for row in await connection.fetch("SELECT body FROM centre_log WHERE fact = 'mode_set'")]
        assert msgspec.json.decode(body)["ground"] == "order 138"
        assert await connection.fetchval("SELECT count(*) FROM incident_log WHERE fact = 'acknowledged'") == 1
    finally:
        await connection.close()


def test_scenarios_are_read_again_without_a_restart(database: str, tmp_path: Path) -> None:
    scenarios = tmp_path / "scenarios"
    shutil.copytree(PROJECT / "core/scenarios", scenarios)
    asyncio.run(_story(tmp_path, scenarios, database))
