"""The way to a test's database, over which it can be broken, or stopped from a certain word on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlsplit


class Way:
    """Carries connections to a database; there is one DSN by it (`served`) beside the database's own.

    Args:
        dsn: the database's own, by a unix socket or by TCP.
        mute_from: words of a client after which neither side hears the other any more, though all connections stay.
    """

    def __init__(self, dsn: str, mute_from: bytes = b"") -> None:
        self._parts = urlsplit(dsn)
        self._mute_from = mute_from
        self.is_open = True
        self.is_mute = asyncio.Event()
        self._ends: set[asyncio.StreamWriter] = set()

    @asynccontextmanager
    async def served(self) -> AsyncIterator[str]:
        """A DSN whose connections take this way."""
        server = await asyncio.start_server(self._pass, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            user = self._parts.username or "postgres"
            yield f"postgresql://{user}@127.0.0.1:{port}{self._parts.path}?sslmode=disable"
            self.cut()

    def cut(self) -> None:
        """Breaks every connection, and lets none through any more."""
        self.is_open = False
        for end in self._ends:
            end.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self.is_open:
            writer.transport.abort()
            return
        there, back = await self._connect()
        self._ends |= {writer, back}
        await asyncio.gather(self._pump(reader, back, self._mute_from), self._pump(there, writer, b""))

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        where = parse_qs(self._parts.query)
        if "host" in where:
            return await asyncio.open_unix_connection(f"{where['host'][0]}/.s.PGSQL.{where['port'][0]}")
        return await asyncio.open_connection(self._parts.hostname, self._parts.port or 5432)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, mute_from: bytes) -> None:
        try:
            while data := await reader.read(65_536):
                if mute_from and mute_from in data:
                    self.is_mute.set()
                if not self.is_mute.is_set():
                    writer.write(data)
                    await writer.drain()
        except ConnectionError:
            pass
        writer.transport.abort()
