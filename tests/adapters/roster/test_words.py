"""Every word of the vocabulary that the roster shows has its phrase, in all three languages."""

from __future__ import annotations

import re

import pytest

from adapters.roster.words import ASSIGNMENTS, CREW_STATES, DEVIATIONS, LABELS, Phrase
from core.incident import ACTIVE
from core.roster.fact import DeviationKind
from core.vocabulary import CrewState


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (CREW_STATES, {state.value for state in CrewState}),
        (ASSIGNMENTS, {state.value for state in ACTIVE}),
        (DEVIATIONS, {kind.value for kind in DeviationKind}),
    ],
)
def test_every_word_has_its_phrase(table: dict[str, Phrase], words: set[str]) -> None:
    assert set(table) == words


@pytest.mark.parametrize("table", [LABELS, CREW_STATES, ASSIGNMENTS, DEVIATIONS])
def test_every_phrase_has_three_languages_with_the_same_places(table: dict[str, Phrase]) -> None:
    for phrase in table.values():
        assert all(phrase)
        assert len({frozenset(re.findall(r"{\w+}", text)) for text in phrase}) == 1
