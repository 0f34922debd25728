"""The demo's terminal view: rates, latencies, incidents and crews by state, the latest assignments with their reasons,
notices.

Place in the flow: after it, on a person's screen; `ops.demo` feeds it some times a second. Rules: `frame` takes the numbers,
`render` draws them, and only `LiveView` touches a terminal; where there is none, `QuietView` draws nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Protocol, Self

import msgspec
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from core.decisions import Notice
from core.vocabulary import CrewState, IncidentState
from loadtest.board import Board, ExplanationView, Offered
from loadtest.ledger import Ledger, Result

STATE_STYLES: Mapping[IncidentState, str] = {
    IncidentState.OPENED: "yellow",
    IncidentState.QUEUED: "bold red",
    IncidentState.ASSIGNED: "magenta",
    IncidentState.EN_ROUTE: "cyan",
    IncidentState.ON_SCENE: "blue",
    IncidentState.CLEARED: "green",
}
SHOWN = 8
"""Assignments and notices on the screen."""


class Frame(msgspec.Struct, frozen=True):
    """All numbers of one moment."""

    elapsed_s: float
    seconds: float
    result: Result
    sent_per_s: float
    acked_per_s: float
    published_per_s: float
    published: int
    incidents: int
    assigned: int
    incident_states: dict[IncidentState, int]
    crew_states: dict[CrewState, int]
    latest: tuple[Offered, ...]
    """Newest first."""
    notices: tuple[Notice, ...]
    """Newest first."""


class View(Protocol):
    """Where frames go."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

    def show(self, frame: Frame) -> None:
        """Shows one frame in place of the one before."""


class QuietView:
    """Draws nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        pass

    def show(self, frame: Frame) -> None:
        """Draws nothing."""


class LiveView:
    """Draws on a terminal, in place; the last frame stays on the screen."""

    def __init__(self, console: Console) -> None:
        self._live = Live(console=console, auto_refresh=False, vertical_overflow="crop")

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._live.__exit__(kind, error, traceback)

    def show(self, frame: Frame) -> None:
        """Draws the frame over the one before."""
        self._live.update(render(frame), refresh=True)


def view_for(console: Console) -> View:
    """The view that suits where the output goes."""
    return LiveView(console) if console.is_terminal else QuietView()


def frame(ledger: Ledger, board: Board, elapsed_s: float, seconds: float, before: Frame | None) -> Frame:
    """The numbers of this moment; rates are over the time since `before`, or since the start."""
    result = ledger.result()
    since_s = max(elapsed_s - (before.elapsed_s if before else 0.0), 1e-3)
    return Frame(
        elapsed_s=elapsed_s,
        seconds=seconds,
        result=result,
        sent_per_s=(result.sent - (before.result.sent if before else 0)) / since_s,
        acked_per_s=(result.acked - (before.result.acked if before else 0)) / since_s,
        published_per_s=(board.published - (before.published if before else 0)) / since_s,
        published=board.published,
        incidents=board.incidents,
        assigned=board.assigned,
        incident_states=dict(board.by_state()),
        crew_states=dict(board.crews_by_state()),
        latest=tuple(reversed(board.latest))[:SHOWN],
        notices=tuple(reversed(board.notices))[:SHOWN],
    )


def render(frame: Frame) -> RenderableType:
    """A frame as rich draws it."""
    top = Table.grid(expand=True, padding=(0, 1))
    for _ in range(4):
        top.add_column(ratio=1)
    top.add_row(_rates(frame), _latencies(frame), _incidents(frame), _crews(frame))
    title = f"jedel demo · {frame.elapsed_s:.0f} of {frame.seconds:.0f} s"
    return Group(Panel(top, title=title, border_style="dim"), _assignments(frame), _notices(frame))


def _numbers(title: str, rows: list[tuple[str, str, str]]) -> Table:
    table = Table.grid(padding=(0, 1))
    table.add_column()
    table.add_column(justify="right")
    table.add_row(Text(title, style="bold"), "")
    for name, value, style in rows:
        table.add_row(Text(name, style=style), Text(value, style=style))
    return table


def _rates(frame: Frame) -> Table:
    result = frame.result
    missing = result.sent - result.acked
    return _numbers(
        "events",
        [
            ("sent", f"{result.sent:,}", ""),
            ("  a second", f"{frame.sent_per_s:,.0f}", "dim"),
            ("acknowledged", f"{result.acked:,}", ""),
            ("  a second", f"{frame.acked_per_s:,.0f}", "dim"),
            ("under way", f"{missing:,}", "" if missing < 10_000 else "yellow"),
            ("refused", f"{result.rejected:,}", "yellow" if result.rejected else "dim"),
        ],
    )


def _latencies(frame: Frame) -> Table:
    result = frame.result
    return _numbers(
        "latency, ms",
        [
            ("to ack   p50", f"{result.ack_p50_us / 1000:.1f}", ""),
            ("         p99", f"{result.ack_p99_us / 1000:.1f}", ""),
            ("to client p50", f"{result.seen_p50_us / 1000:.1f}", ""),
            ("          p99", f"{result.seen_p99_us / 1000:.1f}", ""),
            ("updates", f"{frame.published:,}", ""),
            ("  a second", f"{frame.published_per_s:,.0f}", "dim"),
        ],
    )


def _incidents(frame: Frame) -> Table:
    rows = [
        (state.value, f"{frame.incident_states[state]:,}", STATE_STYLES.get(state, "dim"))
        for state in IncidentState
        if frame.incident_states.get(state)
    ]
    return _numbers(f"incidents {frame.incidents:,}", rows)


def _crews(frame: Frame) -> Table:
    rows = [(state.value, f"{frame.crew_states[state]:,}", "") for state in CrewState if frame.crew_states.get(state)]
    return _numbers(f"crews {sum(frame.crew_states.values()):,}", rows)


def _assignments(frame: Frame) -> RenderableType:
    table = Table(title="latest assignments", title_justify="left", expand=True, box=None, padding=(0, 1))
    table.add_column("incident", justify="right")
    table.add_column("what")
    table.add_column("crew")
    table.add_column("distance", justify="right")
    table.add_column("why", ratio=1)
    for offered in frame.latest:
        explanation = offered.assignment.explanation
        passed_over = ", ".join(f"{one.crew} {one.distance_m:,.0f} m {one.reason}" for one in explanation.passed_over[:3])
        why = explanation.reason + (f"; nearer: {passed_over}" if passed_over else "")
        table.add_row(
            str(offered.incident.incident_id),
            f"{offered.incident.category} · {offered.incident.priority}",
            offered.assignment.crew,
            _way(explanation),
            Text(why, no_wrap=True, overflow="ellipsis"),
        )
    return table


def _way(explanation: ExplanationView) -> str:
    by_road = "" if explanation.travel_s is None else f", {explanation.travel_s / 60:.1f} min"
    return f"{explanation.distance_m:,.0f} m{by_road}"


def _notices(frame: Frame) -> RenderableType:
    if not frame.notices:
        return Text("no term has passed", style="dim")
    lines = [
        Text(f"#{notice.incident_id} {notice.term}: {notice.text}", style="yellow", no_wrap=True, overflow="ellipsis")
        for notice in frame.notices
    ]
    return Group(Text("notices to the shift lead", style="bold"), *lines)
