"""A load run end to end: a master and two workers cut off everybody twice, and the proof holds; then faults are planted in what
the run has left, and each is found. Real processes, sockets and PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import asyncpg
import msgspec
import pytest

from loadtest.load import Target, own_target, play
from loadtest.locust_users.account import ClientLedger, SourceLedger, WorkerLedger
from loadtest.locust_users.plan import PLANS
from loadtest.locust_users.setting import CitySize, Setting
from loadtest.verify.__main__ import verify
from loadtest.verify.books import Books, open_books
from loadtest.verify.proof import FaultKind
from tests.database import execute

pytestmark = pytest.mark.end_to_end

CITY = CitySize(seed=3, districts=2, streets=16, crews=40, cameras=40, panels=40, subscribers=500)
SECONDS = 6.0


def setting_for(target: Target) -> Setting:
    return Setting(
        shape="reconnect",
        seconds=SECONDS,
        times=0.3,
        ingest_tcp=target.addresses.ingest_tcp,
        ingest_ws=target.addresses.ingest_ws,
        dispatch=target.addresses.dispatch,
        source_token=target.source_token,
        client_token=target.client_token,
        city=CITY,
    )


def log_of(folder: Path) -> str:
    return "\n".join(path.read_text(errors="replace")[-3_000:] for path in folder.glob("*.log"))


def plant(folder: Path, change: Callable[[WorkerLedger], WorkerLedger]) -> Callable[[], None]:
    """Changes every ledger of a run; gives what puts the old ones back."""
    kept = {path: path.read_bytes() for path in folder.glob("ledger-*.json")}
    for path, data in kept.items():
        path.write_bytes(msgspec.json.encode(change(msgspec.json.decode(data, type=WorkerLedger))))

    def restore() -> None:
        for path, data in kept.items():
            path.write_bytes(data)

    return restore


def one_ack_lost(ledger: WorkerLedger) -> WorkerLedger:
    def lose(source: SourceLedger) -> SourceLedger:
        last = "CameraSystem-1" in source.source
        return msgspec.structs.replace(source, acked=source.acked - 1) if last else source

    return msgspec.structs.replace(ledger, sources=[lose(source) for source in ledger.sources])


def one_telling_missing(incident: int, client: str) -> Callable[[WorkerLedger], WorkerLedger]:
    def forget(one: ClientLedger) -> ClientLedger:
        seen = {number: version for number, version in one.seen.items() if number != incident}
        return msgspec.structs.replace(one, seen=seen) if one.client == client else one

    return lambda ledger: msgspec.structs.replace(ledger, clients=[forget(one) for one in ledger.clients])


def faults_of(capsys: pytest.CaptureFixture[str], folder: Path, dsn: str) -> list[str]:
    """What a proof finds, whose exit status agrees with it."""
    status = verify(folder, dsn)
    lines = [line.removeprefix("verify: ") for line in capsys.readouterr().err.splitlines()]
    assert status == (1 if lines else 0)
    return lines


def test_a_run_over_two_workers_is_proved_and_planted_faults_are_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    with own_target(CITY) as target:
        status = play(folder, setting_for(target), workers=2)
        assert status == 0, log_of(folder)
        assert faults_of(capsys, folder, target.dsn) == []
        books = open_books(folder)
        everybody_took_part_and_came_back(books)
        assert (folder / "locust_stats.csv").read_text().count("TCP,plate") == 1
        assert "Nothing was lost" in (folder / "report.html").read_text(encoding="utf-8")

        # A lost acknowledgement.
        restore = plant(folder, one_ack_lost)
        (line,) = faults_of(capsys, folder, target.dsn)
        assert line.startswith(f"{FaultKind.NOT_ACKNOWLEDGED.value}: ")
        assert "CameraSystem-1: 1 of " in line
        restore()

        # A publication that never came.
        wall = next(client for ledger in books.ledgers for client in ledger.clients if not client.territory)
        incident = incident_of_a_call(target.dsn, wall)
        restore = plant(folder, one_telling_missing(incident, wall.client))
        (line,) = faults_of(capsys, folder, target.dsn)
        assert line.startswith(f"{FaultKind.NOT_PUBLISHED.value}: {wall.client} was never told of incident {incident}, ")
        restore()

        # An event that was stored twice: the stored logs' own proof finds it too.
        asyncio.run(
            execute(target.dsn, "INSERT INTO event SELECT * FROM event WHERE source LIKE '%CameraSystem-0' AND seq = 1")
        )
        doubled, logged = faults_of(capsys, folder, target.dsn)
        assert doubled.startswith(f"{FaultKind.STORED_TWICE.value}: ")
        assert doubled.endswith("CameraSystem-0/1 has 2 rows")
        assert logged.startswith("event_twice: ")


def everybody_took_part_and_came_back(books: Books) -> None:
    sources = [source for ledger in books.ledgers for source in ledger.sources]
    clients = [client for ledger in books.ledgers for client in ledger.clients]
    cuts = len(PLANS["reconnect"].cuts)
    assert {ledger.worker for ledger in books.ledgers} == {"w0", "w1"}
    assert all(ledger.sources or ledger.clients for ledger in books.ledgers)
    assert {source.source.split("-")[2] for source in sources} == {
        "TelephonePlatform", "AlarmReceiver", "CameraSystem", "SmartCity", "CrewTerminals",
    }  # fmt: skip
    assert len(clients) == PLANS["reconnect"].users["DispatchClient"]
    assert all(source.cuts == cuts for source in sources)
    assert all((client.cuts, client.resumed, client.reset) == (cuts, cuts, 0) for client in clients)
    assert sum(client.calls_seen for client in clients) > 0


def incident_of_a_call(dsn: str, client: ClientLedger) -> int:
    """An incident of the run's calls that a client was told of."""

    async def find() -> int:
        connection = await asyncpg.connect(dsn)
        try:
            number = await connection.fetchval(
                "SELECT min(incident_id) FROM event"
                " WHERE source LIKE '%TelephonePlatform%' AND incident_id = ANY ($1::bigint[])",
                sorted(client.seen),
            )
        finally:
            await connection.close()
        return int(number)

    return asyncio.run(find())
