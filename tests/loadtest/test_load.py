"""A load run end to end: a master and two workers cut off everybody twice, and the proof holds; then faults are planted in what
the run has left, and each is found. Real processes, sockets and PostgreSQL."""

from __future__ import annotations

import asyncio
import csv
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import msgspec
import pytest

from loadtest.load import HOST, PROJECT, Target, ended, main, own_target, play
from loadtest.locust_users.account import ClientLedger, SourceLedger, WorkerLedger
from loadtest.locust_users.plan import PLANS
from loadtest.locust_users.setting import CitySize, Setting
from loadtest.verify.__main__ import verify
from loadtest.verify.books import Books, open_books
from loadtest.verify.proof import FaultKind
from tests.database import execute
from tests.end_to_end.service import free_ports

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
        rows = list(csv.DictReader((folder / "locust_stats.csv").read_text().splitlines()))
        assert [row["Name"] for row in rows].count("plate") == 1
        # Nothing is answered before it is due, and so nothing was sent before.
        assert [row["Name"] for row in rows if float(row["Min Response Time"]) < 0] == []
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


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A folder whose path leaves room for PostgreSQL's socket, and which PostgreSQL's own user can get through."""
    with tempfile.TemporaryDirectory(prefix="jedel-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.parametrize("to", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_a_run_that_is_told_to_end_leaves_nobody_behind(to: signal.Signals, tmp_path: Path, short_folder: Path) -> None:
    (port,) = free_ports(1)
    folder = short_folder
    started = subprocess.Popen(
        [sys.executable, "-m", "loadtest.load", "--web-port", str(port), "--folder", str(tmp_path / "run")],
        cwd=PROJECT,
        env={**os.environ, "TMPDIR": str(folder)},
        stderr=subprocess.PIPE,
        text=True,
        # As a terminal has it: ^C goes to everybody of the group, and SIGTERM to one.
        process_group=0,
    )
    assert started.stderr is not None
    with started:
        said = [started.stderr.readline(), started.stderr.readline()]
        assert f"http://{HOST}:{port} and press Start" in said[1], said
        while not answers(port):
            assert started.poll() is None, started.stderr.read()
        services = list(folder.glob("jedel-load-*/data/serve.json"))
        pids = [json.loads(path.read_bytes())["pid"] for path in services]
        pids += [int(path.read_text().splitlines()[0]) for path in folder.glob("jedel-load-*/data/*/postmaster.pid")]
        assert len(pids) == 2
        if to is signal.SIGTERM:
            started.send_signal(to)
        else:
            os.killpg(started.pid, to)
        rest = started.stderr.read()
        assert started.wait() == 2
    assert rest.splitlines()[-1].endswith("no run has ended here")
    assert not answers(port)
    assert list(folder.iterdir()) == []
    # A PostgreSQL has stopped when it has taken away its file, which is a moment before its process ends.
    give_up_s = time.monotonic() + 30.0
    while left := [pid for pid in pids if is_running(pid)]:
        assert time.monotonic() < give_up_s, left
        time.sleep(0.02)  # another process sets no event of ours


class Interrupted(subprocess.Popen[bytes]):
    """A process on whom a ^C is lost, to which it went as to this one."""

    looks = 0

    def wait(self, timeout: float | None = None) -> int:
        self.looks += 1
        if self.looks == 1:
            raise KeyboardInterrupt
        if self.looks == 2:
            assert timeout is not None
            raise subprocess.TimeoutExpired("locust", timeout)
        return super().wait()


def test_locust_on_whom_an_interrupt_is_lost_is_ended() -> None:
    with Interrupted([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, process_group=0) as process:
        assert ended(process) == -signal.SIGTERM


def is_running(pid: int) -> bool:
    """Whether a process is there that has not ended; whoever has to wait for one that has may take his time."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def answers(port: int) -> bool:
    with socket.socket() as trial:
        return trial.connect_ex((HOST, port)) == 0


def test_a_port_that_is_taken_is_told_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr(sys, "argv", ["load", "--web-port", str(port), "--folder", str(tmp_path / "run")])
        assert main() == 2
    said = capsys.readouterr().err
    assert said.startswith(f"load: {HOST}:{port}, for locust's page: Address already in use; name another one by --web-port")
    assert said.count("\n") == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("dsn", "flags", "missing"),
    [
        ("", (), "--dsn, --source-token, --client-token"),
        ("postgresql://there", (), "--source-token, --client-token"),
        ("", ("--dsn", "postgresql://there", "--source-token", "s"), "--client-token"),
    ],
)
def test_what_a_running_service_lacks_is_named(
    dsn: str,
    flags: tuple[str, ...],
    missing: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "serve.json"
    nowhere = [HOST, 1]
    file.write_text(json.dumps({"pid": 1, "dsn": dsn, "ingest_tcp": nowhere, "ingest_ws": nowhere, "dispatch": nowhere}))
    monkeypatch.setattr(sys, "argv", ["load", "--serve-json", str(file), *flags])
    assert main() == 2
    assert capsys.readouterr().err == f"load: a running service needs {missing} too\n"
