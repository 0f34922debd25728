"""Small worlds for the trial's tests: places by metres north of the equator, one metre a second, no fixed time."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import numpy as np

from loadtest.city import METRES_A_DEGREE
from loadtest.policy_trial.world import Calls, Crews, Travel, World

ALWAYS = ((-1e9, 1e9),)


def world(
    calls: Sequence[tuple[float, float, float]],
    homes_m: Sequence[float],
    *,
    priorities: Sequence[int] | None = None,
    turnout_s: float = 0.0,
    late_s: float = 100.0,
    duty: tuple[tuple[float, float], ...] = ALWAYS,
    usual_work_s: float = 50.0,
) -> World:
    """`calls` are (known at, metres north, work) in seconds, in order of time."""
    table = np.array(calls, dtype=np.float64).reshape(-1, 3)
    count, crews = len(table), len(homes_m)
    homes = np.array(homes_m, dtype=np.float64) / METRES_A_DEGREE
    return World(
        name="small",
        calls=Calls(
            at_s=table[:, 0],
            latitude_deg=table[:, 1] / METRES_A_DEGREE,
            longitude_deg=np.zeros(count),
            priority=np.array(priorities or [3] * count, dtype=np.int64),
            turnout_s=np.full(count, turnout_s),
            work_s=table[:, 2],
            zone=np.zeros(count, dtype=np.int64),
        ),
        crews=Crews(
            home_latitude_deg=homes,
            home_longitude_deg=np.zeros(crews),
            zone=np.full(crews, -1),
            free_at_s=np.zeros(crews),
            latitude_deg=homes.copy(),
            longitude_deg=np.zeros(crews),
            duty=(duty,) * crews,
        ),
        travel=Travel(0.0, 1.0, 1.0, 0.0),
        late_s=late_s,
        usual_work_s=usual_work_s,
        demand=np.array([(0.0, 0.0, 1.0)]),
    )


def random_world(seed: int, calls: int, crews: int) -> World:
    """Calls of several priorities over ten minutes, as many as crews can hardly serve."""
    rng = Random(seed)
    at_s = sorted(round(rng.uniform(0, 600), 1) for _ in range(calls))
    return world(
        [(at, rng.uniform(0, 200), rng.uniform(5, 90)) for at in at_s],
        [rng.uniform(0, 200) for _ in range(crews)],
        priorities=[rng.choice((1, 3, 5)) for _ in range(calls)],
        turnout_s=rng.choice((0.0, 7.0)),
    )
