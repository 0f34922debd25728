"""A centre of two processes, people with a telephone, and a Prometheus that watches: what the tests of watching share."""

from __future__ import annotations

import asyncio
import base64
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from core.events import AnyEvent, Call, CrewStatus, Fix, PlateRead
from protocols.ingest.client import IngestClient
from tests.adapters.receiver import Receiver
from tests.end_to_end.prometheus import Prometheus, prometheus_of
from tests.end_to_end.service import DISPATCHER_TOKEN, PROGRAM, SOURCE_TOKEN, Service, free_ports, until
from tests.ops.observe.rules import ALERTS

PEOPLE = """\
[[people]]
id = "hook"
roles = ["shift_lead"]
languages = ["en"]
channels = ["webhook:{url}"]
"""
"""A shift lead, and nobody whom a fire's scenario informs beside."""
SETTINGS = {
    "terms.accept_s": "1",
    "terms.no_crew_s": "1",
    "channels.webhook_secret": "shared",
    "limits.inlet_bytes": str(1024**2),
    "limits.client_buffer_bytes": str(64 * 1024),
    "limits.batch_events": "512",
    "limits.clients_max": "4",
}
"""Terms and bounds that are reached in seconds."""


class Watched:
    """The centre and who watches it."""

    def __init__(self, service: Service, prometheus: Prometheus, receiver: Receiver, dsn: str) -> None:
        self.service = service
        self.prometheus = prometheus
        self.receiver = receiver
        self.dsn = dsn

    def source(self, name: str) -> IngestClient:
        return IngestClient(self.service.tcp_url, source=name, token=SOURCE_TOKEN)

    async def push(self, name: str, *events: AnyEvent) -> None:
        """Sends events as a source that leaves again, and waits until they are acknowledged."""
        async with self.source(name) as client:
            await client.push(events)
            await client.flush()

    async def push_garbage(self, name: str, *seqs: int) -> None:
        """Sends events that say nothing, and waits until every one is answered."""
        reader, writer = await asyncio.open_connection(*self.service.tcp_address)
        hello = {"kind": "hello", "protocol": "jedel-ingest/1", "token": SOURCE_TOKEN, "source": name}
        writer.write(msgspec.json.encode(hello) + b"\n")
        for seq in seqs:
            writer.write(msgspec.json.encode({"kind": "plate", "seq": seq, "at": "noon"}) + b"\n")
        refused = 0
        while refused < len(seqs):
            refused += b'"kind":"error"' in await reader.readline()
        writer.close()
        await writer.wait_closed()


@asynccontextmanager
async def watched_centre(
    folder: Path, dsn: str, receiver: Receiver, settings: Mapping[str, str] | None = None, program: str = PROGRAM
) -> AsyncIterator[Watched]:
    """A centre whose first process is active, whose second one stands by, and whose Prometheus has scraped both."""
    values = {**SETTINGS, "centre.people": str(folder / "people.toml"), **(settings or {})}
    async with receiver.served():
        (folder / "people.toml").write_text(PEOPLE.format(url=receiver.url), encoding="utf-8")
        with Service(folder, dsn, settings=values, program=program) as service:
            service.start()
            await service.ready()
            service.start()

            async def both() -> bool:
                return len(service.health_addresses()) == 2

            await until(both, "the standby never said where it tells of its health")
            async with prometheus_of(folder, free_ports(1)[0], service.health_addresses()) as prometheus:
                await prometheus.holds('jedel_state{state="standby"} == 1')
                yield Watched(service, prometheus, receiver, dsn)


async def sees(watched: Watched, alert: str, shorter: Mapping[str, str] | None = None) -> None:
    """Waits until every expression of an alert is true, with spans and bounds replaced by such as a test has the time for."""
    for expr in expressions(alert, shorter):
        await watched.prometheus.holds(expr, f"{alert} never came true: {expr}")


async def sees_end(watched: Watched, alert: str, shorter: Mapping[str, str] | None = None) -> None:
    """Waits until no expression of an alert is true."""
    for expr in expressions(alert, shorter):
        await watched.prometheus.holds(f"absent({expr})", f"{alert} stayed true: {expr}")


def expressions(alert: str, shorter: Mapping[str, str] | None = None) -> list[str]:
    """What an alert asks, so shortened."""
    found = [one.expr for one in ALERTS if one.alert == alert]
    for long, short in (shorter or {}).items():
        assert all(long in expr for expr in found)
        found = [expr.replace(long, short) for expr in found]
    return found


def as_asked(expr: str) -> str:
    """A panel's query as Grafana sends it."""
    return expr.replace("$__rate_interval", "1m").replace("$job", "jedel")


def call(number: int, words: str = "пожар") -> Call:
    """A call that opens an incident of its own: no two are near each other, or from one number."""
    fix = Fix(43.0 + number * 0.02, 76.9, 10.0)
    return Call(seq=1, at=datetime.now(UTC), phone=f"+7701555{number:04d}", words=words, fix=fix)


def crew(name: str, status: str = "free", incident: int | None = None) -> CrewStatus:
    event = {"seq": 1, "at": datetime.now(UTC), "crew": name, "status": status, "incident": incident}
    if status == "free":
        event |= {"capabilities": ("fire", "ambulance", "patrol"), "fix": {"latitude_deg": 43.2, "longitude_deg": 76.9}}
    return msgspec.convert(event | {"kind": "crew_status"}, CrewStatus)


def plates(count: int, age_s: float = 0.0, camera: str = "cam-1") -> Sequence[PlateRead]:
    at = datetime.now(UTC) - timedelta(seconds=age_s)
    return [PlateRead(seq=1, at=at, camera=camera, plate="123ABC02") for _ in range(count)]


async def flood_unread(service: Service) -> None:
    """A dispatch client that asks and asks and reads no answer, until the centre cuts it."""
    host, port = service.dispatch_url.removeprefix("ws://").partition("/")[0].split(":")
    sock = socket.socket()
    # The smallest buffer: what the centre sends stays with the centre.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    await asyncio.to_thread(sock.connect, (host, int(port)))
    key = base64.b64encode(bytes(16)).decode()
    upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13"
    request = f"GET /dispatch/v1 HTTP/1.1\r\nHost: x\r\n{upgrade}\r\nSec-WebSocket-Key: {key}\r\n\r\n"
    hello = msgspec.json.encode({"kind": "hello", "protocol": "jedel-dispatch/1", "token": DISPATCHER_TOKEN, "client": "mute"})
    # Clients' frames are masked; a mask of zero is one too (RFC 6455, 5.3).
    assert len(hello) < 126
    frame = bytes([0x81, 0x80 | len(hello)]) + bytes(4) + hello
    ping = bytes([0x89, 0x80 | 100]) + bytes(4) + bytes(100)

    def send() -> None:
        sock.sendall(request.encode())
        head = b""
        while b"\r\n\r\n" not in head:
            head += sock.recv(1)
        try:
            sock.sendall(frame)
            while True:
                sock.sendall(ping * 500)
        except ConnectionError:
            sock.close()

    await asyncio.to_thread(send)
