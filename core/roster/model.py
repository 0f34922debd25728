"""The post roster: which crew serves where, from when until when, who is in it and with what (OCC-3).

A shift is one crew's service at one place without a change of people or means; where something changes in its middle, it
becomes two shifts that adjoin. So every instant of every day has exactly one answer for a crew, and nothing is overlaid.
Rules: instants are absolute, `[from_us, until_us)`; a crew, a person and a vehicle are in one place at a time
(`core.roster.checks`); people stand in the shift as they were then, so a later rank or number does not rewrite the past.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from core.instant import Micros
from core.vocabulary import CrewId, Word


class PlaceKind(Word):
    """What a shift is served at."""

    POST = "post"
    ROUTE = "route"


class Place(msgspec.Struct, frozen=True, gc=False, order=True):
    """A post or a patrol route, by name; where it lies is not the roster's matter."""

    kind: str
    """A value of `PlaceKind`."""
    name: str
    """Unique among the posts, or among the routes, whatever its capitals."""
    territory: str = ""


class Person(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """Somebody who serves in a shift."""

    name: str
    badge: str = ""
    """Personnel number; `""` where the centre does not use them."""
    rank: str = ""
    role: str = ""
    phone: str = ""

    @property
    def key(self) -> str:
        """What tells people apart: the number, or else the name."""
        return fold(self.badge or self.name)


class Shift(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What is planned for one crew."""

    crew: CrewId
    from_us: Micros
    until_us: Micros
    territory: str
    """Path of the territory it serves; empty for all of the centre's."""
    post: str = ""
    route: str = ""
    """At most one of the two; neither for a crew that waits for work wherever it is."""
    capabilities: tuple[str, ...] = ()
    """What it can be sent for in this shift; empty for what its terminal says."""
    vehicles: tuple[str, ...] = ()
    """Registration plates."""
    means: tuple[str, ...] = ()
    people: tuple[Person, ...] = ()

    @property
    def place(self) -> str:
        """Name of the post or route, `""` for neither."""
        return self.post or self.route

    def holds(self, at_us: int) -> bool:
        """Whether an instant lies in it."""
        return self.from_us <= at_us < self.until_us


class Roster(msgspec.Struct, frozen=True, gc=False):
    """A plan. Invariant: `shifts` are in order of beginning and crew, one of each."""

    shifts: tuple[Shift, ...] = ()
    places: tuple[Place, ...] = ()

    def at(self, at_us: int) -> list[Shift]:
        """The shifts that an instant lies in."""
        return [shift for shift in self.shifts if shift.holds(at_us)]


class ShiftChange(msgspec.Struct, frozen=True, gc=False):
    """One line of a shift's history: what a revision of the roster made of it."""

    revision: int
    at_us: Micros
    actor: str
    kind: str
    """`import` or `change`."""
    reason: str
    """What was said, and the files of an import."""
    crew: CrewId
    from_us: Micros
    until_us: Micros
    withdrawn: bool


def order_of(shift: Shift) -> tuple[int, str]:
    """The order of a roster's shifts, and what names a shift: no crew begins two at once."""
    return shift.from_us, shift.crew


def roster_of(shifts: list[Shift], places: list[Place]) -> Roster:
    """A roster in its order."""
    return Roster(tuple(sorted(shifts, key=order_of)), tuple(sorted(places)))


def is_below(territory: str, node: str) -> bool:
    """Whether a territory is a node of the vertical or lies below it; everything is below `""`."""
    return not node or territory == node or territory.startswith(f"{node}/")


def find_person(people: Iterable[Person], text: str) -> Person | None:
    """The one person that a badge, a name or a part of a name means; None for nobody, and for several.

    Of the same person several times, the last one.
    """
    wanted = fold(text)
    by_key = {person.key: person for person in people}
    exact = [one for one in by_key.values() if wanted and wanted in (fold(one.badge), fold(one.name))]
    found = exact or [one for one in by_key.values() if wanted and wanted in fold(one.name)]
    return found[0] if len(found) == 1 else None


def means(shift: Shift, text: str) -> bool:
    """Whether a person who types a text means this shift: by call sign, badge, or part of a name, from three letters on."""
    wanted = fold(text)
    return fold(shift.crew) == wanted or any(
        wanted == fold(person.badge) or (len(wanted) > 2 and wanted in fold(person.name)) for person in shift.people
    )


_LOOK_ALIKE: Final = str.maketrans("авекмнорстухіһё–—‑", "abekmhopctyxihe---")


def fold(text: str) -> str:
    """A name as the eye takes it: without case, with Latin for the Cyrillic letters that look the same, with single blanks.

    `А-1` typed on a Russian keyboard and `a-1` typed on an English one are one call sign to whoever hears or reads them.
    """
    return " ".join(text.lower().translate(_LOOK_ALIKE).split())
