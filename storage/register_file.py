"""Register files: delimited text from a telephone exchange or a vendor, as checked rows and named errors.

Place in the flow: beside it; what is imported here is what identify and locate look up (OCC-1). Rules:

- One line is one record, so a bad line costs itself alone: a quoted line break, or a quote never closed, is that line's error.
- A header line names the columns, in any order; columns nobody asked for are passed over.
- Every refused line is counted and written to the report with line, column and reason; the good lines go on.
- Memory is bounded by `BLOCK_BYTES`, `LINE_MAX_CHARS` and `ERRORS_KEPT`, whatever the file.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, TextIO, TypeVar

import msgspec

BLOCK_BYTES: Final = 1 << 20
"""Read at once; some 10,000 lines."""
LINE_MAX_CHARS: Final = 64 * 1024
"""A longer line is refused; below the csv module's own limit of a field, so that one is never met."""
TEXT_MAX_CHARS: Final = 400
"""A name or an address; a dispatcher reads no more, and an event's address has the same bound."""
ERRORS_KEPT: Final = 1_000
"""Errors kept in the report itself; all of them go to its file."""
VALUE_SHOWN_CHARS: Final = 80

Row = TypeVar("Row")
Progress = Callable[[int, int], None]
"""Called with bytes read and bytes in all, once a block."""


class RegisterFileError(ValueError):
    """The file as a whole cannot be read: it is not there, its header lacks a column. Nothing was imported."""


class FieldError(ValueError):
    """One field of one line is wrong; the line is refused."""

    def __init__(self, column: str, reason: str, value: str = "") -> None:
        super().__init__(f"{column}: {reason}")
        self.column = column
        self.reason = reason
        self.value = value


class LineError(msgspec.Struct, frozen=True):
    """Why a line was not imported."""

    line_no: int
    """From 1; the header is line 1."""
    column: str
    """The column as the register names it; `""` when the line as a whole is wrong."""
    reason: str
    value: str
    """The field's beginning, as it stands in the file."""


class Rejections:
    """Counts and reports refused lines: the first `ERRORS_KEPT` in memory, all to `sink` as CSV."""

    def __init__(self, sink: TextIO | None = None) -> None:
        self.count = 0
        self.kept: list[LineError] = []
        self._writer = None if sink is None else csv.writer(sink)
        if self._writer is not None:
            self._writer.writerow(["line", "column", "reason", "value"])

    def add(self, line_no: int, error: FieldError) -> None:
        """Takes one refused line."""
        value = error.value[:VALUE_SHOWN_CHARS]
        self.count += 1
        if len(self.kept) < ERRORS_KEPT:
            self.kept.append(LineError(line_no, error.column, error.reason, value))
        if self._writer is not None:
            self._writer.writerow([line_no, error.column, error.reason, value])


class RegisterFile:
    """One file, read once from beginning to end.

    Args:
        path: the file.
        columns: the register's columns, in the order the rows shall have.
        required: those of them the file must have; an absent other one reads as `""`.
        headers: register's column → the file's header for it, where they differ. Headers are compared without case.
        encoding: any of Python's, for example `utf-8` (with or without a byte order mark) or `cp1251`.
        delimiter: one character.
        progress: told after each block.
    """

    def __init__(
        self,
        path: Path,
        columns: Sequence[str],
        required: Sequence[str],
        *,
        headers: Mapping[str, str] | None = None,
        encoding: str = "utf-8",
        delimiter: str = ",",
        progress: Progress | None = None,
    ) -> None:
        if len(delimiter) != 1 or delimiter in '"\r\n':
            raise RegisterFileError(f"{path}: delimiter {delimiter!r}: must be one character, not a quote or a line end")
        try:
            codec = codecs.lookup(encoding)
        except LookupError:
            raise RegisterFileError(f"{path}: encoding {encoding!r} is not known; utf-8 and cp1251 are usual") from None
        if strange := sorted(set(headers or {}) - set(columns)):
            raise RegisterFileError(f"{path}: no such column: {', '.join(strange)}; there are {', '.join(columns)}")
        self._path = path
        self._columns = columns
        self._required = required
        self._headers = {column: (headers or {}).get(column, column) for column in columns}
        self._encoding = "utf-8-sig" if codec.name == "utf-8" else codec.name
        self._delimiter = delimiter
        self._progress = progress
        # One reader for all lines, fed one at a time: making one costs more than splitting a line. Each record starts afresh.
        self._fed: list[str] = []
        self._reader = csv.reader(iter(self._fed.pop, None), delimiter=delimiter, strict=True)
        self.line_count = 0
        """Lines with something in them seen so far, the header not counted."""

    def rows(self, convert: Callable[[int, list[str]], Row], rejections: Rejections) -> Iterator[list[Row]]:
        """The lines as rows, in blocks of some thousands.

        Args:
            convert: makes a row of a line's number and fields, these in the order of `columns` and without blanks around
                them; it raises `FieldError` when one is wrong.
            rejections: gets every refused line, in order.

        Raises:
            RegisterFileError: there is no header, or it lacks a required column, before any row is given; or the file cannot
                be read (to its end).
        """
        names: list[str] = []
        places: list[int] = []
        for first_no, lines, suspect in self._lines():
            block: list[Row] = []
            for line_no, line in enumerate(lines, first_no):
                if not line or line.isspace():
                    continue
                try:
                    if len(line) > LINE_MAX_CHARS:
                        raise FieldError("", f"is longer than {LINE_MAX_CHARS} characters", line)
                    fields = self._split(line)
                    if not names:
                        names = [field.strip() for field in fields]
                        places = self._find_columns(names)
                        continue
                    self.line_count += 1
                    if len(fields) != len(names):
                        raise FieldError("", f"has {len(fields)} fields, the header has {len(names)}", line)
                    # The field after the last one is always "": where an absent column is found.
                    fields.append("")
                    chosen = [fields[place].strip() for place in places]
                    if suspect:
                        self._check_characters(chosen)
                    block.append(convert(line_no, chosen))
                except FieldError as error:
                    if not names:
                        raise RegisterFileError(f"{self._path}: header: {error.reason}") from None
                    rejections.add(line_no, error)
            yield block
        if not names:
            raise RegisterFileError(f"{self._path}: is empty: a header line is expected")

    def _find_columns(self, names: list[str]) -> list[int]:
        at = {name.casefold(): place for place, name in reversed(list(enumerate(names)))}
        wanted = [self._headers[column].casefold() for column in self._columns]
        for column, header in zip(self._columns, wanted, strict=True):
            if header not in at and (column in self._required or header != column):
                raise RegisterFileError(f"{self._path}: header lacks {self._headers[column]!r}; it has {', '.join(names)}")
        return [at.get(header, len(names)) for header in wanted]

    def _split(self, line: str) -> list[str]:
        if '"' not in line:
            return line.split(self._delimiter)
        self._fed.append(line)
        try:
            return next(self._reader)
        except IndexError:
            # The reader wanted another line, and there was none to pop.
            raise FieldError("", "a quote is never closed", line) from None
        except csv.Error as error:
            raise FieldError("", f"quotes do not match: {error}", line) from None

    def _check_characters(self, fields: list[str]) -> None:
        for column, field in zip(self._columns, fields, strict=True):
            if "\ufffd" in field:
                raise FieldError(column, f"has bytes that are not {self._encoding.removesuffix('-sig')}", field)
            if "\0" in field:
                raise FieldError(column, "has a NUL character", field)

    def _lines(self) -> Iterator[tuple[int, list[str], bool]]:
        """`(number of the first line, lines without their ends, whether any may hold a bad character)`."""
        decoder = codecs.getincrementaldecoder(self._encoding)(errors="replace")
        line_no = 1
        tail = ""
        for data in self._bytes():
            text = tail + decoder.decode(data, final=not data)
            lines = text.replace("\r\n", "\n").split("\n")
            tail = lines.pop() if data else ""
            if len(tail) > LINE_MAX_CHARS:
                # Keep a stump that is surely refused as too long, not the whole of a line that may never end.
                tail = tail[: LINE_MAX_CHARS + 1]
            yield line_no, lines, "\ufffd" in text or "\0" in text
            line_no += len(lines)

    def _bytes(self) -> Iterator[bytes]:
        """The file in blocks, then `b""`."""
        try:
            with self._path.open("rb") as file:
                total = file.seek(0, io.SEEK_END)
                file.seek(0)
                while data := file.read(BLOCK_BYTES):
                    yield data
                    if self._progress is not None:
                        self._progress(file.tell(), total)
        except OSError as error:
            raise RegisterFileError(f"{self._path}: {error.strerror}") from error
        yield b""


def text_field(column: str, value: str) -> str:
    """A name or an address, when it is not too long."""
    if len(value) > TEXT_MAX_CHARS:
        raise FieldError(column, f"is longer than {TEXT_MAX_CHARS} characters", value)
    return value


def degrees_field(column: str, value: str, bound_deg: float) -> float:
    """A latitude or longitude within plus or minus `bound_deg`."""
    try:
        degrees = float(value)
    except ValueError:
        raise FieldError(column, "is not a number with a decimal point", value) from None
    # Written so that NaN, which compares false with everything, is refused too.
    if not -bound_deg <= degrees <= bound_deg:
        raise FieldError(column, f"must lie between -{bound_deg:g} and {bound_deg:g} degrees", value)
    return degrees
