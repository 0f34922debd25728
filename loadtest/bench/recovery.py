"""`recovery`: seconds from the start of the process until it accepts, with ten thousand to a million incidents open.

The engine opens some hundreds of incidents of the simulated city; their views are written under other numbers at other places,
by COPY, until the table holds as many as are wanted. The baseline is the same service with no incident at all.
"""

from __future__ import annotations

import asyncio
from random import Random
from typing import Final

import msgspec

from core.category import load_categories
from core.decisions import IncidentChange
from core.engine import Engine
from core.events import AnyEvent, Chunk, Rejected
from core.incident import Incident, decode_incident, encode_incident
from core.recovered import EMPTY
from core.state import Batch, CentreRules
from core.vocabulary import IncidentId
from loadtest.bench import scene
from loadtest.bench.bed import BASE, Bed
from loadtest.bench.fill import fill
from loadtest.bench.load import encode_events
from loadtest.bench.record import Record, record
from loadtest.city import CITY_TERRITORY, City
from ops.clock import now_us
from ops.scenarios import load_scenarios
from routing.crew_index import CrewTree
from routing.territory import TerritoryIndex
from routing.unmapped import Unmapped
from storage import tables
from storage.migrate import migrate
from storage.session import connect

DATABASE: Final = "bench_recovery"
TEMPLATES: Final = 500
PART: Final = 5_000
SPREAD_DEG: Final = 0.08


def run(bed: Bed, size: scene.Size) -> list[Record]:
    """Measures it at every size but the smallest. Raises `BedError`."""
    bed.make(DATABASE, BASE)
    empty = _starts(bed, size.rounds)
    records = []
    filled = 0
    for count in size.open_incidents[1:]:
        asyncio.run(_fill(bed.dsn(DATABASE), scene.city(size), filled, count))
        filled = count
        records.append(
            record(f"recovery_{count}", _starts(bed, size.rounds), "s", "the same start with no incident", empty, "map loaded")
        )
    return records


def _starts(bed: Bed, rounds: int) -> list[float]:
    started = []
    for _ in range(rounds):
        with bed.serving(DATABASE) as service:
            started.append(service.started_s)
    return started


async def _fill(dsn: str, town: City, filled: int, count: int) -> None:
    """Adds incidents until `count` are open."""
    templates = open_incidents(town)
    rng = Random(filled)
    connection = await connect(dsn, "benchmark", None)
    try:
        await migrate(connection)
        for start in range(filled, count, PART):
            changes = (
                copy_of(templates[number % len(templates)], number + 1, rng)
                for number in range(start, min(start + PART, count))
            )
            await fill(dsn, tables.INCIDENT, map(tables.incident_row, changes))
        await connection.execute("ANALYZE incident")
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()


def open_incidents(town: City) -> list[IncidentChange]:
    """Incidents as the engine opens them for the city's calls."""
    categories = load_categories(None)
    engine = Engine(
        CentreRules(territory=CITY_TERRITORY),
        categories,
        load_scenarios(None, categories),
        Unmapped(),
        TerritoryIndex([]),
        CrewTree(),
        EMPTY,
    )
    told: list[AnyEvent | Rejected] = list(scene.calls(town, TEMPLATES, scene.SEED))
    raws = encode_events([event for event in told if not isinstance(event, Rejected)]).splitlines()
    at_us = now_us()
    decisions = engine.handle(Batch([Chunk("telephone", at_us, told, raws, len(told), urgent=True)], [], {}), at_us)
    return [] if decisions is None else decisions.incidents


def copy_of(template: IncidentChange, number: int, rng: Random) -> IncidentChange:
    """The same incident under another number, somewhere else."""
    incident: Incident = decode_incident(template.view)
    incident.incident_id = IncidentId(number)
    place = incident.place
    if place is not None:
        incident.place = place = msgspec.structs.replace(
            place,
            latitude_deg=place.latitude_deg + rng.uniform(-SPREAD_DEG, SPREAD_DEG),
            longitude_deg=place.longitude_deg + rng.uniform(-SPREAD_DEG, SPREAD_DEG),
        )
    return msgspec.structs.replace(
        template,
        incident_id=incident.incident_id,
        latitude_deg=None if place is None else place.latitude_deg,
        longitude_deg=None if place is None else place.longitude_deg,
        view=encode_incident(incident),
    )
