"""A service of a command's own: files imported and `jedel serve` started, each through the real command line.

Place in the flow: before and beside a demo or a replay. Rules: the service is a process of its own, found by the addresses
that it writes into its data directory; whatever happens, it is told to drain, waited for, and killed only when it does not
end in time; the data stay for whoever wants to look at them.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from loadtest.drive import Centre
from storage import embedded

START_TIMEOUT_S: Final = 120.0
STOP_TIMEOUT_S: Final = 60.0
DATA: Final = "data"
"""Folder of the service's database, in the folder that the command has."""
ADDRESSES: Final = "serve.json"
"""File in the data directory with the addresses that a running service listens on."""
SOURCE_TOKEN: Final = "own-source"  # noqa: S105  # known to everybody, for a service on this machine
CLIENT_TOKEN: Final = "own-client"  # noqa: S105  # likewise
_POLL_S: Final = 0.05
_CONFIGURATION: Final = f"""\

# From here on written by jedel: the service listens on this machine only, and its tokens are known to everybody.
[listen]
ingest_tcp = "127.0.0.1:0"
ingest_ws = "127.0.0.1:0"
dispatch = "127.0.0.1:0"
health = "127.0.0.1:0"

[[sources]]
id = "*"
token = "{SOURCE_TOKEN}"

[[clients]]
operator = "own"
role = "shift_lead"
token = "{CLIENT_TOKEN}"
"""


class OwnServiceError(Exception):
    """The service cannot be set up or ended; the text says which step failed and how."""


class Addresses(msgspec.Struct, frozen=True):
    """What a running service writes about itself; each address is a host and a port."""

    pid: int
    ingest_tcp: tuple[str, int]
    ingest_ws: tuple[str, int]
    dispatch: tuple[str, int]
    dsn: str = ""
    """Its database."""


class OwnService(msgspec.Struct, frozen=True):
    """A running service."""

    centre: Centre
    addresses: Addresses
    dsn: str
    log: Path


@contextmanager
def own_service(folder: Path, configuration: str, imports: Sequence[tuple[str, ...]] = ()) -> Iterator[OwnService]:
    """Runs import commands and then a service on a database under `folder`, until the block ends.

    Args:
        folder: where everything is kept: the configuration, the log and the database.
        configuration: sections of the service's TOML file other than `listen`, `sources` and `clients`.
        imports: command lines without `jedel`, for example `("map", "import", "city.osm.pbf")`.

    Raises:
        OwnServiceError: a command failed, or the service did not start or stop in time.
        StorageError: the embedded server does not start.
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "jedel.toml"
    file.write_text(configuration + _CONFIGURATION, encoding="utf-8")
    data_dir = folder / DATA
    common = ("--config", str(file), "--data-dir", str(data_dir))
    server = embedded.start(data_dir)
    try:
        for command in imports:
            _run(*command, *common)
        log = folder / "serve.log"
        with _serving(data_dir, common, log) as addresses:
            host, port = addresses.dispatch
            centre = Centre(
                ingest_url=f"tcp://{addresses.ingest_tcp[0]}:{addresses.ingest_tcp[1]}",
                dispatch_url=f"ws://{host}:{port}/dispatch/v1",
                source_token=SOURCE_TOKEN,
                client_token=CLIENT_TOKEN,
            )
            yield OwnService(centre=centre, addresses=addresses, dsn=server.dsn, log=log)
    finally:
        server.stop()


def _jedel(*arguments: str) -> list[str]:
    # Not the `jedel` script: it may be another installation's.
    return [sys.executable, "-c", "import sys; from ops.cli import main; sys.exit(main())", *arguments]


def _run(*arguments: str) -> None:
    done = subprocess.run(_jedel(*arguments), capture_output=True, text=True, check=False)  # noqa: S603  # our own command line
    if done.returncode:
        raise OwnServiceError(f"jedel {' '.join(arguments[:2])} failed: {(done.stderr or done.stdout).strip()}")


@contextmanager
def _serving(data_dir: Path, common: tuple[str, ...], log: Path) -> Iterator[Addresses]:
    told = data_dir / ADDRESSES
    told.unlink(missing_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(_jedel("serve", *common), stdout=output, stderr=subprocess.STDOUT)  # noqa: S603  # likewise
    try:
        yield _started(process, told, log)
        _stop(process, log)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def _started(process: subprocess.Popen[bytes], told: Path, log: Path) -> Addresses:
    waited_s = 0.0
    while waited_s < START_TIMEOUT_S:
        if process.poll() is not None:
            raise OwnServiceError(f"jedel serve ended with status {process.returncode}: {_last_lines(log)}")
        try:
            return msgspec.json.decode(told.read_bytes(), type=Addresses)
        except (FileNotFoundError, msgspec.DecodeError):
            # Not there yet, or half written.
            time.sleep(_POLL_S)
            waited_s += _POLL_S
    raise OwnServiceError(f"jedel serve did not say where it listens within {START_TIMEOUT_S:.0f} s: {_last_lines(log)}")


def _stop(process: subprocess.Popen[bytes], log: Path) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        status = process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        raise OwnServiceError(f"jedel serve did not drain within {STOP_TIMEOUT_S:.0f} s: {_last_lines(log)}") from None
    if status:
        raise OwnServiceError(f"jedel serve ended with status {status}: {_last_lines(log)}")


def _last_lines(log: Path) -> str:
    return " | ".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-5:])
