"""What OpenStreetMap's tags say of driving on a way: whether a vehicle may, which way round, and how fast.

Place in the flow: the import of a map (`routing.osm`), before `routing.road_graph`. Rules: speeds are those at which a road
of a class is driven on average, not its limits; a readable `maxspeed` takes their place, lessened by what traffic is below
limits. A crew in service enters what is private and what only emergencies may enter, and no way that is closed to all vehicles.

Sources: the classes' speeds and `LIMIT_SHARE` are those of the car profile that OSRM has measured itself against for a decade
(Project-OSRM/osrm-backend, profiles/car.lua: `speed_profile`, `speed_reduction`); directions are as the OSM wiki's key `oneway`
has them, the implied ones included. Requirement: OCC-4.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import IntEnum
from typing import Final, NamedTuple

SPEEDS_KMH: Final[Mapping[str, int]] = {
    "motorway": 90,
    "motorway_link": 45,
    "trunk": 85,
    "trunk_link": 40,
    "primary": 65,
    "primary_link": 30,
    "secondary": 55,
    "secondary_link": 25,
    "tertiary": 40,
    "tertiary_link": 20,
    "unclassified": 25,
    "residential": 25,
    "busway": 25,
    "road": 25,
    "unsurfaced": 20,
    "service": 15,
    "track": 15,
    "living_street": 10,
}
"""The classes a vehicle drives on. `busway`, `road`, `unsurfaced` and `track` are ours, as the classes they are most like."""
ALLOWED_ONLY: Final = frozenset({"pedestrian", "footway", "path", "cycleway", "bridleway"})
"""Ways that are a vehicle's only where a tag says so."""
ALLOWED_KMH: Final = 10
LIMIT_SHARE: Final = 0.8
"""Of a limit that is driven on average."""
LIMIT_LEAST_KMH: Final = 5
LIMIT_MOST_KMH: Final = 140
"""Kazakhstan's highest limit; what a map has beyond it, or below walking, is a mistake in its entry."""
MPH_KMH: Final = 1.609344

_LIMIT: Final = re.compile(r"(\d{1,3})(?:\.\d+)?\s*(|km/h|kmh|kph|mph)")
_LIMIT_WORDS: Final = {"urban": 60, "living_street": 20, "rural": 100}
"""What `maxspeed=KZ:urban` and its like mean, by the road rules of Kazakhstan."""
_YES: Final = frozenset({"yes", "designated", "official", "permissive", "destination"})


class Direction(IntEnum):
    """Which way round a way is driven, seen along its nodes."""

    BOTH = 0
    ALONG = 1
    AGAINST = -1


class Drivable(NamedTuple):
    """How a way is driven."""

    speed_kmh: int
    direction: Direction


def drivable(tags: Mapping[str, str]) -> Drivable | None:
    """How a way of these tags is driven, or None where no vehicle may or can."""
    highway = tags.get("highway", "")
    speed_kmh = SPEEDS_KMH.get(highway)
    allowed = _allowed(tags)
    if speed_kmh is None:
        if highway not in ALLOWED_ONLY or allowed is not True:
            return None
        speed_kmh = ALLOWED_KMH
    elif allowed is False:
        return None
    direction = _direction(tags, highway)
    if direction is None:
        return None
    limit_kmh = read_limit_kmh(tags.get("maxspeed", ""))
    return Drivable(speed_kmh if limit_kmh is None else max(LIMIT_LEAST_KMH, round(LIMIT_SHARE * limit_kmh)), direction)


def read_limit_kmh(text: str) -> float | None:
    """The limit that a `maxspeed` says, within what limits are; None where it says none that can be read."""
    found = _LIMIT.fullmatch(text.strip().lower())
    if found is not None:
        limit_kmh = int(found[1]) * (MPH_KMH if found[2] == "mph" else 1.0)
        return min(max(limit_kmh, float(LIMIT_LEAST_KMH)), float(LIMIT_MOST_KMH))
    country, _, zone = text.strip().partition(":")
    return _LIMIT_WORDS.get(zone) if country == "KZ" else None


def _allowed(tags: Mapping[str, str]) -> bool | None:
    """What the most special tag on access says of a crew's vehicle; None where none says anything."""
    for key in ("emergency", "motorcar", "motor_vehicle", "vehicle", "access"):
        value = tags.get(key, "")
        if value in _YES or (key == "emergency" and value == "private"):
            return True
        if value == "no":
            return False
    return None


def _direction(tags: Mapping[str, str], highway: str) -> Direction | None:
    """Which way round; None where it changes with the time of day, for nobody tells us the time at which it does."""
    match tags.get("oneway", ""):
        case "yes" | "true" | "1":
            return Direction.ALONG
        case "-1" | "reverse":
            return Direction.AGAINST
        case "reversible":
            return None
        case "no" | "false" | "0" | "alternating":
            return Direction.BOTH
    implied = highway == "motorway" or tags.get("junction") in ("roundabout", "circular")
    return Direction.ALONG if implied else Direction.BOTH
