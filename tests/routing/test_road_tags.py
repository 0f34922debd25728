"""What tags say of driving."""

from __future__ import annotations

import pytest

from routing.road_tags import ALLOWED_KMH, SPEEDS_KMH, Direction, Drivable, drivable, read_limit_kmh

BOTH, ALONG, AGAINST = Direction.BOTH, Direction.ALONG, Direction.AGAINST


@pytest.mark.parametrize("highway", SPEEDS_KMH)
def test_road_of_each_class_is_driven_at_its_speed(highway: str) -> None:
    found = drivable({"highway": highway})
    assert found == Drivable(SPEEDS_KMH[highway], ALONG if highway == "motorway" else BOTH)


@pytest.mark.parametrize(
    "tags",
    [
        {},
        {"building": "yes"},
        {"highway": "footway"},
        {"highway": "steps"},
        {"highway": "steps", "emergency": "yes"},
        {"highway": "construction"},
        {"highway": "bus_stop"},
        {"highway": "residential", "access": "no"},
        {"highway": "residential", "motor_vehicle": "no"},
        {"highway": "residential", "access": "yes", "vehicle": "no"},
        {"highway": "residential", "emergency": "no"},
        {"highway": "residential", "oneway": "reversible"},
        {"highway": "pedestrian"},
        {"highway": "pedestrian", "access": "no"},
    ],
)
def test_way_is_not_driven_when_no_vehicle_may_or_can(tags: dict[str, str]) -> None:
    assert drivable(tags) is None


@pytest.mark.parametrize(
    ("tags", "driven"),
    [
        ({"highway": "residential", "access": "private"}, Drivable(25, BOTH)),
        ({"highway": "residential", "access": "no", "emergency": "yes"}, Drivable(25, BOTH)),
        ({"highway": "residential", "access": "no", "motor_vehicle": "destination"}, Drivable(25, BOTH)),
        ({"highway": "pedestrian", "motor_vehicle": "yes"}, Drivable(ALLOWED_KMH, BOTH)),
        ({"highway": "footway", "emergency": "designated"}, Drivable(ALLOWED_KMH, BOTH)),
        ({"highway": "primary", "oneway": "yes"}, Drivable(65, ALONG)),
        ({"highway": "primary", "oneway": "1"}, Drivable(65, ALONG)),
        ({"highway": "primary", "oneway": "-1"}, Drivable(65, AGAINST)),
        ({"highway": "primary", "oneway": "no"}, Drivable(65, BOTH)),
        ({"highway": "motorway", "oneway": "no"}, Drivable(90, BOTH)),
        ({"highway": "motorway_link"}, Drivable(45, BOTH)),
        ({"highway": "tertiary", "junction": "roundabout"}, Drivable(40, ALONG)),
        ({"highway": "tertiary", "junction": "roundabout", "oneway": "-1"}, Drivable(40, AGAINST)),
        ({"highway": "tertiary", "oneway": "yes;no"}, Drivable(40, BOTH)),
        ({"highway": "residential", "maxspeed": "60"}, Drivable(48, BOTH)),
        ({"highway": "primary", "maxspeed": "20"}, Drivable(16, BOTH)),
        ({"highway": "primary", "maxspeed": "3"}, Drivable(5, BOTH)),
        ({"highway": "primary", "maxspeed": "none"}, Drivable(65, BOTH)),
    ],
)
def test_way_is_driven_as_its_tags_say(tags: dict[str, str], driven: Drivable) -> None:
    assert drivable(tags) == driven


@pytest.mark.parametrize(
    ("text", "limit_kmh"),
    [
        ("60", 60.0),
        (" 60 ", 60.0),
        ("60 km/h", 60.0),
        ("60kmh", 60.0),
        ("5 mph", 8.04672),
        ("30 mph", 48.28032),
        ("3", 5.0),
        ("0", 5.0),
        ("600", 140.0),
        ("KZ:urban", 60.0),
        ("KZ:rural", 100.0),
        ("US:urban", None),
        ("KZ:motorway", None),
        ("", None),
        ("none", None),
        ("walk", None),
        ("60;40", None),
        ("60 @ (Mo-Fr)", None),
        ("-60", None),
        ("шестьдесят", None),
    ],
)
def test_limit_is_read_where_it_can_be(text: str, limit_kmh: float | None) -> None:
    assert read_limit_kmh(text) == (None if limit_kmh is None else pytest.approx(limit_kmh))
