"""What a PostgreSQL server and the centre's database in it are like, for whoever must judge whether a centre may trust them.

Place in the flow: beside it, for `jedel doctor` and `ops.room`. Rules: only reads, and works on a database that was never
migrated. What the role may not see is absent, and nobody takes that for a fault.
"""

from __future__ import annotations

from typing import Final

import asyncpg
import msgspec

from core.instant import Micros

SETTINGS: Final = (
    *("fsync", "full_page_writes", "synchronous_commit", "data_checksums", "zero_damaged_pages", "ignore_checksum_failure"),
    *("max_connections", "superuser_reserved_connections", "max_wal_size", "archive_mode", "TimeZone"),
    *("idle_session_timeout", "statement_timeout", "lock_timeout", "transaction_timeout", "data_directory"),
)
"""What is read of `pg_settings`, as the server has it for a new session of this role: numbers in the setting's own unit."""
_TABLES: Final = "SELECT to_regclass('centre') IS NOT NULL"


class Archiver(msgspec.Struct, frozen=True):
    """What has become of the archiving of WAL."""

    archived_us: Micros | None
    failed_us: Micros | None


class ServerCondition(msgspec.Struct, frozen=True):
    """A server, and one database of it as one role sees it."""

    version: str
    major: int
    database: str
    role: str
    settings: dict[str, str]
    in_recovery: bool
    encoding: str
    connections: int
    """In use now by everybody but us."""
    may_create: bool
    """Whether the role may make tables in the schema it works in."""
    others_tables: tuple[str, ...]
    """Tables of that schema which belong to a role that this one is no member of."""
    replicas: int
    archiver: Archiver
    dead_slots: tuple[str, ...]
    """Replication slots that nobody reads, for which WAL is kept without end."""
    database_bytes: int
    wal_bytes: int
    """Written since `wal_since_us`."""
    wal_since_us: Micros


class Wal(msgspec.Struct, frozen=True):
    """The WAL that a server keeps."""

    kept_bytes: int
    """All its files, those among them that are ready to be written next."""
    oldest_us: Micros | None
    """When the oldest of those that have been written was written last."""


class Space(msgspec.Struct, frozen=True):
    """What a database takes of its server's disk."""

    major: int
    database_bytes: int
    folder: str | None
    """The server's data directory; None where the role may not know."""
    wal: Wal | None
    """None where the role may not know."""


class RegisterState(msgspec.Struct, frozen=True):
    """A register as it was imported last."""

    register: str
    row_count: int
    imported_us: Micros | None


class LayerState(msgspec.Struct, frozen=True):
    """A stored map layer, without its data."""

    name: str
    imported_us: Micros
    source_name: str
    statistics: bytes


async def read_server(connection: asyncpg.Connection) -> ServerCondition:
    """What the server and the database are like. Raises what asyncpg raises."""
    version = connection.get_server_version()
    # `reset_val`: our own session has settings of its own.
    settings = await connection.fetch("SELECT name, reset_val FROM pg_settings WHERE name = ANY ($1)", list(SETTINGS))
    row = await connection.fetchrow(
        "SELECT current_database() AS database, current_user AS role, pg_is_in_recovery() AS in_recovery,"
        " (SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = current_database()) AS encoding,"
        " (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        "  AND application_name NOT LIKE 'jedel %') AS connections,"
        " coalesce(has_schema_privilege(current_schema(), 'CREATE'), false) AS may_create,"
        " ARRAY(SELECT relname::text FROM pg_class WHERE relnamespace = current_schema()::regnamespace"
        "  AND relkind IN ('r', 'p') AND NOT pg_has_role(relowner, 'USAGE') ORDER BY relname LIMIT 5) AS others_tables,"
        " (SELECT count(*) FROM pg_stat_replication) AS replicas,"
        " (SELECT last_archived_time FROM pg_stat_archiver) AS archived_us,"
        " (SELECT last_failed_time FROM pg_stat_archiver) AS failed_us,"
        " ARRAY(SELECT slot_name::text FROM pg_replication_slots WHERE NOT active ORDER BY slot_name) AS dead_slots,"
        " pg_database_size(current_database()) AS database_bytes,"
        " (SELECT wal_bytes::bigint FROM pg_stat_wal) AS wal_bytes,"
        " (SELECT coalesce(stats_reset, pg_postmaster_start_time()) FROM pg_stat_wal) AS wal_since_us"
    )
    assert row is not None, "a row without a table"
    return ServerCondition(
        version=f"{version.major}.{version.minor}",
        major=version.major,
        database=row["database"],
        role=row["role"],
        settings={one["name"]: one["reset_val"] for one in settings},
        in_recovery=row["in_recovery"],
        encoding=row["encoding"],
        connections=row["connections"],
        may_create=row["may_create"],
        others_tables=tuple(row["others_tables"]),
        replicas=row["replicas"],
        archiver=Archiver(row["archived_us"], row["failed_us"]),
        dead_slots=tuple(row["dead_slots"]),
        database_bytes=row["database_bytes"],
        wal_bytes=row["wal_bytes"],
        wal_since_us=row["wal_since_us"],
    )


async def read_space(connection: asyncpg.Connection) -> Space:
    """What the database and the server's WAL take. Raises what asyncpg raises.

    What the role may not ask (`pg_ls_waldir` takes a member of pg_monitor) is not asked: the server's log would have an error
    each time.
    """
    row = await connection.fetchrow(
        "SELECT pg_database_size(current_database()) AS database_bytes,"
        " (SELECT setting FROM pg_settings WHERE name = 'data_directory') AS folder,"
        " NOT pg_is_in_recovery() AND has_function_privilege('pg_ls_waldir()', 'EXECUTE') AS may_know_wal"
    )
    assert row is not None, "a row without a table"
    wal = None
    if row["may_know_wal"]:
        # Files behind the present one are old ones with a new name: their time says nothing.
        kept = await connection.fetchrow(
            "SELECT coalesce(sum(size), 0)::bigint AS kept_bytes,"
            " min(modification) FILTER (WHERE name ~ '^[0-9A-F]{24}$' AND name <= pg_walfile_name(pg_current_wal_lsn()))"
            "  AS oldest_us FROM pg_ls_waldir()"
        )
        assert kept is not None, "an aggregate without a row"
        wal = Wal(kept["kept_bytes"], kept["oldest_us"])
    return Space(connection.get_server_version().major, row["database_bytes"], row["folder"], wal)


async def read_clock(connection: asyncpg.Connection) -> Micros:
    """The server's wall clock. Raises what asyncpg raises."""
    found: Micros = await connection.fetchval("SELECT clock_timestamp()")
    return found


async def is_migrated(connection: asyncpg.Connection) -> bool:
    """Whether the centre's tables are there at all. Raises what asyncpg raises."""
    found: bool = await connection.fetchval(_TABLES)
    return found


async def read_registers(connection: asyncpg.Connection) -> list[RegisterState]:
    """Every register, with what it was imported with last. Raises what asyncpg raises."""
    rows = await connection.fetch("SELECT register, row_count, imported_at FROM register_version ORDER BY register")
    return [RegisterState(*row) for row in rows]


async def read_layers(connection: asyncpg.Connection) -> dict[str, LayerState]:
    """Every stored map layer by name. Raises what asyncpg raises."""
    rows = await connection.fetch("SELECT name, imported_at, source_name, statistics FROM map_layer")
    return {row["name"]: LayerState(*row) for row in rows}


async def read_scenario_bodies(connection: asyncpg.Connection) -> list[bytes]:
    """Every scenario version that the centre has gone by, as JSON. Raises what asyncpg raises."""
    return [row["body"] for row in await connection.fetch("SELECT body FROM scenario")]
