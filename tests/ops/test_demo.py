"""The demo: its verdict's arithmetic, and once the whole thing with a real service and a real database."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from core.vocabulary import IncidentState
from loadtest.board import Board
from loadtest.city import City
from loadtest.drive import Outcome
from loadtest.ledger import Ledger
from ops.demo import Verdict, run_demo
from ops.demo_service import demo_service
from ops.demo_view import LiveView
from ops.own_service import OwnServiceError, own_service


def verdict(stored: dict[str, int], acked_seq: int = 100) -> Verdict:
    ledger = Ledger()
    ledger.send("telephone", 1, 10, (1,), 0)
    ledger.acknowledge("telephone", 10, 5)
    ledger.publish(["telephone/1"], 9)
    ledger.send("crews", 1, 100, (), 0)
    ledger.acknowledge("crews", acked_seq, 5)
    acked = {"telephone": 10, "crews": acked_seq}
    outcome = Outcome(ledger.result(), acked, Board(), {}, {"crews": 60}, {}, (), 0.0)
    return Verdict(outcome=outcome, stored=stored)


@pytest.mark.parametrize(
    ("found", "lost"),
    [
        (verdict({"telephone": 10, "crews": 40}), 0),
        # Rows of somebody else's are no substitute for a source's own.
        (verdict({"telephone": 9, "crews": 41}), 1),
        (verdict({"telephone": 10}), 40),
        (verdict({"telephone": 10, "crews": 38}, acked_seq=98), 2),
    ],
)
def test_lost_is_what_is_neither_acknowledged_nor_stored(found: Verdict, lost: int) -> None:
    assert found.lost == lost


def test_line_is_the_one_promised() -> None:
    assert (
        verdict({"telephone": 10, "crews": 40}).line == "demo: events=110 acked=110 incidents=0 assigned=0 published=0 lost=0"
    )


@pytest.mark.end_to_end
def test_demo_loses_nothing_against_a_real_service(tmp_path: Path) -> None:
    city = City(5, districts=2, streets=12, crews=30, cameras=20, subscribers=300, panels=20)
    drawn = io.StringIO()
    with demo_service(city, tmp_path) as service:
        found = run_demo(
            service.centre, service.dsn, city, 4.0, LiveView(Console(file=drawn, force_terminal=True, width=140)), seed=2
        )
    result, board = found.outcome.result, found.outcome.board
    assert (found.lost, result.rejected, board.disordered) == (0, 0, 0), found.line
    assert result.sent > 1_000
    assert board.incidents > 2
    assert board.assigned > 2
    assert found.line.endswith("lost=0")
    assert board.by_state()[IncidentState.ASSIGNED] + board.by_state()[IncidentState.EN_ROUTE] > 0
    assert "latest assignments" in drawn.getvalue()


@pytest.mark.end_to_end
def test_service_tells_what_is_wrong_when_it_cannot_start(tmp_path: Path) -> None:
    with pytest.raises(OwnServiceError, match="serve ended with status"), own_service(tmp_path, "[terms]\naccept_s = -1\n"):
        raise AssertionError("it must not start")


@pytest.mark.end_to_end
def test_service_tells_which_command_failed(tmp_path: Path) -> None:
    imports = [("map", "import", str(tmp_path / "absent.osm.pbf"))]
    with (
        pytest.raises(OwnServiceError, match=r"jedel map import failed: .*absent\.osm\.pbf"),
        own_service(tmp_path, "", imports),
    ):
        raise AssertionError("it must not start")
