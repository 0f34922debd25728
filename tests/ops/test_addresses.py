"""An address is read from words where there are some, and from the map where only a good fix tells where it is."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from core.ports import Match
from ops.addresses import AT_THE_HOUSE_M, AddressReader
from routing.address_key import address_key
from routing.unmapped import Unmapped
from storage.past import Address, Place


class OneStreet:
    """A map of one street that runs north: a house every hundredth of a degree, and nothing in the south."""

    def __init__(self) -> None:
        self.questions: list[int] = []

    def search(self, words: str, limit: int = 5) -> list[Match]:
        """Nothing is looked for by words here."""
        del words, limit
        return []

    def nearest(self, latitude_deg: npt.NDArray[np.float64], longitude_deg: npt.NDArray[np.float64]) -> list[str]:
        """The house of that hundredth."""
        del longitude_deg
        self.questions.append(len(latitude_deg))
        return [f"улица Абая, {round(latitude * 100)}" if latitude > 0 else "" for latitude in latitude_deg]


def expected(text: str) -> Address:
    key = address_key(text)
    return Address(key.house, key.streets)


@pytest.mark.parametrize(
    ("place", "text"),
    [
        (Place("ул. Сатпаева, 7", 0.10, 76.9, 15.0), "Сатпаева 7"),
        (Place("", 0.10, 76.9, AT_THE_HOUSE_M), "Абая 10"),
        (Place("", 0.10, 76.9, AT_THE_HOUSE_M + 1), ""),
        (Place("", -0.10, 76.9, 5.0), ""),
        # Words that name a street alone are not made more exact than they are.
        (Place("улица Сатпаева", 0.10, 76.9, 15.0), "Сатпаева"),
        # Words that name no street, as a camera's, say nothing of the house it hangs at.
        (Place("№", 0.12, 76.9, 10.0), "Абая 12"),
    ],
)
def test_address_is_read_from_words_or_from_the_map(place: Place, text: str) -> None:
    assert AddressReader(OneStreet())([place]) == [expected(text)]


def test_map_is_asked_once_for_all_that_have_no_words() -> None:
    street = OneStreet()
    places = [
        Place("", 0.10, 76.9, 5.0),
        Place("Абая 11", 0.11, 76.9, 5.0),
        Place("", 0.12, 76.9, 500.0),
        Place("", 0.13, 76.9, 5.0),
    ]
    read = AddressReader(street)(places)
    assert read == [expected(text) for text in ("Абая 10", "Абая 11", "", "Абая 13")]
    assert street.questions == [2]
    assert AddressReader(street)(places[1:2]) == [expected("Абая 11")]
    assert street.questions == [2]


def test_centre_without_a_map_reads_words_all_the_same() -> None:
    places = [Place("Абая 10", 0.10, 76.9, 5.0), Place("", 0.10, 76.9, 5.0)]
    assert AddressReader(Unmapped())(places) == [expected("Абая 10"), Address(None, ())]
