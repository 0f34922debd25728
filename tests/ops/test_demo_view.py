"""The demo's view: what it shows is what the ledger and the board hold, and without a terminal it shows nothing."""

from __future__ import annotations

import io

from rich.console import Console

from core.decisions import Notice
from core.instant import Micros
from core.vocabulary import IncidentId
from loadtest.board import Board
from loadtest.ledger import Ledger
from ops.demo_view import LiveView, QuietView, frame, render, view_for
from tests.loadtest.test_board import A, S, view


def busy() -> tuple[Ledger, Board]:
    ledger, board = Ledger(), Board()
    ledger.send("telephone", 1, 1_500, (1,), 0)
    ledger.acknowledge("telephone", 1_200, 4_000)
    for one in (view(7, 2, S.ASSIGNED, (1, "Өрт-01", A.OFFERED)), view(8, 1, S.QUEUED), view(9, 1, S.QUEUED)):
        incident, _ = board.take_incident(one)
        ledger.publish(incident.events, 9_000)
    board.take_notices([Notice(IncidentId(8), Micros(1), "shift_lead", "crew", "kz", "no crew for 30 s")])
    return ledger, board


def drawn(width: int = 140) -> str:
    ledger, board = busy()
    console = Console(file=io.StringIO(), width=width, record=True)
    console.print(render(frame(ledger, board, 10.0, 30.0, None)))
    return console.export_text()


def test_view_shows_what_is_known() -> None:
    text = drawn()
    for part in (
        "10 of 30 s",
        "1,500",
        "1,200",
        "300",
        "queued",
        "Өрт-01",
        "best_for_all; nearer: П-2 80 m not_free",
        "no crew for 30 s",
    ):
        assert part in text
    queued = next(line for line in text.splitlines() if "queued" in line)
    assert " 2 " in queued


def test_view_fits_when_the_terminal_is_narrow() -> None:
    assert max(len(line) for line in drawn(80).splitlines()) <= 80


def test_rates_are_over_the_time_since_the_frame_before() -> None:
    ledger, board = busy()
    before = frame(ledger, board, 10.0, 30.0, None)
    assert (before.sent_per_s, before.published_per_s) == (150.0, 0.3)
    ledger.send("telephone", 1_501, 1_600, (), 0)
    after = frame(ledger, board, 10.5, 30.0, before)
    assert (after.sent_per_s, after.acked_per_s) == (200.0, 0.0)


def test_nothing_is_drawn_when_there_is_no_terminal() -> None:
    out = io.StringIO()
    ledger, board = busy()
    with view_for(Console(file=out)) as shown:
        assert isinstance(shown, QuietView)
        shown.show(frame(ledger, board, 1.0, 30.0, None))
    assert out.getvalue() == ""


def test_frames_are_drawn_in_place_when_there_is_a_terminal() -> None:
    out = io.StringIO()
    ledger, board = busy()
    with view_for(Console(file=out, force_terminal=True, width=140)) as shown:
        assert isinstance(shown, LiveView)
        shown.show(frame(ledger, board, 1.0, 30.0, None))
        shown.show(frame(ledger, board, 2.0, 30.0, None))
    assert "2 of 30 s" in out.getvalue()
    assert "\x1b[" in out.getvalue()
