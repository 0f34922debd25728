"""A real service watched as an operator watches it: probes and scrapes of an active process, a standby, and a centre without
its database.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from core.events import AnyEvent, Call, CrewStatus, Fix, PlateRead
from protocols.ingest.client import IngestClient
from storage.session import connect
from tests.end_to_end.service import SOURCE_TOKEN, Service, free_ports, until

pytestmark = pytest.mark.end_to_end

PLACE = Fix(43.24, 76.9, 10.0)
LOCK = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity JOIN pg_locks USING (pid)"
    " WHERE application_name = 'jedel lock' AND datname = current_database() AND locktype = 'advisory' AND granted"
)
"""Ends the holder's connection, and not that of whoever waits."""


class Answer(msgspec.Struct):
    """What an endpoint said."""

    status: int
    body: bytes

    @property
    def reasons(self) -> list[str]:
        return [no["reason"] for no in json.loads(self.body)["reasons"]]

    def value(self, name: str, **labels: str) -> float | None:
        """A sample of a page of metrics, None where there is none."""
        for family in text_string_to_metric_families(self.body.decode()):
            for sample in family.samples:
                if sample.name == name and sample.labels == labels:
                    return sample.value
        return None


def ask_at(address: tuple[str, int], path: str) -> Answer:
    connection = HTTPConnection(*address, timeout=30.0)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return Answer(answer.status, answer.read())
    finally:
        connection.close()


async def ask(address: tuple[str, int], path: str) -> Answer:
    return await asyncio.to_thread(ask_at, address, path)


async def push(service: Service, source: str, *events: AnyEvent) -> None:
    """Sends events and waits until they are acknowledged."""
    async with IngestClient(service.tcp_url, source=source, token=SOURCE_TOKEN) as client:
        await client.push(events)
        await client.flush()


def said(address: tuple[str, int], path: str, reasons: list[str]) -> Callable[[], Awaitable[bool]]:
    async def says() -> bool:
        return (await ask(address, path)).reasons == reasons

    return says


async def started(service: Service, number: int) -> tuple[str, int]:
    """Starts a process, and returns where it tells of its health."""
    service.start()

    async def told() -> bool:
        return len(service.health_addresses()) == number

    await until(told, "the process never said where it tells of its health")
    return service.health_addresses()[number - 1]


def call(seq: int) -> Call:
    return Call(seq=seq, at=datetime.now(UTC), phone="+77015550001", words="пожар", fix=PLACE)


def crew(seq: int) -> CrewStatus:
    now = datetime.now(UTC)
    return CrewStatus(seq=seq, at=now, crew=f"F-{seq}", status="free", capabilities=("fire", "patrol"), fix=PLACE)


def test_probes_and_counts_follow_a_centre_through_its_lives(tmp_path: Path, database: str) -> None:
    async def main() -> None:
        # No crew takes its assignment: it stays offered for as long as this takes.
        with Service(tmp_path, database, settings={"terms.accept_s": "3600"}) as service:
            first = await started(service, 1)
            await service.ready()
            assert [(await ask(first, path)).status for path in ("/livez", "/readyz")] == [200, 200]
            assert json.loads((tmp_path / "serve.json").read_text())["health"] == list(first)
            await push(service, "crews", *(crew(seq) for seq in range(1, 4)))
            await push(service, "telephone", call(1))
            page = await ask(first, "/metrics")
            assert page.value("jedel_events_total", kind="call") == 1
            assert page.value("jedel_source_events_total", source="crews") == 3
            assert page.value("jedel_call_response_seconds_count", until="assigned", priority="2") == 1
            assert page.value("jedel_acknowledgement_seconds_count", urgency="call") == 1
            assert page.value("jedel_acknowledgement_seconds_count", urgency="urgent") == 3
            # No crew has come for whom the fire's injured wait.
            waits_s = [page.value("jedel_waiting_oldest_seconds", priority=priority) for priority in "123456789"]
            assert [number for number, value in enumerate(waits_s, 1) if value] == [2]

            # The second process shares everything with the first but is not the one that works.
            second = await started(service, 2)
            await until(said(second, "/readyz", ["standby"]), "the second process does not stand by")
            assert (await ask(second, "/livez")).status == 200
            assert (await ask(second, "/metrics")).value("jedel_state", state="standby") == 1

            # The first one loses the lock: the second becomes active, and what the first had counted stays counted.
            connection = await connect(database, "test")
            assert await connection.fetchval(LOCK)
            await connection.close()
            await until(said(second, "/readyz", []), "the second process does not take over")
            await until(said(first, "/readyz", ["standby"]), "the first process does not stand by")
            page = await ask(first, "/metrics")
            assert page.value("jedel_lives_ended_total", reason="lost") == 1
            assert page.value("jedel_events_total", kind="call") == 1
            assert page.value("jedel_dispatch_messages_total") == 0
            page = await ask(second, "/metrics")
            assert page.value("jedel_epoch") == 2
            assert page.value("jedel_open_incidents", state="assigned", priority="2") == 1
            await push(service, "cameras", PlateRead(seq=1, at=datetime.now(UTC), camera="c", plate="1"))
            assert (await ask(second, "/metrics")).value("jedel_source_events_total", source="cameras") == 1

    asyncio.run(main())


@pytest.mark.program("promtool")
def test_promtool_finds_nothing_wrong_with_what_a_run_exposes(tmp_path: Path, database: str) -> None:
    async def main() -> bytes:
        with Service(tmp_path, database, settings={"terms.accept_s": "0.1"}) as service:
            address = await started(service, 1)
            await service.ready()
            await push(service, "crews", *(crew(seq) for seq in range(1, 4)))
            await push(service, "telephone", call(1))

            async def fired() -> bool:
                fired = (await ask(address, "/metrics")).value("jedel_term_lateness_seconds_count")
                return fired is not None and fired > 0

            await until(fired, "no term has fired")
            return (await ask(address, "/metrics")).body

    page = asyncio.run(main())
    done = subprocess.run(["promtool", "check", "metrics"], input=page, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_ready_file_names_health_when_the_address_comes_late(tmp_path: Path, database: str) -> None:
    """On one machine with one configuration, a process may become active while the one that stands by has health's address."""
    address = ("127.0.0.1", free_ports(1)[0])

    def told() -> dict[str, object]:
        ready: dict[str, object] = json.loads((tmp_path / "serve.json").read_text())
        return ready

    async def main() -> None:
        with Service(tmp_path, database, settings={"listen.health": f"127.0.0.1:{address[1]}"}) as service:
            first = service.start()
            assert await service.ready() == first.pid
            second = service.start()
            await until(said(address, "/readyz", []), "the first process does not tell of its health")

            async def stands_by() -> bool:
                return '"event": "standby"' in service.log.read_text()

            await until(stands_by, "the second process does not stand by")
            connection = await connect(database, "test")
            assert await connection.fetchval(LOCK)
            await connection.close()

            async def second_listens() -> bool:
                return service.active_pid() == second.pid

            await until(second_listens, "the second process does not take over")
            assert "health" not in told()
            assert await service.stop(first) == 0

            async def named() -> bool:
                return told().get("health") == list(address)

            await until(named, "the ready file never names health")
            assert told()["pid"] == second.pid
            assert (await ask(address, "/readyz")).status == 200
            assert await service.stop(second) == 0
            assert not (tmp_path / "serve.json").exists()

    asyncio.run(main())
