"""Sets the FastAPI peer up: its tables filled with the same city, its processes started, and calls sent to it over HTTP.

The load is as cheap as ours: requests encoded beforehand over keep-alive connections, each with one request under way; answers
are read no further than their length and status.
"""

from __future__ import annotations

import asyncio
import os
import select
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import asyncpg
import msgspec

from core.events import Call
from loadtest.bench import scene
from loadtest.bench.bed import Bed, BedError
from loadtest.bench.load import LoadError
from loadtest.city import City
from loadtest.peers import fastapi_service
from loadtest.peers.fastapi_service import metres, normal_words, street_words

BASE: Final = "peer_base"
"""The filled database; every round gets a copy."""
START_TIMEOUT_S: Final = 60.0
_FOLDER: Final = Path(fastapi_service.__file__).parent
_HEADER_END: Final = b"\r\n\r\n"
_LENGTH: Final = b"content-length: "


def prepare(bed: Bed, town: City) -> None:
    """Makes `BASE`."""
    bed.make(BASE)
    asyncio.run(_fill(bed.dsn(BASE), town))


async def _fill(dsn: str, town: City) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute((_FOLDER / "schema.sql").read_text(encoding="utf-8"))
        subscribers = (town.subscriber(index) for index in range(town.subscriber_count))
        await connection.copy_records_to_table(
            "subscriber",
            records=[
                (
                    one.phone,
                    one.name,
                    one.line,
                    one.address,
                    one.place and metres(one.place.latitude_deg, one.place.longitude_deg),
                )
                for one in subscribers
            ],
        )
        await connection.copy_records_to_table(
            "street_name",
            records=[(street_words(name), number) for number, street in enumerate(town.streets) for name in street.name],
        )
        await connection.copy_records_to_table("house", records=list(_houses(town)))
        await connection.copy_records_to_table("corner", records=list(_corners(town)))
        await connection.executemany(
            "INSERT INTO district VALUES ($1, $2::text::polygon)",
            [
                (district.territory, f"({','.join(str(metres(p.latitude_deg, p.longitude_deg)) for p in district.ring)})")
                for district in town.districts
            ],
        )
        await connection.copy_records_to_table(
            "crew",
            columns=("crew_id", "capabilities", "territory", "outside", "state", "place"),
            records=[
                (
                    crew.call_sign,
                    list(crew.capabilities),
                    crew.territory,
                    crew.outside,
                    "free",
                    metres(at.latitude_deg, at.longitude_deg),
                )
                for crew, at in zip(town.crews, scene.places(town), strict=True)
            ],
        )
        for statement in (_FOLDER / "indexes.sql").read_text(encoding="utf-8").split(";\n"):
            if statement.strip():
                await connection.execute(statement)
    finally:
        await connection.close()


def _houses(town: City) -> Iterator[tuple[int, str, str, tuple[float, float]]]:
    for house in town.houses:
        place = metres(house.place.latitude_deg, house.place.longitude_deg)
        yield house.street, normal_words(house.number), f"{town.streets[house.street].name.ru}, {house.number}", place


def _corners(town: City) -> Iterator[tuple[int, int, str, tuple[float, float]]]:
    street_ids = {street.name: number for number, street in enumerate(town.streets)}
    for number, crossing in enumerate(town.crossings):
        first, second = town.corner(number)
        place = metres(crossing.latitude_deg, crossing.longitude_deg)
        for one, other in ((first, second), (second, first)):
            yield street_ids[one], street_ids[other], f"{one.ru} / {other.ru}", place


@contextmanager
def serving(bed: Bed, database: str, workers: int, pool: int) -> Iterator[tuple[str, int]]:
    """Runs the peer until the block ends; gives its address. Raises `BedError`."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        address: tuple[str, int] = probe.getsockname()[:2]
    log = bed.folder / f"peer-{workers}.log"
    command = [
        sys.executable,
        "-m",
        "uvicorn",
        "loadtest.peers.fastapi_service:app",
        "--host",
        address[0],
        "--port",
        str(address[1]),
    ]
    command += [
        "--workers",
        str(workers),
        "--loop",
        "uvloop",
        "--http",
        "httptools",
        "--no-access-log",
        "--log-level",
        "warning",
    ]
    environment = {**os.environ, "PEER_DSN": bed.dsn(database), "PEER_POOL": str(pool)}
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
    try:
        _await_listening(process, address, log)
        yield address
    finally:
        process.terminate()
        try:
            process.wait(20.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await_listening(process: subprocess.Popen[bytes], address: tuple[str, int], log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            socket.create_connection(address, timeout=1.0).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise BedError(f"the peer does not start: {log.read_text(encoding='utf-8', errors='replace')[-1000:]}")


def encode_requests(calls: Sequence[Call]) -> list[bytes]:
    """Calls as HTTP requests."""
    requests = []
    for call in calls:
        body = msgspec.json.encode(call)
        head = f"POST /calls HTTP/1.1\r\nHost: peer\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        requests.append(head.encode() + body)
    return requests


class _Wire:
    """One keep-alive connection."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._socket = socket.create_connection(address, timeout=60.0)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received = b""

    def fileno(self) -> int:
        return self._socket.fileno()

    def ask(self, request: bytes) -> None:
        self._socket.sendall(request)

    def answered(self) -> bool:
        """Reads; whether the answer is complete. Raises `LoadError` for one that is not 200."""
        data = self._socket.recv(65_536)
        if not data:
            raise LoadError("the peer has closed a connection")
        self._received += data
        head, end, body = self._received.partition(_HEADER_END)
        if not end:
            return False
        at = head.lower().index(_LENGTH) + len(_LENGTH)
        if len(body) < int(head[at:].split(b"\r\n", 1)[0]):
            return False
        if not head.startswith(b"HTTP/1.1 200"):
            raise LoadError(f"the peer refused a call: {self._received[:500]!r}")
        self._received = b""
        return True

    def close(self) -> None:
        self._socket.close()


class _News:
    """One listening client: reads what is published and throws it away."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._socket = socket.create_connection(address, timeout=10.0)
        self._socket.sendall(b"GET /news HTTP/1.1\r\nHost: peer\r\n\r\n")
        received = b""
        while b"\n\n" not in received.partition(_HEADER_END)[2]:
            received += self._socket.recv(4096)
        self.worker = received.partition(b": ")[2] and received.rpartition(b": ")[2].split(b"\n", 1)[0]
        """Which process it has got."""
        self.messages = 0

    def fileno(self) -> int:
        return self._socket.fileno()

    def read(self) -> None:
        self.messages += self._socket.recv(65_536).count(b"data: ")

    def close(self) -> None:
        self._socket.close()


def listeners(address: tuple[str, int], workers: int) -> list[_News]:
    """One listening client for each worker. Raises `BedError` when a worker takes no connection."""
    found: dict[bytes, _News] = {}
    for _ in range(200):
        news = _News(address)
        if news.worker in found:
            news.close()
        else:
            found[news.worker] = news
        if len(found) == workers:
            return list(found.values())
    raise BedError(f"only {len(found)} of the peer's {workers} workers take connections")


def send_calls(address: tuple[str, int], requests: Sequence[bytes], concurrency: int, workers: int) -> float:
    """Sends all requests; returns answered calls a second. Raises `LoadError` when one fails or is not published."""
    news = listeners(address, workers)
    wires = [_Wire(address) for _ in range(concurrency)]
    waiting = deque(requests)
    busy: set[_Wire] = set()
    began = time.perf_counter()
    for wire in wires:
        if waiting:
            wire.ask(waiting.popleft())
            busy.add(wire)
    while busy:
        readable, _, _ = select.select([*(wire.fileno() for wire in busy), *(client.fileno() for client in news)], [], [], 60.0)
        if not readable:
            raise LoadError("the peer has stopped answering")
        for client in news:
            if client.fileno() in readable:
                client.read()
        for wire in list(busy):
            if wire.fileno() in readable and wire.answered():
                if waiting:
                    wire.ask(waiting.popleft())
                else:
                    busy.discard(wire)
    while sum(one.messages for one in news) < len(requests):
        late, _, _ = select.select(news, [], [], 10.0)
        if not late:
            raise LoadError("the peer has not published every call")
        for client in late:
            client.read()
    took_s = time.perf_counter() - began
    for wire in wires:
        wire.close()
    for client in news:
        client.close()
    return len(requests) / took_s
