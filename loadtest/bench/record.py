"""One line of the benchmark's report, and the report's three forms: a table, JSON for programs, Markdown for the README."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Final

import msgspec
from rich.table import Table

ROUNDS: Final = 3
"""Rounds that a figure is at least the median of."""
_HEADINGS: Final = ("name", "value", "unit", "baseline", "its value", "ratio", "spread", "remark")


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was measured and what it was compared with. `ratio` is value by baseline."""

    name: str
    value: float
    unit: str
    baseline: str
    baseline_value: float
    ratio: float
    spread: tuple[float, ...] = ()
    """The least and the greatest of the rounds."""
    remark: str = ""
    baseline_spread: tuple[float, ...] = ()
    benchmark: str = ""
    """Which one it comes from."""
    measured_on: str = ""
    """Day and `commit` of the run that it comes from (`loadtest.bench.machine.Run`)."""
    commit: str = ""


def record(
    name: str,
    rounds: Sequence[float],
    unit: str,
    baseline: str,
    baseline_rounds: Sequence[float],
    remark: str = "",
) -> Record:
    """A record of medians. Raises `ValueError` without a round of either."""
    if not rounds or not baseline_rounds:
        raise ValueError(f"{name}: nothing was measured")
    value, baseline_value = median(rounds), median(baseline_rounds)
    return Record(
        name=name,
        value=rounded(value),
        unit=unit,
        baseline=baseline,
        baseline_value=rounded(baseline_value),
        ratio=rounded(value / baseline_value) if baseline_value else 0.0,
        spread=_spread(rounds),
        remark=remark,
        baseline_spread=_spread(baseline_rounds),
    )


def _spread(rounds: Sequence[float]) -> tuple[float, ...]:
    return (rounded(min(rounds)), rounded(max(rounds))) if len(rounds) > 1 else ()


def rounded(value: float) -> float:
    """Four significant digits: a benchmark knows no more."""
    return float(f"{value:.4g}")


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of all do not exceed. Raises `ValueError` for none."""
    if not values:
        raise ValueError("no values")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -int(-share * len(ordered) // 1) - 1))]


def table(records: Sequence[Record]) -> Table:
    """The report for a terminal."""
    drawn = Table(title="jedel bench")
    for heading in _HEADINGS:
        drawn.add_column(heading, justify="right" if heading in ("value", "its value", "ratio", "spread") else "left")
    for one in records:
        drawn.add_row(*_cells(one))
    return drawn


def markdown(records: Sequence[Record]) -> str:
    """The report as a Markdown table."""
    rows = [_HEADINGS, tuple("---" for _ in _HEADINGS), *(_cells(one) for one in records)]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def save(records: Sequence[Record], folder: Path) -> None:
    """Writes `bench.json` and `bench.md`; records of other names that an earlier run left there stay. Raises `OSError`."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "bench.json"
    kept: list[Record] = []
    if file.exists():
        try:
            kept = msgspec.json.decode(file.read_bytes(), type=list[Record])
        except msgspec.DecodeError:
            # Another version's: nothing in it can be compared with ours.
            kept = []
    merged = {one.name: one for one in (*kept, *records)}
    file.write_bytes(msgspec.json.format(msgspec.json.encode(list(merged.values())), indent=2) + b"\n")
    (folder / "bench.md").write_text(markdown(list(merged.values())), encoding="utf-8")


def _cells(one: Record) -> tuple[str, ...]:
    spread = " - ".join(number(value) for value in one.spread)
    return (
        one.name,
        number(one.value),
        one.unit,
        one.baseline,
        number(one.baseline_value),
        f"{one.ratio:.3g}",
        spread,
        one.remark,
    )


def number(value: float) -> str:
    """A figure for a person: whole from a thousand on, four digits below."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
