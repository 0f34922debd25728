"""The page of results: `loadtest/results.json` for programs, and `loadtest/RESULTS.md` made of it for people.

Place in the flow: after the benchmarks. Rules: a row names the day and the commit that it was measured on; a benchmark that is
run again replaces all its rows, and no other's, so rows of one benchmark were always measured together; the page follows from
the JSON alone; a quick run says little and never comes here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from loadtest.bench.contents import CONTENTS, Part
from loadtest.bench.machine import Run
from loadtest.bench.record import Record, number

FOLDER: Final = Path(__file__).resolve().parents[1]
JSON_NAME: Final = "results.json"
PAGE_NAME: Final = "RESULTS.md"
HEADLINE: Final = (
    "ingest_sensor",
    "ingest_call",
    "ingest_call_nats",
    "ingest_call_redis",
    "call_to_client_latency_p99",
    "call_to_client_half_load_p99",
    "fanout_1000",
    "assign_100000",
    "assign_100000_redis",
    "growth_open_1000000",
    "growth_bytes_1000000",
    "recovery_1000000",
    "history_log_p99",
    "history_context_p99",
    "soak_memory_growth",
)
"""What the README shows."""
_HEAD: Final = """\
# Results

Written by `make bench` and `make soak`, from [results.json](results.json), which has the same for programs. A value is the
median of its rounds, the spread their least and greatest; a baseline was measured in the same run, in turn with what is
compared with it. The ratio is value by baseline: of rates, more is better; of times and sizes, less.
"""
_COLUMNS: Final = ("name", "value", "unit", "spread", "baseline", "its value", "its spread", "ratio", "measured", "remark")
_ALIGNED: Final = ("---", "---:", "---", "---:", "---", "---:", "---:", "---:", "---", "---")


class Results(msgspec.Struct, frozen=True):
    """Everything on the page."""

    runs: list[Run]
    rows: list[Record]


def stamped(records: Sequence[Record], benchmark: str, run: Run) -> list[Record]:
    """Records of a benchmark with where they come from."""
    return [
        msgspec.structs.replace(one, benchmark=benchmark, measured_on=run.measured_on, commit=run.commit) for one in records
    ]


def read(folder: Path = FOLDER) -> Results:
    """What stands in a folder, nothing where nothing does. Raises `ValueError` for a file that is no results."""
    file = folder / JSON_NAME
    if not file.exists():
        return Results([], [])
    try:
        return msgspec.json.decode(file.read_bytes(), type=Results)
    except msgspec.DecodeError as error:
        # Measured figures are not thrown away because a program does not know them.
        raise ValueError(f"{file}: {error}; mend it or move it away") from error


def merged(old: Results, run: Run, rows: Sequence[Record]) -> Results:
    """What stands there after a run: its rows in place of those of its benchmarks, in the order of the page."""
    anew = {one.benchmark for one in rows}
    order = list(CONTENTS)
    kept = [*(one for one in old.rows if one.benchmark not in anew), *rows]
    kept.sort(key=lambda one: order.index(one.benchmark) if one.benchmark in CONTENTS else len(order))
    named = {(one.measured_on, one.commit) for one in kept}
    runs = {(one.measured_on, one.commit): one for one in (*old.runs, run)}
    return Results([one for key, one in sorted(runs.items()) if key in named], kept)


def write(run: Run, rows: Sequence[Record], folder: Path = FOLDER) -> None:
    """Adds a run's rows (`stamped`) to the results of a folder and writes its page anew. Raises `OSError`, `ValueError`."""
    results = merged(read(folder), run, rows)
    (folder / JSON_NAME).write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=2) + b"\n")
    (folder / PAGE_NAME).write_text(page(results), encoding="utf-8")


def page(results: Results) -> str:
    """The page."""
    parts = [_HEAD, *_machines(results.runs)]
    for name in dict.fromkeys(one.benchmark for one in results.rows):
        told = CONTENTS.get(name, Part(name, "", ""))
        parts.append(f"## {told.title}\n\n{told.measured} Baseline: {told.baseline}\n")
        parts.append(markdown_table(_COLUMNS, _ALIGNED, [_cells(one) for one in results.rows if one.benchmark == name]))
    return "\n".join(parts)


def headline(results: Results) -> str:
    """The README's table: of `HEADLINE` those rows that have been measured."""
    by_name = {one.name: one for one in results.rows}
    rows = [
        (one.name, f"{number(one.value)} {one.unit}", one.baseline, number(one.baseline_value), _ratio(one))
        for one in map(by_name.get, HEADLINE)
        if one is not None
    ]
    return markdown_table(("name", "value", "baseline", "its value", "ratio"), ("---", "---:", "---", "---:", "---:"), rows)


def _machines(runs: Sequence[Run]) -> Iterator[str]:
    rows = [
        (
            _name_of(run.measured_on, run.commit),
            f"{run.machine.cores} × {run.machine.cpu}",
            f"{number(run.machine.memory_gb)} GB",
            run.machine.kernel,
            f"{number(run.machine.fsync_p50_ms)} / {number(run.machine.fsync_p99_ms)} ms",
        )
        for run in runs
    ]
    yield "## Where it was measured\n"
    yield markdown_table(("run", "processor", "memory", "kernel", "fdatasync of 8 KiB, p50 / p99"), ("---",) * 5, rows)
    by_versions: dict[str, list[str]] = {}
    for run in runs:
        said = ", ".join(f"{name} {value}" for name, value in run.versions.items())
        by_versions.setdefault(said, []).append(_name_of(run.measured_on, run.commit))
    yield "".join(f"{'; '.join(names)}: {said}.\n\n" for said, names in by_versions.items()).removesuffix("\n")


def _cells(one: Record) -> tuple[str, ...]:
    return (
        one.name,
        number(one.value),
        one.unit,
        _spread(one.spread),
        one.baseline,
        number(one.baseline_value),
        _spread(one.baseline_spread),
        _ratio(one),
        _name_of(one.measured_on, one.commit),
        one.remark,
    )


def _ratio(one: Record) -> str:
    """Value by baseline, of what stands beside it."""
    return f"{one.value / one.baseline_value:.3g}" if one.baseline_value else ""


def _spread(spread: tuple[float, ...]) -> str:
    return " to ".join(number(value) for value in spread)


def _name_of(measured_on: str, commit: str) -> str:
    return f"{measured_on} {commit}".strip()


def markdown_table(columns: Sequence[str], aligned: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table. A `|` within a cell would begin another one."""
    lines = [columns, aligned, *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    # For whoever brings the README up to date.
    print(headline(read()), end="")
