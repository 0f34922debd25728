"""Brings a database to the schema this version of jedel knows, by itself, before anything else uses it.

Place in the flow: before it. Works on PostgreSQL 14 and later. Rules:
- Migrations are `migrations/NNNN_name.sql`, numbered from 1 without gaps, run in order, each once and in a transaction of its
  own, under an advisory lock, so that processes starting together do not collide.
- What ran is kept in `schema_migration` with the SHA-256 of its text: a migration is never edited once released, and a database
  newer than the code is refused rather than guessed at.
- No migration runs while a process of the centre is active: it would change the tables under a version that does not know
  it. A process migrates when it has become the active one (`storage.lock.acquire`), a standby and a command beside it never do.
  So a migration need not be something that the version before can live with.
- A migration waits for no table longer than `LOCK_TIMEOUT_S`: behind a dump that holds it, everything else would wait too.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Final

import asyncpg
import msgspec

from storage.errors import DRIVER_ERRORS, StorageError, StorageReason, translate
from storage.lock import is_anybody_active

MIGRATIONS: Final = Path(__file__).with_name("migrations")
MIGRATION_LOCK: Final = 0x6A6564656C4D4947
"""Advisory lock key: `jedelMIG` in ASCII."""
LOCK_TIMEOUT_S: Final = 3
_NAME: Final = re.compile(r"(\d{4})_(\w+)\.sql")


class Migration(msgspec.Struct, frozen=True):
    """One step of the schema."""

    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the text, in hex."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def known(folder: Path = MIGRATIONS) -> list[Migration]:
    """The migrations of a folder, in order. Raises `StorageError` (`INTERNAL`) when their numbers have a gap."""
    found: list[Migration] = []
    for path in sorted(folder.glob("*.sql")):
        matched = _NAME.fullmatch(path.name)
        if matched is None or int(matched[1]) != len(found) + 1:
            raise StorageError(StorageReason.INTERNAL, f"migration {path.name} is not number {len(found) + 1:04d}")
        found.append(Migration(number=int(matched[1]), name=matched[2], sql=path.read_text(encoding="utf-8")))
    return found


async def migrate(
    connection: asyncpg.Connection, migrations: list[Migration] | None = None, *, unless_active: bool = False
) -> list[Migration]:
    """Runs what has not run yet.

    Args:
        connection: outside a transaction; its role may create tables.
        migrations: those of this version when None.
        unless_active: for who is not the active process: where one is, nothing is run.

    Returns:
        What was run now; empty when the schema was up to date.

    Raises:
        StorageError: `NEWER_DATABASE`, `CHANGED_MIGRATION`; `OLDER_DATABASE` where something waits to be run and a process is
            active; or what a failing statement translates to. Migrations before the failing one stay.
    """
    wanted = known() if migrations is None else migrations
    ran: list[Migration] = []
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", MIGRATION_LOCK)
        try:
            await connection.execute(
                "CREATE TABLE IF NOT EXISTS schema_migration ("
                " number integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL,"
                " applied_at timestamptz NOT NULL DEFAULT now())"
            )
            done = {row["number"]: row for row in await connection.fetch("SELECT number, name, checksum FROM schema_migration")}
            _check(wanted, {number: (row["name"], row["checksum"]) for number, row in done.items()})
            waiting = [migration for migration in wanted if migration.number not in done]
            if waiting and unless_active and await is_anybody_active(connection):
                raise StorageError(
                    StorageReason.OLDER_DATABASE,
                    f"the database waits for migration {waiting[0].number:04d}_{waiting[0].name}, and the active process is of"
                    " a version before it: a standby of this version migrates when it takes over",
                )
            for migration in waiting:
                async with connection.transaction():
                    await connection.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT_S}s'")
                    await connection.execute(migration.sql)
                    await connection.execute(
                        "INSERT INTO schema_migration (number, name, checksum) VALUES ($1, $2, $3)",
                        migration.number,
                        migration.name,
                        migration.checksum,
                    )
                ran.append(migration)
        finally:
            if not connection.is_closed():
                await connection.execute("SELECT pg_advisory_unlock($1)", MIGRATION_LOCK)
    except DRIVER_ERRORS as error:
        raise translate(error) from error
    return ran


async def pending(connection: asyncpg.Connection) -> list[Migration]:
    """What `migrate` would run on this database; changes nothing.

    Raises:
        StorageError: `NEWER_DATABASE` or `CHANGED_MIGRATION`, as `migrate` would.
    """
    wanted = known()
    try:
        if not await connection.fetchval("SELECT to_regclass('schema_migration') IS NOT NULL"):
            return wanted
        rows = await connection.fetch("SELECT number, name, checksum FROM schema_migration")
    except DRIVER_ERRORS as error:
        raise translate(error) from error
    done = {row["number"]: (row["name"], row["checksum"]) for row in rows}
    _check(wanted, done)
    return [migration for migration in wanted if migration.number not in done]


def _check(wanted: list[Migration], done: dict[int, tuple[str, str]]) -> None:
    by_number = {migration.number: migration for migration in wanted}
    for number, (name, checksum) in sorted(done.items()):
        migration = by_number.get(number)
        if migration is None:
            raise StorageError(
                StorageReason.NEWER_DATABASE,
                f"the database has migration {number:04d}_{name}, this jedel knows only {len(wanted)}: run a newer one",
            )
        if migration.checksum != checksum:
            raise StorageError(
                StorageReason.CHANGED_MIGRATION,
                f"migration {number:04d}_{name} ran on this database with another text ({checksum[:12]}…, now "
                f"{migration.checksum[:12]}…): a released migration must not be edited",
            )
