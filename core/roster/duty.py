"""Who is on duty by the plan at an instant, and when that changes: what the engine needs of the roster (OCC-3, OCC-4).

Pure: the centre reads a roster, asks `on_duty` at its start and whenever `next_change_us` has come, and hands the engine the
`changes` between the two answers. A crew that is not on duty is never called; one whose duty is over while it still works is
in `changes` for a person to be told, never dropped in silence.
"""

from __future__ import annotations

import msgspec

from core.instant import Micros
from core.roster.model import Roster, Shift
from core.vocabulary import CrewId


class DutyProfile(msgspec.Struct, frozen=True, gc=False):
    """What a crew serves as, now."""

    crew: CrewId
    territory: str
    capabilities: tuple[str, ...]
    """Empty where the roster leaves it to what the crew's terminal says."""
    from_us: Micros
    until_us: Micros
    """Its whole duty: shifts of the crew that adjoin are one, whatever changes between them."""
    route: str = ""
    """Name of the patrol route it is on now, `""` for none."""


class DutyChanges(msgspec.Struct, frozen=True, gc=False):
    """What became different between two instants."""

    came: tuple[DutyProfile, ...]
    went: tuple[DutyProfile, ...]
    """Their duty is over by the plan. Whoever of them is on a task is noticed, and finishes it."""
    changed: tuple[DutyProfile, ...]
    """On duty as before, with another territory, other capabilities, another route or another end."""


def on_duty(roster: Roster, at_us: int) -> dict[CrewId, DutyProfile]:
    """Crew → its profile, for every crew that the plan has on duty at an instant. O(shifts)."""
    by_crew: dict[CrewId, list[Shift]] = {}
    for shift in roster.shifts:
        by_crew.setdefault(shift.crew, []).append(shift)
    return {
        crew: _profile(shifts, number)
        for crew, shifts in by_crew.items()
        for number, shift in enumerate(shifts)
        if shift.holds(at_us)
    }


def next_change_us(roster: Roster, after_us: int) -> Micros | None:
    """The next instant at which `on_duty` gives another answer, or may; None where the plan has no further one."""
    ends = [end for shift in roster.shifts for end in (shift.from_us, shift.until_us) if end > after_us]
    return min(ends, default=None)


def changes(before: dict[CrewId, DutyProfile], now: dict[CrewId, DutyProfile]) -> DutyChanges:
    """What differs between two answers of `on_duty`, in order of call sign."""
    return DutyChanges(
        came=tuple(now[crew] for crew in sorted(now.keys() - before.keys())),
        went=tuple(before[crew] for crew in sorted(before.keys() - now.keys())),
        changed=tuple(now[crew] for crew in sorted(now.keys() & before.keys()) if now[crew] != before[crew]),
    )


def _profile(shifts: list[Shift], number: int) -> DutyProfile:
    """The profile in one of a crew's shifts, which are in order."""
    shift = shifts[number]
    first = last = number
    while first > 0 and shifts[first - 1].until_us == shifts[first].from_us:
        first -= 1
    while last + 1 < len(shifts) and shifts[last].until_us == shifts[last + 1].from_us:
        last += 1
    ends = shifts[first].from_us, shifts[last].until_us
    return DutyProfile(shift.crew, shift.territory, shift.capabilities, *ends, shift.route)
