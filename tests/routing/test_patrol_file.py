"""Patrol routes out of GeoJSON, and what is said of files that are wrong."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from core import limits
from core.timetable import Shift, Timetable
from routing.map_data import MapError
from routing.patrol_file import routes_of_geojson
from tests.routing.test_territory import box, feature, geojson

LINE = {"type": "LineString", "coordinates": [[76.90, 43.25], [76.92, 43.25, 900.0], [76.92, 43.26]]}
HOURS = {"zone": "Asia/Almaty", "shifts": [{"days": ["mon", "tue"], "from": "20:00", "until": "08:00"}]}
GOOD: dict[str, Any] = {"name": "Абай – Достық", "width_m": 80, "timetable": HOURS, "crews": ["P-1", "P-2"]}


def walk(geometry: object = LINE, **changed: object) -> dict[str, object]:
    told = {**GOOD, **changed}
    return feature(geometry, **{name: value for name, value in told.items() if value is not None})


def read(*features: object) -> list[Any]:
    return list(routes_of_geojson(geojson(*features), "routes.geojson"))


def test_routes_when_file_is_good_are_as_it_says() -> None:
    line, area = read(
        walk(colour="red"), walk(box(76.9, 43.2, 76.95, 43.25), name="Парк", id="park", width_m=0, crews="roster", stand_s=0)
    )
    assert (line.route_id, line.name, line.width_m, line.crews, line.stand_s) == (
        "Абай – Достық",
        "Абай – Достық",
        80.0,
        ("P-1", "P-2"),
        None,
    )
    assert line.timetable == Timetable("Asia/Almaty", (Shift(days=("mon", "tue"), begins="20:00", ends="08:00"),))
    assert shapely.from_wkb(line.wkb) == shapely.LineString([(76.90, 43.25), (76.92, 43.25), (76.92, 43.26)])
    assert (line.valid_from_us, line.valid_until_us, line.version) == (0, None, 1)
    assert (area.route_id, area.crews, area.stand_s) == ("park", None, 0)
    assert shapely.from_wkb(area.wkb).geom_type == "Polygon"


def test_area_that_crosses_itself_is_made_good() -> None:
    bow = {"type": "Polygon", "coordinates": [[[76.0, 43.0], [76.1, 43.1], [76.1, 43.0], [76.0, 43.1], [76.0, 43.0]]]}
    (route,) = read(walk(bow))
    assert shapely.from_wkb(route.wkb).is_valid


def shifts(*days: str, begins: str = "20:00", ends: str = "08:00", **more: object) -> dict[str, object]:
    return {"zone": "Asia/Almaty", "shifts": [{"days": list(days), "from": begins, "until": ends, **more}]}


BANK = {"name": "bank", "at": "21:00", "latitude_deg": 43.25, "longitude_deg": 76.9}
WRONG: list[tuple[Any, str]] = [
    (b"no json", r"^routes.geojson: "),
    (b'{"type": "Feature", "features": []}', r"\$\.type must be FeatureCollection, not 'Feature'"),
    (geojson(walk(name=None)), r"feature 0: Object missing required field `name` - at `\$\.properties`"),
    (geojson(walk(), walk(width_m=None)), r"feature 1 \(Абай – Достық\): Object missing required field `width_m`"),
    (geojson(walk(width_m="80")), r"Expected `float`, got `str` - at `\$\.properties\.width_m`"),
    (geojson(walk(width_m=-1)), r"Expected `float` >= 0.0 - at `\$\.properties\.width_m`"),
    (geojson(walk(width_m=6000)), r"Expected `float` <= 5000.0 - at `\$\.properties\.width_m`"),
    (geojson(walk(width_m=3)), r"\(Абай – Достық\): properties.width_m 3 must be at least 10 for a line"),
    (geojson(walk(timetable=None)), r"missing required field `timetable`"),
    (
        geojson(walk(timetable=shifts("monday"))),
        r"'monday' - at `\$\.properties\.timetable\.shifts\[0\]\.days",
    ),
    (
        geojson(walk(timetable=shifts("mon", begins="8:00"))),
        r"regex .* at `\$\.properties\.timetable\.shifts\[0\]\.from",
    ),
    (
        geojson(walk(timetable={**HOURS, "zone": "Almaty"})),
        r"properties\.timetable\.zone: 'Almaty' is no time zone",
    ),
    (geojson(walk(timetable=shifts("mon", rest="1h"))), r"unknown field `rest`"),
    (
        geojson(walk(timetable=shifts("mon", checkpoints=[{**BANK, "at": "12:00"}]))),
        r"checkpoints\[0\]\.at: 12:00 must lie",
    ),
    (geojson(walk(crews=None)), r"missing required field `crews`"),
    (geojson(walk(crews="P-1")), r"Invalid enum value 'P-1' - at `\$\.properties\.crews`"),
    (geojson(walk(crews=[])), r"length >= 1 - at `\$\.properties\.crews`"),
    (geojson(walk(crews=["P-1", "P-1"])), r"properties\.crews names a crew twice"),
    (geojson(walk(stand_s=-1)), r"`\$\.properties\.stand_s`"),
    (geojson(walk(), walk()), r"feature 1 \(.*\): properties\.id 'Абай – Достық' is also feature 0's"),
    (
        geojson(walk(), walk(id="other", name="Other", timetable=shifts("wed", begins="07:00", ends="09:00"))),
        r"feature 1 \(Other\): properties\.crews: P-1 is on feature 0 \(Абай – Достық\) too when its shift begins, wed 07:00",
    ),
    (geojson(walk({"type": "Point", "coordinates": [76, 43]})), r"geometry must be a LineString or Polygon .*, not Point"),
    (geojson(walk(None)), r"geometry must be .*, not None|geometry"),
    (geojson(walk({"type": "LineString", "coordinates": [[76, 43]]})), r"geometry: "),
    (geojson(walk({"type": "LineString", "coordinates": [[76, 43], [76, 43]]})), r"geometry has no extent"),
    (geojson(walk({"type": "LineString", "coordinates": [[43, 106], [43, 107]]})), r"longitude .* then latitude"),
    (geojson(walk({"type": "LineString", "coordinates": [[70, 43], [77, 43]]})), r"wider or higher than 2 degrees"),
    (
        geojson(walk({"type": "LineString", "coordinates": [[76 + at / 1e5, 43] for at in range(5001)]})),
        r"geometry has 5001 corners, at most 5000",
    ),
    (geojson(feature(LINE, **GOOD) | {"type": "Thing"}), r"type must be Feature, not 'Thing'"),
]


@pytest.mark.parametrize(("text", "message"), WRONG)
def test_file_is_refused_with_feature_and_field_when_it_is_wrong(text: bytes, message: str) -> None:
    with pytest.raises(MapError, match=message) as raised:
        routes_of_geojson(text, "routes.geojson")
    assert len(str(raised.value).splitlines()) == 1


def test_file_is_refused_when_it_has_too_many_routes() -> None:
    many = msgspec.json.encode({"type": "FeatureCollection", "features": [{}] * (limits.PATROL_ROUTES_MAX + 1)})
    with pytest.raises(MapError, match="at most 20000 are taken"):
        routes_of_geojson(many, "routes.geojson")


def test_crew_may_be_on_two_routes_one_after_the_other() -> None:
    later = walk(id="later", name="Later", timetable=shifts("mon", begins="08:00", ends="20:00"))
    assert len(read(walk(), later)) == 2


@given(st.binary(max_size=100))
def test_file_is_refused_with_the_one_error_when_bytes_are_any(text: bytes) -> None:
    with pytest.raises(MapError):
        routes_of_geojson(text, "any")
