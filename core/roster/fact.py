"""The fact beside the plan: what crews did over time, and where that is not what was planned (OCC-3, OCC-5).

A crew is on duty in every state but `off_duty`: one that is out of service is there, with something broken. Plan and fact of a
crew are two sets of spans of time; each span of one that the other lacks is a deviation, and where it lies says which.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from core.instant import Micros
from core.roster.model import Shift
from core.vocabulary import CrewId, CrewState, Word

OFF: Final = CrewState.OFF_DUTY.value


class Mark(msgspec.Struct, frozen=True, gc=False):
    """A crew's state from an instant on, until its next mark."""

    crew: CrewId
    at_us: Micros
    state: str
    """A value of `CrewState`."""
    territory: str
    incident_id: int | None


class DeviationKind(Word):
    """How fact and plan differ."""

    ABSENT = "absent"
    """Planned, and never on duty."""
    LATE_START = "late_start"
    EARLY_END = "early_end"
    LEFT_MEANWHILE = "left_meanwhile"
    """Off duty for a while in the middle of the planned time."""
    NOT_PLANNED = "not_planned"
    """On duty outside any planned time."""


class Deviation(msgspec.Struct, frozen=True, gc=False):
    """A span of time in which a crew was not where the plan had it."""

    kind: DeviationKind
    crew: CrewId
    from_us: Micros
    until_us: Micros
    planned: tuple[Micros, Micros] | None
    """The planned duty it belongs to; None for `NOT_PLANNED`."""


Span = tuple[Micros, Micros]


def state_at(marks: Iterable[Mark], at_us: int) -> dict[CrewId, Mark]:
    """Crew → the mark that holds at an instant, of marks in order of time."""
    return {mark.crew: mark for mark in marks if mark.at_us <= at_us}


def deviations(
    shifts: Sequence[Shift], marks: Sequence[Mark], window: Span, known_until_us: int, tolerance_us: int
) -> list[Deviation]:
    """Where fact and plan differ within a window of time.

    Args:
        shifts: every shift that meets the window, whole.
        marks: in order of time, from before the earliest of these shifts (or of the window) on.
        window: deviations that do not meet it are left out; for example a day.
        known_until_us: the present: later than it nothing has happened yet.
        tolerance_us: a difference not longer than it is none.

    Returns:
        In order of beginning and crew.
    """
    planned: dict[CrewId, list[Span]] = {}
    for shift in shifts:
        planned.setdefault(shift.crew, []).append((shift.from_us, shift.until_us))
    served = _served(marks, min(known_until_us, max([window[1], *(shift.until_us for shift in shifts)])))
    found: list[Deviation] = []
    for crew in planned.keys() | served.keys():
        plan, fact = _joined(planned.get(crew, [])), _joined(served.get(crew, []))
        for duty in plan:
            for span in _without(duty, fact):
                clipped = (span[0], Micros(min(span[1], known_until_us)))
                found.append(Deviation(_kind(span, duty), crew, *clipped, duty))
        for from_us, until_us in fact:
            # Before and after the window there may have been shifts that were not read.
            spell = (max(from_us, window[0]), min(until_us, window[1]))
            found += [Deviation(DeviationKind.NOT_PLANNED, crew, *span, None) for span in _without(spell, plan)]
    return sorted(
        (
            one
            for one in found
            if one.until_us - one.from_us > tolerance_us and one.from_us < window[1] and one.until_us > window[0]
        ),
        key=lambda one: (one.from_us, one.crew),
    )


def _kind(missing: Span, duty: Span) -> DeviationKind:
    if missing == duty:
        return DeviationKind.ABSENT
    if missing[0] == duty[0]:
        return DeviationKind.LATE_START
    return DeviationKind.EARLY_END if missing[1] == duty[1] else DeviationKind.LEFT_MEANWHILE


def _served(marks: Iterable[Mark], end_us: int) -> dict[CrewId, list[Span]]:
    """Crew → the spans in which it was on duty, the last one until `end_us` where it still is."""
    spans: dict[CrewId, list[Span]] = {}
    since: dict[CrewId, Micros] = {}
    for mark in marks:
        if mark.at_us >= end_us:
            continue
        if mark.state != OFF:
            since.setdefault(mark.crew, mark.at_us)
        elif mark.crew in since:
            spans.setdefault(mark.crew, []).append((since.pop(mark.crew), mark.at_us))
    for crew, from_us in since.items():
        spans.setdefault(crew, []).append((from_us, Micros(end_us)))
    return spans


def _joined(spans: Iterable[Span]) -> list[Span]:
    """Spans that adjoin as one."""
    joined: list[Span] = []
    for from_us, until_us in sorted(spans):
        if joined and from_us <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], until_us))
        else:
            joined.append((from_us, until_us))
    return joined


def _without(span: Span, holes: Iterable[Span]) -> list[Span]:
    """What is left of a span without others, which are in order."""
    left: list[Span] = []
    from_us, until_us = span
    for hole_from_us, hole_until_us in holes:
        if hole_until_us <= from_us or hole_from_us >= until_us:
            continue
        if hole_from_us > from_us:
            left.append((from_us, hole_from_us))
        from_us = hole_until_us
    return [*left, (from_us, until_us)] if from_us < until_us else left
