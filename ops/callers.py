"""Looks the callers of a batch up in the subscriber base; no call ever waits for a base that does not answer (OCC-1)."""

from __future__ import annotations

import asyncio
from typing import Final

import asyncpg
import structlog

from core.ports import Subscriber
from ops.clock import now_us
from storage.errors import DRIVER_ERRORS, StorageError
from storage.session import connect
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
    """

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._cache = SubscriberCache()
        self._connection: asyncpg.Connection | None = None
        self._resting_until_us = 0
        self.failures = 0
        """Look-ups given up since the start."""

    async def find(self, phones: list[str]) -> dict[str, Subscriber]:
        """The subscribers of these numbers in E.164; those that cannot be found out in time are absent."""
        at_us = now_us()
        if at_us < self._resting_until_us:
            return {}
        try:
            async with asyncio.timeout(LOOKUP_TIMEOUT_S):
                if self._connection is None or self._connection.is_closed():
                    self._connection = await connect(self._dsn, "callers", LOOKUP_TIMEOUT_S)
                return await self._cache.lookup(self._connection, phones, at_us)
        except (StorageError, *DRIVER_ERRORS) as error:
            self.failures += 1
            self._resting_until_us = at_us + int(RETRY_S * 1_000_000)
            self._drop()
            _log.warning("subscriber base not asked", reason=type(error).__name__, failures=self.failures)
            return {}

    def close(self) -> None:
        """Closes the connection."""
        self._drop()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()
