"""A telling in a person's language: subject, text, and the short form (CITY-5).

Place in the flow: between whom to tell and the channel that does. Rules: nothing makes it fail, for a message without a word is
better than none: a value that is missing is a dash, one that is too long is cut, and control characters become spaces, so that
no value can forge a header or a line. A category's code is written as its name in the reader's language.
"""

from __future__ import annotations

from typing import Final

import msgspec

from adapters.certificate.words import LANGUAGES, Language
from adapters.messages.words import EVERYWHERE, EXPLANATION, FINDINGS, MODES, PARTS, UNSAID, WORDS
from core import limits
from core.category import CategoryTable
from core.people import Person
from core.telling import Telling
from core.vocabulary import CategoryCode

FIRST: Final[Language] = "kk"
"""For a person whose languages are none of ours."""


class Written(msgspec.Struct, frozen=True):
    """A telling in words."""

    language: Language
    subject: str
    text: str
    short: str


class _Values(dict[str, str]):
    """Values by name, and a dash for what is not there."""

    def __missing__(self, _: str) -> str:
        return UNSAID


class MessageWriter:
    """Writes tellings.

    Args:
        categories: whose names stand for their codes; a code that the table has no longer stands for itself.
        centre: the centre's name.
    """

    def __init__(self, categories: CategoryTable, centre: str) -> None:
        self._categories = categories
        self._centre = centre

    def write(self, telling: Telling, language: Language) -> Written:
        """A telling in one language."""
        values = _Values({name: _line(value) for name, value in telling.values.items() if value.strip()})
        category = CategoryCode(values["category"])
        if category in self._categories:
            name: str = getattr(self._categories[category].name, language)
            values["category"] = name
        for word, phrases in (("mode", MODES), ("finding", FINDINGS), ("part", PARTS)):
            phrase = phrases.get(values[word])
            if phrase is not None:
                values[word] = phrase.in_language(language)
        values["incident"] = UNSAID if telling.incident_id is None else str(telling.incident_id)
        values["territory"] = _line(telling.territory) or EVERYWHERE.in_language(language)
        words = WORDS[telling.template]
        about = EXPLANATION.in_language(language).format(priority=telling.priority, centre=self._centre)
        return Written(
            language,
            words.subject.in_language(language).format_map(values),
            f"{words.text.in_language(language).format_map(values)}\n\n{about}\n",
            words.short.in_language(language).format_map(values),
        )


def language_of(person: Person) -> Language:
    """The first of a person's languages that we have words in."""
    return next((each for wanted in person.languages for each in LANGUAGES if each == wanted), FIRST)


def _line(value: str) -> str:
    """A value as it may stand in a line."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in value).split())
    return line if len(line) <= limits.VALUE_MAX_CHARS else line[: limits.VALUE_MAX_CHARS - 1] + "…"
