"""The map of a real city: an OSM extract of Almaty (2013) imported, and addresses as people say them found in it.

The expected places are read from the file itself, past the importer. The file is not part of the project: `REAL_DATA` names
its folder.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from math import cos, hypot, radians
from pathlib import Path
from typing import NamedTuple

import numpy as np
import osmium
import pytest

from core.ports import Match
from routing.gazetteer import MapGazetteer
from routing.map_data import MapData
from routing.osm import import_osm

pytestmark = pytest.mark.real

Place = tuple[float, float]


class City(NamedTuple):
    """The imported city, and where its tagged things are by the file alone."""

    map_data: MapData
    gazetteer: MapGazetteer
    tags: dict[tuple[str, int], dict[str, str]]
    places: dict[tuple[str, int], Place]


@pytest.fixture(scope="module")
def city(real_data: Path) -> City:
    path = real_data / "almaty.osm.pbf"
    map_data = MapData.from_bytes(import_osm(path).to_bytes())
    tags: dict[tuple[str, int], dict[str, str]] = {}
    places: dict[tuple[str, int], Place] = {}
    for thing in osmium.FileProcessor(path).with_locations():
        if isinstance(thing, osmium.osm.Node) and len(thing.tags):
            places["n", thing.id] = thing.lat, thing.lon
        elif isinstance(thing, osmium.osm.Way):
            corners = [(node.lat, node.lon) for node in thing.nodes if node.location.valid()]
            if not corners:
                continue
            (south, west), (north, east) = map(min, zip(*corners, strict=True)), map(max, zip(*corners, strict=True))
            places["w", thing.id] = (south + north) / 2, (west + east) / 2
        else:
            continue
        tags[thing.type_str(), thing.id] = dict(thing.tags)
    return City(map_data, MapGazetteer(map_data), tags, places)


def off_m(match: Match | Place, place: Place) -> float:
    latitude, longitude = (match.latitude_deg, match.longitude_deg) if isinstance(match, Match) else match
    return 111_195 * hypot(latitude - place[0], (longitude - place[1]) * cos(radians(place[0])))


def test_import_counts_what_the_file_holds(city: City) -> None:
    counts = city.map_data.statistics()
    assert counts["houses"] + city.map_data.skipped["house without a street"] >= 766  # 768, of which two hold a shop's name
    assert counts["streets"] > 430
    assert counts["corners"] > 1_200
    assert counts["places"] > 900
    assert counts["boundaries"] >= 7


# Words → kind of match, the thing in the file, metres it may be off.
HOUSES = [
    ("улица Толе би, 59", ("w", 22733940)),
    ("Толе би 59", ("w", 22733940)),
    ("төле би көшесі 59-үй", ("w", 22733940)),
    ("Tole bi street 59", ("w", 22733940)),
    ("г. Алматы, ул. Толе-би, д. 59, кв. 12", ("w", 22733940)),
    ("толеби 59", ("w", 22733940)),
    ("тале би 59", ("w", 22733940)),
    ("59 Tole Bi", ("w", 22733940)),
    ("пр. Достык 125", ("n", 490983053)),
    ("Достық даңғылы, 125 үй", ("n", 490983053)),
    ("Dostyk ave 125", ("n", 490983053)),
    ("дастык 125", ("n", 490983053)),
    ("ул. Карасай батыра 141а", ("n", 715501504)),
    ("Қарасай батыр көшесі 141а", ("n", 715501504)),
    ("батыра Карасай улица, дом 141 А", ("n", 715501504)),
    ("Karasai batyr 141a", ("n", 715501504)),
    ("карасая батыр 141а", ("n", 715501504)),
    ("пр Абая 52б", ("n", 1020156479)),
    ("Абай даңғылы 52 Б", ("n", 1020156479)),
    ("проспект Абоя, 52б", ("n", 1020156479)),
    ("Abay avenue 52b", ("n", 1020156479)),
    ("Манаса 7Б", ("n", 1141792374)),
    ("чапаева 7б", ("n", 1141792374)),
    ("мкн 5 дом 48", ("w", 24010989)),
    ("5 микрорайон, 48", ("w", 24010989)),
    ("5-ші ықшамауданы 48 үй", ("w", 24010989)),
    ("мкр. 5, д 48, кв 3, 2 подъезд", ("w", 24010989)),
    ("Аксай-4, 59", ("w", 53146337)),
    ("Ақсай-4 ықшамауданы 59", ("w", 53146337)),
    ("мкр Аксай 4 дом 59", ("w", 53146337)),
    ("Тулебаева 38", ("n", 1015753836)),
    ("Төлебаев көшесі 38", ("n", 1015753836)),
    ("Кунаева 119", ("n", 1280180705)),
    ("Қонаев көшесі 119", ("n", 1280180705)),
    ("Зенкова 2а", ("n", 1395805156)),
    ("Zenkov str. 2a", ("n", 1395805156)),
    ("сатпаев 101", ("w", 41520028)),
    ("Жибекжолы 33", ("n", 636757295)),
    ("Жібек жолы 33", ("n", 636757295)),
    ("басенова 27", ("n", 1576819776)),
]
PLACES = [
    ("участок полиции 51", ("n", 697451375)),
    ("полиция бөлімі 51", ("n", 697451375)),
    ("участок милиции №26", ("n", 715733035)),
    ("РУВД Алмалинского района", ("n", 1444321759)),
    ("Алмалинский РУВД", ("n", 1444321759)),
    ("ОПП 69", ("n", 1626585345)),
    ("ОблГАИ", ("n", 292210128)),
    ("пожарная часть №10", ("n", 1631009838)),
    ("өрт сөндіру бөлімі 10", ("n", 1631009838)),
    ("городская больница 7", ("w", 105508159)),
    ("детская городская клиническая больница №2", ("w", 147672155)),
    ("ДГКБ 2", ("w", 147672155)),
    ("роддом №2", ("w", 152301285)),
    ("родильный дом 2", ("w", 152301285)),
    ("поликлиника 13", ("n", 506142128)),
    ("13 емхана", ("n", 506142128)),
    ("больница скорой помощи", ("n", 259995027)),
    ("НИИ глазных болезней", ("n", 259995022)),
    ("школа 126", ("w", 27083029)),
    ("126 мектеп", ("w", 27083029)),
    ("шкала 126", ("w", 27083029)),
    ("театр оперы и балета им. Абая", ("n", 259995299)),
    ("театр опиры и балета", ("n", 259995299)),
]
CORNERS = [
    ("Абая - Сейфуллина", "Абая прс.", "ул. Сейфулина"),
    ("угол Абая и Сейфуллина", "Абая прс.", "ул. Сейфулина"),
    ("Абай мен Сейфуллин көшелерінің қиылысы", "Абая прс.", "ул. Сейфулина"),
    ("Сейфуллина/Абая", "Абая прс.", "ул. Сейфулина"),
    ("Abay & Seifullin", "Абая прс.", "ул. Сейфулина"),
    ("абая сейфуллина", "Абая прс.", "ул. Сейфулина"),
    ("угол Абоя и Сефуллина", "Абая прс.", "ул. Сейфулина"),
    ("Қабанбай батыр - Желтоқсан", "ул. Кабанбай Батыра", "ул. Желтоксан"),
    ("перекресток ул. Желтоксан и ул. Кабанбай батыра", "ул. Кабанбай Батыра", "ул. Желтоксан"),
    ("Zheltoksan / Kabanbay batyr", "ул. Кабанбай Батыра", "ул. Желтоксан"),
    ("Алматы, Гоголя угол Фурманова", "ул. Гоголя", "ул. Фурманова"),
]


@pytest.mark.parametrize(("words", "thing"), HOUSES)
def test_search_finds_house_as_people_say_it(city: City, words: str, thing: tuple[str, int]) -> None:
    found = city.gazetteer.search(words)
    assert found and found[0].match == "house", found
    assert off_m(found[0], city.places[thing]) <= 60.0, found


@pytest.mark.parametrize(("words", "thing"), PLACES)
def test_search_finds_institution_as_people_call_it(city: City, words: str, thing: tuple[str, int]) -> None:
    found = city.gazetteer.search(words)
    assert found and found[0].match == "place", found
    assert off_m(found[0], city.places[thing]) < 100.0, found


@pytest.mark.parametrize(("words", "first", "second"), CORNERS)
def test_search_finds_corner_where_both_streets_pass(city: City, real_data: Path, words: str, first: str, second: str) -> None:
    found = city.gazetteer.search(words)
    assert found and found[0].match == "corner", found
    for name in (first, second):
        nearest = min(off_m(found[0], point) for point in points_of(real_data, name))
        assert nearest < 40.0, (name, found)


def points_of(real_data: Path, street: str) -> list[Place]:
    """Nodes of the file's ways of exactly that name."""
    return [
        (node.lat, node.lon)
        for way in osmium.FileProcessor(real_data / "almaty.osm.pbf").with_locations()
        if isinstance(way, osmium.osm.Way) and way.tags.get("name") == street
        for node in way.nodes
    ]


@pytest.mark.parametrize("words", ["", "горит", "ытгхъ 15", "поликлиника 999", "школа 998", "????", "12/3", "улица", "и", "-"])
def test_search_finds_nothing_where_nothing_is_meant(city: City, words: str) -> None:
    assert city.gazetteer.search(words) == []


LATIN = dict(zip("абвгдезийклмнопрстуфыэ", "abvgdeziyklmnoprstufye", strict=True)) | {
    "ё": "yo", "ж": "zh", "х": "kh", "ц": "ts", "ч": "ch", "ш": "sh", "щ": "shch", "ъ": "", "ь": "", "ю": "yu", "я": "ya",
}  # fmt: skip
TYPES = re.compile(r"\b(улица|ул|проспект|прс|пр|мкр|мкн)(\.|\b)", re.IGNORECASE)
NEIGHBOURS = {"а": "о", "о": "а", "е": "и", "и": "е", "с": "з", "б": "п", "т": "д", "ы": "и", "у": "ю", "к": "х"}


def as_written(street: str, number: str, _rng: random.Random) -> str:
    return f"{street}, {number}"


def mistyped(street: str, number: str, rng: random.Random) -> str:
    """One letter of the longest word lost, doubled, swapped or misheard; `""` where no word is long enough (`мкн № 5`)."""
    word = max(re.findall(r"[^\W\d_]+", TYPES.sub("", street)), key=len, default="")
    if len(word) < 4:
        return ""
    at = rng.randrange(1, len(word))
    damaged = rng.choice(
        [
            word[:at] + word[at + 1 :],
            word[:at] + word[at] + word[at:],
            word[: at - 1] + word[at] + word[at - 1] + word[at + 1 :],
            word[:at] + NEIGHBOURS.get(word[at], "е") + word[at + 1 :],
        ]
    )
    return f"{street.replace(word, damaged)}, {number}"


def abbreviated(street: str, number: str, rng: random.Random) -> str:
    spellings = {
        "у": ["улица", "ул.", "ул", "көш.", "көшесі"],
        "п": ["пр-т", "просп.", "проспект", "даңғылы", "даң."],
        "м": ["мкр", "мкр.", "микрорайон", "мкрн", "ықшамауданы"],
    }
    changed = TYPES.sub(lambda found: " " + rng.choice(spellings[found.group(1)[0].lower()]) + " ", street)
    return f"{changed} {rng.choice(['д. ', 'дом ', ''])}{number}"


def in_latin(street: str, number: str, _rng: random.Random) -> str:
    return "".join(LATIN.get(letter, letter) for letter in f"{street} {number}".lower())


def in_other_order(street: str, number: str, rng: random.Random) -> str:
    words = street.replace(",", " ").split()
    return rng.choice([f"дом {number}, {street}", f"{' '.join(words[1:] + words[:1])} {number}"])


def with_more(street: str, number: str, _rng: random.Random) -> str:
    return f"Казахстан, г. Алматы, {street}, д.{number}, кв. 15, 2 подъезд"


def without_type(street: str, number: str, _rng: random.Random) -> str:
    bare = TYPES.sub("", street).strip(" .,№")
    has_word = any(letter.isalpha() for letter in bare)
    return f"{bare if has_word else street} {number}"


@pytest.mark.parametrize(
    ("disturb", "count_min", "share_min"),
    [
        (as_written, 650, 0.975),
        (mistyped, 450, 0.94),
        (abbreviated, 650, 0.975),
        (in_latin, 650, 0.975),
        (in_other_order, 650, 0.975),
        (with_more, 650, 0.975),
        (without_type, 650, 0.975),
    ],
)
def test_search_finds_every_address_of_the_file_when_disturbed(
    city: City, disturb: Callable[[str, str, random.Random], str], count_min: int, share_min: float
) -> None:
    rng = random.Random(20130415)
    hits, missed = 0, []
    for thing, tags in city.tags.items():
        number, street = tags.get("addr:housenumber", ""), tags.get("addr:street", "")
        if not street or not re.search(r"\d", number):
            continue
        words = disturb(street, number, rng)
        if not words:
            continue
        found = city.gazetteer.search(words)
        # Of a number mapped twice far apart the first answer cannot be right for both: that is a miss for one.
        if found and found[0].match == "house" and off_m(found[0], city.places[thing]) <= 60.0:
            hits += 1
        else:
            missed.append((words, found[:1]))
    assert hits + len(missed) >= count_min
    share = hits / (hits + len(missed))
    assert share >= share_min, missed[:20]


def test_nearest_names_the_house_for_every_address_of_the_file(city: City) -> None:
    asked = [
        thing
        for thing, tags in city.tags.items()
        if tags.get("addr:street") and re.search(r"\d", tags.get("addr:housenumber", ""))
    ]
    latitude_deg, longitude_deg = np.array([city.places[thing] for thing in asked]).T
    said = city.gazetteer.nearest(latitude_deg, longitude_deg)
    wrong = [
        (city.tags[thing], heard)
        for thing, heard in zip(asked, said, strict=True)
        if not heard.endswith(f", {city.tags[thing]['addr:housenumber']}")
    ]
    assert len(asked) > 640
    assert len(wrong) < 15, wrong  # houses mapped twice, one upon the other


@pytest.mark.parametrize(
    ("latitude_deg", "longitude_deg", "pattern"),
    [(43.2565, 76.9285, r"^(ул\.|улица|пр)|ул\.$"), (43.0, 77.9, "^$"), (0.0, 0.0, "^$"), (-43.25, 76.9, "^$")],
)
def test_nearest_says_street_or_nothing_where_no_house_is(
    city: City, latitude_deg: float, longitude_deg: float, pattern: str
) -> None:
    assert re.search(pattern, city.gazetteer.nearest(np.array([latitude_deg]), np.array([longitude_deg]))[0])
