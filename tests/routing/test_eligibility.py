"""Who may be sent: territories on a path, profiles judged, and the sets of free crews."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.vocabulary import AssignReason
from routing.eligibility import FREE, HINDERED, NOWHERE, TERRITORIES_MAX, Homes, Tally, homes_serving, why_not


@pytest.mark.parametrize(
    ("territory", "homes"),
    [
        ("", ("",)),
        ("kz", ("", "kz")),
        ("kz/almaty", ("", "kz", "kz/almaty")),
        ("kz/almaty/medeu", ("", "kz", "kz/almaty", "kz/almaty/medeu")),
    ],
)
def test_homes_serving_are_everywhere_and_the_path(territory: str, homes: tuple[str, ...]) -> None:
    assert homes_serving(territory) == homes


@pytest.mark.parametrize(
    ("home", "territory", "serves"),
    [
        ("kz/almaty", "kz/almaty", True),
        ("kz/almaty", "kz/almaty/medeu", True),
        ("kz/almaty", "kz/almaty2", False),  # a longer name is not a place below
        ("kz/almaty", "kz", False),
        ("kz/almaty", "", False),
        ("", "kz/astana", True),
        ("", "", True),
    ],
)
def test_home_serves_itself_and_what_lies_below(home: str, territory: str, serves: bool) -> None:
    homes = Homes()
    standing = homes.settle(home)
    assert (standing in homes.serving(territory)) is serves
    others = np.array([NOWHERE, HINDERED[AssignReason.NOT_FREE], standing, standing])
    assert homes.admitted(territory)[others].tolist() == [False, False, serves, serves]


def test_every_reason_has_a_standing_that_is_not_free() -> None:
    assert {why_not(HINDERED[reason]) for reason in AssignReason} == set(AssignReason)
    assert FREE not in HINDERED.values()
    assert why_not(FREE) is why_not(FREE + 1) is why_not(NOWHERE) is None


def test_home_has_one_standing_and_serves_when_it_comes_after_the_territory() -> None:
    homes = Homes()
    assert homes.serving("kz/almaty") == {homes.settle("")}
    city = homes.settle("kz/almaty")
    assert homes.settle("kz/almaty") == city != homes.settle("kz/astana")
    assert homes.serving("kz/almaty") == {homes.settle(""), city}


def test_standing_is_used_again_when_the_last_crew_leaves_its_home() -> None:
    homes = Homes()
    city = homes.settle("kz/almaty")
    homes.settle("kz/almaty")
    homes.leave(city)
    assert city in homes.serving("kz/almaty")
    homes.leave(city)
    assert city not in homes.serving("kz/almaty")
    assert homes.settle("kz/astana") == city
    assert homes.serving("kz/almaty") == {homes.settle("")}
    assert homes.serving("kz/astana/center") == {homes.settle(""), city}
    assert len(homes) == 2


def test_serving_is_right_when_more_territories_are_asked_than_remembered() -> None:
    homes = Homes()
    city = homes.settle("kz/almaty")
    for number in range(TERRITORIES_MAX + 2):
        assert city not in homes.serving(f"kz/{number}")
    assert city in homes.serving("kz/almaty")


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, FREE + 3))))
def test_tally_equals_counting(moves: list[tuple[int, int]]) -> None:
    tally = Tally()
    able = [frozenset(name for bit, name in enumerate("abc") if crew >> bit & 1) for crew in range(6)]
    standings = [NOWHERE] * 6
    for crew, standing in moves:
        tally.change(able[crew], standings[crew], standing)
        standings[crew] = standing
    for capability in "abcd":
        for asked in (range(FREE, FREE + 4), [FREE], [FREE + 1, FREE + 3]):
            expected = sum(capability in able[crew] and standings[crew] in asked for crew in range(6))
            assert tally.count(capability, asked) == expected
