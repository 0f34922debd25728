"""CSV and XLSX as offices write them, into cells and back."""

from __future__ import annotations

import io
import zipfile
from datetime import date, datetime, time, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook

from adapters.roster.files import RosterFileError, read_file, write_csv, write_xlsx
from core import limits
from core.roster.merge import Names, merge
from core.roster.model import Roster
from core.roster.table import place_table, read_tables, shift_table
from tests.core.roster.samples import ALMATY, rosters

NAMES = Names(frozenset({"patrol", "fire", "ambulance"}), frozenset(), "kz")


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("delimiter", [";", ",", "\t"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_csv_is_read_in_every_usual_dialect(mark: bytes, delimiter: str, line_end: str) -> None:
    lines = [["Позывной", "с", "ФИО"], ["А-1", " 08:00 ", '"Ахметов; А, ""Батыр"""'], ["", "", ""]]
    text = line_end.join(delimiter.join(line) for line in lines)
    (table,) = read_file("duty.csv", mark + text.encode())
    assert table.name == "duty.csv"
    assert table.rows == [
        (1, ["Позывной", "с", "ФИО"]),
        (2, ["А-1", "08:00", 'Ахметов; А, "Батыр"']),
        (3, ["", "", ""]),
    ]


def test_csv_rows_are_numbered_as_the_file_s_lines() -> None:
    (table,) = read_file("duty.csv", b'a;b\n"1\n2";x\n\n3;y\n')
    assert table.rows == [(1, ["a", "b"]), (2, ["1\n2", "x"]), (4, []), (5, ["3", "y"])]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("a;b\nА".encode("cp1251"), "duty.csv: line 2: is not UTF-8 text; save it as CSV UTF-8"),
        (b'a;b\n"1;2\n', "duty.csv: line 2: unexpected end of data"),
        (b'a;b\n"1"2;3\n', "duty.csv: line 2: "),
        (b"PK\x03\x04 and nothing", "duty.csv: is not an XLSX workbook"),
        (b"a" * (limits.ROSTER_FILE_MAX_BYTES + 1), "duty.csv: is larger than 33554432 bytes"),
    ],
)
def test_file_that_cannot_be_read_says_why(data: bytes, said: str) -> None:
    with pytest.raises(RosterFileError) as raised:
        read_file("duty.csv", data)
    assert str(raised.value).startswith(said)


def test_zip_that_is_no_workbook_or_too_large_when_unpacked_is_refused() -> None:
    for name, size, said in (
        ("readme.txt", 10, "is not an XLSX"),
        ("xl/big.xml", 16 * limits.ROSTER_FILE_MAX_BYTES + 1, "unpacks"),
    ):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive, archive.open(name, "w", force_zip64=True) as entry:
            for _ in range(size // 2**20 + 1):
                entry.write(bytes(min(size, 2**20)))
        with pytest.raises(RosterFileError, match=said):
            read_file("duty.xlsx", packed.getvalue())


def test_xlsx_cells_come_as_a_person_would_have_written_them() -> None:
    book = Workbook()
    sheet = book.worksheets[0]
    sheet.title = "Наряды"
    day = date(2026, 11, 27)
    evening, midnight, almost = (datetime.combine(day, one) for one in (time(20), time(), time(7, 59, 59, 999_900)))
    sheet.append(["A-1", 17, 17.0, 1.5, day, time(8), evening, timedelta(hours=24), None])
    sheet.append([midnight, almost, " a  b ", True, "=1+1"])
    hidden = book.create_sheet("hidden")
    hidden.sheet_state = "hidden"
    data = io.BytesIO()
    book.save(data)
    (table,) = read_file("duty.xlsx", data.getvalue())
    assert table.name == "duty.xlsx, sheet Наряды"
    assert table.rows[0] == (
        1,
        ["A-1", "17", "17", "1.5", "2026-11-27", "08:00:00", "2026-11-27 20:00:00", "24:00:00"],
    )
    # A formula that was never calculated has no value.
    assert table.rows[1] == (2, ["2026-11-27", "2026-11-27 08:00:00", "a  b", "True", "", "", "", ""])


def test_xlsx_rows_keep_their_numbers_when_others_are_empty() -> None:
    (table,) = read_file("x.xlsx", write_xlsx([("sheet", [["a"], [""], ["b"]])]))
    assert table.rows == [(1, ["a"]), (3, ["b"])]


def test_xlsx_is_text_whatever_it_looks_like() -> None:
    (table,) = read_file("x.xlsx", write_xlsx([("sheet", [["Телефон"], ["+77011234567"], ["=1+1"], ["017"]])]))
    assert [cells for _, cells in table.rows] == [["Телефон"], ["+77011234567"], ["=1+1"], ["017"]]


WORKBOOK = write_xlsx([("shifts", [["crew", "from"], ["A-1", "8"], ["Ә", "="]]), ("posts", [["a"]])])
PARTS = {entry: zipfile.ZipFile(io.BytesIO(WORKBOOK)).read(entry) for entry in zipfile.ZipFile(io.BytesIO(WORKBOOK)).namelist()}


@given(st.sampled_from(sorted(PARTS)), st.integers(0, 2_000), st.integers(0, 40), st.binary(max_size=20))
def test_damaged_workbook_gives_tables_or_the_one_error(part: str, place: int, cut: int, put: bytes) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, body in PARTS.items():
            archive.writestr(name, body[:place] + put + body[place + cut :] if name == part else body)
    try:
        tables = read_file("duty.xlsx", packed.getvalue())
    except RosterFileError as error:
        assert str(error).startswith("duty.xlsx: ")
    else:
        assert all(type(cell) is str for table in tables for _, cells in table.rows for cell in cells)


@given(st.binary(max_size=200))
def test_any_bytes_give_a_table_or_the_one_error(data: bytes) -> None:
    try:
        (table,) = read_file("duty.csv", data)
    except RosterFileError as error:
        assert str(error).startswith("duty.csv: ")
    else:
        assert read_tables([table], ALMATY).shifts == []


@given(rosters())
@settings(max_examples=40)
def test_roster_written_to_files_and_imported_is_the_same(roster: Roster) -> None:
    shifts, places = shift_table(roster, ALMATY, "ru"), place_table(roster, "ru")
    book = read_file("roster.xlsx", write_xlsx([("shifts", shifts), ("posts", places)]))
    sheets = [*read_file("shifts.csv", write_csv(shifts)), *read_file("posts.csv", write_csv(places))]
    for tables in (book, sheets):
        found = read_tables(tables, ALMATY)
        if found.shifts or found.places:
            assert merge(Roster(), found, NAMES, ALMATY, replace=False) == (roster, [])
