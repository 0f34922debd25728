"""The file of people: TOML that a duty officer can edit, checked to the last word (CITY-5).

Place in the flow: before it, at start. A fault names file, line, person and field, with the value and what is allowed, and all
faults are told at once: a misspelt role would be somebody who is silently not told. `ops/examples/people.toml` shows every
field. Times of duty are texts: `mon-fri 08:00-20:00`, `2026-05-09 20:00-08:00`, `2026-06-01..2026-06-07 00:00-24:00`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import Final, NamedTuple, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from core import limits
from core.people import DAY_MINUTES, Absence, Duty, Hours, People, Person, Way
from core.telling import Channel, Role

T = TypeVar("T")
LANGUAGES: Final = ("kk", "ru", "en")
_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_FIELDS: Final = (
    "id", "name", "roles", "territories", "languages", "channels", "time_zone", "duty", "absent", "quiet", "quiet_priority",
)  # fmt: skip
_ID: Final = re.compile(r"[\w.-]{1,64}")
_STEP: Final = r"[^\W_]+(?:[-_.][^\W_]+)*"
_TERRITORY: Final = re.compile(rf"(?:{_STEP}(?:/{_STEP})*)?")
_ADDRESSES: Final = {
    Channel.WEBHOOK: (re.compile(r"https?://[^\s/]+\S*"), "a URL, webhook:https://HOST/PATH"),
    Channel.MAIL: (re.compile(r"[^\s@<>,;\"]+@[^\s@<>,;\"]+"), "a mail address, mail:NAME@HOST"),
    Channel.SMS: (re.compile(r"\+[1-9]\d{6,14}"), "a number in E.164, sms:+77011234567"),
}
_HEADER: Final = re.compile(r"\s*\[\[\s*people\s*\]\]")


class PeopleError(Exception):
    """The file of people cannot be used. `lines` are its faults."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


class _WrongError(Exception):
    """A value that is not what it must be; the text says what is allowed."""


class _Place(NamedTuple):
    """Where an entry stands in the file, for its faults."""

    file: str
    lines: list[str]
    first: int
    """Line of its header, from 1; 0 where it was not found (an inline table)."""
    name: str

    def fault(self, field: str, text: str) -> str:
        """A fault as it is told."""
        number = self.first
        for offset, line in enumerate(self.lines[self.first :], 1):
            if line.lstrip().startswith("["):
                break
            if re.match(rf"\s*\"?{re.escape(field)}\"?\s*=", line):
                number = self.first + offset
                break
        at = f", line {number}" if number else ""
        return f"{self.file}{at}: person {self.name}: {field}{text}"


def load_people(path: Path) -> People:
    """Reads the file of people.

    Raises:
        PeopleError: it is absent or wrong; with every fault found.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise PeopleError([f"{path}: cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise PeopleError([f"{path}: is not UTF-8 text"]) from error
    return read_people(text, str(path))


def read_people(text: str, file: str) -> People:
    """The people of a file's text. Raises `PeopleError`; `file` is what its faults call it."""
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PeopleError([f"{file}: is not TOML: {error}"]) from error
    faults = [f"{file}: {key}: unknown key; known: time_zone, people" for key in tree if key not in ("time_zone", "people")]
    zone = _checked(lambda: _zone(tree.get("time_zone", "UTC")), faults, lambda why: f"{file}: time_zone{why}")
    entries = tree.get("people", [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise PeopleError([f"{file}: people: must be tables: [[people]]"])
    if len(entries) > limits.PEOPLE_MAX:
        raise PeopleError([f"{file}: people: {len(entries)} of them, at most {limits.PEOPLE_MAX}"])
    lines = text.splitlines()
    headers = [number for number, line in enumerate(lines, 1) if _HEADER.match(line)]
    found: dict[str, Person] = {}
    for number, entry in enumerate(entries):
        first = headers[number] if len(headers) == len(entries) else 0
        place = _Place(file, lines, first, repr(entry.get("id", f"number {number + 1}")))
        person = _person(entry, zone or ZoneInfo("UTC"), place, faults)
        if person is not None and person.person_id in found:
            faults.append(place.fault("id", ": has an entry already"))
        elif person is not None:
            found[person.person_id] = person
    if faults:
        raise PeopleError(faults)
    return People(found.values())


def _person(entry: dict[str, object], zone: ZoneInfo, place: _Place, faults: list[str]) -> Person | None:
    sound = len(faults)
    for key in entry:
        if key not in _FIELDS:
            near = get_close_matches(key, _FIELDS, n=1)
            faults.append(place.fault(key, f": unknown field; {f'did you mean {near[0]}?' if near else ', '.join(_FIELDS)}"))

    def read(field: str, reader: Callable[[object], T], default: T, *, needed: bool = False) -> T:
        if field not in entry:
            if needed:
                faults.append(place.fault(field, ": is missing"))
            return default
        value = _checked(lambda: reader(entry[field]), faults, lambda why: place.fault(field, why))
        return default if value is None else value

    person = Person(
        person_id=read("id", _matching(_ID, "1 to 64 letters, digits, dots, dashes"), "", needed=True),
        name=read("name", _matching(re.compile(r".{1,128}"), "1 to 128 characters"), ""),
        roles=read("roles", _roles, frozenset(), needed=True),
        territories=frozenset(read("territories", _each(_matching(_TERRITORY, "a path such as kz/almaty")), [""])),
        languages=tuple(read("languages", _each(_one_of(LANGUAGES)), ["kk"])),
        ways=tuple(read("channels", _ways, [], needed=True)),
        zone=read("time_zone", _zone, zone),
        duty=tuple(read("duty", _each(_duty), [])),
        absent=tuple(read("absent", _each(_absence), [])),
        quiet=tuple(read("quiet", _each(_hours), [])),
        quiet_priority=read("quiet_priority", _priority, 2),
    )
    return person if len(faults) == sound else None


def _checked(read: Callable[[], T], faults: list[str], told: Callable[[str], str]) -> T | None:
    try:
        return read()
    except _WrongError as error:
        faults.append(told(str(error)))
        return None


def _wrong(value: object, allowed: str) -> _WrongError:
    return _WrongError(f" = {value!r}: must be {allowed}")


def _matching(pattern: re.Pattern[str], allowed: str) -> Callable[[object], str]:
    def read(value: object) -> str:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise _wrong(value, allowed)
        return value

    return read


def _each(reader: Callable[[object], T]) -> Callable[[object], list[T]]:
    def read(value: object) -> list[T]:
        if not isinstance(value, list) or len(value) > limits.PERSON_ITEMS_MAX:
            raise _wrong(value, f"a list of at most {limits.PERSON_ITEMS_MAX}")
        return [reader(item) for item in value]

    return read


def _one_of(words: tuple[str, ...]) -> Callable[[object], str]:
    def read(value: object) -> str:
        if not isinstance(value, str) or value not in words:
            raise _wrong(value, "one of " + ", ".join(words))
        return value

    return read


def _roles(value: object) -> frozenset[Role]:
    return frozenset(map(Role, _each(_one_of(tuple(role.value for role in Role)))(value)))


def _priority(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 9:
        raise _wrong(value, "a whole number from 0 to 9")
    return value


def _zone(value: object) -> ZoneInfo:
    try:
        return ZoneInfo(value if isinstance(value, str) else "")
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise _wrong(value, "a time zone such as Asia/Almaty") from error


def _way(value: object) -> Way:
    kind, _, address = value.partition(":") if isinstance(value, str) else ("", "", "")
    channel = next((each for each in Channel if each.value == kind), None)
    if channel is None:
        raise _wrong(value, "CHANNEL:ADDRESS with one of " + ", ".join(each.value for each in Channel))
    if channel is Channel.DISPATCH:
        if address:
            raise _wrong(value, "dispatch alone: it has no address")
    elif not _ADDRESSES[channel][0].fullmatch(address):
        raise _wrong(value, _ADDRESSES[channel][1])
    return Way(channel, address)


def _ways(value: object) -> list[Way]:
    ways = _each(_way)(value)
    for number, way in enumerate(ways):
        if way.channel in (earlier.channel for earlier in ways[:number]):
            raise _wrong(value, f"each channel once; {way.channel.value} stands there twice")
    return ways


def _hours(value: object) -> Hours:
    found = re.fullmatch(r"(\d\d):(\d\d)-(\d\d):(\d\d)", value) if isinstance(value, str) else None
    if found is not None:
        from_min, to_min = int(found[1]) * 60 + int(found[2]), int(found[3]) * 60 + int(found[4])
        sound = max(int(found[2]), int(found[4])) < 60 and from_min < DAY_MINUTES and to_min <= DAY_MINUTES
        if sound and from_min != to_min:
            return Hours(from_min, to_min)
    raise _wrong(value, "hours such as 08:00-20:00 or 22:00-07:00, the day's end as 24:00")


def _duty(value: object) -> Duty:
    days, _, hours = value.partition(" ") if isinstance(value, str) else ("", "", "")
    try:
        span = _hours(hours.strip())
        if days[:1].isdigit():
            first, last = _dates(days)
            return Duty(span, first=first, last=last)
        return Duty(span, weekdays=_weekdays(days))
    except (_WrongError, ValueError) as error:
        raise _wrong(value, "such as mon-fri 08:00-20:00 or 2026-05-09 20:00-08:00 or daily 08:00-20:00") from error


def _weekdays(text: str) -> frozenset[int]:
    """`mon-fri`, `sat,sun`, `fri-mon`, `daily`. Raises `ValueError`."""
    if text == "daily":
        return frozenset(range(7))
    days: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.partition("-")
        begin = _DAYS.index(first)
        end = _DAYS.index(last) if dash else begin
        days.update((begin + offset) % 7 for offset in range((end - begin) % 7 + 1))
    return frozenset(days)


def _dates(text: str) -> tuple[date, date]:
    """One date, or two joined by `..`. Raises `ValueError`."""
    begin, dots, end = text.partition("..")
    first = date.fromisoformat(begin)
    last = date.fromisoformat(end) if dots else first
    if last < first:
        raise ValueError(text)
    return first, last


def _absence(value: object) -> Absence:
    try:
        first, last = _dates(value if isinstance(value, str) else "")
    except ValueError as error:
        raise _wrong(value, "a date or two, such as 2026-07-01..2026-07-14") from error
    return Absence(first, last)
