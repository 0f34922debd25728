"""The database: whether it answers, is ours, keeps what it has confirmed, and has room for everybody who connects.

Place in the flow: a check of `jedel doctor`. What is acknowledged is committed (invariant 1), and a commit is worth what the
server's settings make of it: each that would let it be lost is a fault, whatever else works.
Source: PostgreSQL documentation, 20.5 (write ahead log), 20.11 (client connection defaults), 26 (backup).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from ops.config import mask_dsn
from ops.doctor.verdict import Verdict, fault, found_or, ok, warning
from ops.doctor.world import World
from storage import condition, embedded, migrate
from storage.condition import ServerCondition
from storage.errors import DRIVER_ERRORS, StorageError, StorageReason, translate
from storage.store import OLDEST_VERSION

CONNECTIONS_OF_A_PROCESS: Final = 13
"""Most connections of an active process at a time: lock, writer, callers, outbox, contexts, imports read again, upkeep, and its
size asked for."""
PROCESSES: Final = 2
"""The active one and its standby."""
COMMANDS: Final = 4
"""Connections for commands beside them."""
_DURABLE: Final[dict[str, tuple[str, str]]] = {
    "fsync": ("on", "a crash of the machine destroys the database"),
    "full_page_writes": ("on", "a crash in the middle of a page's write destroys that page"),
    "ignore_checksum_failure": ("off", "damaged pages are read as if they were whole"),
    "zero_damaged_pages": ("off", "damaged pages are emptied without a word"),
}
_CUTTING: Final = ("idle_session_timeout", "statement_timeout", "lock_timeout", "transaction_timeout")


async def check_reachable(world: World) -> list[Verdict]:
    """Whether there is a database, which, and whether it is one to work with."""
    database = world.config.database
    if not world.dsn:
        if embedded.exists(world.data_dir):
            return [
                warning("the embedded PostgreSQL does not run; nothing of the database was looked at", "jedel serve starts it")
            ]
        return [warning(f"{world.data_dir}: no database yet", "jedel serve makes one; or name one: database.dsn")]
    shown = mask_dsn(world.dsn)
    try:
        async with world.database() as connection:
            server = await condition.read_server(connection)
    except DRIVER_ERRORS as error:
        return [fault(f"{shown}: {translate(error)}", _reach(error))]
    summary = f"PostgreSQL {server.version}, database {server.database}, role {server.role}, {_size(server.database_bytes)}"
    return [ok(summary), *judge(server, is_own=not database.dsn)]


def _reach(error: Exception) -> str:
    reason = getattr(error, "sqlstate", None) or ""
    if reason.startswith("28"):
        return "check user and password in database.dsn, and the server's pg_hba.conf"
    if reason == "3D000":
        return "make the database: createdb NAME, or correct its name in database.dsn"
    return "is it running, and are host and port in database.dsn right? pg_isready -d DSN"


def judge(server: ServerCondition, *, is_own: bool) -> Iterator[Verdict]:
    """What is wrong with a server and its database.

    Args:
        server: as it was read.
        is_own: whether it is the embedded one, whose settings are jedel's affair.
    """
    if server.major < OLDEST_VERSION:
        yield fault(f"PostgreSQL {server.version} is too old", f"{OLDEST_VERSION} or later is needed: pg_upgrade")
    if server.in_recovery:
        yield fault(
            "the server is a standby and takes no writes", "name the primary in database.dsn (or target_session_attrs=primary)"
        )
    if server.encoding != "UTF8":
        yield fault(
            f"the database's encoding is {server.encoding}", "make it anew: createdb --encoding=UTF8 --template=template0 NAME"
        )
    if not server.may_create:
        yield fault(
            f"role {server.role} may not make tables, and the days' partitions are tables",
            f"ALTER SCHEMA public OWNER TO {server.role}, or GRANT CREATE ON SCHEMA public TO {server.role}",
        )
    if server.others_tables:
        yield fault(
            f"role {server.role} does not own {', '.join(server.others_tables)}",
            f"REASSIGN OWNED BY other_role TO {server.role} (as the owner or a superuser)",
        )
    yield from judge_durability(server.settings)
    yield from judge_connections(server)
    yield from judge_copies(server, is_own=is_own)


def judge_durability(settings: Mapping[str, str]) -> Iterator[Verdict]:
    """What of a server's settings would lose or damage what it has confirmed, or cut connections that wait on purpose."""
    for name, (wanted, consequence) in _DURABLE.items():
        if settings.get(name, wanted) != wanted:
            yield fault(
                f"{name} = {settings[name]}: {consequence}", f"ALTER SYSTEM SET {name} = {wanted}; SELECT pg_reload_conf()"
            )
    if settings.get("synchronous_commit") == "off":
        yield fault(
            "synchronous_commit = off: a crash loses what was acknowledged",
            "ALTER SYSTEM SET synchronous_commit = on; SELECT pg_reload_conf()",
        )
    if settings.get("data_checksums", "on") == "off":
        yield warning("data_checksums = off: a disk's errors are not noticed", "with the server stopped: pg_checksums --enable")
    for name in _CUTTING:
        if settings.get(name, "0") != "0":
            yield warning(
                f"{name} = {settings[name]} ms: cuts connections that wait on purpose, such as the standby's",
                f"ALTER ROLE jedel SET {name} = 0 (with the role of database.dsn)",
            )


def judge_connections(server: ServerCondition) -> Iterator[Verdict]:
    """Whether an active process, a standby and some commands find a connection each time."""
    allowed = int(server.settings["max_connections"])
    free = allowed - int(server.settings["superuser_reserved_connections"]) - server.connections
    needed = PROCESSES * CONNECTIONS_OF_A_PROCESS + COMMANDS
    if free < needed:
        yield warning(
            f"max_connections leaves {max(0, free)} connections; an active process, a standby and commands take up to {needed}",
            f"ALTER SYSTEM SET max_connections = {allowed + needed - free}; then restart the server",
        )


def judge_copies(server: ServerCondition, *, is_own: bool) -> Iterator[Verdict]:
    """Whether anything is left when the disk is lost."""
    failed, archived = server.archiver.failed_us, server.archiver.archived_us
    archives = server.settings.get("archive_mode", "off") != "off"
    if archives and failed is not None and (archived is None or failed > archived):
        yield fault(
            "archiving of WAL fails, and what is not archived is kept until the disk is full",
            "read the server's log; SELECT * FROM pg_stat_archiver",
        )
    if not archives and not server.replicas:
        remedy = (
            "daily: pg_dump -Fc; the embedded server has nothing else"
            if is_own
            else "archive_mode = on with pgBackRest or WAL-G, or a replica; at least a daily pg_dump -Fc"
        )
        yield warning("neither a replica nor an archive of WAL: a lost disk loses all since the last backup", remedy)
    for slot in server.dead_slots:
        yield warning(
            f"replication slot {slot} has no reader, and WAL is kept for it without end",
            f"SELECT pg_drop_replication_slot('{slot}')",
        )


async def check_schema(world: World) -> list[Verdict]:
    """Whether the schema is the one this version knows."""
    async with world.database() as connection:
        try:
            pending = await migrate.pending(connection)
        except StorageError as error:
            remedy = {
                StorageReason.NEWER_DATABASE: "run the newer jedel; a database never goes back to an older one",
                StorageReason.CHANGED_MIGRATION: "install the released jedel again: its migrations have been edited",
            }.get(error.reason, "jedel serve says more")
            return [fault(error.text, remedy)]
    known = len(migrate.known())
    if len(pending) == known:
        return [warning("the database is empty", "jedel serve makes the schema when it starts")]
    if pending:
        numbers = ", ".join(f"{one.number:04d}_{one.name}" for one in pending)
        return [warning(f"migrations wait: {numbers}", "jedel serve runs them when it starts; take a backup before")]
    return found_or([], f"all {known} migrations have run")


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"
