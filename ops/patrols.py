"""Keeps the running centre going by the patrol routes' register: reads them at the start of a life, and when it has changed.

Place in the flow: beside it (OCC-5). Routes are imported by a person some times a year, so the register's version is asked for
each few seconds and nothing else is; which shift runs now the engine works out for itself (`core.patrol_watch`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import structlog
import trio

from core.bridge import on_host
from core.instant import Micros
from core.patrol import PatrolRoute
from core.patrol_watch import Patrols
from routing.patrol_routes import RouteShapes
from storage import session
from storage.errors import DRIVER_ERRORS, StorageError, translate
from storage.patrol_routes import load_patrol_routes, read_version

LOOK_S: Final = 10.0
"""Between two looks for an import: whoever has made it still sees it come to work."""

_log = structlog.get_logger("patrols")


def patrols_of(routes: list[PatrolRoute]) -> Patrols:
    """The routes with their shapes, of whose crews nothing is known yet."""
    return Patrols(routes, RouteShapes(routes))


async def read_routes(dsn: str, at_us: Micros) -> tuple[int, list[PatrolRoute]]:
    """The register's version, and the routes of it that may be walked now or later. Raises `StorageError`."""
    version, routes = await _read(dsn, at_us, None)
    assert routes is not None
    return version, routes


async def follow_routes(dsn: str, now_us: Callable[[], Micros], version: int, load: Callable[[Patrols], None]) -> None:
    """Hands over the patrols whenever their routes are others than before, until cancelled.

    Args:
        dsn: the centre's database.
        now_us: reads the clock.
        version: the register's that the centre goes by already.
        load: takes the patrols.
    """
    while True:
        await trio.sleep(LOOK_S)
        try:
            newest, routes = await on_host(_read(dsn, now_us(), version))
        except StorageError as error:
            _log.warning("patrol routes not read", reason=str(error))
            continue
        if routes is not None:
            try:
                load(patrols_of(routes))
            except Exception:
                # Calls must be served, whatever is wrong with a route; another import is looked at again.
                _log.exception("patrol routes not read", consequence="the centre goes by those before")
            version = newest
            _log.info("patrol routes", version=version, routes=len(routes))


async def _read(dsn: str, at_us: Micros, known: int | None) -> tuple[int, list[PatrolRoute] | None]:
    try:
        connection = await session.connect(dsn, "patrols")
        try:
            # The version first: an import between the two is then looked at once more.
            newest = await read_version(connection)
            return newest, None if newest == known else await load_patrol_routes(connection, at_us)
        finally:
            session.cut(connection)
    except DRIVER_ERRORS as error:
        raise translate(error) from error
