"""A version replaced by the next one under load: the standby is of the new version, the old active process ends, the new one
migrates, recovers and goes on. No event is lost or doubled, and nobody changes a table under a process that does not know it.

Tried from the version before today's, where this clone's history has it, and from today's to one that changes what today's
commits with.
"""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from storage.migrate import known
from storage.session import connect
from tests.end_to_end.loads import loads_on, stored, verify
from tests.end_to_end.service import Service, until
from tests.end_to_end.versions import PROJECT, commit_before_the_last_migration, configuration_of, write_commit, write_next

pytestmark = pytest.mark.end_to_end

BEFORE = commit_before_the_last_migration()
UPGRADES = [
    pytest.param(None, "next", id="today-to-next"),
    *([pytest.param(BEFORE, None, id="before-to-today")] if BEFORE else []),
]
"""Commit of the old version (None: today's), and whether the new one is today's or the one after it."""


def tree_of(commit: str | None, folder: Path) -> Path:
    return PROJECT if commit is None else write_commit(commit, folder)


async def _migrated(dsn: str) -> int:
    connection = await connect(dsn, "test")
    try:
        number: int = await connection.fetchval("SELECT max(number) FROM schema_migration")
        return number
    finally:
        await connection.close()


async def _upgrade(service: Service, dsn: str, old_tree: Path, new_tree: Path, ending: signal.Signals) -> dict[str, int]:
    old = service.start(old_tree, configuration_of(old_tree))
    old_pid = await service.ready()
    before = await _migrated(dsn)
    async with loads_on(service) as loads:
        await loads["phone"].passes(50)
        service.start(new_tree)

        async def stands_by() -> bool:
            return "standby" in service.log.read_text(encoding="utf-8")

        await until(stands_by, "the new version does not stand by")
        # Neither the standby nor a command of the new version touches the schema that the old one works with.
        refused = await asyncio.to_thread(verify, dsn, new_tree)
        assert (refused.returncode, await _migrated(dsn)) == (1, before), refused.stderr
        assert "jedel: storage: older_database: the database waits for migration" in refused.stderr
        await loads["phone"].passes(50)
        assert service.active_pid() == old_pid

        old.send_signal(ending)
        await asyncio.to_thread(old.wait, 60)

        async def switched() -> bool:
            return service.active_pid() not in (None, old_pid)

        await until(switched, "the new version did not take over")
        await loads["phone"].passes(50)
    assert await _migrated(dsn) > before
    # A standby of the old version that is forgotten cannot work on what it does not know: it ends by itself.
    late = service.start(old_tree, configuration_of(old_tree))
    assert await asyncio.to_thread(late.wait, 60) == 1
    assert "newer_database" in service.log.read_text(encoding="utf-8")
    return {source: load.sent for source, load in loads.items()}


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGKILL], ids=["ended", "killed"])
@pytest.mark.parametrize(("commit", "after"), UPGRADES)
def test_no_event_is_lost_or_doubled_when_a_version_is_replaced_under_load(
    tmp_path: Path, empty_database: str, commit: str | None, after: str | None, ending: signal.Signals
) -> None:
    old_tree = tree_of(commit, tmp_path / "old")
    new_tree = write_next(tmp_path / "next") if after else PROJECT
    with Service(tmp_path, empty_database) as service:
        sent = asyncio.run(_upgrade(service, empty_database, old_tree, new_tree, ending))
        for source, count in sent.items():
            assert asyncio.run(stored(empty_database, source)) == (count, count, count), source
        verified = verify(empty_database, new_tree)
        assert verified.returncode == 0, verified.stderr + verified.stdout
        assert "nothing wrong" in verified.stdout
    assert asyncio.run(_migrated(empty_database)) == len(known()) + bool(after)


def test_a_waiting_old_version_gives_the_centre_up_when_it_finds_a_newer_database(tmp_path: Path, empty_database: str) -> None:
    async def run(service: Service) -> None:
        service.start(PROJECT)
        await service.ready()
        forgotten = service.start(PROJECT)

        async def stands_by() -> bool:
            return "standby" in service.log.read_text(encoding="utf-8")

        await until(stands_by, "the forgotten process does not stand by")
        # As an operator who migrates by hand would do it, at the wrong time.
        connection = await connect(empty_database, "test")
        await connection.execute(
            "INSERT INTO schema_migration (number, name, checksum) VALUES ($1, 'next', 'x')", len(known()) + 1
        )
        await connection.close()
        await service.kill_active()
        assert await asyncio.to_thread(forgotten.wait, 60) == 1

    with Service(tmp_path, empty_database) as service:
        asyncio.run(run(service))
        assert "newer_database" in service.log.read_text(encoding="utf-8")
