"""What a benchmark stands on: one embedded PostgreSQL with fsync on, a database a trial, and real `jedel serve` processes.

Rules: the simulated city is imported once, by the commands that any city is imported with, into a database that every trial
gets a copy of; whatever is started is stopped; a service is stopped by SIGTERM, and one that does not drain fails the run.
"""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import asyncpg
import msgspec

from loadtest.city import CITY_TERRITORY, City
from loadtest.city_files import write_city
from storage import embedded

SOURCE_TOKEN: Final = "bench-source"
CLIENT_TOKEN: Final = "bench-client"
BASE: Final = "bench_base"
"""The database with the city imported; trials run on copies of it."""
PATIENCE_S: Final = 900.0
"""A service with a million open incidents takes its time; one that takes longer than this hangs."""
CONFIGURATION: Final = f"""\
[centre]
name = "bench"
territory = "{CITY_TERRITORY}"
[listen]
ingest_tcp = "127.0.0.1:0"
ingest_ws = "127.0.0.1:0"
dispatch = "127.0.0.1:0"
health = "127.0.0.1:0"
[terms]
accept_s = 3600
no_crew_s = 3600
on_scene_s = 86400
review_s = 604800
[limits]
idle_timeout_s = 3600
[[sources]]
id = "*"
token = "{SOURCE_TOKEN}"
[[clients]]
operator = "bench"
role = "shift_lead"
token = "{CLIENT_TOKEN}"
"""
"""Terms are long, since the crews of a benchmark never answer; connections may be silent between two rounds."""


class BedError(Exception):
    """The benchmark cannot be set up; the text says which step failed and how."""


class Running(msgspec.Struct, frozen=True):
    """A service that accepts."""

    pid: int
    started_s: float
    """From the start of its process until it had written where it listens."""
    ingest: tuple[str, int]
    dispatch: tuple[str, int]
    health: tuple[str, int]

    @property
    def dispatch_url(self) -> str:
        """Where dispatch clients connect."""
        return f"ws://{self.dispatch[0]}:{self.dispatch[1]}/dispatch/v1"


class Bed:
    """The run's folder and its database server."""

    def __init__(self, folder: Path, server: embedded.EmbeddedServer) -> None:
        self.folder = folder
        self._server = server
        self._config = folder / "jedel.toml"
        self._config.write_text(CONFIGURATION, encoding="utf-8")

    def dsn(self, database: str) -> str:
        """Connection string of a database of this server."""
        return self._server.dsn_of(database)

    def postgresql_version(self) -> str:
        """Of this server."""
        return asyncio.run(server_version(self.dsn("postgres")))

    @property
    def postmaster_pid(self) -> int:
        """The process whose children are the server."""
        return int((self.folder / "postgresql" / "postmaster.pid").read_text(encoding="utf-8").split()[0])

    def import_city(self, city: City) -> None:
        """Makes `BASE` of a city. Raises `BedError`."""
        self.make(BASE)
        files = write_city(city, self.folder / "city")
        for command in (
            ("map", "import", str(files.extract)),
            ("territory", "import", str(files.territories)),
            ("subscribers", "import", str(files.subscribers)),
            ("devices", "import", str(files.devices)),
        ):
            done = subprocess.run([*_jedel(*command), *self._flags(BASE)], capture_output=True, text=True, check=False)
            if done.returncode:
                raise BedError(f"jedel {' '.join(command[:2])} failed: {(done.stderr or done.stdout).strip()}")

    def make(self, database: str, template: str = "template0") -> None:
        """Makes a database, in place of an older one of this name."""
        asyncio.run(self._make(database, template))

    async def _make(self, database: str, template: str) -> None:
        connection = await asyncpg.connect(self.dsn("postgres"))
        try:
            await connection.execute(f"DROP DATABASE IF EXISTS {database}")
            await connection.execute(f"CREATE DATABASE {database} TEMPLATE {template} ENCODING 'UTF8' STRATEGY file_copy")
            # What the copying has made dirty must not be written during a measurement.
            await connection.execute("CHECKPOINT")
        finally:
            await connection.close()

    @contextmanager
    def serving(self, database: str) -> Iterator[Running]:
        """Runs `jedel serve` on a database until the block ends. Raises `BedError`."""
        told = self.folder / "serve.json"
        told.unlink(missing_ok=True)
        log = self.folder / f"serve-{database}.log"
        began = time.monotonic()
        with log.open("wb") as output:
            process = subprocess.Popen([*_jedel("serve"), *self._flags(database)], stdout=output, stderr=subprocess.STDOUT)
        try:
            yield _started(process, told, log, began)
            process.send_signal(signal.SIGTERM)
            status = process.wait(120.0)
            if status:
                raise BedError(f"jedel serve ended with status {status}: {_last_lines(log)}")
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()

    def _flags(self, database: str) -> Sequence[str]:
        return ("--config", str(self._config), "--data-dir", str(self.folder), "--dsn", self.dsn(database))


async def server_version(dsn: str) -> str:
    """Version of the PostgreSQL that a connection string leads to."""
    connection = await asyncpg.connect(dsn)
    try:
        return str(await connection.fetchval("SHOW server_version"))
    finally:
        await connection.close()


@contextmanager
def bed(folder: Path) -> Iterator[Bed]:
    """A server of the benchmark's own in `folder`, stopped at the end. Raises `StorageError`."""
    server = embedded.start(folder)
    try:
        yield Bed(folder, server)
    finally:
        server.stop()


def _jedel(*arguments: str) -> list[str]:
    # Not the `jedel` script: it may be another installation's.
    return [sys.executable, "-c", "import sys; from ops.cli import main; sys.exit(main())", *arguments]


def _started(process: subprocess.Popen[bytes], told: Path, log: Path, began: float) -> Running:
    while time.monotonic() - began < PATIENCE_S:
        if process.poll() is not None:
            raise BedError(f"jedel serve ended with status {process.returncode}: {_last_lines(log)}")
        if told.exists():
            started_s = time.monotonic() - began
            said = json.loads(told.read_bytes())
            return Running(
                pid=said["pid"],
                started_s=started_s,
                ingest=tuple(said["ingest_tcp"]),
                dispatch=tuple(said["dispatch"]),
                health=tuple(said["health"]),
            )
        time.sleep(0.005)
    raise BedError(f"jedel serve does not listen within {PATIENCE_S:.0f} s: {_last_lines(log)}")


def _last_lines(log: Path) -> str:
    return " | ".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-5:])
