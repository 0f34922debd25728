"""The dashboard as Grafana imports it: the copy that is checked in, where panels lie, and nothing but Grafana's own parts."""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from ops.cli import main
from ops.observe.dashboard import WIDTH, dashboard, queries_of
from ops.observe.panels import ROWS

COPY = Path(__file__).parents[3] / "ops" / "deploy" / "grafana" / "jedel.json"
# Through JSON, which is all that Grafana sees of it.
BUILT: dict[str, Any] = json.loads(json.dumps(dashboard(ROWS)))
PANELS: list[dict[str, Any]] = BUILT["panels"]


def test_copy_is_what_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dashboard"]) == 0
    printed = capsys.readouterr().out
    assert json.loads(printed) == BUILT
    assert COPY.read_text(encoding="utf-8") == printed, "jedel dashboard > ops/deploy/grafana/jedel.json"


def test_only_grafana_s_own_panels_are_used_and_each_explains_itself() -> None:
    assert Counter(panel["type"] for panel in PANELS).keys() == {"row", "stat", "timeseries"}
    for panel in PANELS:
        if panel["type"] != "row":
            assert panel["description"].endswith(".")
            assert panel["targets"]
            assert panel["fieldConfig"]["defaults"]["unit"]
    titles = [panel["title"] for panel in PANELS]
    assert len(set(titles)) == len(titles)


def test_every_query_is_shown_and_asks_the_chosen_centre() -> None:
    shown = [target["expr"] for panel in PANELS for target in panel.get("targets", [])]
    assert shown == [expr for _, expr in queries_of(ROWS)]
    assert [expr for expr in shown if 'job="$job"' not in expr] == []
    variables = [variable["name"] for variable in BUILT["templating"]["list"]]
    assert variables == ["datasource", "job"]
    assert {target["datasource"]["uid"] for panel in PANELS for target in panel.get("targets", [])} == {"${datasource}"}


def test_panels_lie_beside_each_other_within_the_grid() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in PANELS:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= WIDTH
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not taken & cells, panel["title"]
        taken |= cells
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)


def test_limits_rise() -> None:
    for row in ROWS:
        for panel in row.panels:
            assert all(low < high for (low, _), (high, _) in pairwise(panel.limits)), panel.title
