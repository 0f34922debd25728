"""Time as the centre counts it: whole microseconds of UTC since 1970-01-01.

An integer compares, subtracts and packs into PostgreSQL's binary form without a time zone ever being guessed. Wall-clock
reading happens in the shells only; everything below takes `now_us` as an argument.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final, NewType

Micros = NewType("Micros", int)
"""An instant: UTC microseconds since the Unix epoch."""

SECOND_US: Final = 1_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def to_micros(moment: datetime) -> Micros:
    """The instant of an aware datetime. Raises `TypeError` for a naive one."""
    return Micros((moment - _EPOCH) // _MICROSECOND)


def to_datetime(instant: int) -> datetime:
    """The aware UTC datetime of an instant."""
    return _EPOCH + timedelta(microseconds=instant)


def rfc3339(instant: int) -> str:
    """RFC 3339 in UTC with a `Z`, microseconds only where there are any."""
    return to_datetime(instant).isoformat().replace("+00:00", "Z")
