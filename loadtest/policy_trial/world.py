"""The world in which assignment policies are tried: calls, crews and the ways between them, as arrays.

Place in the flow: outside it; `loadtest.policy_trial.play` lets a policy answer these calls,
`loadtest.policy_trial.hindsight` says what could have been reached by one who had known them all.

Rules: seconds count from the beginning of the period. A call is one crew needed in one place: an incident that needs three
crews is three calls. Nothing here is random.
"""

from __future__ import annotations

from math import cos, radians
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from loadtest.city import METRES_A_DEGREE

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


class Calls(NamedTuple):
    """(calls,) arrays in order of `at_s`."""

    at_s: Floats
    """When the centre knows place and kind: nobody can be sent before."""
    latitude_deg: Floats
    longitude_deg: Floats
    priority: Integers
    turnout_s: Floats
    """From being sent until rolling, whoever goes."""
    work_s: Floats
    """On scene and behind it, until the crew is free again."""
    zone: Integers
    """Which crews may go: those whose `Crews.zone` is the same or -1."""


class Crews(NamedTuple):
    """(crews,) arrays. A crew without a task drives home and waits there."""

    home_latitude_deg: Floats
    home_longitude_deg: Floats
    zone: Integers
    """-1 for a crew that may go everywhere."""
    free_at_s: Floats
    """When each crew is first free: 0 or less for one that waits at `latitude_deg` or is on its way home from there."""
    latitude_deg: Floats
    """Where it is then."""
    longitude_deg: Floats
    duty: tuple[tuple[tuple[float, float], ...], ...]
    """Each crew's from–to: it is sent only within one of them."""


class Travel(NamedTuple):
    """Straight lines, stretched by a detour, at one speed, and some seconds that every way takes."""

    fixed_s: float
    speed_mps: float
    detour: float
    latitude_deg: float
    """Of the city, where the earth is flat enough."""

    def flat_m(self, latitude_deg: Floats, longitude_deg: Floats) -> Floats:
        """Places in degrees → (..., 2) metres north and east."""
        east = METRES_A_DEGREE * cos(radians(self.latitude_deg))
        return np.stack((latitude_deg * METRES_A_DEGREE, longitude_deg * east), axis=-1)

    def distance_m(self, from_lat: Floats, from_lon: Floats, to_lat: Floats, to_lon: Floats) -> Floats:
        """Straight line between places in degrees, elementwise."""
        return np.hypot(
            (to_lat - from_lat) * METRES_A_DEGREE, (to_lon - from_lon) * (METRES_A_DEGREE * cos(radians(self.latitude_deg)))
        )

    def lasts_s(self, distance_m: Floats) -> Floats:
        """From rolling until arrival, for straight-line distances."""
        return self.fixed_s + distance_m * (self.detour / self.speed_mps)

    def travel_s(self, from_lat: Floats, from_lon: Floats, to_lat: Floats, to_lon: Floats) -> Floats:
        """From rolling until arrival, elementwise."""
        return self.lasts_s(self.distance_m(from_lat, from_lon, to_lat, to_lon))

    def back_s(self, from_lat: Floats, from_lon: Floats, to_lat: Floats, to_lon: Floats) -> Floats:
        """The way home, which begins without any preparation."""
        return self.distance_m(from_lat, from_lon, to_lat, to_lon) * (self.detour / self.speed_mps)


class World(NamedTuple):
    """One period of one city's crews of one kind."""

    name: str
    calls: Calls
    crews: Crews
    travel: Travel
    late_s: float
    """A response that takes longer is late."""
    usual_work_s: float
    """What anybody would guess that a call takes, without knowing it."""
    demand: Floats
    """(cells, 3) latitude, longitude and calls an hour, from other days than this one."""


def may_go(calls: Calls, crews: Crews) -> npt.NDArray[np.bool_]:
    """(calls, crews) whether the zones allow it."""
    allowed: npt.NDArray[np.bool_] = (crews.zone[None, :] < 0) | (crews.zone[None, :] == calls.zone[:, None])
    return allowed


def picked(calls: Calls, rows: Integers) -> Calls:
    """Some of the calls, in the order given."""
    return Calls(
        calls.at_s[rows],
        calls.latitude_deg[rows],
        calls.longitude_deg[rows],
        calls.priority[rows],
        calls.turnout_s[rows],
        calls.work_s[rows],
        calls.zone[rows],
    )
