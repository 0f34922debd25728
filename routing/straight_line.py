"""Driving times where there is no map: what straight lines usually take. Fills `core.ports.TravelTimes`.

Place in the flow: assign, and everything else that asks when a crew will be there; `routing.road_times` falls back on it for
places with no road near them. Requirement: OCC-4.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

import numpy as np

from core.arrival import straight_line_s
from routing.geodesy import Floats, chords_squared, metres, unit_vector, unit_vectors
from routing.neighbours import Rows


class StraightLine:
    """Great circles, driven with the usual detour at the usual speed (`core.arrival`)."""

    def have_roads(self, places: Floats) -> list[bool]:
        """Nowhere."""
        return [False] * len(places)

    def travel_s(
        self,
        from_latitude_deg: Floats,
        from_longitude_deg: Floats,
        to_latitude_deg: float,
        to_longitude_deg: float,
        within_s: float = inf,
    ) -> Floats:
        """As the port has it."""
        origins = unit_vectors(from_latitude_deg, from_longitude_deg)
        destination = np.array([unit_vector(to_latitude_deg, to_longitude_deg)])
        return self.drives_s(origins, [len(origins)], destination, [within_s])

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
