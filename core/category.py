"""Category: which kind of incident an event tells of, by an editable table (CITY-7).

The table is TOML (`core/categories.toml` is the one shipped). An event's own category or code decides before its words do;
words are compared by their beginnings, so that Kazakh and Russian endings do not matter, in every language at once. The
category with the most urgent priority among those whose words occur wins: to send too much help is better than too little.
"""

from __future__ import annotations

import re
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from core.events import Alarm, Call, CallUpdate, SensorReading, VideoEvent
from core.facts import CategoryReason
from core.vocabulary import PRIORITY_HIGHEST, PRIORITY_LOWEST, CategoryCode

ANALYTIC_CONFIDENCE_MIN: Final = 0.6
"""Video analytics below this are kept as events and open nothing (CITY-18: they raise events, people decide)."""
_TOKEN: Final = re.compile(r"[\w-]+")


class CategoryError(Exception):
    """The table of categories is wrong; the text names file, category and field."""


class Names(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The category as dispatchers read it."""

    en: str
    ru: str
    kk: str


class Threshold(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"from_value": "from"}):
    """A sensor value from which on the category is opened."""

    quantity: str
    from_value: float


class Category(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One row of the table; the fields are told at the head of the TOML file."""

    code: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]*$")]
    name: Names
    priority: Annotated[int, Meta(ge=PRIORITY_HIGHEST, le=PRIORITY_LOWEST)]
    needs: Annotated[tuple[Annotated[str, Meta(min_length=1, max_length=64)], ...], Meta(max_length=16)] = ()
    radius_m: Annotated[float, Meta(gt=0, le=20_000)] = 150.0
    window_s: Annotated[float, Meta(gt=0, le=86_400)] = 1800.0
    codes: tuple[str, ...] = ()
    alarms: tuple[str, ...] = ()
    analytics: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    threshold: tuple[Threshold, ...] = ()


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    category: Annotated[tuple[Category, ...], Meta(min_length=1)]


class CategoryTable:
    """The categories of a centre, indexed for look-up. Immutable.

    Args:
        categories: in order of preference; the last one is what an incident is while nobody knows better.
    """

    def __init__(self, categories: tuple[Category, ...]) -> None:
        self._by_code = {CategoryCode(category.code): category for category in categories}
        if len(self._by_code) != len(categories):
            raise CategoryError("category: two categories have the same code")
        self.default = categories[-1]
        self._codes = {code: category for category in reversed(categories) for code in category.codes}
        self._alarms = {alarm: category for category in reversed(categories) for alarm in category.alarms}
        self._analytics = {analytic: category for category in reversed(categories) for analytic in category.analytics}
        self._thresholds = [(limit, category) for category in categories for limit in category.threshold]
        # first word's beginning → [(further beginnings, rank, category)]; the beginnings by length, so that a token is
        # looked up once a length and not compared with every word of the table.
        self._beginnings: dict[str, list[tuple[tuple[str, ...], tuple[int, int], Category]]] = {}
        for row, category in enumerate(categories):
            for phrase in category.words:
                first, *further = phrase.lower().split()
                self._beginnings.setdefault(first, []).append((tuple(further), (category.priority, row), category))
        self._lengths = sorted({len(beginning) for beginning in self._beginnings})
        self._by_words = lru_cache(maxsize=4096)(self._read_words)

    def __getitem__(self, code: str) -> Category:
        """The category of a code; the default one for a code that an older table had."""
        return self._by_code.get(CategoryCode(code), self.default)

    def __contains__(self, code: object) -> bool:
        return code in self._by_code

    def classify(self, event: Call | CallUpdate | Alarm | VideoEvent | SensorReading) -> tuple[Category, CategoryReason] | None:
        """The category an event tells of and why; None for an event that opens nothing (a sensor or an analytic)."""
        match event:
            case Call() | CallUpdate():
                given = self._by_code.get(CategoryCode(event.category)) or self._codes.get(event.category)
                if given is not None:
                    return given, CategoryReason.GIVEN
                for code in event.codes:
                    if code in self._codes:
                        return self._codes[code], CategoryReason.CODE
                return self.by_words(event.words)
            case Alarm():
                if event.code in self._codes:
                    return self._codes[event.code], CategoryReason.CODE
                return self._alarms.get(event.alarm, self.default), CategoryReason.ALARM
            case VideoEvent():
                seen = self._analytics.get(event.analytic)
                if seen is None or event.confidence < ANALYTIC_CONFIDENCE_MIN:
                    return None
                return seen, CategoryReason.ANALYTIC
            case SensorReading():
                for limit, category in self._thresholds:
                    if limit.quantity == event.quantity and event.value >= limit.from_value:
                        return category, CategoryReason.THRESHOLD
                return None

    def by_words(self, words: str) -> tuple[Category, CategoryReason]:
        """The category that words tell of; the default one when they tell nothing."""
        return self._by_words(words) if words else (self.default, CategoryReason.DEFAULT)

    def _read_words(self, words: str) -> tuple[Category, CategoryReason]:
        tokens = _TOKEN.findall(words.lower())
        best: tuple[tuple[int, int], Category] | None = None
        for place, token in enumerate(tokens):
            for length in self._lengths:
                if length > len(token):
                    break
                for further, rank, category in self._beginnings.get(token[:length], ()):
                    following = tokens[place + 1 : place + 1 + len(further)]
                    fits = len(following) == len(further) and all(map(str.startswith, following, further))
                    if fits and (best is None or rank < best[0]):
                        best = (rank, category)
        if best is None:
            return self.default, CategoryReason.DEFAULT
        return best[1], CategoryReason.WORDS


def load_categories(path: Path | None = None) -> CategoryTable:
    """Reads a table of categories, the shipped one by default.

    Raises:
        CategoryError: the file is absent or wrong; the text names the file, the field and what is allowed.
    """
    try:
        text = (resources.files("core") / "categories.toml").read_bytes() if path is None else path.read_bytes()
        return CategoryTable(msgspec.toml.decode(text, type=_File).category)
    except (OSError, msgspec.DecodeError, CategoryError) as error:
        raise CategoryError(f"{path or 'core/categories.toml'}: {error}") from error
