"""What was never imported, or long ago, is told with the command that imports it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from core.instant import Micros
from ops.cli import main
from ops.doctor import imported
from storage.condition import LayerState, RegisterState
from tests.database import execute
from tests.ops.doctor.worlds import has, look, said, world

DAY_US = 86_400_000_000
NOW = Micros(1000 * DAY_US)
SQUARE = {"type": "Polygon", "coordinates": [[[76, 43], [77, 43], [77, 44], [76, 43]]]}
ROADS = {"streets": 449, "houses": 760, "roads": 1200, "boundaries": 3}


def layer(name: str, days: int, counts: dict[str, int]) -> LayerState:
    return LayerState(name, Micros(NOW - days * DAY_US), "almaty.osm.pbf", json.dumps(counts).encode())


@pytest.mark.parametrize(
    ("layers", "parts"),
    [
        ([], ("warning: no map", "jedel map import")),
        ([], ("warning: no territories", "jedel territory import")),
        ([layer("gazetteer", 3, ROADS)], ("ok: map almaty.osm.pbf, 3 days old: 449 streets, 760 houses, 1,200 roads",)),
        ([layer("gazetteer", 3, ROADS)], ("ok: the map's own 3 boundaries are the territories",)),
        ([layer("gazetteer", 400, ROADS)], ("warning: map almaty.osm.pbf, 400 days old", "a newer extract")),
        ([layer("gazetteer", 3, ROADS | {"roads": 0})], ("warning:", "straight lines", "import it again")),
    ],
)
def test_map_is_judged(layers: list[LayerState], parts: tuple[str, ...]) -> None:
    lines = said(list(imported.judge_map({one.name: one for one in layers}, NOW)))
    assert has(lines, *parts), lines


@pytest.mark.parametrize(
    ("register", "parts"),
    [
        (RegisterState("subscriber", 0, None), ("warning: no subscribers", "jedel subscribers import")),
        (RegisterState("device", 0, None), ("warning: no devices", "jedel devices import")),
        (RegisterState("subscriber", 10_000_000, NOW), ("ok: 10,000,000 subscribers, imported 0 days ago",)),
        (
            RegisterState("subscriber", 5, Micros(NOW - 91 * DAY_US)),
            ("warning: 5 subscribers, imported 91 days ago", "a newer base"),
        ),
        (RegisterState("device", 5, Micros(NOW - 900 * DAY_US)), ("ok: 5 devices",)),
    ],
)
def test_registers_are_judged(register: RegisterState, parts: tuple[str, ...]) -> None:
    lines = said(list(imported.judge_registers([register], NOW)))
    assert has(lines, *parts), lines


def test_what_was_imported_is_read_from_the_database(database: str, tmp_path: Path) -> None:
    shapes = tmp_path / "districts.geojson"
    features = [{"type": "Feature", "properties": {"id": "kz/almaty/medeu", "name": "Medeu"}, "geometry": SQUARE}]
    shapes.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    devices = tmp_path / "devices.csv"
    devices.write_text("device_id,latitude_deg,longitude_deg\np-1,43.2,76.9\n")
    assert main(["territory", "import", str(shapes), "--dsn", database]) == 0
    assert main(["devices", "import", str(devices), "--dsn", database]) == 0
    assert has(look(imported.check_map, world(dsn=database)), "ok: 1 territories of districts.geojson")
    lines = look(imported.check_registers, world(dsn=database))
    assert has(lines, "ok: 1 devices, imported 0 days ago")
    assert has(lines, "warning: no subscribers")


def test_database_without_tables_is_no_crash(database: str) -> None:
    asyncio.run(execute(database, "DROP SCHEMA public CASCADE", "CREATE SCHEMA public"))
    assert has(look(imported.check_map, world(dsn=database)), "ok: the database is empty")
    assert has(look(imported.check_registers, world(dsn=database)), "ok: the database is empty")
