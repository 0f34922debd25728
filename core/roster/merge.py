"""What an import or a change makes of the plan: new shifts and places among those planned before, or every fault of theirs."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import msgspec

from core.roster.change import Change, ChangeError, change_shift
from core.roster.checks import PLANNED, Known, Sourced, check, settle
from core.roster.local_time import local_text
from core.roster.model import Roster, fold, order_of, roster_of
from core.roster.table import Origin, RowError, Tables


class Names(msgspec.Struct, frozen=True):
    """What an import is checked against, beside the plan itself."""

    capabilities: frozenset[str]
    crews: frozenset[str]
    territory: str
    """The centre's own."""


def span_of_shifts(found: Tables) -> tuple[int, int] | None:
    """The span of time that a file's shifts lie in; None where it has none."""
    shifts = [shift for shift, _ in found.shifts]
    return (min(one.from_us for one in shifts), max(one.until_us for one in shifts)) if shifts else None


def merge(before: Roster, found: Tables, names: Names, zone: ZoneInfo, *, replace: bool) -> tuple[Roster, list[RowError]]:
    """The plan after an import, and every fault of the file; with a fault the plan is not to be stored.

    Args:
        before: all posts and routes, and every shift that meets the file's span.
        found: the file.
        names: capabilities, call signs and the centre's territory.
        zone: of the times in errors.
        replace: whether planned shifts that the file does not mention go, if they are of one of its territories and begin
            between the first and the last beginning in it; else they stay.
    """
    places = {(place.kind, fold(place.name)): place for place in before.places}
    for place, _ in found.places:
        key = (place.kind, fold(place.name))
        # How a name was spelt first is how it stays.
        places[key] = msgspec.structs.replace(place, name=places.get(key, place).name)
    known = Known(tuple(places.values()), names.capabilities, names.crews, names.territory)
    new, errors = settle(found.shifts, known)
    mentioned = {order_of(shift) for shift, _ in new}
    kept: list[Sourced] = [(shift, PLANNED) for shift in before.shifts if order_of(shift) not in mentioned]
    if replace and new:
        begins = [shift.from_us for shift, _ in new]
        first_us, last_us, territories = min(begins), max(begins), {shift.territory for shift, _ in new}
        kept = [
            (shift, origin)
            for shift, origin in kept
            if shift.territory not in territories or not first_us <= shift.from_us <= last_us
        ]
    together = [*kept, *new]
    errors = [*found.errors, *errors, *check(together, known, zone)]
    return roster_of([shift for shift, _ in together], list(places.values())), sorted(errors, key=_order_of_error)


def apply_change(before: Roster, crew: str, change: Change, names: Names, zone: ZoneInfo) -> tuple[Roster, list[RowError]]:
    """The plan with one crew's shift changed from an instant on, and what is wrong with that.

    Args:
        before: all posts and routes, and every shift that meets the changed one.
        crew: its call sign, in any capitals.
        change: what becomes different.
        names: as for `merge`.
        zone: of the times in errors.

    Raises:
        ChangeError: the crew has no such shift, or the change makes no sense for it.
    """
    shift = next((one for one in before.at(change.at_us) if fold(one.crew) == fold(crew)), None)
    if shift is None:
        raise ChangeError(f"crew {crew} has no shift at {local_text(change.at_us, zone)}")
    known = Known(before.places, names.capabilities, names.crews, names.territory)
    origin = Origin(f"crew {shift.crew}", 1)
    changed, errors = settle([(one, origin) for one in change_shift(shift, change)], known)
    together = [*((one, PLANNED) for one in before.shifts if one != shift), *changed]
    errors += check(together, known, zone)
    # There is only one thing that could be wrong: its row says nothing.
    return roster_of([one for one, _ in together], list(before.places)), [msgspec.structs.replace(one, row=0) for one in errors]


def _order_of_error(error: RowError) -> tuple[str, int]:
    return error.table, error.row
