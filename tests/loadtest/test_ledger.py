"""The account of a run: it counts what is proved, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.ledger import Latencies, Ledger


def test_event_is_acknowledged_when_an_acknowledgement_covers_it() -> None:
    ledger = Ledger()
    ledger.send("a", 1, 10, (), 0)
    ledger.send("a", 11, 20, (), 100)
    ledger.acknowledge("a", 15, 200)
    assert (ledger.result().acked, ledger.result().unacknowledged) == (15, 5)
    assert not ledger.settled
    ledger.acknowledge("a", 20, 300)
    assert (ledger.result().acked, ledger.result().lost) == (20, 0)
    assert ledger.settled


def test_sources_are_told_apart() -> None:
    ledger = Ledger()
    ledger.send("a", 1, 10, (), 0)
    ledger.send("b", 5, 6, (), 0)
    ledger.acknowledge("b", 10, 1)
    assert (ledger.result().acked, ledger.result().lost) == (2, 10)


def test_call_is_lost_when_no_incident_names_it_though_it_was_acknowledged() -> None:
    ledger = Ledger()
    ledger.send("a", 1, 3, (1, 3), 0)
    ledger.acknowledge("a", 3, 10)
    ledger.publish(["a/1", "a/2"], 50)
    result = ledger.result()
    assert (result.watched, result.seen, result.unseen, result.lost) == (2, 1, 1, 1)
    assert ledger.unseen() == ["a/3"]
    assert not ledger.settled


def test_call_is_not_awaited_when_it_was_refused() -> None:
    ledger = Ledger()
    ledger.send("a", 1, 2, (1, 2), 0)
    ledger.reject("a", 1, "invalid_field")
    ledger.reject("a", None, "malformed")
    ledger.acknowledge("a", 2, 10)
    ledger.publish(["a/2"], 20)
    result = ledger.result()
    assert (result.rejected, result.watched, result.seen, result.lost) == (2, 1, 1, 0)


def test_event_counts_once_when_it_is_published_again() -> None:
    ledger = Ledger()
    ledger.send("a", 1, 1, (1,), 0)
    for _ in range(3):
        ledger.publish(["a/1", "a/1"], 20)
    assert ledger.result().seen == 1


def test_latencies_run_from_sending() -> None:
    ledger = Ledger()
    ledger.send("a", 1, 99, (99,), 1_000)
    ledger.acknowledge("a", 99, 3_000)
    ledger.publish(["a/99"], 6_000)
    result = ledger.result()
    assert result.ack_p50_us == pytest.approx(2_000, rel=0.01)
    assert result.seen_p99_us == pytest.approx(5_000, rel=0.01)


@given(sizes=st.lists(st.integers(1, 50), min_size=1, max_size=20), data=st.data())
def test_acknowledged_is_the_last_number_covered(sizes: list[int], data: st.DataObject) -> None:
    ledger, last = Ledger(), 0
    for size in sizes:
        ledger.send("a", last + 1, last + size, (), 0)
        last += size
    acks = sorted(data.draw(st.lists(st.integers(0, last), max_size=20)))
    for seq in acks:
        ledger.acknowledge("a", seq, 1)
    assert ledger.acked == (acks[-1] if acks else 0)
    assert ledger.ack_latency.count == ledger.acked


@given(durations=st.lists(st.integers(1, 10**9), min_size=1, max_size=300), share=st.floats(0.01, 1.0))
def test_quantile_is_within_a_per_cent_of_the_sorted_list(durations: list[int], share: float) -> None:
    latencies = Latencies()
    for duration in durations:
        latencies.add(duration)
    ranked = sorted(durations)
    exact = next(value for place, value in enumerate(ranked, 1) if place >= share * len(ranked))
    assert latencies.quantile_us(share) == pytest.approx(exact, rel=0.011)


def test_quantile_is_nothing_when_nothing_was_counted() -> None:
    assert Latencies().quantile_us(0.5) == 0.0
