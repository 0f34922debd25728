"""Cover-keeping: of the crews that come in time, the one whose leaving costs the district least.

Place in the flow: see `routing.policies.situation`; the costs are added to those of `routing.policies.matching`. Rules: while
a crew is away for a usual task, calls come as they usually do; a cell that it alone could have reached in time loses those
that come there, one that k free crews reach loses by the chance that all others are busy (q to the power of k − 1). The loss
is in seconds, a late call counted as in the matching; `weight` scales it. A crew that is not nearest may go only if it
arrives in time and at most `spare_s` after the nearest: so the mean pays little for the late ones.

Source: Jagtenberg, Bhulai and van der Mei 2016 (DMEXCLP's marginal cover, Daskin's expected covering); their heuristic sends
whoever is in time and costs least cover, and raises the mean response by 37 %: hence `spare_s`.
"""

from __future__ import annotations

import numpy as np

from core.vocabulary import AssignReason
from routing.geodesy import chords_squared, metres, unit_vectors
from routing.policies.matching import LATE_COST_S, Matching
from routing.policies.situation import Floats, Situation

BUSY_SHARE = 0.4
"""Chance that a crew is busy when it is wanted (q)."""


class CoverKeeping(Matching):
    """Least total cost, cover included.

    Args:
        cells: (cells, 3) latitude, longitude, calls an hour: the demand of other days.
        reach_m: as far as a crew comes in time.
        away_s: how long a usual task lasts.
        weight: of the loss of cover; 0 is plain matching.
        spare_s: how much later than the nearest a crew may arrive for the sake of cover.
        late_s, soon_s, late_cost_s: see `Matching`.
    """

    def __init__(
        self,
        cells: Floats,
        reach_m: float,
        away_s: float,
        late_s: float,
        *,
        weight: float = 0.3,
        spare_s: float = 90.0,
        soon_s: float = 0.0,
        late_cost_s: float = LATE_COST_S,
    ) -> None:
        super().__init__(late_s, soon_s, late_cost_s)
        self._at = unit_vectors(cells[:, 0], cells[:, 1])
        self._lost_s = cells[:, 2] * (away_s / 3600.0) * late_cost_s * weight
        self._reach_m = reach_m
        self._spare_s = spare_s

    @property
    def name(self) -> str:
        """`cover`, or with waiting `cover_soon`."""
        return "cover_soon" if self._soon_s else "cover"

    def _costs(self, situation: Situation) -> Floats:
        costs = super()._costs(situation)
        free = np.flatnonzero(situation.free_in_s == 0.0)
        if len(free):
            places = unit_vectors(situation.latitude_deg[free], situation.longitude_deg[free])
            loss_s = self.loss_s(places)
            # Somebody of the free ones goes in any case: only what one costs more than another counts.
            loss_s -= loss_s.min()
            ways_s = situation.travel_s[:, free]
            # Cover draws nobody who comes late, or much later than the nearest; nor is it a reason to wait for one who is busy.
            over = ways_s > ways_s.min(axis=1)[:, None] + self._spare_s
            over |= situation.waited_s[:, None] + ways_s > self._late_s
            costs[:, free] += np.where(over, loss_s.max(), loss_s[None, :])
            costs[:, situation.free_in_s > 0.0] += loss_s.max()
        return costs

    def loss_s(self, places: Floats) -> Floats:
        """What the leaving of each of the free crews at these places (unit vectors) costs, in seconds."""
        reached = metres(chords_squared(places[:, None, :], self._at[None, :, :])) <= self._reach_m
        others = reached.sum(axis=0) - 1
        chance = (1.0 - BUSY_SHARE) * BUSY_SHARE ** np.maximum(others, 0)
        loss: Floats = reached @ (chance * self._lost_s)
        return loss

    def _reason(self, situation: Situation, call: int, crew: int) -> AssignReason:
        reason = super()._reason(situation, call, crew)
        return AssignReason.COVER_KEPT if reason is AssignReason.BEST_FOR_ALL else reason
