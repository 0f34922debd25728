"""What holds between the shifts of a plan: nobody and nothing is in two places at once, and every name is a known one (OCC-3).

Place in the flow: after `core.roster.table`, before the plan is stored. Shifts that come from a file carry their row; those
planned before carry none, and an error that a new row makes with them names them by crew and time.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from core.roster.local_time import local_text
from core.roster.model import Place, Shift, fold
from core.roster.table import Origin, RowError

Sourced = tuple[Shift, Origin]
PLANNED: Final = Origin("", 0)
"""The origin of what was planned before."""
_NAMES_SHOWN: Final = 12


class Known(msgspec.Struct, frozen=True):
    """What a roster's names may be."""

    places: Collection[Place]
    capabilities: Collection[str]
    """Those that some category needs: a crew is never sent for any other."""
    crews: Collection[str]
    """Call signs of all crews planned or heard of so far."""
    territory: str
    """The centre's own: that of a shift whose row and place name none."""


def settle(shifts: Sequence[Sourced], known: Known) -> tuple[list[Sourced], list[RowError]]:
    """The shifts with the names that their posts and routes are known by, and with their territories.

    Returns:
        The good ones, and an error for each unknown post, route and capability.
    """
    by_name = {(place.kind, fold(place.name)): place for place in known.places}
    settled: list[Sourced] = []
    errors: list[RowError] = []
    for shift, origin in shifts:
        faults = [
            _error(origin, "capabilities", one, f"must be a capability that a category needs: {_some(known.capabilities)}")
            for one in shift.capabilities
            if one not in known.capabilities
        ]
        kind = "post" if shift.post else "route"
        place = by_name.get((kind, fold(shift.place)))
        if shift.place and place is None:
            names = [other.name for other in known.places if other.kind == kind]
            hint = _some(names) if names else "none yet; import a table of posts and routes first"
            faults.append(_error(origin, kind, shift.place, f"must be a known {kind}: {hint}"))
        errors += faults
        if faults:
            continue
        territory = shift.territory or (place.territory if place else "") or known.territory
        if place is None:
            settled.append((msgspec.structs.replace(shift, territory=territory), origin))
        elif kind == "post":
            settled.append((msgspec.structs.replace(shift, territory=territory, post=place.name), origin))
        else:
            settled.append((msgspec.structs.replace(shift, territory=territory, route=place.name), origin))
    return settled, errors


def check(shifts: Sequence[Sourced], known: Known, zone: ZoneInfo) -> list[RowError]:
    """What cannot be: a crew, a person or a vehicle in two shifts at once, and one call sign spelt in two ways.

    Args:
        shifts: the whole plan around the new shifts, those of a file with their rows.
        known: the call signs known so far.
        zone: of the times in the errors.

    Faults among shifts that were planned before are not told again. O(n log n).
    """
    errors = _call_sign_errors(shifts, known.crews)
    errors += _overlap_errors(shifts, zone, "crew", lambda shift: [(shift.crew, shift.crew)])
    errors += _overlap_errors(shifts, zone, "name", lambda shift: [(one.key, one.name) for one in shift.people])
    errors += _overlap_errors(shifts, zone, "vehicles", lambda shift: [(fold(one), one) for one in shift.vehicles])
    return sorted(errors, key=lambda error: (error.table, error.row))


class _Held(msgspec.Struct, frozen=True):
    """Somebody or something in a shift."""

    shift: Shift
    origin: Origin
    name: str


def _overlap_errors(
    shifts: Sequence[Sourced], zone: ZoneInfo, field: str, names_of: Callable[[Shift], Iterable[tuple[str, str]]]
) -> list[RowError]:
    by_key: dict[str, list[_Held]] = {}
    for shift, origin in shifts:
        for key, name in names_of(shift):
            by_key.setdefault(key, []).append(_Held(shift, origin, name))
    errors: list[RowError] = []
    for several in by_key.values():
        several.sort(key=lambda held: (held.shift.from_us, held.origin.row))
        latest, *rest = several
        for held in rest:
            if held.shift.from_us < latest.shift.until_us:
                new, other = (held, latest) if held.origin.row else (latest, held)
                if new.origin.row:
                    errors.append(_error(new.origin, field, new.name, _conflict(other, zone)))
            if held.shift.until_us > latest.shift.until_us:
                latest = held
    return errors


def _conflict(other: _Held, zone: ZoneInfo) -> str:
    shift = other.shift
    place = f" at {shift.place}" if shift.place else ""
    span = f"from {local_text(shift.from_us, zone)} until {local_text(shift.until_us, zone)}"
    return f"must be in one shift at a time: {other.origin} has it in crew {shift.crew}{place} {span}"


def _call_sign_errors(shifts: Sequence[Sourced], crews: Collection[str]) -> list[RowError]:
    """Call signs that nobody but a computer tells from another crew's; how it was spelt before is how it is spelt."""
    errors: list[RowError] = []
    known = set(crews)
    spelt = {fold(crew): (crew, "a crew known so far") for crew in crews}
    for shift, origin in shifts:
        if not origin.row or shift.crew in known:
            continue
        crew, where = spelt.setdefault(fold(shift.crew), (shift.crew, str(origin)))
        if crew == shift.crew:
            known.add(shift.crew)
        else:
            allowed = f"must differ from the call sign {crew!r} of {where} by more than capitals and alphabet"
            errors.append(_error(origin, "crew", shift.crew, allowed))
    return errors


def _error(origin: Origin, field: str, value: str, allowed: str) -> RowError:
    return RowError(origin.table, origin.row, field, value, allowed)


def _some(names: Iterable[str]) -> str:
    ordered = sorted(set(names))
    more = f" and {len(ordered) - _NAMES_SHOWN} more" if len(ordered) > _NAMES_SHOWN else ""
    return ", ".join(ordered[:_NAMES_SHOWN]) + more
