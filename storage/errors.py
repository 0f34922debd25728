"""The one family of errors storage raises, and the one place where PostgreSQL's are translated into it.

Place in the flow: persist. Rules: every error carries an enumerated reason, which is also the metric's label; whoever catches
`StorageError` needs to know nothing of asyncpg. `verdict_of` says what a caller may do about a failure: try again, look for
bad rows, or stop.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

import asyncpg

FENCED_SQLSTATE: Final = "JD001"
"""Raised by the schema's `commit_batch` when the epoch or the batch number is not the expected one."""


class StorageReason(Enum):
    """Why storage could not do what it was asked."""

    UNREACHABLE = "unreachable"
    """The database does not answer, is starting, stopping, full or read-only. Passes by itself."""
    FENCED = "fenced"
    """Another process has become the active one of this centre."""
    REFUSED_DATA = "refused_data"
    """PostgreSQL cannot hold a value, for example text with a NUL."""
    NEWER_DATABASE = "newer_database"
    """The database was migrated by a newer version of jedel."""
    OLDER_DATABASE = "older_database"
    """The database waits for migrations, and a process that does not know them is active on it."""
    CHANGED_MIGRATION = "changed_migration"
    """A migration that this database has already run reads differently now."""
    BUSY = "busy"
    """Another process is at the same housekeeping. Passes by itself."""
    SERVER_START = "server_start"
    """The embedded server could not be started."""
    INTERNAL = "internal"
    """Our bug: a statement or a row that the schema does not allow."""


class StorageError(Exception):
    """Storage failed. `reason` is enumerated; the text is for a person."""

    def __init__(self, reason: StorageReason, text: str) -> None:
        super().__init__(f"{reason.value}: {text}")
        self.reason = reason
        self.text = text


class Fenced(StorageError):  # noqa: N818 - says what has happened to us
    """This process is no longer the active one: it must stop deciding, and become active anew before it goes on."""

    def __init__(self, text: str) -> None:
        super().__init__(StorageReason.FENCED, text)


_PASSES: Final = ("08", "40", "53", "57", "58")
"""SQLSTATE classes that pass by themselves: connection, rollback, resources, operator intervention, system error."""
_READ_ONLY: Final = "25006"
"""A fail-over has left us on a standby server for the moment."""
_LOCK_NOT_AVAILABLE: Final = "55P03"


DRIVER_ERRORS: Final = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    EOFError,
    RuntimeError,
)
"""All that asyncpg and the socket under it raise (a `TimeoutError` is an `OSError`); `translate` takes each."""
_CLOSED_HANDLE: Final = "handler is closed"
"""uvloop's words, in a bare `RuntimeError`, for a write to a socket whose end it has seen and not yet told of."""


def reason_of(error: BaseException) -> StorageReason:
    """The reason of an error that asyncpg or the operating system raised.

    `UNREACHABLE` may be tried again; `REFUSED_DATA` is one row's fault; everything else stops the caller.
    """
    if isinstance(error, StorageError):
        return error.reason
    if isinstance(error, asyncpg.PostgresError):
        state = error.sqlstate or ""
        if state == FENCED_SQLSTATE:
            return StorageReason.FENCED
        if state.startswith(_PASSES) or state in (_READ_ONLY, _LOCK_NOT_AVAILABLE):
            return StorageReason.UNREACHABLE
        if state.startswith("22"):
            return StorageReason.REFUSED_DATA
        return StorageReason.INTERNAL
    if isinstance(error, asyncpg.DataError | UnicodeError):
        return StorageReason.REFUSED_DATA
    if isinstance(error, asyncpg.InterfaceError | asyncpg.InternalClientError | OSError | TimeoutError | EOFError):
        # "connection is closed" and "another operation is in progress" are InterfaceErrors: a new connection heals both.
        return StorageReason.UNREACHABLE
    if isinstance(error, RuntimeError) and _CLOSED_HANDLE in str(error):
        return StorageReason.UNREACHABLE
    return StorageReason.INTERNAL


def translate(error: BaseException) -> StorageError:
    """The error as one of our family; give it `from error` when raising."""
    if isinstance(error, StorageError):
        return error
    reason = reason_of(error)
    text = f"{type(error).__name__}: {error}"
    return Fenced(text) if reason is StorageReason.FENCED else StorageError(reason, text)
