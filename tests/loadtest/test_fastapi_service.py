"""The peer reads what the city's callers say: a peer that looks nothing up would be no peer."""

from __future__ import annotations

from random import Random

import pytest

from loadtest.city import City
from loadtest.peers.fastapi_service import metres, normal_phone, normal_words, read_corner, read_house, street_words
from loadtest.words import spell_address, spell_corner, spell_phone

TOWN = City(3, districts=2, streets=16, crews=4, cameras=2, subscribers=50, panels=2)


@pytest.mark.parametrize("index", range(20))
def test_phone_is_read_in_every_spelling(index: int) -> None:
    phone = TOWN.subscriber(index).phone
    assert {normal_phone(spell_phone(phone, Random(seed))) for seed in range(20)} == {phone}


@pytest.mark.parametrize("phone", ["", "+7", "103", "12345"])
def test_no_phone_is_made_of_what_is_none(phone: str) -> None:
    assert normal_phone(phone) == ""


def test_house_is_split_into_street_and_number() -> None:
    names = {street_words(name) for street in TOWN.streets for name in street.name}
    for seed, house in enumerate(TOWN.houses[:200]):
        read = read_house(spell_address(TOWN.streets[house.street].name, house.number, Random(seed)))
        assert read is not None
        assert read[0] in names
        assert read[1] == normal_words(house.number)


def test_corner_is_split_into_its_streets() -> None:
    names = {street_words(name) for street in TOWN.streets for name in street.name}
    for seed in range(len(TOWN.crossings)):
        read = read_corner(spell_corner(*TOWN.corner(seed), Random(seed)))
        assert read is not None
        assert set(read) <= names


def test_metres_are_metres() -> None:
    place, north = TOWN.crossings[0], TOWN.crossings[TOWN.columns]
    east_m, north_m = metres(place.latitude_deg, place.longitude_deg)
    other_east_m, other_north_m = metres(north.latitude_deg, north.longitude_deg)
    assert ((east_m - other_east_m) ** 2 + (north_m - other_north_m) ** 2) ** 0.5 == pytest.approx(260, rel=0.3)
