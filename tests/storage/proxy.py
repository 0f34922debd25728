"""A proxy in front of PostgreSQL that cuts a connection at a chosen byte."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlsplit


class Proxy:
    """Counts what passes, and cuts all connections once a limit is reached; the byte at the limit still passes."""

    def __init__(self) -> None:
        self.passed = {"up": 0, "down": 0}
        self.limit: dict[str, int | None] = {"up": None, "down": None}
        self.cuts = 0
        self.dsn = ""
        self._writers: set[asyncio.StreamWriter] = set()

    def cut_after(self, direction: str, count: int) -> None:
        """Cuts once, after `count` more bytes `up` (to the server) or `down` (to the client)."""
        self.limit[direction] = self.passed[direction] + count

    def cut(self) -> None:
        """Cuts everything now."""
        self.cuts += 1
        self.limit = {"up": None, "down": None}
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def pump(self, direction: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Moves bytes one way until either end has gone."""
        try:
            while data := await reader.read(65536):
                limit = self.limit[direction]
                if limit is not None and self.passed[direction] + len(data) >= limit:
                    data = data[: limit - self.passed[direction]]
                    self.passed[direction] += len(data)
                    writer.write(data)
                    await writer.drain()
                    # The last byte must arrive before the connection breaks, or a cut after COMMIT would be one before it.
                    for _ in range(100):
                        await asyncio.sleep(0)
                    self.cut()
                    return
                self.passed[direction] += len(data)
                writer.write(data)
                await writer.drain()
        except (ConnectionError, OSError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def proxy_of(dsn: str) -> AsyncIterator[Proxy]:
    """A proxy on 127.0.0.1 for a database; its `dsn` goes through it."""
    parts = urlsplit(dsn)
    folder = parse_qs(parts.query).get("host", [""])[0]
    proxy = Proxy()
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if folder:
            server_reader, server_writer = await asyncio.open_unix_connection(f"{folder}/.s.PGSQL.5432")
        else:
            server_reader, server_writer = await asyncio.open_connection(parts.hostname, parts.port)
        proxy._writers |= {writer, server_writer}
        for pump in (proxy.pump("up", reader, server_writer), proxy.pump("down", server_reader, writer)):
            task = asyncio.create_task(pump)
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    proxy.dsn = f"postgresql://{parts.netloc.rpartition('@')[0]}@127.0.0.1:{port}{parts.path}?sslmode=disable"
    try:
        yield proxy
    finally:
        server.close()
        proxy.cut()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()
