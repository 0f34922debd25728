"""Imports an OpenStreetMap extract: `.osm.pbf` (or any other form libosmium reads) → `MapData`.

Place in the flow: `jedel map import FILE`, before the service answers anything. Rules: any extract imports, so a missing
tag, a broken relation or a node that the extract cut off is counted in `MapData.skipped` and passed over; only a file that is
not OSM data at all, or is cut short, is refused with `MapError`. Memory: a PBF is read in chunks of `CHUNK_BYTES`, node
locations lie in libosmium's compact table (16 bytes a node, on disk for files beyond `LOCATIONS_ON_DISK_BYTES`), and of the
rest only what has a name or an address, or is driven on, is kept. Source: OCC-1, OCC-4, CITY-13.

Passes: relations (which ways matter); nodes and ways; the ways that only a relation named.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import numpy as np
import osmium
import shapely

from routing.address_words import KIND_LABELS
from routing.columns import Ints
from routing.map_data import DEGREE, Boundary, MapData, MapError
from routing.pbf import chunks
from routing.road_graph import RoadWay
from routing.road_tags import drivable
from routing.streets import NamedWay, RawHouse, RawPlace, assemble

CHUNK_BYTES: Final = 16 * 1024 * 1024
LOCATIONS_ON_DISK_BYTES: Final = 1 << 30

_NOT_STREETS: Final = frozenset(
    [
        "bus_stop",
        "platform",
        "crossing",
        "services",
        "rest_area",
        "elevator",
        "proposed",
        "construction",
        "street_lamp",
        "traffic_signals",
    ]
)
_PLACE_KEYS: Final = [
    "amenity",
    "shop",
    "office",
    "healthcare",
    "emergency",
    "tourism",
    "leisure",
    "historic",
    "aeroway",
    "railway",
    "public_transport",
    "craft",
    "man_made",
    "place",
    "landuse",
    "natural",
    "waterway",
    "building",
    "boundary",
]
_NOT_PLACES: Final = frozenset({"rail", "tram", "subway", "narrow_gauge", "abandoned", "disused", "platform", "stop_position"})
_SETTLEMENTS: Final = frozenset(["city", "town", "village", "hamlet", "suburb", "borough", "quarter", "neighbourhood"])
_NAME_KEYS: Final = (
    "name", "name:kk", "name:ru", "name:en", "name:kz", "int_name", "alt_name", "alt_name:kk", "alt_name:ru", "official_name",
    "short_name", "loc_name", "place_name",
)  # fmt: skip
_OLD_NAME_KEYS: Final = ("old_name", "old_name:kk", "old_name:ru", "old_name:en")
_KEYS: Final = ("highway", "addr:housenumber", "addr:housename", *_NAME_KEYS, *_PLACE_KEYS[:4])

Tags = dict[str, str]


class _Relation:
    """A multipolygon or boundary that may matter, and the ways it is made of."""

    __slots__ = ("inner", "outer", "tags")

    def __init__(self, tags: Tags, outer: list[int], inner: list[int]) -> None:
        self.tags = tags
        self.outer = outer
        self.inner = inner


class _Collector:
    """What the passes have found so far."""

    def __init__(self) -> None:
        self.ways: list[NamedWay] = []
        self.roads: list[RoadWay] = []
        self.houses: list[RawHouse] = []
        self.places: list[RawPlace] = []
        self.boundaries: list[Boundary] = []
        self.skipped: Counter[str] = Counter()

    def take_point(self, tags: Tags, latitude: int, longitude: int) -> None:
        """Takes a node, or an area by its middle."""
        self._take(tags, latitude, longitude, 0.0)

    def take_line(self, tags: Tags, node_ids: list[int], points: Ints, *, closed: bool) -> None:
        """Takes a way: a road, a street, an area with an address or a name, or several of these."""
        highway = tags.get("highway")
        driven = drivable(tags)
        if driven is not None:
            self.roads.append(RoadWay(np.array(node_ids, np.int64), points, driven))
        if highway is not None and highway not in _NOT_STREETS:
            names = _names(tags, _NAME_KEYS)
            if names:
                self.ways.append(NamedWay(names, _names(tags, _OLD_NAME_KEYS), node_ids, points))
            return
        self.take_area(tags, points)
        if closed and len(points) >= 4:
            self._take_boundary(tags, shapely.Polygon(_degrees(points)))

    def take_area(self, tags: Tags, points: Ints) -> None:
        low, high = points.min(axis=0).astype(np.int64), points.max(axis=0).astype(np.int64)
        middle = (low + high) // 2
        height_m = (high[0] - low[0]) / DEGREE * 111_195.0
        width_m = (high[1] - low[1]) / DEGREE * 111_195.0 * np.cos(np.radians(middle[0] / DEGREE))
        self._take(tags, int(middle[0]), int(middle[1]), float(np.hypot(height_m, width_m)) / 2)

    def take_relation(self, relation: _Relation, lines: dict[int, Ints]) -> None:
        """Takes a relation by those of its ways that the extract holds."""
        outer = [lines[way] for way in relation.outer if way in lines]
        if not outer:
            self.skipped["relation without its ways"] += 1
            return
        self.take_area(relation.tags, np.concatenate(outer))
        if not _is_boundary(relation.tags):
            return
        if len(outer) < len(relation.outer):
            self.skipped["boundary cut by the extract"] += 1
            return
        polygon = _polygon(outer)
        if polygon is None:
            self.skipped["boundary not closed"] += 1
            return
        holes = _polygon([lines[way] for way in relation.inner if way in lines])
        self._take_boundary(relation.tags, polygon if holes is None else shapely.difference(polygon, holes))

    def _take_boundary(self, tags: Tags, polygon: shapely.Geometry) -> None:
        if not _is_boundary(tags):
            return
        polygon = shapely.make_valid(polygon)
        if polygon.area == 0.0:
            self.skipped["boundary without area"] += 1
            return
        level = tags.get("admin_level", "")
        names = {"": _names(tags, _NAME_KEYS)[0]}
        names.update({language: tags[f"name:{language}"] for language in ("kk", "ru", "en") if f"name:{language}" in tags})
        self.boundaries.append(
            Boundary(
                admin_level=int(level) if level.isdecimal() and len(level) <= 2 else 0,
                names=names,
                code=tags.get("ISO3166-1:alpha2", tags.get("ISO3166-1", tags.get("ISO3166-2", ""))).lower(),
                wkb=shapely.to_wkb(polygon),
            )
        )

    def _take(self, tags: Tags, latitude: int, longitude: int, extent_m: float) -> None:
        number = tags.get("addr:housenumber", "")
        housename = tags.get("addr:housename", "")
        if not any(sign.isdecimal() for sign in number):
            # Some mappers write the number into addr:housename, and a name into addr:housenumber.
            number = housename if housename[:1].isdecimal() else ""
        if number:
            street = tags.get("addr:street") or tags.get("addr:place") or ""
            self.houses.append(RawHouse(street, number, latitude, longitude))
        kind = _place_kind(tags)
        if kind:
            names = _names(tags, (*_NAME_KEYS, *_OLD_NAME_KEYS))
            if names or kind in KIND_LABELS:
                self.places.append(RawPlace(names or [""], kind, latitude, longitude, extent_m))


def import_osm(path: Path, progress: Callable[[float], None] | None = None, *, chunk_bytes: int = CHUNK_BYTES) -> MapData:
    """Makes a map of an OSM extract.

    Args:
        path: an `.osm.pbf` file, or another form libosmium knows by its ending (`.osm`, `.osm.bz2`, `.o5m`).
        chunk_bytes: how much of a PBF is read at once.
        progress: called now and then with the share done, 0.0 to 1.0, never falling, at the end with 1.0.

    Raises:
        MapError: the file is missing, unreadable, cut short, or holds no OSM data.
    """
    tell = progress or _silent
    if not path.is_file():
        raise MapError(f"{path}: no such file")
    size = path.stat().st_size
    collector = _Collector()
    pool = osmium.io.ThreadPool()
    with tempfile.TemporaryDirectory(prefix="jedel-map-") as scratch:
        store = f"sparse_file_array,{scratch}/nodes" if size > LOCATIONS_ON_DISK_BYTES else "flex_mem"
        locations = osmium.index.create_map(store)
        try:
            relations = _read_relations(path, chunk_bytes, pool, lambda share: tell(0.1 * share))
            wanted = {way for relation in relations for way in (*relation.outer, *relation.inner)}
            objects = _read_objects(path, chunk_bytes, pool, locations, collector, lambda share: tell(0.1 + 0.6 * share))
            lines = _read_lines(path, chunk_bytes, pool, locations, wanted, lambda share: tell(0.7 + 0.1 * share))
        except (RuntimeError, OSError) as error:
            raise MapError(f"{path}: not a readable OSM file: {error}") from error
    if not objects and not relations:
        raise MapError(f"{path}: no streets, addresses or places in it")
    for relation in relations:
        collector.take_relation(relation, lines)
    tell(0.85)
    map_data = assemble(
        path.name,
        collector.ways,
        collector.houses,
        collector.places,
        collector.boundaries,
        dict(collector.skipped),
        collector.roads,
    )
    tell(1.0)
    return map_data


def _silent(_share: float) -> None:
    pass


def _read_relations(path: Path, chunk_bytes: int, pool: osmium.io.ThreadPool, tell: Callable[[float], None]) -> list[_Relation]:
    found = []
    typed = osmium.filter.KeyFilter("type")  # the iterator borrows its filters: each must be held while it runs
    for source, share in chunks(path, chunk_bytes):
        with osmium.io.Reader(source, osmium.osm.RELATION, thread_pool=pool) as reader:
            for relation in osmium.OsmFileIterator(reader, typed):
                if not isinstance(relation, osmium.osm.Relation):
                    continue
                tags = dict(relation.tags)
                if tags["type"] not in ("multipolygon", "boundary"):
                    continue
                if "addr:housenumber" in tags or _place_kind(tags) or _is_boundary(tags):
                    members = [(member.ref, member.role) for member in relation.members if member.type == "w"]
                    outer = [ref for ref, role in members if role != "inner"]
                    found.append(_Relation(tags, outer, [ref for ref, role in members if role == "inner"]))
        tell(share)
    return found


def _read_objects(
    path: Path,
    chunk_bytes: int,
    pool: osmium.io.ThreadPool,
    locations: osmium.index.LocationTable,
    collector: _Collector,
    tell: Callable[[float], None],
) -> int:
    """Reads nodes and ways that have a name, an address or a kind; gives their count."""
    count = 0
    located = osmium.NodeLocationsForWays(locations)
    located.ignore_errors()
    keyed = osmium.filter.KeyFilter(*_KEYS)
    for source, share in chunks(path, chunk_bytes):
        with osmium.io.Reader(source, osmium.osm.NODE | osmium.osm.WAY, thread_pool=pool) as reader:
            for thing in osmium.OsmFileIterator(reader, located, keyed):
                count += 1
                if isinstance(thing, osmium.osm.Node):
                    location = thing.location
                    if location.valid():
                        collector.take_point(dict(thing.tags), location.y, location.x)
                if not isinstance(thing, osmium.osm.Way):
                    continue
                node_ids, points = _points(thing)
                if len(node_ids) < 2:
                    collector.skipped["way without its nodes"] += 1
                    continue
                collector.take_line(dict(thing.tags), node_ids, points, closed=node_ids[0] == node_ids[-1])
        tell(share)
    return count


def _read_lines(
    path: Path,
    chunk_bytes: int,
    pool: osmium.io.ThreadPool,
    locations: osmium.index.LocationTable,
    wanted: set[int],
    tell: Callable[[float], None],
) -> dict[int, Ints]:
    """Points of the ways that relations are made of, by way id."""
    found: dict[int, Ints] = {}
    if not wanted:
        return found
    located = osmium.NodeLocationsForWays(locations)
    located.ignore_errors()
    chosen = osmium.filter.IdFilter(wanted)
    for source, share in chunks(path, chunk_bytes):
        with osmium.io.Reader(source, osmium.osm.WAY, thread_pool=pool) as reader:
            for way in osmium.OsmFileIterator(reader, located, chosen):
                if not isinstance(way, osmium.osm.Way):
                    continue
                node_ids, points = _points(way)
                if len(node_ids) >= 2:
                    found[way.id] = points
        tell(share)
    return found


def _points(way: osmium.osm.Way) -> tuple[list[int], Ints]:
    """Node ids and points of a way, without the nodes that the extract has cut off."""
    held = [(node.ref, node.location) for node in way.nodes]
    held = [(ref, location) for ref, location in held if location.valid()]
    points = np.array([(location.y, location.x) for _, location in held], np.int32).reshape(-1, 2)
    return [ref for ref, _ in held], points


def _names(tags: Tags, keys: tuple[str, ...]) -> list[str]:
    """Distinct names under the keys, in their order."""
    return list(dict.fromkeys(tags[key].strip() for key in keys if tags.get(key, "").strip()))


def _place_kind(tags: Tags) -> str:
    """What kind of place it is, `""` when it is none a caller would name."""
    if tags.get("highway") == "bus_stop":
        return "bus_stop"
    for key in _PLACE_KEYS:
        value = tags.get(key)
        if value and value != "no":
            return "" if value in _NOT_PLACES else key if value == "yes" else value
    return ""


def _is_boundary(tags: Tags) -> bool:
    """Whether an area is a named administrative one or a settlement's."""
    if tags.get("boundary") != "administrative" and tags.get("place") not in _SETTLEMENTS:
        return False
    return bool(_names(tags, _NAME_KEYS))


def _degrees(points: Ints) -> Iterator[tuple[float, float]]:
    """Longitude and latitude pairs, the order of geometry libraries."""
    return ((longitude / DEGREE, latitude / DEGREE) for latitude, longitude in points.tolist())


def _polygon(lines: list[Ints]) -> shapely.Geometry | None:
    """The area that lines enclose, or None when they do not close."""
    if not lines:
        return None
    area = shapely.build_area(shapely.MultiLineString([list(_degrees(line)) for line in lines]))
    return None if area.is_empty else area
