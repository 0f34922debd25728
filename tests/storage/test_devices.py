"""The devices' register on a real PostgreSQL: import, replace, merge, load."""

from __future__ import annotations

import asyncio
from pathlib import Path

import asyncpg
import pytest

from core.recovered import Device
from storage.devices import import_devices, load_devices
from storage.register_file import LineError, RegisterFileError
from storage.register_import import ImportMode, ImportReport


def imported(dsn: str, path: Path, content: str, mode: ImportMode = ImportMode.REPLACE) -> tuple[ImportReport, list[Device]]:
    path.write_text(content, encoding="utf-8")

    async def scene() -> tuple[ImportReport, list[Device]]:
        connection = await asyncpg.connect(dsn)
        try:
            report = await import_devices(connection, path, mode=mode)
            return report, await load_devices(connection)
        finally:
            await connection.close()

    return asyncio.run(scene())


def test_load_devices_when_imported_in_order_of_id(database: str, tmp_path: Path) -> None:
    report, devices = imported(
        database,
        tmp_path / "devices.csv",
        'device_id,kind,latitude_deg,longitude_deg,address\ncam-2,Camera,43.2,76.9,"Абая, 10"\ncam-1,,43.3,76.8,\n'
        "cam-2,camera,43.25,76.95,Абая 12\n",
    )
    assert devices == [Device("cam-1", 43.3, 76.8, ""), Device("cam-2", 43.25, 76.95, "Абая 12")]
    assert report == ImportReport(line_count=3, accepted=3, rejected=0, duplicates=1, row_count=2, version=1, errors=())


def test_import_devices_when_lines_are_bad_names_each(database: str, tmp_path: Path) -> None:
    report, devices = imported(
        database,
        tmp_path / "devices.csv",
        f"device_id,kind,latitude_deg,longitude_deg\n,camera,1,2\n{'d' * 65},camera,1,2\na,lamp,1,2\n"
        "b,camera,,2\nc,camera,1,181\nd,sensor,1,2\n",
    )
    assert devices == [Device("d", 1.0, 2.0, "")]
    assert report.errors == (
        LineError(2, "device_id", "must have 1 to 64 characters", ""),
        LineError(3, "device_id", "must have 1 to 64 characters", "d" * 65),
        LineError(4, "kind", "must be one of button, camera, panel, sensor, or empty", "lamp"),
        LineError(5, "latitude_deg", "is not a number with a decimal point", ""),
        LineError(6, "longitude_deg", "must lie between -180 and 180 degrees", "181"),
    )


def test_import_devices_when_merging_keeps_others_and_when_replacing_drops_them(database: str, tmp_path: Path) -> None:
    path = tmp_path / "devices.csv"
    header = "device_id,latitude_deg,longitude_deg\n"
    imported(database, path, header + "a,1,1\nb,2,2\n")
    report, devices = imported(database, path, header + "b,3,3\nc,4,4\n", ImportMode.MERGE)
    assert [(one.device_id, one.latitude_deg) for one in devices] == [("a", 1.0), ("b", 3.0), ("c", 4.0)]
    assert (report.row_count, report.version) == (3, 2)
    _, devices = imported(database, path, header + "c,5,5\n")
    assert [(one.device_id, one.latitude_deg) for one in devices] == [("c", 5.0)]


def test_import_devices_when_header_lacks_place_keeps_the_register(database: str, tmp_path: Path) -> None:
    path = tmp_path / "devices.csv"
    imported(database, path, "device_id,latitude_deg,longitude_deg\na,1,1\n")
    with pytest.raises(RegisterFileError, match="header lacks 'longitude_deg'"):
        imported(database, path, "device_id,latitude_deg\na,1\n")
    _, devices = imported(database, path, "device_id,latitude_deg,longitude_deg\nb,2,2\n", ImportMode.MERGE)
    assert [one.device_id for one in devices] == ["a", "b"]
