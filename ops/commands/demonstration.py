"""`jedel demo`: a simulated city against a service of its own, through real sockets, ending in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.types import PositiveFloat

from ops.commands.folder import own_folder


def demo(
    *,
    seconds: Annotated[PositiveFloat, Parameter(env_var="DEMO_S", help="how long the city lives")] = 30.0,
    seed: Annotated[int, Parameter(help="another seed is another city and another day")] = 1,
    folder: Annotated[
        Path | None, Parameter(help="keeps the city's files, the service's log and its database; else they go at the end")
    ] = None,
) -> int:
    """Plays a simulated city through a running centre; status 1 if anything was lost. Draws only on a terminal."""
    from rich.console import Console

    from ops.demo import demo_city, run_demo
    from ops.demo_service import demo_service
    from ops.demo_view import view_for

    console = Console()
    city = demo_city(seed)
    with own_folder(folder) as kept, demo_service(city, kept) as service:
        verdict = run_demo(service.centre, service.dsn, city, seconds, view_for(console), seed=seed)
    print(verdict.line)
    return 1 if verdict.lost else 0
