"""Messages in three languages: none is missing, every value finds its place, and an SMS is short."""

from __future__ import annotations

import re
from string import Formatter
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.certificate.words import LANGUAGES, Language, Phrase
from adapters.channels.sms_text import encode
from adapters.messages.words import WORDS
from adapters.messages.writer import MessageWriter, language_of
from core import limits
from core.category import load_categories
from core.instant import Micros
from core.patrol import PatrolFault
from core.people import Person
from core.telling import VALUES, Happened, Telling
from core.vocabulary import IncidentId

WRITER = MessageWriter(load_categories(), "Алматы")
USUAL = {
    "crew": "АР-12",
    "category": "fire",
    "address": "Абай даңғылы, 10",
    "capability": "fire",
    "result": "өрт сөндірілді",
    "waited_min": "90",
    "mode": "дербес",
    "reason": "байланыс жоқ",
    "finding": "тұр",
    "place": "Достық, 5",
    "minutes": "10",
    "gives": "Аида",
    "takes": "Данияр",
    "open": "17",
    "part": "signals",
    "person": "Аида",
}
"""A value of usual length for every name."""


def telling(happened: Happened, values: dict[str, str] | None = None, *, incident: int | None = 1234) -> Telling:
    found = None if incident is None else IncidentId(incident)
    kept = {name: USUAL[name] for name in VALUES[happened]} if values is None else values
    return Telling("k", "shift_lead", "kz/almaty", found, happened, kept, Micros(0), Micros(1), 2)


def fields_of(phrase: Phrase, language: Language) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(phrase.in_language(language)) if name is not None}


def test_nothing_that_can_happen_is_without_words() -> None:
    assert set(WORDS) == set(Happened)


@pytest.mark.parametrize("happened", list(Happened))
def test_every_language_says_the_same_and_asks_for_no_value_that_is_not_there(happened: Happened) -> None:
    allowed = {*VALUES[happened], "incident", "territory"}
    for phrase in WORDS[happened]:
        used = [fields_of(phrase, language) for language in LANGUAGES]
        assert used[0] == used[1] == used[2]
        assert used[0] <= allowed
        assert all(phrase.in_language(language).strip() for language in LANGUAGES)
    # Nothing is worth sending that no form of the message shows.
    shown = set().union(*(fields_of(phrase, "kk") for phrase in WORDS[happened]))
    assert set(VALUES[happened]) <= shown


@pytest.mark.parametrize("happened", list(Happened))
@pytest.mark.parametrize("language", ["kk", "ru"])
def test_kazakh_and_russian_are_not_one_another_and_not_english(happened: Happened, language: Language) -> None:
    words = WORDS[happened]
    assert words.text.in_language(language) != words.text.en
    assert words.text.kk != words.text.ru
    bare = re.sub(r"\{\w+\}", "", words.text.in_language(language))
    assert re.search("[а-яәіңғүұқөһ]", bare, re.IGNORECASE) and not re.search("[a-z]", bare, re.IGNORECASE)


@pytest.mark.parametrize("happened", list(Happened))
@pytest.mark.parametrize("language", LANGUAGES)
def test_sms_is_one_part_with_values_of_usual_length(happened: Happened, language: Language) -> None:
    short = WRITER.write(telling(happened), language).short
    assert len(encode(short).parts) == 1, f"{len(short)} letters: {short}"


@pytest.mark.parametrize(
    ("language", "subject", "short"),
    [
        ("kk", "АР-12 жасағы тапсырманы қабылдамады", "№1234 АР-12 қабылдамады: Абай даңғылы, 10"),
        ("ru", "Наряд АР-12 не принял задание", "№1234 АР-12 не принял: Абай даңғылы, 10"),
        ("en", "Crew АР-12 has not accepted its task", "#1234 АР-12 not accepted: Абай даңғылы, 10"),
    ],
)
def test_write_puts_the_values_into_the_words(language: Language, subject: str, short: str) -> None:
    written = WRITER.write(telling(Happened.ACCEPT_PASSED), language)
    assert (written.language, written.subject, written.short) == (language, subject, short)
    assert {"kk": "Өрт", "ru": "Пожар", "en": "Fire"}[language] in written.text  # the category by its name
    assert "Алматы" in written.text


@pytest.mark.parametrize("fault", list(PatrolFault))
def test_write_says_in_the_readers_language_what_a_patrol_is_found_to_do(fault: PatrolFault) -> None:
    values = {"crew": "АР-12", "finding": fault.value, "place": "Абай"}
    written = {language: WRITER.write(telling(Happened.PATROL_FINDING, values), language) for language in LANGUAGES}
    assert len({one.subject for one in written.values()}) == len(LANGUAGES)
    for one in written.values():
        assert fault.value not in one.text and fault.value not in one.short
        assert len(encode(one.short).parts) == 1


def test_write_shows_a_dash_when_a_value_is_missing() -> None:
    written = WRITER.write(telling(Happened.NO_CREW, {"category": "no_such_category", "address": " "}, incident=None), "ru")
    assert written.short == "№— нет наряда: —"
    assert "no_such_category" in written.text and "(—)" in written.text


@given(st.sampled_from(list(Happened)), st.text(max_size=500), st.sampled_from(LANGUAGES))
def test_write_makes_a_line_of_any_value(happened: Happened, value: str, language: Language) -> None:
    written = WRITER.write(telling(happened, dict.fromkeys(VALUES[happened], value)), language)
    assert written.subject.isprintable() and written.short.isprintable()
    assert len(written.subject) <= 2 * limits.VALUE_MAX_CHARS + 100


def test_write_takes_no_value_for_a_template() -> None:
    written = WRITER.write(telling(Happened.TEST, {"person": "{incident} {0} {x.y}"}), "en")
    assert written.short == "Test message: {incident} {0} {x.y}"


@pytest.mark.parametrize(
    ("languages", "expected"), [(("ru", "kk"), "ru"), (("en",), "en"), (("de", "en"), "en"), (("de",), "kk"), ((), "kk")]
)
def test_language_is_the_first_of_the_person_s_that_there_are_words_in(languages: tuple[str, ...], expected: str) -> None:
    person = Person("a", "a", frozenset(), frozenset(), languages, (), ZoneInfo("UTC"))
    assert language_of(person) == expected
