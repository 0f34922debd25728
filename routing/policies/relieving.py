"""A crew that frees takes over from one that is still far away.

Place in the flow: see `routing.policies.situation`; it goes on where another policy has decided, with the freed crews that this
one leaves. Rules: the more urgent call first, then the one that gains most; nobody takes over for less than `margin_s`; a crew
takes over once, and a call changes crews once in a decision. It needs no guess how long a crew stays busy, and no call waits
for a crew while another is free. What the running centre does by it is `core.relief`. Requirement: OCC-4.
"""

from __future__ import annotations

import numpy as np

from core.limits import RELIEF_MIN_S
from core.vocabulary import AssignReason
from routing.policies.situation import Policy, Sending, Situation


class Relieving:
    """Another policy, and relieving.

    Args:
        policy: decides first.
        margin_s: nobody takes over who would not be there at least so much earlier.
    """

    def __init__(self, policy: Policy, margin_s: float = RELIEF_MIN_S) -> None:
        self._policy = policy
        self._margin_s = margin_s

    @property
    def name(self) -> str:
        """`relieving`."""
        return "relieving"

    def decide(self, situation: Situation) -> list[Sending]:
        """See `routing.policies.situation.Policy`."""
        sendings = self._policy.decide(situation) if len(situation.waited_s) else []
        taken = [sending.crew for sending in sendings]
        under_way = situation.under_way
        gains_s = under_way.left_s[:, None] - under_way.way_s
        gains_s[:, ~situation.freed] = -np.inf
        gains_s[:, taken] = -np.inf
        # Who has just been called back is on its way elsewhere.
        gains_s[np.isin(under_way.crews, taken)] = -np.inf
        for priority in np.unique(under_way.priorities):
            rows = np.flatnonzero(under_way.priorities == priority)
            own_s = gains_s[rows]
            while own_s.size and own_s.max() >= self._margin_s:
                row, crew = divmod(int(own_s.argmax()), own_s.shape[1])
                sendings.append(Sending(int(rows[row]), crew, AssignReason.RELIEF, relieves=True))
                own_s[row] = -np.inf
                own_s[:, crew] = -np.inf
                gains_s[:, crew] = -np.inf
        return sendings
