"""Words to places and points to words, on a small town made here (`tests.routing.osm_files`)."""

from __future__ import annotations

from math import cos, hypot, radians
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.ports import Gazetteer, Match
from routing.gazetteer import CACHE_TEXTS, SCORE_MIN, MapGazetteer
from routing.map_data import MapData
from routing.osm import import_osm
from tests.routing.osm_files import OsmFile, town


@pytest.fixture(scope="module")
def gazetteer(tmp_path_factory: pytest.TempPathFactory) -> Gazetteer:
    path = town().write(tmp_path_factory.mktemp("map") / "town.osm.pbf")
    return MapGazetteer(MapData.from_bytes(import_osm(path).to_bytes()))


def off_m(match: Match, latitude_deg: float, longitude_deg: float) -> float:
    return 111_195 * hypot(
        match.latitude_deg - latitude_deg, (match.longitude_deg - longitude_deg) * cos(radians(latitude_deg))
    )


EXACT = [
    ("проспект Абая, 12", "house", 43.2503, 76.906),
    ("Абай даңғылы 12", "house", 43.2503, 76.906),
    ("Abay Avenue 12", "house", 43.2503, 76.906),
    ("12, Абая", "house", 43.2503, 76.906),
    ("Алматы, пр. Абая, д. 12/3, кв. 4", "house", 43.2503, 76.9062),
    ("Абая 12 корпус 3", "house", 43.2503, 76.9062),
    ("Абая 20 а", "house", 43.2503, 76.910),
    ("Абая 15", "house", 43.2497, 76.9071),
    ("Абая 17/2", "house", 43.2492, 76.9092),
    ("8 Марта, 5", "house", 43.2601, 76.905),
    ("Самал-2 58", "house", 43.265, 76.935),
    ("мкр. Самал 2, дом 60", "house", 43.266, 76.936),
    ("Абая - Сейфуллина", "corner", 43.25, 76.92),
    ("угол Сейфуллина и Абая", "corner", 43.25, 76.92),
    ("Абай мен Сейфуллин қиылысы", "corner", 43.25, 76.92),
    ("Abay & Seyfullin", "corner", 43.25, 76.92),
    ("Абая/Сейфуллина", "corner", 43.25, 76.92),
    ("Сейфуллина 8 Марта", "corner", 43.26, 76.92),
    ("отдел полиции 3", "place", 43.255, 76.925),
    ("3 полиция бөлімі", "place", 43.255, 76.925),
    ("городская больница 7", "place", 43.257, 76.931),
    ("№7 қалалық аурухана", "place", 43.257, 76.931),
    ("школа 120", "place", 43.257, 76.915),
    ("121 мектеп", "place", 43.245, 76.915),
    ("Рахат", "place", 43.245, 76.945),
]


@pytest.mark.parametrize(("words", "kind", "latitude_deg", "longitude_deg"), EXACT)
def test_search_scores_hundred_when_reading_is_exact(
    gazetteer: Gazetteer, words: str, kind: str, latitude_deg: float, longitude_deg: float
) -> None:
    best = gazetteer.search(words)[0]
    assert (best.match, best.score) == (kind, 100.0), best
    assert off_m(best, latitude_deg, longitude_deg) < 1.0
    assert best.accuracy_m <= (15.0 if kind == "house" else 150.0)


@pytest.mark.parametrize(
    ("words", "kind", "latitude_deg", "longitude_deg"),
    [
        ("Сефуллина - Абоя", "corner", 43.25, 76.92),
        ("проспек Абоя 12", "house", 43.2503, 76.906),
        ("Саамл-2, 58", "house", 43.265, 76.935),
        ("городская балница 7", "place", 43.257, 76.931),
        ("школо 120", "place", 43.257, 76.915),
        ("Абая Кунанбаева 12", "house", 43.2503, 76.906),
        ("Абая 12 напротив аптеки, второй двор", "house", 43.2503, 76.906),
    ],
)
def test_search_scores_less_than_hundred_when_words_only_resemble(
    gazetteer: Gazetteer, words: str, kind: str, latitude_deg: float, longitude_deg: float
) -> None:
    best = gazetteer.search(words)[0]
    assert best.match == kind, best
    assert SCORE_MIN <= best.score < 100.0
    assert off_m(best, latitude_deg, longitude_deg) < 1.0


@pytest.mark.parametrize(
    "words",
    [
        "",
        "  ",
        "горит",
        "Шымкентская 12",
        "школа 122",
        "больница 9",
        "отдел полиции 4",
        "12",
        "улица",
        "?!",
        "и",
        "/",
        "x" * 5000,
    ],
)
def test_search_finds_nothing_when_nothing_is_near_enough(gazetteer: Gazetteer, words: str) -> None:
    assert gazetteer.search(words) == []


@pytest.mark.parametrize(
    ("words", "longitude_deg", "accuracy_m"),
    [
        ("Абая 6", 76.903, 170.0),  # half way between 2 and 10
        ("Абая 30", 76.920, 820.0),  # half way between 20А and 40
        ("Абая 12/7", 76.906, 45.0),  # 12 is known
        ("Абая 44", 76.930, 150.0),  # a little beyond the last
    ],
)
def test_search_places_house_by_its_neighbours_when_map_lacks_it(
    gazetteer: Gazetteer, words: str, longitude_deg: float, accuracy_m: float
) -> None:
    best = gazetteer.search(words)[0]
    assert best.match == "house"
    assert best.score < 100.0
    assert off_m(best, 43.2503, longitude_deg) <= 20.0
    assert best.accuracy_m == pytest.approx(accuracy_m, rel=0.05)


def test_search_gives_street_with_half_its_length_when_house_is_nowhere_near(gazetteer: Gazetteer) -> None:
    best = gazetteer.search("Абая 900")[0]
    assert best.match == "street"
    assert best.score == 80.0
    assert best.accuracy_m == pytest.approx(2_025, rel=0.02)  # 0.05 degrees at 43.25 north are 4.05 km
    assert off_m(best, 43.25, 76.925) < 50.0


def test_search_prefers_the_settlement_when_it_is_named(gazetteer: Gazetteer) -> None:
    assert gazetteer.search("Абая")[0].latitude_deg == pytest.approx(43.25)
    assert gazetteer.search("Енбекши, Абая")[0].latitude_deg == pytest.approx(43.5)
    assert gazetteer.search("Алматы, Абая")[0].latitude_deg == pytest.approx(43.25)


def test_search_takes_an_old_name_when_the_street_had_it(gazetteer: Gazetteer) -> None:
    best = gazetteer.search("Арычная 12")[0]
    assert best.match == "house"
    assert off_m(best, 43.2503, 76.906) < 1.0
    assert 90.0 < best.score < 100.0


def test_search_finds_corner_when_streets_come_near_without_a_shared_node(gazetteer: Gazetteer) -> None:
    best = gazetteer.search("угол Тихого и Сейфуллина")[0]
    assert best.match == "corner"
    assert off_m(best, 43.24, 76.91975) < 5.0
    assert best.accuracy_m == pytest.approx(25 + 40.5, abs=2.0)


def test_search_finds_no_corner_when_streets_do_not_meet(gazetteer: Gazetteer) -> None:
    assert all(match.match != "corner" for match in gazetteer.search("Абая - 8 Марта"))


def test_search_lets_none_of_many_be_exact_when_they_share_a_name(tmp_path: Path) -> None:
    file = OsmFile()
    for step in range(3):
        file.node(43.2 + step / 10, 76.9, shop="yes", name="Магнум")
    file.node(43.2001, 76.9, shop="yes", name="Магнум")  # the first again, mapped twice
    gazetteer = MapGazetteer(import_osm(file.write(tmp_path / "shops.osm.pbf")))
    assert [match.score for match in gazetteer.search("Магнум")] == [84.0, 84.0, 84.0]


def test_search_doubts_both_when_one_number_stands_twice_far_apart(tmp_path: Path) -> None:
    file = OsmFile()
    file.way((43.25, 76.90), (43.25, 76.95), highway="residential", name="Абая")
    for longitude in (76.90, 76.95):
        file.node(43.2501, longitude, addr__street="Абая", addr__housenumber="7")
    found = MapGazetteer(import_osm(file.write(tmp_path / "twice.osm.pbf"))).search("Абая 7")
    assert len(found) == 2
    assert all(match.score < 100.0 and match.accuracy_m > 4_000.0 for match in found)


def test_search_gives_at_most_the_limit_and_best_first(gazetteer: Gazetteer) -> None:
    found = gazetteer.search("школа Абая 120", limit=2)
    assert len(found) <= 2
    assert [match.score for match in found] == sorted((match.score for match in found), reverse=True)


def test_search_answers_the_same_when_asked_again_and_changed_by_the_caller(gazetteer: Gazetteer) -> None:
    answers = [gazetteer.search("Абая, 12"), gazetteer.search("Абая, 12")]
    expected = list(answers[0])
    for answer in answers:
        answer.clear()
    assert gazetteer.search("Абая, 12") == expected


def test_search_forgets_the_oldest_when_more_texts_come_than_it_remembers(tmp_path: Path) -> None:
    file = OsmFile()
    file.way((43.25, 76.90), (43.25, 76.95), highway="residential", name="Абая")
    gazetteer = MapGazetteer(import_osm(file.write(tmp_path / "one.osm.pbf")))
    for number in range(CACHE_TEXTS + 100):
        gazetteer.search(f"Абая {number}")
    assert len(gazetteer._answers) == CACHE_TEXTS


@given(st.text(max_size=60))
def test_search_never_fails_when_words_are_any(gazetteer: Gazetteer, words: str) -> None:
    for match in gazetteer.search(words):
        assert SCORE_MIN <= match.score <= 100.0
        assert match.accuracy_m > 0.0


@given(st.permutations(["Абая", "Сейфуллина", "12", "и", "-", "/", ",", "угол", "дом", "кв", "(", ")", "8", "Марта", "школа"]))
def test_search_never_fails_when_an_address_is_shuffled(gazetteer: Gazetteer, words: list[str]) -> None:
    gazetteer.search(" ".join(words))


@pytest.mark.parametrize(
    ("latitude_deg", "longitude_deg", "said"),
    [
        (43.2504, 76.9060, "проспект Абая, 12"),
        (43.25, 76.92, "проспект Абая / ул. Сейфуллина"),
        (43.251, 76.9400, "проспект Абая"),
        (43.2303, 76.9203, "ул. Сейфуллина, 77"),
        (43.254, 76.9205, "ул. Сейфуллина"),
        (43.3, 76.95, ""),
        (-43.25, -76.9, ""),
    ],
)
def test_nearest_says_what_a_person_would_when_point_is_there(
    gazetteer: Gazetteer, latitude_deg: float, longitude_deg: float, said: str
) -> None:
    heard = gazetteer.nearest(np.array([latitude_deg]), np.array([longitude_deg]))
    assert [text.replace("пр. Абая", "проспект Абая") for text in heard] == [said]


def test_nearest_answers_each_point_by_itself_when_asked_for_many(gazetteer: Gazetteer) -> None:
    latitude = np.array([43.2504, np.nan, 0.0, 43.254, 43.25, 43.2504])
    longitude = np.array([76.9060, 76.9, 0.0, 76.9205, np.inf, 76.9060])
    answers = gazetteer.nearest(latitude, longitude)
    assert answers == [gazetteer.nearest(latitude[at : at + 1], longitude[at : at + 1])[0] for at in range(6)]
    assert [bool(answer) for answer in answers] == [True, False, False, True, False, True]
    assert gazetteer.nearest(np.zeros(0), np.zeros(0)) == []


def test_gazetteer_answers_nothing_when_map_is_of_places_alone(tmp_path: Path) -> None:
    file = OsmFile()
    file.node(43.25, 76.92, place="city", name="Алматы")
    gazetteer = MapGazetteer(import_osm(file.write(tmp_path / "place.osm.pbf")))
    assert gazetteer.nearest(np.array([43.25]), np.array([76.92])) == [""]
    assert gazetteer.search("Абая 12") == []
    assert gazetteer.search("Алматы")[0].accuracy_m == 20_000.0
