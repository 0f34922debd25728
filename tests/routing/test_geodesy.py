"""Places on the sphere against the haversine formula, and where formulas break: poles, antimeridian, opposite points, NaN."""

from __future__ import annotations

from math import inf, nan, pi

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.geodesy import EARTH_RADIUS_M, chord_of, chords_squared, metres, metres_of, unit_vector, unit_vectors
from tests.routing.crew_oracle import haversine_m

LATITUDES = st.floats(-90, 90)
LONGITUDES = st.floats(-180, 180)


def distance_m(latitude_deg: float, longitude_deg: float, to_latitude_deg: float, to_longitude_deg: float) -> float:
    points = unit_vectors(np.array([latitude_deg, to_latitude_deg]), np.array([longitude_deg, to_longitude_deg]))
    return float(metres(np.array([chords_squared(points[0], points[1])]))[0])


@pytest.mark.parametrize(
    ("one", "other", "expected_m"),
    [
        ((43.2383, 76.9457), (43.2383, 76.9457), 0.0),
        ((43.2383, 76.9457), (51.1282, 71.4304), 970_500.0),  # Almaty to Astana
        ((10.0, 179.999), (10.0, -179.999), 219.0),  # across the antimeridian
        ((90.0, 0.0), (90.0, 123.0), 0.0),  # a pole has every longitude
        ((89.999, 0.0), (89.999, 180.0), 222.4),  # over the pole
        ((0.0, 0.0), (0.0, 180.0), pi * EARTH_RADIUS_M),  # opposite points
        ((-90.0, 7.0), (90.0, 7.0), pi * EARTH_RADIUS_M),
    ],
)
def test_metres_are_right_where_formulas_break(one: tuple[float, float], other: tuple[float, float], expected_m: float) -> None:
    assert distance_m(*one, *other) == pytest.approx(expected_m, rel=2e-3, abs=1e-6)


@given(LATITUDES, LONGITUDES, LATITUDES, LONGITUDES)
def test_metres_equal_haversine(latitude_deg: float, longitude_deg: float, to_latitude: float, to_longitude: float) -> None:
    expected_m = haversine_m(latitude_deg, longitude_deg, to_latitude, to_longitude)
    # Both formulas lose digits near the opposite point.
    assert distance_m(latitude_deg, longitude_deg, to_latitude, to_longitude) == pytest.approx(expected_m, rel=1e-9, abs=0.2)


@given(st.floats(0.0, 20_000_000.0))
def test_chord_of_is_the_inverse_of_metres(length_m: float) -> None:
    assert float(metres(np.array([chord_of(length_m) ** 2]))[0]) == pytest.approx(length_m, rel=1e-9, abs=1e-6)


@pytest.mark.parametrize("place", [(nan, 1.0), (1.0, nan), (inf, 1.0), (1.0, -inf)])
def test_unit_vector_is_nan_when_a_coordinate_is_not_finite(place: tuple[float, float]) -> None:
    points = unit_vectors(np.array([place[0], 43.0]), np.array([place[1], 76.0]))
    assert np.isnan(points[0]).all()
    assert np.linalg.norm(points[1]) == pytest.approx(1.0)


def test_squared_chord_is_the_same_to_the_last_bit_whatever_its_neighbours_in_the_array() -> None:
    rng = np.random.default_rng(1)
    points = unit_vectors(rng.uniform(-90, 90, 50), rng.uniform(-180, 180, 50))
    whole = chords_squared(points[:, None, :], points[None, :, :])
    for one in range(50):
        for other in range(50):
            assert chords_squared(points[one], points[other]) == whole[one, other]


@given(LATITUDES, LONGITUDES, LATITUDES, LONGITUDES)
def test_single_places_are_where_many_are(
    latitude_deg: float, longitude_deg: float, to_latitude_deg: float, to_longitude_deg: float
) -> None:
    many = unit_vectors(np.array([latitude_deg, to_latitude_deg]), np.array([longitude_deg, to_longitude_deg]))
    assert unit_vector(latitude_deg, longitude_deg) == pytest.approx(many[0].tolist(), abs=1e-15)
    apart = np.array([chords_squared(many[0], many[1])])
    assert metres_of(apart.tolist()) == pytest.approx(metres(apart).tolist(), rel=1e-14, abs=0.0)


def test_opposite_places_are_half_the_globe_apart_when_rounding_puts_them_farther() -> None:
    assert metres_of([4.000000000000001]) == [pi * EARTH_RADIUS_M]
