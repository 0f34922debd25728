"""How storage connects to PostgreSQL: settings of a connection, and the codecs that keep instants whole microseconds.

Place in the flow: persist, recover. Rules: instants are `int` and JSON is `bytes`, in both directions, so that nothing is
parsed on its way. A peer that has vanished without a word is noticed by TCP keep-alives on both ends.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import Final

import asyncpg

from storage.copy_binary import EPOCH_2000_US
from storage.errors import DRIVER_ERRORS

CONNECT_TIMEOUT_S: Final = 10.0
STATEMENT_TIMEOUT_S: Final = 120.0
"""Longer than the slowest batch on a struggling disk; beyond it the connection is taken for dead."""
CLOSE_TIMEOUT_S: Final = 5.0
"""A server that has stopped answering must not keep us from closing."""
KEEPALIVE_IDLE_S: Final = 10
KEEPALIVE_INTERVAL_S: Final = 5
KEEPALIVE_COUNT: Final = 4
"""With the two above: a peer that has vanished is given up within half a minute."""
_SETTINGS: Final = {
    "timezone": "UTC",
    "jit": "off",
    # The server gives up a client that vanished, and with it the locks it holds.
    "tcp_keepalives_idle": str(KEEPALIVE_IDLE_S),
    "tcp_keepalives_interval": str(KEEPALIVE_INTERVAL_S),
    "tcp_keepalives_count": str(KEEPALIVE_COUNT),
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
        _keep_alive(connection)
        await connection.set_type_codec(
            "timestamptz", schema="pg_catalog", encoder=_encode_instant, decoder=_decode_instant, format="tuple"
        )
        await connection.set_type_codec("json", schema="pg_catalog", encoder=bytes, decoder=bytes, format="binary")
    except BaseException:
        cut(connection)
        raise
    return connection


async def close(connection: asyncpg.Connection) -> None:
    """Closes a connection in order if the server lets us, and otherwise cuts it. Never raises and never waits for long."""
    try:
        await connection.close(timeout=CLOSE_TIMEOUT_S)
    except DRIVER_ERRORS:
        cut(connection)


def cut(connection: asyncpg.Connection) -> None:
    """Lets go of a connection at once, without a word that is waited for. Never raises.

    asyncpg says goodbye even then. Between the server's going and the loop's telling asyncpg so, uvloop refuses to write that.
    """
    with suppress(RuntimeError):
        connection.terminate()


def _keep_alive(connection: asyncpg.Connection) -> None:
    """Has our kernel ask whether the server is still there: a connection that only waits, as the lock's, sends nothing."""
    transport: asyncio.Transport = connection._transport  # type: ignore[attr-defined]  # asyncpg shows its socket nowhere else
    own = transport.get_extra_info("socket")
    if own is None or own.family not in (socket.AF_INET, socket.AF_INET6):
        return
    own.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    own.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_IDLE_S)
    own.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S)
    own.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, KEEPALIVE_COUNT)


def _encode_instant(instant_us: int) -> tuple[int]:
    return (instant_us - EPOCH_2000_US,)


def _decode_instant(value: tuple[int]) -> int:
    return value[0] + EPOCH_2000_US
