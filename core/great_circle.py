"""Great-circle distances of many pairs of places at once, for rules of `core` that look at a whole batch's crews.

`routing.geodesy` has the unit vectors and chords that neighbours are searched by; here is only the haversine formula, as
`core.correlate.distance_m` has it for one pair.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from core.correlate import EARTH_RADIUS_M

Floats = npt.NDArray[np.float64]


def distances_m(latitude_a_deg: Floats, longitude_a_deg: Floats, latitude_b_deg: Floats, longitude_b_deg: Floats) -> Floats:
    """Metres between places, pair by pair; NaN where a coordinate is NaN. All arguments float64 `(n,)`, WGS 84 degrees."""
    latitude_a, latitude_b = np.radians(latitude_a_deg), np.radians(latitude_b_deg)
    across = np.sin(np.radians(longitude_b_deg - longitude_a_deg) * 0.5)
    half = np.sin((latitude_b - latitude_a) * 0.5) ** 2 + np.cos(latitude_a) * np.cos(latitude_b) * across**2
    # Opposite points may come out a rounding error above the whole.
    distance: Floats = 2.0 * EARTH_RADIUS_M * np.arcsin(np.sqrt(np.minimum(half, 1.0)))
    return distance
