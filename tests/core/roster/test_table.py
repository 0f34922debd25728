"""Tables of a roster: every fault by row, field, value and what is allowed; headers in any language; written and read back."""

from __future__ import annotations

import pytest
from hypothesis import given

from core import limits
from core.roster.columns import LANGUAGES, PLACE_COLUMNS, SHIFT_COLUMNS, Language, find_columns, plain
from core.roster.local_time import zone_of
from core.roster.model import Person, Place, Roster, Shift, roster_of
from core.roster.table import HEADER_ROWS, Table, Tables, place_table, read_tables, shift_table
from core.vocabulary import CrewId
from tests.core.roster.samples import ALMATY, at, rosters, shift

HEADER = "crew;day;from;until;territory;post;route;capabilities;vehicles;means;badge;name;rank;role;phone;zone"
GOOD = "A-1;2026-11-27;08:00;20:00;kz/almaty;;;patrol;123ABC02;радио, ПМ;17;Ахметов А.;капитан;старший;+77011234567;"


def table(*lines: str, header: str = HEADER) -> Table:
    rows = [line.split(";") for line in (header, *lines)]
    return Table("duty.csv", [(number, [cell.strip() for cell in row]) for number, row in enumerate(rows, 1)])


def read(*lines: str, header: str = HEADER) -> Tables:
    return read_tables([table(*lines, header=header)], ALMATY)


def with_field(field: str, value: str) -> str:
    cells = GOOD.split(";")
    cells[HEADER.split(";").index(field)] = value
    return ";".join(cells)


def test_row_becomes_a_shift() -> None:
    found = read(GOOD)
    assert found.errors == []
    assert [one for one, _ in found.shifts] == [
        Shift(
            crew=CrewId("A-1"),
            from_us=at(8),
            until_us=at(20),
            territory="kz/almaty",
            capabilities=("patrol",),
            vehicles=("123ABC02",),
            means=("радио", "ПМ"),
            people=(Person("Ахметов А.", "17", "капитан", "старший", "+77011234567"),),
        )
    ]


def test_rows_of_one_crew_and_time_are_one_shift() -> None:
    more = "A-1;2026-11-27;08:00;20:00;;;;;;;;Иванов И.;;;;"
    found = read(GOOD, more, more.replace("Иванов И.", ""))
    ((one, origin),) = found.shifts
    assert [person.name for person in one.people] == ["Ахметов А.", "Иванов И."]
    assert origin.row == 2


@pytest.mark.parametrize(
    ("day", "begin", "end", "hours"),
    [
        ("2026-11-27", "08:00", "20:00", (8, 20)),
        ("27.11.2026", "20:00", "08:00", (20, 32)),
        ("2026-11-27", "09:00", "09:00", (9, 33)),
        ("2026-11-27", "16:00", "24:00", (16, 24)),
        ("2026-11-27", "20:00", "28.11.2026 02:00", (20, 26)),
        ("", "2026-11-27 20:00", "2026-11-28T08:00", (20, 32)),
        ("", "2026-11-27 08:00+05:00", "2026-11-27 08:00+04:00", (8, 9)),
    ],
)
def test_times_are_read_when_written_in_any_usual_way(day: str, begin: str, end: str, hours: tuple[int, int]) -> None:
    found = read(f"A-1;{day};{begin};{end};kz;;;;;;;;;;;")
    assert [str(error) for error in found.errors] == []
    assert (found.shifts[0][0].from_us, found.shifts[0][0].until_us) == tuple(map(at, hours))


def test_zone_of_a_row_decides_over_the_centre_s() -> None:
    found = read("A-1;2026-11-27;04:00;16:00;kz;;;;;;;;;;;Europe/London")
    assert (found.shifts[0][0].from_us, found.shifts[0][0].until_us) == (at(9), at(21))


BAD = [
    ("crew", with_field("crew", ""), "crew = '': must have 1 to 64 characters"),
    ("crew", with_field("crew", "A" * 65), "must have 1 to 64 characters"),
    ("day", with_field("day", "вчера"), "day = 'вчера': must be a day as 2026-11-27 or 27.11.2026"),
    ("from", with_field("day", ""), "from = '08:00': must be a time as 2026-11-27 08:00, or 08:00 where the day stands beside"),
    ("from", with_field("from", "8 утра"), "from = '8 утра': must be a time as"),
    ("until", with_field("until", "25:00"), "until = '25:00': must be a time of day from 00:00 to 24:00"),
    ("until", with_field("until", "27.11.2026 07:00"), "'27.11.2026 07:00': must be after the shift's beginning, 08:00"),
    ("until", with_field("until", "27.11.2026 08:00"), "must be after the shift's beginning, 08:00"),
    ("until", with_field("until", "27.12.2026 08:00"), "must be at most 7 days after the shift's beginning, 08:00"),
    ("zone", with_field("zone", "Almaty"), "zone = 'Almaty': must be a time zone of the IANA list"),
    ("territory", with_field("territory", "kz//almaty"), "territory = 'kz//almaty': must be words joined by /"),
    ("territory", with_field("territory", ""), "must not be empty where a shift has neither post nor route"),
    ("route", with_field("post", "П;М").replace(";П;М;;", ";П;М;"), "'М': must be empty beside the post 'П': a shift has one"),
    ("capabilities", with_field("capabilities", "x" * 65), "must be words of at most 64 characters"),
    ("vehicles", with_field("vehicles", ",".join(map(str, range(65)))), "must list at most 64"),
    ("name", with_field("name", ""), "must not be empty where badge, rank, role or phone is given"),
    ("name", with_field("name", "A" * 401), "must have at most 400 characters"),
    ("name", with_field("name", "A\x00"), "must be text: it has characters that cannot be written"),
    ("name", with_field("name", "A\ufffd"), "must be text"),
]


@pytest.mark.parametrize(("field", "line", "said"), BAD)
def test_row_that_is_wrong_is_named_with_field_value_and_what_is_allowed(field: str, line: str, said: str) -> None:
    (error,) = read(GOOD.replace("A-1", "A-2"), line).errors
    assert (error.table, error.row, error.field) == ("duty.csv", 3, field)
    assert str(error).startswith(f"duty.csv: row 3: {field} = '")
    assert said in str(error)


def test_all_wrong_rows_are_told_not_only_the_first() -> None:
    found = read(*(line for _, line, _ in BAD))
    assert [error.row for error in found.errors] == list(range(2, 2 + len(BAD)))


@pytest.mark.parametrize(
    ("second", "said"),
    [
        (
            "A-1;2026-11-27;08:00;20:00;kz/astana;;;;;;;;;;;",
            "territory = 'kz/astana': must be 'kz/almaty' or empty, as in row 2",
        ),
        ("A-1;2026-11-27;08:00;20:00;;;;;777;;;;;;;", "vehicles = '777': must be '123ABC02' or empty, as in row 2"),
        ("A-1;2026-11-27;08:00;20:00;;;;;;;17;Другой;;;;", "name = 'Другой': must stand once in a shift"),
    ],
)
def test_rows_of_one_shift_must_agree(second: str, said: str) -> None:
    (error,) = read(GOOD, second).errors
    assert said in str(error)
    assert error.row == 3


def test_people_of_one_shift_are_bounded() -> None:
    lines = [f"A-1;2026-11-27;08:00;20:00;kz;;;;;;;N{number};;;;" for number in range(limits.ROSTER_LIST_MAX + 1)]
    (error,) = read(*lines).errors
    assert "at most 64 people" in str(error)


def test_rows_of_an_import_are_bounded() -> None:
    body = [(number, ["A-1"]) for number in range(2, limits.ROSTER_ROWS_MAX + 3)]
    big = Table("big.csv", [(1, ["post", "name"]), *body])
    assert any("50000 are read at once" in str(error) for error in read_tables([big], ALMATY).errors)


@pytest.mark.parametrize("language", LANGUAGES)
def test_headers_are_known_in_every_language(language: Language) -> None:
    for columns in (SHIFT_COLUMNS, PLACE_COLUMNS):
        header = [column.header(language).upper() + " :" for column in columns]
        assert find_columns(header, columns) == {column.name: number for number, column in enumerate(columns)}


def test_no_header_means_two_columns() -> None:
    for columns in (SHIFT_COLUMNS, PLACE_COLUMNS):
        owners: dict[str, set[str]] = {}
        for column in columns:
            for text in (column.name, *column[1:4], *column.also):
                owners.setdefault(plain(text), set()).add(column.name)
        assert {text: names for text, names in owners.items() if len(names) > 1} == {}


def test_titles_above_the_header_and_columns_for_people_are_passed_over() -> None:
    titles = [(1, ["Ведомость", "на 27 ноября"]), (2, ["", ""])]
    rows = [
        (3, ["Позывной", "Дата", "с", "по", "Район", "Примечание"]),
        (4, ["A-1", "27.11.2026", "8:00", "20:00", "kz", "болеет"]),
    ]
    found = read_tables([Table("duty.csv", titles + rows)], ALMATY)
    assert [one.crew for one, _ in found.shifts] == ["A-1"]
    assert found.passed_over == ["duty.csv: column 'Примечание'"]


@pytest.mark.parametrize(
    "rows",
    [[], [["a", "b"], ["1", "2"]], [["crew", "from"], ["A-1", "08:00"]], [[""]] * HEADER_ROWS + [["crew", "from", "until"]]],
)
def test_file_that_holds_no_roster_is_an_error(rows: list[list[str]]) -> None:
    found = read_tables([Table("other.csv", list(enumerate(rows, 1)))], ALMATY)
    (error,) = found.errors
    assert str(error).startswith("other.csv: no roster in it: it needs rows below a header with crew, from, until")


def test_places_are_read_in_any_language_and_named_once() -> None:
    found = read("пост;Арбат;kz/almaty", "Маршрут;№ 5;", "бекет;АРБАТ;", "тумба;X;", header="Вид;Название;Территория")
    assert [place for place, _ in found.places] == [Place("post", "Арбат", "kz/almaty"), Place("route", "№ 5")]
    assert [str(error) for error in found.errors] == [
        "duty.csv: row 4: name = 'АРБАТ': must stand once: row 2 has this post already",
        "duty.csv: row 5: kind = 'тумба': must be one of post, пост, бекет, route, маршрут, бағыт",
    ]


@given(rosters())
def test_tables_written_and_read_back_are_the_same_roster(roster: Roster) -> None:
    for language in LANGUAGES:
        shifts, places = shift_table(roster, zone_of("Europe/Berlin"), language), place_table(roster, language)
        tables = [Table(name, list(enumerate(rows, 1))) for name, rows in (("shifts", shifts), ("posts", places))]
        found = read_tables(tables, ALMATY)
        if not (roster.shifts or roster.places):
            continue
        assert found.errors == []
        assert roster_of([one for one, _ in found.shifts], [place for place, _ in found.places]) == roster


def test_shift_of_nobody_is_written_and_read_back() -> None:
    roster = roster_of([shift()], [])
    found = read_tables([Table("x", list(enumerate(shift_table(roster, ALMATY, "ru"), 1)))], ALMATY)
    assert [one for one, _ in found.shifts] == [shift()]
