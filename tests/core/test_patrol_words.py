"""Findings in words: every one in every language."""

from __future__ import annotations

import pytest

from core.instant import SECOND_US, Micros
from core.patrol import PatrolEnd, PatrolFault, PatrolFinding, RouteId
from core.patrol_words import DISTANCES, ENDS, FAULTS, LANGUAGES, Language, sentence
from core.vocabulary import CrewId


def finding(fault: PatrolFault, ended: PatrolEnd | None = None) -> PatrolFinding:
    return PatrolFinding(
        crew_id=CrewId("P-1"),
        route_id=RouteId("abay"),
        route="Abay {west}",
        fault=fault,
        ended=ended,
        at_us=Micros(1000 * SECOND_US),
        since_us=Micros(70 * SECOND_US),
        distance_m=312.4,
        checkpoint="bank",
    )


def test_words_when_counted_are_there_in_every_language() -> None:
    assert set(FAULTS) == set(ENDS) == set(DISTANCES) == set(LANGUAGES)
    for language in LANGUAGES:
        assert set(FAULTS[language]) == set(PatrolFault)
        assert set(ENDS[language]) == set(PatrolEnd)


@pytest.mark.parametrize("language", LANGUAGES)
def test_sentence_when_of_any_finding_names_crew_and_route(language: Language) -> None:
    for fault in PatrolFault:
        for ended in (None, *PatrolEnd):
            text = sentence(finding(fault, ended), language)
            assert "P-1" in text and "Abay {west}" in text


@pytest.mark.parametrize(
    ("fault", "ended", "language", "text"),
    [
        (PatrolFault.OFF_ROUTE, None, "en", "crew P-1 has left route Abay {west}: 312 m from it"),
        (PatrolFault.OFF_ROUTE, PatrolEnd.RETURNED, "ru", "наряд P-1 ушёл с маршрута «Abay {west}»: вернулся на маршрут"),
        (PatrolFault.STANDING, None, "kk", "P-1 жасағы «Abay {west}» бағытында 15 мин бойы тұр"),
        (PatrolFault.CHECKPOINT_MISSED, None, "en", "crew P-1 was not at bank of route Abay {west} in time"),
    ],
)
def test_sentence_when_written_reads_so(fault: PatrolFault, ended: PatrolEnd | None, language: Language, text: str) -> None:
    assert sentence(finding(fault, ended), language) == text
