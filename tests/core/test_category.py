"""The table of categories: what callers say in three languages, false friends, codes, alarms, analytics, thresholds, faults."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.category import CategoryError, CategoryTable, load_categories
from core.events import Alarm, Call, SensorReading, VideoEvent
from core.facts import CategoryReason
from core.vocabulary import Mode

AT = datetime(2026, 5, 1, 12, tzinfo=UTC)
TABLE = load_categories()

SAID = [
    ("cardiac", "Мужчина упал и не дышит"),
    ("cardiac", "отец потерял сознание, пульса не чувствую"),
    ("cardiac", "Она без сознания, лежит на полу"),
    ("cardiac", "Кісі дем алмай жатыр, тез келіңіздер"),
    ("cardiac", "Әкем есінен танып қалды"),
    ("cardiac", "He isn't breathing"),
    ("cardiac", "I think my husband has a heart attack"),
    ("fire", "Горит квартира на третьем этаже"),
    ("fire", "Из подъезда валит чёрный дым"),
    ("fire", "ПОЖАР!!! Абая 10"),
    ("fire", "Үйден өрт шықты"),
    ("fire", "Пәтер жанып жатыр, түтін көп"),
    ("fire", "The kitchen is on fire"),
    ("fire", "There is smoke coming from the roof"),
    ("explosion", "Взрыв в жилом доме, стекла вылетели"),
    ("explosion", "Үйде жарылыс болды"),
    ("explosion", "Something exploded in the basement"),
    ("gas", "Сильно пахнет газом в подъезде"),
    ("gas", "Утечка газа на кухне"),
    ("gas", "Подъезде газ иісі шығып тұр"),
    ("gas", "strong smell of gas on the stairs"),
    ("drowning", "Мальчик тонет в озере"),
    ("drowning", "Бала суға батып бара жатыр"),
    ("drowning", "A man is trapped under a wall"),
    ("weapon", "Мужчина с ножом в подъезде"),
    ("weapon", "Слышны выстрелы во дворе"),
    ("weapon", "Мылтық атып жатыр"),
    ("weapon", "he has a gun"),
    ("accident", "ДТП, две машины, водитель не может выйти"),
    ("accident", "Сбили пешехода на переходе"),
    ("accident", "Екі көлік соқтығысып қалды"),
    ("accident", "Жаяу жүргіншіні қағып кетті"),
    ("accident", "He was hit by a car"),
    ("assault", "Драка во дворе, человек пять"),
    ("assault", "Избили парня возле магазина"),
    ("assault", "Сосед бьёт жену"),
    ("assault", "Бір адамды ұрып жатыр"),
    ("assault", "I was robbed near the shop"),
    ("medical", "Бабушке плохо, высокое давление"),
    ("medical", "Сильная боль в животе"),
    ("medical", "Ребенок упал, кажется перелом руки"),
    ("medical", "у него кровь идёт из носа"),
    ("medical", "Жена рожает, начались роды"),
    ("medical", "Анама жедел жәрдем керек"),
    ("medical", "қатты ауырып тұр"),
    ("medical", "Severe pain in the chest"),
    ("medical", "panic attack, she cannot calm down"),
    ("burglary", "Украли велосипед"),
    ("burglary", "В гараже воры"),
    ("burglary", "Пәтерге ұры түсті"),
    ("burglary", "somebody stole my phone"),
    ("disorder", "Шум и музыка всю ночь"),
    ("disorder", "Көршілер шулап жатыр"),
    ("disorder", "drunk people under the windows"),
    ("utility", "Прорвало трубу, вода идет на дорогу"),
    ("utility", "Құбыр жарылды, көшені су басты"),
    ("utility", "The street is flooded"),
]
"""Category and what a caller said."""

FALSE_FRIENDS = [
    ("other", "большой человек стоит на улице"),
    ("other", "лежит на кровати и ждёт"),
    ("other", "моя фамилия Дымов, хочу спросить"),
    ("other", "звонит Воронцов насчёт ворот во двор"),
    ("other", "у нас сломались ворота"),
    ("other", "фамилия Шумаков"),
    ("other", "большая скорость на дороге, скоро будет темно"),
    ("other", "уроды понаехали"),
    ("other", "плохо слышно, перезвоните"),
    ("other", "хочу поблагодарить пожарного"),
    ("other", "атам соғыс ардагері"),
    ("other", "ауыр зат көтеру керек"),
    ("other", "ауруханаға қалай барамын"),
    ("other", "a fireman helped me yesterday"),
    ("other", "fresh paint on the bench"),
    ("other", "he is smoking on the stairs"),
    ("other", "the laboratory is closed"),
    ("other", "I accidentally called"),
    ("utility", "во всём доме нет света"),
    ("utility", "не горит светофор"),
    ("utility", "аварийное отключение воды"),
    ("utility", "упало дерево на провода"),
    ("disorder", "стреляют салют под окнами"),
    ("disorder", "хулиганы бьют стёкла на остановке"),
    ("disorder", "fireworks all night"),
    ("fire", "не горит свет, горит дом"),
]
"""Words that look like those of another category."""


@pytest.mark.parametrize(("code", "words"), SAID + FALSE_FRIENDS)
def test_by_words_when_caller_says(code: str, words: str) -> None:
    category, reason = TABLE.by_words(words)
    assert category.code == code
    assert reason is (CategoryReason.DEFAULT if code == "other" else CategoryReason.WORDS)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("плохо, украли сумку и избили", "assault"),
        ("избили, он не дышит", "cardiac"),
        ("пожар, слышен взрыв", "explosion"),
        ("құбыр жарылды, тағы жарылыс болды", "explosion"),
    ],
)
def test_by_words_when_several_fit_the_most_urgent_wins(said: str, expected: str) -> None:
    assert TABLE.by_words(said)[0].code == expected


def call(**fields: object) -> Call:
    return Call(seq=1, at=AT, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("event", "code", "reason"),
    [
        (call(category="gas", words="драка"), "gas", CategoryReason.GIVEN),
        (call(category="103"), "medical", CategoryReason.GIVEN),
        (call(category="no such", words="драка"), "assault", CategoryReason.WORDS),
        (call(codes=("x", "101"), words="драка"), "fire", CategoryReason.CODE),
        (call(), "other", CategoryReason.DEFAULT),
        (Alarm(seq=1, at=AT, device="p", alarm="panel"), "burglary", CategoryReason.ALARM),
        (Alarm(seq=1, at=AT, device="p", alarm="panel", code="101"), "fire", CategoryReason.CODE),
        (Alarm(seq=1, at=AT, device="b", alarm="button"), "assault", CategoryReason.ALARM),
        (VideoEvent(seq=1, at=AT, camera="c", analytic="smoke", confidence=0.6), "fire", CategoryReason.ANALYTIC),
        (SensorReading(seq=1, at=AT, device="g", quantity="methane_percent", value=1.0), "gas", CategoryReason.THRESHOLD),
    ],
)
def test_classify_when_event_opens(event: Call | Alarm | VideoEvent | SensorReading, code: str, reason: CategoryReason) -> None:
    classified = TABLE.classify(event)
    assert classified is not None
    assert (classified[0].code, classified[1]) == (code, reason)


@pytest.mark.parametrize(
    "event",
    [
        VideoEvent(seq=1, at=AT, camera="c", analytic="smoke", confidence=0.59),
        VideoEvent(seq=1, at=AT, camera="c", analytic="cat"),
        SensorReading(seq=1, at=AT, device="g", quantity="methane_percent", value=0.99),
        SensorReading(seq=1, at=AT, device="g", quantity="humidity", value=99.0),
    ],
)
def test_classify_when_event_opens_nothing(event: VideoEvent | SensorReading) -> None:
    assert TABLE.classify(event) is None


BY_MODE = """[[category]]
code = "fire"
name = {en = "A", ru = "А", kk = "А"}
priority = 2
analytics = ["smoke"]
analytic_confidence = { daily = 0.8, heightened = 0.6, emergency = 0.4 }
threshold = [{ quantity = "smoke_percent", from = { daily = 10, heightened = 7.5, emergency = 5 } }]

[[category]]
code = "other"
name = {en = "A", ru = "А", kk = "А"}
priority = 4
analytics = ["crowd"]
analytic_confidence = 0.9
"""


@pytest.mark.parametrize(
    ("mode", "smoke_percent", "confidence"),
    [(Mode.DAILY, 10.0, 0.8), (Mode.HEIGHTENED, 7.5, 0.6), (Mode.EMERGENCY, 5.0, 0.4)],
)
def test_classify_when_mode_changes_goes_by_its_limits(
    mode: Mode, smoke_percent: float, confidence: float, tmp_path: Path
) -> None:
    path = tmp_path / "categories.toml"
    path.write_text(BY_MODE, encoding="utf-8")
    table = load_categories(path)

    def opens(value: float, sure: float, analytic: str) -> tuple[bool, bool]:
        reading = SensorReading(seq=1, at=AT, device="d", quantity="smoke_percent", value=value)
        seen = VideoEvent(seq=1, at=AT, camera="c", analytic=analytic, confidence=sure)
        return table.classify(reading, mode) is not None, table.classify(seen, mode) is not None

    assert opens(smoke_percent, confidence, "smoke") == (True, True)
    assert opens(smoke_percent - 0.1, confidence - 0.01, "smoke") == (False, False)
    assert opens(0, 0.9, "crowd") == (False, True)
    assert opens(0, 0.89, "crowd") == (False, False)


def test_classify_when_no_mode_is_given_is_the_daily_one(tmp_path: Path) -> None:
    path = tmp_path / "categories.toml"
    path.write_text(BY_MODE, encoding="utf-8")
    event = SensorReading(seq=1, at=AT, device="d", quantity="smoke_percent", value=9.9)
    assert load_categories(path).classify(event) is None


def test_getitem_when_code_is_of_an_older_table() -> None:
    assert TABLE["long gone"] is TABLE.default
    assert "long gone" not in TABLE
    assert "fire" in TABLE


ROW = 'code = "a"\nname = {en = "A", ru = "А", kk = "А"}\npriority = 1\n'


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "category"),
        ("[[category]]\n" + ROW.replace("1", "10"), "priority"),
        ("[[category]]\n" + ROW + "radius = 1\n", "radius"),
        (("[[category]]\n" + ROW) * 2, "same code"),
        ("[[category]]\n" + ROW + 'words = [" "]\n', "category a: words"),
        ("[[category]\n", "toml"),
        ("[[category]]\n" + ROW + "analytic_confidence = 1.1\n", "category a: analytic_confidence: must be from 0 to 1"),
        ("[[category]]\n" + ROW + "analytic_confidence = { daily = 0.5 }\n", "heightened"),
        ("[[category]]\n" + ROW + "threshold = [{ quantity = 'q', from = 'high' }]\n", "threshold"),
        ("[[category]]\n" + ROW + "threshold = [{ quantity = 'q', from = nan }]\n", "category a: threshold: from must be"),
    ],
)
def test_load_categories_when_file_is_wrong_names_it(text: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / "categories.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(CategoryError, match=told) as raised:
        load_categories(path)
    assert str(path) in str(raised.value)


def test_load_categories_when_absent(tmp_path: Path) -> None:
    with pytest.raises(CategoryError, match=r"absent\.toml"):
        load_categories(tmp_path / "absent.toml")


def test_iter_when_table_is_shipped_gives_the_codes_in_its_order() -> None:
    codes = list(TABLE)
    assert codes[0] == "cardiac"
    assert codes[-1] == "other"
    assert len(set(codes)) == len(codes) == 14


def test_shipped_table_when_read_has_a_last_resort_for_a_patrol() -> None:
    assert isinstance(TABLE, CategoryTable)
    assert TABLE.default.code == "other"
    assert TABLE.default.needs == ("patrol",)
