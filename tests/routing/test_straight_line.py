"""Times without a map grow with the straight line and with nothing else."""

from __future__ import annotations

from math import inf

import numpy as np
import pytest

from core.arrival import DETOUR_FACTOR, DETOUR_SPEED_MPS
from core.ports import TravelTimes
from routing.geodesy import unit_vector
from tests.routing.road_town import StraightLine, travel_s


def test_times_are_the_detour_at_its_speed() -> None:
    times: TravelTimes = StraightLine()
    north_deg = np.array([43.25, 43.26, 43.30])
    found = travel_s(times, north_deg, np.full(3, 76.9), 43.25, 76.9)
    assert found.tolist() == pytest.approx([0.0, 1_111.95 * DETOUR_FACTOR / DETOUR_SPEED_MPS, 622.7], rel=1e-3)
    within = travel_s(times, north_deg, np.full(3, 76.9), 43.25, 76.9, within_s=130.0)
    assert within.tolist() == [*found[:2].tolist(), inf]
    assert times.have_roads(np.array([unit_vector(43.25, 76.9)])) == [False]
