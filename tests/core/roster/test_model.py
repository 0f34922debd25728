"""How names of people, crews and vehicles are compared."""

from __future__ import annotations

import pytest

from core.roster.model import Person, find_person, fold, is_below, means
from tests.core.roster.samples import shift


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("А-1", "A-1", True),  # Cyrillic and Latin
        ("a-1", "A-1", True),
        ("A–1", "A-1", True),  # an en dash
        ("  Патруль   7 ", "патруль 7", True),
        ("123АВС02", "123ABC02", True),
        ("A-1", "A-11", False),
        ("1-11", "11-1", False),
        ("Ақ", "Ак", False),
    ],
)
def test_fold_when_the_eye_sees_one_name(one: str, other: str, same: bool) -> None:
    assert (fold(one) == fold(other)) is same


PEOPLE = [Person("Ахметов А.", "17"), Person("Ахметова Б.", "18"), Person("Иванов И."), Person("Иванов И.", rank="капитан")]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("17", PEOPLE[0]),
        ("ахметов а.", PEOPLE[0]),
        ("Ахметова", PEOPLE[1]),
        ("Иванов", PEOPLE[3]),  # the same person twice: as they were last
        ("Ахметов", None),  # two of them
        ("Петров", None),
        ("", None),
    ],
)
def test_find_person_when_a_text_means_one(text: str, found: Person | None) -> None:
    assert find_person(PEOPLE, text) == found


@pytest.mark.parametrize(
    ("text", "meant"), [("а-1", True), ("17", True), ("ахмет", True), ("A", False), ("1", False), ("", False)]
)
def test_means_when_a_shift_is_looked_for(text: str, meant: bool) -> None:
    assert means(shift("A-1", 8, 20, "Ахметов/17"), text) is meant


@pytest.mark.parametrize(
    ("territory", "node", "below"),
    [("kz/almaty", "", True), ("kz/almaty", "kz", True), ("kz", "kz", True), ("kzx", "kz", False), ("kz", "kz/almaty", False)],
)
def test_is_below_when_territories_are_compared(territory: str, node: str, below: bool) -> None:
    assert is_below(territory, node) is below
