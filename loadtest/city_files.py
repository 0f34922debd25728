"""The simulated city as the files a real city comes in: OSM extract, territories, subscriber base, devices.

Place in the flow: before it. Nothing of the simulation reaches the centre by another way than these files, through the same
import commands that a real city uses, so the demo exercises them. The extract follows OSM's own habits: bilingual `name`,
`name:kk`, `name:ru`; `addr:street` and `addr:housenumber` on buildings; boundary relations whose outer ring is put together
of several ways. Requirements: OCC-1, CITY-13.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from math import cos, radians
from pathlib import Path
from typing import Final

import msgspec
import osmium
from osmium.osm.mutable import Node, Relation, Way

from loadtest.cadastre import InstitutionKind, Point
from loadtest.city import CENTRE_LATITUDE_DEG, CITY_NAME, CITY_TERRITORY, METRES_A_DEGREE, City
from loadtest.names import Name

HOUSE_HALF_M: Final = 9.0

_TAGS: Final[Mapping[InstitutionKind, tuple[str, str]]] = {
    "hospital": ("amenity", "hospital"),
    "school": ("amenity", "school"),
    "police": ("amenity", "police"),
    "fire_station": ("amenity", "fire_station"),
    "ambulance_station": ("emergency", "ambulance_station"),
    "fuel": ("amenity", "fuel"),
    "marketplace": ("amenity", "marketplace"),
    "bank": ("amenity", "bank"),
}


class CityFiles(msgspec.Struct, frozen=True):
    """Where a city's files were written."""

    extract: Path
    territories: Path
    subscribers: Path
    devices: Path


def write_city(city: City, folder: Path) -> CityFiles:
    """Writes all four files into `folder`, replacing older ones of these names. Raises `OSError`."""
    folder.mkdir(parents=True, exist_ok=True)
    files = CityFiles(
        extract=folder / "city.osm.pbf",
        territories=folder / "territories.geojson",
        subscribers=folder / "subscribers.csv",
        devices=folder / "devices.csv",
    )
    write_extract(city, files.extract)
    write_territories(city, files.territories)
    write_subscribers(city, files.subscribers)
    write_devices(city, files.devices)
    return files


def write_extract(city: City, path: Path) -> None:
    """Writes the city as an OSM extract; nodes, ways and relations each in order of id, as PBF readers expect."""
    survey = _Survey()
    crossings = [survey.node(place, {}) for place in city.crossings]
    ring_name, ring = city.ring_road
    ring_nodes = [survey.node(place, {}) for place in ring]
    survey.way([*ring_nodes, ring_nodes[0]], {"highway": "trunk", **_names(ring_name)})
    for street in city.streets:
        kind = "primary" if street.avenue else "residential"
        survey.way([crossings[crossing] for crossing in street.crossings], {"highway": kind, **_names(street.name)})
    institutions = {institution.house: institution for institution in city.institutions}
    for index, house in enumerate(city.houses):
        institution = institutions.get(index)
        street_name = city.streets[house.street].name
        tags = {
            "building": "yes",
            "addr:street": street_name.kk,
            "addr:street:ru": street_name.ru,
            "addr:housenumber": house.number,
        }
        if institution is not None:
            key, value = _TAGS[institution.kind]
            tags |= {key: value, **_names(institution.name)}
        corners = [survey.node(corner, {}) for corner in _footprint(house.place)]
        survey.way([*corners, corners[0]], tags)
    for name, place in city.neighbourhoods:
        survey.node(place, {"place": "neighbourhood", **_names(name)})
    survey.node(city.crossings[len(city.crossings) // 2], {"place": "city", **_names(CITY_NAME)})
    survey.boundary(city.outline, {"admin_level": "4", **_names(CITY_NAME)})
    for district in city.districts:
        survey.boundary(district.ring, {"admin_level": "6", **_names(district.name)})
    survey.write(path)


def write_territories(city: City, path: Path) -> None:
    """Writes the city and its districts as a GeoJSON FeatureCollection; a feature's id is its path in the vertical."""
    features = [_feature(CITY_TERRITORY, CITY_NAME, city.outline)]
    features += [_feature(district.territory, district.name, district.ring) for district in city.districts]
    path.write_bytes(msgspec.json.encode({"type": "FeatureCollection", "features": features}))


def write_subscribers(city: City, path: Path) -> None:
    """Writes the subscriber base as CSV with a header."""
    rows = (city.subscriber(index) for index in range(city.subscriber_count))
    _write_csv(
        path,
        ("phone", "name", "line", "address", "latitude_deg", "longitude_deg"),
        ((row.phone, row.name, row.line, row.address, *_degrees(row.place)) for row in rows),
    )


def write_devices(city: City, path: Path) -> None:
    """Writes the register of devices as CSV with a header."""
    _write_csv(
        path,
        ("device_id", "latitude_deg", "longitude_deg", "address"),
        ((device.device_id, *_degrees(device.place), device.address) for device in city.devices),
    )


class _Survey:
    """Collects OSM objects and numbers them; written in one go, because a PBF holds nodes before ways."""

    def __init__(self) -> None:
        self._nodes: list[Node] = []
        self._ways: list[Way] = []
        self._relations: list[Relation] = []

    def node(self, place: Point, tags: dict[str, str]) -> int:
        self._nodes.append(
            Node(id=len(self._nodes) + 1, version=1, location=(place.longitude_deg, place.latitude_deg), tags=tags)
        )
        return len(self._nodes)

    def way(self, nodes: list[int], tags: dict[str, str]) -> int:
        self._ways.append(Way(id=len(self._ways) + 1, version=1, nodes=nodes, tags=tags))
        return len(self._ways)

    def boundary(self, ring: Iterable[Point], tags: dict[str, str]) -> None:
        """An administrative boundary whose ring is two ways, so that its reader has to join them."""
        corners = [self.node(place, {}) for place in ring]
        middle = len(corners) // 2
        halves = (self.way(corners[: middle + 1], {}), self.way([*corners[middle:], corners[0]], {}))
        self._relations.append(
            Relation(
                id=len(self._relations) + 1,
                version=1,
                members=[("w", way, "outer") for way in halves],
                tags={"type": "boundary", "boundary": "administrative", **tags},
            )
        )

    def write(self, path: Path) -> None:
        with osmium.SimpleWriter(str(path), overwrite=True) as writer:
            for node in self._nodes:
                writer.add_node(node)
            for way in self._ways:
                writer.add_way(way)
            for relation in self._relations:
                writer.add_relation(relation)


def _names(name: Name) -> dict[str, str]:
    return {"name": name.kk, "name:kk": name.kk, "name:ru": name.ru}


def _footprint(place: Point) -> Iterator[Point]:
    north_deg = HOUSE_HALF_M / METRES_A_DEGREE
    east_deg = north_deg / cos(radians(CENTRE_LATITUDE_DEG))
    for east, north in ((-1, -1), (1, -1), (1, 1), (-1, 1)):
        yield Point(latitude_deg=place.latitude_deg + north * north_deg, longitude_deg=place.longitude_deg + east * east_deg)


def _feature(territory: str, name: Name, ring: tuple[Point, ...]) -> dict[str, object]:
    corners = [[place.longitude_deg, place.latitude_deg] for place in (*ring, ring[0])]
    return {
        "type": "Feature",
        "properties": {"id": territory, "name": name.ru, "name_kk": name.kk, "name_ru": name.ru},
        "geometry": {"type": "Polygon", "coordinates": [corners]},
    }


def _degrees(place: Point | None) -> tuple[str, str]:
    return ("", "") if place is None else (f"{place.latitude_deg:.7f}", f"{place.longitude_deg:.7f}")


def _write_csv(path: Path, header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
