"""What callers say: every phrase means what it is said about, every spelling of a number is that number."""

from __future__ import annotations

from pathlib import Path
from random import Random

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.cadastre import Point
from loadtest.city import City
from loadtest.city_files import write_extract
from loadtest.crews import distance_m
from loadtest.happening import KINDS
from loadtest.names import DISTRICTS, STREETS, person_name, street_name
from loadtest.words import MALFORMED_PHONES, PHRASES, phrase, spell_address, spell_corner, spell_phone, typo
from routing.gazetteer import MapGazetteer
from routing.osm import import_osm

seeds = st.integers(0, 2**32).map(Random)


def test_every_kind_of_happening_has_words_in_every_language() -> None:
    assert set(PHRASES) == set(KINDS)
    assert {len(languages) for languages in PHRASES.values()} == {3}


@given(rng=seeds, category=st.sampled_from(sorted(PHRASES)), language=st.sampled_from(["kk", "ru", "en"]))
def test_phrase_is_one_of_its_category(rng: Random, category: str, language: str) -> None:
    spoken = {"kk": "kk", "ru": "ru", "en": "en"}[language]
    said = phrase(category, spoken, rng)  # type: ignore[arg-type]
    assert any(said.endswith(known) for known in PHRASES[category][spoken])  # type: ignore[index]


@given(rng=seeds, digits=st.integers(0, 9_999_999))
def test_phone_is_the_same_number_when_spelled_otherwise(rng: Random, digits: int) -> None:
    e164 = f"+7700{digits:07d}"
    said = spell_phone(e164, rng)
    region = "KZ"
    # `007…` is an international prefix that Kazakhstan's own plan does not have; a platform abroad writes it.
    said = "+" + said[2:] if said.startswith("00") else said
    assert phonenumbers.format_number(phonenumbers.parse(said, region), phonenumbers.PhoneNumberFormat.E164) == e164


@pytest.mark.parametrize("said", MALFORMED_PHONES)
def test_malformed_phone_is_no_valid_number(said: str) -> None:
    try:
        number = phonenumbers.parse(said, "KZ")
    except phonenumbers.NumberParseException:
        return
    assert not phonenumbers.is_valid_number(number) or said.startswith("++")


@given(rng=seeds, text=st.text(alphabet="абвгд ежз", max_size=30))
def test_typo_changes_one_letter_at_most(rng: Random, text: str) -> None:
    slipped = typo(text, rng)
    assert abs(len(slipped) - len(text)) <= 1
    assert slipped.split(" ")[0][:2] == text.split(" ")[0][:2]


def test_typo_leaves_text_alone_when_its_words_are_short() -> None:
    assert typo("на ул. 5", Random(1)) == "на ул. 5"


@given(rng=seeds, first=st.integers(0, 60), second=st.integers(0, 60))
def test_place_in_words_names_its_street_when_spelled_in_any_way(rng: Random, first: int, second: int) -> None:
    for text in (spell_address(street_name(first), "12а", rng), spell_corner(street_name(first), street_name(second), rng)):
        stems = (street_name(first).kk.rpartition(" ")[0], street_name(first).ru.partition(" ")[2])
        assert any(stem.lower() in text.lower() for stem in stems)
    assert "12а" in spell_address(street_name(first), "12а", rng)


def test_names_are_pairs_of_two_languages() -> None:
    for name in (*STREETS, *(name for _, name in DISTRICTS)):
        assert name.kk != name.ru
        assert name.kk.strip() == name.kk


@given(draw=st.integers(0, 2**16))
def test_person_has_a_surname_and_a_first_name(draw: int) -> None:
    surname, first = person_name(draw).split()
    assert surname.istitle()
    assert first.istitle()


def test_words_of_a_place_find_it_on_the_imported_map(tmp_path: Path) -> None:
    city = City(3, districts=3, streets=20, crews=0, cameras=0, subscribers=0)
    write_extract(city, tmp_path / "city.osm.pbf")
    gazetteer = MapGazetteer(import_osm(tmp_path / "city.osm.pbf"))
    rng = Random(1)
    lost = []
    for _ in range(200):
        house = rng.choice(city.houses)
        crossing = rng.randrange(len(city.crossings))
        for said, place in (
            (spell_address(city.streets[house.street].name, house.number, rng), house.place),
            (spell_corner(*city.corner(crossing), rng), city.crossings[crossing]),
        ):
            found = gazetteer.search(said, 1)
            if not found or distance_m(Point(found[0].latitude_deg, found[0].longitude_deg), place) > 60:
                lost.append(said)
    # Two streets may share a name's beginning, and a flat may look like a house with a fraction; more than a few is a fault.
    assert len(lost) <= 8, lost
