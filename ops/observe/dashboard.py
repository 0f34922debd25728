"""The Grafana dashboard, built from a table of panels (`ops.observe.panels`) as the JSON that Grafana 10 and 11 import.

Place in the flow: beside it; `jedel dashboard` prints it. Rules: pure; nothing but Grafana's own panel types; a panel's query
names the centre by the variable `job` and the span of a rate by Grafana's `$__rate_interval`, and nothing else is filled in.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Final

import msgspec

Json = dict[str, object]

WIDTH: Final = 24
"""Columns of Grafana's grid."""
HEIGHT: Final = 8
STAT_HEIGHT: Final = 4
SCHEMA: Final = 39
"""Grafana 10.4's schema of dashboards; later ones migrate it when they load it."""
DATASOURCE: Final[Json] = {"type": "prometheus", "uid": "${datasource}"}
GOOD, DOUBTFUL, BAD = "green", "orange", "red"
"""Names in Grafana's palette, which each theme draws in its own way."""


class Unit(Enum):
    """Grafana's names of units."""

    NUMBER = "short"
    PER_SECOND = "cps"
    SECONDS = "s"
    BYTES = "bytes"
    BYTES_PER_SECOND = "Bps"
    SHARE = "percentunit"


class Query(msgspec.Struct, frozen=True):
    """One query of a panel."""

    expr: str
    """PromQL."""
    legend: str
    """A series' name, with `{{label}}` for a label's value."""


class Panel(msgspec.Struct, frozen=True):
    """One panel: what it asks, and how the answer reads."""

    title: str
    unit: Unit
    explanation: str
    """What it shows and when to worry, as Grafana's tooltip says it."""
    queries: tuple[Query, ...]
    limits: tuple[tuple[float, str], ...] = ()
    """From which value on which colour; drawn as lines in a graph."""
    first: str = GOOD
    """The colour below the first limit."""
    stat: bool = False
    """A number instead of a graph."""
    width: int = 8
    stacked: bool = False
    most: float | None = None
    """Upper end of the axis where it is known."""
    from_zero: bool = True
    """Whether nothing below zero can be."""


class Row(msgspec.Struct, frozen=True):
    """A question, and the panels that answer it."""

    question: str
    panels: tuple[Panel, ...]


def dashboard(rows: Iterable[Row]) -> Json:
    """The dashboard as Grafana imports it."""
    panels: list[Json] = []
    top = 0
    for row in rows:
        panels.append(_row(len(panels) + 1, row.question, top))
        top += 1
        left = height = 0
        for panel in row.panels:
            if left + panel.width > WIDTH:
                top, left, height = top + height, 0, 0
            own_height = STAT_HEIGHT if panel.stat else HEIGHT
            panels.append(_panel(len(panels) + 1, panel, (left, top, own_height)))
            left, height = left + panel.width, max(height, own_height)
        top += height
    return {
        "uid": "jedel",
        "title": "jedel: a centre",
        "description": "Whether calls are served, how quickly crews go, and what holds them up. Made by `jedel dashboard`.",
        "tags": ["jedel"],
        "schemaVersion": SCHEMA,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "10s",
        "timezone": "browser",
        "time": {"from": "now-1h", "to": "now"},
        "annotations": {"list": [_lives()]},
        "links": [],
        "templating": {"list": [_datasource_variable(), _job_variable()]},
        "panels": panels,
    }


def queries_of(rows: Iterable[Row]) -> Iterable[tuple[str, str]]:
    """(panel's title, PromQL) of every query."""
    return ((panel.title, query.expr) for row in rows for panel in row.panels for query in panel.queries)


def _row(number: int, title: str, top: int) -> Json:
    place = {"h": 1, "w": WIDTH, "x": 0, "y": top}
    return {"id": number, "type": "row", "title": title, "collapsed": False, "gridPos": place, "panels": []}


def _panel(number: int, panel: Panel, place: tuple[int, int, int]) -> Json:
    left, top, height = place
    return {
        "id": number,
        "type": "stat" if panel.stat else "timeseries",
        "title": panel.title,
        "description": panel.explanation,
        "datasource": DATASOURCE,
        "gridPos": {"h": height, "w": panel.width, "x": left, "y": top},
        "targets": [_target(letter, query, panel.stat) for letter, query in zip("ABCDEFGH", panel.queries, strict=False)],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": []},
        "options": _stat_options() if panel.stat else _graph_options(),
    }


def _target(letter: str, query: Query, instant: bool) -> Json:
    return {
        "refId": letter,
        "datasource": DATASOURCE,
        "editorMode": "code",
        "expr": query.expr,
        "legendFormat": query.legend,
        "instant": instant,
        "range": not instant,
    }


def _defaults(panel: Panel) -> Json:
    steps: Sequence[Json] = [
        {"color": panel.first, "value": None},
        *({"color": colour, "value": value} for value, colour in panel.limits),
    ]
    defaults: Json = {
        "unit": panel.unit.value,
        "color": {"mode": "thresholds" if panel.stat else "palette-classic"},
        "thresholds": {"mode": "absolute", "steps": steps},
    }
    if panel.from_zero:
        defaults["min"] = 0
    if panel.most is not None:
        defaults["max"] = panel.most
    if not panel.stat:
        defaults["custom"] = {
            "drawStyle": "line",
            "lineWidth": 1,
            "fillOpacity": 25 if panel.stacked else 5,
            "showPoints": "never",
            "spanNulls": False,
            "stacking": {"mode": "normal" if panel.stacked else "none", "group": "A"},
            "thresholdsStyle": {"mode": "line" if panel.limits else "off"},
        }
    return defaults


def _stat_options() -> Json:
    return {
        "colorMode": "value",
        "graphMode": "none",
        "justifyMode": "auto",
        "orientation": "auto",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "textMode": "auto",
    }


def _graph_options() -> Json:
    return {
        "legend": {"calcs": ["lastNotNull", "max"], "displayMode": "table", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }


def _datasource_variable() -> Json:
    return {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus", "refresh": 1}


def _job_variable() -> Json:
    query = "label_values(jedel_build_info, job)"
    return {
        "name": "job",
        "label": "Centre",
        "type": "query",
        "datasource": DATASOURCE,
        "definition": query,
        "query": {"query": query, "refId": "job"},
        "refresh": 2,
        "sort": 1,
        "multi": False,
        "includeAll": False,
    }


def _lives() -> Json:
    """A mark wherever another process has become the active one."""
    return {
        "name": "Another process became active",
        "datasource": DATASOURCE,
        "enable": True,
        "iconColor": BAD,
        "expr": 'changes(max by (job) (jedel_epoch{job="$job"})[1m:]) > 0',
        "step": "30s",
        "titleFormat": "active anew",
    }
