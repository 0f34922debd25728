"""Houses along a street, shapes of streets, what is nearest to a point."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.map_data import DEGREE, MapData
from routing.map_index import HouseIndex, PointIndex, StreetShapes, distance_m
from routing.streets import NamedWay, RawHouse, assemble

NORTH = round(43.25 * DEGREE)
EAST = round(76.9 * DEGREE)
STEP = 10_000  # 0.001 degree


def along(*numbers: tuple[str, int]) -> MapData:
    """A street east along 43.25 with houses so many steps from its beginning, odd numbers on its north side."""
    houses = [
        RawHouse("Абая", number, NORTH + (1_000 if int(number[0]) % 2 else -1_000), EAST + step * STEP)
        for number, step in numbers
    ]
    way = NamedWay(["Абая"], [], [1, 2], np.array([(NORTH, EAST), (NORTH, EAST + 20 * STEP)], np.int32))
    return assemble("test", [way], houses, [], [], {})


def placed(map_data: MapData, key: str) -> list[tuple[float, float]]:
    """Steps from the street's beginning, and the share of the score, for each answer."""
    return [(round((at.longitude_deg * DEGREE - EAST) / STEP, 3), at.share) for at in HouseIndex(map_data).place(0, key)]


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("5", [(4.0, 1.0)]),
        ("7", [(6.0, 0.9)]),  # half way between 5 and 9, though 6 and 8 on the other side are nearer in number
        ("5a", [(4.0, 0.95)]),
        ("5/2", [(4.0, 0.95)]),
        ("11", [(8.0, 0.85)]),
        ("7/1", [(6.0, 0.9)]),
        ("99", []),
    ],
)
def test_house_is_placed_on_its_own_side_when_the_map_lacks_it(key: str, expected: list[tuple[float, float]]) -> None:
    assert placed(along(("5", 4), ("6", 15), ("8", 16), ("9", 8)), key) == expected


def test_house_is_not_placed_between_numbers_too_far_apart() -> None:
    assert placed(along(("1", 0), ("91", 18)), "41") == []


def test_house_has_one_place_when_mapped_twice_on_one_plot_and_two_when_far_apart() -> None:
    assert placed(along(("5", 4), ("5", 5)), "5") == [(4.5, 1.0)]
    assert placed(along(("5", 4), ("5", 14)), "5") == [(4.0, 0.92), (14.0, 0.92)]


def test_middle_is_the_streets_own_point_with_half_its_length() -> None:
    latitude_deg, longitude_deg, half_m = StreetShapes(along()).middle(0)
    assert latitude_deg == pytest.approx(43.25)
    assert longitude_deg == pytest.approx(76.91)  # though it has no node there
    assert half_m == pytest.approx(810, rel=0.01)


def test_nothing_is_near_between_two_lines_that_do_not_touch() -> None:
    ways = [
        NamedWay([name], [], [no, no + 1], np.array([(NORTH, EAST + start), (NORTH, EAST + start + STEP)], np.int32))
        for no, (name, start) in enumerate([("Абая", 0), ("Сатпаева", 30 * STEP)])
    ]
    index = PointIndex(assemble("test", ways, [], [], [], {}))
    asked = np.array([76.9005, 76.915, 76.9305])
    assert index.describe(np.full(3, 43.2501), asked) == ["Абая", "", "Сатпаева"]


def test_street_is_near_along_all_its_length_when_its_nodes_are_far_apart() -> None:
    index = PointIndex(along())
    assert index.describe(np.full(201, 43.2541), np.linspace(76.9, 76.92, 201)) == ["Абая"] * 201  # 456 m off
    assert index.describe(np.full(201, 43.2546), np.linspace(76.9, 76.92, 201)) == [""] * 201  # 511 m off


@given(*(st.tuples(st.integers(-90, 90), st.integers(-180, 180)) for _ in range(2)))
def test_distance_is_the_angle_between_the_points(first: tuple[int, int], second: tuple[int, int]) -> None:
    def unit(point: tuple[int, int]) -> list[float]:
        latitude, longitude = np.radians(point)
        return [np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)]

    angle = np.arctan2(np.linalg.norm(np.cross(unit(first), unit(second))), np.dot(unit(first), unit(second)))
    far = distance_m([first[0] * DEGREE, first[1] * DEGREE], [second[0] * DEGREE, second[1] * DEGREE])
    assert far == pytest.approx(6_371_008.8 * angle, rel=1e-6, abs=0.5)
