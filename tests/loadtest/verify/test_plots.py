"""The pictures: the same data give the same picture, and what comes after the last due event is no fall of the rate."""

from __future__ import annotations

import pytest

from loadtest.ledger import Latencies
from loadtest.locust_users.account import Cell
from loadtest.verify import plots

RUN = {"call": {0: Cell(10, 8), 1: Cell(12, 12)}, "plate": {0: Cell(600, 590), 1: Cell(584, 580)}}
TAIL = {"call": {**RUN["call"], 2: Cell(0, 2)}, "plate": {**RUN["plate"], 2: Cell(1, 15)}}


def test_rates_end_with_the_last_whole_stretch_in_which_events_were_due() -> None:
    assert plots.rates(TAIL, 1.0, 2.0) == plots.rates(RUN, 1.0, 2.0)
    assert plots.rates(TAIL, 1.0, 3.0) != plots.rates(RUN, 1.0, 3.0)


def test_queue_shows_what_came_after_the_last_due_event() -> None:
    assert plots.queue(TAIL, 1.0) != plots.queue(RUN, 1.0)


@pytest.mark.parametrize("median_ms", [0.04, 3.0, 12_000.0])
def test_latencies_are_labelled_without_powers_of_ten(median_ms: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seen where texts are texts and not paths."""
    monkeypatch.setattr(plots, "FONTS", "none")
    latency = Latencies()
    latency.add(round(median_ms * 1_000), 5)
    latency.add(round(median_ms * 30_000), 5)
    picture = plots.latencies({"call": {0: Cell(10, 10, latency.buckets), 1: Cell(10, 10, latency.buckets)}}, 1.0)
    assert ">seconds of the run<" in picture
    assert "times" not in picture and "mathdefault" not in picture and "×" not in picture
