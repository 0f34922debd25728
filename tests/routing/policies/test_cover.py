from __future__ import annotations

import numpy as np
import pytest

from core.vocabulary import AssignReason
from routing.geodesy import unit_vectors
from routing.policies.cover import BUSY_SHARE, CoverKeeping
from tests.routing.policies.situations import METRES_A_DEGREE, situation

CELLS = np.array([(0.0, 0.0, 1.0), (2000.0 / METRES_A_DEGREE, 0.0, 4.0)])
"""Two cells 2 km apart, calls an hour."""


def policy(weight: float, spare_s: float) -> CoverKeeping:
    return CoverKeeping(CELLS, reach_m=900.0, away_s=3600.0, late_s=480.0, weight=weight, spare_s=spare_s)


def test_loss_when_a_crew_is_alone_is_more_than_when_it_is_one_of_two() -> None:
    north_m = np.array([100.0, 2000.0, 2100.0])
    losses_s = policy(1.0, 60.0).loss_s(unit_vectors(north_m / METRES_A_DEGREE, np.zeros(3)))
    alone = 600.0 * (1 - BUSY_SHARE)
    assert losses_s.tolist() == pytest.approx([alone, 4 * alone * BUSY_SHARE, 4 * alone * BUSY_SHARE])


def test_decide_when_the_nearest_is_a_districts_only_one_sends_the_next() -> None:
    # The call lies between; crew 0 is nearest and alone in the busy north, crews 1 and 2 keep the quiet south.
    asked = situation([1150], [1500, 780, 760])
    (sending,) = policy(1.0, 60.0).decide(asked)
    assert (sending.crew, sending.reason) == (1, AssignReason.COVER_KEPT)


@pytest.mark.parametrize(("weight", "spare_s"), [(0.0, 60.0), (1.0, 10.0)], ids=["no weight", "comes too much later"])
def test_decide_when_cover_does_not_count_sends_the_nearest(weight: float, spare_s: float) -> None:
    (sending,) = policy(weight, spare_s).decide(situation([1150], [1500, 780, 760]))
    assert (sending.crew, sending.reason) == (0, AssignReason.NEAREST_CAPABLE)


def test_decide_when_the_next_would_be_late_sends_the_nearest() -> None:
    (sending,) = policy(1.0, 200.0).decide(situation([1150], [1500, 660, 640]))
    assert sending.crew == 0
