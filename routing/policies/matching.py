"""All that waits and all who are free, or soon will be, matched together at the least cost.

Place in the flow: see `routing.policies.situation`. Rules: what a pair costs is the response it gives in seconds, and
`LATE_COST_S` more when that is late: a call that is late already goes where it is cheap, and one that can still be in time is
preferred. A more urgent priority chooses first; a call that has waited `QUEUE_OVERDUE_S` chooses before all others of its
priority, so nobody waits for ever. Where the best crew for a call is still busy but soon free, the call waits for it.
Requirement: OCC-4.

Source: the assignment problem over free and soon free vehicles, as in Jagtenberg, Bhulai and van der Mei, "Dynamic ambulance
dispatching: is the closest-idle policy always optimal?" (2016), whose heuristic is the cover's (`routing.policies.cover`).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy.optimize import linear_sum_assignment

from core.limits import QUEUE_LOOK, QUEUE_OVERDUE_S
from core.vocabulary import AssignReason
from routing.policies.situation import Floats, Integers, Sending, Situation

LATE_COST_S: Final = 600.0
"""What being late costs beyond the seconds."""
SOON_S: Final = 900.0
"""Crews that are expected to be free within it may be waited for."""
UNSERVED_S: Final = 1e7
"""What it costs to leave a call without anybody: more than every response."""


class Matching:
    """Least total cost over all that waits.

    Args:
        late_s: a longer response is late.
        soon_s: crews that are expected to be free within it may be waited for; 0 for never.
        late_cost_s: see the module.
    """

    def __init__(self, late_s: float, soon_s: float = 0.0, late_cost_s: float = LATE_COST_S) -> None:
        self._late_s = late_s
        self._soon_s = soon_s
        self._late_cost_s = late_cost_s

    @property
    def name(self) -> str:
        """`matching`, or with waiting `matching_soon`."""
        return "matching_soon" if self._soon_s else "matching"

    def decide(self, situation: Situation) -> list[Sending]:
        """See `routing.policies.situation.Policy`."""
        costs = self._costs(situation)
        free = situation.free_in_s == 0.0
        sendings: list[Sending] = []
        for calls in _classes(situation):
            chosen = _match(costs[calls])
            for call, crew in zip(calls.tolist(), chosen.tolist(), strict=True):
                if crew >= 0 and free[crew]:
                    sendings.append(Sending(call, crew, self._reason(situation, call, crew)))
            # A crew that is waited for is not another's any more either.
            costs[:, chosen[chosen >= 0]] = np.inf
        return sendings

    def _costs(self, situation: Situation) -> Floats:
        """(calls, crews) seconds, infinite for who may not go or is not free soon enough."""
        responses = situation.waited_s[:, None] + situation.free_in_s[None, :] + situation.travel_s
        costs = responses + np.where(responses > self._late_s, self._late_cost_s, 0.0)
        costs[:, situation.free_in_s > self._soon_s] = np.inf
        return costs

    def _reason(self, situation: Situation, call: int, crew: int) -> AssignReason:
        nearest = np.where(situation.free_in_s == 0.0, situation.travel_s[call], np.inf).min()
        return AssignReason.NEAREST_CAPABLE if situation.travel_s[call, crew] <= nearest else AssignReason.BEST_FOR_ALL


class NearestWaiting(Matching):
    """What the running centre does (`core.assign`): the oldest calls of the most urgent priority contend for a freed crew.

    No more than `look` of them, and the oldest alone once it has waited `QUEUE_OVERDUE_S`. The cost is the way and nothing
    else: a centre does not know how long a crew will still be busy, nor when a response counts as late.
    """

    def __init__(self, look: int = QUEUE_LOOK) -> None:
        super().__init__(np.inf)
        self._look = look

    @property
    def name(self) -> str:
        """`nearest_waiting`."""
        return "nearest_waiting"

    def decide(self, situation: Situation) -> list[Sending]:
        """See `routing.policies.situation.Policy`."""
        free = situation.free_in_s == 0.0
        costs = np.where(free[None, :], situation.travel_s, np.inf)
        sendings: list[Sending] = []
        for priority in np.unique(situation.priorities):
            left = np.flatnonzero(situation.priorities == priority)
            left = left[np.argsort(-situation.waited_s[left], kind="stable")]
            while len(left):
                shown = min(self._look * max(1, int(np.isfinite(costs[left]).any(axis=0).sum())), len(left))
                if situation.waited_s[left[0]] > QUEUE_OVERDUE_S:
                    shown = 1
                chosen = _match(costs[left[:shown]])
                for call, crew in zip(left[:shown].tolist(), chosen.tolist(), strict=True):
                    if crew >= 0:
                        sendings.append(Sending(call, crew, self._reason(situation, call, crew)))
                        costs[:, crew] = np.inf
                left = left[shown:]
        return sendings


def _classes(situation: Situation) -> list[Integers]:
    """The calls in the groups that choose one after the other: by priority, and in it those first that wait too long."""
    rank = situation.priorities * 2 - (situation.waited_s > QUEUE_OVERDUE_S)
    return [np.flatnonzero(rank == value) for value in np.unique(rank)]


def _match(costs: Floats) -> Integers:
    """(calls,) the crew of each, -1 for none: as many served as can be, at the least total."""
    columns = np.flatnonzero(np.isfinite(costs).any(axis=0))
    chosen = np.full(len(costs), -1)
    if len(columns):
        table = np.where(np.isfinite(costs[:, columns]), costs[:, columns], UNSERVED_S)
        rows, picked = linear_sum_assignment(table)
        served = table[rows, picked] < UNSERVED_S
        chosen[rows[served]] = columns[picked[served]]
    return chosen
