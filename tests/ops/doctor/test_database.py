"""What is wrong with a database is caused on a real one, and told with what to do."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from core.instant import Micros
from ops.doctor import database as checks
from ops.doctor.verdict import Verdict
from storage import embedded
from storage.condition import Archiver, ServerCondition
from tests.adapters.sending import closed_port
from tests.database import CHEAP, Server, execute
from tests.ops.doctor.worlds import has, look, said, world

SOUND = ServerCondition(
    version="16.4",
    major=16,
    database="jedel",
    role="jedel",
    settings={"max_connections": "100", "superuser_reserved_connections": "3", "archive_mode": "on"},
    in_recovery=False,
    encoding="UTF8",
    connections=0,
    may_create=True,
    others_tables=(),
    replicas=1,
    archiver=Archiver(Micros(2), Micros(1)),
    dead_slots=(),
    database_bytes=1,
    wal_bytes=1,
    wal_since_us=Micros(0),
)


@pytest.fixture(scope="module")
def unsafe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """DSN of a server that was told to be quick and not safe."""
    server = embedded.start(tmp_path_factory.mktemp("unsafe"), {**CHEAP, "max_connections": "20", "wal_level": "replica"})
    yield server.dsn
    server.stop()


def test_sound_server_has_nothing_to_tell() -> None:
    assert said(list(checks.judge(SOUND, is_own=False))) == []


def test_unsafe_settings_of_a_server_are_faults(unsafe: str) -> None:
    lines = look(checks.check_reachable, world(dsn=unsafe))
    assert lines[0].startswith("ok: PostgreSQL ")
    assert has(lines, "fault: fsync = off", "ALTER SYSTEM SET fsync = on")
    assert has(lines, "fault: full_page_writes = off", "ALTER SYSTEM SET full_page_writes = on")
    assert has(lines, "fault: synchronous_commit = off", "what was acknowledged", "ALTER SYSTEM SET synchronous_commit = on")
    assert has(lines, "warning: max_connections leaves 17 connections", "ALTER SYSTEM SET max_connections = ")
    assert has(lines, "warning: neither a replica nor an archive of WAL", "pg_dump")


def test_slot_that_nobody_reads_is_told(unsafe: str) -> None:
    asyncio.run(execute(unsafe, "SELECT pg_create_physical_replication_slot('forgotten', true)"))
    lines = look(checks.check_reachable, world(dsn=unsafe))
    assert has(lines, "warning: replication slot forgotten", "SELECT pg_drop_replication_slot('forgotten')")


def test_timeout_that_cuts_the_standby_is_told(database: str) -> None:
    name = urlsplit(database).path.removeprefix("/")
    asyncio.run(execute(database, f"ALTER DATABASE {name} SET statement_timeout = '5s'"))
    assert has(
        look(checks.check_reachable, world(dsn=database)), "warning: statement_timeout = 5000 ms", "SET statement_timeout = 0"
    )


def test_role_without_privileges_is_told(database: str) -> None:
    role = f"guest_{urlsplit(database).path.removeprefix('/')}"
    # Before PostgreSQL 15 everybody might make tables there.
    lock = "REVOKE CREATE ON SCHEMA public FROM PUBLIC"
    asyncio.run(execute(database, lock, f"CREATE ROLE {role} LOGIN", f"GRANT SELECT ON centre TO {role}"))
    try:
        dsn = database.replace("postgres@", f"{role}@", 1)
        lines = look(checks.check_reachable, world(dsn=dsn))
        assert has(lines, f"fault: role {role} may not make tables", f"GRANT CREATE ON SCHEMA public TO {role}")
        assert has(lines, f"fault: role {role} does not own assignment", f"REASSIGN OWNED BY other_role TO {role}")
    finally:
        asyncio.run(execute(database, f"DROP OWNED BY {role}", f"DROP ROLE {role}"))


async def _make_old_bytes(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        # Before PostgreSQL 15 there was no other provider.
        provider = "LOCALE_PROVIDER libc" if connection.get_server_version().major >= 15 else ""
        await connection.execute(f"CREATE DATABASE old_bytes TEMPLATE template0 ENCODING 'SQL_ASCII' {provider} LOCALE 'C'")
    finally:
        await connection.close()


def test_database_in_another_encoding_is_told(postgres_server: Server) -> None:
    asyncio.run(_make_old_bytes(postgres_server.dsn))
    try:
        lines = look(checks.check_reachable, world(dsn=postgres_server.dsn_of("old_bytes")))
        assert has(lines, "fault: the database's encoding is SQL_ASCII", "createdb --encoding=UTF8")
    finally:
        asyncio.run(execute(postgres_server.dsn, "DROP DATABASE old_bytes WITH (FORCE)"))


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({"major": 13, "version": "13.1"}, ("fault: PostgreSQL 13.1 is too old", "14 or later")),
        ({"in_recovery": True}, ("fault: the server is a standby", "name the primary")),
        ({"archiver": Archiver(Micros(1), Micros(2))}, ("fault: archiving of WAL fails", "pg_stat_archiver")),
        ({"connections": 80}, ("warning: max_connections leaves 17", "max_connections = 113")),
    ],
)
def test_condition_is_judged(change: dict[str, object], parts: tuple[str, ...]) -> None:
    kept = {name: getattr(SOUND, name) for name in SOUND.__struct_fields__}
    lines = said(list(checks.judge(ServerCondition(**kept | change), is_own=False)))
    assert has(lines, *parts), lines


def test_server_that_is_not_there_is_a_fault_and_its_password_is_masked() -> None:
    (line,) = look(checks.check_reachable, world(dsn=f"postgresql://jedel:hidden@127.0.0.1:{closed_port()}/jedel"))
    assert line.startswith("fault: postgresql://jedel:***@127.0.0.1:")
    assert "unreachable" in line
    assert "pg_isready" in line
    assert "hidden" not in line


def test_database_that_is_not_there_is_a_fault(postgres_server: Server) -> None:
    (line,) = look(checks.check_reachable, world(dsn=postgres_server.dsn_of("nowhere")))
    assert has([line], "fault:", 'database "nowhere" does not exist', "createdb")


def test_embedded_server_that_does_not_run_is_not_started(tmp_path: Path) -> None:
    assert has(look(checks.check_reachable, world(data_dir=tmp_path)), "warning:", "no database yet", "jedel serve makes one")
    assert embedded.find(tmp_path) is None
    server = embedded.start(tmp_path, CHEAP)
    assert embedded.find(tmp_path) == server.dsn
    server.stop()
    assert embedded.find(tmp_path) is None
    assert has(look(checks.check_reachable, world(data_dir=tmp_path)), "warning: the embedded PostgreSQL does not run")
    assert embedded.find(tmp_path) is None


@pytest.mark.parametrize(
    ("statement", "parts"),
    [
        ("SELECT 1", ("ok: all ", "migrations have run")),
        ("DELETE FROM schema_migration WHERE number >= 9", ("warning: migrations wait: 0009_patrol_state", "jedel serve runs")),
        ("INSERT INTO schema_migration VALUES (9999, 'later', 'x', now())", ("fault:", "9999_later", "run the newer jedel")),
        ("UPDATE schema_migration SET checksum = 'x' WHERE number = 1", ("fault:", "0001_centre", "have been edited")),
    ],
)
def test_migrations_are_those_of_this_version_or_told(database: str, statement: str, parts: tuple[str, ...]) -> None:
    asyncio.run(execute(database, statement))
    lines = look(checks.check_schema, world(dsn=database))
    assert has(lines, *parts), lines


def test_empty_database_is_told(empty_database: str) -> None:
    assert has(look(checks.check_schema, world(dsn=empty_database)), "warning: the database is empty", "jedel serve")


def test_doctor_cannot_write(database: str) -> None:
    async def writing(at: object) -> list[Verdict]:
        async with world(dsn=database).database() as connection:
            await connection.execute("UPDATE centre SET epoch = epoch + 1")
        return []

    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        look(writing, world(dsn=database))
