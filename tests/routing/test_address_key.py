"""One key for all spellings of an address, another one for every other address, and nothing where nothing is said."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.address_key import NOWHERE, AddressKey, address_key

SPELLINGS = [
    [
        "улица Абая, 10",
        "Абая 10",
        "ул. Абая, д. 10",
        "Абай көшесі 10-үй, 5-пәтер",
        "Алматы, Абай көшесі, 10",
        "г. Алматы, ул. Абая, д. 10, кв. 5",
        "Абая, 10, Алматы",
        "Abay street 10",
        "проспект Абая, 10",
    ],
    ["улица Абая, 12"],
    ["улица Абая, 52Б", 'Абая 52 "б"'],
    ["улица Сатпаева, 10", "Сатпаева, дом 10"],
    ["Самал-2, 33", "мкр Самал-2, д. 33", "Алматы, мкр. Самал-2, дом 33, кв 7"],
    ["Самал-1, 33"],
    ["5 мкр, 12", "5-й мкр., д.12"],
    ["улица 8 Марта, 5", "8 Марта 5"],
    ["Кабанбай батыра 50 корпус 2", "ул. Кабанбай батыра, д. 50, корп. 2"],
    ["Кабанбай батыра 50"],
    ["Абая / Сейфуллина", "проспект Сейфуллина / улица Абая"],
]


def test_house_has_one_key_however_it_is_spelt_and_no_other_house_has_it() -> None:
    keys = [{address_key(text).house for text in spellings} for spellings in SPELLINGS]
    assert [len(one) for one in keys] == [1] * len(SPELLINGS)
    houses = set[int | None]().union(*keys)
    assert None not in houses
    assert len(houses) == len(SPELLINGS)


@pytest.mark.parametrize("text", ["улица Абая", "Абая", "Алматы, улица Абая", "Абай көшесі"])
def test_street_alone_has_the_street_of_its_houses_and_no_house(text: str) -> None:
    assert address_key(text) == AddressKey(None, address_key("Абая 10").streets)


def test_corner_lies_on_both_its_streets() -> None:
    streets = {*address_key("Абая 10").streets, *address_key("Сейфуллина 3").streets}
    assert set(address_key("Абая / Сейфуллина").streets) == streets
    assert len(streets) == 2


@pytest.mark.parametrize("text", ["8 Марта", "Самал-2", "20 линия", "5 мкр"])
def test_number_of_a_name_is_no_house(text: str) -> None:
    key = address_key(text)
    assert (key.house, len(key.streets)) == (None, 1)


@pytest.mark.parametrize("text", ["", "  ", "…", "10", "кв. 5", "Алматы, Казахстан"])
def test_text_without_a_street_is_nowhere(text: str) -> None:
    assert address_key(text) == NOWHERE


@given(st.text(max_size=500))
def test_any_text_has_a_key_that_a_database_can_hold(text: str) -> None:
    key = address_key(text)
    assert all(-(2**63) <= number < 2**63 for number in (*key.streets, key.house or 0))
    assert len(key.streets) <= 2
