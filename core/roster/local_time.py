"""Local times of a roster as instants and back, in a named time zone, with what a change of the clocks makes of them.

Rules: a time with an offset is an instant whatever the zone; a time without one is the zone's. A local time that the clocks
skip, or pass twice, is an error that says so, for nobody can know what was meant. (The clocks of Almaty went back at the end of
29 February 2024.)
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, timezone
from functools import lru_cache
from importlib import resources
from typing import Final
from zoneinfo import ZoneInfo

from core.instant import Micros, to_datetime, to_micros

YEAR_MIN: Final = 2000
YEAR_MAX: Final = 2099
_ZONE: Final = re.compile(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*")
_DAY: Final = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})")
_CLOCK: Final = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,6}))?)?")
_OFFSET: Final = re.compile(r"\s*(?:Z|([+-])(\d{2}):?(\d{2}))$")


class LocalTimeError(ValueError):
    """A time that cannot be an instant; the text says what is allowed."""


@lru_cache(maxsize=64)
def zone_of(name: str) -> ZoneInfo:
    """The zone of an IANA name. Raises `LocalTimeError`.

    Read from the package `tzdata` and not from the machine's own files: an old machine has Almaty an hour ahead of itself.
    """
    try:
        if _ZONE.fullmatch(name) is None:
            raise ValueError(name)
        with (resources.files("tzdata") / "zoneinfo" / name).open("rb") as file:
            return ZoneInfo.from_file(file, key=name)
    except (ValueError, OSError):
        raise LocalTimeError("must be a time zone of the IANA list, for example Asia/Almaty") from None


def read_day(text: str) -> date:
    """A day, `2026-11-27` or `27.11.2026`. Raises `LocalTimeError`."""
    try:
        matched = _DAY.fullmatch(text)
        day = date(int(matched[3]), int(matched[2]), int(matched[1])) if matched else date.fromisoformat(text)
    except ValueError:
        raise LocalTimeError("must be a day as 2026-11-27 or 27.11.2026") from None
    if not YEAR_MIN <= day.year <= YEAR_MAX:
        raise LocalTimeError(f"must lie in the years {YEAR_MIN} to {YEAR_MAX}")
    return day


def day_span(day: date, zone: ZoneInfo) -> tuple[Micros, Micros]:
    """The instants between which a local day lies."""
    first, following = (datetime(one.year, one.month, one.day, tzinfo=zone) for one in (day, day + timedelta(days=1)))
    return to_micros(first), to_micros(following)


def is_clock(text: str) -> bool:
    """Whether a text is a time of day alone."""
    return _CLOCK.fullmatch(text) is not None


def read_instant(text: str, zone: ZoneInfo, day: date | None = None) -> Micros:
    """An instant: `2026-11-27 08:00` or `27.11.2026 08:00`, with `T` or an offset as may be; `08:00` where the day is given.

    `24:00` is the end of its day. Raises `LocalTimeError`.
    """
    offset = _OFFSET.search(text)
    plain = (text[: offset.start()] if offset else text).replace("T", " ").strip()
    head, _, clock = plain.rpartition(" ")
    matched = _CLOCK.fullmatch(clock)
    if matched is not None and head:
        day = read_day(head.strip())
    if matched is None or day is None:
        raise LocalTimeError("must be a time as 2026-11-27 08:00, or 08:00 where the day stands beside it")
    hours, minutes, seconds = int(matched[1]), int(matched[2]), int(matched[3] or 0)
    micros = int((matched[4] or "").ljust(6, "0"))
    if minutes > 59 or seconds > 59 or (hours, minutes, seconds, micros) > (24, 0, 0, 0):
        raise LocalTimeError("must be a time of day from 00:00 to 24:00")
    midnight = datetime.combine(day, time())
    local = midnight + timedelta(hours=hours, minutes=minutes, seconds=seconds, microseconds=micros)
    return to_micros(_aware(local, zone) if offset is None else local.replace(tzinfo=_fixed(offset)))


def _fixed(offset: re.Match[str]) -> timezone:
    if offset[1] is None:
        return UTC
    ahead = timedelta(hours=int(offset[2]), minutes=int(offset[3]))
    if ahead >= timedelta(hours=24):
        raise LocalTimeError("must have an offset of less than a day, for example +05:00")
    return timezone(ahead if offset[1] == "+" else -ahead)


def _aware(local: datetime, zone: ZoneInfo) -> datetime:
    """A local time in its zone. Raises `LocalTimeError` where there is none of it, or two."""
    first, second = (local.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    if first.utcoffset() == second.utcoffset():
        return first
    if first.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != local:
        raise LocalTimeError(f"is a time that the clocks of {zone.key} skip")
    offsets = " or ".join(f"{one.isoformat()[-6:]}" for one in (first, second))
    raise LocalTimeError(f"is a time that the clocks of {zone.key} pass twice: must have its offset, {offsets}")


def local_text(at_us: int, zone: ZoneInfo) -> str:
    """An instant as a person reads it and `read_instant` reads it back exactly: `2026-11-27 08:00+05:00`."""
    local = to_datetime(at_us).astimezone(zone)
    unit = "microseconds" if local.microsecond else "seconds" if local.second else "minutes"
    return local.isoformat(sep=" ", timespec=unit)


def minute_text(at_us: int, zone: ZoneInfo) -> str:
    """An instant as a person reads it, to the minute: `2026-11-27 08:00+05:00`."""
    return to_datetime(at_us).astimezone(zone).isoformat(sep=" ", timespec="minutes")


def clock_text(at_us: int, zone: ZoneInfo, *, day: date) -> str:
    """An instant for a list of one day: `08:00`, and with its day where that is another one."""
    local = to_datetime(at_us).astimezone(zone)
    return f"{local:%H:%M}" if local.date() == day else f"{local:%d.%m %H:%M}"
