"""The policies that look at nothing but who is nearest: by straight line, and by time.

Place in the flow: see `routing.policies.situation`. Rules: calls choose by priority, then by how long they have waited; each
takes the nearest free crew that is left. Requirement: OCC-4.
"""

from __future__ import annotations

import numpy as np

from core.vocabulary import AssignReason
from routing.policies.situation import Integers, Sending, Situation


def in_turn(situation: Situation) -> Integers:
    """The calls by priority, then the longest waiting first, then as they are given."""
    return np.lexsort((-situation.waited_s, situation.priorities))


class Nearest:
    """The nearest free crew by straight line (`by_time` False) or by time."""

    def __init__(self, *, by_time: bool) -> None:
        self._by_time = by_time

    @property
    def name(self) -> str:
        """`nearest_free`, or by time `fastest_free`."""
        return "fastest_free" if self._by_time else "nearest_free"

    def decide(self, situation: Situation) -> list[Sending]:
        """See `routing.policies.situation.Policy`."""
        costs = np.where(situation.free_in_s == 0.0, situation.travel_s if self._by_time else situation.distance_m, np.inf)
        sendings: list[Sending] = []
        least = costs.min(axis=1, initial=np.inf)
        for call in in_turn(situation).tolist():
            crew = int(costs[call].argmin())
            cost = costs.item(call, crew)
            if np.isfinite(cost):
                # The nearest of those that are free, unless a call before it has taken that one.
                alone = cost <= least.item(call)
                sendings.append(Sending(call, crew, AssignReason.NEAREST_CAPABLE if alone else AssignReason.BEST_FOR_ALL))
                costs[:, crew] = np.inf
        return sendings
