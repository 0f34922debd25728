"""Patrol routes by the command line, into a real database, as a person runs it."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from ops.cli import main
from tests.database import execute
from tests.ops.test_registers import fetch

LINE = {"type": "LineString", "coordinates": [[76.90, 43.25], [76.92, 43.25]]}
DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
BANK = {"name": "bank", "at": "22:00", "latitude_deg": 43.25, "longitude_deg": 76.9}


def walk(route_id: str, crews: object, begins: str, ends: str, *points: object, width_m: float = 80) -> dict[str, object]:
    shift = {"days": DAYS, "from": begins, "until": ends, "checkpoints": list(points)}
    timetable = {"zone": "Asia/Almaty", "shifts": [shift]}
    told = {"id": route_id, "name": route_id.title(), "width_m": width_m, "timetable": timetable, "crews": crews}
    return {"type": "Feature", "geometry": LINE, "properties": told}


def write(file: Path, *features: object) -> str:
    file.write_text(json.dumps({"type": "FeatureCollection", "features": features}), encoding="utf-8")
    return str(file)


def test_import_and_show_tell_who_is_on_which_route(database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(
        tmp_path / "r.geojson", walk("abay", ["P-1", "P-2"], "20:00", "08:00", BANK), walk("park", "roster", "08:00", "20:00")
    )
    assert main(["patrol", "import", file, "--dsn", database]) == 0
    assert capsys.readouterr().out == (
        "patrol: 2 routes in force; 2 added, 0 changed, 0 as they were, 0 ended\n"
        "a running service goes by them within some seconds\n"
    )
    day = f"{datetime.now(UTC) + timedelta(days=3):%Y-%m-%d}"
    assert main(["patrol", "show", "--dsn", database, "--day", day]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{day} 08:00–20:00  Park (park, version 1, ±80 m): by roster",
        f"{day} 20:00–08:00  Abay (abay, version 1, ±80 m): P-1, P-2; 1 checkpoints",
    ]
    assert main(["patrol", "show", "--dsn", database, "--day", day, "--crew", "P-2"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1
    assert main(["patrol", "show", "--dsn", database, "--day", day, "--route", "park"]) == 0
    assert capsys.readouterr().out.startswith(f"{day} 08:00")
    # Nothing was in force then.
    assert main(["patrol", "show", "--dsn", database, "--day", "2020-01-01"]) == 1
    written = capsys.readouterr()
    assert (written.out, written.err) == ("", "jedel: no shift of a patrol route\n")


def test_show_for_a_day_tells_the_version_of_that_day(
    database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    today = datetime.now(UTC)
    before, after = f"{today + timedelta(days=5):%Y-%m-%d}", f"{today + timedelta(days=10):%Y-%m-%d}"
    file = tmp_path / "r.geojson"
    assert main(["patrol", "import", write(file, walk("abay", ["P-1"], "08:00", "20:00")), "--dsn", database]) == 0
    write(file, walk("abay", ["P-9"], "08:00", "20:00"))
    assert main(["patrol", "import", str(file), "--dsn", database, "--since", after, "--mode", "merge"]) == 0
    assert f"1 routes from {after} on; 0 added, 1 changed" in capsys.readouterr().out
    for day, crew in ((before, "P-1"), (after, "P-9")):
        assert main(["patrol", "show", "--dsn", database, "--day", day]) == 0
        assert capsys.readouterr().out.rstrip().endswith(crew)


def test_show_without_a_day_tells_of_today(database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path / "r.geojson", walk("abay", ["P-1"], "00:00", "00:00"))
    assert main(["patrol", "import", file, "--dsn", database]) == 0
    asyncio.run(execute(database, "UPDATE patrol_route SET valid_from = '2020-01-01 00:00:00+00'"))
    capsys.readouterr()
    almaty = ZoneInfo("Asia/Almaty")
    before = f"{datetime.now(almaty):%Y-%m-%d}"
    assert main(["patrol", "show", "--dsn", database]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.split()[0] in (before, f"{datetime.now(almaty):%Y-%m-%d}")  # midnight may have passed


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["import", "FILE", "--since", "tomorrow"], 2, "--since tomorrow: must be a day as YYYY-MM-DD"),
        (["import", "FILE", "--since", "2020-01-01"], 1, "2020-01-01 has begun for route abay in Asia/Almaty"),
        (["show", "--day", "2020-13-01"], 2, "--day 2020-13-01: must be a day as YYYY-MM-DD"),
        (["import", "nowhere.geojson"], 1, "nowhere.geojson: No such file"),
    ],
)
def test_wrong_use_is_one_line(
    arguments: list[str], status: int, said: str, database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path / "r.geojson", walk("abay", ["P-1"], "08:00", "20:00"))
    arguments = [file if word == "FILE" else word for word in arguments]
    assert main(["patrol", *arguments, "--dsn", database]) == status
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line


def test_file_that_is_wrong_fails_and_changes_nothing(
    database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "r.geojson"
    assert main(["patrol", "import", write(file, walk("abay", ["P-1"], "08:00", "20:00")), "--dsn", database]) == 0
    write(file, walk("abay", ["P-1"], "08:00", "20:00", width_m=300), walk("park", ["P-1"], "19:00", "21:00"))
    assert main(["patrol", "import", str(file), "--dsn", database]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("jedel: r.geojson: feature 1 (Park): properties.crews: P-1 is on feature 0 (Abay) too")
    assert fetch(database, "SELECT route_id, version, width_m FROM patrol_route") == [("abay", 1, 80.0)]
