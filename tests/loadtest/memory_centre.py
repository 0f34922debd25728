"""A whole centre without storage, for driving: real listeners, real engine, real map of the simulated city; a batch counts as
committed as soon as it is decided.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from core.category import load_categories
from core.commands import Order
from core.engine import Engine
from core.events import Call, Chunk
from core.inlet import Inlet
from core.instant import Micros
from core.phone import read_phone
from core.ports import Subscriber
from core.recovered import EMPTY, Device
from core.state import Batch, CentreRules
from loadtest.city import City
from loadtest.city_files import write_extract, write_territories
from loadtest.drive import Centre
from ops.scenarios import load_scenarios
from protocols.dispatch.listener import DispatchHub
from protocols.dispatch.publisher import Publisher
from protocols.dispatch.subscription import Client
from protocols.ingest.hub import IngestHub
from routing.crew_index import CrewTree
from routing.gazetteer import MapGazetteer
from routing.osm import import_osm
from routing.territory import TerritoryIndex, territories_of_geojson


class MemoryCentre:
    """Use it as `async with MemoryCentre(city, folder) as centre`, then drive `centre.address`."""

    def __init__(self, city: City, folder: Path, rules: CentreRules | None = None) -> None:
        write_extract(city, folder / "city.osm.pbf")
        write_territories(city, folder / "territories.geojson")
        devices = [Device(one.device_id, one.place.latitude_deg, one.place.longitude_deg, one.address) for one in city.devices]
        self.engine = Engine(
            rules or CentreRules(),
            load_categories(),
            load_scenarios(None, load_categories()),
            MapGazetteer(import_osm(folder / "city.osm.pbf")),
            TerritoryIndex(territories_of_geojson((folder / "territories.geojson").read_bytes())),
            CrewTree(),
            msgspec.structs.replace(EMPTY, devices=devices),
        )
        self.events = 0
        """New events taken."""
        self.forget_every = 0
        """When not 0, every n-th new call's incident is not published: a fault to be noticed."""
        self.deaf = False
        """When set, sources get no acknowledgements: another fault to be noticed."""
        self._subscribers = {
            one.phone: Subscriber(
                one.phone,
                one.name,
                one.line,
                one.address,
                one.place.latitude_deg if one.place else None,
                one.place.longitude_deg if one.place else None,
            )
            for one in map(city.subscriber, range(city.subscriber_count))
        }
        self._inlet = Inlet()
        self._wake = asyncio.Event()

    async def __aenter__(self) -> Self:
        now = _now_us
        self.ingest = IngestHub(self._inlet, lambda token, source: token == "in", {}, now, self._wake.set)
        publisher = Publisher()
        lead = Client(operator="lead", role="shift_lead")
        self.dispatch = DispatchHub(publisher, lambda token: lead if token == "out" else None, self._order, now)
        ingest_host, ingest_port = await self.ingest.start_tcp("127.0.0.1", 0)
        host, port = await self.dispatch.start("127.0.0.1", 0)
        self.address = Centre(f"tcp://{ingest_host}:{ingest_port}", f"ws://{host}:{port}/dispatch/v1", "in", "out")
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ingest.close()
        await self.dispatch.drain()
        self._task.cancel()
        try:
            await self._task
        except asyncio.CancelledError:
            return  # any other exception is the engine's, and the test must not go on as if it had decided

    def _order(self, order: Order) -> None:
        self._inlet.order(order)
        self._wake.set()

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            chunks, orders = self._inlet.take()
            decisions = self.engine.handle(Batch(chunks, orders, self._known(chunks)), _now_us())
            if decisions is not None:
                for taken in decisions.taken:
                    self.events += len(taken.chunk.items) - taken.skip
                if self.forget_every:
                    kept = [change for change in decisions.incidents if change.incident_id % self.forget_every]
                    decisions = msgspec.structs.replace(decisions, incidents=kept)
                if not self.deaf:
                    self.ingest.committed(decisions)
                self.dispatch.committed(decisions)
            if self._inlet or self.engine.has_more:
                await asyncio.sleep(0)
                continue
            due_us = self.engine.next_due_us
            try:
                await asyncio.wait_for(self._wake.wait(), None if due_us is None else max(0.0, (due_us - _now_us()) / 1e6))
            except TimeoutError:
                continue

    def _known(self, chunks: list[Chunk]) -> dict[str, Subscriber]:
        calls = [item for chunk in chunks for item in chunk.items if isinstance(item, Call)]
        numbers = [read_phone(call.phone, "KZ").e164 for call in calls]
        return {number: self._subscribers[number] for number in numbers if number in self._subscribers}


def _now_us() -> Micros:
    return Micros(time.time_ns() // 1_000)
