"""What `jedel map import` and `jedel territory import` leave in the database, and what the centre makes of it at its start.

Two layers: the map in its packed form, from which the gazetteer is built; and the boundary file as it was given. Without a
boundary file the territories are those of the map itself.
"""

from __future__ import annotations

from typing import Final

import asyncpg
import msgspec

from core.instant import Micros
from routing.map_data import MapData
from routing.road_times import RoadTimes
from routing.territory import Territory, TerritoryIndex, territories_of_boundaries, territories_of_geojson
from storage.map_layers import load_map, save_map

GAZETTEER: Final = "gazetteer"
TERRITORIES: Final = "territories"


async def save_map_data(connection: asyncpg.Connection, map_data: MapData, now_us: Micros) -> None:
    """Stores a map in place of the one before. Raises `StorageError`."""
    await save_map(
        connection,
        GAZETTEER,
        map_data.to_bytes(),
        imported_us=now_us,
        source_name=map_data.source,
        statistics=msgspec.json.encode(map_data.statistics()),
    )


async def save_boundaries(connection: asyncpg.Connection, geojson: bytes, source: str, now_us: Micros) -> list[Territory]:
    """Stores a boundary file in place of the one before, once it has been read. Raises `MapError`, `StorageError`."""
    territories = territories_of_geojson(geojson, source)
    TerritoryIndex(territories)
    await save_map(
        connection,
        TERRITORIES,
        geojson,
        imported_us=now_us,
        source_name=source,
        statistics=msgspec.json.encode({"territories": len(territories)}),
    )
    return territories


async def load_map_data(connection: asyncpg.Connection) -> MapData | None:
    """The imported map, or None before any import. Raises `MapError`, `StorageError`."""
    found = await load_map(connection, GAZETTEER)
    return None if found is None else MapData.from_bytes(found[1])


async def load_territories(connection: asyncpg.Connection, map_data: MapData | None, centre: str) -> list[Territory]:
    """The territories: of the imported boundary file, else of the map, else none.

    Args:
        connection: the centre's database.
        map_data: the imported map, where there is one.
        centre: the centre's own territory; the map's outermost boundaries lie in what is above it.
    """
    found = await load_map(connection, TERRITORIES)
    if found is not None:
        layer, geojson = found
        return territories_of_geojson(geojson, layer.source_name)
    return [] if map_data is None else territories_of_map(map_data, centre)


def travel_times_of(map_data: MapData | None) -> RoadTimes | None:
    """Driving times over the map's roads; None where there is no map, or one imported before maps had roads."""
    return None if map_data is None or not len(map_data.roads) else RoadTimes(map_data.roads)


def territories_of_map(map_data: MapData, centre: str) -> list[Territory]:
    """The territories of a map's own boundaries; a centre of `kz/almaty` puts the outermost ones below `kz`."""
    return territories_of_boundaries(map_data.boundaries, top=centre.rpartition("/")[0])
