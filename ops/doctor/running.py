"""What runs: our ports, the service of this folder and what it says of its health, and who holds the centre's lock.

Place in the flow: checks of `jedel doctor`. A port is tried by binding it and letting go at once, without listening on it.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Final

import msgspec

from ops.config import split_address
from ops.doctor.settings import addresses, is_unspecified
from ops.doctor.verdict import Verdict, fault, ok, warning
from ops.doctor.world import World, aside
from ops.ready_file import READY_FILE
from storage.lock import LockUser, read_users

CONNECT_S: Final = 3.0
HEALTH: Final = "health"
"""Key of the address that health is told at, in section `listen` and in the ready file."""
HEALTH_PATH: Final = "/readyz"
_PRIVILEGED: Final = 1024
_OTHER_REMEDY: Final = "look with the running service's configuration: jedel doctor --config FILE"


class Ready(msgspec.Struct, frozen=True):
    """What a running service writes about itself; addresses of listeners beside these may follow."""

    pid: int
    ingest_tcp: tuple[str, int]
    ingest_ws: tuple[str, int]
    dispatch: tuple[str, int]
    health: tuple[str, int] | None = None
    centre: str = ""
    """Name of its centre; empty where an older version wrote the file."""
    dsn: str = ""

    def bound(self) -> dict[str, tuple[str, int]]:
        """Key of section `listen` → where the service listens."""
        found = {"ingest_tcp": self.ingest_tcp, "ingest_ws": self.ingest_ws, "dispatch": self.dispatch}
        return found if self.health is None else {**found, "health": self.health}


def read_ready(data_dir: Path) -> Ready | None:
    """What the service of a folder says about itself, or None where none does. Raises `msgspec.DecodeError`, `OSError`."""
    try:
        return msgspec.json.decode((data_dir / READY_FILE).read_bytes(), type=Ready)
    except FileNotFoundError:
        return None


def is_alive(pid: int) -> bool:
    """Whether a process of that number is there."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


async def check_ports(world: World) -> list[Verdict]:
    """Whether every address is free, or our own service's."""
    ready = await aside(lambda: read_ready(world.data_dir))
    ours = ready.bound() if ready is not None and is_alive(ready.pid) else {}
    found: list[Verdict] = []
    for key, address in addresses(world.config.listen).items():
        host, port = split_address(address)
        if port and key in ours and ours[key][1] == port:
            found.append(ok(f"listen.{key} = {address}: our own service listens there"))
            continue
        found.append(await aside(partial(try_port, key, host, port)))
    return found


def try_port(key: str, host: str, port: int) -> Verdict:
    """Whether a listener could be bound, by binding it as asyncio does and letting go at once."""
    address = f"listen.{key} = {host}:{port}"
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        with socket.socket(family, kind, protocol) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(where)
    except socket.gaierror as error:
        return fault(f"{address}: {error.strerror}", f"correct the name in listen.{key}")
    except OSError as error:
        match error.errno:
            case errno.EADDRINUSE if key == HEALTH:
                # A standby on this machine may have it, and the centre works without.
                return warning(
                    f"{address}: another process has it, perhaps a standby on this machine",
                    "give each a listen.health of its own, unless it has one by --health",
                )
            case errno.EADDRINUSE:
                return fault(
                    f"{address}: another process listens there",
                    f"ss -ltnp 'sport = :{port}' names it; end it, or set listen.{key}",
                )
            case errno.EADDRNOTAVAIL:
                return fault(f"{address}: this machine has no such address", f"ip -br address; correct listen.{key}")
            case errno.EACCES if port < _PRIVILEGED:
                return fault(
                    f"{address}: ports below {_PRIVILEGED} are root's",
                    f"set listen.{key} above, or AmbientCapabilities=CAP_NET_BIND_SERVICE",
                )
            case _:
                return fault(f"{address}: {error.strerror}", f"correct listen.{key}")
    return ok(f"{address}: {'any free port' if not port else 'free'}")


async def check_service(world: World) -> list[Verdict]:
    """Whether the service of this folder runs, listens, and says that it is well."""
    try:
        ready = await aside(lambda: read_ready(world.data_dir))
    except msgspec.DecodeError as error:
        return [warning(f"{world.data_dir / READY_FILE}: {error}", "remove it; the next start writes it anew")]
    if ready is None:
        return [warning(f"no service of {world.data_dir} is active on this machine", "jedel serve")]
    if not is_alive(ready.pid):
        return [
            warning(
                f"process {ready.pid} was active and is gone without a goodbye", "read the end of its log, then jedel serve"
            )
        ]
    found: list[Verdict] = []
    for key, (host, port) in ready.bound().items():
        try:
            async with asyncio.timeout(CONNECT_S):
                _, writer = await asyncio.open_connection(_connectable(host), port)
                writer.close()
        except OSError as error:
            why = str(error) or "no answer"
            found.append(
                fault(
                    f"process {ready.pid} says it listens for {key} at {host}:{port}: {why}", "restart it; a standby takes over"
                )
            )
    if not found:
        found = [ok(f"process {ready.pid} is active and listens")]
    other = other_centre(world, ready)
    if other:
        looked_at = world.config.centre.name
        found.append(warning(f"{other} is what runs here, and centre {looked_at!r} is what is looked at", _OTHER_REMEDY))
    return [*found, await _health(world, ready)]


def _connectable(host: str) -> str:
    """An address of this machine that a listener's host can be reached by."""
    if not is_unspecified(host):
        return host
    return "::1" if ":" in host else "127.0.0.1"


async def _health(world: World, ready: Ready) -> Verdict:
    configured = addresses(world.config.listen).get(HEALTH)
    if ready.health is None:
        if configured:
            # Not asked there: whoever answers is another process, such as a standby on this machine.
            return warning(
                f"it did not get listen.health = {configured}", "give each process on one machine a listen.health of its own"
            )
        return ok("it has no address for its health (listen.health)")
    host, port = ready.health
    try:
        status, said = await aside(lambda: _get(_connectable(host), port))
    except (OSError, HTTPException) as error:
        return fault(
            f"http://{host}:{port}{HEALTH_PATH}: {error}", "the process lives and does not answer: py-spy dump, then restart it"
        )
    if status == 200:
        return ok(f"http://{host}:{port}{HEALTH_PATH}: ready")
    return fault(f"http://{host}:{port}{HEALTH_PATH}: {status} {said}", "its log says why it is not ready")


def _get(host: str, port: int) -> tuple[int, str]:
    connection = HTTPConnection(host, port, timeout=CONNECT_S)
    try:
        connection.request("GET", HEALTH_PATH)
        answer = connection.getresponse()
        return answer.status, " ".join(answer.read(500).decode("utf-8", "replace").split())
    finally:
        connection.close()


async def check_lock(world: World) -> list[Verdict]:
    """Who is the centre's active process, and whether somebody would take over."""
    async with world.database() as connection:
        users = await read_users(connection, world.config.centre.name)
    with suppress(msgspec.DecodeError):  # the check of the service tells of it
        other = other_centre(world, await aside(lambda: read_ready(world.data_dir)))
        if other and not any(user.is_active for user in users):
            name = world.config.centre.name
            return [warning(f"no process of centre {name!r} is active in its database, and {other} is", _OTHER_REMEDY)]
    return [judge_lock(users)]


def other_centre(world: World, ready: Ready | None) -> str:
    """What runs in this folder, where it is not of the centre that is looked at; else empty."""
    if ready is None or not ready.centre or not is_alive(ready.pid):
        return ""
    if ready.centre != world.config.centre.name:
        return f"process {ready.pid} of centre {ready.centre!r}"
    return f"process {ready.pid} on another database" if ready.dsn != world.dsn else ""


def judge_lock(users: Sequence[LockUser]) -> Verdict:
    """What the lock's holder and those who wait for it mean."""
    active = [user for user in users if user.is_active]
    standing_by = len(users) - len(active)
    if not active:
        return warning("no process of this centre is active", "jedel serve")
    where = f"active: a process on {active[0].address or 'this machine'}"
    if not standing_by:
        return warning(
            f"{where}; nobody stands by", "start jedel serve once more, on another machine: it waits, and takes over at once"
        )
    return ok(f"{where}; {standing_by} stand by")
