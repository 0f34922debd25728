"""Names found exactly and by likeness."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.address import name_reading, read_words
from routing.name_index import NameEntry, NameIndex

NAMES = [
    "ул. Сейфуллина", "проспект Абая", "ул. Кабанбай батыра", "ул. Наурызбай батыра", "ул. Богенбай батыра", "Жибек Жолы",
    "ул. Жакыпа Акпаева", "Самал-1", "Самал-2", "Школа №17", "Школа №18", "Театр имени Лермонтова", "ул. Байтурсынова",
]  # fmt: skip
INDEX = NameIndex([NameEntry(name_reading(read_words(name)), number, False) for number, name in enumerate(NAMES)])


def exact(words: str) -> list[str]:
    return [NAMES[entry.target] for entry in INDEX.exact(name_reading(read_words(words)))]


def alike(words: str) -> list[str]:
    return [NAMES[candidate.entry.target] for candidate in INDEX.resembling(name_reading(read_words(words)))]


@pytest.mark.parametrize("name", NAMES)
def test_exact_finds_every_name_by_itself(name: str) -> None:
    assert exact(name) == [name]


@pytest.mark.parametrize(
    ("words", "name"),
    [("Жибекжолы", "Жибек Жолы"), ("батыра Кабанбая", "ул. Кабанбай батыра"), ("кабанбайбатыра", "ул. Кабанбай батыра")],
)
def test_exact_finds_name_when_words_are_joined_or_turned(words: str, name: str) -> None:
    assert exact(words) == [name]


@pytest.mark.parametrize(
    ("words", "best"),
    [
        ("Сефулина", "ул. Сейфуллина"),
        ("Кабамбай батыра", "ул. Кабанбай батыра"),
        ("Акпаева", "ул. Жакыпа Акпаева"),
        ("Сакена Сейфуллина", "ул. Сейфуллина"),
        ("Бай турсынова", "ул. Байтурсынова"),
        ("театр Лермонтова", "Театр имени Лермонтова"),
        ("тиатр Лермонтова", "Театр имени Лермонтова"),
    ],
)
def test_resembling_puts_the_meant_name_first_when_words_are_wrong(words: str, best: str) -> None:
    assert alike(words)[0] == best


@pytest.mark.parametrize("words", ["Школа №19", "Самал-3", "Абая 5", "школа", "Ярославская", ""])
def test_resembling_finds_nothing_when_number_or_word_is_another(words: str) -> None:
    assert alike(words) == []


def test_resembling_prefers_the_name_without_a_number_that_was_not_said() -> None:
    index = NameIndex(
        [NameEntry(name_reading(read_words(name)), no, False) for no, name in enumerate(["Самал-2", "ул. Самал"])]
    )
    best, other = index.resembling(name_reading(read_words("самал")))
    assert (best.entry.target, other.entry.target) == (1, 0)
    assert best.score == 100.0
    assert other.score < 75.0


@given(st.integers(1, 8), st.sampled_from("абвгдежзиклмнопрстуф"), st.sampled_from(["lose", "add", "change", "swap"]))
def test_resembling_finds_name_when_one_letter_is_wrong(at: int, letter: str, how: str) -> None:
    name = "байтурсынова"
    changed = {
        "lose": name[:at] + name[at + 1 :],
        "add": name[:at] + letter + name[at:],
        "change": name[:at] + letter + name[at + 1 :],
        "swap": name[: at - 1] + name[at] + name[at - 1] + name[at + 1 :],
    }[how]
    found = exact(changed) or alike(changed)
    assert found[:1] == ["ул. Байтурсынова"]


@given(st.lists(st.sampled_from([*"абв", "батыра", "17", "школа", "Абая", "-", "Жолы", "ъ"]), max_size=30))
def test_resembling_never_fails_and_is_bounded(words: list[str]) -> None:
    found = INDEX.resembling(name_reading(read_words(" ".join(words))), limit=3)
    assert len(found) <= 3
    assert all(0.0 < candidate.score <= 100.0 + 1e-9 for candidate in found)
    assert [c.score for c in found] == sorted((c.score for c in found), reverse=True)


def test_index_answers_nothing_when_it_is_empty() -> None:
    index = NameIndex([])
    reading = name_reading(read_words("Абая"))
    assert index.exact(reading) == []
    assert index.resembling(reading) == []
