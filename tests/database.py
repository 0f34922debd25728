"""A real PostgreSQL for tests: one embedded server a session, one fresh migrated database a test.

Import the fixtures from a `conftest.py`: `from tests.database import database, postgres_server, template  # noqa: F401`.
A database is copied from a migrated template, so it costs some tens of milliseconds; the server runs without fsync.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import asyncpg
import pytest

from storage import embedded, migrate

_NUMBERS = count(1)
CHEAP = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "64MB",
    "max_wal_size": "1GB",
    "min_wal_size": "80MB",
    "autovacuum": "off",
}


async def execute(dsn: str, *statements: str) -> None:
    """Runs statements one after another on a connection of their own."""
    connection = await asyncpg.connect(dsn)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[embedded.EmbeddedServer]:
    """The session's server; its `dsn_of(name)` names any database."""
    folder: Path = tmp_path_factory.mktemp("server")
    server = embedded.start(folder, CHEAP)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def template(postgres_server: embedded.EmbeddedServer) -> str:
    """Name of a migrated database that nobody is connected to."""

    async def make() -> None:
        await execute(postgres_server.dsn_of("postgres"), "CREATE DATABASE migrated TEMPLATE template0")
        connection = await asyncpg.connect(postgres_server.dsn_of("migrated"))
        try:
            await migrate.migrate(connection)
        finally:
            await connection.close()

    asyncio.run(make())
    return "migrated"


@pytest.fixture
def database(postgres_server: embedded.EmbeddedServer, template: str) -> Iterator[str]:
    """DSN of a fresh migrated database, dropped after the test."""
    name = f"test_{next(_NUMBERS)}"
    admin = postgres_server.dsn_of("postgres")
    asyncio.run(execute(admin, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy"))
    yield postgres_server.dsn_of(name)
    asyncio.run(execute(admin, f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
def empty_database(postgres_server: embedded.EmbeddedServer) -> Iterator[str]:
    """DSN of a fresh database without any table, dropped after the test."""
    name = f"test_{next(_NUMBERS)}"
    admin = postgres_server.dsn_of("postgres")
    asyncio.run(execute(admin, f"CREATE DATABASE {name} TEMPLATE template0"))
    yield postgres_server.dsn_of(name)
    asyncio.run(execute(admin, f"DROP DATABASE {name} WITH (FORCE)"))
