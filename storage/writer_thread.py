"""The writer on a loop and a thread of its own, so that a batch is committed while the next one is decided.

Place in the flow: persist. Deciding a batch of calls keeps the centre's thread for a tenth of a second, and a batch's rows are
more than a socket's buffer holds. On the centre's own loop the server would wait for the rest of them until the deciding is
over, and then the deciding for the server: a fifth of the time of a storm of calls.

Rules: what crosses is `Decisions`, values that nobody changes any more, and what comes back is the outcome. Nothing else of the
centre is reached from this thread, and the writer from no other.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

import uvloop

from core.decisions import Decisions
from storage.refused_data import RefusedEvent
from storage.writer import Writer

T = TypeVar("T")


class WriterThread:
    """A writer, and the thread it works in from now on. Its methods are awaited on the caller's loop."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._loop = uvloop.new_event_loop()
        # A process that is told to stop with the database away must not wait for it: the sources keep what is not committed.
        self._thread = threading.Thread(target=self._loop.run_forever, name="writer", daemon=True)
        self._thread.start()

    async def commit(self, decisions: Decisions) -> list[RefusedEvent]:
        """As `Writer.commit`."""
        return await self._there(self._writer.commit(decisions))

    async def close(self) -> None:
        """Closes the writer's connection and ends the thread."""
        await self._there(self._writer.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        await asyncio.to_thread(self._thread.join)
        self._loop.close()

    async def _there(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs a coroutine on the thread's loop. Cancelling the caller cancels it."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))
