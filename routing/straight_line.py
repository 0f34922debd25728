"""Driving times where there is no map: what straight lines usually take. Fills `core.ports.TravelTimes`.

Place in the flow: assign, and everything else that asks when a crew will be there; `routing.road_times` falls back on it for
places with no road near them. Requirement: OCC-4.
"""

from __future__ import annotations

from math import inf

import numpy as np

from core.arrival import straight_line_s
from routing.geodesy import Floats, chords_squared, metres, unit_vector, unit_vectors


class StraightLine:
    """Great circles, driven with the usual detour at the usual speed (`core.arrival`)."""

    def has_roads_at(self, latitude_deg: float, longitude_deg: float) -> bool:
        """Nowhere."""
        return False

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
        seconds = straight_lines_s(origins, np.array(unit_vector(to_latitude_deg, to_longitude_deg)))
        return np.where(seconds <= within_s, seconds, inf)


def straight_lines_s(origins: Floats, destination: Floats) -> Floats:
    """Seconds from unit vectors, shape (n, 3), to one, shape (3,): shape (n,)."""
    return metres(chords_squared(origins, destination)) * straight_line_s(1.0)
