"""Real `jedel serve` processes for the end-to-end tests: started, killed and waited for as an operator would.

Every process of one `Service` shares a database, a configuration and its addresses, so a standby takes the very ports of the
process that died.
"""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from random import SystemRandom
from typing import Self

SOURCE_TOKEN = "token-of-the-sources"
DISPATCHER_TOKEN = "token-of-the-dispatcher"
PATIENCE_S = 60.0
_ANY = SystemRandom()
PROGRAM = "import sys; from ops.cli import main; sys.exit(main())"
"""What a process runs: the command line."""

CONFIGURATION = """\
[centre]
name = "tested"
[listen]
ingest_tcp = "127.0.0.1:{tcp}"
ingest_ws = "127.0.0.1:{ws}"
dispatch = "127.0.0.1:{dispatch}"
health = "127.0.0.1:0"
[terms]
accept_s = 5
no_crew_s = 5
[limits]
hello_timeout_s = {hello_timeout_s}
[[sources]]
id = "*"
token = "token-of-the-sources"
[[clients]]
operator = "aida"
role = "shift_lead"
token = "token-of-the-dispatcher"
"""


class Service:
    """The processes of one centre; with no DSN on the embedded PostgreSQL, which is left running."""

    def __init__(
        self,
        folder: Path,
        dsn: str,
        *,
        hello_timeout_s: float = 10.0,
        settings: Mapping[str, str] | None = None,
        program: str = PROGRAM,
    ) -> None:
        self._program = program
        ports = free_ports(3)
        self.tcp_url = f"tcp://127.0.0.1:{ports[0]}"
        self.ws_url = f"ws://127.0.0.1:{ports[1]}"
        self.dispatch_url = f"ws://127.0.0.1:{ports[2]}/dispatch/v1"
        self.tcp_address = ("127.0.0.1", ports[0])
        self._folder = folder
        self._dsn = dsn
        self._values = {"tcp": ports[0], "ws": ports[1], "dispatch": ports[2], "hello_timeout_s": hello_timeout_s}
        self._settings = [f"--set={key}={value}" for key, value in (settings or {}).items()]
        self._processes: list[subprocess.Popen[bytes]] = []
        self.log = folder / "serve.log"

    def start(self, tree: Path | None = None, configuration: str = CONFIGURATION) -> subprocess.Popen[bytes]:
        """Starts one more process; it is active, or stands by while another is.

        Args:
            tree: another version of the project.
            configuration: where that one knows other keys.
        """
        config = self._folder / f"jedel-{len(self._processes)}.toml"
        config.write_text(configuration.format(**self._values))
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-c",
                    self._program,
                    "serve",
                    "--config",
                    str(config),
                    *(["--dsn", self._dsn] if self._dsn else []),
                    "--set",
                    f"database.data_dir={self._folder}",
                    *self._settings,
                ],
                stdout=log,
                stderr=log,
                # Python looks first where a program given by `-c` is started.
                cwd=tree,
            )
        self._processes.append(process)
        return process

    @property
    def _ready_file(self) -> Path:
        return self._folder / "serve.json"

    def active_pid(self) -> int | None:
        """Process that listens now, as it says itself; None while none does."""
        try:
            pid: int = json.loads(self._ready_file.read_text())["pid"]
        except FileNotFoundError:
            return None
        alive = any(process.pid == pid and process.poll() is None for process in self._processes)
        return pid if alive else None

    def active_health(self) -> tuple[str, int]:
        """Where the process that listens tells of its health, as it says itself."""
        host, port = json.loads(self._ready_file.read_text())["health"]
        return host, port

    def health_addresses(self) -> list[tuple[str, int]]:
        """Where the processes tell of their health, in the order of their starts, as far as they have said so."""
        if not self.log.exists():
            return []
        said = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
        told = [line["health"].rpartition(":") for line in said if line["event"] == "health listens"]
        return [(host, int(port)) for host, _, port in told]

    async def ready(self) -> int:
        """Waits until a process listens, and returns its pid."""

        async def listening() -> bool:
            dead = [process for process in self._processes if process.poll() not in (None, -signal.SIGKILL, 0)]
            assert not dead, f"a process died by itself:\n{self.log.read_text()[-4000:]}"
            return self.active_pid() is not None

        await until(listening, "no process became active")
        pid = self.active_pid()
        assert pid is not None
        return pid

    async def kill_active(self) -> None:
        """Kills the process that listens with SIGKILL and waits until it is gone."""
        process = await self._active()
        process.kill()
        await asyncio.to_thread(process.wait)

    async def stop_active(self) -> int:
        """Asks the process that listens to drain (SIGTERM) and returns its exit status."""
        return await self.stop(await self._active())

    async def _active(self) -> subprocess.Popen[bytes]:
        pid = await self.ready()
        return next(process for process in self._processes if process.pid == pid)

    async def stop(self, process: subprocess.Popen[bytes]) -> int:
        """Asks a process to drain (SIGTERM) and returns its exit status."""
        process.terminate()
        return await asyncio.to_thread(process.wait, PATIENCE_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            if process.poll() is None:
                process.kill()
                process.wait()


def postmaster_pid(folder: Path) -> int:
    """Process of the embedded PostgreSQL whose data lie in a folder."""
    (found,) = folder.rglob("postmaster.pid")
    return int(found.read_text().splitlines()[0])


async def until(holds: Callable[[], Awaitable[bool]], otherwise: str) -> None:
    """Waits for a condition of another process, which nothing here can be told of; fails when patience ends."""
    async with asyncio.timeout(PATIENCE_S) as patience:
        while not await holds():  # noqa: ASYNC110  # another process sets no event of ours
            await asyncio.sleep(0.02)  # another process sets no event of ours
    assert not patience.expired(), otherwise


def free_ports(count: int) -> list[int]:
    """Ports of this machine that nobody listens on now, below those of which the kernel gives one to who asks for any.

    While the process that listened there is dead, a standby's health or a connection of another test would get it otherwise.
    """
    any_from = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii").split()[0])
    found: set[int] = set()
    while len(found) < count:
        port = _ANY.randrange(10_000, any_from)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            found.add(port)
    return list(found)
