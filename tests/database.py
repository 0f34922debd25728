"""A real PostgreSQL for tests: one embedded server a session, one fresh migrated database a test.

Import the fixtures from a `conftest.py`: `from tests.database import database, postgres_server, template  # noqa: F401`.
A database is copied from a migrated template, so it costs some tens of milliseconds; the server runs without fsync.

To run the tests against another PostgreSQL (14 or later), name one of its databases in TEST_DSN, as a user who may make
databases: `TEST_DSN=postgresql://postgres@127.0.0.1:5432/postgres .venv/bin/pytest tests/storage`. Nothing else on that server
is touched.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

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


class Server:
    """The PostgreSQL that the tests make their databases in."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn

    def dsn_of(self, name: str) -> str:
        """The DSN of any of its databases."""
        return urlsplit(self.dsn)._replace(path=f"/{name}").geturl()


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The session's server: the one that TEST_DSN names, or an embedded one."""
    named = os.environ.get("TEST_DSN")
    if named:
        yield Server(named)
        return
    folder: Path = tmp_path_factory.mktemp("server")
    server = embedded.start(folder, CHEAP)
    yield Server(server.dsn)
    server.stop()


@pytest.fixture(scope="session")
def template(postgres_server: Server) -> Iterator[str]:
    """Name of a migrated database that nobody is connected to."""
    name = f"migrated_{os.getpid()}"

    async def make() -> None:
        await execute(postgres_server.dsn, f"CREATE DATABASE {name} TEMPLATE template0")
        connection = await asyncpg.connect(postgres_server.dsn_of(name))
        try:
            await migrate.migrate(connection)
        finally:
            await connection.close()

    asyncio.run(make())
    yield name
    asyncio.run(execute(postgres_server.dsn, f"DROP DATABASE {name} WITH (FORCE)"))


async def _copy(server: Server, template: str, name: str) -> None:
    connection = await asyncpg.connect(server.dsn)
    try:
        # The quick way to copy a small database came with PostgreSQL 15; before, it was the only one.
        strategy = " STRATEGY file_copy" if connection.get_server_version().major >= 15 else ""
        await connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}{strategy}")
    finally:
        await connection.close()


@pytest.fixture
def database(postgres_server: Server, template: str) -> Iterator[str]:
    """DSN of a fresh migrated database, dropped after the test."""
    name = f"test_{os.getpid()}_{next(_NUMBERS)}"
    asyncio.run(_copy(postgres_server, template, name))
    yield postgres_server.dsn_of(name)
    asyncio.run(execute(postgres_server.dsn, f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
def empty_database(postgres_server: Server) -> Iterator[str]:
    """DSN of a fresh database without any table, dropped after the test."""
    name = f"test_{os.getpid()}_{next(_NUMBERS)}"
    asyncio.run(execute(postgres_server.dsn, f"CREATE DATABASE {name} TEMPLATE template0"))
    yield postgres_server.dsn_of(name)
    asyncio.run(execute(postgres_server.dsn, f"DROP DATABASE {name} WITH (FORCE)"))
