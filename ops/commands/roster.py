"""`jedel roster import`, `export`, `change`: the post roster brought in, given out, and changed within a shift (OCC-3).

All of it works beside a running service. A file with one wrong row changes nothing, and every wrong row of it is told.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from core.instant import SECOND_US
from core.limits import ROSTER_ERRORS_MAX, ROSTER_FILE_MAX_BYTES
from core.roster.local_time import local_text
from ops.clock import now_us
from ops.commands.configured import AS_GIVEN, Configured, connected
from ops.commands.times import day_given, instant_given, zone_of_centre
from ops.counted import counted
from ops.layers import ConfigError

if TYPE_CHECKING:
    import asyncpg

    from core.roster.merge import Names
    from core.roster.model import Person, Roster
    from core.roster.table import RowError, Table
    from ops.config import Config
    from storage.roster import RosterChange

app = App(name="roster", help="The post roster: who is on which post, route and shift, with which means.")

ByWhom = Annotated[str, Parameter(name="--by", help="who makes the change; without it the name you are logged in by")]
Reason = Annotated[str, Parameter(help="why, for those who read it a year later")]
ReadIn = Annotated[Literal["kk", "ru", "en"], Parameter(name="--language", help="of what is written")]


@app.command(name="import")
def import_roster(
    file: Annotated[Path, Parameter(help="CSV or XLSX: shifts, or posts and routes; of a workbook every sheet")],
    /,
    *files: Annotated[Path, Parameter(help="further ones, all of them one change")],
    mode: Annotated[
        Literal["merge", "replace"],
        Parameter(
            help="what becomes of planned shifts that the files do not mention, of their territories and between their first"
            " and last beginning: they stay, or go"
        ),
    ] = "merge",
    check: Annotated[bool, Parameter(negative=(), help="tells the errors and what would change, and changes nothing")] = False,
    by: ByWhom = "",
    reason: Reason = "",
    configured: Configured = AS_GIVEN,
) -> int:
    """Imports a roster, all of it or nothing. Columns: crew, from, until, and where known day, zone, territory, post or route,
    capabilities, vehicles, means, badge, name, rank, role, phone; one row a person. Posts and routes: kind, name, territory.

    Headers may be Kazakh, Russian or English. Status 1 and a line for each wrong row when nothing was imported.
    """
    from core.roster.merge import merge, span_of_shifts
    from core.roster.table import read_tables
    from storage.roster import Revision, difference, one_revision, read_roster, save_revision

    config = configured.read()
    zone = zone_of_centre(config)
    found = read_tables([table for one in (file, *files) for table in _tables_of(one)], zone)
    for text in found.passed_over:
        print(f"passed over: {text}", file=sys.stderr)
    names = ", ".join(one.name for one in (file, *files))

    async def run() -> tuple[list[RowError], RosterChange, int]:
        async with connected(config.database) as connection, one_revision(connection):
            before = await read_roster(connection, span_of_shifts(found) or (0, 0))
            after, errors = merge(before, found, await _names(connection, config), zone, replace=mode == "replace")
            change = difference(before, after if not errors else before)
            if errors or check or change.is_empty:
                return errors, change, 0
            revision = Revision(now_us(), by or own_name(), "import", reason, names)
            return errors, change, await save_revision(connection, revision, change)

    errors, change, number = asyncio.run(run())
    if errors:
        return _tell_errors(errors)
    counts = f"{len(change.shifts)} shifts and {len(change.places)} posts and routes new or changed"
    counts += f", {len(change.withdrawn)} shifts withdrawn"
    what = f"revision {number}" if number else "nothing changes" if change.is_empty else "checked, nothing changed yet"
    print(f"roster: {what}: {counts}; {len(found.shifts)} shifts and {len(found.places)} posts and routes in {names}")
    return 0


@app.command
def export(
    file: Annotated[Path, Parameter(help="what is written: .xlsx with everything, or .csv with one table")],
    /,
    *,
    table: Annotated[Literal["shifts", "posts"], Parameter(help="of a .csv: the shifts, or the posts and routes")] = "shifts",
    since: Annotated[str, Parameter(name="--from", help="first day, for example 2026-11-27; without it all days")] = "",
    until: Annotated[str, Parameter(help="last day; without it all days")] = "",
    as_of: Annotated[str, Parameter(help="an instant: the roster as it was planned then, whatever was changed later")] = "",
    language: ReadIn = "kk",
    configured: Configured = AS_GIVEN,
) -> int:
    """Writes the roster as a file that `import` takes: what it reads back is the same roster."""
    from adapters.roster.files import write_csv, write_xlsx
    from core.roster.local_time import day_span
    from core.roster.table import place_table, shift_table
    from storage.roster import ALWAYS, read_revision, read_roster

    config = configured.read()
    zone = zone_of_centre(config)
    if file.suffix.lower() not in (".csv", ".xlsx"):
        raise ConfigError([f"{file}: must end in .csv or .xlsx"])
    first = day_span(day_given("--from", since), zone)[0] if since else ALWAYS[0]
    last = day_span(day_given("--until", until), zone)[1] if until else ALWAYS[1]
    moment = instant_given("--as-of", as_of, zone) if as_of else None

    async def run() -> Roster:
        async with connected(config.database) as connection:
            return await read_roster(connection, (first, last), await read_revision(connection, moment))

    roster = asyncio.run(run())
    shifts, places = shift_table(roster, zone, language), place_table(roster, language)
    if file.suffix.lower() == ".xlsx":
        file.write_bytes(write_xlsx([("shifts", shifts), ("posts", places)]))
    else:
        file.write_bytes(write_csv(shifts if table == "shifts" else places))
    print(f"roster: {len(roster.shifts)} shifts and {len(roster.places)} posts and routes: {file}")
    return 0


@app.command
def change(
    crew: Annotated[str, Parameter(help="call sign of the crew")],
    /,
    *,
    at: Annotated[str, Parameter(help="from when on, for example 2026-11-27T14:00; without an offset the centre's local time")],
    reason: Reason,
    territory: Annotated[str | None, Parameter(help="another territory")] = None,
    post: Annotated[str | None, Parameter(help="another post, instead of its post or route")] = None,
    route: Annotated[str | None, Parameter(help="another route, instead of its post or route")] = None,
    capabilities: Annotated[str | None, Parameter(help="other capabilities, between commas")] = None,
    vehicles: Annotated[str | None, Parameter(help="other vehicles, between commas; empty for none")] = None,
    means: Annotated[str | None, Parameter(help="other means, between commas; empty for none")] = None,
    join: Annotated[
        tuple[str, ...],
        Parameter(negative=(), show_default=False, help="NAME;BADGE;RANK;ROLE;PHONE of a person who joins; may be repeated"),
    ] = (),
    leave: Annotated[
        tuple[str, ...],
        Parameter(negative=(), show_default=False, help="badge or name of a person who leaves; may be repeated"),
    ] = (),
    until: Annotated[str, Parameter(help="the shift's new end; the same as --at ends it")] = "",
    by: ByWhom = "",
    configured: Configured = AS_GIVEN,
) -> int:
    """Changes a shift from an instant on: another post, vehicle or person. What was so until then stays in the roster."""
    from core.limits import ROSTER_SHIFT_MAX_S
    from core.roster.change import Change
    from core.roster.merge import apply_change
    from storage.roster import Revision, difference, one_revision, read_roster, save_revision

    config = configured.read()
    zone = zone_of_centre(config)
    at_us = instant_given("--at", at, zone)
    wanted = Change(
        at_us=at_us,
        territory=territory,
        post=post,
        route=route,
        capabilities=_listed(capabilities),
        vehicles=_listed(vehicles),
        means=_listed(means),
        join=tuple(_person_given(text) for text in join),
        leave=leave,
        until_us=instant_given("--until", until, zone) if until else None,
    )
    around = (at_us, at_us + 2 * ROSTER_SHIFT_MAX_S * SECOND_US)

    async def run() -> tuple[list[RowError], int]:
        async with connected(config.database) as connection, one_revision(connection):
            before = await read_roster(connection, around)
            after, errors = apply_change(before, crew, wanted, await _names(connection, config), zone)
            if errors:
                return errors, 0
            revision = Revision(now_us(), by or own_name(), "change", reason)
            return [], await save_revision(connection, revision, difference(before, after))

    errors, number = asyncio.run(run())
    if errors:
        return _tell_errors(errors)
    print(f"roster: revision {number}: crew {crew} changed from {local_text(at_us, zone)} on")
    return 0


async def _names(connection: asyncpg.Connection, config: Config) -> Names:
    """What names a roster may use."""
    from core.category import load_categories
    from core.roster.merge import Names
    from storage.roster import read_call_signs

    categories = load_categories(Path(config.centre.categories) if config.centre.categories else None)
    crews = await read_call_signs(connection)
    return Names(categories.capabilities, frozenset(crews), config.centre.territory)


def _tables_of(path: Path) -> list[Table]:
    from adapters.roster.files import read_file

    with path.open("rb") as file:
        # One byte more than is allowed shows that there is more.
        return read_file(path.name, file.read(ROSTER_FILE_MAX_BYTES + 1))


def _tell_errors(errors: list[RowError]) -> int:
    for error in errors[:ROSTER_ERRORS_MAX]:
        print(error, file=sys.stderr)
    if len(errors) > ROSTER_ERRORS_MAX:
        print(f"… and {len(errors) - ROSTER_ERRORS_MAX} more", file=sys.stderr)
    print(f"jedel: roster: nothing was changed: {counted(len(errors), 'error')}", file=sys.stderr)
    return 1


def _listed(text: str | None) -> tuple[str, ...] | None:
    from core.roster.fields import listed

    return None if text is None else listed(text)


def _person_given(text: str) -> Person:
    from core.roster.model import Person

    fields = [" ".join(field.split()) for field in text.split(";")]
    if not fields[0] or len(fields) > len(Person.__struct_fields__):
        raise ConfigError([f"--join {text}: must be NAME;BADGE;RANK;ROLE;PHONE, at least the name"])
    return Person(*fields)


def own_name() -> str:
    """The name that the person at the command line is logged in by."""
    return pwd.getpwuid(os.getuid()).pw_name
