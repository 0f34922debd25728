"""Patrol routes imported beside a running service: a shift lead is told once of a crew that strays, over a kill too (OCC-5)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core.decisions import Notice
from core.events import CrewStatus, Fix, Position
from core.instant import SECOND_US, Micros
from core.patrol import PatrolRoute, PatrolRules
from core.timetable import DAYS, Shift, Timetable
from ops.clock import now_us
from protocols.dispatch.client import DispatchClient, Feed
from protocols.ingest.client import IngestClient
from storage.patrol_routes import import_patrol_routes
from storage.session import connect
from tests.core.patrol_town import place, street
from tests.end_to_end.service import DISPATCHER_TOKEN, SOURCE_TOKEN, Service, until

pytestmark = pytest.mark.end_to_end

NEAR_M, FAR_M = 0.0, 500.0
RULES = PatrolRules()


def all_day() -> Timetable:
    """Whole days, of which none ends while this runs."""
    turn = f"{(datetime.now(UTC) + timedelta(hours=12)):%H}:00"
    return Timetable(zone="UTC", shifts=(Shift(DAYS, turn, turn),))


async def bring_in(dsn: str, *routes: PatrolRoute) -> None:
    """An import as it was made days ago, so that the shift that runs now is already its; a running service sees it now."""
    connection = await connect(dsn, "test")
    try:
        then_us = Micros(now_us() - 3 * 86_400 * SECOND_US)
        await import_patrol_routes(connection, routes, source_name="routes.geojson", now_us=then_us)
    finally:
        await connection.close()


async def walk(service: Service, off_m: float, positions: int, since: datetime) -> datetime:
    """Crew P-1 says so often that it is so far from its street, each time in a batch of its own; returns its clock."""
    async with IngestClient(service.tcp_url, source="gps", token=SOURCE_TOKEN) as gps:
        for _ in range(positions):
            since += timedelta(seconds=5)
            latitude_deg, longitude_deg = place(off_m)
            await gps.push([Position(seq=1, at=since, crew="P-1", latitude_deg=latitude_deg, longitude_deg=longitude_deg)])
            await gps.flush()
    return since


async def patrol_notices(feed: Feed) -> AsyncIterator[Notice]:
    async for update in feed:
        for notice in update.notices:
            if notice.term.startswith("patrol"):
                yield notice


async def phase_of(dsn: str) -> str:
    connection = await connect(dsn, "test")
    try:
        found: str | None = await connection.fetchval("SELECT state ->> 'phase' FROM patrol_state WHERE crew_id = 'P-1'")
    finally:
        await connection.close()
    return found or ""


def test_import_reaches_a_running_service_and_a_stray_crew_is_told_of_once(tmp_path: Path, database: str) -> None:
    async def run(service: Service) -> None:
        service.start()
        await service.ready()
        clock = datetime.now(UTC) - timedelta(minutes=20)
        async with IngestClient(service.tcp_url, source="crews", token=SOURCE_TOKEN) as crews:
            status = CrewStatus(
                seq=1, at=clock, crew="P-1", status="free", capabilities=("patrol",), fix=Fix(*place(NEAR_M), 5.0)
            )
            await crews.push([status])
            await crews.flush()
        await bring_in(database, street(timetable=all_day()))

        async def watched() -> bool:
            return await phase_of(database) == "expected"

        await until(watched, "the service does not go by the routes that were imported")
        clock = await walk(service, NEAR_M, 2, clock)
        assert await phase_of(database) == "on_route"
        async with DispatchClient(service.dispatch_url, DISPATCHER_TOKEN) as lead, asyncio.timeout(60):
            feed = lead.subscribe("all")
            await feed.synced()
            clock = await walk(service, FAR_M, RULES.off_positions + 3, clock)
            notice = await anext(patrol_notices(feed))
            assert (notice.term, notice.crew, notice.incident_id) == ("patrol_off_route", "P-1", None)
            assert notice.text == "crew P-1 has left route Abay: 500 m from it"
        # The next life knows what was told, and tells only that it has ended.
        await service.kill_active()
        service.start()
        await service.ready()
        async with DispatchClient(service.dispatch_url, DISPATCHER_TOKEN) as lead, asyncio.timeout(60):
            feed = lead.subscribe("all")
            await feed.synced()
            clock = await walk(service, FAR_M, RULES.off_positions + 3, clock)
            await walk(service, NEAR_M, RULES.return_positions, clock)
            assert (await anext(patrol_notices(feed))).term == "patrol_fault_ended"

    with Service(tmp_path, database) as service:
        asyncio.run(run(service))
    asyncio.run(once(database))


async def once(dsn: str) -> None:
    connection = await connect(dsn, "test")
    try:
        terms = await connection.fetch("SELECT term, recipient FROM notice WHERE term LIKE 'patrol%' ORDER BY at")
        keys = await connection.fetchval("SELECT count(*) FROM outbox WHERE template = 'patrol_finding'")
    finally:
        await connection.close()
    assert [tuple(row) for row in terms] == [("patrol_off_route", "shift_lead"), ("patrol_fault_ended", "shift_lead")]
    assert keys == 1
