"""The doctor beside a running centre with its standby, and when the active process has been killed: read-only, and right."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from storage.session import connect
from tests.end_to_end.service import Service, until

pytestmark = pytest.mark.end_to_end

WAITS = (
    "SELECT EXISTS (SELECT FROM pg_locks JOIN pg_database d ON d.oid = database"
    " WHERE locktype = 'advisory' AND NOT granted AND datname = current_database())"
)
MARKS = "SELECT (SELECT epoch FROM centre), (SELECT last_batch FROM centre), (SELECT count(*) FROM schema_migration)"


def doctor(folder: Path, dsn: str) -> dict[str, list[tuple[str, str]]]:
    """Check → grade and text of its findings, as a program reads them."""
    command = [
        "doctor",
        "--json",
        "--config",
        str(folder / "jedel-0.toml"),
        "--dsn",
        dsn,
        "--set",
        f"database.data_dir={folder}",
    ]
    code = "import sys; from ops.cli import main; sys.exit(main())"
    done = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    found: dict[str, list[tuple[str, str]]] = {}
    for one in json.loads(done.stdout)["findings"]:
        found.setdefault(one["check"], []).append((one["grade"], one["text"]))
    return found


async def _marks(dsn: str) -> tuple[object, ...]:
    connection = await connect(dsn, "test")
    try:
        return tuple(await connection.fetchrow(MARKS) or ())
    finally:
        await connection.close()


async def _story(folder: Path, dsn: str) -> None:
    async def waiting() -> bool:
        connection = await connect(dsn, "test")
        try:
            return bool(await connection.fetchval(WAITS))
        finally:
            await connection.close()

    with Service(folder, dsn) as service:
        service.start()
        pid = await service.ready()
        service.start()
        await until(waiting, "no standby")
        before = await _marks(dsn)
        found = await asyncio.to_thread(doctor, folder, dsn)
        assert found["service"][0] == ("ok", f"process {pid} is active and listens")
        assert {grade for grade, _ in found["ports"]} == {"ok"}
        # Health may have any port here.
        assert [text for _, text in found["ports"] if "our own service" not in text] == [
            "listen.health = 127.0.0.1:0: any free port"
        ]
        assert found["lock"] == [("ok", "active: a process on this machine; 1 stand by")]
        assert [grade for grade, _ in found["schema"]] == ["ok"]
        assert await _marks(dsn) == before

        await service.kill_active()
        await service.ready()
        found = await asyncio.to_thread(doctor, folder, dsn)
        assert found["lock"] == [("warning", "active: a process on this machine; nobody stands by")]


def test_doctor_sees_the_active_process_and_its_standby_and_changes_nothing(tmp_path: Path, database: str) -> None:
    asyncio.run(_story(tmp_path, database))
