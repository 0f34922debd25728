"""How words of an address are folded, classed and split."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.address import fold, house_numbers, name_reading, read_words, readings, spellings

ONE_NAME = [
    ("ул. Абая", "Абай көшесі", "Abay st", "проспект Абаю", "АБАЯ пр-т"),
    ("Сейфуллина", "Сейфулина", "Seifullin", "Seyfullina", "Сейфуллин даңғылы"),
    ("Жандосова", "Джандосова", "Zhandosov", "Jandosov"),
    ("Жамбыла", "Жамбыл көшесі", "Jambyl", "Zhambyla"),
    ("Қабанбай батыр", "Кабанбай Батыра", "Kabanbay batyr", "батыра Кабанбая", "Qabanbai batyr"),
    ("Толе би", "Төле би", "Tole Bi", "би Толе"),
    ("Альпийская", "Альпийской", "Alpiyskaya"),
    ("Әуезов", "Ауэзова", "Auezov"),
    ("Шевченко", "Shevchenko"),
    ("Гоголя", "Гоголь", "Gogol'"),
    ("Қонаев", "Конаева", "Konaev", "Konayev"),
    ("Тимирязева", "Timiryazev Street"),
    ("5 мкр", "мкр. 5", "5-й микрорайон", "мкн № 5", "5-ші ықшамауданы", "microdistrict 5"),
    ("8 Марта", "8-го марта", "8 marta"),
    ("школа №126", "126 мектеп", "School 126", "СШ 126"),
    ("пожарная часть 10", "өрт сөндіру бөлімі 10", "ПЧ-10"),
    ("роддом 2", "Родильный дом №2", "род. дом 2"),
    ("имени Ауэзова", "Ауэзов атындағы", "им. Ауэзова"),
]


@pytest.mark.parametrize("spelled", ONE_NAME)
def test_key_is_one_when_one_name_is_spelled_in_many_ways(spelled: tuple[str, ...]) -> None:
    keys = {words: name_reading(read_words(words)).key for words in spelled}
    assert len(set(keys.values())) == 1, keys
    assert "" not in keys.values()


@pytest.mark.parametrize(
    ("first", "second"),
    [("Абая", "Аблай"), ("школа 17", "школа 18"), ("Самал-1", "Самал-2"), ("мкр 5", "5 линия"), ("Сатпаева", "Саина")],
)
def test_key_differs_when_names_differ(first: str, second: str) -> None:
    assert name_reading(read_words(first)).key != name_reading(read_words(second)).key


@pytest.mark.parametrize("words", ["", "улица", "проезд", "в городе", "12", "-", "кв. 5"])
def test_key_is_empty_when_words_name_nothing(words: str) -> None:
    assert name_reading(read_words(words)).key == ""


HOUSES = [
    ("ул. Абая, 12", "abai", "12"),
    ("12, Абая", "abai", "12"),
    ("Абая 12а", "abai", "12a"),
    ("Абая 12 А", "abai", "12a"),
    ('Абая 52 "Б"', "abai", "52b"),
    ("Абая 12/3", "abai", "12/3"),
    ("Абая 12 корпус 2", "abai", "12/2"),
    ("Абая, дом 12, корп. 2, кв. 7", "abai", "12/2"),
    ("Абая 12к2", "abai", "12/2"),
    ("Абая д.12 литер Б", "abai", "12b"),
    ("Абай даңғылы 12-үй, 5-пәтер", "abai", "12"),
    ("Абая 12-34", "abai", "12"),
    ("Абая 87, 89", "abai", "87"),
    ("дом 12 по улице Абая", "abai", "12"),
    ("12 Abay Ave apt 5", "abai", "12"),
    ("3 подъезд, Абая 12", "abai", "12"),
    ("Абая 12 кв", "abai", "12"),
    ("8 Марта 15", "8 mart", "15"),
    ("8 марта, дом 15", "8 mart", "15"),
    ("мкр Самал-2, 58", "2 samal", "58"),
    ("Самал-2/58", "2 samal", "58"),
    ("5 микрорайон дом 41", "5 ~microdistrict", "41"),
    ("20 линия 5", "20 ~line", "5"),
]


@pytest.mark.parametrize(("words", "key", "house"), HOUSES)
def test_readings_hold_name_and_house_when_words_have_both(words: str, key: str, house: str) -> None:
    assert (key, house) in [(reading.key, reading.house) for reading in readings(read_words(words))]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("12", ["12"]),
        ("012", ["12"]),
        ("12а", ["12a"]),
        ("12A", ["12a"]),
        ("12г", ["12g"]),
        ("135 А", ["135a"]),
        ('52 "Б"', ["52b"]),
        ("71Б(неточно)", ["71b"]),
        ("12/3", ["12/3"]),
        ("12 к2", ["12/2"]),
        ("17 корп. 2", ["17/2"]),
        ("12;14", ["12", "14"]),
        ("87, 89", ["87", "89"]),
        ("Malika shop", []),
        ("", []),
    ],
)
def test_house_numbers_are_canonical_when_maps_write_them_freely(words: str, expected: list[str]) -> None:
    assert house_numbers(words) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Толе Би (Tole Bi)", ["Толе Би", "Tole Bi"]),
        ("ул. Джандосова;ул.Джандосова", ["ул. Джандосова", "ул.Джандосова"]),
        ("ул. Абая", ["ул. Абая"]),
        ("()", ["()"]),
    ],
)
def test_spellings_are_apart_when_one_field_holds_several(name: str, expected: list[str]) -> None:
    assert spellings(name) == expected


@given(st.text(alphabet="абвгдежзийклмнопрстуфхцчшщъыьэюяәғқңөұүһі", min_size=1, max_size=20))
def test_fold_gives_latin_letters_when_letters_are_cyrillic(word: str) -> None:
    assert set(fold(word)) <= set("abcčdefghijklmnoprsštuvz")


@given(st.text(max_size=60))
def test_reading_never_fails_when_words_are_any(words: str) -> None:
    for reading in readings(read_words(words)):
        assert reading.key == "" or reading.names or reading.numbers


@given(st.permutations(["абая", "кунаева", "5", "школа"]))
def test_key_is_one_when_words_stand_in_any_order(words: list[str]) -> None:
    assert name_reading(read_words(" ".join(words))).key == "5 @school abai kunaev"
