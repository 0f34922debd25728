"""Roster files as tables and back: CSV as offices write it, and XLSX. Bytes in, text cells out; what they say is not asked.

CSV is UTF-8 with or without a byte order mark, cells between `;` or `,` (or tabs), whichever the first lines have more of. Of
an XLSX every visible sheet is a table; dates and times come as the text a person would have written.
"""

from __future__ import annotations

import csv
import io
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from typing import Final

from openpyxl import Workbook, load_workbook
from openpyxl.worksheet.worksheet import Worksheet

from core import limits
from core.roster.table import HEADER_ROWS, Table

_BOM: Final = "\ufeff"
_ZIP: Final = b"PK\x03\x04"
_COLUMN_MAX_CHARS: Final = 40
_XLSX_CELLS_MAX_BYTES: Final = 3 * limits.ROSTER_FILE_MAX_BYTES
"""What an XLSX may be unpacked to: it is a ZIP, and a small one can hold a vast nothing."""


class RosterFileError(ValueError):
    """The file as a whole cannot be read as a roster's; the text names it and says why."""


def read_file(name: str, data: bytes) -> list[Table]:
    """The tables of a file, CSV or XLSX by what is in it. Raises `RosterFileError`."""
    if len(data) > limits.ROSTER_FILE_MAX_BYTES:
        raise RosterFileError(f"{name}: is larger than {limits.ROSTER_FILE_MAX_BYTES} bytes")
    return _read_xlsx(name, data) if data.startswith(_ZIP) else [_read_csv(name, data)]


def write_csv(rows: Sequence[Sequence[str]]) -> bytes:
    """Rows as a CSV that spreadsheets of Kazakhstan open by a double click: byte order mark, semicolons."""
    text = io.StringIO()
    csv.writer(text, delimiter=";", lineterminator="\r\n").writerows(rows)
    return (_BOM + text.getvalue()).encode()


def write_xlsx(sheets: Sequence[tuple[str, Sequence[Sequence[str]]]]) -> bytes:
    """Named tables as the sheets of a workbook, the header row standing still."""
    book = Workbook(write_only=False)
    book.remove(book.worksheets[0])
    for title, rows in sheets:
        sheet = book.create_sheet(title)
        for row_no, row in enumerate(rows, 1):
            for column_no, value in enumerate(row, 1):
                if value:
                    cell = sheet.cell(row_no, column_no)
                    cell.value = value
                    # As text: a telephone number is no number, and what begins with = is no formula.
                    cell.data_type = "s"
        sheet.freeze_panes = "A2"
        for column in sheet.columns:
            width = max(len(str(cell.value or "")) for cell in column)
            sheet.column_dimensions[str(column[0].column_letter)].width = min(width, _COLUMN_MAX_CHARS) + 2
    data = io.BytesIO()
    book.save(data)
    return data.getvalue()


def _read_csv(name: str, data: bytes) -> Table:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise RosterFileError(f"{name}: line {line}: is not UTF-8 text; save it as CSV UTF-8") from None
    first = "\n".join(text.splitlines()[:HEADER_ROWS])
    delimiter = max(";,\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows: list[tuple[int, list[str]]] = []
    line_no = 1
    try:
        for cells in reader:
            rows.append((line_no, [cell.strip() for cell in cells]))
            line_no = reader.line_num + 1
    except csv.Error as error:
        raise RosterFileError(f"{name}: line {line_no}: {error}") from None
    return Table(name, rows)


def _read_xlsx(name: str, data: bytes) -> list[Table]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            if sum(entry.file_size for entry in packed.infolist()) > _XLSX_CELLS_MAX_BYTES:
                raise RosterFileError(f"{name}: unpacks to more than {_XLSX_CELLS_MAX_BYTES} bytes")
        # Not read-only: that mode believes what the file says of its own size. Values, where a cell holds a formula.
        with warnings.catch_warnings(action="ignore"):  # styles and the like, which nobody reads here
            book = load_workbook(io.BytesIO(data), data_only=True)
    except RosterFileError:
        raise
    except Exception as error:  # whatever it is, the reader has met a file that is no workbook, or a broken one
        raise RosterFileError(f"{name}: is not an XLSX workbook: {error}") from None
    return [
        Table(f"{name}, sheet {sheet.title}", list(_rows(sheet))) for sheet in book.worksheets if sheet.sheet_state == "visible"
    ]


def _rows(sheet: Worksheet) -> Iterator[tuple[int, list[str]]]:
    """The rows with something in them: a sheet may be a million rows long for a border that somebody drew."""
    for number, row in enumerate(sheet.iter_rows(values_only=True), 1):
        if any(value is not None for value in row):
            yield number, [_text(value) for value in row]


def _text(value: object) -> str:
    """A cell as a person would have written it."""
    match value:
        case None:
            return ""
        case datetime() if (value.hour, value.minute, value.second, value.microsecond) == (0, 0, 0, 0):
            return value.date().isoformat()
        case datetime():
            return _rounded(value).isoformat(sep=" ", timespec="seconds")
        case date():
            return value.isoformat()
        case time():
            return value.isoformat(timespec="seconds")
        case timedelta():
            minutes, seconds = divmod(round(value.total_seconds()), 60)
            return f"{minutes // 60:02}:{minutes % 60:02}:{seconds:02}"
        case float() if value.is_integer():
            return str(int(value))
        case _:
            return str(value).strip()


def _rounded(moment: datetime) -> datetime:
    """A spreadsheet counts days in binary fractions: 08:00 may come as 07:59:59.999997."""
    return (moment + timedelta(microseconds=500_000)).replace(microsecond=0)
