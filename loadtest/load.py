"""`make load`: a load run by locust against a service and a database of its own, or against a running one, and its proof.

Place in the flow: all around it. Writes the run's setting, starts locust's processes (one, or a master and workers), waits for
them, and then proves by `loadtest.verify` that what was sent is what was acknowledged, stored and published. Everything lies in
one folder: the setting, the workers' ledgers, locust's own CSV files and page, and `report.html`. Rules: latencies are reported
and never judged; the load comes from the same machine and takes its share of it.
"""

from __future__ import annotations

import argparse
import os
import signal
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
INTERRUPTED_S: Final = 20.0
"""How long locust, interrupted, may take to stop its users and write its report."""
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


class TerminatedError(KeyboardInterrupt):
    """SIGTERM: everything ends as by ^C, nothing is left behind."""


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
    started: list[subprocess.Popen[bytes]] = []
    try:
        if not workers:
            started.append(_locust(folder, "locust", leader))
            return ended(started[0])
        port = str(_free_port())
        master = ["--master", "--master-bind-host", HOST, "--master-bind-port", port, "--expect-workers", str(workers)]
        started.append(_locust(folder, "master", [*leader, *master]))
        worker = ["--worker", "--master-host", HOST, "--master-port", port]
        started.extend(_locust(folder, f"worker-{number}", worker) for number in range(workers))
        return ended(started[0])
    finally:
        for process in started:
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


def ended(process: subprocess.Popen[bytes]) -> int:
    """Waits until locust has ended, and passes on to it that this process is told to; returns its status."""
    told = 0
    patience_s: float | None = None
    while True:
        try:
            return process.wait(patience_s)
        except TerminatedError:
            # It was sent to this process alone. Who sends it twice waits for nobody.
            told += 1
            process.terminate() if told == 1 else process.kill()
        except KeyboardInterrupt:
            # ^C went to locust too, which ends by itself; what it played is still to be proved.
            patience_s = INTERRUPTED_S
        except subprocess.TimeoutExpired:
            # One that comes just when it has started is lost on it.
            process.terminate()


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
    if web_port is None:
        _tell(f"playing {setting.shape}: {setting.seconds:g} s of events, and until all of them are acknowledged and seen")
    else:
        _tell(f"in a few seconds open http://{HOST}:{web_port} and press Start; ^C here ends it and proves what was played")
    status = play(folder, setting, workers=workers, web_port=web_port)
    _tell("locust has ended; proving")
    failure = None
    if status:
        log = folder / ("master.log" if workers else "locust.log")
        last = " | ".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-6:])
        failure = LoadError(f"locust ended with status {status}: {last}")
    try:
        wrong = verify(folder, target.dsn)
    except BooksError as error:
        # Where locust failed before any run ended, its own words say more.
        raise failure or error from None
    if failure is not None:
        raise failure
    return wrong


def _tell(what: str) -> None:
    """Says how far it is; the verdict alone goes to standard output."""
    print(f"load: {what}", file=sys.stderr, flush=True)


def require_free(port: int) -> None:
    """Raises `LoadError` where locust's page could not be shown at a port of this machine."""
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((HOST, port))
        except OSError as error:
            remedy = "name another one by --web-port (make load-ui LOAD_UI_PORT=…)"
            raise LoadError(f"{HOST}:{port}, for locust's page: {error.strerror}; {remedy}") from None


def running_target(options: argparse.Namespace) -> Target:
    """The running service that the command line names.

    Raises:
        LoadError: something is missing; OSError, msgspec.DecodeError: the file of addresses cannot be read.
    """
    addresses = msgspec.json.decode(options.serve_json.read_bytes(), type=Addresses)
    dsn = options.dsn or addresses.dsn
    given = {"--dsn": dsn, "--source-token": options.source_token, "--client-token": options.client_token}
    missing = [flag for flag, value in given.items() if not value]
    if missing:
        raise LoadError(f"a running service needs {', '.join(missing)} too")
    return Target(addresses, options.source_token, options.client_token, dsn, own=False)


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
    parser.add_argument("--dsn", default="", help="the running service's database, where its file of addresses does not say it")
    parser.add_argument("--source-token", default="", help="a token there that is good for any source")
    parser.add_argument("--client-token", default="", help="a shift lead's token there")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, _terminated)
    try:
        if options.web_port is not None:
            require_free(options.web_port)
        if options.serve_json is not None:
            return _run(options, running_target(options))
        _tell("making a city, and a database and a service for it")
        with own_target(CitySize(seed=options.seed)) as target:
            return _run(options, target)
    except (LoadError, BooksError, OwnServiceError, StorageError, OSError, asyncpg.PostgresError, msgspec.DecodeError) as error:
        print(f"load: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        _tell("interrupted; nothing was proved")
        return 130


def _run(options: argparse.Namespace, target: Target) -> int:
    return run(options.folder, target, setting_for(target, options), workers=options.workers, web_port=options.web_port)


def _terminated(_number: int, _frame: object) -> None:
    raise TerminatedError


if __name__ == "__main__":
    sys.exit(main())
