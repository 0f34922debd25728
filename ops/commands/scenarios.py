"""`jedel scenarios`: what the centre does about each category of incident, checked and shown (CITY-4, CITY-7)."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from ops.commands.configured import AS_GIVEN, Configured

if TYPE_CHECKING:
    from core.category import CategoryTable
    from core.scenario import ScenarioSet
    from ops.config import Config

app = App(name="scenarios", help="The response algorithm of each category of incident.")


@app.command
def check(
    folder: Annotated[Path | None, Parameter(help="the folder with the TOML files; the configured one by default")] = None,
    /,
    *,
    configured: Configured = AS_GIVEN,
) -> int:
    """Says everything that is wrong with a folder of scenarios, status 1; or prints them as a table."""
    from core.scenario import ScenarioError
    from ops.scenarios import overview

    config = configured.read()
    try:
        scenarios = _load(config, _table(config), folder)
    except ScenarioError as error:
        for fault in error.faults:
            print(f"jedel: {fault}", file=sys.stderr)
        return 1
    print("\n".join(overview(scenarios)))
    return 0


@app.command
def show(
    code: Annotated[str, Parameter(help="a category's code, for example fire")],
    /,
    *,
    language: Annotated[Literal["kk", "ru", "en"], Parameter(help="of what is read out to the caller")] = "en",
    configured: Configured = AS_GIVEN,
) -> int:
    """Prints one scenario: crews, terms and what follows them, what is read out, and what it all rests on."""
    from core.toml_reading import near
    from ops.scenarios import described

    config = configured.read()
    table = _table(config)
    scenarios = _load(config, table)
    if code not in table:
        print(f"jedel: {code}: no such category; {near(code, table)}", file=sys.stderr)
        return 1
    name = getattr(table[code].name, language)
    print("\n".join(described(scenarios[code], name, scenarios.capabilities, language)))
    return 0


@app.command
def reload(*, configured: Configured = AS_GIVEN) -> int:
    """Has the service that runs on the configured data directory read its scenarios again, after checking them.

    What SIGHUP does, but not with faulty files. Incidents that are open keep the version they began with.
    """
    import json
    import os
    import signal

    from core.scenario import ScenarioError
    from ops.ready_file import READY_FILE
    from ops.scenarios import centre_scenarios

    config = configured.read()
    try:
        centre_scenarios(config.centre.scenarios, bool(config.centre.categories), _table(config))
    except ScenarioError as error:
        for fault in error.faults:
            print(f"jedel: {fault}", file=sys.stderr)
        return 1
    ready = Path(config.database.data_dir) / READY_FILE
    try:
        pid = int(json.loads(ready.read_bytes())["pid"])
        os.kill(pid, signal.SIGHUP)
    except (FileNotFoundError, ProcessLookupError):
        print(f"jedel: no service runs on {config.database.data_dir}", file=sys.stderr)
        return 1
    print(f"process {pid} reads its scenarios; its log says what it makes of them")
    return 0


def _table(config: Config) -> CategoryTable:
    from core.category import load_categories

    return load_categories(Path(config.centre.categories) if config.centre.categories else None)


def _load(config: Config, table: CategoryTable, folder: Path | None = None) -> ScenarioSet:
    from ops.scenarios import load_scenarios

    return load_scenarios(folder or (Path(config.centre.scenarios) if config.centre.scenarios else None), table)
