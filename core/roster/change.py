"""A change in the middle of a shift: from an instant on a crew has another place, other people or other means (OCC-3).

The shift becomes two that adjoin, so what was so until then stays so. What follows is checked like an import and stored as a
revision with its reason.
"""

from __future__ import annotations

import msgspec

from core.instant import Micros
from core.roster.model import Person, Shift, find_person


class ChangeError(ValueError):
    """The change cannot be made; the text says why."""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What is different from `at_us` on; what is None stays as it is."""

    at_us: Micros
    territory: str | None = None
    post: str | None = None
    route: str | None = None
    capabilities: tuple[str, ...] | None = None
    vehicles: tuple[str, ...] | None = None
    means: tuple[str, ...] | None = None
    join: tuple[Person, ...] = ()
    leave: tuple[str, ...] = ()
    """Badges or names of people."""
    until_us: Micros | None = None
    """The shift's new end; at `at_us` itself the shift is over."""


def change_shift(shift: Shift, change: Change) -> list[Shift]:
    """The shifts that take the place of one: its part before the change, and its part after it. Raises `ChangeError`."""
    at_us = change.at_us
    if not shift.holds(at_us):
        raise ChangeError(f"crew {shift.crew} has no shift at that time")
    until_us = shift.until_us if change.until_us is None else change.until_us
    if until_us < at_us:
        raise ChangeError("a shift cannot end before the change that says so")
    before = [msgspec.structs.replace(shift, until_us=at_us)] if at_us > shift.from_us else []
    if until_us == at_us:
        if not before:
            raise ChangeError("a shift cannot end as it begins: withdraw it by an import instead")
        return before
    after = msgspec.structs.replace(
        shift,
        from_us=at_us,
        until_us=until_us,
        territory=shift.territory if change.territory is None else change.territory,
        capabilities=shift.capabilities if change.capabilities is None else change.capabilities,
        vehicles=shift.vehicles if change.vehicles is None else change.vehicles,
        means=shift.means if change.means is None else change.means,
        people=_people(shift, change),
    )
    if change.post is not None or change.route is not None:
        after = msgspec.structs.replace(after, post=change.post or "", route=change.route or "")
    if after == msgspec.structs.replace(shift, from_us=at_us):
        raise ChangeError("nothing changes")
    return [*before, after]


def _people(shift: Shift, change: Change) -> tuple[Person, ...]:
    people = list(shift.people)
    for text in change.leave:
        leaving = find_person(people, text)
        if leaving is None:
            there = ", ".join(f"{one.name} {one.badge}".strip() for one in people) or "nobody"
            raise ChangeError(f"{text!r} is not one person of crew {shift.crew}: there are {there}")
        people.remove(leaving)
    for person in change.join:
        if any(person.key == other.key for other in people):
            raise ChangeError(f"{person.name!r} is in crew {shift.crew} already")
        people.append(person)
    return tuple(people)
