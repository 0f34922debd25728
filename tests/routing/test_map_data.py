"""The map's form in bytes."""

from __future__ import annotations

import zlib

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.columns import Ints
from routing.map_data import MAGIC, Boundary, MapData, MapError
from routing.road_graph import NO_ROADS, RoadGraph

COORDINATE = st.integers(-1_800_000_000, 1_800_000_000)
POINT = st.tuples(COORDINATE, COORDINATE)
ROADS = (
    NO_ROADS,
    RoadGraph(
        road_from=np.array([0, 1], np.int32),
        road_to=np.array([1, 0], np.int32),
        road_oneway=np.array([0, 1], np.int32),
        road_speed_kmh=np.array([25, 90], np.int32),
        road_start=np.array([0, 2, 5], np.int32),
        road_points=np.array([(1, 2), (3, 4), (3, 4), (9, 9), (1, 2)], np.int32),
    ),
)
NAMES = st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=3)


def ints(values: list[tuple[int, int]]) -> Ints:
    return np.array(values, np.int32).reshape(-1, 2)


EMPTY = MapData(
    source="", street_names=[], street_old_names=[], line_street=np.zeros(0, np.int32), line_start=np.zeros(1, np.int32),
    line_points=ints([]), house_street=np.zeros(0, np.int32), house_number=[], house_points=ints([]),
    corner_streets=ints([]), corner_points=ints([]), place_names=[], place_kind=[], place_points=ints([]),
    place_extent_m=np.zeros(0, np.float32), boundaries=[], skipped={},
)  # fmt: skip


@st.composite
def maps(draw: st.DrawFn) -> MapData:
    names = draw(st.lists(NAMES, max_size=4))
    street = st.integers(0, max(len(names) - 1, 0))
    lines = draw(st.lists(st.tuples(street, st.lists(POINT, min_size=2, max_size=4)), max_size=4)) if names else []
    houses = draw(st.lists(st.tuples(street, st.text(max_size=4), POINT), max_size=4)) if names else []
    corners = draw(st.lists(st.tuples(st.tuples(street, street), POINT), max_size=3)) if names else []
    places = draw(st.lists(st.tuples(NAMES, st.text(max_size=5), POINT, st.floats(0, 1e6, width=32)), max_size=4))
    return MapData(
        source=draw(st.text(max_size=10)),
        street_names=names,
        street_old_names=[[] for _ in names],
        line_street=np.array([line[0] for line in lines], np.int32),
        line_start=np.cumsum([0, *(len(line[1]) for line in lines)], dtype=np.int32),
        line_points=ints([point for line in lines for point in line[1]]),
        house_street=np.array([house[0] for house in houses], np.int32),
        house_number=[house[1] for house in houses],
        house_points=ints([house[2] for house in houses]),
        corner_streets=ints([corner[0] for corner in corners]),
        corner_points=ints([corner[1] for corner in corners]),
        place_names=[place[0] for place in places],
        place_kind=[place[1] for place in places],
        place_points=ints([place[2] for place in places]),
        place_extent_m=np.array([place[3] for place in places], np.float32),
        boundaries=[Boundary(admin_level=4, names={"": "Алматы"}, code="", wkb=draw(st.binary(max_size=20)))],
        skipped=draw(st.dictionaries(st.text(max_size=5), st.integers(0, 9), max_size=2)),
        roads=draw(st.sampled_from(ROADS)),
    )


@given(maps())
def test_from_bytes_gives_the_same_map_when_to_bytes_made_them(map_data: MapData) -> None:
    again = MapData.from_bytes(map_data.to_bytes())
    for name in map_data.__struct_fields__:
        before, after = getattr(map_data, name), getattr(again, name)
        if isinstance(before, np.ndarray):
            assert before.dtype == after.dtype
            assert np.array_equal(before, after), name
        elif isinstance(before, RoadGraph):
            assert [getattr(before, column).tolist() for column in before.__struct_fields__] == [
                getattr(after, column).tolist() for column in after.__struct_fields__
            ]
        else:
            assert before == after, name


@given(st.binary(max_size=200))
def test_from_bytes_gives_a_map_or_the_one_error_when_bytes_are_any(blob: bytes) -> None:
    for candidate in (blob, MAGIC + blob, MAGIC + zlib.compress(blob)):
        with pytest.raises(MapError):
            MapData.from_bytes(candidate)


@given(maps(), st.data())
def test_from_bytes_refuses_when_bytes_are_cut(map_data: MapData, data: st.DataObject) -> None:
    blob = map_data.to_bytes()
    with pytest.raises(MapError):
        MapData.from_bytes(blob[: data.draw(st.integers(0, len(blob) - 1))])


def test_from_bytes_gives_a_map_without_roads_when_it_was_stored_before_maps_had_them() -> None:
    columns = msgspec.msgpack.decode(zlib.decompress(EMPTY.to_bytes()[len(MAGIC) :]))
    del columns["roads"]
    old = MapData.from_bytes(MAGIC + zlib.compress(msgspec.msgpack.encode(columns)))
    assert len(old.roads) == 0


def test_from_bytes_names_both_versions_when_the_map_is_of_another() -> None:
    with pytest.raises(MapError, match="map version 9 is not 1: import the map file again"):
        MapData.from_bytes(MAGIC[:-1] + b"\x09" + b"anything")


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("house_number", ["1"]),
        ("street_names", [["Абая"]]),
        ("place_names", [["Рахат"]]),
        ("line_start", {"shape": [1], "data": b"\x05\x00\x00\x00"}),
        ("line_street", {"shape": [1], "data": b"\x05\x00\x00\x00"}),
        ("house_points", {"shape": [3, 2], "data": b"\x05\x00\x00\x00"}),
        ("corner_points", {"shape": [0], "data": b""}),
        ("roads", {**EMPTY.roads.columns(), "road_to": {"shape": [1], "data": b"\x05\x00\x00\x00"}}),
        ("roads", {**ROADS[1].columns(), "road_start": {"shape": [3], "data": b"\x00\x00\x00\x00" * 3}}),
        ("roads", {**ROADS[1].columns(), "road_speed_kmh": {"shape": [2], "data": b"\x00\x00\x00\x00" * 2}}),
    ],
)
def test_from_bytes_refuses_when_columns_do_not_fit_together(column: str, value: object) -> None:
    stored = msgspec.msgpack.decode(zlib.decompress(EMPTY.to_bytes()[len(MAGIC) :]))
    stored[column] = value
    with pytest.raises(MapError, match="damaged map"):
        MapData.from_bytes(MAGIC + zlib.compress(msgspec.msgpack.encode(stored)))
