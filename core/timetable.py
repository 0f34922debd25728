"""A patrol route's timetable: when somebody is to be on it, and where at which hour (OCC-3, OCC-5).

Place in the flow: beside it; `core.patrol_watch` asks for the shift that runs or comes next. Rules: days and hours are local to
the timetable's zone; a shift belongs to the day on which it begins, and ends on the next one when its end is not after its
beginning (equal ones are a whole day). A local time that the clocks pass over is read with the offset before the change, one
that they show twice is the first of the two; a shift of which that leaves nothing does not take place. Instants are
microseconds of UTC (`core.instant`). The zone's rules are those of the system's time zone database.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta

from core import limits
from core.events import Latitude, Longitude
from core.instant import SECOND_US, Micros, to_datetime, to_micros

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: Final[tuple[Day, ...]] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
LocalTime = Annotated[str, Meta(pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$")]
"""`HH:MM`, 00:00 to 23:59."""
_DAY_MINUTES: Final = 24 * 60
_WEEK_MINUTES: Final = 7 * _DAY_MINUTES
_LOOK_AHEAD_DAYS: Final = 9
"""A shift a week recurs within eight days, and within nine when the clocks have swallowed a part of one."""


class Checkpoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A place on the route and when the crew is to be there."""

    name: Annotated[str, Meta(min_length=1, max_length=200)]
    at: LocalTime
    latitude_deg: Latitude
    longitude_deg: Longitude
    tolerance_s: Annotated[int, Meta(ge=30, le=7200)] = 600
    """How much earlier or later is still in time."""
    radius_m: Annotated[float, Meta(ge=10.0, le=1000.0)] = 100.0


class Shift(msgspec.Struct, frozen=True, rename={"begins": "from", "ends": "until"}, forbid_unknown_fields=True):
    """The same hours on some days of the week."""

    days: Annotated[tuple[Day, ...], Meta(min_length=1, max_length=7)]
    begins: LocalTime
    ends: LocalTime
    checkpoints: Annotated[tuple[Checkpoint, ...], Meta(max_length=limits.PATROL_CHECKPOINTS_MAX)] = ()
    """In order of time, none within another's tolerance."""

    @property
    def length_minutes(self) -> int:
        """By the clock on the wall, 1 to 1440."""
        return (minutes(self.ends) - minutes(self.begins) - 1) % _DAY_MINUTES + 1


class Timetable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When a route is walked, every week the same."""

    zone: Annotated[str, Meta(min_length=1, max_length=64)]
    """IANA name, for example `Asia/Almaty`."""
    shifts: Annotated[tuple[Shift, ...], Meta(min_length=1, max_length=limits.PATROL_SHIFTS_MAX)]
    """None begins before another has ended."""


class DueCheckpoint(msgspec.Struct, frozen=True):
    """A checkpoint of one window; the crew is in time from `from_us` until `until_us`, both included."""

    checkpoint: Checkpoint
    at_us: Micros
    from_us: Micros
    until_us: Micros


class Window(msgspec.Struct, frozen=True):
    """One shift on one day: from `from_us`, until before `until_us`."""

    from_us: Micros
    until_us: Micros
    checkpoints: tuple[DueCheckpoint, ...] = ()


def minutes(local: str) -> int:
    """Minutes after midnight of `HH:MM`."""
    return int(local[:2]) * 60 + int(local[3:])


def fault_of(timetable: Timetable) -> tuple[str, str] | None:
    """What the fields' types cannot say: `(field, what is wrong)` of the first fault, or None."""
    try:
        ZoneInfo(timetable.zone)
    except (ValueError, OSError, KeyError):
        # Not found is a KeyError, a path or a folder of zones is one of the others.
        return "zone", f"{timetable.zone!r} is no time zone; for example Asia/Almaty"
    for number, shift in enumerate(timetable.shifts):
        if len(set(shift.days)) < len(shift.days):
            return f"shifts[{number}].days", "names a day twice"
        before_s = -1
        for at, point in enumerate(shift.checkpoints):
            offset = (minutes(point.at) - minutes(shift.begins)) % _DAY_MINUTES
            field = f"shifts[{number}].checkpoints[{at}].at"
            if offset > shift.length_minutes:
                return field, f"{point.at} must lie between from {shift.begins} and until {shift.ends}"
            if at and offset * 60 - point.tolerance_s <= before_s:
                return field, f"{point.at} must come after the checkpoint before it, beyond both their tolerances"
            before_s = offset * 60 + point.tolerance_s
    clash = first_clash([timetable])
    if clash is not None:
        return "shifts", f"has a shift at {clash[2]} before another one has ended"
    return None


def first_clash(timetables: Sequence[Timetable]) -> tuple[int, int, str] | None:
    """Two shifts of timetables of one zone that are at the same time.

    Returns:
        The places of their timetables in the argument, and when the later one begins, as `mon 08:00`; None where there is none.
    """
    spans = sorted(
        (DAYS.index(day) * _DAY_MINUTES + minutes(shift.begins), shift.length_minutes, place)
        for place, timetable in enumerate(timetables)
        for shift in timetable.shifts
        for day in shift.days
    )
    following = [*spans[1:], *((begins + _WEEK_MINUTES, length, place) for begins, length, place in spans[:1])]
    for (begins, length, one), (then, _, other) in zip(spans, following, strict=True):
        if begins + length > then:
            day, minute = divmod(then % _WEEK_MINUTES, _DAY_MINUTES)
            return one, other, f"{DAYS[day]} {minute // 60:02}:{minute % 60:02}"
    return None


def windows(timetable: Timetable, after_us: int) -> list[Window]:
    """Windows that end after an instant, in order of their beginning, for a little more than a week; never none.

    Args:
        timetable: one in which `fault_of` finds nothing.
        after_us: the instant.
    """
    zone = ZoneInfo(timetable.zone)
    # Two days before: a shift of a whole day, begun on the day before by the clock of another offset.
    first = to_datetime(after_us).astimezone(zone).date() - timedelta(days=2)
    found: list[Window] = []
    for day in (first + timedelta(days=number) for number in range(_LOOK_AHEAD_DAYS + 2)):
        for shift in timetable.shifts:
            if DAYS[day.weekday()] in shift.days:
                window = _window(zone, shift, day)
                if window.from_us < window.until_us and after_us < window.until_us:
                    found.append(window)
    return sorted(found, key=lambda window: window.from_us)


def windows_of_day(timetable: Timetable, day: date) -> list[Window]:
    """Windows that begin on a day by the timetable's clock, in order."""
    begins_us, ends_us = midnight_us(timetable, day), midnight_us(timetable, day + timedelta(days=1))
    return [window for window in windows(timetable, begins_us) if begins_us <= window.from_us < ends_us]


def midnight_us(timetable: Timetable, day: date) -> Micros:
    """When a day begins by the timetable's clock."""
    return _instant(ZoneInfo(timetable.zone), day, "00:00")


def _window(zone: ZoneInfo, shift: Shift, day: date) -> Window:
    from_us = _instant(zone, day, shift.begins)
    until_us = _instant(zone, day + timedelta(days=minutes(shift.ends) <= minutes(shift.begins)), shift.ends)
    points = []
    for point in shift.checkpoints:
        at_us = _instant(zone, day + timedelta(days=minutes(point.at) < minutes(shift.begins)), point.at)
        earliest_us, latest_us = at_us - point.tolerance_s * SECOND_US, at_us + point.tolerance_s * SECOND_US
        points.append(DueCheckpoint(point, at_us, Micros(max(earliest_us, from_us)), Micros(min(latest_us, until_us))))
    # The clocks may put one before the other; a crew that is to be in two places at once is asked for the first.
    points.sort(key=lambda due: due.at_us)
    return Window(from_us, until_us, tuple(points))


def _instant(zone: ZoneInfo, day: date, local: str) -> Micros:
    hour, minute = divmod(minutes(local), 60)
    return to_micros(datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone))
