"""So many a second and no more, however what is wanted is spread over time; shown with the roads' own numbers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from core.allowance import Allowance
from core.instant import SECOND_US, Micros
from core.limits import ROAD_DEMANDS_A_S, ROAD_DEMANDS_MAX

START = Micros(1_770_000_000 * SECOND_US)
BATCHES = st.lists(st.tuples(st.integers(0, 2 * SECOND_US), st.integers(0, 3 * ROAD_DEMANDS_MAX)), max_size=40)


def test_quiet_centre_compares_all_of_a_batch_up_to_its_bound() -> None:
    allowance = Allowance(ROAD_DEMANDS_A_S, ROAD_DEMANDS_MAX)
    assert allowance.take(3, START) == 3
    assert allowance.take(50, Micros(START + SECOND_US)) == ROAD_DEMANDS_MAX


def test_storm_of_short_batches_compares_as_many_as_the_second_allows() -> None:
    allowance = Allowance(ROAD_DEMANDS_A_S, ROAD_DEMANDS_MAX)
    allowance.take(ROAD_DEMANDS_MAX, START)
    step_us = 10_000
    granted = [allowance.take(8, Micros(START + number * step_us)) for number in range(1, 201)]
    assert sum(granted) == 200 * step_us * ROAD_DEMANDS_A_S // SECOND_US
    assert max(granted) - min(granted) <= 1


@given(BATCHES)
def test_no_stretch_of_time_compares_more_than_its_share(batches: list[tuple[int, int]]) -> None:
    allowance = Allowance(ROAD_DEMANDS_A_S, ROAD_DEMANDS_MAX)
    now_us, taken = START, []
    for after_us, wanted in batches:
        now_us = Micros(now_us + after_us)
        granted = allowance.take(wanted, now_us)
        assert 0 <= granted <= min(wanted, ROAD_DEMANDS_MAX)
        taken.append((now_us, granted))
    for first, (began_us, _) in enumerate(taken):
        for last in range(first, len(taken)):
            allowed = ROAD_DEMANDS_MAX + (taken[last][0] - began_us) * ROAD_DEMANDS_A_S / SECOND_US
            assert sum(granted for _, granted in taken[first : last + 1]) <= allowed + 1e-6


def test_clock_that_goes_back_gives_nothing_and_takes_nothing() -> None:
    allowance = Allowance(10, 10, START)
    assert allowance.take(7, START) == 7
    earlier = Micros(START - 60 * SECOND_US)
    assert allowance.left(earlier) == 3
    assert allowance.left(Micros(earlier + SECOND_US // 2)) == 8


def test_more_than_there_is_can_be_spent_and_is_paid_for_in_time() -> None:
    allowance = Allowance(10, 10, START)
    assert allowance.spend(25, START) == -15
    assert allowance.take(1, START) == 0
    even_us = allowance.even_us
    assert even_us - START == SECOND_US * 15 // 10 + 1
    assert allowance.left(Micros(even_us - 2)) < 0 <= allowance.left(even_us)
    assert allowance.left(Micros(START + 3600 * SECOND_US)) == 10
