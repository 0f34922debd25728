"""Every failure has its reason, and the reason says what may be done."""

from __future__ import annotations

import asyncpg
import pytest

from storage.errors import Fenced, StorageError, StorageReason, reason_of, translate


def of_sqlstate(state: str) -> asyncpg.PostgresError:
    error = asyncpg.PostgresError("words")
    error.__dict__["sqlstate"] = state
    return error


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (of_sqlstate("08006"), StorageReason.UNREACHABLE),
        (of_sqlstate("40P01"), StorageReason.UNREACHABLE),
        (of_sqlstate("53100"), StorageReason.UNREACHABLE),
        (of_sqlstate("57P03"), StorageReason.UNREACHABLE),
        (of_sqlstate("58030"), StorageReason.UNREACHABLE),
        (of_sqlstate("25006"), StorageReason.UNREACHABLE),
        (of_sqlstate("55P03"), StorageReason.UNREACHABLE),
        (of_sqlstate("22021"), StorageReason.REFUSED_DATA),
        (of_sqlstate("JD001"), StorageReason.FENCED),
        (of_sqlstate("42P01"), StorageReason.INTERNAL),
        (of_sqlstate("23505"), StorageReason.INTERNAL),
        (asyncpg.InterfaceError("connection is closed"), StorageReason.UNREACHABLE),
        (asyncpg.DataError("invalid input for query argument"), StorageReason.REFUSED_DATA),
        (UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed"), StorageReason.REFUSED_DATA),
        (ConnectionResetError(), StorageReason.UNREACHABLE),
        (TimeoutError(), StorageReason.UNREACHABLE),
        (RuntimeError("unable to perform operation on <UnixTransport>; the handler is closed"), StorageReason.UNREACHABLE),
        (RuntimeError("words"), StorageReason.INTERNAL),
        (KeyError("column"), StorageReason.INTERNAL),
        (Fenced("words"), StorageReason.FENCED),
    ],
)
def test_reason_of_says_what_may_be_done(error: BaseException, reason: StorageReason) -> None:
    assert reason_of(error) is reason
    translated = translate(error)
    assert isinstance(translated, StorageError) and translated.reason is reason
    assert isinstance(translated, Fenced) is (reason is StorageReason.FENCED)


def test_translate_leaves_our_own_errors_alone() -> None:
    error = StorageError(StorageReason.SERVER_START, "words")
    assert translate(error) is error
