"""An imported map as data: streets, houses, corners, places, boundaries and roads, in columns, and its form in bytes.

Place in the flow: between `routing.osm`, which makes it, and `routing.gazetteer` and `routing.territory`, which answer from it.
Storage keeps `to_bytes()` as one value. Coordinates are whole numbers of 1e-7 degree (OSM's own precision, about 1 cm), so a
map survives its bytes exactly. Rules: the bytes begin with `MAGIC`, whose last byte is the version; other bytes are refused
with `MapError`, never guessed at. Source: OCC-1, CITY-13.
"""

from __future__ import annotations

import zlib
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from routing.columns import Column, Ints, integers, pack, singles
from routing.road_graph import NO_ROADS, RoadGraph, StoredRoads

MAGIC: Final = b"JEDELMAP\x01"
DEGREE: Final = 10_000_000
"""Coordinate units in one degree."""
BYTES_MAX: Final = 1 << 32
"""Largest unpacked map that is read; a country's is some hundreds of megabytes."""


class MapError(Exception):
    """A map file or stored map that cannot be used, with what is wrong in words for the person who gave it."""


class Boundary(msgspec.Struct, frozen=True):
    """An administrative area."""

    admin_level: int
    """OSM's: 2 country, 4 region, 6 district or city, 8 city district; `0` where the map does not say."""
    names: dict[str, str]
    """Language (`kk`, `ru`, `en`, `""` for the local name) → name."""
    code: str
    """ISO 3166 code in lower case where given, else `""`."""
    wkb: bytes
    """Polygon or multipolygon, longitude then latitude in degrees."""


class MapData(msgspec.Struct, frozen=True, eq=False):
    """A map. Points are int32 `(n, 2)` of latitude and longitude in units of 1e-7 degree; `*_street` are street indices."""

    source: str
    """Name of the file it was made from."""
    street_names: list[list[str]]
    """Per street: the name a person reads, then its other spellings and languages."""
    street_old_names: list[list[str]]
    line_street: Ints
    line_start: Ints
    """Line `i` of a street is `line_points[line_start[i]:line_start[i + 1]]`; one longer than `line_street`."""
    line_points: Ints
    house_street: Ints
    house_number: list[str]
    """As the map writes it."""
    house_points: Ints
    corner_streets: Ints
    """`(n, 2)`, the smaller index first."""
    corner_points: Ints
    place_names: list[list[str]]
    """Per place: the name a person reads, then others; the first is `""` where the map has none."""
    place_kind: list[str]
    """OSM's tag value, for example `hospital`, `suburb`."""
    place_points: Ints
    place_extent_m: npt.NDArray[np.float32]
    """Half the extent; 0 for a place mapped as a point."""
    boundaries: list[Boundary]
    skipped: dict[str, int]
    """What the file held and could not be used: reason → count."""
    roads: RoadGraph = NO_ROADS
    """None in a map that was stored before maps had them: ways are straight lines until it is imported again."""

    def statistics(self) -> dict[str, int]:
        """Counts for a summary line: streets, houses, corners, places, boundaries, roads."""
        return {
            "streets": len(self.street_names),
            "houses": len(self.house_number),
            "corners": len(self.corner_streets),
            "places": len(self.place_names),
            "boundaries": len(self.boundaries),
            "roads": len(self.roads),
        }

    def to_bytes(self) -> bytes:
        """The map as compressed bytes of the present version; `from_bytes` gives it back exactly."""
        columns = {}
        for name in self.__struct_fields__:
            value = getattr(self, name)
            columns[name] = pack(value) if isinstance(value, np.ndarray) else value
        columns["roads"] = self.roads.columns()
        return MAGIC + zlib.compress(msgspec.msgpack.encode(columns), 6)

    @staticmethod
    def from_bytes(blob: bytes) -> MapData:
        """The map `to_bytes` made. Raises `MapError` for other bytes, another version, or damage."""
        if len(blob) <= len(MAGIC) or blob[: len(MAGIC) - 1] != MAGIC[:-1]:
            raise MapError("not a jedel map: wrong first bytes")
        if blob[: len(MAGIC)] != MAGIC:
            raise MapError(f"map version {blob[len(MAGIC) - 1]} is not {MAGIC[-1]}: import the map file again")
        unpacker = zlib.decompressobj()
        try:
            plain = unpacker.decompress(blob[len(MAGIC) :], BYTES_MAX)
            if not unpacker.eof:
                raise MapError("damaged map: it ends early")
            stored = msgspec.msgpack.decode(plain, type=_Stored)
            map_data = MapData(
                source=stored.source,
                street_names=stored.street_names,
                street_old_names=stored.street_old_names,
                line_street=integers(stored.line_street),
                line_start=integers(stored.line_start),
                line_points=integers(stored.line_points),
                house_street=integers(stored.house_street),
                house_number=stored.house_number,
                house_points=integers(stored.house_points),
                corner_streets=integers(stored.corner_streets),
                corner_points=integers(stored.corner_points),
                place_names=stored.place_names,
                place_kind=stored.place_kind,
                place_points=integers(stored.place_points),
                place_extent_m=singles(stored.place_extent_m),
                boundaries=stored.boundaries,
                skipped=stored.skipped,
                roads=NO_ROADS if stored.roads is None else stored.roads.roads(),
            )
        except (zlib.error, msgspec.DecodeError, ValueError) as error:
            raise MapError(f"damaged map: {error}") from error
        map_data._check()
        return map_data

    def _check(self) -> None:
        """Raises `MapError` where columns do not belong together, so that no look-up can index past an end."""
        streets, lines = len(self.street_names), len(self.line_street)
        whole = (
            len(self.street_old_names) == streets
            and all(names and names[0] for names in self.street_names)
            and len(self.line_start) == lines + 1
            and bool(np.all(np.diff(self.line_start) >= 2))
            and int(self.line_start[0]) == 0
            and int(self.line_start[-1]) == len(self.line_points)
            and len(self.house_street) == len(self.house_number) == len(self.house_points)
            and len(self.corner_streets) == len(self.corner_points)
            and len(self.place_names) == len(self.place_kind) == len(self.place_points) == len(self.place_extent_m)
            and all(self.place_names)
            and all(
                index.size == 0 or 0 <= int(index.min()) <= int(index.max()) < streets
                for index in (self.line_street, self.house_street, self.corner_streets)
            )
            and all(p.ndim == 2 and p.shape[1] == 2 for p in (self.line_points, self.house_points, self.place_points))
            and self.corner_points.shape == self.corner_streets.shape == (len(self.corner_points), 2)
            and self.roads.is_whole()
        )
        if not whole:
            raise MapError("damaged map: its columns do not fit together")


class _Stored(msgspec.Struct, frozen=True):
    source: str
    street_names: list[list[str]]
    street_old_names: list[list[str]]
    line_street: Column
    line_start: Column
    line_points: Column
    house_street: Column
    house_number: list[str]
    house_points: Column
    corner_streets: Column
    corner_points: Column
    place_names: list[list[str]]
    place_kind: list[str]
    place_points: Column
    place_extent_m: Column
    boundaries: list[Boundary]
    skipped: dict[str, int]
    roads: StoredRoads | None = None
