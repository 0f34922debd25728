"""`jedel compare-policies`: the assignment policies on the same calls, beside what could be reached in hindsight (OCC-4)."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.types import NonNegativeInt, PositiveInt

from ops.commands.progress import bar


def compare_policies(
    *,
    cad: Annotated[
        Path | None, Parameter(help="CAD records in San Francisco's format; without them the simulated city alone")
    ] = None,
    quick: Annotated[bool, Parameter(help="one period a setting: seconds, and no figures to quote")] = False,
    seeds: Annotated[PositiveInt, Parameter(help="periods of the simulated city")] = 12,
    seed: Annotated[NonNegativeInt, Parameter(help="the first of them; the weights were chosen on 0 to 4")] = 100,
    workers: Annotated[PositiveInt, Parameter(help="processes at once")] = 2,
    json: Annotated[Path | None, Parameter(help="a file for all figures")] = None,
    svg: Annotated[Path | None, Parameter(help="a file for the drawing")] = None,
) -> int:
    """Compares assignment policies at 0.5, 1, 2 and 4 times the load: response times, late arrivals, and the gap to hindsight.

    The same calls and the same crews for every policy; intervals are 95 %, drawn over periods. The hindsight knows all calls
    beforehand; a dash stands where it would be too large a program to solve.
    """
    from loadtest.policy_trial.chart import draw
    from ops.cad import read_cad
    from ops.policy_comparison import as_lines, compare, write_json

    records = None
    if cad is not None:
        records = read_cad(cad)
        for fault in records.faults:
            print(f"{cad}: {fault}", file=sys.stderr)
        if not records.calls:
            print(f"jedel: {cad} holds no calls", file=sys.stderr)
            return 1
    with bar("comparing") as tell:
        report = compare(records, quick=quick, seeds=seeds, seed=seed, workers=workers, tell=tell)
    print("\n".join(as_lines(report)))
    if json is not None:
        write_json(report, json)
    if svg is not None:
        svg.write_text(draw(report.rows), encoding="utf-8")
    return 0
