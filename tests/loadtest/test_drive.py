"""The drive, through real sockets, a real engine and the city's own map: what it reports is what happened, faults included."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
import pytest

from core.events import AnyEvent, Call
from core.instant import to_datetime
from core.vocabulary import IncidentState
from loadtest.board import Board, Offered
from loadtest.city import City
from loadtest.crews import Habits
from loadtest.drive import Outcome, drive
from loadtest.happening import Rates
from loadtest.ledger import Ledger
from loadtest.script import CityScript
from protocols.dispatch.client import DispatchError
from protocols.ingest.client_session import IngestRefusedError
from tests.loadtest.memory_centre import MemoryCentre

pytestmark = pytest.mark.end_to_end

CITY = City(3, districts=3, streets=16, crews=40, cameras=60, subscribers=500)
RATES = Rates(happenings=8.0, panels=1.0, plates=100.0, readings=50.0, analytics=0.5)
QUICK = Habits(accept_s=2.0, turnout_s=5.0, work_s=30.0, position_interval_s=1.0)


def make_script(start_us: int, next_seq: Mapping[str, int]) -> CityScript:
    return CityScript(CITY, RATES, 1, start_us, next_seq, pace=200.0, habits=QUICK)


def played(
    folder: Path, arrange: Callable[[MemoryCentre], None] = lambda centre: None, drain_s: float = 10.0
) -> tuple[MemoryCentre, Outcome]:
    async def run() -> tuple[MemoryCentre, Outcome]:
        async with MemoryCentre(CITY, folder) as centre:
            arrange(centre)
            return centre, await drive(centre.address, CityScript.SOURCES, make_script, 3.0, drain_s=drain_s)

    return asyncio.run(run())


def test_nothing_is_lost_when_the_centre_is_sound(tmp_path: Path) -> None:
    centre, outcome = played(tmp_path)
    result = outcome.result
    assert result.lost == 0, outcome.unseen
    assert result.sent == result.acked == centre.events > 400
    assert result.watched == result.seen > 20
    assert result.ack_p50_us > 0
    board = outcome.board
    assert board.incidents == len(centre.engine.state.incidents) + board.finished.total()
    assert board.assigned > 20
    assert board.disordered == 0
    # The crews' whole day: sent, arrived, cleared, and the incident closed by the console.
    assert board.finished[IncidentState.CLOSED] > 0
    assert outcome.answers["done"] >= board.finished[IncidentState.CLOSED]
    assert all(offered.assignment.explanation.reason for offered in board.latest)


def test_events_are_unacknowledged_when_the_centre_is_mute(tmp_path: Path) -> None:
    def arrange(centre: MemoryCentre) -> None:
        centre.deaf = True

    _, outcome = played(tmp_path, arrange, drain_s=0.2)
    assert outcome.result.acked == 0
    assert outcome.result.lost == outcome.result.sent > 400
    assert outcome.result.unseen == 0


def test_calls_are_unseen_when_the_centre_does_not_publish_them(tmp_path: Path) -> None:
    def arrange(centre: MemoryCentre) -> None:
        centre.forget_every = 5

    _, outcome = played(tmp_path, arrange, drain_s=0.2)
    assert outcome.result.unacknowledged == 0
    assert outcome.result.lost == outcome.result.unseen > 0
    assert outcome.unseen[0].partition("/")[0] in ("telephone", "alarms")


class OneCall:
    """A script of one call, whose caller nobody knows and who does not say where it is."""

    def __init__(self, start_us: int, next_seq: Mapping[str, int]) -> None:
        self._events: list[AnyEvent] = [Call(seq=next_seq["telephone"], at=to_datetime(start_us), words="пожар")]

    def events_until(self, until_us: int) -> dict[str, list[AnyEvent]]:
        events, self._events = self._events, []
        return {"telephone": events} if events else {}

    def offer(self, offered: Offered, now_us: int) -> None:
        raise AssertionError("nobody can be sent")

    def withdraw(self, crew: str, incident: int, now_us: int) -> None:
        raise AssertionError("nobody was sent")


def test_incident_without_a_place_is_closed_when_its_caller_was_not_reached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loadtest.drive.UNPLACED_S", 0.0)

    async def run() -> Outcome:
        async with MemoryCentre(CITY, tmp_path) as centre:
            return await drive(centre.address, ("telephone",), OneCall, 1.0)

    outcome = asyncio.run(run())
    assert outcome.board.open == {}
    assert outcome.board.finished == {IncidentState.CLOSED: 1}
    assert outcome.answers == {"done": 1}


def test_observer_is_told_while_the_run_lasts(tmp_path: Path) -> None:
    seen: list[tuple[int, float]] = []

    def observe(ledger: Ledger, board: Board, elapsed_s: float) -> None:
        seen.append((ledger.sent, elapsed_s))

    async def run() -> None:
        async with MemoryCentre(CITY, tmp_path) as centre:
            await drive(centre.address, CityScript.SOURCES, make_script, 1.0, observe=observe)

    asyncio.run(run())
    assert len(seen) >= 3
    assert seen == sorted(seen)


@pytest.mark.parametrize(
    ("change", "error"), [({"source_token": "wrong"}, IngestRefusedError), ({"client_token": "wrong"}, DispatchError)]
)
def test_run_ends_when_the_centre_refuses_a_token(tmp_path: Path, change: dict[str, str], error: type[Exception]) -> None:
    async def run() -> None:
        async with MemoryCentre(CITY, tmp_path) as centre:
            await drive(msgspec.structs.replace(centre.address, **change), CityScript.SOURCES, make_script, 1.0)

    with pytest.raises(error):
        asyncio.run(run())
