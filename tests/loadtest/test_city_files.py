"""The city's files, read back by the libraries that read any city's."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import msgspec
import osmium
import pytest
import shapely
from shapely.geometry import shape

from loadtest.city import CITY_TERRITORY, City
from loadtest.city_files import CityFiles, write_city

CITY = City(3, districts=3, streets=12, crews=5, cameras=30, subscribers=200)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> CityFiles:
    return write_city(CITY, tmp_path_factory.mktemp("city"))


def test_extract_holds_every_house_with_its_address(files: CityFiles) -> None:
    found: Counter[tuple[str, str]] = Counter()
    for way in osmium.FileProcessor(str(files.extract)).with_locations():
        if isinstance(way, osmium.osm.Way) and "addr:housenumber" in way.tags:
            assert way.is_closed()
            found[way.tags["addr:street"], way.tags["addr:housenumber"]] += 1
    assert found == Counter((CITY.streets[house.street].name.kk, house.number) for house in CITY.houses)


def test_extract_holds_every_street_in_both_languages(files: CityFiles) -> None:
    names = {
        (entity.tags["name:kk"], entity.tags["name:ru"])
        for entity in osmium.FileProcessor(str(files.extract))
        if isinstance(entity, osmium.osm.Way) and "highway" in entity.tags
    }
    assert names == {tuple(street.name) for street in CITY.streets} | {tuple(CITY.ring_road[0])}


def test_streets_share_a_node_where_they_cross(files: CityFiles) -> None:
    ways = [
        {node.ref for node in way.nodes}
        for way in osmium.FileProcessor(str(files.extract))
        if isinstance(way, osmium.osm.Way) and way.tags.get("highway") in ("primary", "residential")
    ]
    shared = sum(1 for index, one in enumerate(ways) for other in ways[index + 1 :] if one & other)
    assert shared == CITY.rows * CITY.columns


def test_boundaries_become_areas_when_their_ways_are_joined(files: CityFiles) -> None:
    areas = {
        area.tags["name"]: len(list(area.outer_rings()))
        for area in osmium.FileProcessor(str(files.extract)).with_areas()
        if isinstance(area, osmium.osm.Area) and area.tags.get("boundary") == "administrative"
    }
    assert areas == dict.fromkeys((CITY_NAME_KK, *(district.name.kk for district in CITY.districts)), 1)


CITY_NAME_KK = "Алтынтау"


def test_institutions_are_those_of_the_city(files: CityFiles) -> None:
    kinds = Counter(
        entity.tags.get("amenity") or entity.tags["emergency"]
        for entity in osmium.FileProcessor(str(files.extract))
        if isinstance(entity, osmium.osm.Way) and ("amenity" in entity.tags or "emergency" in entity.tags)
    )
    assert kinds == Counter(institution.kind for institution in CITY.institutions)


def test_territories_cover_the_city_once(files: CityFiles) -> None:
    features = msgspec.json.decode(files.territories.read_bytes())["features"]
    shapes = {feature["properties"]["id"]: shape(feature["geometry"]) for feature in features}
    city = shapes.pop(CITY_TERRITORY)
    assert city.is_valid
    assert sum(district.area for district in shapes.values()) == pytest.approx(city.area, rel=1e-6)
    # Corners are rounded as OSM rounds them, so borders may miss one another by a hand's breadth.
    assert shapely.unary_union(list(shapes.values())).symmetric_difference(city).area < city.area * 1e-6


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_subscribers_are_written_as_they_are(files: CityFiles) -> None:
    rows = read(files.subscribers)
    assert list(rows[0]) == ["phone", "name", "line", "address", "latitude_deg", "longitude_deg"]
    assert [row["phone"] for row in rows] == [CITY.subscriber(index).phone for index in range(200)]
    assert 100 < sum(1 for row in rows if row["latitude_deg"]) < 200


def test_devices_are_written_with_their_places(files: CityFiles) -> None:
    rows = {row["device_id"]: row for row in read(files.devices)}
    assert len(rows) == len(CITY.devices)
    for device in CITY.devices:
        assert float(rows[device.device_id]["latitude_deg"]) == device.place.latitude_deg
        assert rows[device.device_id]["address"]
