"""Who is told, and by which channels: roles, territories, duty times and quiet hours (CITY-5, CITY-13).

Place in the flow: after the commit, when a telling is made into deliveries. Pure: `at_us` is an argument, the file is read
elsewhere (`core.people_file`). Rules:
- A role is looked for where it happened, and then on each level above (`kz/almaty/medeu`, `kz/almaty`, `kz`, the whole centre),
  up to the first level where somebody who holds it can be reached. All who can be reached there are told.
- A person is passed over for a reason that is enumerated and kept: off duty, quiet hours, no channel.
- Nobody at all is an answer too: it says who was passed over and why.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from core.instant import SECOND_US, Micros
from core.telling import ANSWERING, LEVEL_ABOVE, PERSON, Channel, Role
from core.vocabulary import Word

DAY_MINUTES: Final = 24 * 60


class PassedReason(Word):
    """Why somebody who could have been told was not."""

    OFF_DUTY = "off_duty"
    QUIET_HOURS = "quiet_hours"
    NO_CHANNEL = "no_channel"
    """The file of people gives no way to reach this person."""
    NOT_KNOWN = "not_known"
    """No such person, or no such role; or nobody holds it, here or on any level above."""


class Hours(msgspec.Struct, frozen=True):
    """A time of day, in minutes of local time; `to_min` is not in it, and midnight is where it ends before it begins."""

    from_min: int
    to_min: int

    def reaches(self, minute: int) -> tuple[bool, bool]:
        """Whether a minute lies in it, of the day it begins on, and of the day after."""
        if self.from_min < self.to_min:
            return self.from_min <= minute < self.to_min, False
        return minute >= self.from_min, minute < self.to_min


class Duty(msgspec.Struct, frozen=True):
    """When a person is on duty: on some days of every week, or on dates."""

    hours: Hours
    weekdays: frozenset[int] = frozenset()
    """0 is Monday; empty where dates are given."""
    first: date | None = None
    last: date | None = None
    """Both included."""

    def begins_on(self, day: date) -> bool:
        """Whether a duty begins on a day of local time."""
        if self.first is not None and self.last is not None:
            return self.first <= day <= self.last
        return day.weekday() in self.weekdays


class Absence(msgspec.Struct, frozen=True):
    """Days a person is away, whatever the duty times say; both included, local time."""

    first: date
    last: date


class Way(msgspec.Struct, frozen=True):
    """A channel and a person's address in it: a URL, a mail address, a number in E.164; `""` for dispatch."""

    channel: Channel
    address: str


class Person(msgspec.Struct, frozen=True):
    """Somebody who can be told."""

    person_id: str
    name: str
    roles: frozenset[Role]
    territories: frozenset[str]
    """Nodes of the vertical the roles are held for; `""` is the whole centre."""
    languages: tuple[str, ...]
    """`kk`, `ru`, `en`, the preferred first."""
    ways: tuple[Way, ...]
    """In order of preference."""
    zone: ZoneInfo
    duty: tuple[Duty, ...] = ()
    """Empty for always."""
    absent: tuple[Absence, ...] = ()
    quiet: tuple[Hours, ...] = ()
    quiet_priority: int = 2
    """Up to this priority a telling breaks through quiet hours; 0 for none."""

    def hindrance(self, at_us: Micros, priority: int) -> PassedReason | None:
        """Why this person is not to be told at an instant, or None."""
        local = datetime.fromtimestamp(at_us / SECOND_US, UTC).astimezone(self.zone)
        today, minute = local.date(), local.hour * 60 + local.minute
        if any(away.first <= today <= away.last for away in self.absent) or not self._on_duty(today, minute):
            return PassedReason.OFF_DUTY
        if priority > self.quiet_priority and any(any(hours.reaches(minute)) for hours in self.quiet):
            return PassedReason.QUIET_HOURS
        return None if self.ways else PassedReason.NO_CHANNEL

    def _on_duty(self, today: date, minute: int) -> bool:
        if not self.duty:
            return True
        yesterday = today - timedelta(days=1)
        for duty in self.duty:
            since_today, since_yesterday = duty.hours.reaches(minute)
            if (since_today and duty.begins_on(today)) or (since_yesterday and duty.begins_on(yesterday)):
                return True
        return False


class PassedOver(msgspec.Struct, frozen=True):
    """Somebody who was not told, and why. `person` is `""` where nobody was there to be passed over."""

    person: str
    territory: str
    reason: PassedReason


class Found(msgspec.Struct, frozen=True):
    """Who is told: persons with each of their ways in order of preference. Nobody where `reached` is empty."""

    reached: tuple[tuple[Person, Way], ...]
    passed_over: tuple[PassedOver, ...]


class People:
    """All who can be told."""

    def __init__(self, people: Iterable[Person] = ()) -> None:
        self._by_id = {person.person_id: person for person in people}
        self._by_post: dict[tuple[Role, str], list[Person]] = {}
        for person in self._by_id.values():
            for role in person.roles:
                for territory in person.territories:
                    self._by_post.setdefault((role, territory), []).append(person)

    def __len__(self) -> int:
        return len(self._by_id)

    def get(self, person_id: str) -> Person | None:
        """A person by id, or None."""
        return self._by_id.get(person_id)

    def ids(self) -> list[str]:
        """Everybody's ids, in order of the file."""
        return list(self._by_id)

    def who(self, to: str, territory: str, at_us: Micros, priority: int) -> Found:
        """Who is told, and by which channels in order.

        Args:
            to: a role, `level_above`, or `person:ID` (`core.telling`).
            territory: where it happened; `""` for the whole centre.
            at_us: when they would be told.
            priority: of what happened, 1 the most urgent.

        Returns:
            Persons and their ways, and who was passed over on the way up. O(levels + persons found).
        """
        passed_over: list[PassedOver] = []
        if to.startswith(PERSON):
            person = self._by_id.get(to.removeprefix(PERSON))
            asked = [(territory, [person] if person is not None else [])]
        elif to == LEVEL_ABOVE:
            # At the top there is nothing above: then whoever answers for all of it.
            above = list(levels(territory))[1:] or [territory]
            asked = [(level, self._by_post.get((role, level), [])) for level in above for role in ANSWERING]
        else:
            role = next((each for each in Role if each.value == to), None)
            asked = [(level, self._by_post.get((role, level), [])) for level in levels(territory)] if role else []
        for level, people in asked:
            reached = [(person, way) for person in _free(people, level, at_us, priority, passed_over) for way in person.ways]
            if reached:
                return Found(tuple(reached), tuple(passed_over))
        return Found((), tuple(passed_over) or (PassedOver("", territory, PassedReason.NOT_KNOWN),))


def levels(territory: str) -> Iterator[str]:
    """A territory and all above it, the whole centre (`""`) last."""
    while territory:
        yield territory
        territory = territory.rpartition("/")[0]
    yield ""


def _free(
    people: Iterable[Person], level: str, at_us: Micros, priority: int, passed_over: list[PassedOver]
) -> Iterator[Person]:
    for person in people:
        reason = person.hindrance(at_us, priority)
        if reason is None:
            yield person
        else:
            passed_over.append(PassedOver(person.person_id, level, reason))
