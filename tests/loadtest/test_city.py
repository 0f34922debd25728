"""The simulated city: the same for the same seed, and consistent in itself."""

from __future__ import annotations

from itertools import pairwise

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.city import City
from loadtest.crews import distance_m

SMALL = City(3, districts=3, streets=12, crews=20, cameras=30, subscribers=500)


def everything(city: City) -> tuple[object, ...]:
    subscribers = [city.subscriber(index) for index in range(50)]
    return city.crossings, city.streets, city.houses, city.institutions, city.devices, city.crews, subscribers


def test_city_is_the_same_for_the_same_seed() -> None:
    assert everything(City(5, streets=12, subscribers=50)) == everything(City(5, streets=12, subscribers=50))


def test_city_is_another_for_another_seed() -> None:
    first, second = everything(City(5, streets=12)), everything(City(6, streets=12))
    # The streets' names and order are the plan's; everything else is drawn.
    assert [index for index, (one, other) in enumerate(zip(first, second, strict=True)) if one == other] == [1]


def test_numbers_are_those_asked_for() -> None:
    cameras = [device for device in SMALL.devices if device.device_id.startswith("CAM-")]
    assert (len(SMALL.districts), len(SMALL.streets), len(SMALL.crews), len(cameras)) == (3, 12, 20, 30)
    assert len({crew.call_sign for crew in SMALL.crews}) == 20
    assert {crew.capabilities[0] for crew in SMALL.crews} == {"patrol", "ambulance", "fire", "rescue", "gas"}


@pytest.mark.parametrize(("districts", "streets"), [(0, 12), (13, 60), (1, 3), (4, 7)])
def test_city_is_refused_when_it_cannot_be_built(districts: int, streets: int) -> None:
    with pytest.raises(ValueError, match=r"must lie between|need at least"):
        City(1, districts=districts, streets=streets)


def test_street_names_are_different_when_the_list_is_used_up() -> None:
    city = City(1, streets=120, crews=0, cameras=0, subscribers=0)
    assert len({street.name.kk for street in city.streets}) == 120
    assert len({street.name.ru for street in city.streets}) == 120


def test_addresses_are_unique_but_for_their_suffix() -> None:
    seen = [(house.street, house.number) for house in SMALL.houses]
    assert len(seen) == len(set(seen))


@given(districts=st.integers(1, 12), streets=st.integers(24, 40))
def test_every_crossing_lies_in_one_district(districts: int, streets: int) -> None:
    city = City(1, districts=districts, streets=streets, crews=0, cameras=0, panels=0, subscribers=0, houses_a_block=1)
    for crossing, place in enumerate(city.crossings):
        ring = city.districts[city.district_of(crossing)].ring
        assert ring[0].latitude_deg < place.latitude_deg < ring[2].latitude_deg
        assert ring[0].longitude_deg < place.longitude_deg < ring[2].longitude_deg


def test_house_stands_in_the_district_it_names() -> None:
    for house in SMALL.houses:
        south_west, _, north_east, _ = SMALL.districts[house.district].ring
        assert south_west.latitude_deg < house.place.latitude_deg < north_east.latitude_deg
        assert south_west.longitude_deg < house.place.longitude_deg < north_east.longitude_deg


def test_house_stands_near_the_crossing_it_names() -> None:
    for house in SMALL.houses:
        assert distance_m(house.place, SMALL.crossings[house.crossing]) < 200


@given(data=st.data())
def test_route_goes_from_crossing_to_neighbouring_crossing(data: st.DataObject) -> None:
    crossing = st.integers(0, len(SMALL.crossings) - 1)
    start, end = data.draw(crossing), data.draw(crossing)
    route = SMALL.route(start, end)
    assert (route[0], route[-1]) == (start, end)
    for here, there in pairwise(route):
        assert abs(here - there) in (1, SMALL.columns)
        assert distance_m(SMALL.crossings[here], SMALL.crossings[there]) < 350


def test_corner_names_both_streets_when_asked_at_each_end_of_a_street() -> None:
    for street in SMALL.streets:
        for crossing in (street.crossings[0], street.crossings[-1]):
            assert street.name in SMALL.corner(crossing)


def test_nearest_crossing_is_the_crossing_itself_when_standing_on_it() -> None:
    assert [SMALL.nearest_crossing(place) for place in SMALL.crossings] == list(range(len(SMALL.crossings)))


@given(index=st.integers(0, 19_999_999), seed=st.integers(0, 2**32))
def test_subscriber_has_a_valid_number_of_his_own(index: int, seed: int) -> None:
    city = City(seed, districts=1, streets=4, crews=0, cameras=0, panels=0, subscribers=20_000_000, houses_a_block=8)
    subscriber = city.subscriber(index)
    number = phonenumbers.parse(subscriber.phone, None)
    assert phonenumbers.is_valid_number(number)
    assert subscriber.phone.endswith(f"{index % 1_000_000:06d}")
    assert subscriber.phone != city.subscriber((index + 1) % 20_000_000).phone
