"""What every register's import shares: one at a time, the report of it, and the version that tells caches to forget.

Place in the flow: beside it (OCC-1). `storage.subscribers` and `storage.devices` are the registers.
"""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from enum import Enum
from typing import TYPE_CHECKING, Final

import asyncpg
import msgspec

from storage.errors import DRIVER_ERRORS, translate
from storage.register_file import LineError

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Connection = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]

LOCK_SPACE: Final = 0x6A726567
"""First key of the registers' advisory locks, so that they meet no other lock of the centre."""


class ImportMode(Enum):
    """What becomes of the rows that a file does not mention."""

    REPLACE = "replace"
    """They go: the file is the whole register."""
    MERGE = "merge"
    """They stay: the file adds and changes."""


class ImportRunning(Exception):  # noqa: N818 - a state of affairs, not a fault
    """Another import of the same register is running."""


class ImportReport(msgspec.Struct, frozen=True):
    """What an import did. `line_count = accepted + rejected`; `accepted = imported + duplicates`."""

    line_count: int
    accepted: int
    rejected: int
    duplicates: int
    """Good lines that a later line of the file replaced."""
    row_count: int
    """Rows in the register after the import."""
    version: int
    errors: tuple[LineError, ...]
    """The first refused lines; the error file has them all."""


@contextmanager
def storage_errors() -> Iterator[None]:
    """Lets asyncpg's errors out as `StorageError`."""
    try:
        yield
    except DRIVER_ERRORS as error:
        raise translate(error) from error


@asynccontextmanager
async def one_import(connection: Connection, register: str) -> AsyncIterator[None]:
    """Holds a register for one import. Raises `ImportRunning` at once when another session has it."""
    keys = (LOCK_SPACE, register)
    if not await connection.fetchval("SELECT pg_try_advisory_lock($1, hashtext($2))", *keys):
        raise ImportRunning(f"another import of register {register!r} is running")
    try:
        yield
    finally:
        if not connection.is_closed():
            await connection.execute("SELECT pg_advisory_unlock($1, hashtext($2))", *keys)


async def raise_version(connection: Connection, register: str, row_count: int) -> int:
    """Gives the register its next version; to be called in the transaction that changes its rows."""
    version: int = await connection.fetchval(
        "UPDATE register_version SET version = version + 1, row_count = $2, imported_at = now() "
        "WHERE register = $1 RETURNING version",
        register,
        row_count,
    )
    return version


def copy_text(rows: Iterable[tuple[object, ...]]) -> bytes:
    """Rows as COPY's CSV, UTF-8. None is the empty field, so text columns need `force_not_null`."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()
