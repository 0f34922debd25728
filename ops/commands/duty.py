"""`jedel roster show`, `compare`, `who`: who serves where by the plan, and in fact (OCC-3, OCC-5)."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from cyclopts.types import NonNegativeInt

from core.instant import SECOND_US
from ops.clock import now_us
from ops.commands.configured import AS_GIVEN, Configured, connected
from ops.commands.roster import ReadIn
from ops.commands.times import day_given, instant_given, zone_of_centre

if TYPE_CHECKING:
    from core.roster.fact import Mark
    from core.roster.model import Roster, ShiftChange

Day = Annotated[str, Parameter(help="a local day, for example 2026-11-27")]


def show(
    *,
    at: Annotated[str, Parameter(help="an instant, past or to come, for example 2026-11-27T03:00+05:00; without it now")] = "",
    territory: Annotated[str, Parameter(help="only this territory and those below it")] = "",
    language: ReadIn = "kk",
    configured: Configured = AS_GIVEN,
) -> None:
    """Shows who serves where at an instant: the plan, and beside it what each crew does in fact."""
    from adapters.roster.text import RosterText
    from core.roster.fact import state_at
    from core.roster.model import is_below
    from storage.crew_log import read_marks
    from storage.roster import read_roster

    config = configured.read()
    zone = zone_of_centre(config)
    at_us = instant_given("--at", at, zone) if at else now_us()

    async def run() -> tuple[Roster, list[Mark]]:
        async with connected(config.database) as connection:
            return await read_roster(connection, (at_us, at_us + 1)), await read_marks(connection, at_us + 1, at_us + 1)

    roster, marks = asyncio.run(run())
    shifts = [shift for shift in roster.at(at_us) if is_below(shift.territory, territory)]
    planned = {shift.crew for shift in shifts}
    states = {
        crew: mark
        for crew, mark in state_at(marks, at_us).items()
        if crew in planned or (is_below(mark.territory, territory) and not any(one.crew == crew for one in roster.at(at_us)))
    }
    print("\n".join(RosterText(language, zone).show(at_us, shifts, states)))


def compare(
    *,
    day: Day,
    tolerance_s: Annotated[NonNegativeInt, Parameter(help="a difference that is not longer is none")] = 300,
    language: ReadIn = "kk",
    configured: Configured = AS_GIVEN,
) -> int:
    """Holds a day's plan against the fact: absent, late, left early, away in the middle, on duty without a plan.

    Status 1 when there is any such deviation.
    """
    from adapters.roster.text import RosterText
    from core.roster.fact import deviations
    from core.roster.local_time import day_span
    from storage.crew_log import read_marks
    from storage.roster import read_roster

    config = configured.read()
    zone = zone_of_centre(config)
    compared = day_given("--day", day)
    window = day_span(compared, zone)

    async def run() -> tuple[Roster, list[Mark]]:
        async with connected(config.database) as connection:
            roster = await read_roster(connection, window)
            ends = [window, *((shift.from_us, shift.until_us) for shift in roster.shifts)]
            return roster, await read_marks(connection, min(one[0] for one in ends), max(one[1] for one in ends))

    roster, marks = asyncio.run(run())
    found = deviations(roster.shifts, marks, window, now_us(), tolerance_s * SECOND_US)
    print("\n".join(RosterText(language, zone).compare(found, compared)))
    return 1 if found else 0


def who(
    crew_or_person: Annotated[str, Parameter(help="a call sign, a badge, or a name or part of it")],
    /,
    *,
    day: Day,
    language: ReadIn = "kk",
    configured: Configured = AS_GIVEN,
) -> int:
    """Says where a crew or a person was on a day: the shifts and their changes, and what the crew did; status 1: nowhere."""
    from adapters.roster.text import RosterText
    from core.roster.local_time import day_span
    from core.roster.model import Roster, fold, means
    from storage.crew_log import read_marks
    from storage.roster import read_call_signs, read_history, read_roster

    config = configured.read()
    zone = zone_of_centre(config)
    asked = day_given("--day", day)
    window = day_span(asked, zone)

    async def run() -> tuple[Roster, list[ShiftChange], list[Mark]]:
        async with connected(config.database) as connection:
            roster = await read_roster(connection, window)
            roster = Roster(tuple(shift for shift in roster.shifts if means(shift, crew_or_person)))
            known = [crew for crew in await read_call_signs(connection) if fold(crew) == fold(crew_or_person)]
            crews = sorted({*known, *(shift.crew for shift in roster.shifts)})
            marks = [mark for crew in crews for mark in await read_marks(connection, *window, crew)]
            return roster, await read_history(connection, crews, window), marks

    roster, history, marks = asyncio.run(run())
    if not (roster.shifts or history or marks):
        print(f"jedel: roster: nothing is known of {crew_or_person!r} on {asked}", file=sys.stderr)
        return 1
    text = RosterText(language, zone)
    lines = [text.title("plan"), *(text.shift_line(shift, asked) for shift in roster.shifts)]
    lines += [text.title("fact"), *(text.mark_line(mark, asked) for mark in marks)]
    lines += [text.title("changes"), *(text.history_line(one, asked) for one in history)]
    print("\n".join(lines))
    return 0
