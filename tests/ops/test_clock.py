"""The centre's time where the machine's clock is set: it never goes back, hardly ever slows down, and meets the clock again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.instant import Micros
from ops.clock import SLOWER_BY, Clock

SECOND_NS = 10**9
BEGAN_S = 1_800_000_000


class Machine:
    """A machine whose clock can be set, and which counts the seconds that pass all the same."""

    def __init__(self) -> None:
        self.wall_ns = BEGAN_S * SECOND_NS
        self.passed_ns = 0
        self.clock = Clock(lambda: self.wall_ns, lambda: self.passed_ns)

    def passes(self, seconds: float) -> None:
        self.wall_ns += round(seconds * SECOND_NS)
        self.passed_ns += round(seconds * SECOND_NS)

    def is_set(self, seconds: float) -> None:
        """By so much forward, or back."""
        self.wall_ns += round(seconds * SECOND_NS)

    @property
    def told_s(self) -> float:
        return (self.clock.now_us() - BEGAN_S * 1_000_000) / 1e6


def test_clock_that_nobody_sets_is_told_as_it_is() -> None:
    machine = Machine()
    for second in range(5):
        assert machine.told_s == second
        assert machine.clock.ahead_us == 0
        machine.passes(1)


@pytest.mark.parametrize(
    ("looked", "after_s", "expected_s"),
    [
        pytest.param(True, 0, 3_600, id="it stands at the moment it is set back"),
        pytest.param(True, 100, 3_690, id="it goes on a tenth slower"),
        pytest.param(True, 35_999, 35_999 + 0.1, id="it has nearly met the clock"),
        pytest.param(True, 36_000, 36_000, id="it has met it"),
        pytest.param(True, 40_000, 40_000, id="from then on it is the clock again"),
        pytest.param(False, 100, 100, id="nobody has seen it ahead"),
    ],
)
def test_clock_that_was_an_hour_ahead_is_waited_for(looked: bool, after_s: float, expected_s: float) -> None:
    machine = Machine()
    assert machine.told_s == 0
    machine.is_set(3_600)
    if looked:
        assert machine.told_s == 3_600
    machine.is_set(-3_600)
    machine.passes(after_s)
    assert machine.told_s == pytest.approx(expected_s, abs=1e-5)
    assert machine.clock.ahead_us == pytest.approx((expected_s - after_s) * 1e6, abs=10)


def test_clock_that_is_set_back_while_nobody_looks_loses_a_tenth_at_most() -> None:
    machine = Machine()
    assert machine.told_s == 0
    machine.passes(1_800)
    machine.is_set(-600)
    assert machine.told_s == 1_800 - 1_800 / SLOWER_BY


@pytest.mark.parametrize(("known_s", "expected_s"), [(3_600, 3_690), (-3_600, 100), (50, 140)])
def test_what_another_clock_has_been_told_of_is_gone_on_from(known_s: int, expected_s: int) -> None:
    machine = Machine()
    machine.clock.not_before(Micros((BEGAN_S + known_s) * 1_000_000))
    machine.passes(100)
    assert machine.told_s == expected_s


def test_what_the_machine_says_is_told_as_it_is() -> None:
    machine = Machine()
    machine.clock.not_before(Micros((BEGAN_S + 3_600) * 1_000_000))
    machine.passes(60)
    assert machine.clock.machine_us() == (BEGAN_S + 60) * 1_000_000


@given(st.lists(st.tuples(st.integers(0, 10_000), st.sampled_from((0, 0, 0, -3_000, -1, 1, 3_000)))))
def test_time_never_goes_back_and_never_slows_down_by_more_than_a_tenth(steps: list[tuple[int, int]]) -> None:
    machine = Machine()
    before_s = machine.told_s
    for passed_s, set_s in steps:
        machine.passes(passed_s)
        machine.is_set(set_s)
        now_s = machine.told_s
        assert now_s - before_s >= passed_s * (1 - 1 / SLOWER_BY) - 1e-5
        assert now_s >= machine.wall_ns / SECOND_NS - BEGAN_S - 1e-5
        before_s = now_s
