"""What the active process does by itself to keep its tables in order: days made ahead, and nightly those dropped whose time
is over, and those vacuumed that are over.

Place in the flow: beside it, for as long as a life. Rules:
- Only the active process does it, and `storage.partitions` sees to it that nobody prunes beside it.
- Retention is obeyed once a night, at a local time at which little happens; a night that was missed is made up for when the
  next life has settled. When it was last obeyed stands in the database, so a takeover neither forgets it nor does it twice.
- What fails is logged and tried again; nothing of it ever ends a life.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import msgspec
import structlog
import trio

from core.instant import SECOND_US, Micros, to_datetime, to_micros
from storage.errors import StorageError
from storage.partitions import Pruned

PREPARE_S: Final = 3600.0
"""Between two looks for days to be made; they are made days ahead."""
SETTLE_S: Final = 10.0
"""After a life has begun: sources come back, and have the database for themselves."""
LOOK_S: Final = 600.0
"""Longest sleep before the clock is read again, for it may have been set."""
RETRY_S: Final = 600.0
"""After what could not be done: as long as a dump takes of what it must not be behind."""

_log = structlog.get_logger("upkeep")


class Nightly(msgspec.Struct, frozen=True):
    """A local time of every day."""

    at: time
    zone: ZoneInfo

    def after(self, instant_us: Micros) -> Micros:
        """The first such moment after an instant."""
        day = to_datetime(instant_us).astimezone(self.zone).date()
        moments = (datetime.combine(day + timedelta(days=later), self.at, self.zone) for later in range(3))
        return next(moment for moment in map(to_micros, moments) if moment > instant_us)


class Upkeep:
    """One life's upkeep.

    Args:
        nightly: when days are dropped; None for never.
        prepare: makes the partitions of the days around the present one.
        prune: drops what is no longer kept at an instant.
        vacuum: vacuums the days that are over at an instant; returns their tables.
        pruned_us: when that was last done to its end; None where it never was.
        now_us: reads the machine's clock.

    The four raise `StorageError`, and are called from a Trio task.
    """

    def __init__(
        self,
        nightly: Nightly | None,
        prepare: Callable[[], Awaitable[None]],
        prune: Callable[[Micros], Awaitable[Pruned]],
        vacuum: Callable[[Micros], Awaitable[list[str]]],
        pruned_us: Callable[[], Awaitable[Micros | None]],
        now_us: Callable[[], Micros],
    ) -> None:
        self._nightly = nightly
        self._prepare = prepare
        self._prune = prune
        self._vacuum = vacuum
        self._pruned_us = pruned_us
        self._now_us = now_us

    async def run(self) -> None:
        """Keeps the tables in order until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._make_days)
            if self._nightly is not None:
                nursery.start_soon(self._drop_days, self._nightly)

    async def _make_days(self) -> None:
        """Makes the coming days' partitions, so that no batch has to at midnight."""
        while True:
            await trio.sleep(PREPARE_S)
            try:
                await self._prepare()
            except StorageError as error:
                _log.warning("partitions not prepared", reason=str(error), again_s=PREPARE_S)

    async def _drop_days(self, nightly: Nightly) -> None:
        began_us = self._now_us()
        await trio.sleep(SETTLE_S)
        while True:
            try:
                pruned_us = await self._pruned_us()
                # Where it was never done, in a new centre or by an older version, it waits for the night; and a clock that was
                # once far ahead must not put an end to it.
                last_us = began_us if pruned_us is None else min(pruned_us, self._now_us())
                await self._sleep_until(nightly.after(last_us))
                if await self._drop_now(self._now_us()):
                    await self._vacuum_now(self._now_us())
                    continue
            except StorageError as error:
                _log.warning("not pruned", reason=str(error), again_s=RETRY_S)
            await trio.sleep(RETRY_S)

    async def _drop_now(self, now_us: Micros) -> bool:
        pruned = await self._prune(now_us)
        took_ms = (self._now_us() - now_us) // 1000
        if pruned.held is not None:
            _log.warning("pruned in part", partitions=len(pruned.dropped), held=pruned.held, took_ms=took_ms, again_s=RETRY_S)
            return False
        _log.info("pruned", partitions=len(pruned.dropped), took_ms=took_ms)
        return True

    async def _vacuum_now(self, now_us: Micros) -> None:
        try:
            tables = await self._vacuum(now_us)
        except StorageError as error:
            _log.warning("days not vacuumed", reason=str(error), consequence="those that are left come tomorrow")
            return
        _log.info("days vacuumed", tables=len(tables), took_ms=(self._now_us() - now_us) // 1000)

    async def _sleep_until(self, due_us: Micros) -> None:
        while True:
            left_s = (due_us - self._now_us()) / SECOND_US
            if left_s <= 0:
                return
            await trio.sleep(min(left_s, LOOK_S))
