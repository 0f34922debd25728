"""One field of a roster's row at a time: a cell's text into its value, or an error that says what is allowed."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Final, TypeVar
from zoneinfo import ZoneInfo

from core import limits
from core.instant import SECOND_US, Micros
from core.roster.columns import KIND_WORDS
from core.roster.local_time import LocalTimeError, is_clock, read_day, read_instant, zone_of
from core.roster.model import Person

T = TypeVar("T")
Cell = Callable[[str], str]
"""Column → the row's cell, `""` where there is none."""
_TERRITORY: Final = re.compile(r"([^\W_]+([-_.][^\W_]+)*(/[^\W_]+([-_.][^\W_]+)*)*)?")
_SEPARATOR: Final = re.compile(r"[,;\n]")
_NO_TEXT: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffd]")
_CREW_MAX_CHARS: Final = 64
"""As an event's `crew` may have (`core.events.Key`)."""
_CAPABILITY_MAX_CHARS: Final = 64
_DAYS_MAX: Final = limits.ROSTER_SHIFT_MAX_S // 86_400


class FieldError(ValueError):
    """One field of one row is wrong."""

    def __init__(self, field: str, value: str, allowed: str) -> None:
        super().__init__(allowed)
        self.field = field
        self.value = value
        self.allowed = allowed


def checked_cell(field: str, text: str) -> str:
    """Any cell, when it is text that storage can hold."""
    if len(text) > limits.ROSTER_CELL_MAX_CHARS:
        raise FieldError(field, text, f"must have at most {limits.ROSTER_CELL_MAX_CHARS} characters")
    if _NO_TEXT.search(text):
        raise FieldError(field, text, "must be text: it has characters that cannot be written")
    return text


def crew_of(cell: Cell) -> str:
    """The crew's call sign."""
    return _required("crew", cell, _CREW_MAX_CHARS)


def name_of(cell: Cell) -> str:
    """The name of a post or route."""
    return _required("name", cell, limits.ROSTER_CELL_MAX_CHARS)


def _required(field: str, cell: Cell, max_chars: int) -> str:
    text = words(cell(field))
    if not 1 <= len(text) <= max_chars:
        raise FieldError(field, text, f"must have 1 to {max_chars} characters")
    return text


def words(text: str) -> str:
    """A text with single blanks."""
    return " ".join(text.split())


def kind_of(cell: Cell) -> str:
    """Whether a place is a post or a route, in any of the languages."""
    kind = KIND_WORDS.get(cell("kind").lower())
    if kind is None:
        raise FieldError("kind", cell("kind"), f"must be one of {', '.join(KIND_WORDS)}")
    return kind


def territory_of(cell: Cell) -> str:
    """A territory's path, or nothing."""
    text = cell("territory")
    if _TERRITORY.fullmatch(text) is None:
        raise FieldError("territory", text, "must be words joined by /, such as kz/almaty/medeu, or empty")
    return text


def items(field: str, cell: Cell) -> tuple[str, ...]:
    """A list of a cell, between commas, semicolons or line breaks; one of each."""
    found = listed(cell(field))
    if len(found) > limits.ROSTER_LIST_MAX:
        raise FieldError(field, cell(field), f"must list at most {limits.ROSTER_LIST_MAX}")
    if field == "capabilities" and (long := next((one for one in found if len(one) > _CAPABILITY_MAX_CHARS), "")):
        raise FieldError(field, long, f"must be words of at most {_CAPABILITY_MAX_CHARS} characters")
    return found


def listed(text: str) -> tuple[str, ...]:
    """The parts of a text between commas, semicolons or line breaks; one of each."""
    return tuple(dict.fromkeys(filter(None, map(words, _SEPARATOR.split(text)))))


def person_of(cell: Cell) -> Person | None:
    """The row's person; None for a row without one."""
    person = Person(*(words(cell(field)) for field in ("name", "badge", "rank", "role", "phone")))
    if person == Person(""):
        return None
    if not person.name:
        raise FieldError("name", "", "must not be empty where badge, rank, role or phone is given")
    return person


def span_of(cell: Cell, zone: ZoneInfo) -> tuple[Micros, Micros]:
    """A shift's beginning and end, local times of `zone` where the row names no other.

    Beside a `day` both may be times alone; an end that is not after the beginning is then of the next day, so `20:00` to
    `08:00` is a night and `09:00` to `09:00` a whole day.
    """
    if cell("zone"):
        zone = _timed("zone", cell, zone_of)
    day = _timed("day", cell, read_day) if cell("day") else None
    from_us = _timed("from", cell, lambda text: read_instant(text, zone, day))
    until_us = _timed("until", cell, lambda text: read_instant(text, zone, day))
    if until_us <= from_us and day is not None and is_clock(cell("until")):
        next_day = day + timedelta(days=1)
        until_us = _timed("until", cell, lambda text: read_instant(text, zone, next_day))
    if until_us <= from_us:
        raise FieldError("until", cell("until"), f"must be after the shift's beginning, {cell('from')}")
    if until_us - from_us > limits.ROSTER_SHIFT_MAX_S * SECOND_US:
        raise FieldError(
            "until", cell("until"), f"must be at most {_DAYS_MAX} days after the shift's beginning, {cell('from')}"
        )
    return from_us, until_us


def _timed(field: str, cell: Cell, read: Callable[[str], T]) -> T:
    try:
        return read(cell(field))
    except LocalTimeError as error:
        raise FieldError(field, cell(field), str(error)) from None
