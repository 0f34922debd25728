"""The scenarios: readable, complete, and none changed under a version that incidents go by.

Place in the flow: a check of `jedel doctor`; what `jedel scenarios check` says, and beside it what the database remembers.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from core.category import CategoryError, CategoryTable, load_categories
from core.scenario import Scenario, ScenarioError, ScenarioSet
from core.scenario_file import check_succession
from ops.config import Config
from ops.doctor.verdict import Verdict, fault, found_or, warning
from ops.doctor.world import World
from ops.scenarios import centre_scenarios
from storage.condition import is_migrated, read_scenario_bodies
from storage.errors import DRIVER_ERRORS


def categories_of(config: Config) -> CategoryTable:
    """The centre's categories. Raises `CategoryError`."""
    return load_categories(Path(config.centre.categories) if config.centre.categories else None)


def scenarios_of(config: Config) -> ScenarioSet:
    """The centre's scenarios. Raises `ScenarioError`; a faulty table of categories is one as well."""
    try:
        table = categories_of(config)
    except CategoryError as error:
        raise ScenarioError([str(error)]) from error
    return centre_scenarios(config.centre.scenarios, bool(config.centre.categories), table)


async def check(world: World) -> list[Verdict]:
    """Faults of the files, and of the files beside what is stored."""
    try:
        scenarios = scenarios_of(world.config)
    except ScenarioError as error:
        return [fault(line, "correct it, then: jedel scenarios check") for line in error.faults]
    found = [
        warning(line, "raise the file's version; until then the centre goes by what it knows")
        for line in check_succession(await _stored(world), scenarios)
    ]
    where = world.config.centre.scenarios or "shipped"
    return found_or(found, f"{len(scenarios)} scenarios, {where}")


async def _stored(world: World) -> list[Scenario]:
    if not world.dsn:
        return []
    try:
        async with world.database() as connection:
            bodies = await read_scenario_bodies(connection) if await is_migrated(connection) else []
    except DRIVER_ERRORS:
        return []  # the check of the database says so
    return [msgspec.json.decode(body, type=Scenario) for body in bodies]
