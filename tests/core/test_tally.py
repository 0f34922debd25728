"""Buckets: where a value is counted, and that two tallies make one."""

from __future__ import annotations

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.tally import Buckets

BOUNDS = (1.0, 2.0, 5.0)
VALUES = st.lists(st.floats(0, 10), max_size=30)


@pytest.mark.parametrize(
    ("value", "place"),
    [(0.0, 0), (1.0, 0), (1.5, 1), (2.0, 1), (5.0, 2), (5.1, 3)],
    ids=["none", "at a bound it is within", "between", "at the next", "at the last", "above all"],
)
def test_value_is_counted_up_to_the_first_bound_that_is_not_below_it(value: float, place: int) -> None:
    buckets = Buckets(BOUNDS)
    buckets.observe(value, 3)
    assert buckets.counts == [3 * (at == place) for at in range(4)]
    assert buckets.total == pytest.approx(3 * value)


@given(VALUES, VALUES)
def test_sum_of_two_is_what_one_would_have_counted(first: list[float], second: list[float]) -> None:
    one, other, both = Buckets(BOUNDS), Buckets(BOUNDS), Buckets(BOUNDS)
    for value in first:
        one.observe(value)
        both.observe(value)
    for value in second:
        other.observe(value)
        both.observe(value)
    total = one + other
    assert total.counts == both.counts
    assert total.total == pytest.approx(both.total)
    # Cumulated, each bucket holds exactly the values that do not exceed its bound.
    everything = sorted(first + second)
    assert list(accumulate(total.counts))[:-1] == [sum(value <= bound for value in everything) for bound in BOUNDS]
