"""`jedel patrol`: the routes that crews patrol, brought in from a file and shown for any day (OCC-3, OCC-5)."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal
from zoneinfo import ZoneInfo

from cyclopts import App, Parameter

from ops.clock import now_us
from ops.commands.configured import AS_GIVEN, Configured, connected
from ops.layers import ConfigError

if TYPE_CHECKING:
    from core.patrol import PatrolRoute
    from core.timetable import Window
    from storage.patrol_routes import PatrolImportReport

_TWO_DAYS_US: Final = 2 * 24 * 3600 * 1_000_000

patrol = App(name="patrol", help="The routes that crews patrol, and who is to be on them.")


@patrol.command(name="import")
def import_routes(
    file: Annotated[Path, Parameter(help="GeoJSON feature collection; each feature has name, width_m, timetable and crews")],
    /,
    *,
    configured: Configured = AS_GIVEN,
    mode: Annotated[
        Literal["replace", "merge"], Parameter(help="what becomes of routes the file does not mention: they end, or stay")
    ] = "replace",
    since: Annotated[
        str | None, Parameter(help="day to come from which on they hold, YYYY-MM-DD by each route's own clock; without it, now")
    ] = None,
) -> None:
    """Imports patrol routes as new versions of those before; a running service goes by them within seconds."""
    from routing.patrol_file import routes_of_geojson
    from storage.patrol_routes import import_patrol_routes
    from storage.register_import import ImportMode

    config = configured.read()
    day = None if since is None else _day("--since", since)
    routes = routes_of_geojson(file.read_bytes(), file.name)

    async def run() -> PatrolImportReport:
        async with connected(config.database) as connection:
            return await import_patrol_routes(
                connection, routes, source_name=file.name, now_us=now_us(), since=day, mode=ImportMode(mode)
            )

    report = asyncio.run(run())
    print(
        f"patrol: {report.row_count} routes {'in force' if day is None else f'from {day} on'}; {report.added} added, "
        f"{report.changed} changed, {report.unchanged} as they were, {report.ended} ended"
    )
    print("a running service goes by them within some seconds")


@patrol.command(name="show")
def show_routes(
    *,
    configured: Configured = AS_GIVEN,
    day: Annotated[
        str | None, Parameter(help="past, present or to come, YYYY-MM-DD by each route's own clock; today without it")
    ] = None,
    crew: Annotated[str | None, Parameter(help="call sign; only shifts that are this crew's")] = None,
    route: Annotated[str | None, Parameter(help="id of a route; only its shifts")] = None,
) -> int:
    """Shows the shifts that begin on a day and who is to serve them; status 1 when there is none."""
    from core.instant import Micros, to_micros
    from storage.patrol_routes import patrol_routes_between

    config = configured.read()
    asked = None if day is None else _day("--day", day)
    noon_us = now_us() if asked is None else to_micros(datetime.fromisoformat(f"{asked}T12:00:00+00:00"))

    async def run() -> list[PatrolRoute]:
        async with connected(config.database) as connection:
            # Wide enough for the day of any clock of the world.
            return await patrol_routes_between(connection, Micros(noon_us - _TWO_DAYS_US), Micros(noon_us + _TWO_DAYS_US))

    lines = _shifts(asyncio.run(run()), asked, noon_us, crew, route)
    for line in lines:
        print(line)
    if not lines:
        print("jedel: no shift of a patrol route", file=sys.stderr)
    return 0 if lines else 1


def _day(flag: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ConfigError([f"{flag} {text}: must be a day as YYYY-MM-DD"]) from None


def _shifts(routes: Sequence[PatrolRoute], day: date | None, now: int, crew: str | None, route_id: str | None) -> list[str]:
    """A line a shift, in order of its beginning."""
    from core.instant import to_datetime
    from core.patrol_shifts import windows_on

    found: list[tuple[int, str]] = []
    for route in routes:
        if route_id not in (None, route.route_id) or (crew is not None and crew not in (route.crews or ())):
            continue
        today = to_datetime(now).astimezone(ZoneInfo(route.timetable.zone)).date()
        found += [(window.from_us, _line(route, window)) for window in windows_on(route, day or today)]
    return [line for _, line in sorted(found)]


def _line(route: PatrolRoute, window: Window) -> str:
    from core.instant import to_datetime

    zone = ZoneInfo(route.timetable.zone)
    begins, ends = (to_datetime(instant).astimezone(zone) for instant in (window.from_us, window.until_us))
    who = "by roster" if route.crews is None else ", ".join(route.crews)
    points = f"; {len(window.checkpoints)} checkpoints" if window.checkpoints else ""
    hours = f"{begins:%Y-%m-%d %H:%M}–{ends:%H:%M}"
    return f"{hours}  {route.name} ({route.route_id}, version {route.version}, ±{route.width_m:g} m): {who}{points}"
