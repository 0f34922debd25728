"""A running centre drops by itself what is no longer kept, while it goes on taking events."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.events import PlateRead
from ops.clock import now_us
from protocols.ingest.client import IngestClient
from storage.partitions import DAY_US, day_of, ensure, partition_name
from storage.session import connect
from tests.end_to_end.service import SOURCE_TOKEN, Service, until

pytestmark = pytest.mark.end_to_end

OLD_ROWS = 20_000


def test_days_that_are_over_go_by_themselves_when_a_night_was_missed(tmp_path: Path, database: str) -> None:
    today = day_of(now_us())
    old = partition_name("event", today - 40)

    async def run(service: Service) -> None:
        connection = await connect(database, "test")
        await ensure(connection, [today - 40])
        await connection.execute(
            "INSERT INTO event SELECT $1, 'old', n, 1, $1, NULL, '', '{}' FROM generate_series(1, $2) n",
            (today - 40) * DAY_US,
            OLD_ROWS,
        )
        await connection.execute("UPDATE centre SET pruned_at = $1", now_us() - 2 * DAY_US)
        service.start()
        await service.ready()
        sent = 0

        async def pruned() -> bool:
            nonlocal sent
            await cameras.push([PlateRead(seq=1, at=datetime.now(UTC), camera="cam-1", plate="123ABC02") for _ in range(10)])
            sent += 10
            return '"event": "pruned"' in service.log.read_text(encoding="utf-8")

        async with IngestClient(service.tcp_url, source="cameras", token=SOURCE_TOKEN) as cameras:
            await until(pruned, "the centre does not prune by itself")
            await cameras.flush()
        assert await connection.fetchval("SELECT to_regclass($1)", old) is None
        assert await connection.fetchval("SELECT count(*) FROM event WHERE source = 'old'") == 0
        assert await connection.fetchval("SELECT count(*) FROM event WHERE source = 'cameras'") == sent
        assert await connection.fetchval("SELECT pruned_at FROM centre") > now_us() - DAY_US
        await connection.close()

    with Service(tmp_path, database) as service:
        asyncio.run(run(service))
