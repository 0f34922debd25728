"""Looks callers up in the subscriber base: as they come in, so that they are known when their batch is decided (OCC-1).

No call ever waits for a base that does not answer.
"""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import Final

import asyncpg
import structlog

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
RETRY_S: Final = 2.0
"""Pause before a base that failed is asked again; until then its callers are unknown at once."""

_log = structlog.get_logger("callers")


class CallerLookup:
    """The subscriber base as the centre asks it: bounded cache, one connection, no exceptions.

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
        self._expected: set[str] = set()
        """Numbers to be looked up next, of calls that wait for their batch; bounded as the inlet is."""
        self._looking_ahead: asyncio.Task[None] | None = None
        self._resting_until_us = 0
        self.failures = 0
        """Look-ups given up since it was made."""
        self.asking = Buckets(DURATIONS_S)
        """Seconds that the base took to answer."""

    def foresee(self, chunk: Chunk) -> None:
        """Begins to look up who calls in a chunk that has just come in. Called on the loop that `find` is awaited on."""
        self._expected.update(phones_of([chunk], self._region))
        if self._expected and self._looking_ahead is None:
            self._looking_ahead = asyncio.get_running_loop().create_task(self._look_ahead())

    async def _look_ahead(self) -> None:
        try:
            while self._expected:
                phones = list(self._expected)
                self._expected.clear()
                await self.find(phones)
        finally:
            self._looking_ahead = None

    def known(self, phones: list[str]) -> dict[str, Subscriber] | None:
        """As `find`, without asking the base; None where it must be asked."""
        return self._cache.known(phones, now_us())

    async def find(self, phones: list[str]) -> dict[str, Subscriber]:
        """The subscribers of these numbers in E.164; those that cannot be found out in time are absent."""
        at_us = now_us()
        if at_us < self._resting_until_us:
            return {}
        try:
            async with asyncio.timeout(LOOKUP_TIMEOUT_S), self._asking:
                if self._connection is None or self._connection.is_closed():
                    self._connection = await connect(self._dsn, "callers", LOOKUP_TIMEOUT_S)
                began_s = perf_counter()
                found = await self._cache.lookup(self._connection, phones, at_us)
                self.asking.observe(perf_counter() - began_s)
                return found
        except (StorageError, *DRIVER_ERRORS) as error:
            self.failures += 1
            self._resting_until_us = at_us + int(RETRY_S * 1_000_000)
            self._drop()
            _log.warning("subscriber base not asked", reason=type(error).__name__, failures=self.failures)
            return {}

    def close(self) -> None:
        """Closes the connection."""
        if self._looking_ahead is not None:
            self._looking_ahead.cancel()
        self._drop()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            cut(connection)
