"""Category: which kind of incident an event tells of, by an editable table (CITY-7).

The table is TOML (`core/categories.toml` is the one shipped). An event's own category or code decides before its words do;
words are compared by their beginnings, so that Kazakh and Russian endings do not matter, in every language at once. What is
part of a phrase of the table is read as that phrase alone: a burst pipe is no explosion. The category with the most urgent
priority among those whose words occur wins: to send too much help is better than too little.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from importlib import resources
from math import isfinite
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from core.events import Alarm, Call, CallUpdate, SensorReading, VideoEvent
from core.facts import CategoryReason
from core.scenario import ByMode
from core.vocabulary import PRIORITY_HIGHEST, PRIORITY_LOWEST, CategoryCode, Mode

ANALYTIC_CONFIDENCE: Final = 0.6
"""Video analytics below this are kept as events and open nothing (CITY-18: they raise events, people decide). A category may
have its own."""
WORDS_REMEMBERED: Final = 4096
"""Texts whose category is remembered: alarms and short calls repeat themselves word for word. As many single words are."""
_TOKEN: Final = re.compile(r"[\w-]+")
_WHOLE: Final = "$"
"""Ends a word of the table that must occur as it stands, not as a beginning."""


class CategoryError(Exception):
    """The table of categories is wrong; the text names file, category and field."""


class Names(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The category as dispatchers read it."""

    en: str
    ru: str
    kk: str


class Threshold(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"from_value": "from"}):
    """A sensor value from which on the category is opened, the same in every mode or one for each."""

    quantity: str
    from_value: float | ByMode


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
    analytic_confidence: float | ByMode = ANALYTIC_CONFIDENCE
    """From 0 to 1, the same in every mode or one for each."""
    words: tuple[str, ...] = ()
    threshold: tuple[Threshold, ...] = ()


class _Phrase(msgspec.Struct, frozen=True):
    """Words of the table that must occur one after the other, each a beginning or, with `$` at its end, the whole word."""

    words: tuple[str, ...]
    rank: tuple[int, int]
    category: Category

    def fits(self, tokens: list[str], place: int) -> bool:
        """Whether it stands at this place."""
        following = tokens[place : place + len(self.words)]
        return len(following) == len(self.words) and all(map(_fits, following, self.words))


class _Found(msgspec.Struct, frozen=True):
    start: int
    end: int
    phrase: _Phrase

    def within(self, other: _Found) -> bool:
        return other.start <= self.start and self.end <= other.end and other.end - other.start > self.end - self.start


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
        self._thresholds = {
            mode: [
                (limit.quantity, _in_mode(limit.from_value, mode), category)
                for category in categories
                for limit in category.threshold
            ]
            for mode in Mode
        }
        self._confidence = {
            mode: {category.code: _in_mode(category.analytic_confidence, mode) for category in categories} for mode in Mode
        }
        for category in categories:
            if not all(isfinite(_in_mode(limit.from_value, mode)) for limit in category.threshold for mode in Mode):
                raise CategoryError(f"category {category.code}: threshold: from must be a number, not inf or nan")
            if not all(0 <= confidence[category.code] <= 1 for confidence in self._confidence.values()):
                raise CategoryError(f"category {category.code}: analytic_confidence: must be from 0 to 1")
        # The phrases by their first word, with its `$` where it has one; the beginnings by length, so that a token is looked
        # up once a length and not compared with every word of the table.
        self._phrases: dict[str, list[_Phrase]] = {}
        for row, category in enumerate(categories):
            for text in category.words:
                words = tuple(_plain(text).split())
                if not words:
                    raise CategoryError(f"category {category.code}: words: an empty phrase fits everything")
                self._phrases.setdefault(words[0], []).append(_Phrase(words, (category.priority, row), category))
        self._lengths = sorted({len(first) for first in self._phrases if not first.endswith(_WHOLE)})
        self._beginning_with = lru_cache(maxsize=WORDS_REMEMBERED)(self._find_beginning_with)
        self._by_words = lru_cache(maxsize=WORDS_REMEMBERED)(self._read_words)

    def __getitem__(self, code: str) -> Category:
        """The category of a code; the default one for a code that an older table had."""
        return self._by_code.get(CategoryCode(code), self.default)

    def __iter__(self) -> Iterator[CategoryCode]:
        """The codes, in the table's order."""
        return iter(self._by_code)

    def __contains__(self, code: object) -> bool:
        return code in self._by_code

    @property
    def capabilities(self) -> frozenset[str]:
        """Every capability that some category needs."""
        return frozenset(need for category in self._by_code.values() for need in category.needs)

    def classify(
        self, event: Call | CallUpdate | Alarm | VideoEvent | SensorReading, mode: Mode = Mode.DAILY
    ) -> tuple[Category, CategoryReason] | None:
        """The category an event tells of and why; None for an event that opens nothing (a sensor or an analytic).

        Args:
            event: what a source says.
            mode: the centre's; what a sensor or an analytic must reach may differ with it.
        """
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
                if seen is None or event.confidence < self._confidence[mode][seen.code]:
                    return None
                return seen, CategoryReason.ANALYTIC
            case SensorReading():
                for quantity, least, category in self._thresholds[mode]:
                    if quantity == event.quantity and event.value >= least:
                        return category, CategoryReason.THRESHOLD
                return None

    def by_words(self, words: str) -> tuple[Category, CategoryReason]:
        """The category that words tell of; the default one when they tell nothing."""
        return self._by_words(words) if words else (self.default, CategoryReason.DEFAULT)

    def _read_words(self, words: str) -> tuple[Category, CategoryReason]:
        tokens = _TOKEN.findall(_plain(words))
        found = [
            _Found(place, place + len(phrase.words), phrase)
            for place, token in enumerate(tokens)
            for phrase in self._beginning_with(token)
            if phrase.fits(tokens, place)
        ]
        alone = [one for one in found if not any(one.within(other) for other in found)]
        if not alone:
            return self.default, CategoryReason.DEFAULT
        return min(alone, key=lambda one: one.phrase.rank).phrase.category, CategoryReason.WORDS

    def _find_beginning_with(self, token: str) -> tuple[_Phrase, ...]:
        """The phrases whose first word a token is, or begins with."""
        found = list(self._phrases.get(token + _WHOLE, ()))
        for length in self._lengths:
            if length > len(token):
                break
            found += self._phrases.get(token[:length], ())
        return tuple(found)


def _in_mode(value: float | ByMode, mode: Mode) -> float:
    return value.at(mode) if isinstance(value, ByMode) else value


def _plain(text: str) -> str:
    """Lower case, and without the dots that writers of Russian leave out as they like."""
    return text.lower().replace("ё", "е")


def _fits(token: str, word: str) -> bool:
    return token == word[:-1] if word.endswith(_WHOLE) else token.startswith(word)


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
