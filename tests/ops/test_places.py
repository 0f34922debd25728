"""A map comes in by one command and answers for words; a boundary file decides on the territories."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import numpy as np
import pytest

from core.ports import TravelTimes
from ops import maps
from ops.cli import main
from ops.commands.configured import connected
from ops.config import Database
from routing.geodesy import unit_vector
from routing.territory import Territory
from tests.routing.road_town import travel_s

OSM = """<?xml version="1.0" encoding="UTF-8"?>
<osm version="0.6">
  <node id="1" lat="43.2400" lon="76.9400" version="1"/>
  <node id="2" lat="43.2400" lon="76.9500" version="1"/>
  <node id="3" lat="43.2450" lon="76.9450" version="1"/>
  <node id="4" lat="43.2350" lon="76.9450" version="1"/>
  <node id="5" lat="43.2400" lon="76.9450" version="1"/>
  <node id="6" lat="43.2402" lon="76.9420" version="1">
    <tag k="addr:street" v="улица Абая"/><tag k="addr:housenumber" v="10"/>
  </node>
  <node id="7" lat="43.2410" lon="76.9410" version="1">
    <tag k="amenity" v="hospital"/><tag k="name" v="Больница скорой помощи"/>
  </node>
  <way id="1" version="1">
    <nd ref="1"/><nd ref="5"/><nd ref="2"/><tag k="highway" v="residential"/><tag k="name" v="улица Абая"/>
  </way>
  <way id="2" version="1">
    <nd ref="3"/><nd ref="5"/><nd ref="4"/><tag k="highway" v="residential"/><tag k="name" v="улица Фурманова"/>
  </way>
</osm>
"""


def boundaries(**properties: str) -> str:
    ring = [[76.9, 43.2], [77.0, 43.2], [77.0, 43.3], [76.9, 43.3], [76.9, 43.2]]
    geometry = {"type": "Polygon", "coordinates": [ring]}
    feature = {"type": "Feature", "properties": properties, "geometry": geometry}
    return json.dumps({"type": "FeatureCollection", "features": [feature]})


def territories(dsn: str, centre: str = "") -> list[Territory]:
    async def run() -> list[Territory]:
        async with connected(Database(dsn=dsn)) as connection:
            return await maps.load_territories(connection, await maps.load_map_data(connection), centre)

    return asyncio.run(run())


def test_map_import_answers_for_words(database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "town.osm"
    file.write_text(OSM, encoding="utf-8")
    assert main(["map", "import", str(file), "--dsn", database]) == 0
    assert capsys.readouterr().out.startswith(
        "map: 2 streets, 1 houses, 1 corners, 1 places, 0 boundaries, 4 roads from town.osm\n"
    )

    assert main(["address", "Абая", "10", "--dsn", database]) == 0
    (house,) = capsys.readouterr().out.splitlines()
    assert house.split()[1:3] == ["house", "43.240200,76.942000"]

    assert main(["address", "Фурманова угол Абая", "--limit", "1", "--dsn", database]) == 0
    (corner,) = capsys.readouterr().out.splitlines()
    assert corner.split()[1:3] == ["corner", "43.240000,76.945000"]


def test_map_import_brings_driving_times(database: str, tmp_path: Path) -> None:
    async def travel_times() -> TravelTimes | None:
        async with connected(Database(dsn=database)) as connection:
            return maps.travel_times_of(await maps.load_map_data(connection))

    assert asyncio.run(travel_times()) is None
    file = tmp_path / "town.osm"
    file.write_text(OSM, encoding="utf-8")
    assert main(["map", "import", str(file), "--dsn", database]) == 0
    times = asyncio.run(travel_times())
    assert times is not None
    assert times.have_roads(np.array([unit_vector(43.2400, 76.9450)])) == [True]
    (seconds,) = travel_s(times, np.array([43.2400]), np.array([76.9400]), 43.2400, 76.9450).tolist()
    assert seconds == pytest.approx(405 / (25 * 1.05 / 3.6), abs=10)
    # A map without a road takes the place of this one, roads and all.
    file.write_text(OSM.replace('v="residential"', 'v="footway"'), encoding="utf-8")
    assert main(["map", "import", str(file), "--dsn", database]) == 0
    assert asyncio.run(travel_times()) is None


def test_address_that_is_nowhere_is_status_1(database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["address", "Абая 10", "--dsn", database]) == 1
    assert capsys.readouterr().err == "jedel: no map yet: jedel map import FILE\n"
    file = tmp_path / "town.osm"
    file.write_text(OSM, encoding="utf-8")
    main(["map", "import", str(file), "--dsn", database])
    capsys.readouterr()
    assert main(["address", "zzzzqqq", "--dsn", database]) == 1
    written = capsys.readouterr()
    assert (written.out, written.err) == ("", "jedel: nothing on the map is like 'zzzzqqq'\n")


def test_file_that_is_no_map_fails_and_keeps_the_map_before(
    database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = tmp_path / "town.osm", tmp_path / "bad.osm.pbf"
    good.write_text(OSM, encoding="utf-8")
    bad.write_bytes(b"\x00\x00\x00\x0dgarbage")
    assert main(["map", "import", str(good), "--dsn", database]) == 0
    capsys.readouterr()
    assert main(["map", "import", str(bad), "--dsn", database]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "bad.osm.pbf" in line
    assert main(["address", "Абая 10", "--dsn", database]) == 0


def test_territory_import_decides_on_the_territories(database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert territories(database) == []
    file = tmp_path / "city.geojson"
    file.write_text(boundaries(id="kz/almaty", name="Алматы"), encoding="utf-8")
    assert main(["territory", "import", str(file), "--dsn", database]) == 0
    assert capsys.readouterr().out == "territories: 1: kz/almaty\nterritories: known to a service from its next start on\n"
    assert [territory.territory_id for territory in territories(database)] == ["kz/almaty"]

    file.write_text(boundaries(id="kz/astana"), encoding="utf-8")
    assert main(["territory", "import", str(file), "--dsn", database]) == 1
    assert "properties.name is missing" in capsys.readouterr().err
    assert [territory.territory_id for territory in territories(database)] == ["kz/almaty"]


@pytest.mark.real
def test_almaty_extract_imports_and_answers(database: str, real_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = real_data / "almaty.osm.pbf"
    assert main(["map", "import", str(file), "--dsn", database, "--set", "centre.territory=kz/almaty"]) == 0
    said = capsys.readouterr().out
    assert re.match(r"map: 4\d\d streets, 760 houses, 1\d\d\d corners, ", said)  # the file has 760 addresses on streets
    assert int(re.search(r"(\d+) roads", said)[1]) > 12_000  # type: ignore[index]  # None is an error as well
    assert "kz/almaty" in said
    assert "kz/almaty" in {territory.territory_id for territory in territories(database, "kz/almaty")}
    assert main(["address", "угол Фурманова и Абая", "--dsn", database]) == 0
    first = capsys.readouterr().out.splitlines()[0].split()
    assert first[1] == "corner"
    latitude, longitude = map(float, first[2].split(","))
    assert abs(latitude - 43.2424) < 0.001 and abs(longitude - 76.9483) < 0.001
