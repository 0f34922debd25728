"""`jedel replay`: recorded days against a service of its own, and how they went beside how they were recorded."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.types import PositiveFloat

from ops.commands.folder import own_folder
from ops.commands.progress import bar


def replay(
    file: Annotated[Path, Parameter(help="CAD records: CSV in San Francisco's format, gzipped or not")],
    /,
    *,
    speed: Annotated[PositiveFloat, Parameter(help="recorded seconds a second: at 600, a day takes 2.4 minutes")] = 600.0,
    hours: Annotated[
        PositiveFloat | None, Parameter(help="how much of the records is played, from their beginning; else all")
    ] = None,
    folder: Annotated[
        Path | None, Parameter(help="new folder that keeps the service's log and its database; else they go at the end")
    ] = None,
) -> int:
    """Plays recorded days against a service of its own, and reports how it went beside how it was recorded.

    Calls come when the call takers had entered them. The crews are those of the records, on duty as recorded; the service
    decides alone whom it sends, by what the department sent to calls of that kind. The report compares the intervals from
    received to on scene, and counts assignments, waiting calls and the terms that passed, all in recorded seconds: at 1000
    times its speed, a hundredth of a second of the machine's own counts as ten.

    The exit status is 1 when anything was lost.
    """
    from core.instant import SECOND_US
    from ops.cad import read_cad
    from ops.cad_habits import Habits, categories_toml
    from ops.own_service import DATA, own_service
    from ops.replay import configuration
    from ops.replay import replay as play
    from ops.replay_report import as_lines, report

    if folder is not None and (folder / DATA).exists():
        # Its crews would still be at work, and its incidents still wait for some.
        print(f"jedel: {folder} holds a service's data already: name a new folder", file=sys.stderr)
        return 1
    cad = read_cad(file)
    for fault in cad.faults:
        print(f"{file}: {fault}", file=sys.stderr)
    if not cad.calls:
        print(f"jedel: {file} holds no calls", file=sys.stderr)
        return 1
    habits = Habits(cad)
    until_us = None if hours is None else cad.calls[0].received_us + round(hours * 3600 * SECOND_US)
    with own_folder(folder) as kept:
        categories = kept / "categories.toml"
        categories.write_text(categories_toml(habits.categories), encoding="utf-8")
        with own_service(kept, configuration(categories, speed)) as service:
            with bar(f"{file.name} at {speed:g} times its speed") as tell:
                played = play(service.centre, cad, habits, speed, until_us=until_us, tell=tell)
            found = asyncio.run(report(service.dsn, played, speed))
    print("\n".join(as_lines(found)))
    outcome = played.outcome
    if outcome.unseen:
        print(f"jedel: no incident names {', '.join(outcome.unseen)}", file=sys.stderr)
    for code, times in outcome.rejected.items():
        print(f"jedel: refused {times} times: {code}", file=sys.stderr)
    return 1 if found.lost else 0
