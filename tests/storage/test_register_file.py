"""Register files read whole: headers, encodings, quotes, and lines that must not cost the others anything."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from storage.register_file import (
    BLOCK_BYTES,
    ERRORS_KEPT,
    LINE_MAX_CHARS,
    TEXT_MAX_CHARS,
    FieldError,
    LineError,
    RegisterFile,
    RegisterFileError,
    Rejections,
    degrees_field,
    text_field,
)


def pair(line_no: int, fields: list[str]) -> tuple[int, list[str]]:
    return line_no, fields


def read(path: Path, content: bytes, **options: object) -> tuple[list[tuple[int, list[str]]], Rejections]:
    path.write_bytes(content)
    rejections = Rejections()
    file = RegisterFile(path, ("phone", "name"), ("phone",), **options)  # type: ignore[arg-type]
    return [row for block in file.rows(pair, rejections) for row in block], rejections


@pytest.mark.parametrize(
    ("content", "options", "rows"),
    [
        (b"phone,name\n1,A\n2,B\n", {}, [(2, ["1", "A"]), (3, ["2", "B"])]),
        (b"phone,name\r\n1,A\r\n2,B", {}, [(2, ["1", "A"]), (3, ["2", "B"])]),
        (b"\n\nname,PHONE,more\n A , 1 ,x\n\n", {}, [(4, ["1", "A"])]),
        (b"phone\n1\n", {}, [(2, ["1", ""])]),
        ("\ufeffphone,name\n1,Әсел\n".encode(), {}, [(2, ["1", "Әсел"])]),
        ("phone;name\n1;Жанна\n".encode("cp1251"), {"encoding": "cp1251", "delimiter": ";"}, [(2, ["1", "Жанна"])]),
        ("phone,name\n1,Жанна\n".encode("utf-16"), {"encoding": "utf-16"}, [(2, ["1", "Жанна"])]),
        (b'phone,name\n1,"A, ""B"""\n2,C\n', {}, [(2, ["1", 'A, "B"']), (3, ["2", "C"])]),
        (b'phone\tname\n1\tpipe 12" wide\n', {"delimiter": "\t"}, [(2, ["1", 'pipe 12" wide'])]),
        (b"Number,Who\n1,A\n", {"headers": {"phone": "number", "name": "Who"}}, [(2, ["1", "A"])]),
        (b"phone,name\n", {}, []),
    ],
)
def test_rows_when_file_is_good(
    tmp_path: Path, content: bytes, options: dict[str, object], rows: list[tuple[int, list[str]]]
) -> None:
    read_rows, rejections = read(tmp_path / "file.csv", content, **options)
    assert read_rows == rows
    assert rejections.count == 0


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (b"1,A,x", LineError(2, "", "has 3 fields, the header has 2", "1,A,x")),
        (b"1", LineError(2, "", "has 1 fields, the header has 2", "1")),
        (b'1,"A', LineError(2, "", "a quote is never closed", '1,"A')),
        (b'1,"A"B', LineError(2, "", "quotes do not match: ',' expected after '\"'", '1,"A"B')),
        (b"1,\xc6\xe0", LineError(2, "name", "has bytes that are not utf-8", "\ufffd\ufffd")),
        (b"1\0,A", LineError(2, "phone", "has a NUL character", "1\0")),
        (b"1," + b"A" * LINE_MAX_CHARS, LineError(2, "", f"is longer than {LINE_MAX_CHARS} characters", "1," + "A" * 78)),
        (b"1," + b"A" * (3 * BLOCK_BYTES), LineError(2, "", f"is longer than {LINE_MAX_CHARS} characters", "1," + "A" * 78)),
    ],
)
def test_rows_when_a_line_is_bad_keep_the_others(tmp_path: Path, line: bytes, error: LineError) -> None:
    rows, rejections = read(tmp_path / "file.csv", b"phone,name\n" + line + b'\n2,"B"\n3,C\n')
    assert rejections.kept == [error]
    assert rows == [(3, ["2", "B"]), (4, ["3", "C"])]


@pytest.mark.parametrize(
    ("content", "options", "text"),
    [
        (b"", {}, "is empty: a header line is expected"),
        (b"name,tel\n", {}, "header lacks 'phone'; it has name, tel"),
        (b"phone,name\n", {"headers": {"name": "Who"}}, "header lacks 'Who'; it has phone, name"),
        (b"phone,name\n", {"headers": {"nme": "Who"}}, "no such column: nme; there are phone, name"),
        (b'"phone,name\n', {}, "header: a quote is never closed"),
        (b"phone,name\n", {"encoding": "cp-none"}, "encoding 'cp-none' is not known"),
        (b"phone,name\n", {"delimiter": ";;"}, "delimiter ';;': must be one character"),
        (b"phone,name\n", {"delimiter": '"'}, "must be one character, not a quote"),
    ],
)
def test_rows_when_file_is_refused(tmp_path: Path, content: bytes, options: dict[str, object], text: str) -> None:
    with pytest.raises(RegisterFileError) as caught:
        read(tmp_path / "file.csv", content, **options)
    assert text in str(caught.value)
    assert "file.csv" in str(caught.value)


def test_rows_when_file_is_not_there(tmp_path: Path) -> None:
    file = RegisterFile(tmp_path / "none.csv", ("phone",), ("phone",))
    with pytest.raises(RegisterFileError, match=r"none\.csv: No such file"):
        list(file.rows(pair, Rejections()))


def test_rows_when_file_has_many_blocks_counts_lines_through(tmp_path: Path) -> None:
    lines = [f"{number},Имя {number}" for number in range(150_000)]
    told: list[tuple[int, int]] = []
    rows, rejections = read(
        tmp_path / "file.csv",
        "\r\n".join(["phone,name", *lines]).encode(),
        progress=lambda done, total: told.append((done, total)),
    )
    assert rejections.count == 0
    assert [line_no for line_no, _ in rows] == list(range(2, 150_002))
    assert [",".join(fields) for _, fields in rows] == lines
    assert len(told) > 2
    assert told[-1][0] == told[-1][1]
    assert sorted(told) == told


def test_rejections_when_many_keep_the_first_and_write_all() -> None:
    sink = io.StringIO()
    rejections = Rejections(sink)
    for line_no in range(ERRORS_KEPT + 5):
        rejections.add(line_no, FieldError("phone", "is bad", "x,y"))
    assert rejections.count == ERRORS_KEPT + 5
    assert len(rejections.kept) == ERRORS_KEPT
    written = sink.getvalue().splitlines()
    assert written[:2] == ["line,column,reason,value", '0,phone,is bad,"x,y"']
    assert len(written) == ERRORS_KEPT + 6


@pytest.mark.parametrize("value", ["nan", "inf", "-90.1", "43,2", "north", "1e400"])
def test_degrees_field_when_value_is_no_latitude(value: str) -> None:
    with pytest.raises(FieldError) as caught:
        degrees_field("latitude_deg", value, 90.0)
    assert (caught.value.column, caught.value.value) == ("latitude_deg", value)


def test_degrees_field_when_value_is_on_the_bound() -> None:
    assert degrees_field("latitude_deg", "-90", 90.0) == -90.0


def test_text_field_when_too_long() -> None:
    assert text_field("name", "A" * TEXT_MAX_CHARS)
    with pytest.raises(FieldError, match="name: is longer than 400 characters"):
        text_field("name", "A" * (TEXT_MAX_CHARS + 1))
