"""Ways into streets, houses onto streets, nodes into corners."""

from __future__ import annotations

import numpy as np
import pytest

from routing.columns import Ints
from routing.map_data import DEGREE, MapData
from routing.streets import NamedWay, RawHouse, assemble


def points(*places: tuple[float, float]) -> Ints:
    return np.array([(round(north * DEGREE), round(east * DEGREE)) for north, east in places], np.int32)


def way(name: str, nodes: list[int], *places: tuple[float, float]) -> NamedWay:
    return NamedWay([name], [], nodes, points(*places))


def house(street: str, number: str, latitude_deg: float, longitude_deg: float) -> RawHouse:
    return RawHouse(street, number, round(latitude_deg * DEGREE), round(longitude_deg * DEGREE))


def make(ways: list[NamedWay], houses: list[RawHouse] | None = None) -> MapData:
    return assemble("test", ways, houses or [], [], [], {})


@pytest.mark.parametrize(
    ("first", "second", "gap_deg", "streets"),
    [
        ("ул. Абая", "улица Абая", 0.0, 1),
        ("Абая", "Abay street", 0.01, 1),  # 1.1 km apart
        ("ул. Абая", "ул. Абая", 0.03, 2),  # 3.3 km: another place's
        ("ул. Абая", "пр. Абая", 0.0, 2),
        ("ул. Абая", "пер. Абая", 0.0, 2),
        ("ул. Абая", "на ул. Абая", 0.0, 1),  # a slip road named after where it leads
        ("мкр 5", "мкр 6", 0.0, 2),
    ],
)
def test_ways_are_one_street_when_name_type_and_place_agree(first: str, second: str, gap_deg: float, streets: int) -> None:
    start = 43.26 + gap_deg
    made = make([way(first, [1, 2], (43.25, 76.9), (43.26, 76.9)), way(second, [3, 4], (start, 76.9), (start + 0.01, 76.9))])
    assert len(made.street_names) == streets


def test_street_is_called_as_most_of_its_ways_are() -> None:
    ways = [way(name, [no, no + 1], (43.25, 76.9), (43.26, 76.9)) for no, name in enumerate(["Абая", "ул. Абая", "ул. Абая"])]
    assert make(ways).street_names == [["ул. Абая", "Абая"]]


def test_house_goes_to_the_nearest_street_of_its_name() -> None:
    ways = [way("ул. Абая", [1, 2], (43.25, 76.9), (43.26, 76.9)), way("ул. Абая", [3, 4], (43.30, 76.9), (43.31, 76.9))]
    made = make(ways, [house("Абая", "1", 43.251, 76.901), house("улица Абая", "2", 43.305, 76.901)])
    assert made.house_street.tolist() == [0, 1]


def test_house_goes_to_the_street_of_its_type_when_two_of_its_name_are_near() -> None:
    ways = [way("пер. Абая", [1, 2], (43.25, 76.9), (43.26, 76.9)), way("ул. Абая", [3, 4], (43.25, 76.901), (43.26, 76.901))]
    made = make(ways, [house("ул. Абая", "1", 43.255, 76.9), house("пер. Абая", "1", 43.255, 76.901)])
    assert made.house_street.tolist() == [1, 0]


def test_house_makes_a_street_of_its_own_when_the_one_of_its_name_is_far() -> None:
    made = make([way("Абая", [1, 2], (43.25, 76.9), (43.26, 76.9))], [house("Абая", "1", 43.255, 76.94)])  # 3.2 km east
    assert made.house_street.tolist() == [1]


def test_houses_make_a_street_when_no_way_bears_its_name() -> None:
    made = make([], [house("мкр. Самал-2", "1", 43.25, 76.9), house("Самал 2 мкр", "2", 43.251, 76.9)])
    assert made.street_names == [["мкр. Самал-2", "Самал 2 мкр"]]
    assert made.house_street.tolist() == [0, 0]
    assert made.line_street.tolist() == []


@pytest.mark.parametrize(("east_deg", "given"), [(0.001, [0]), (0.002, [])])  # 81 m, 162 m
def test_house_goes_to_the_nearest_street_when_it_names_none(east_deg: float, given: list[int]) -> None:
    made = make([way("Абая", [1, 2], (43.25, 76.9), (43.26, 76.9))], [house("", "1", 43.255, 76.9 + east_deg)])
    assert made.house_street.tolist() == given
    assert made.skipped.get("house without a street", 0) == 1 - len(given)


def test_corner_is_one_when_dual_carriageways_cross_in_four_nodes() -> None:
    lines = []
    for north, nodes in ((43.25, [1, 2]), (43.2502, [3, 4])):
        lines.append(way("Абая", nodes, (north, 76.9), (north, 76.9003)))
    for east, nodes in ((76.9, [1, 3]), (76.9003, [2, 4])):
        lines.append(way("Сатпаева", nodes, (43.25, east), (43.2502, east)))
    made = make(lines)
    assert made.corner_streets.tolist() == [[0, 1]]
    assert (made.corner_points / DEGREE).tolist() == [pytest.approx([43.2501, 76.90015], abs=1e-6)]


def test_corners_are_two_when_streets_meet_twice() -> None:
    bow = way("Дуга", [1, 9, 2], (43.25, 76.90), (43.26, 76.91), (43.25, 76.92))
    made = make([way("Абая", [1, 2], (43.25, 76.90), (43.25, 76.92)), bow])
    assert made.corner_streets.tolist() == [[0, 1], [0, 1]]


def test_map_is_empty_when_nothing_is_given() -> None:
    assert set(make([]).statistics().values()) == {0}
    assert MapData.from_bytes(make([]).to_bytes()).street_names == []
