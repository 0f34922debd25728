"""How storage connects to PostgreSQL: settings of a connection, and the codecs that keep instants whole microseconds.

Place in the flow: persist, recover. Rules: instants are `int` and JSON is `bytes`, in both directions, so that nothing is
parsed on its way. A peer that has vanished without a word is noticed by TCP keep-alives on both ends.
"""

from __future__ import annotations

from typing import Final

import asyncpg

from storage.copy_binary import EPOCH_2000_US

CONNECT_TIMEOUT_S: Final = 10.0
STATEMENT_TIMEOUT_S: Final = 120.0
"""Longer than the slowest batch on a struggling disk; beyond it the connection is taken for dead."""
_SETTINGS: Final = {
    "timezone": "UTC",
    "jit": "off",
    # The server gives up a client that vanished within half a minute, and with it the locks it holds.
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "4",
}


async def connect(dsn: str, purpose: str, timeout_s: float | None = STATEMENT_TIMEOUT_S) -> asyncpg.Connection:
    """Opens a connection.

    Args:
        dsn: any PostgreSQL 14 or later.
        purpose: shown in `pg_stat_activity` after `jedel`.
        timeout_s: limit of each statement, None for statements that wait on purpose.

    Raises whatever asyncpg raises: `storage.errors` translates it.
    """
    connection = await asyncpg.connect(
        dsn,
        timeout=CONNECT_TIMEOUT_S,
        command_timeout=timeout_s,
        server_settings={**_SETTINGS, "application_name": f"jedel {purpose}"},
    )
    try:
        await connection.set_type_codec(
            "timestamptz", schema="pg_catalog", encoder=_encode_instant, decoder=_decode_instant, format="tuple"
        )
        await connection.set_type_codec("json", schema="pg_catalog", encoder=bytes, decoder=bytes, format="binary")
    except BaseException:
        connection.terminate()
        raise
    return connection


def _encode_instant(instant_us: int) -> tuple[int]:
    return (instant_us - EPOCH_2000_US,)


def _decode_instant(value: tuple[int]) -> int:
    return value[0] + EPOCH_2000_US
