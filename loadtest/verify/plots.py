"""The pictures of a run's report, as SVG: how much was due and acknowledged, how long it took, and what waited.

Place in the flow: after it; pure. One figure is one text; nothing is shared between two, and no font is needed to read them.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from itertools import accumulate
from typing import Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from loadtest.ledger import Latencies
from loadtest.locust_users.account import SEEN, Cell

PEOPLE: Final = ("call", "call_update", "alarm", "video", "crew_status")
DEVICES: Final = ("plate", "sensor", "position")
_COLOURS: Final = ("#1f6feb", "#d1481f", "#2a8f5b", "#8250df", "#9a6700")
FONTS: Final = "path"
"""No font is needed to read what is drawn as paths."""

Cells = Mapping[str, Mapping[int, Cell]]


def rates(series: Cells, cell_s: float, due_s: float) -> str:
    """Events due and acknowledged a second, while new ones are due: people's above, devices' below."""
    whole = max(1, int(due_s / cell_s))
    figure, (above, below) = _figure(2)
    for axes, title, kinds in (
        (above, "People: calls, updates, alarms, analytics, crew states", PEOPLE),
        (below, "Devices: plate reads, readings, positions", DEVICES),
    ):
        due, acked = (values[:whole] for values in _summed(series, kinds))
        seconds = _seconds(len(due), cell_s)
        for values, colour, label in ((due, _COLOURS[0], "due"), (acked, _COLOURS[1], "acknowledged")):
            axes.stairs([value / cell_s for value in values], seconds, baseline=None, color=colour, linewidth=1.5, label=label)
        axes.set_ylim(bottom=0)
        _dress(axes, title, "events/s")
    return _svg(figure)


def latencies(series: Cells, cell_s: float) -> str:
    """Medians and 99th percentiles over the run, by when an event was due."""
    figure, (above, below) = _figure(2)
    named = (("calls and alarms acknowledged", ("call", "alarm")), ("devices acknowledged", DEVICES), (SEEN, (SEEN,)))
    for axes, share in ((above, 0.5), (below, 0.99)):
        for colour, (name, kinds) in zip(_COLOURS, named, strict=False):
            points = _quantiles(series, kinds, share)
            axes.plot([at * cell_s for at, _ in points], [ms for _, ms in points], color=colour, marker=".", label=name)
        axes.set_yscale("log")
        # Plain numbers, thrice a decade.
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter(NullFormatter())
        _dress(axes, "Median" if share == 0.5 else "99th percentile", "ms")
    return _svg(figure)


def queue(series: Cells, cell_s: float) -> str:
    """Events that were due and not acknowledged yet, at the end of each stretch."""
    figure, (axes,) = _figure(1)
    for colour, (name, kinds) in zip(_COLOURS, (("people", PEOPLE), ("devices", DEVICES)), strict=False):
        due, acked = _summed(series, kinds)
        waiting = [a - b for a, b in zip(accumulate(due), accumulate(acked), strict=True)]
        axes.stairs(waiting, _seconds(len(waiting), cell_s), baseline=None, color=colour, linewidth=1.5, label=name)
    _dress(axes, "Due and not acknowledged", "events")
    return _svg(figure)


def quantile_ms(cells: Iterable[Cell], share: float) -> float:
    """The latency that this share (0 to 1) of all does not exceed, in milliseconds."""
    total = Latencies()
    for cell in cells:
        total.merge(cell.latency)
    return total.quantile_us(share) / 1000


def _summed(series: Cells, kinds: Iterable[str]) -> tuple[list[int], list[int]]:
    chosen = [series[kind] for kind in kinds if kind in series]
    length = 1 + max((number for cells in chosen for number in cells), default=0)
    due, acked = [0] * length, [0] * length
    for cells in chosen:
        for number, cell in cells.items():
            due[number] += cell.due
            acked[number] += cell.acked
    return due, acked


def _quantiles(series: Cells, kinds: Iterable[str], share: float) -> list[tuple[int, float]]:
    chosen = [series[kind] for kind in kinds if kind in series]
    numbers = sorted({number for cells in chosen for number, cell in cells.items() if cell.latency})
    return [(number, quantile_ms((cells[number] for cells in chosen if number in cells), share)) for number in numbers]


def _seconds(length: int, cell_s: float) -> list[float]:
    """The edges of so many stretches, one more than there are of them."""
    return [number * cell_s for number in range(length + 1)]


def _figure(rows: int) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(9.0, 2.6 * rows), layout="constrained")
    return figure, [figure.add_subplot(rows, 1, row + 1) for row in range(rows)]


def _dress(axes: Axes, title: str, unit: str) -> None:
    axes.set_title(title, fontsize=10, loc="left")
    axes.set_ylabel(unit)
    axes.set_xlabel("seconds of the run", fontsize=8)
    axes.grid(visible=True, alpha=0.3)
    axes.set_xlim(left=0)
    if axes.get_legend_handles_labels()[1]:
        # Beside the picture, where it covers no curve.
        axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)


def _svg(figure: Figure) -> str:
    out = io.StringIO()
    # The same data give the same text; no date, and ids from the content.
    with mpl.rc_context({"svg.hashsalt": "jedel", "svg.fonttype": FONTS}):
        FigureCanvasSVG(figure).print_svg(out, metadata={"Date": None})
    text = out.getvalue()
    return text[text.index("<svg") :]
