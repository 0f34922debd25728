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
    speed: Annotated[PositiveFloat, Parameter(help="recorded seconds a second")] = 600.0,
    hours: Annotated[PositiveFloat | None, Parameter(help="how much of the records is played, from their beginning")] = None,
    folder: Annotated[Path | None, Parameter(help="keeps the service's log and its database; else they go at the end")] = None,
) -> int:
    """Plays recorded days against a service of its own and reports how it went; status 1 when anything was lost."""
    from core.instant import SECOND_US
    from ops.cad import read_cad
    from ops.cad_habits import Habits, categories_toml
    from ops.own_service import own_service
    from ops.replay import configuration
    from ops.replay import replay as play
    from ops.replay_report import as_lines, report

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
    return 1 if found.lost else 0
