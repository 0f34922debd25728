"""The ledgers' arithmetic: what was sent and answered, what a client was told twice or too late, and that workers add up."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
import pytest

from core.events import AnyEvent, Call, PlateRead, Position
from core.instant import to_micros
from core.vocabulary import RejectCode
from loadtest.ledger import Latencies
from loadtest.locust_users.account import (
    SEEN,
    ClientAccount,
    ClientLedger,
    Recorder,
    SourceAccount,
    WorkerLedger,
    series_of,
)
from loadtest.locust_users.teller import Due
from protocols.dispatch.message import Changes, Snapshot

START_US = 1_000_000_000
AT = datetime(2026, 1, 1, tzinfo=UTC)
PLATE = PlateRead(seq=1, at=AT, camera="c", plate="123ABC02")
CALL = Call(seq=1, at=AT)
POSITION = Position(seq=1, at=AT, crew="P-1", latitude_deg=1.0, longitude_deg=1.0)


def source(recorder: Recorder | None = None) -> tuple[SourceAccount, list[tuple[str, float]]]:
    reported: list[tuple[str, float]] = []
    account = SourceAccount(
        "t-w0-s", recorder or Recorder(START_US, 60.0), lambda what, ms, times: reported.extend([(what, ms)] * times)
    )
    return account, reported


def due(*events: AnyEvent, at_us: int = START_US) -> list[Due]:
    return [Due(at_us, event) for event in events]


def test_an_acknowledgement_counts_from_the_instant_at_which_the_event_was_due() -> None:
    account, reported = source()
    account.send(due(PLATE), START_US + 40_000)  # 40 ms late, because something else stood in the way
    account.acknowledge(1, START_US + 50_000)
    assert reported == [("plate", 50.0)]


def test_events_are_numbered_and_dated_when_they_are_due() -> None:
    account, _ = source()
    sent = account.send([Due(START_US + 5, PLATE), Due(START_US + 9, CALL)], START_US)
    sent += account.send([Due(START_US + 12, POSITION)], START_US)
    assert [(event.seq, to_micros(event.at)) for event in sent] == [(1, START_US + 5), (2, START_US + 9), (3, START_US + 12)]


def test_events_that_are_due_together_are_acknowledged_together_and_apart() -> None:
    account, reported = source()
    account.send([Due(START_US + at_us, PLATE) for at_us in (0, 400, 900, 1_500, 2_000)], START_US)
    account.acknowledge(2, START_US + 10_000)  # in the middle of the first millisecond's
    account.acknowledge(5, START_US + 20_000)
    assert reported == [("plate", 10.0)] * 2 + [("plate", 20.0)] + [("plate", 18.5)] * 2
    assert account.settled


def test_what_no_acknowledgement_covers_is_not_acknowledged() -> None:
    account, _ = source()
    account.send(due(PLATE, PLATE, PLATE), START_US)
    account.acknowledge(2, START_US)
    account.acknowledge(1, START_US)  # an old one changes nothing
    ledger = account.ledger()
    assert (ledger.sent, ledger.acked, account.settled) == (3, 2, False)
    account.acknowledge(7, START_US)  # nor does one for what was never sent
    assert (account.ledger().acked, account.settled) == (3, True)


def test_positions_calls_and_refusals_are_kept_by_their_numbers() -> None:
    account, _ = source()
    account.send(due(POSITION, POSITION, CALL, POSITION, PLATE), START_US)
    account.refuse(4, RejectCode.UNKNOWN_CREW)
    ledger = account.ledger()
    assert ledger.positions == [(1, 2), (4, 4)]
    assert ledger.watched == [3]
    assert ledger.refused == {4: "unknown_crew"}
    assert ledger.kinds == {"position": 3, "call": 1, "plate": 1}


def view(incident: int, version: int, *calls: int) -> msgspec.Raw:
    """An incident of which calls tell that were due at these instants."""
    told = [{"event": f"t-w1-phone/{seq}", "call": f"t-w1-phone/T{seq}@{due_us}"} for seq, due_us in enumerate(calls, 1)]
    return msgspec.Raw(msgspec.json.encode({"incident_id": incident, "version": version, "told": told}))


Told = Snapshot | Changes | None
"""A message, or None for a connection that is cut."""


def changes(*views: msgspec.Raw, more: bool = False) -> Changes:
    return Changes(subscription="load", cursor=9, incidents=views, more=more)


def snapshot(*views: msgspec.Raw, reset: bool = True, more: bool = False) -> Snapshot:
    return Snapshot(subscription="load", cursor=5, reset=reset, incidents=views, more=more)


def watched(
    messages: Sequence[Told], recorder: Recorder | None = None, territory: str = ""
) -> tuple[ClientLedger, list[tuple[str, float]]]:
    reported: list[tuple[str, float]] = []
    account = ClientAccount(
        "t-w0-client", territory, "t-", recorder or Recorder(START_US, 60.0), lambda what, ms, _: reported.append((what, ms))
    )
    for message in messages:
        if message is None:
            account.cut()
        else:
            account.apply(message, START_US + 30_000)
    return account.ledger(), reported


@pytest.mark.parametrize(
    ("messages", "repeated", "disordered"),
    [
        ([snapshot(view(1, 2)), changes(view(1, 3)), changes(view(1, 5))], [], []),
        ([snapshot(view(1, 2)), changes(view(1, 2))], [(1, 2)], []),
        ([snapshot(view(1, 2)), changes(view(1, 1))], [], [(1, 1)]),
        # Resumed: what was told before is not told again.
        ([snapshot(view(1, 2)), changes(view(1, 3)), None, changes(view(1, 3))], [(1, 3)], []),
        ([snapshot(view(1, 2)), changes(view(1, 3)), None, changes(view(1, 4))], [], []),
        # A whole that was broken off is told again from its beginning, and only that.
        ([snapshot(), changes(view(1, 3), more=True), None, changes(view(1, 3)), changes(view(1, 3))], [(1, 3)], []),
        # A new snapshot may tell what is known, but nothing older.
        ([snapshot(view(1, 4)), None, snapshot(view(1, 4))], [], []),
        ([snapshot(view(1, 4)), None, snapshot(view(1, 3))], [], [(1, 3)]),
    ],
)
def test_what_is_told_twice_or_backwards_is_noted(
    messages: list[Told], repeated: list[tuple[int, int]], disordered: list[tuple[int, int]]
) -> None:
    ledger, _ = watched(messages)
    assert (ledger.repeated, ledger.disordered) == (repeated, disordered)


def test_a_comeback_is_a_resumption_or_a_new_snapshot() -> None:
    ledger, _ = watched([snapshot(), None, changes(), None, snapshot(), changes()])
    assert (ledger.cuts, ledger.resumed, ledger.reset) == (2, 1, 1)


def test_a_call_is_seen_once_and_dated_from_its_own_instant() -> None:
    recorder = Recorder(START_US, 60.0)
    first = view(7, 1, START_US + 10_000)
    ledger, reported = watched([snapshot(), changes(first), changes(view(7, 2, START_US + 10_000, START_US))], recorder)
    assert reported == [(SEEN, 20.0), (SEEN, 30.0)]
    assert (ledger.seen, ledger.calls_seen) == ({7: 2}, 2)


def test_an_update_of_a_call_is_no_second_call() -> None:
    call = f"t-w1-phone/T1@{START_US}"
    told = [{"event": "t-w1-phone/1", "call": call}, {"event": "t-w1-phone/2", "call": call}]
    updated = msgspec.Raw(msgspec.json.encode({"incident_id": 7, "version": 2, "told": told}))
    ledger, reported = watched([snapshot(), changes(view(7, 1, START_US)), changes(updated)])
    assert len(reported) == ledger.calls_seen == 1


def test_calls_that_a_snapshot_tells_have_no_latency() -> None:
    ledger, reported = watched([snapshot(view(7, 1, START_US))])
    assert (ledger.calls_seen, reported) == (1, [])


def test_a_district_that_an_incident_comes_into_later_dates_no_call() -> None:
    ledger, reported = watched([snapshot(), changes(view(7, 5, START_US))], territory="kz/city/north")
    assert (ledger.calls_seen, reported) == (1, [])


def test_the_series_of_two_workers_add_up() -> None:
    ledgers = []
    for worker, acked_us in (("w0", 5_000), ("w1", 2_500_000)):
        recorder = Recorder(START_US, 60.0)
        account, _ = source(recorder)
        account.send(due(PLATE, PLATE), START_US)
        account.acknowledge(2, START_US + acked_us)
        ledgers.append(
            WorkerLedger(
                token="t",
                worker=worker,
                cell_s=1.0,
                sources=[account.ledger()],
                clients=[],
                series=recorder.finished(),
                cpu_s=0.0,
                late={},
            )
        )
    plates = series_of(ledgers)["plate"]
    assert [(number, cell.due, cell.acked) for number, cell in sorted(plates.items())] == [(0, 4, 2), (2, 0, 2)]
    latency = Latencies(plates[0].latency)  # by when it was due, so that the stall is seen where it began
    assert latency.count == 4
    assert latency.quantile_us(1.0) == pytest.approx(2_500_000, rel=0.01)


def test_a_long_run_has_a_bounded_number_of_cells() -> None:
    recorder = Recorder(START_US, 86_400.0)
    for second in range(0, 86_400, 7):
        recorder.due("plate", START_US + second * 1_000_000)
    assert len(recorder.finished()["plate"]) <= 600
