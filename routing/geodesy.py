"""Places on the sphere: degrees, unit vectors, chords and metres.

Place in the flow: under locate and assign; everything that asks how far one place is from another asks here. The Earth is the
mean sphere of the haversine formula (IUGG mean radius); against the WGS 84 ellipsoid a distance is off by at most 0.56 %, which
never matters beside a position's own uncertainty.

Rules: nearness is compared by the squared chord between unit vectors, which grows with the great-circle distance, knows no
antimeridian and no poles, and costs no trigonometry; only what a person reads is turned into metres. Three products are added
in a fixed order, so one pair of places has one squared chord to the last bit, whichever index or scan computed it.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import asin, cos, pi, radians, sin, sqrt
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

EARTH_RADIUS_M: Final = 6_371_008.8
"""Mean radius R1 of the WGS 84 ellipsoid (IUGG 1980)."""
_DIAMETER_M: Final = 2.0 * EARTH_RADIUS_M
_QUARTER: Final = pi / 2


def unit_vectors(latitude_deg: Floats, longitude_deg: Floats) -> Floats:
    """Points on the unit sphere, one row `(x, y, z)` a place; a row of NaN where either coordinate is not finite.

    Args:
        latitude_deg: WGS 84 latitudes, shape (n,).
        longitude_deg: WGS 84 longitudes, shape (n,).

    Returns:
        Shape (n, 3), C order, as cKDTree wants it.
    """
    known = np.isfinite(latitude_deg) & np.isfinite(longitude_deg)
    if not known.all():
        latitude_deg = np.where(known, latitude_deg, np.nan)
        longitude_deg = np.where(known, longitude_deg, np.nan)
    latitude = np.radians(latitude_deg)
    longitude = np.radians(longitude_deg)
    level = np.cos(latitude)
    points = np.empty((len(latitude), 3))
    np.multiply(level, np.cos(longitude), out=points[:, 0])
    np.multiply(level, np.sin(longitude), out=points[:, 1])
    np.sin(latitude, out=points[:, 2])
    return points


def unit_vector(latitude_deg: float, longitude_deg: float) -> tuple[float, float, float]:
    """One finite place on the unit sphere; of single places this is the cheapest, to the last bit but one as `unit_vectors`."""
    latitude, longitude = radians(latitude_deg), radians(longitude_deg)
    level = cos(latitude)
    return level * cos(longitude), level * sin(longitude), sin(latitude)


def degrees_of(points: Floats) -> tuple[Floats, Floats]:
    """Latitudes and longitudes of points on the unit sphere, shape (n, 3): each of shape (n,)."""
    latitude_deg: Floats = np.degrees(np.arcsin(np.clip(points[:, 2], -1.0, 1.0)))
    longitude_deg: Floats = np.degrees(np.arctan2(points[:, 1], points[:, 0]))
    return latitude_deg, longitude_deg


def chords_squared(ones: Floats, others: Floats) -> Floats:
    """Squared chords between unit vectors in the last axis, which is summed away; the other axes broadcast."""
    apart = ones - others
    apart *= apart
    total: Floats = apart[..., 0] + apart[..., 1]
    total += apart[..., 2]
    return total


def metres(chord_squared: Floats) -> Floats:
    """Great-circle distances in metres of squared chords (haversine's second half)."""
    half = np.sqrt(chord_squared)
    half *= 0.5
    # Opposite points may come out a rounding error above the diameter.
    np.minimum(half, 1.0, out=half)
    distance_m: Floats = np.arcsin(half)
    distance_m *= 2.0 * EARTH_RADIUS_M
    return distance_m


def metres_of(chords_squared: Iterable[float]) -> list[float]:
    """`metres` of a few squared chords, to the last bit but one."""
    return [_DIAMETER_M * (asin(0.5 * sqrt(apart)) if apart < 4.0 else _QUARTER) for apart in chords_squared]


def chord_of(distance_m: float) -> float:
    """The chord on the unit sphere that spans a great-circle distance."""
    return float(2.0 * np.sin(min(distance_m / (2.0 * EARTH_RADIUS_M), np.pi / 2)))
