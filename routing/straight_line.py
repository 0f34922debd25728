"""Driving times where there is no map: what straight lines usually take. Fills `core.ports.TravelTimes`.

Place in the flow: assign, and everything else that asks when a crew will be there; `routing.road_times` falls back on it for
places with no road near them. Requirement: OCC-4.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

import numpy as np

from core.arrival import straight_line_s
from routing.geodesy import Floats, chords_squared, metres
from routing.neighbours import Rows


class StraightLine:
    """Great circles, driven with the usual detour at the usual speed (`core.arrival`)."""

    def have_roads(self, places: Floats) -> list[bool]:
        """Nowhere."""
        return [False] * len(places)

    def drives_s(
        self,
        origins: Floats,
        counts: Sequence[int],
        destinations: Floats,
        within_s: Sequence[float],
        who: Rows | None = None,
    ) -> Floats:
        """As the port has it."""
        seconds = metres(chords_squared(origins, np.repeat(destinations, counts, axis=0))) * straight_line_s(1.0)
        return np.where(seconds <= np.repeat(within_s, counts), seconds, inf)
