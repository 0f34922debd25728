"""The certificate in three languages, as HTML, PDF and JSON: nothing is missing a word, and no word is taken for markup."""

from __future__ import annotations

import re
from datetime import timedelta
from html.parser import HTMLParser

import msgspec
import pytest

from adapters.certificate import words
from adapters.certificate.document import Document, Writer
from adapters.certificate.html import draw_html
from adapters.certificate.pdf import draw_pdf
from core.assign import Asked
from core.category import load_categories
from core.commands import ChangePriority, Close, Merge, Split
from core.course import TermEnd, course_of
from core.facts import TAGS, AssignmentEnded, AssignmentHeld, AssignmentMoved
from core.progress import RELIEF
from core.vocabulary import AssignmentState, AssignReason, IncidentState, TermKind
from tests.core.town import EASTERN, ELSEWHERE, QUIET, Town

TABLES = [
    words.STEPS,
    words.LABELS,
    words.STATES,
    words.TERMS,
    words.ENDS,
    words.MOVES,
    words.FACTS,
    words.REASONS,
    words.ACTORS,
    words.CAUSES,
]
MARKUP = 'fight, драка <b>"жарақат" & #emph[қауіп] \\ $x$</b>'


def document(language: words.Language, utc_offset_h: float = 5.0) -> Document:
    """Of an incident on which about everything has happened."""
    town = Town()
    town.crew("P-1", "patrol")
    number = town.call(MARKUP, phone="87010001122")
    town.call("fight")
    town.status("P-1", "declined")
    town.wait(100)
    town.crew("P-2", "patrol", fix=ELSEWHERE)
    town.status("P-2", "accepted")
    other = town.call("fight", fix=EASTERN)
    for command in (
        Merge(command_id="m", incident=other, into=number),
        Split(command_id="s", incident=number, events=("s/2",)),
        ChangePriority(command_id="p", incident=number, priority=1),
    ):
        assert town.order(command) == (True, "")
    assert town.order(Close(command_id="c", incident=number, result="{тоқтатылды}")) == (True, "")
    writer = Writer(language, load_categories(), "Алматы", timedelta(hours=utc_offset_h))
    return writer.document(course_of(town.committed.entries(number)))


def texts(shown: Document) -> list[str]:
    cells = [cell for section in shown.sections for row in section.rows for cell in row]
    heads = [text for section in shown.sections for text in (section.title, *section.columns)]
    return [shown.title, *(part for fact in shown.facts for part in fact), *heads, *cells, shown.digest_label]


def test_every_word_of_the_log_has_a_row_in_every_table() -> None:
    assert set(words.STATES) == {state.value for state in IncidentState}
    assert set(words.TERMS) == {kind.value for kind in TermKind}
    assert set(words.ENDS) == {end.value for end in TermEnd}
    assert set(words.MOVES) == {state.value for state in AssignmentState} | {"held", "turned_to", "relieves", "served_by"}
    assert set(words.REASONS) == {reason.value for reason in AssignReason}
    assert set(words.CAUSES) == {how.value for how in Asked} | {"by_hand", "no_crew", "no_place", "position", RELIEF}
    assert set(words.FACTS) == {TAGS[fact] for fact in TAGS if fact not in (AssignmentMoved, AssignmentEnded, AssignmentHeld)}


@pytest.mark.parametrize("table", TABLES)
def test_every_phrase_is_said_in_three_languages_with_the_same_names(table: dict[str, words.Phrase]) -> None:
    for key, phrase in table.items():
        assert all(text.strip() for text in phrase), key
        assert len({frozenset(re.findall(r"{\w+}", text)) for text in phrase}) == 1, key


@pytest.mark.parametrize("language", words.LANGUAGES)
def test_document_tells_the_whole_course(language: words.Language) -> None:
    shown = document(language)
    titles = [section.title for section in shown.sections]
    assert titles == [words.LABELS[key].in_language(language) for key in ("tellings", "crews", "terms", "course")]
    assert all(section.rows and all(len(row) == len(section.columns) for row in section.rows) for section in shown.sections)
    said = texts(shown)
    assert MARKUP in said
    assert any("{тоқтатылды}" in text for text in said)
    assert "+77010001122" in said
    kazakh_or_russian = re.compile("[а-яА-Я]")
    if language == "en":
        own = [text for text in said if kazakh_or_russian.search(text)]
        assert {text.replace("closed: ", "") for text in own} == {"Алматы", MARKUP, "{тоқтатылды}"}


@pytest.mark.parametrize(
    ("language", "offered", "taken"),
    [
        (
            "kk",
            "босап, жолдағы жасақтан ертерек жетеді; P-1 жасағын алмастырады",
            "{crew} жасағы кері шақырылды: орнына {other} жасағы жұмыс істейді",
        ),
        (
            "ru",
            "освободился и прибудет раньше наряда, который в пути; сменяет наряд P-1",
            "наряд {crew} отозван: вместо него работает наряд {other}",
        ),
        (
            "en",
            "has freed, and is there before the crew that is on its way; relieves crew P-1",
            "crew {crew} was withdrawn: crew {other} serves in its place",
        ),
    ],
)
def test_document_tells_who_relieves_whom(language: words.Language, offered: str, taken: str) -> None:
    town = Town(rules=msgspec.structs.replace(QUIET, is_relieving=True))
    town.crew("P-1", "patrol", fix=ELSEWHERE)
    number = town.call("fight")
    town.status("P-1", "accepted")
    town.crew("P-2", "patrol")
    town.status("P-2", "accepted")
    writer = Writer(language, load_categories(), "Алматы", timedelta(hours=5))
    course = course_of(town.committed.entries(number))
    said = texts(writer.document(course))
    assert any(text.endswith(f": {offered}") for text in said)
    assert f"{taken.format(crew='P-1', other='P-2')}: relieved by crew P-2" in said
    assert words.CAUSES[RELIEF].in_language(language) in said
    assert [(term.kind, term.crew, term.end) for term in course.terms if term.kind is TermKind.ON_SCENE] == [
        (TermKind.ON_SCENE, "P-1", TermEnd.VOID),
        (TermKind.ON_SCENE, "P-2", TermEnd.RUNNING),
    ]


@pytest.mark.parametrize("language", words.LANGUAGES)
def test_document_tells_why_a_relief_was_withdrawn(language: words.Language) -> None:
    town = Town(rules=msgspec.structs.replace(QUIET, is_relieving=True))
    town.crew("P-1", "patrol", fix=ELSEWHERE)
    number = town.call("fight")
    town.status("P-1", "accepted")
    town.crew("P-2", "patrol")
    town.status("P-1", "on_scene")
    writer = Writer(language, load_categories(), "Алматы", timedelta(hours=5))
    said = texts(writer.document(course_of(town.committed.entries(number))))
    withdrawn = words.MOVES["served_by"].in_language(language).format(crew="P-2", other="P-1")
    assert f"{withdrawn}: crew P-1 was there first" in said


@pytest.mark.parametrize(("offset_h", "shown"), [(5.0, "+0500"), (0.0, "+0000"), (-3.5, "-0330")])
def test_times_are_local_and_name_their_offset(offset_h: float, shown: str) -> None:
    opened = dict(document("en", offset_h).facts)["Opened"]
    assert opened.endswith(shown)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.text: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        assert not {name for name, _ in attrs} - {"lang", "charset"}

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@pytest.mark.parametrize("language", words.LANGUAGES)
def test_html_shows_every_text_and_runs_none_of_it(language: words.Language) -> None:
    shown = document(language)
    reader = _Reader()
    reader.feed(draw_html(shown).decode())
    assert set(filter(None, texts(shown))) <= set(reader.text) | {shown.digest_label}
    assert shown.digest in reader.text
    assert "b" not in reader.tags
    assert not reader.tags & {"script", "link", "img"}


@pytest.mark.parametrize("language", words.LANGUAGES)
def test_pdf_is_drawn_in_every_language(language: words.Language) -> None:
    drawn = draw_pdf(document(language))
    assert drawn.startswith(b"%PDF-")
    assert drawn.rstrip().endswith(b"%%EOF")
