"""A receiver of webhooks for tests: a real HTTP server that keeps what it is sent, and answers as it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web


class Receiver:
    """An HTTP server that keeps what it is sent."""

    def __init__(self, *statuses: int, aborts: bool = False) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self._statuses = list(statuses)
        self._aborts = aborts
        self.url = ""
        self.answers = asyncio.Event()
        """Cleared, it keeps its answers back."""
        self.answers.set()

    async def handle(self, request: web.Request) -> web.Response:
        self.got.append((dict(request.headers), await request.read()))
        await self.answers.wait()
        if self._aborts and request.transport is not None:
            request.transport.close()
        status = self._statuses.pop(0) if self._statuses else 200
        return web.Response(status=status, text="x" * 100_000, headers={"Location": self.url} if status // 100 == 3 else {})

    @asynccontextmanager
    async def served(self) -> AsyncIterator[Receiver]:
        application = web.Application()
        application.router.add_post("/told", self.handle)
        runner = web.AppRunner(application, shutdown_timeout=0)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/told"
        try:
            yield self
        finally:
            await runner.cleanup()
