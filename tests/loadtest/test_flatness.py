"""The judgement of a long run, on series of which everybody can say what they do."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.flatness import Verdict, trend

AT_S = [float(second) for second in range(0, 1_800, 2)]
LEVEL_MB = 200.0
TOLERANCE_MB = 4.0


def noisy(seed: int, per_hour: float = 0.0, noise: float = 0.5) -> list[float]:
    rng = Random(seed)
    return [LEVEL_MB + per_hour * at_s / 3_600 + rng.gauss(0.0, noise) for at_s in AT_S]


@pytest.mark.parametrize("seed", range(20))
def test_steady_memory_is_flat_and_a_leak_is_told(seed: int) -> None:
    assert trend(AT_S, noisy(seed)).verdict(TOLERANCE_MB) is Verdict.FLAT
    leak = trend(AT_S, noisy(seed, per_hour=30.0))
    assert leak.verdict(TOLERANCE_MB) is Verdict.GROWS
    assert leak.per_hour == pytest.approx(30.0, rel=0.05)
    assert leak.told(TOLERANCE_MB, "MB").startswith("grows by ")


def test_growth_in_steps_is_growth() -> None:
    steps = [LEVEL_MB + 8.0 * (at_s // 300) for at_s in AT_S]
    found = trend(AT_S, steps)
    assert found.verdict(TOLERANCE_MB) is Verdict.GROWS
    assert found.per_hour == pytest.approx(96.0, rel=0.15)


def test_spikes_and_one_step_early_are_no_growth() -> None:
    spikes = [value + (300.0 if number % 97 == 0 else 0.0) for number, value in enumerate(noisy(1))]
    assert trend(AT_S, spikes).verdict(TOLERANCE_MB) is Verdict.FLAT


def test_falling_memory_is_flat() -> None:
    assert trend(AT_S, noisy(2, per_hour=-50.0)).verdict(TOLERANCE_MB) is Verdict.FLAT


def test_restless_series_of_a_minute_says_nothing() -> None:
    found = trend(AT_S[:30], noisy(3, noise=20.0)[:30])
    assert found.verdict(TOLERANCE_MB) is Verdict.UNDECIDED
    assert "played longer" in found.told(TOLERANCE_MB, "MB")


@pytest.mark.parametrize("count", [0, 5])
def test_too_few_samples_are_refused(count: int) -> None:
    with pytest.raises(ValueError, match="too few"):
        trend(AT_S[:count], noisy(4)[:count])


@given(st.lists(st.floats(0.0, 1e6), min_size=6, max_size=60))
def test_slope_lies_within_its_interval(values: list[float]) -> None:
    found = trend(AT_S[: len(values)], values)
    assert found.low - 1e-6 <= found.per_hour <= found.high + 1e-6
