from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest

from loadtest.policy_trial.chart import draw
from loadtest.policy_trial.hindsight import Bounds, bounds
from loadtest.policy_trial.measure import rows
from loadtest.policy_trial.play import Play
from routing.policies.matching import Matching
from routing.policies.nearest import Nearest
from tests.loadtest.policy_trial.worlds import random_world

RESPONSES = {
    "near": [np.array([100.0, 500.0]), np.array([500.0, 500.0])],
    "other": [np.array([100.0, 100.0]), np.array([500.0, 500.0])],
}


def test_rows_compare_with_the_nearest_and_with_the_hindsight() -> None:
    _, other = rows("here", 2.0, RESPONSES, [Bounds(0.0, 90.0), Bounds(0.5, 400.0)], 480.0, "near", 1)
    assert (other.calls, other.periods, other.late_share.value) == (4, 2, 0.5)
    assert other.late_to_nearest is not None
    assert other.late_to_nearest.value == pytest.approx(2 / 3)
    assert other.late_gap is not None
    assert other.late_gap.value == pytest.approx(2.0)
    assert other.mean_gap is not None
    assert other.mean_gap.value == pytest.approx(1200 / 980)


def test_rows_when_a_period_has_no_bound_have_no_gap() -> None:
    assert rows("here", 2.0, RESPONSES, [Bounds(0.0, None), Bounds(0.5, 400.0)], 480.0, "near", 1)[0].mean_gap is None


def test_rows_when_a_policy_beats_the_bound_take_it_for_the_hindsight() -> None:
    near, other = rows("here", 2.0, RESPONSES, [Bounds(0.5, 90.0), Bounds(1.0, 400.0)], 480.0, "near", 1)
    assert other.late_gap is not None
    assert near.late_gap is not None
    assert (other.late_gap.value, near.late_gap.value) == (1.0, 1.5)
    assert near.periods_beaten == 1


@pytest.mark.parametrize("seed", range(6))
def test_hindsight_is_never_worse_than_any_policy(seed: int) -> None:
    worlds = [random_world(10 * seed + number, 16, 3) for number in range(3)]
    policies = (Nearest(by_time=False), Matching(100.0), Matching(100.0, 60.0))
    responses = {policy.name: [Play(one, policy, 0.0).run().response_s for one in worlds] for policy in policies}
    for row in rows("here", 1.0, responses, [bounds(one) for one in worlds], 100.0, "nearest_free", 1):
        assert row.mean_gap is not None
        assert row.mean_gap.value >= 1.0
        assert row.late_gap is None or row.late_gap.value >= 1.0


def test_draw_is_a_drawing_with_a_line_a_policy() -> None:
    made = [
        row for load in (1.0, 2.0) for row in rows("here & there", load, RESPONSES, [Bounds(0.0, 90.0)] * 2, 480.0, "near", 1)
    ]
    root = ElementTree.fromstring(draw(made))
    assert len(root.findall(".//{*}polyline")) == 3
