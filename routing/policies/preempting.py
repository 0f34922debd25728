"""Calling a crew back from something less urgent, for something urgent that would otherwise be late. Off by default.

Place in the flow: see `routing.policies.situation`; it goes on where another policy has decided. Rules: only a crew that has
not arrived is called back, only from a call of a lower priority, and only for a call of priority `URGENT` or above that
nobody free reaches in time and this crew does; of such crews the one on its way to the least urgent, then the fastest.
Requirement: OCC-4.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from core.vocabulary import AssignReason
from routing.policies.nearest import in_turn
from routing.policies.situation import Policy, Sending, Situation

URGENT: Final = 2
"""Calls of this priority and more urgent ones may take a crew from others."""


class Preempting:
    """Another policy, and calling back.

    Args:
        policy: decides first, with the free crews.
        late_s: a longer response is late.
    """

    def __init__(self, policy: Policy, late_s: float) -> None:
        self._policy = policy
        self._late_s = late_s

    @property
    def name(self) -> str:
        """The other policy's name and `_preempting`."""
        return f"{self._policy.name}_preempting"

    def decide(self, situation: Situation) -> list[Sending]:
        """See `routing.policies.situation.Policy`."""
        sendings = self._policy.decide(situation)
        chosen = {sending.call: sending for sending in sendings}
        taken = {sending.crew for sending in sendings}
        for call in in_turn(situation).tolist():
            priority = situation.priorities.item(call)
            sent = chosen.get(call)
            waited_s = situation.waited_s.item(call)
            if priority > URGENT or (sent is not None and waited_s + situation.travel_s.item(call, sent.crew) <= self._late_s):
                continue
            in_time = waited_s + situation.divert_s[call] <= self._late_s
            crews = [crew for crew in np.flatnonzero(in_time & (situation.bound_for > priority)).tolist() if crew not in taken]
            if crews:
                crew = min(crews, key=lambda crew: (-situation.bound_for.item(crew), situation.divert_s.item(call, crew), crew))
                taken.add(crew)
                chosen[call] = Sending(call, crew, AssignReason.DIVERTED)
        return list(chosen.values())
