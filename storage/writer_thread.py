"""The writer on a loop and a thread of its own, so that a batch is committed while the next one is decided.

Place in the flow: persist. Deciding a batch of calls keeps the centre's thread for a tenth of a second, and a batch's rows are
more than a socket's buffer holds. On the centre's own loop the server would wait for the rest of them until the deciding is
over, and then the deciding for the server: a fifth of the time of a storm of calls.

Rules: what crosses is `Decisions`, values that nobody changes any more, and what comes back is the outcome. Nothing else of the
centre is reached from this thread, and the writer from no other. Outcomes are told on the centre's thread: by its loop, or
between two steps of a long work of that thread, which then says `settle`.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Final

import uvloop

from core.decisions import Decisions
from storage.errors import StorageError, StorageReason
from storage.refused_data import RefusedEvent
from storage.session import CLOSE_TIMEOUT_S
from storage.writer import Writer

Committed = Callable[[list[RefusedEvent]], None]
"""Is told that a batch is committed, and which of its events were refused (`Writer.commit`)."""
Failed = Callable[[Exception], None]
"""Is told why a batch is not committed."""


class WriterThread:
    """A writer, and the thread it works in from now on. Made and used on the centre's loop."""

    def __init__(self, writer: Writer) -> None:
        self._writer: Final = writer
        self._centre_loop = asyncio.get_running_loop()
        self._loop = uvloop.new_event_loop()
        self._under_way: asyncio.Task[list[RefusedEvent]] | None = None
        self._ended: deque[Callable[[], None]] = deque()
        self._closing = False
        # A process that is told to stop with the database away must not wait for it: the sources keep what is not committed.
        self._thread = threading.Thread(target=self._loop.run_forever, name="writer", daemon=True)
        self._thread.start()

    def begin(self, decisions: Decisions, committed: Committed, failed: Failed) -> None:
        """Begins `Writer.commit`, one at a time. One of the two is called at its end, but neither once `close` has begun."""
        self._loop.call_soon_threadsafe(self._begin, decisions, committed, failed)

    def settle(self) -> bool:
        """Tells of what has ended. Returns whether anything had."""
        told = False
        while self._ended and not self._closing:
            self._ended.popleft()()
            told = True
        return told

    async def close(self) -> None:
        """Cuts off what is under way, closes the writer's connection and ends the thread; within `CLOSE_TIMEOUT_S` or so."""
        self._closing = True
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._finish(), self._loop))
        self._ended.clear()
        self._loop.call_soon_threadsafe(self._loop.stop)
        await asyncio.to_thread(self._thread.join)
        if self._under_way is None:
            # Else it would wait for what holds its sockets.
            self._loop.close()

    # On the writer's thread.

    def _begin(self, decisions: Decisions, committed: Committed, failed: Failed) -> None:
        self._under_way = self._loop.create_task(self._writer.commit(decisions))
        self._under_way.add_done_callback(partial(self._end, committed, failed))

    def _end(self, committed: Committed, failed: Failed, done: asyncio.Task[list[RefusedEvent]]) -> None:
        self._under_way = None
        if self._closing:
            return
        error = asyncio.CancelledError() if done.cancelled() else done.exception()
        if error is None:
            self._ended.append(partial(committed, done.result()))
        elif isinstance(error, Exception):
            self._ended.append(partial(failed, error))
        else:
            # The centre would wait for ever for a commit of which nobody tells.
            self._ended.append(partial(failed, StorageError(StorageReason.INTERNAL, f"the commit has ended by {error!r}")))
        self._centre_loop.call_soon_threadsafe(self.settle)

    async def _finish(self) -> None:
        under_way = self._under_way
        if under_way is not None:
            under_way.cancel()
            # Whatever it does on its way out may wait for a server that answers nothing.
            await asyncio.wait([under_way], timeout=CLOSE_TIMEOUT_S)
        await self._writer.close()
        if under_way is not None:
            await asyncio.wait([under_way], timeout=CLOSE_TIMEOUT_S)
