"""Keeps the running centre's plan that of the roster: reads it at the start of a life, when it has changed, and as days pass.

Place in the flow: beside it. A roster is changed by a person some times a day, so its newest revision is asked for each half
minute; what it says at each moment the engine works out for itself (`core.duty_watch`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import structlog
import trio

from core.bridge import on_host
from core.instant import SECOND_US, Micros
from core.roster.model import Roster
from storage import session
from storage.errors import DRIVER_ERRORS, StorageError
from storage.roster import read_revision, read_roster

LOOK_S: Final = 30.0
"""Between two looks for a new revision."""
BEFORE_US: Final = 8 * 86_400 * SECOND_US
AFTER_US: Final = 2 * 86_400 * SECOND_US
"""What is read around now: the longest shift back, and so far ahead that it is read again long before its end."""
AGAIN_US: Final = 6 * 3600 * SECOND_US
"""Read again after so long in any case: days pass."""

_log = structlog.get_logger("duty")


async def follow_roster(dsn: str, now_us: Callable[[], Micros], load: Callable[[Roster], None]) -> None:
    """Hands over the roster whenever it is another one than before, until cancelled.

    Args:
        dsn: the centre's database.
        now_us: reads the clock.
        load: takes the plan for the days around now.
    """
    revision: int | None = None
    read_us = 0
    while True:
        try:
            newest, roster = await on_host(_read(dsn, now_us(), revision if now_us() - read_us < AGAIN_US else None))
        except (StorageError, *DRIVER_ERRORS) as error:
            _log.warning("roster not read", reason=str(error))
        except Exception:
            # Calls must be served, whatever is wrong with a roster.
            _log.exception("roster not read", consequence="the centre goes by the one before")
        else:
            if roster is not None:
                load(roster)
                read_us = now_us()
                if newest != revision:
                    _log.info("roster", revision=newest, shifts=len(roster.shifts))
                revision = newest
        await trio.sleep(LOOK_S)


async def _read(dsn: str, at_us: Micros, known: int | None) -> tuple[int, Roster | None]:
    connection = await session.connect(dsn, "roster")
    try:
        newest = await read_revision(connection)
        if newest == known or not newest:
            return newest, None
        return newest, await read_roster(connection, (at_us - BEFORE_US, at_us + AFTER_US))
    finally:
        session.cut(connection)
