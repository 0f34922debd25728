"""Days and instants as flags give them, in the centre's time zone."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from core.roster.local_time import LocalTimeError, read_day, read_instant, zone_of
from ops.layers import ConfigError

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from core.instant import Micros
    from ops.config import Config


def zone_of_centre(config: Config) -> ZoneInfo:
    """The zone that `centre.time_zone` names."""
    return zone_of(config.centre.time_zone)


def instant_given(flag: str, text: str, zone: ZoneInfo) -> Micros:
    """An instant, `2026-11-27T03:00+05:00`, or local without an offset. Raises `ConfigError`, which is status 2."""
    try:
        return read_instant(text, zone)
    except LocalTimeError as error:
        raise ConfigError([f"{flag} {text}: {error}"]) from None


def day_given(flag: str, text: str) -> date:
    """A day. Raises `ConfigError`."""
    try:
        return read_day(text)
    except LocalTimeError as error:
        raise ConfigError([f"{flag} {text}: {error}"]) from None
