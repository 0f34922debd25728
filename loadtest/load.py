"""`make load`: a load run by locust against a service and a database of its own, or against a running one, and its proof.

Place in the flow: all around it. Writes the run's setting, starts locust's processes (one, or a master and workers), waits for
them, and then proves by `loadtest.verify` that what was sent is what was acknowledged, stored and published. Everything lies in
one folder: the setting, the workers' ledgers, locust's own CSV files and page, and `report.html`. Rules: latencies are reported
and never judged; the load comes from the same machine and takes its share of it.
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import asyncpg
import msgspec

from loadtest.locust_users import setting as settings
from loadtest.locust_users.plan import PLANS, USERS
from loadtest.locust_users.setting import CitySize, Setting
from loadtest.verify.__main__ import verify
from loadtest.verify.books import BooksError
from ops.demo_service import CONFIGURATION as DEMO
from ops.demo_service import demo_service
from ops.own_service import Addresses, OwnServiceError
from storage.errors import StorageError

PROJECT: Final = Path(__file__).parents[1]
LOCUSTFILE: Final = PROJECT / "loadtest" / "locust_users" / "locustfile.py"
HOST: Final = "127.0.0.1"
MADE: Final = (
    "ledger-*.json", "run-*.json", "locust_*.csv", "locust.html", "report.html", "locust.log", "master.log", "worker-*.log",
)  # fmt: skip
"""What an earlier run has left in the folder."""
CONFIGURATION: Final = f"{DEMO}\n[positions]\njump_mps = 0\n"
"""The demo's; but the crews live so much faster than the clock that their positions jump."""


class Target(msgspec.Struct, frozen=True):
    """A service that is loaded."""

    addresses: Addresses
    source_token: str
    client_token: str
    dsn: str
    own: bool
    """Whether it was started for the run, on the run's city."""


class LoadError(Exception):
    """The run did not come to its end; the text says why."""


@contextmanager
def own_target(city: CitySize) -> Iterator[Target]:
    """A service of the run's own with the city imported. Raises what `ops.own_service.own_service` raises."""
    with tempfile.TemporaryDirectory(prefix="jedel-load-") as name:
        folder = Path(name)
        # The embedded server of a process run by root belongs to another user, who must be able to reach its files.
        folder.chmod(0o755)
        with demo_service(city.build(), folder, CONFIGURATION) as service:
            yield Target(service.addresses, service.centre.source_token, service.centre.client_token, service.dsn, own=True)


def play(folder: Path, setting: Setting, *, workers: int = 0, web_port: int | None = None) -> int:
    """Runs locust until the run is over and every ledger is written; gives locust's exit status.

    Args:
        folder: the run's; what an earlier run has left there is removed.
        setting: what is played, and to whom.
        workers: 0 for one process, else a master and so many workers.
        web_port: where locust's web UI listens on this machine; None for none, and the run begins at once.

    Raises:
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for pattern in MADE:
        for path in folder.glob(pattern):
            path.unlink()
    settings.write(setting, folder)
    leader = ["--web-host", HOST, "--web-port", str(web_port)] if web_port is not None else ["--headless", "--only-summary"]
    leader += ["--csv", str(folder / "locust"), "--html", str(folder / "locust.html")]
    if not workers:
        return _ended(_locust(folder, "locust", leader))
    port = str(_free_port())
    master = _locust(
        folder,
        "master",
        [*leader, "--master", "--master-bind-host", HOST, "--master-bind-port", port, "--expect-workers", str(workers)],
    )
    others = [
        _locust(folder, f"worker-{number}", ["--worker", "--master-host", HOST, "--master-port", port])
        for number in range(workers)
    ]
    try:
        return _ended(master)
    finally:
        for process in (master, *others):
            if process.poll() is None:
                process.terminate()
                process.wait()


def _locust(folder: Path, name: str, arguments: Sequence[str]) -> subprocess.Popen[bytes]:
    # From the sources that this module is of, wherever it is called from.
    path = os.pathsep.join([str(PROJECT), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, settings.FOLDER_VARIABLE: str(folder.resolve()), "PYTHONPATH": path}
    command = [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--loglevel", "WARNING", *arguments]
    with (folder / f"{name}.log").open("wb") as log:
        return subprocess.Popen(command, env=environment, cwd=PROJECT, stdout=log, stderr=subprocess.STDOUT)


def _ended(process: subprocess.Popen[bytes]) -> int:
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            # Locust was interrupted too and ends by itself; what it played is still to be proved.
            continue


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        port: int = taken.getsockname()[1]
        return port


def run(folder: Path, target: Target, setting: Setting, *, workers: int = 0, web_port: int | None = None) -> int:
    """Plays a setting to a service and proves what came of it; gives the exit status.

    Raises:
        LoadError: locust failed; BooksError: no run has ended.
        OSError, StorageError, asyncpg.PostgresError: the proof cannot be read or written.
    """
    status = play(folder, setting, workers=workers, web_port=web_port)
    wrong = verify(folder, target.dsn)
    if status:
        log = folder / ("master.log" if workers else "locust.log")
        last = " | ".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-6:])
        raise LoadError(f"locust ended with status {status}: {last}")
    return wrong


def setting_for(target: Target, options: argparse.Namespace) -> Setting:
    """The setting that the command line asks for."""
    return Setting(
        shape=options.shape,
        seconds=options.seconds,
        times=options.times,
        ingest_tcp=target.addresses.ingest_tcp,
        ingest_ws=target.addresses.ingest_ws,
        dispatch=target.addresses.dispatch,
        source_token=target.source_token,
        client_token=target.client_token,
        city=CitySize(seed=options.seed),
        by_district=target.own,
        only=options.only,
    )


def main() -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m loadtest.load", description="A load run that proves that nothing was lost, doubled or hidden."
    )
    parser.add_argument("--shape", choices=sorted(PLANS), default="day", help="what is played")
    parser.add_argument("--seconds", type=float, default=20.0, help="how long new events are due")
    parser.add_argument("--times", type=float, default=1.0, help="everything so many times as often")
    parser.add_argument("--seed", type=int, default=1, help="another seed is another city and another day")
    parser.add_argument("--workers", type=int, default=0, help="locust's worker processes; 0: one process and no master")
    parser.add_argument("--only", choices=["", *USERS], default="", help="one class of users alone")
    parser.add_argument("--folder", type=Path, default=Path("build/load"), help="where ledgers and the report go")
    parser.add_argument(
        "--web-port", type=int, help="locust's web UI on this port of 127.0.0.1, where the run is begun by hand"
    )
    parser.add_argument(
        "--serve-json", type=Path, help="a running service's file of addresses, instead of a service of its own"
    )
    parser.add_argument("--dsn", default="", help="the running service's database")
    parser.add_argument("--source-token", default="", help="a token there that is good for any source")
    parser.add_argument("--client-token", default="", help="a shift lead's token there")
    options = parser.parse_args()
    try:
        if options.serve_json is None:
            with own_target(CitySize(seed=options.seed)) as target:
                return run(
                    options.folder, target, setting_for(target, options), workers=options.workers, web_port=options.web_port
                )
        missing = [name for name in ("dsn", "source_token", "client_token") if not getattr(options, name)]
        if missing:
            parser.error(f"a running service needs --{missing[0].replace('_', '-')} too")
        addresses = msgspec.json.decode(options.serve_json.read_bytes(), type=Addresses)
        target = Target(addresses, options.source_token, options.client_token, options.dsn, own=False)
        return run(options.folder, target, setting_for(target, options), workers=options.workers, web_port=options.web_port)
    except (LoadError, BooksError, OwnServiceError, StorageError, OSError, asyncpg.PostgresError) as error:
        print(f"load: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
