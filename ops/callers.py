"""Looks callers up in the subscriber base: as they come in, so that they are known when their batch is decided (OCC-1).

No call ever waits for a base that does not answer.

The base is asked on a thread with a loop of its own. An answer takes a fraction of a millisecond and a way over the centre's
two loops several times that, and every batch with a new caller would go it: so the thread that decides stands still for the
answer (`known`), as long as the base is quick, and lets its loops wait for it (`find`) where it is not.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from time import perf_counter
from typing import Final

import asyncpg
import structlog
import uvloop

from core.centre import phones_of
from core.events import Chunk
from core.ports import Subscriber
from core.tally import DURATIONS_S, Buckets
from ops.clock import now_us
from storage.errors import DRIVER_ERRORS, StorageError
from storage.session import connect, cut
from storage.subscribers import SubscriberCache

LOOKUP_TIMEOUT_S: Final = 0.5
"""A caller's name is worth this much of a call's time; without it the call goes on."""
STAND_S: Final = 0.005
"""Longest time for which the thread that decides stands still for an answer: about as long as a short batch."""
CLOSE_TIMEOUT_S: Final = 2.0
"""Longest wait for questions under way when a life ends."""
RETRY_S: Final = 2.0
"""Pause before a base that failed is asked again; until then its callers are unknown at once."""

_log = structlog.get_logger("callers")


class CallerLookup:
    """The subscriber base as the centre asks it: bounded cache, one connection, no exceptions. Used on the centre's thread.

    Args:
        dsn: the centre's database.
        region: country whose national telephone numbers are read.
    """

    def __init__(self, dsn: str, region: str) -> None:
        self._dsn = dsn
        self._region = region
        self._cache = SubscriberCache()
        self._connection: asyncpg.Connection | None = None
        self._asking = asyncio.Lock()
        """The connection carries one question at a time."""
        self._expected: deque[tuple[list[str], threading.Event]] = deque()
        """Numbers of calls that have come in, and who waits for them to be looked up; bounded as the inlet is."""
        self._newest = threading.Event()
        """Set when all that was ever expected has been looked up."""
        self._newest.set()
        self._is_quick = True
        """Whether standing still is worth it: no answer was stood still for in vain, or one has come in time since."""
        self._looking_ahead: asyncio.Task[None] | None = None
        self._resting_until_us = 0
        self.failures = 0
        """Look-ups given up since it was made."""
        self.asking = Buckets(DURATIONS_S)
        """Seconds that the base took to answer."""
        self._runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
        self._loop = self._runner.get_loop()
        self._closing = asyncio.Event()
        self._thread = threading.Thread(target=self._serve, name="callers", daemon=True)
        self._thread.start()

    def foresee(self, chunk: Chunk) -> None:
        """Begins to look up who calls in a chunk that has just come in."""
        phones = list(phones_of([chunk], self._region))
        if phones:
            self._newest = threading.Event()
            self._expected.append((phones, self._newest))
            self._loop.call_soon_threadsafe(self._begin_ahead)

    def known(self, phones: list[str]) -> dict[str, Subscriber] | None:
        """As `find`, but at once or within `STAND_S`; None where it takes longer."""
        found = self._cache.known(phones, now_us())
        if found is None and self._is_quick and not self._newest.is_set():
            self._is_quick = self._newest.wait(STAND_S)
            found = self._cache.known(phones, now_us())
        return found

    async def find(self, phones: list[str]) -> dict[str, Subscriber]:
        """The subscribers of these numbers in E.164; those that cannot be found out in time are absent."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._find(phones), self._loop))

    def close(self) -> None:
        """Closes the connection and ends the thread; leaves one behind that does not end, for the next life has its own."""
        self._loop.call_soon_threadsafe(self._closing.set)
        self._thread.join(2 * CLOSE_TIMEOUT_S)
        if self._thread.is_alive():
            _log.error("the thread of callers does not end", waited_s=2 * CLOSE_TIMEOUT_S)

    # On the thread of the look-ups.

    def _serve(self) -> None:
        with self._runner as runner:
            runner.run(self._until_closed())

    async def _until_closed(self) -> None:
        await self._closing.wait()
        self._expected.clear()
        self._drop()
        # Let be and not cancelled: asyncpg would begin to tell the server so, by a connection of its own, and uvloop closes
        # when all that was begun has ended, which may be never.
        if others := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(others, timeout=CLOSE_TIMEOUT_S)
        self._drop()

    def _begin_ahead(self) -> None:
        if self._looking_ahead is None:
            self._looking_ahead = self._loop.create_task(self._look_ahead())

    async def _look_ahead(self) -> None:
        try:
            while self._expected:
                phones: dict[str, None] = {}
                told: list[threading.Event] = []
                while self._expected:
                    numbers, answered = self._expected.popleft()
                    phones.update(dict.fromkeys(numbers))
                    told.append(answered)
                await self._find(list(phones))
                for answered in told:
                    answered.set()
        finally:
            self._looking_ahead = None

    async def _find(self, phones: list[str]) -> dict[str, Subscriber]:
        at_us = now_us()
        if at_us < self._resting_until_us:
            return {}
        try:
            async with asyncio.timeout(LOOKUP_TIMEOUT_S), self._asking:
                if at_us < self._resting_until_us:
                    return {}  # The question before this one has failed.
                if self._connection is None or self._connection.is_closed():
                    self._connection = await connect(self._dsn, "callers", LOOKUP_TIMEOUT_S)
                began_s, before = perf_counter(), self._cache.questions
                found = await self._cache.lookup(self._connection, phones, at_us)
                if self._cache.questions > before:
                    took_s = perf_counter() - began_s
                    self.asking.observe(took_s)
                    self._is_quick = self._is_quick or took_s < STAND_S
                return found
        except (StorageError, *DRIVER_ERRORS) as error:
            self.failures += 1
            self._resting_until_us = at_us + int(RETRY_S * 1_000_000)
            self._drop()
            _log.warning("subscriber base not asked", reason=type(error).__name__, failures=self.failures)
            return {}

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            cut(connection)
