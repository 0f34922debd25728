"""Ingest over TCP: reads in large pieces on the asyncio loop (uvloop in the service) and hands them to the connection.

Place in the flow: **bytes** → frame → message → event. All connections of a listener read into one buffer: asyncio asks for the
buffer, fills it and reports it without anything running in between, so a silent connection costs no buffer at all.

A connection that the centre closes lingers: it sends its goodbye, closes its sending half and discards what still comes,
because closing a socket with unread bytes makes the kernel reset it, and the peer would never read why.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Final, cast

from protocols.ingest.connection import Connection, Wire
from protocols.ingest.message import GoodbyeReason

READ_BYTES: Final = 128 * 1024
"""One read. Larger ones no longer make an event cheaper, and a full inlet may be overrun by one read a connection."""
WRITE_BUFFER_BYTES: Final = 256 * 1024
"""Unsent bytes beyond which the source is not read until it reads."""
LINGER_S: Final = 2.0
"""How long a closed connection waits for the peer's own end."""
LINGER_BYTES: Final = 8 * 1024 * 1024
"""How much it discards meanwhile."""

Opened = Callable[[Wire], Connection]
"""Makes the connection for a wire that has just opened."""


class TcpWire(asyncio.BufferedProtocol):
    """One TCP connection."""

    def __init__(self, opened: Opened, buffer: bytearray) -> None:
        self._opened = opened
        self._buffer = memoryview(buffer)
        self._transport: asyncio.Transport | None = None
        self._connection: Connection | None = None
        self._peer_ended = False
        self._lingering = False
        self._discarded_bytes = 0
        self._linger_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio: the connection is open."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=WRITE_BUFFER_BYTES)
        self._connection = self._opened(self)

    def get_buffer(self, sizehint: int) -> memoryview:
        """asyncio: where to put the next bytes."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """asyncio: bytes have come."""
        if self._lingering:
            self._discarded_bytes += nbytes
            if self._discarded_bytes > LINGER_BYTES:
                self.abort()
        elif self._connection is not None:
            self._connection.received(bytes(self._buffer[:nbytes]))

    def eof_received(self) -> bool:
        """asyncio: the peer sends nothing more. Keeps the connection for the acknowledgements, where the transport can."""
        self._peer_ended = True
        if self._lingering or self._connection is None or self._transport is None or not self._transport.can_write_eof():
            return False
        self._connection.ended()
        return not self._lingering

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio: the connection is gone."""
        if self._linger_timer is not None:
            self._linger_timer.cancel()
        if self._connection is not None:
            self._connection.lost()

    def pause_writing(self) -> None:
        """asyncio: the peer does not take what is sent."""
        if self._connection is not None:
            self._connection.writing_blocked()

    def resume_writing(self) -> None:
        """asyncio: the peer has taken what was sent."""
        if self._connection is not None:
            self._connection.writing_freed()

    def write(self, data: bytes) -> None:
        """Sends frames."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def close(self, reason: GoodbyeReason) -> None:
        """Ends the sending half and discards the rest of the other, for a moment."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        self._lingering = True
        self._linger_timer = asyncio.get_running_loop().call_later(LINGER_S, self.abort)
        if transport.can_write_eof() and not self._peer_ended:
            transport.write_eof()
            transport.resume_reading()
        else:
            transport.close()

    def abort(self) -> None:
        """Cuts the connection."""
        if self._transport is not None:
            self._transport.abort()

    def pause_reading(self) -> None:
        """Stops reading."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Reads again."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()


async def serve_tcp(opened: Opened, host: str, port: int, tls: ssl.SSLContext | None) -> asyncio.Server:
    """Listens on TCP.

    Args:
        opened: makes the connection for each wire.
        host: address to bind.
        port: port to bind, 0 for any.
        tls: the certificate to show, or None for plain TCP.

    Raises:
        OSError: the address cannot be bound.
    """
    buffer = bytearray(READ_BYTES)
    return await asyncio.get_running_loop().create_server(lambda: TcpWire(opened, buffer), host, port, ssl=tls, backlog=1024)
