"""Addresses as the past compares them: read from the words of a place, or from the map where there are no words (CITY-11).

Place in the flow: beside it, in the background. A telephone's own fix comes without an address; the map's nearest house is then
the address, as long as the fix is good enough to tell one house from another.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from core.ports import Gazetteer
from routing.address_key import AddressKey, address_key
from storage.past import Address, Place

AT_THE_HOUSE_M: Final = 50.0
"""A place known no better than this may be at any of several houses."""


class AddressReader:
    """Reads addresses with a map (`storage.past.Addresses`)."""

    def __init__(self, gazetteer: Gazetteer) -> None:
        self._gazetteer = gazetteer

    def __call__(self, places: Sequence[Place]) -> list[Address]:
        """The address of each place. One question to the map for all of them."""
        keys = [address_key(place.text) for place in places]
        vague = [
            at
            for at, place in enumerate(places)
            if keys[at].house is None and not (keys[at].streets and place.text) and place.accuracy_m <= AT_THE_HOUSE_M
        ]
        if vague:
            latitudes = np.array([places[at].latitude_deg for at in vague])
            longitudes = np.array([places[at].longitude_deg for at in vague])
            for at, said in zip(vague, self._gazetteer.nearest(latitudes, longitudes), strict=True):
                keys[at] = address_key(said)
        return [_address(key) for key in keys]


def _address(key: AddressKey) -> Address:
    return Address(key.house, key.streets)
