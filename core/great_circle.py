"""Great-circle distances by the haversine formula: of two places, and of many pairs at once.

`routing.geodesy` has the unit vectors and chords that neighbours are searched by.
"""

from __future__ import annotations

from math import asin, cos, radians, sin, sqrt
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

EARTH_RADIUS_M: Final = 6_371_008.8
METRES_PER_DEGREE: Final = EARTH_RADIUS_M * radians(1.0)


def distance_m(latitude_a_deg: float, longitude_a_deg: float, latitude_b_deg: float, longitude_b_deg: float) -> float:
    """Great-circle distance of two points in metres (haversine)."""
    lat_a, lat_b = radians(latitude_a_deg), radians(latitude_b_deg)
    half = sin((lat_b - lat_a) / 2) ** 2 + cos(lat_a) * cos(lat_b) * sin(radians(longitude_b_deg - longitude_a_deg) / 2) ** 2
    return 2 * EARTH_RADIUS_M * asin(sqrt(half))


def distances_m(latitude_a_deg: Floats, longitude_a_deg: Floats, latitude_b_deg: Floats, longitude_b_deg: Floats) -> Floats:
    """Metres between places, pair by pair; NaN where a coordinate is NaN. All arguments float64 `(n,)`, WGS 84 degrees."""
    latitude_a, latitude_b = np.radians(latitude_a_deg), np.radians(latitude_b_deg)
    across = np.sin(np.radians(longitude_b_deg - longitude_a_deg) * 0.5)
    half = np.sin((latitude_b - latitude_a) * 0.5) ** 2 + np.cos(latitude_a) * np.cos(latitude_b) * across**2
    # Opposite points may come out a rounding error above the whole.
    distance: Floats = 2.0 * EARTH_RADIUS_M * np.arcsin(np.sqrt(np.minimum(half, 1.0)))
    return distance
