"""Local times: what offices write, what the clocks make of it, and back again exactly."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.instant import Micros, rfc3339, to_micros
from core.roster.local_time import (
    LocalTimeError,
    clock_text,
    day_span,
    local_text,
    minute_text,
    read_day,
    read_instant,
    zone_of,
)

ALMATY = zone_of("Asia/Almaty")
BERLIN = zone_of("Europe/Berlin")
DAY = date(2026, 11, 27)


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-11-27 08:00", "2026-11-27T03:00:00Z"),
        ("2026-11-27T08:00", "2026-11-27T03:00:00Z"),
        ("27.11.2026 08:00", "2026-11-27T03:00:00Z"),
        ("7.1.2026 8:00:30", "2026-01-07T03:00:30Z"),
        ("2026-11-27T03:00+05:00", "2026-11-26T22:00:00Z"),
        ("2026-11-27 03:00 +0600", "2026-11-26T21:00:00Z"),
        ("2026-11-27T03:00:00.25Z", "2026-11-27T03:00:00.250000Z"),
        ("08:00", "2026-11-27T03:00:00Z"),
        ("24:00", "2026-11-27T19:00:00Z"),
        ("2026-12-31 24:00", "2026-12-31T19:00:00Z"),
        # Before March 2024 Almaty was six hours ahead.
        ("2024-02-28 08:00", "2024-02-28T02:00:00Z"),
        ("2024-02-29 23:30+06:00", "2024-02-29T17:30:00Z"),
        ("2024-02-29 23:30+05:00", "2024-02-29T18:30:00Z"),
    ],
)
def test_read_instant_when_a_time_is_good(text: str, utc: str) -> None:
    assert rfc3339(read_instant(text, ALMATY, DAY)) == utc


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("8 утра", "must be a time as 2026-11-27 08:00, or 08:00 where the day stands beside it"),
        ("", "must be a time"),
        ("08.00", "must be a time"),
        ("2026-11-27", "must be a time"),
        ("24:01", "00:00 to 24:00"),
        ("23:60", "00:00 to 24:00"),
        ("2026-02-30 08:00", "must be a day"),
        ("27.13.2026 08:00", "must be a day"),
        ("1999-12-31 08:00", "2000 to 2099"),
        ("2206-11-27 08:00", "2000 to 2099"),
        ("2026-11-27 08:00+25:00", "less than a day"),
        ("2024-02-29 23:30", "pass twice: must have its offset, +06:00 or +05:00"),
    ],
)
def test_read_instant_when_a_time_is_none_says_what_is_allowed(text: str, said: str) -> None:
    with pytest.raises(LocalTimeError, match=said.replace("+", r"\+")):
        read_instant(text, ALMATY, DAY)


def test_read_instant_when_no_day_is_known_wants_one() -> None:
    with pytest.raises(LocalTimeError, match="where the day stands beside it"):
        read_instant("08:00", ALMATY)


@pytest.mark.parametrize(("text", "said"), [("2026-03-29 02:30", "skip"), ("2026-10-25 02:30", "pass twice")])
def test_read_instant_when_the_clocks_change_guesses_nothing(text: str, said: str) -> None:
    with pytest.raises(LocalTimeError, match=said):
        read_instant(text, BERLIN)


@pytest.mark.parametrize(
    "name", ["Asia/Alma-Ata-2", "", "../../etc/passwd", "/etc/localtime", "Asia", "leapseconds", "x" * 300]
)
def test_zone_of_when_there_is_no_such_zone_says_so(name: str) -> None:
    with pytest.raises(LocalTimeError, match="IANA"):
        zone_of(name)


@given(
    st.integers(to_micros(datetime(2000, 1, 2, tzinfo=UTC)), to_micros(datetime(2099, 12, 30, tzinfo=UTC))),
    st.sampled_from([1, 1_000_000, 60_000_000]),
)
def test_local_text_read_back_is_the_same_instant(at_us: int, unit_us: int) -> None:
    at_us -= at_us % unit_us
    for written in (ALMATY, BERLIN, zone_of("America/St_Johns")):
        # Read in another zone than it was written in: the offset decides.
        assert read_instant(local_text(at_us, written), ALMATY) == at_us


def test_day_span_is_as_long_as_the_clocks_make_it() -> None:
    hours = [(end - begin) / 3_600_000_000 for begin, end in (day_span(date(2026, 10, 25), BERLIN), day_span(DAY, BERLIN))]
    assert hours == [25, 24]
    assert day_span(date(2024, 2, 29), ALMATY)[1] - day_span(date(2024, 2, 29), ALMATY)[0] == 25 * 3_600_000_000


def test_texts_for_people() -> None:
    at_us = Micros(read_instant("2026-11-27 08:00:59.5", ALMATY))
    assert minute_text(at_us, ALMATY) == "2026-11-27 08:00+05:00"
    assert clock_text(at_us, ALMATY, day=DAY) == "08:00"
    assert clock_text(at_us, ALMATY, day=date(2026, 11, 28)) == "27.11 08:00"
    assert read_day("27.11.2026") == DAY
