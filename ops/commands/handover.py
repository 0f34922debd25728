"""`jedel roster handover`, `jedel roster act`: one shift lead gives over to the next, on record (OCC-3, OCC-9)."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter
from cyclopts.types import PositiveInt

from ops.clock import now_us
from ops.commands.configured import AS_GIVEN, Configured, connected
from ops.commands.roster import ByWhom, ReadIn, own_name
from ops.commands.times import zone_of_centre

if TYPE_CHECKING:
    from core.roster.handover import Act
    from ops.config import Config

Form = Annotated[Literal["text", "json"], Parameter(name="--format", help="text for people, JSON for machines")]


def handover(
    *,
    territory: Annotated[str, Parameter(help="what is given over, with all below it; empty for all of the centre's")],
    from_person: Annotated[str, Parameter(name="--from", help="badge or name of who gives over")],
    to_person: Annotated[str, Parameter(name="--to", help="badge or name of who takes over")],
    language: ReadIn = "kk",
    form: Form = "text",
    by: ByWhom = "",
    configured: Configured = AS_GIVEN,
) -> int:
    """Makes and keeps the act of handover: open incidents with owners, crews and running terms, crews out, open notices.

    Rank and role come from the roster; somebody it does not have is taken as written, and named on standard error.
    """
    from core.instant import SECOND_US
    from core.limits import ROSTER_SHIFT_MAX_S
    from core.roster.handover import Act, crews_out
    from core.roster.model import Person, find_person
    from storage.handover import read_situation, save_act
    from storage.roster import read_roster

    config = configured.read()
    at_us = now_us()
    around = (at_us - ROSTER_SHIFT_MAX_S * SECOND_US, at_us + ROSTER_SHIFT_MAX_S * SECOND_US)

    async def run() -> tuple[int, Act]:
        async with connected(config.database) as connection:
            roster = await read_roster(connection, around)
            people: list[Person] = []
            for text in (from_person, to_person):
                found = find_person((one for shift in roster.shifts for one in shift.people), text)
                if found is None:
                    print(f"the roster of these days has not one person {text!r}: taken as written", file=sys.stderr)
                people.append(found or Person(text))
            situation = await read_situation(connection, territory, at_us)
            act = Act(
                at_us=at_us,
                territory=territory,
                from_person=people[0],
                to_person=people[1],
                batch_no=situation.batch_no,
                incidents=situation.incidents,
                incident_count=situation.incident_count,
                crews_out=crews_out(situation.marks, roster, at_us),
                notices=situation.notices,
                notice_count=situation.notice_count,
            )
            return await save_act(connection, act, by or own_name()), act

    number, made = asyncio.run(run())
    _write(number, made, form, language, config)
    return 0


def act(
    number: Annotated[PositiveInt, Parameter(help="of the act, as the handover printed it")],
    /,
    *,
    language: ReadIn = "kk",
    form: Form = "text",
    configured: Configured = AS_GIVEN,
) -> int:
    """Shows a kept act of handover again; status 1 when there is none of this number."""
    from storage.handover import read_act

    config = configured.read()

    async def run() -> Act | None:
        async with connected(config.database) as connection:
            return await read_act(connection, number)

    kept = asyncio.run(run())
    if kept is None:
        print(f"jedel: there is no act of handover {number}", file=sys.stderr)
        return 1
    _write(number, kept, form, language, config)
    return 0


def _write(number: int, made: Act, form: str, language: Literal["kk", "ru", "en"], config: Config) -> None:
    if form == "json":
        from msgspec import json

        from core.roster.handover import encode_act

        print(json.format(encode_act(made)).decode())
    else:
        from adapters.roster.text import RosterText

        print("\n".join(RosterText(language, zone_of_centre(config)).act(number, made)))
