from __future__ import annotations

import numpy as np
import pytest

from loadtest.policy_trial.hindsight import bounds
from loadtest.policy_trial.play import Play
from routing.policies.matching import Matching
from routing.policies.nearest import Nearest
from tests.loadtest.policy_trial.worlds import random_world, world


def test_bounds_when_there_is_nothing_to_choose_are_what_happens() -> None:
    found = bounds(world([(0, 30, 10), (15, 50, 10)], [0]))
    assert found == pytest.approx((0.0, (30 + 45) / 2))


def test_bounds_when_the_nearest_is_needed_elsewhere_send_the_other() -> None:
    # The first call lies between two crews, the second can be reached in time by the nearer of them alone.
    asked = world([(0, 40, 1000), (10, -60, 1000)], [0, 100], late_s=70.0)
    responses = Play(asked, Nearest(by_time=True), 0.0).run().response_s
    assert (responses > 70.0).mean() == 0.5
    assert bounds(asked) == pytest.approx((0.0, 60.0))


def test_bounds_when_a_shift_begins_later_wait_for_it() -> None:
    found = bounds(world([(0, 30, 10)], [0], duty=((50.0, 500.0),)))
    assert found == pytest.approx((0.0, 80.0))


def test_bounds_when_the_program_is_too_large_are_none() -> None:
    assert bounds(world([(0, 30, 10)], [0]), arcs_max=2) == (None, None)


@pytest.mark.parametrize("seed", range(12))
def test_hindsight_is_never_worse_than_a_policy_whose_calls_are_all_in_time(seed: int) -> None:
    # Where nobody waits beyond the caps, the linear programs bound every schedule.
    asked = random_world(seed, 14, 3)._replace(late_s=5000.0)
    for policy in (Nearest(by_time=False), Nearest(by_time=True), Matching(5000.0, 60.0)):
        responses = Play(asked, policy, 0.0).run().response_s
        late_share, mean_s = bounds(asked)
        assert mean_s is not None
        assert mean_s <= responses.mean() + 1e-6
        assert late_share == pytest.approx(0.0, abs=1e-9)
        assert np.isfinite(responses).all()
