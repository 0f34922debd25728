"""`jedel map`, `jedel territory`, `jedel address`: the map an incident's place is found on (OCC-1, CITY-13)."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from ops.clock import now_us
from ops.commands.configured import AS_GIVEN, Configured, connected
from ops.commands.progress import bar

if TYPE_CHECKING:
    from routing.map_data import MapData
    from routing.territory import Territory

map_app = App(name="map", help="Streets, houses, corners, places and boundaries.")
territory_app = App(name="territory", help="Which territory a place belongs to.")

SHOWN_TERRITORIES = 12


@map_app.command(name="import")
def import_map(
    file: Annotated[Path, Parameter(help="OSM extract: .osm.pbf, .osm, .osm.bz2 or .o5m")],
    /,
    *,
    configured: Configured = AS_GIVEN,
) -> None:
    """Imports an OpenStreetMap extract in place of the map before; a running service takes it at its next start."""
    from ops.maps import save_map_data, territories_of_map
    from routing.osm import import_osm

    config = configured.read()
    with bar(f"map from {file.name}") as tell:
        map_data = import_osm(file, tell)

    async def run() -> None:
        async with connected(config.database) as connection:
            await save_map_data(connection, map_data, now_us())

    asyncio.run(run())
    print(f"map: {', '.join(f'{count} {what}' for what, count in map_data.statistics().items())} from {map_data.source}")
    for reason, count in sorted(map_data.skipped.items()):
        print(f"left out: {count} {reason.replace('_', ' ')}")
    _tell_territories(territories_of_map(map_data, config.centre.territory))
    print("map: known to a service from its next start on")


@territory_app.command(name="import")
def import_territories(
    file: Annotated[Path, Parameter(help="GeoJSON feature collection; each feature has properties id, parent and name")],
    /,
    *,
    configured: Configured = AS_GIVEN,
) -> None:
    """Imports boundaries in place of those before, and of the map's own; a running service takes them at its next start."""
    from ops.maps import save_boundaries

    config = configured.read()
    geojson = file.read_bytes()

    async def run() -> list[Territory]:
        async with connected(config.database) as connection:
            return await save_boundaries(connection, geojson, file.name, now_us())

    _tell_territories(asyncio.run(run()))
    print("territories: known to a service from its next start on")


def find_address(
    word: Annotated[str, Parameter(help="an address, a corner or a place, as a caller says it")],
    /,
    *words: Annotated[str, Parameter(help="more of it")],
    configured: Configured = AS_GIVEN,
    limit: Annotated[int, Parameter(help="most places shown")] = 5,
) -> int:
    """Finds a place on the imported map, as the centre does for a caller's words; status 1 when there is none."""
    from routing.gazetteer import MapGazetteer
    from routing.map_data import MapError

    config = configured.read()
    text = " ".join((word, *words))

    async def run() -> MapData | None:
        from ops.maps import load_map_data

        async with connected(config.database) as connection:
            return await load_map_data(connection)

    map_data = asyncio.run(run())
    if map_data is None:
        raise MapError("no map yet: jedel map import FILE")
    found = MapGazetteer(map_data).search(text, limit)
    for match in found:
        place = f"{match.latitude_deg:.6f},{match.longitude_deg:.6f}"
        print(f"{match.score:5.1f}  {match.match:<6}  {place}  ±{match.accuracy_m:.0f} m  {match.name}")
    if not found:
        print(f"jedel: nothing on the map is like {text!r}", file=sys.stderr)
    return 0 if found else 1


def _tell_territories(territories: list[Territory]) -> None:
    ids = sorted(territory.territory_id for territory in territories)
    more = f" and {len(ids) - SHOWN_TERRITORIES} more" if len(ids) > SHOWN_TERRITORIES else ""
    print(f"territories: {len(ids)}{': ' if ids else ''}{', '.join(ids[:SHOWN_TERRITORIES])}{more}")
