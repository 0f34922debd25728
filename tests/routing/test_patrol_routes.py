"""Distances of crews to their own routes."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from core.great_circle import METRES_PER_DEGREE, distance_m
from core.instant import Micros
from core.patrol import PatrolRoute, RouteId
from loadtest.bench.plain_patrol import PlainRoute
from routing.patrol_routes import RouteShapes
from tests.core.patrol_town import place, street, timetable


def route(shape: shapely.Geometry) -> PatrolRoute:
    return PatrolRoute(
        route_id=RouteId("r"),
        valid_from_us=Micros(0),
        name="r",
        width_m=50.0,
        timetable=timetable(),
        crews=None,
        wkb=shapely.to_wkb(shape),
    )


def far(shape: shapely.Geometry, latitude_deg: float, longitude_deg: float) -> float:
    shapes = RouteShapes([route(shape)])
    (metres,) = shapes.distances_m(np.zeros(1, np.int64), np.array([latitude_deg]), np.array([longitude_deg]))
    return float(metres)


def box(west: float, south: float, east: float, north: float) -> shapely.Geometry:
    return shapely.box(west, south, east, north)


@pytest.mark.parametrize(
    ("off_m", "along_m", "expected_m"),
    [(0, 0, 0), (70, 300, 70), (-70, -999, 70), (0, 1500, 500), (300, 1400, 500), (20_000, 0, 20_000)],
)
def test_distances_when_route_is_a_line_are_to_its_nearest_part(off_m: float, along_m: float, expected_m: float) -> None:
    shape = shapely.from_wkb(street().wkb)
    assert far(shape, *place(off_m, along_m)) == pytest.approx(expected_m, rel=2e-3, abs=0.01)


def test_distances_when_route_is_an_area_are_nothing_inside_and_not_in_its_hole() -> None:
    hole = shapely.Polygon(box(76.90, 43.20, 76.94, 43.24).exterior, [box(76.915, 43.215, 76.925, 43.225).exterior])
    assert far(hole, 43.205, 76.905) == 0.0
    assert far(hole, 43.22, 76.92) == pytest.approx(0.005 * METRES_PER_DEGREE * np.cos(np.radians(43.22)), rel=1e-3)
    assert far(hole, 43.25, 76.92) == pytest.approx(0.01 * METRES_PER_DEGREE, rel=1e-3)


def test_distances_when_route_lies_on_the_antimeridian_go_the_shorter_way() -> None:
    chukotka = shapely.LineString([(179.0, 65.0), (179.99, 65.0)])
    expected_m = distance_m(65.0, 179.99, 65.0, -179.99)
    assert far(chukotka, 65.0, -179.99) == pytest.approx(expected_m, rel=1e-2)


def test_distances_when_place_is_none_are_nan() -> None:
    assert np.isnan(far(box(76, 43, 77, 44), np.nan, 76.5))


def test_distances_when_nobody_is_asked_for_are_none() -> None:
    empty = np.zeros(0)
    assert len(RouteShapes([]).distances_m(np.zeros(0, np.int64), empty, empty)) == 0


@given(
    st.lists(st.tuples(st.floats(-0.1, 0.1), st.floats(-0.1, 0.1)), min_size=2, max_size=8, unique=True),
    st.lists(st.tuples(st.floats(-0.2, 0.2), st.floats(-0.2, 0.2)), min_size=1, max_size=6),
)
def test_distances_are_those_of_each_place_to_its_own_route(
    corners: list[tuple[float, float]], places: list[tuple[float, float]]
) -> None:
    line = shapely.LineString([(76.9 + east, 43.2 + north) for east, north in corners])
    routes = [street(), route(line)]
    plain = [PlainRoute(one) for one in routes]
    numbers = np.arange(len(places)) % 2
    latitude_deg = np.array([43.2 + north for _, north in places])
    longitude_deg = np.array([76.9 + east for east, _ in places])
    found = RouteShapes(routes).distances_m(numbers, latitude_deg, longitude_deg)
    expected = [
        plain[number].distance_m(latitude, longitude)
        for number, latitude, longitude in zip(numbers, latitude_deg, longitude_deg, strict=True)
    ]
    assert found == pytest.approx(expected, abs=1e-6)


@given(st.floats(-300, 300), st.floats(-1500, 1500), st.sampled_from([0.0, 25.0, 48.0, 55.0]))
def test_distances_near_a_route_are_true_to_the_sphere(off_m: float, along_m: float, latitude_deg: float) -> None:
    # The foot of the perpendicular, taken on the sphere itself, where the route is a parallel.
    eastward = METRES_PER_DEGREE * np.cos(np.radians(latitude_deg))
    ends = [(76.9 - 1000 / eastward, latitude_deg), (76.9 + 1000 / eastward, latitude_deg)]
    here = (latitude_deg + off_m / METRES_PER_DEGREE, 76.9 + along_m / eastward)
    foot = (latitude_deg, min(max(here[1], ends[0][0]), ends[1][0]))
    assert far(shapely.LineString(ends), *here) == pytest.approx(distance_m(*here, *foot), rel=2e-3, abs=0.05)


def test_shapes_when_a_route_changes_are_of_its_version() -> None:
    moved = msgspec.structs.replace(street(), version=2, wkb=shapely.to_wkb(shapely.LineString([(76.9, 43.3), (76.95, 43.3)])))
    shapes = RouteShapes([street(), moved])
    here = np.array([43.3, 43.3]), np.array([76.92, 76.92])
    near_m, far_m = shapes.distances_m(np.array([1, 0]), *here)
    assert near_m < 1.0 < 5_000 < far_m
