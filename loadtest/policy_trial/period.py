"""A period cut out of a day, beginning with crews as they are in the middle of a day's work.

Place in the flow: outside it. Rules: what comes before the period is played by the nearest free crew, whatever policy is tried
afterwards, so all begin with the same crews at the same work and the same calls waiting.
"""

from __future__ import annotations

import numpy as np

from loadtest.policy_trial.play import Play
from loadtest.policy_trial.world import World, picked
from routing.policies.nearest import Nearest


def cut(world: World, begins_s: float, ends_s: float, warm_up_s: float) -> World:
    """The calls known in `begins_s`–`ends_s`, after a warm-up; calls that still wait then are its first, known before 0."""
    shown = np.flatnonzero((world.calls.at_s >= begins_s - warm_up_s) & (world.calls.at_s < ends_s))
    calls = picked(world.calls, shown)
    before = Play(world._replace(calls=calls), Nearest(by_time=False))
    before.run(begins_s)
    waiting = set(before.waiting)
    kept = [call for call, at_s in enumerate(calls.at_s.tolist()) if at_s >= begins_s or call in waiting]
    left = picked(calls, np.array(kept, dtype=np.int64))
    return world._replace(calls=left._replace(at_s=left.at_s - begins_s), crews=before.crews_at(begins_s))
