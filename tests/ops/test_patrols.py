"""The patrol routes that a life begins with; that an import reaches a running one is `tests/end_to_end/test_patrols.py`."""

from __future__ import annotations

import asyncio

import pytest

from core.instant import SECOND_US, Micros
from ops.clock import now_us
from ops.patrols import patrols_of, read_routes
from storage.errors import StorageError, StorageReason
from storage.patrol_routes import import_patrol_routes
from storage.session import connect
from tests.core.patrol_town import street

DAY_US = 86_400 * SECOND_US


def test_read_routes_gives_the_version_and_what_may_be_walked_from_now_on(database: str) -> None:
    now = now_us()

    async def bring_in(at_us: int, *route_ids: str) -> None:
        connection = await connect(database, "test")
        try:
            routes = [street(one, crews=None) for one in route_ids]
            await import_patrol_routes(connection, routes, source_name="r.geojson", now_us=Micros(at_us))
        finally:
            await connection.close()

    before = asyncio.run(read_routes(database, now))
    assert before[1] == []
    asyncio.run(bring_in(now - 9 * DAY_US, "abay", "park"))
    # What ended days ago is walked by nobody any more, what ended just now by whoever had begun.
    asyncio.run(bring_in(now - 5 * DAY_US, "abay", "quay"))
    asyncio.run(bring_in(now, "abay"))
    version, routes = asyncio.run(read_routes(database, now))
    assert version == before[0] + 3
    assert [route.route_id for route in routes] == ["abay", "quay"]
    assert [route.route_id for route in patrols_of(routes).routes] == ["abay", "quay"]


def test_read_routes_says_that_the_database_cannot_be_reached() -> None:
    with pytest.raises(StorageError) as refused:
        asyncio.run(read_routes("postgresql://127.0.0.1:1/nowhere", Micros(0)))
    assert refused.value.reason is StorageReason.UNREACHABLE
