"""The embedded server: started, joined, left behind by killed owners, and stopped by whoever is last."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest

from storage import embedded
from storage.errors import StorageError, StorageReason
from tests.database import CHEAP, execute

OWNER = """
import sys, time
from pathlib import Path
from storage import embedded
server = embedded.start(Path(sys.argv[1]), {"fsync": "off", "shared_buffers": "16MB"})
print("ready", flush=True)
sys.stdin.read()
print(server.stop(), flush=True)
"""


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory whose server has stopped: to copy it is quicker than to make one."""
    data_dir = tmp_path_factory.mktemp("pristine")
    assert embedded.start(data_dir, CHEAP).stop()
    return data_dir


@pytest.fixture
def data_dir(pristine: Path, tmp_path: Path) -> Path:
    """A data directory of the test's own."""
    subprocess.run(["cp", "-a", f"{pristine}/.", str(tmp_path)], check=True)
    return tmp_path


def owner_of(data_dir: Path) -> subprocess.Popen[str]:
    """Another process that uses the server until its input ends."""
    process = subprocess.Popen([sys.executable, "-c", OWNER, str(data_dir)], stdin=-1, stdout=-1, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def end(process: subprocess.Popen[str]) -> str:
    """Lets an owner go, and returns what its `stop` said."""
    said, _ = process.communicate("")
    return said.strip()


def ask(dsn: str, query: str) -> object:
    """One value of the database."""

    async def main() -> object:
        connection = await asyncpg.connect(dsn)
        try:
            return await connection.fetchval(query)
        finally:
            await connection.close()

    return asyncio.run(main())


def test_start_makes_a_database_whose_trigrams_see_cyrillic(data_dir: Path) -> None:
    server = embedded.start(data_dir, CHEAP)
    dsn = server.dsn
    asyncio.run(execute(dsn, "CREATE EXTENSION IF NOT EXISTS pg_trgm"))
    similarity = ask(dsn, "SELECT similarity('Абая', 'Абай')")
    assert isinstance(similarity, float) and similarity > 0.3
    assert ask(dsn, "SELECT upper('әбай көшесі')") == "ӘБАЙ КӨШЕСІ"
    assert ask(
        dsn, "SELECT datname || ' ' || pg_encoding_to_char(encoding) FROM pg_database WHERE datname = current_database()"
    ) == ("jedel UTF8")
    server.stop()


def test_settings_keep_what_is_committed() -> None:
    assert (embedded.SETTINGS["fsync"], embedded.SETTINGS["synchronous_commit"]) == ("on", "on")


def test_server_stops_with_its_last_user_and_keeps_its_data(data_dir: Path) -> None:
    first = embedded.start(data_dir, CHEAP)
    asyncio.run(execute(first.dsn, "CREATE TABLE kept (a integer)", "INSERT INTO kept VALUES (7)"))
    other = owner_of(data_dir)
    assert first.stop() is False
    assert first.stop() is False
    assert ask(first.dsn, "SELECT a FROM kept") == 7
    assert end(other) == "True"
    assert not (data_dir / "postgresql" / "postmaster.pid").exists()
    again = embedded.start(data_dir, CHEAP)
    assert ask(again.dsn, "SELECT a FROM kept") == 7
    assert again.stop() is True


def test_start_joins_the_server_when_its_owner_was_killed(data_dir: Path) -> None:
    owner = owner_of(data_dir)
    pid = (data_dir / "postgresql" / "postmaster.pid").read_text(encoding="utf-8").split()[0]
    owner.kill()
    owner.communicate()
    server = embedded.start(data_dir, CHEAP)
    assert (data_dir / "postgresql" / "postmaster.pid").read_text(encoding="utf-8").split()[0] == pid
    assert ask(server.dsn, "SELECT 1") == 1
    # The killed one is no user any more.
    assert server.stop() is True


@pytest.mark.parametrize("sent", [signal.SIGQUIT, signal.SIGINT, signal.SIGKILL])
def test_start_waits_when_the_previous_server_is_going_down_or_crashed(data_dir: Path, sent: signal.Signals) -> None:
    server = embedded.start(data_dir, {**CHEAP, "synchronous_commit": "on"})
    asyncio.run(execute(server.dsn, "CREATE TABLE kept (a integer)"))
    pid = int((data_dir / "postgresql" / "postmaster.pid").read_text(encoding="utf-8").split()[0])
    os.kill(pid, sent)
    again = embedded.start(data_dir, CHEAP)
    assert ask(again.dsn, "SELECT count(*) FROM kept") == 0
    assert server.stop() is False
    assert again.stop() is True


def test_revive_starts_a_server_that_has_died_and_leaves_one_that_runs(data_dir: Path) -> None:
    server = embedded.start(data_dir, {**CHEAP, "synchronous_commit": "on"})
    asyncio.run(execute(server.dsn, "CREATE TABLE kept (a integer)"))
    assert server.revive() is False
    for _ in range(2):
        pid = int((data_dir / "postgresql" / "postmaster.pid").read_text(encoding="utf-8").split()[0])
        os.kill(pid, signal.SIGKILL)
        while Path(f"/proc/{pid}").exists():
            os.sched_yield()
        assert server.revive() is True
        assert ask(server.dsn, "SELECT count(*) FROM kept") == 0
    assert server.stop() is True
    assert server.revive() is False


def test_start_ignores_the_process_id_of_another_program(data_dir: Path) -> None:
    # What a reboot leaves: a file that names a process which is not PostgreSQL.
    stale = f"1\n{data_dir}/postgresql\n1\n5432\n{data_dir}\n\n1 1\nready\n"
    (data_dir / "postgresql" / "postmaster.pid").write_text(stale, encoding="utf-8")
    server = embedded.start(data_dir, CHEAP)
    assert ask(server.dsn, "SELECT 1") == 1
    assert server.stop() is True


def test_start_uses_a_short_private_folder_when_the_path_is_too_long_for_a_socket(tmp_path: Path) -> None:
    server = embedded.start(tmp_path / ("long" * 30), CHEAP)
    try:
        assert ask(server.dsn, "SELECT 1") == 1
        assert len(str(server.socket_dir)) < 60
        assert server.socket_dir.stat().st_mode & 0o077 == 0
    finally:
        server.stop()
        server.socket_dir.rmdir()


def test_start_begins_anew_when_a_first_start_was_killed_half_way(tmp_path: Path) -> None:
    (tmp_path / "postgresql.new").mkdir()
    (tmp_path / "postgresql.new" / "PG_VERSION").write_text("18\n", encoding="utf-8")
    server = embedded.start(tmp_path, CHEAP)
    assert ask(server.dsn, "SELECT 1") == 1
    server.stop()


def test_start_raises_with_the_servers_words_when_it_cannot_start(data_dir: Path) -> None:
    with pytest.raises(StorageError, match="max_connections") as raised:
        embedded.start(data_dir, {**CHEAP, "max_connections": "'many'"})
    assert raised.value.reason is StorageReason.SERVER_START
