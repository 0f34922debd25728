"""What people say when they call, and how they spell it: phrases by category in three languages, typos, telephone numbers,
places.

Place in the flow: outside it; `loadtest.traffic` draws from here. Rules: the category of a phrase is what a dispatcher would
say it is, in the words of the centre's own table of categories; every draw is made with the given `rng`. Spellings are those
met in life: abbreviated street kinds, no street kind at all, the two languages mixed, a letter lost or doubled. Requirements:
OCC-1, CITY-1, CITY-7.
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Final, Literal

from loadtest.names import Name

Language = Literal["kk", "ru", "en"]

PHRASES: Final[Mapping[str, Mapping[Language, tuple[str, ...]]]] = {
    "fire": {
        "ru": (
            "Горит квартира на третьем этаже",
            "Пожар, дым идет из окон",
            "Загорелась крыша дома, огонь большой",
            "Из подъезда валит черный дым",
        ),
        "kk": ("Үйден өрт шықты, тез келіңіздер", "Пәтер жанып жатыр, түтін көп", "Көршінің үйінен түтін шығып жатыр"),
        "en": ("There is a fire in the building, a lot of smoke", "The roof is burning"),
    },
    "accident": {
        "ru": (
            "ДТП, две машины, есть пострадавшие",
            "Столкновение на перекрестке, водитель не может выйти",
            "Сбили пешехода на переходе",
            "Авария, машина перевернулась",
        ),
        "kk": (
            "Жол апаты болды, екі көлік соғысып қалды",
            "Жол-көлік оқиғасы, жараланғандар бар",
            "Жаяу жүргіншіні қағып кетті",
        ),
        "en": ("Car accident at the crossing, two cars", "A man was hit by a car"),
    },
    "medical": {
        "ru": (
            "Бабушке плохо, высокое давление",
            "Сильная боль в животе",
            "Ребенок упал, кажется перелом руки",
            "У мужа температура сорок, нужна скорая",
            "Женщина рожает, нужна скорая",
        ),
        "kk": (
            "Анама жедел жәрдем керек, қатты ауырып тұр",
            "Баланың қызуы көтерілді, жедел жәрдем жіберіңіздер",
            "Әйелдің толғағы басталды",
        ),
        "en": ("My father is sick, we need an ambulance", "Severe pain in the chest since morning"),
    },
    "cardiac": {
        "ru": ("Мужчина упал и не дышит", "Отец без сознания, не отвечает", "Похоже на инфаркт, потерял сознание"),
        "kk": ("Кісі дем алмай жатыр", "Әкем ес-түссіз жатыр, көмектесіңіздер"),
        "en": ("He is unconscious and not breathing",),
    },
    "assault": {
        "ru": (
            "Драка во дворе, человек пять",
            "На меня напали, отобрали телефон",
            "Избивают парня возле магазина",
            "Ограбили женщину",
        ),
        "kk": ("Аулада төбелес болып жатыр", "Маған шабуыл жасады, телефонымды тонап кетті", "Бір адамды ұрып жатыр"),
        "en": ("There is a fight in the yard", "I was robbed near the shop"),
    },
    "weapon": {
        "ru": ("Мужчина с ножом в подъезде", "Слышны выстрелы во дворе"),
        "kk": ("Қолында пышақ бар адам жүр", "Мылтық атып жатыр"),
        "en": ("A man with a knife at the entrance",),
    },
    "disorder": {
        "ru": ("Соседи шумят, громкая музыка всю ночь", "Пьяные кричат под окнами", "Хулиганы бьют стекла на остановке"),
        "kk": ("Көршілер шулап жатыр, айғай көп", "Мас адам тәртіп бұзып жүр"),
        "en": ("Drunk people make noise under the windows",),
    },
    "burglary": {
        "ru": ("Взломали дверь квартиры, украли технику", "Кража из магазина", "В гараж проникли воры"),
        "kk": ("Пәтерге ұры түсті, ұрлық болды", "Дүкеннен зат ұрлап кетті"),
        "en": ("Burglary, the door is broken",),
    },
    "gas": {
        "ru": ("Сильно пахнет газом в подъезде", "Запах газа в подвале", "Утечка газа на кухне"),
        "kk": ("Подъезде газ иісі шығып тұр", "Ас үйден газ иісі сезіледі"),
        "en": ("Strong smell of gas on the stairs",),
    },
    "utility": {
        "ru": ("Прорвало трубу, вода идет на дорогу", "Обрыв провода, висит над тротуаром", "Затопило подвал дома"),
        "kk": ("Құбыр жарылды, көшені су басты", "Жарық жоқ, сым үзіліп қалды"),
        "en": ("Burst pipe, the street is flooded",),
    },
}
"""Category → language → phrases."""

FILLERS: Final[Mapping[Language, tuple[str, ...]]] = {
    "ru": ("Алло, ", "Здравствуйте, ", "Помогите! ", "Быстрее пожалуйста, ", "", "", ""),
    "kk": ("Алло, ", "Сәлеметсіз бе, ", "Көмектесіңіздер! ", "Тезірек келіңіздерші, ", "", "", ""),
    "en": ("Hello, ", "Please hurry, ", "", ""),
}

MALFORMED_PHONES: Final[tuple[str, ...]] = (
    "12",
    "+7",
    "8701",
    "номер скрыт",
    "0000000000",
    "+7 701 abc 11",
    "anonymous",
    "++77011234567",
)
"""What telephone platforms deliver instead of a number when something is wrong on the way."""


def phrase(category: str, language: Language, rng: Random) -> str:
    """Words of a caller about a happening of this category. Raises `KeyError` for a category without phrases."""
    return rng.choice(FILLERS[language]) + rng.choice(PHRASES[category][language])


def typo(text: str, rng: Random) -> str:
    """The text with one slip of the finger in a word of five letters or more; unchanged where there is none."""
    places = [place for place in range(2, len(text) - 2) if text[place - 2 : place + 3].isalpha()]
    if not places:
        return text
    place = rng.choice(places)
    match rng.randrange(3):
        case 0:
            return text[:place] + text[place + 1 :]
        case 1:
            return text[:place] + text[place] + text[place:]
        case _:
            return text[:place] + text[place + 1] + text[place] + text[place + 2 :]


def spell_phone(e164: str, rng: Random) -> str:
    """A Kazakhstan number (`+7` and ten digits) as some telephone platform spells it."""
    area, rest = e164[2:5], e164[5:]
    return rng.choice(
        (
            e164,
            e164,
            f"8{area}{rest}",
            f"8 ({area}) {rest[:3]}-{rest[3:5]}-{rest[5:]}",
            f"+7 {area} {rest[:3]} {rest[3:5]} {rest[5:]}",
            f"8-{area}-{rest[:3]}-{rest[3:]}",
            f"{area}{rest}",
            f"007{area}{rest}",
        )
    )


def spell_street(name: Name, rng: Random) -> str:
    """A street's name as people write it: full, abbreviated, or without its kind, in either language."""
    kk_stem, _, kk_kind = name.kk.rpartition(" ")
    ru_kind, _, ru_stem = name.ru.partition(" ")
    if not kk_stem or ru_kind not in ("улица", "проспект"):
        return rng.choice((name.kk, name.ru))
    ru_short = "ул." if ru_kind == "улица" else "пр."
    kk_short = "көш." if kk_kind == "көшесі" else "даң."
    return rng.choice(
        (name.ru, f"{ru_short} {ru_stem}", ru_stem, f"{ru_stem} {ru_short}", name.kk, f"{kk_stem} {kk_short}", name.kk.lower())
    )


def spell_address(street: Name, number: str, rng: Random) -> str:
    """A house's address in a caller's words, sometimes with a flat."""
    said = f"{spell_street(street, rng)}{rng.choice((' ', ', ', ' дом ', ', д. '))}{number}"
    return f"{said}{rng.choice((', кв. ', ' квартира ', '-'))}{rng.randint(1, 90)}" if rng.random() < 0.2 else said


def spell_corner(first: Name, second: Name, rng: Random) -> str:
    """A street corner in a caller's words."""
    one, other = spell_street(first, rng), spell_street(second, rng)
    return rng.choice(
        (
            f"угол {one} и {other}",
            f"{one} - {other}",
            f"{one} / {other}",
            f"перекресток {one} и {other}",
            f"{one} мен {other} қиылысы",
        )
    )
