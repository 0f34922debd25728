"""Imports by the command line, into a real database, as a person runs them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import asyncpg
import pytest

from ops.cli import main
from storage import embedded
from tests.database import CHEAP


def fetch(dsn: str, query: str) -> list[tuple[object, ...]]:
    async def run() -> list[tuple[object, ...]]:
        connection = await asyncpg.connect(dsn)
        try:
            return [tuple(row) for row in await connection.fetch(query)]
        finally:
            await connection.close()

    return asyncio.run(run())


@pytest.fixture
def subscribers(tmp_path: Path) -> Path:
    file = tmp_path / "subscribers.csv"
    file.write_text(
        "phone,name,line\n8 701 123 45 67,Aida,mobile\nnobody,B,mobile\n+77019876543,Bek,mobile\n", encoding="utf-8"
    )
    return file


def test_subscribers_import_takes_good_lines_and_names_bad_ones(
    database: str, subscribers: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    refused = tmp_path / "refused.csv"
    assert main(["subscribers", "import", str(subscribers), "--dsn", database, "--errors", str(refused)]) == 0
    written = capsys.readouterr()
    assert written.out == ("subscribers: 2 in the register; 3 lines read, 2 accepted, 0 replaced by a later line, 1 refused\n")
    assert written.err.startswith("line 3: phone: ")
    assert fetch(database, "SELECT phone, name FROM subscriber ORDER BY phone") == [(77011234567, "Aida"), (77019876543, "Bek")]
    assert refused.read_text().splitlines()[1].startswith("3,phone,")


def test_subscribers_import_reads_the_exchange_s_own_dialect(
    database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "exchange.csv"
    file.write_bytes("Номер;ФИО\n87011234567;Әсел\n".encode())
    options = ["--delimiter", ";", "--column", "phone=Номер", "--column", "name=ФИО", "--mode", "merge"]
    assert main(["subscribers", "import", str(file), "--dsn", database, *options]) == 0, capsys.readouterr().err
    assert fetch(database, "SELECT phone, name FROM subscriber") == [(77011234567, "Әсел")]


def test_region_of_the_centre_reads_national_numbers(database: str, tmp_path: Path) -> None:
    file = tmp_path / "kg.csv"
    file.write_text("phone\n0312 661111\n")
    assert main(["subscribers", "import", str(file), "--dsn", database, "--set", "centre.region=KG"]) == 0
    assert fetch(database, "SELECT phone FROM subscriber") == [(996312661111,)]


def test_devices_import_fills_the_register(database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "devices.csv"
    file.write_text("device_id,latitude_deg,longitude_deg,kind\ncam-1,43.2,76.9,camera\ncam-2,143.2,76.9,camera\n")
    assert main(["devices", "import", str(file), "--dsn", database]) == 0
    written = capsys.readouterr()
    assert written.out.startswith("devices: 1 in the register; 2 lines read, 1 accepted")
    assert "line 3: latitude_deg: must lie between" in written.err
    assert fetch(database, "SELECT device_id, latitude_deg FROM device") == [("cam-1", 43.2)]


def test_file_that_is_none_of_ours_fails_and_changes_nothing(
    database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "other.csv"
    file.write_text("a,b\n1,2\n")
    assert main(["subscribers", "import", str(file), "--dsn", database]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "header lacks 'phone'" in line


@pytest.mark.end_to_end
def test_import_joins_the_embedded_server_of_a_running_service(tmp_path: Path, subscribers: Path) -> None:
    data_dir = tmp_path / "data"
    service = embedded.start(data_dir, CHEAP)
    try:
        assert main(["subscribers", "import", str(subscribers), "--data-dir", str(data_dir)]) == 0
        # The service's server goes on: the command did not stop what it had not started.
        assert fetch(service.dsn, "SELECT count(*) FROM subscriber") == [(2,)]
    finally:
        stopped = service.stop()
    assert stopped
