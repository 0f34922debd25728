"""Territories by polygon."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from core.vocabulary import TerritoryId
from routing.map_data import Boundary, MapError
from routing.territory import Territory, TerritoryIndex, territories_of_boundaries, territories_of_geojson


def box(west: float, south: float, east: float, north: float) -> dict[str, object]:
    """A GeoJSON rectangle: longitude before latitude."""
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}


def feature(geometry: object, **properties: object) -> dict[str, object]:
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def geojson(*features: object) -> bytes:
    return msgspec.json.encode({"type": "FeatureCollection", "features": features})


CITY = geojson(
    feature(box(76.7, 43.1, 77.1, 43.4), id="almaty", parent="kz", name="Алматы", name_kk="Алматы", name_en="Almaty"),
    feature(box(76.9, 43.1, 77.1, 43.4), id="medeu", parent="almaty", name_ru="Медеуский район", name_kk="Медеу ауданы"),
    feature(box(46.0, 40.0, 88.0, 56.0), id="kz", name="Қазақстан"),
)


def find(index: TerritoryIndex, *points: tuple[float, float]) -> list[str]:
    latitude, longitude = np.array(points, np.float64).reshape(-1, 2).T
    return index.find(latitude, longitude)


def test_find_gives_deepest_territory_when_several_hold_a_point() -> None:
    index = TerritoryIndex(territories_of_geojson(CITY))
    assert find(index, (43.25, 76.95), (43.25, 76.80), (51.1, 71.4), (55.75, 37.6)) == [
        "kz/almaty/medeu",
        "kz/almaty",
        "kz",
        "",
    ]


def test_find_takes_longitude_first_when_geojson_says_so() -> None:
    # The rectangle is valid either way round; only the right order holds Almaty.
    index = TerritoryIndex(territories_of_geojson(geojson(feature(box(76.7, 43.1, 77.1, 43.4), id="almaty", name="Алматы"))))
    assert find(index, (43.25, 76.9), (76.9, 43.25)) == ["almaty", ""]


def test_find_gives_a_territory_when_point_lies_on_a_border() -> None:
    index = TerritoryIndex(territories_of_geojson(CITY))
    assert find(index, (43.25, 76.9), (43.4, 77.1)) == ["kz/almaty/medeu", "kz/almaty/medeu"]


def test_find_gives_nothing_when_point_is_no_place() -> None:
    index = TerritoryIndex(territories_of_geojson(CITY))
    assert find(index, (float("nan"), 76.9), (43.25, float("inf"))) == ["", ""]
    assert find(index) == []
    assert find(TerritoryIndex([]), (43.25, 76.9)) == [""]


@given(
    st.lists(st.tuples(*(st.integers(0, 20) for _ in range(4)), st.integers(1, 4)), max_size=8),
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=20),
)
def test_find_equals_asking_every_polygon(rectangles: list[tuple[int, ...]], points: list[tuple[int, int]]) -> None:
    shapes, territories = [], []
    for number, (west, south, width, height, depth) in enumerate(rectangles):
        shape = shapely.box(west, south, west + width + 1, south + height + 1)
        path = "/".join(["t", *("x" * (depth - 1)), str(number)])
        shapes.append((depth, -shape.area, path, shape))
        territories.append(Territory(TerritoryId(path), {"": path}, shapely.to_wkb(shape)))
    places = [(latitude / 2, longitude / 2) for latitude, longitude in points]
    expected = [
        max(((d, a, p) for d, a, p, shape in shapes if shape.intersects(shapely.Point(lon, lat))), default=(0, 0, ""))[2]
        for lat, lon in places
    ]
    assert find(TerritoryIndex(territories), *places) == expected


def test_territories_have_their_names_in_each_language() -> None:
    medeu = next(t for t in territories_of_geojson(CITY) if t.territory_id == "kz/almaty/medeu")
    assert medeu.names == {"ru": "Медеуский район", "kk": "Медеу ауданы"}


GOOD = box(76.7, 43.1, 77.1, 43.4)
WRONG: list[tuple[Any, str]] = [
    (b"no json", "cities.json: "),
    (b'{"type": "Feature", "features": []}', r"\$\.type must be FeatureCollection"),
    (geojson(feature(GOOD, name="Алматы")), "feature 0: properties.id is missing"),
    (geojson(feature(GOOD, id=7, name="Алматы")), r"feature 0: Expected `str`, got `int` - at `\$\.properties\.id`"),
    (geojson(feature(GOOD, id="a b", name="А")), r"feature 0 \(a b\): properties.id 'a b' must be"),
    (geojson(feature(GOOD, id="a")), r"feature 0 \(a\): properties.name is missing"),
    (
        geojson(feature(GOOD, id="a", name="А"), feature(GOOD, id="a", name="А")),
        r"feature 1 \(a\): properties.id is given twice",
    ),
    (geojson(feature(GOOD, id="a", parent="b", name="А")), r"feature 0 \(a\): properties.parent 'b' is no feature's id"),
    (
        geojson(feature(GOOD, id="a", parent="b", name="А"), feature(GOOD, id="b", parent="a", name="Б")),
        r"feature 0 \(a\): properties.parent leads back to 'a'",
    ),
    (
        geojson(feature({"type": "Point", "coordinates": [76, 43]}, id="a", name="А")),
        "geometry must be a Polygon or MultiPolygon",
    ),
    (geojson(feature(None, id="a", name="А")), "geometry"),
    (geojson(feature({"type": "Polygon", "coordinates": [[[1, 2]]]}, id="a", name="А")), "geometry: "),
    (geojson(feature(box(43.1, 106.7, 43.4, 107.1), id="a", name="А")), "must be longitude .* then latitude"),
    (geojson(feature(box(8e6, 5e6, 8.1e6, 5.1e6), id="a", name="А")), "in degrees"),
    (geojson(feature(box(76.7, 43.1, 76.7, 43.1), id="a", name="А")), "encloses no area"),
]


@pytest.mark.parametrize(("text", "message"), WRONG)
def test_geojson_is_refused_with_feature_and_field_when_it_is_wrong(text: bytes, message: str) -> None:
    with pytest.raises(MapError, match=message):
        territories_of_geojson(text, "cities.json")


@given(st.binary(max_size=100))
def test_geojson_is_refused_with_the_one_error_when_bytes_are_any(text: bytes) -> None:
    with pytest.raises(MapError):
        territories_of_geojson(text)


def test_index_refuses_when_one_id_comes_twice() -> None:
    twice = territories_of_geojson(CITY)
    with pytest.raises(MapError, match="given twice"):
        TerritoryIndex([*twice, *twice])


def boundary(level: int, shape: shapely.Geometry, code: str = "", **names: str) -> Boundary:
    return Boundary(
        admin_level=level, names={key.strip("_"): name for key, name in names.items()}, code=code, wkb=shapely.to_wkb(shape)
    )


def test_boundaries_are_nested_by_what_holds_them() -> None:
    country = boundary(2, shapely.box(46, 40, 88, 56), "kz", _="Қазақстан")
    city = boundary(4, shapely.box(76.7, 43.1, 77.1, 43.4), _="Алматы")
    medeu = boundary(
        6, shapely.box(76.9, 43.09, 77.1, 43.4), _="Медеу ауданы", en="Medeu District"
    )  # drawn a little over the edge
    twin = boundary(6, shapely.box(76.7, 43.1, 76.8, 43.4), _="Медеу")
    paths = [t.territory_id for t in territories_of_boundaries([medeu, city, twin, country])]
    assert paths == ["kz", "kz/almaty", "kz/almaty/medeu", "kz/almaty/medeu-2"]
    assert [t.territory_id for t in territories_of_boundaries([city], "kz")] == ["kz/almaty"]
