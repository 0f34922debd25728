"""Patrol routes as shapes: how far each crew is from its own route; implements `core.patrol.RouteDistances` (OCC-5).

Place in the flow: under `core.patrol_watch`, one call a batch. Rules: a crew is compared with its own route and no other, so
there is nothing to search, and no tree; each route lies in a plane of its own, in metres about its middle, in which GEOS
measures from point to shape. Within `limits.PATROL_EXTENT_MAX_DEG` such a plane is true to about a per cent near the route, and
what lies far from it stays far. GeoJSON and the register write longitude before latitude.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import cos, radians
from typing import Final

import numpy as np
import numpy.typing as npt
import shapely

from core.patrol import PatrolRoute
from routing.geodesy import EARTH_RADIUS_M, Floats

_METRES_A_DEGREE: Final = EARTH_RADIUS_M * radians(1.0)


class RouteShapes:
    """The shapes of the routes at work, by their numbers. Immutable once built."""

    def __init__(self, routes: Sequence[PatrolRoute]) -> None:
        """Lays each route out in its plane. A route's number is its place in `routes`."""
        self._shapes = np.empty(len(routes), object)
        self._middle_deg = np.zeros((len(routes), 2))
        self._scale_m = np.ones((len(routes), 2))
        for number, shape in enumerate(shapely.from_wkb([route.wkb for route in routes])):
            west, south, east, north = shapely.bounds(shape)
            middle = np.array([(west + east) / 2, (south + north) / 2])
            scale_m = np.array([cos(radians(middle[1])), 1.0]) * _METRES_A_DEGREE
            self._middle_deg[number], self._scale_m[number] = middle, scale_m
            self._shapes[number] = shapely.transform(shape, lambda at, o=middle, s=scale_m: (at - o) * s)

    def distances_m(self, route_nos: npt.NDArray[np.int64], latitude_deg: Floats, longitude_deg: Floats) -> Floats:
        """Metres from each place to its own route: 0 on the line or inside the area, NaN for no place.

        O(corners of the routes asked for).

        Args:
            route_nos: int64 `(n,)`; a route may be asked for by many.
            latitude_deg: WGS 84, float64 `(n,)`.
            longitude_deg: the same.
        """
        middle_deg, scale_m = self._middle_deg[route_nos], self._scale_m[route_nos]
        # The shorter way round: a place beyond the antimeridian is near.
        east_deg = (longitude_deg - middle_deg[:, 0] + 180.0) % 360.0 - 180.0
        north_deg = latitude_deg - middle_deg[:, 1]
        # No place becomes an empty point, and its distance NaN.
        points = shapely.points(east_deg * scale_m[:, 0], north_deg * scale_m[:, 1], handle_nan="skip")
        distance_m: Floats = shapely.distance(points, self._shapes[route_nos])
        return distance_m
