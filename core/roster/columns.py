"""The columns of a roster file, and the headers that name them in Kazakh, Russian and English.

A header is compared without case, blanks, points and the like, so `Позывной наряда` and `позывной_наряда` are one. Columns that
nobody knows are passed over (a `Примечание` is for people), and named to whoever imports.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, Literal, NamedTuple, get_args

Language = Literal["kk", "ru", "en"]
LANGUAGES: Final[tuple[Language, ...]] = get_args(Language)


class Column(NamedTuple):
    """One column: its own name, what an export calls it in each language, and what else files call it."""

    name: str
    kk: str
    ru: str
    en: str
    also: tuple[str, ...] = ()

    def header(self, language: Language) -> str:
        """What an export in a language calls it."""
        chosen: str = getattr(self, language)
        return chosen


SHIFT_COLUMNS: Final = (
    Column("crew", "Жасақ", "Наряд", "Crew", ("call sign", "позывной", "позывной наряда", "шақыру белгісі", "экипаж")),
    Column("day", "Күні", "Дата", "Day", ("date", "день", "күн")),
    Column("from", "Басталуы", "Начало", "From", ("start", "с", "начало смены", "ауысым басталуы", "басы")),
    Column("until", "Аяқталуы", "Окончание", "Until", ("end", "to", "по", "до", "конец", "окончание смены", "соңы")),
    Column("zone", "Уақыт белдеуі", "Часовой пояс", "Time zone", ("timezone",)),
    Column("territory", "Аумақ", "Территория", "Territory", ("район", "аудан")),
    Column("post", "Бекет", "Пост", "Post"),
    Column("route", "Бағыт", "Маршрут", "Route", ("маршрут патрулирования", "бағдар")),
    Column("capabilities", "Мақсаты", "Назначение", "Capabilities", ("capability", "возможности", "мүмкіндіктері")),
    Column("vehicles", "Көлік", "Транспорт", "Vehicles", ("vehicle", "автомобиль", "машина", "госномер", "автокөлік")),
    Column("means", "Құралдар", "Средства", "Means", ("equipment", "спецсредства", "вооружение", "арнайы құралдар")),
    Column("badge", "Жеке нөмірі", "Личный номер", "Badge", ("жетон", "табельный номер", "personnel number")),
    Column("name", "Аты-жөні", "ФИО", "Name", ("тегі аты әкесінің аты", "фамилия имя отчество", "сотрудник", "қызметкер")),
    Column("rank", "Атағы", "Звание", "Rank", ("арнайы атағы", "специальное звание")),
    Column("role", "Міндеті", "Должность", "Role", ("роль", "лауазымы", "обязанности", "position")),
    Column("phone", "Телефон", "Телефон", "Phone", ("telephone", "тел", "моб", "мобильный телефон")),
)
"""One row is one person of one shift; rows with the same crew and times are one shift."""

PLACE_COLUMNS: Final = (
    Column("kind", "Түрі", "Вид", "Kind", ("тип",)),
    Column("name", "Атауы", "Название", "Name", ("наименование",)),
    Column("territory", "Аумақ", "Территория", "Territory", ("район", "аудан")),
)
"""One row is one post or route."""

SHIFT_REQUIRED: Final = ("crew", "from", "until")
PLACE_REQUIRED: Final = ("kind", "name")

KIND_WORDS: Final = {
    "post": "post", "пост": "post", "бекет": "post", "route": "route", "маршрут": "route", "бағыт": "route",
}  # fmt: skip
"""What a place's kind is called."""
KIND_SHOWN: Final = {"post": Column("post", "бекет", "пост", "post"), "route": Column("route", "бағыт", "маршрут", "route")}


def find_columns(header: Sequence[str], columns: Sequence[Column]) -> dict[str, int]:
    """Column → its place in a header line; the first where a header stands twice."""
    known = {plain(text): column.name for column in columns for text in (column.name, *column[1:4], *column.also)}
    found: dict[str, int] = {}
    for place, text in enumerate(header):
        name = known.get(plain(text))
        if name is not None:
            found.setdefault(name, place)
    return found


def plain(text: str) -> str:
    """A header without what writers of headers leave out as they like."""
    return re.sub(r"[\W_]+", "", text.lower().replace("ё", "е"))
