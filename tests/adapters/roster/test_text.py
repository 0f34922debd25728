"""What a duty officer reads, in each language."""

from __future__ import annotations

from datetime import date

import pytest

from adapters.roster.text import RosterText
from core.roster.columns import LANGUAGES, Language
from core.roster.fact import Mark, deviations
from core.roster.handover import Act, CrewOn, CrewOut, OpenIncident, OpenNotice, RunningTerm
from core.roster.model import Person, ShiftChange
from core.vocabulary import CrewId, IncidentId
from tests.core.roster.samples import ALMATY, at, shift

DAY = date(2026, 11, 27)
A1 = CrewId("A-1")


def text(language: Language = "en") -> RosterText:
    return RosterText(language, ALMATY)


def mark(crew: str, hour: float, state: str, incident: int | None = None) -> Mark:
    return Mark(CrewId(crew), at(hour), state, "kz/almaty", incident)


def test_show_has_the_fact_beside_the_plan_and_who_serves_without_one() -> None:
    states = {
        CrewId(one.crew): one
        for one in (
            mark("A-1", 8, "on_scene", 7),
            mark("B-2", 9, "free"),
            mark("C-3", 1, "off_duty"),
            mark("A-3", -2, "off_duty"),
        )
    }
    shifts = [shift("A-1", 8, 20, "Ахметов/17", post="Арбат", vehicles=("123",)), shift("A-2", 8, 32), shift("A-3", 8, 9)]
    assert text().show(at(10), shifts, states) == [
        "Post roster, 2026-11-27 10:00+05:00",
        "A-2  08:00–28.11 08:00; no post (kz/almaty); patrol | never heard of",
        "A-3  08:00–09:00; no post (kz/almaty); patrol | off duty since 26.11 22:00",
        "A-1  08:00–20:00; Арбат (kz/almaty); Ахметов № 17; 123; patrol | on scene, incident 7 since 08:00",
        "On duty without a plan:",
        "B-2  kz/almaty | free since 09:00",
    ]
    assert text("kk").show(at(10), [], {})[1] == "ешкім жоспарланбаған"


def test_compare_says_what_was_otherwise_and_by_how_much() -> None:
    marks = [mark("A-1", 8.5, "free"), mark("A-1", 20, "off_duty")]
    found = deviations([shift("A-1", 8, 20)], marks, (at(0), at(24)), at(48), 0)
    assert text("ru").compare(found, DAY)[1:] == ["A-1  позднее начало: 08:00–08:30 (30 мин); план 08:00–20:00"]
    assert text("ru").compare([], DAY)[1:] == ["План соблюдён"]


@pytest.mark.parametrize(
    ("withdrawn", "line"),
    [
        (False, "A-1  08:00–20:00, изменено, 2026-11-27 14:05+05:00, aida, авария"),
        (True, "A-1  08:00–20:00, снято, 2026-11-27 14:05+05:00, aida, авария"),
    ],
)
def test_history_line_says_who_changed_what_when_and_why(withdrawn: bool, line: str) -> None:
    change = ShiftChange(3, at(14 + 5 / 60), "aida", "change", "авария", A1, at(8), at(20), withdrawn)
    assert text("ru").history_line(change, DAY) == line


ACT = Act(
    at_us=at(20),
    territory="kz/almaty",
    from_person=Person("Ахметов А.", "17", "майор", "дежурный"),
    to_person=Person("Серік Б."),
    batch_no=9,
    incidents=(
        OpenIncident(
            IncidentId(7),
            4,
            "assigned",
            "fire",
            2,
            "kz/almaty/medeu",
            "aida",
            at(19.5),
            (CrewOn("F-1", "accepted"),),
            (RunningTerm("accept", at(19.75), "F-1"), RunningTerm("review", at(21), "")),
        ),
        OpenIncident(IncidentId(8), 1, "queued", "gas", 3, "", "", at(19), (), ()),
    ),
    incident_count=12,
    crews_out=(CrewOut("F-1", "assigned", at(19.6), 7, at(20)), CrewOut("F-2", "free", at(8), None, None)),
    notices=(OpenNotice(IncidentId(7), at(19.75), "accept", "crew F-1 has not accepted"),),
    notice_count=1,
)


def test_act_names_everything_that_is_given_over() -> None:
    assert text("ru").act(5, ACT) == [
        "Акт приёма-передачи смены № 5, 2026-11-27 20:00+05:00",
        "Территория: kz/almaty",
        "Сдал: майор Ахметов А. № 17 (дежурный)",
        "Принял: Серік Б.",
        "",
        "Открытые происшествия: всего 12, показано 2",
        "  № 7, fire, приоритет 2, назначен наряд, kz/almaty/medeu, ответственный: aida, с 19:30",
        "    F-1: принял",
        "    принятие задания, F-1, просрочено: 19:45",
        "    пересмотр происшествия, до 21:00",
        "  № 8, gas, приоритет 3, ожидает наряда, без ответственного, с 19:00",
        "",
        "Наряды в работе: 2",
        "  F-1, назначен с 19:36, происшествие № 7, смена до 20:00",
        "  F-2, свободен с 08:00, вне смены",
        "",
        "Неподтверждённые уведомления: 1",
        "  19:45, происшествие № 7, принятие задания: crew F-1 has not accepted",
    ]


@pytest.mark.parametrize("language", LANGUAGES)
def test_act_has_the_same_lines_in_every_language(language: Language) -> None:
    assert len(text(language).act(5, ACT)) == 18
    assert not any("{" in line for line in text(language).act(5, ACT))
