"""The active process is killed with SIGKILL again and again under load, a standby takes over, and nothing is lost or doubled.

Holds invariants 1, 3, 4 and 7 on real parts: real processes, real sockets, a real PostgreSQL; and that every first term fires
exactly once over crashes.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest

from core.events import AnyEvent, Call, Fix, PlateRead
from core.incident import fold
from protocols.ingest.client import IngestClient
from protocols.ingest.message import Framing
from storage.session import connect
from storage.store import Store
from tests.end_to_end.service import SOURCE_TOKEN, Service, until

KILLS = 50
CALLS_A_PUSH = 1
PLATES_A_PUSH = 50


def _call(rng: random.Random) -> Call:
    fix = Fix(43.2 + rng.random() / 5, 76.8 + rng.random() / 5, 10.0)
    phone = f"+7701{rng.randrange(10**7):07d}"
    return Call(seq=1, at=datetime.now(UTC), phone=phone, words="драка во дворе", fix=fix)


def _plate(rng: random.Random) -> PlateRead:
    return PlateRead(seq=1, at=datetime.now(UTC), camera=f"cam-{rng.randrange(50)}", plate=f"{rng.randrange(1000):03d}ABC02")


async def _push_until(stop: asyncio.Event, client: IngestClient, make: Callable[[], list[AnyEvent]]) -> int:
    """Pushes until told to stop, then waits for every acknowledgement; returns how many events were sent."""
    sent = 0
    while not stop.is_set():
        events = make()
        await client.push(events)
        sent += len(events)
        await asyncio.sleep(0.005)  # the load's pace, not a wait for anything
    await client.flush()
    return sent


async def _kill_again_and_again(service: Service, rng: random.Random) -> None:
    for _ in range(KILLS):
        # The next standby is started early, so that it waits at the lock when the blow falls.
        service.start()
        await service.ready()
        await asyncio.sleep(rng.uniform(0.02, 0.3))  # a random moment is what is tested
        await service.kill_active()
    await service.ready()


async def _storm(service: Service, dsn: str) -> dict[str, int]:
    rng = random.Random(112)
    service.start()
    await service.ready()
    stop = asyncio.Event()
    sent: dict[str, int] = {}
    async with (
        IngestClient(service.tcp_url, source="phone", token=SOURCE_TOKEN) as phone,
        IngestClient(service.ws_url, source="cameras", token=SOURCE_TOKEN, framing=Framing.MSGPACK) as cameras,
    ):
        pushing = {
            "phone": asyncio.create_task(_push_until(stop, phone, lambda: [_call(rng) for _ in range(CALLS_A_PUSH)])),
            "cameras": asyncio.create_task(_push_until(stop, cameras, lambda: [_plate(rng) for _ in range(PLATES_A_PUSH)])),
        }
        await _kill_again_and_again(service, rng)
        stop.set()
        for source, task in pushing.items():
            sent[source] = await task
    connection = await connect(dsn, "test")
    try:
        # No crew is on duty: every incident must have told its shift lead once, whatever was killed meanwhile.
        async def all_fired() -> bool:
            missing = await connection.fetchval(
                "SELECT count(*) FROM incident i WHERE NOT EXISTS "
                "(SELECT 1 FROM incident_log l WHERE l.incident_id = i.incident_id AND l.fact = 'term_fired')"
            )
            return bool(missing == 0)

        await until(all_fired, "a term did not fire")
    finally:
        await connection.close()
    return sent


async def _check(dsn: str, sent: dict[str, int]) -> None:
    connection: asyncpg.Connection = await connect(dsn, "test")
    try:
        for source, count in sent.items():
            row = await connection.fetchrow(
                "SELECT count(*) AS rows, count(DISTINCT seq) AS seqs, max(seq) AS last FROM event WHERE source = $1", source
            )
            assert row is not None
            assert (row["rows"], row["seqs"], row["last"]) == (count, count, count), f"{source} sent {count}: {row}"
        assert await connection.fetchval("SELECT count(*) FROM event WHERE source = 'phone' AND incident_id IS NULL") == 0
        assert await connection.fetchval("SELECT count(*) FROM rejected_event") == 0
        fired_twice = await connection.fetch(
            "SELECT incident_id FROM incident_log WHERE fact = 'term_fired'"
            " GROUP BY incident_id, body ->> 'term', body ->> 'assignment_id', body ->> 'due_us', body ->> 'moment'"
            " HAVING count(*) > 1"
        )
        assert fired_twice == []
        incidents = await connection.fetchval("SELECT count(*) FROM incident")
        assert incidents > 0
        told = await connection.fetchval(
            "SELECT count(*) FROM incident_log WHERE fact = 'person_told' OR (fact = 'term_fired' AND body ->> 'told' <> '')"
        )
        assert told >= incidents
        assert await connection.fetchval("SELECT count(*) FROM notice") == told
        assert await connection.fetchval("SELECT count(*) FROM outbox") == told
    finally:
        await connection.close()
    store = await Store.open(dsn, "tested")
    assert await store.verify(fold) == []
    await store.close()


@pytest.mark.end_to_end
def test_nothing_is_lost_or_doubled_when_the_active_process_is_killed_fifty_times(tmp_path: Path, database: str) -> None:
    with Service(tmp_path, database) as service:
        sent = asyncio.run(_storm(service, database))
        asyncio.run(_check(database, sent))
        assert sent["phone"] > KILLS
        assert sent["cameras"] > KILLS
