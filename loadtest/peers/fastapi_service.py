"""The peer of `ingest_call`: the same job done the usual way with FastAPI, uvicorn, asyncpg and PostgreSQL.

One transaction a call: subscriber by primary key, earlier calls of the number, street by pg_trgm and its house or corner by
key, district by polygon, nearest address and correlation by GiST, nearest free crew that can do it by GiST with SKIP LOCKED,
the nearer ones that it was preferred to and why, and inserts of event, incident, log with all evidence, assignment with its
explanation, and terms; then the commit, the answer, and the publication of the incident to every listening client (server-sent
events, which cost uvicorn less than WebSocket messages). Nobody fires the terms: in a round of seconds none is due. Everything
that makes such a service fast without changing what it is has been done: prepared statements, a pool, uvloop, httptools,
partial indexes a capability, no access log, validation compiled by pydantic, views encoded by msgspec. The category comes from
jedel's own table and code, so both decide alike.

Run it as `uvicorn loadtest.peers.fastapi_service:app` with `PEER_DSN` and `PEER_POOL` in the environment.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from math import cos, radians
from typing import Annotated, Final

import asyncpg
import msgspec
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime, BaseModel, Field

from core import events
from core.category import Category, load_categories
from core.identify import CALLS_SHOWN, WINDOW_US
from core.instant import SECOND_US
from core.limits import PASSED_OVER_MAX
from loadtest.city import CENTRE_LATITUDE_DEG, CENTRE_LONGITUDE_DEG, CITY_TERRITORY, METRES_A_DEGREE

REPEAT_WINDOW_S: Final = 7200
EARLIER_S: Final = WINDOW_US / SECOND_US
ACCEPT_S, CREW_S, SCENE_S, REVIEW_S = 60.0, 120.0, 720.0, 1800.0
"""Terms: a crew accepts, one is found, it is on scene, somebody looks again."""
CLIENT_QUEUE: Final = 65_536
_COLUMN_M: Final = METRES_A_DEGREE * cos(radians(CENTRE_LATITUDE_DEG))
_NOT_DIGITS: Final = re.compile(r"[^0-9]")
_SPACES: Final = re.compile(r"[^\w/-]+")
_KIND: Final = re.compile(r"\b(улица|ул|проспект|пр|көшесі|көше|көш|даңғылы|даң)\b")
_FLAT: Final = re.compile(r"( кв | квартира |-)\d+$")
_HOUSE: Final = re.compile(r"^(.*?\S)\s+(?:дом |д )?(\d+(?:[а-я]|/\d+| к\d+)?)$")
_CORNER: Final = re.compile(r"^(?:угол|перекресток) (.+) и (.+)$|^(.+) мен (.+) қиылысы$|^(.+) [-/] (.+)$")
CAPABILITIES: Final = ("patrol", "ambulance", "fire", "rescue", "gas")

SUBSCRIBER: Final = "SELECT name, line, address, place FROM subscriber WHERE phone = $1"
EARLIER: Final = (
    "SELECT incident_id, received_at FROM event WHERE phone = $1 AND received_at >= now() - make_interval(secs => $2)"
    f" ORDER BY received_at DESC LIMIT {CALLS_SHOWN}"
)
_STREET: Final = "(SELECT street_id FROM street_name WHERE words <-> ${} < 0.7 ORDER BY words <-> ${} LIMIT 1)"
HOUSE: Final = f"SELECT shown, place FROM house WHERE street_id = {_STREET.format(1, 1)} AND number = $2"
CORNER: Final = (
    f"SELECT shown, place FROM corner WHERE street_id = {_STREET.format(1, 1)} AND other_id = {_STREET.format(2, 2)}"
)
DISTRICT: Final = "SELECT territory FROM district WHERE area @> $1::point"
NEAREST_ADDRESS: Final = "SELECT shown FROM house ORDER BY place <-> $1::point LIMIT 1"
SAME_NUMBER: Final = (
    "SELECT incident_id FROM incident WHERE phone = $1 AND closed_at IS NULL"
    " AND updated_at >= now() - make_interval(secs => $2) ORDER BY updated_at DESC LIMIT 1"
)
SAME_PLACE: Final = (
    "SELECT incident_id FROM incident WHERE place <@ circle($1::point, $2) AND category = $3 AND closed_at IS NULL"
    " AND updated_at >= now() - make_interval(secs => $4) ORDER BY place <-> $1::point LIMIT 1"
)
JOIN: Final = (
    "UPDATE incident SET updated_at = now(), event_count = event_count + 1 WHERE incident_id = $1"
    " RETURNING state, category, priority, territory, address, event_count"
)
OPEN: Final = (
    "INSERT INTO incident (state, category, priority, territory, address, phone, caller, place)"
    " VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING incident_id"
)
CREW: Final = {
    capability: (
        "SELECT crew_id, place <-> $1::point AS distance_m FROM crew"
        f" WHERE state = 'free' AND capabilities @> '{{{capability}}}'"
        " AND (outside OR territory = $2 OR $2 LIKE territory || '/%') ORDER BY place <-> $1::point LIMIT 1"
        " FOR UPDATE SKIP LOCKED"
    )
    for capability in CAPABILITIES
}
NOT_HE: Final = (
    "CASE WHEN {0}.state <> 'free' THEN 'not_free' WHEN {0}.outside OR {0}.territory = {1} OR {1} LIKE {0}.territory || '/%'"
    " THEN 'taken' ELSE 'other_territory' END"
)
"""Why a crew that could do it was passed over, by its table and the territory."""
PASSED: Final = {
    capability: (
        f"SELECT crew_id AS crew, place <-> $1::point AS distance_m, {NOT_HE.format('crew', '$2')} AS reason FROM crew"
        f" WHERE capabilities @> '{{{capability}}}' AND place <@ circle($1::point, $3) AND crew_id <> $4"
        f" ORDER BY place <-> $1::point LIMIT {PASSED_OVER_MAX}"
    )
    for capability in CAPABILITIES
}
SEND: Final = "UPDATE crew SET state = 'assigned', incident_id = $2 WHERE crew_id = $1"
ASSIGN: Final = (
    "INSERT INTO assignment (incident_id, crew_id, capability, state, distance_m, explanation)"
    " VALUES ($1, $2, $3, 'offered', $4, $5)"
)
TERMS: Final = (
    "INSERT INTO term (incident_id, kind, about, due_at) SELECT $1, kind, about, now() + make_interval(secs => after_s)"
    " FROM unnest($2::text[], $3::text[], $4::float8[]) AS n (kind, about, after_s)"
)
STATE: Final = "UPDATE incident SET state = $2 WHERE incident_id = $1"
EVENT: Final = "INSERT INTO event (source, seq, incident_id, phone, payload) VALUES ($1, $2, $3, $4, $5)"
LOG: Final = "INSERT INTO incident_log (incident_id, fact, body) VALUES ($1, $2, $3)"


class Fix(BaseModel):
    """A position."""

    latitude_deg: Annotated[float, Field(ge=-90, le=90)]
    longitude_deg: Annotated[float, Field(ge=-180, le=180)]
    accuracy_m: Annotated[float, Field(ge=0)] = 0.0


class Call(BaseModel):
    """A call, field by field as in the ingest protocol."""

    seq: int
    at: AwareDatetime
    phone: Annotated[str, Field(max_length=64)] = ""
    call_id: Annotated[str, Field(max_length=64)] = ""
    words: Annotated[str, Field(max_length=4000)] = ""
    language: str = ""
    category: str = ""
    codes: list[str] = []
    fix: Fix | None = None
    given: Fix | None = None
    address: Annotated[str, Field(max_length=400)] = ""
    cell: Fix | None = None


class Evidence(msgspec.Struct):
    """One indication of a place."""

    source: str
    place: tuple[float, float]
    accuracy_m: float
    text: str = ""


class Passed(msgspec.Struct):
    """A nearer crew that was not sent, and why."""

    crew: str
    distance_m: float
    reason: str


class Sent(msgspec.Struct):
    """A crew that was sent, and why it."""

    crew: str
    capability: str
    distance_m: float
    passed_over: list[Passed]
    state: str = "offered"


class Heard(msgspec.Struct):
    """What a call adds to its incident, as the log keeps it and clients are told."""

    call: str
    words: str
    reason: str
    phone: str
    caller: str
    line: str
    earlier: list[tuple[int, datetime]]
    evidence: list[Evidence]


class View(msgspec.Struct):
    """An incident as clients are told of it."""

    incident_id: int
    state: str
    category: str
    priority: int
    territory: str
    address: str
    event_count: int
    heard: Heard
    assignments: list[Sent] = []
    wanted: list[str] = []


encode: Final = msgspec.json.Encoder().encode


class Answer(BaseModel):
    """What became of a call."""

    incident_id: int
    joined: bool
    category: str
    crews: list[str]


class Clients:
    """Listening dispatch clients of this worker."""

    def __init__(self) -> None:
        self._queues: set[asyncio.Queue[bytes]] = set()

    def publish(self, message: bytes) -> None:
        """Hands a message to every client; one that does not read is cut off from the news."""
        for queue in list(self._queues):
            try:
                queue.put_nowait(message)
            except asyncio.QueueFull:
                self._queues.discard(queue)

    async def listen(self) -> AsyncIterator[bytes]:
        """Server-sent events for one client."""
        queue: asyncio.Queue[bytes] = asyncio.Queue(CLIENT_QUEUE)
        self._queues.add(queue)
        try:
            yield f": {os.getpid()}\n\n".encode()
            while True:
                yield b"data: " + await queue.get() + b"\n\n"
        finally:
            self._queues.discard(queue)


@asynccontextmanager
async def lifespan(service: FastAPI) -> AsyncIterator[None]:
    """The pool lives as long as the worker."""
    size = int(os.environ["PEER_POOL"])
    async with asyncpg.create_pool(os.environ["PEER_DSN"], min_size=size, max_size=size, init=_prepare) as pool:
        service.state.pool = pool
        yield


async def _prepare(connection: asyncpg.Connection) -> None:
    await connection.execute("SET jit = off")


app = FastAPI(lifespan=lifespan)
categories = load_categories(None)
clients = Clients()


@app.get("/news")
async def news() -> StreamingResponse:
    """Changes of incidents as they are committed."""
    return StreamingResponse(clients.listen(), media_type="text/event-stream")


@app.post("/calls")
async def take(call: Call, request: Request) -> Answer:
    """Takes one call: everything is committed when this answers."""
    async with request.app.state.pool.acquire() as connection, connection.transaction():
        view, joined = await _decide(connection, call)
    clients.publish(encode(view))
    crews = [one.crew for one in view.assignments]
    return Answer(incident_id=view.incident_id, joined=joined, category=view.category, crews=crews)


async def _decide(connection: asyncpg.Connection, call: Call) -> tuple[View, bool]:
    """The incident as it is now, and whether it was there before."""
    phone = normal_phone(call.phone)
    caller = await connection.fetchrow(SUBSCRIBER, phone) if phone else None
    earlier = await connection.fetch(EARLIER, phone, EARLIER_S) if phone else []
    evidence = await _locate(connection, call, caller)
    best = evidence[0] if evidence else None
    category = _category(call)
    reason = "same_number"
    incident_id = await connection.fetchval(SAME_NUMBER, phone, REPEAT_WINDOW_S) if phone else None
    if incident_id is None and best is not None:
        reason = "near_same_category"
        reach_m = category.radius_m + min(best.accuracy_m, 300.0)
        incident_id = await connection.fetchval(SAME_PLACE, best.place, reach_m, category.code, category.window_s)
    heard = Heard(
        f"telephone/{call.call_id}",
        call.words,
        "first" if incident_id is None else reason,
        phone,
        caller["name"] if caller else "",
        caller["line"] if caller else "",
        [(one["incident_id"], one["received_at"]) for one in earlier],
        evidence,
    )
    payload = call.model_dump_json()
    if incident_id is not None:
        known = await connection.fetchrow(JOIN, incident_id)
        assert known is not None, "it has just been found, and nobody deletes"
        await connection.execute(EVENT, "telephone", call.seq, incident_id, phone, payload)
        await connection.execute(LOG, incident_id, "event_joined", encode(heard).decode())
        return View(incident_id=incident_id, heard=heard, **known), True
    territory = CITY_TERRITORY
    if best is not None:
        territory = await connection.fetchval(DISTRICT, best.place) or CITY_TERRITORY
    address = "" if best is None else best.text
    incident_id = await connection.fetchval(
        OPEN,
        "opened",
        category.code,
        category.priority,
        territory,
        address,
        phone,
        heard.caller,
        None if best is None else best.place,
    )
    await connection.execute(EVENT, "telephone", call.seq, incident_id, phone, payload)
    await connection.execute(LOG, incident_id, "opened", encode(heard).decode())
    sent, wanted = await _assign(connection, incident_id, category, None if best is None else best.place, territory)
    state = "assigned" if sent else "queued"
    terms = terms_of([one.crew for one in sent], wanted)
    await connection.execute(TERMS, incident_id, *([term[column] for term in terms] for column in range(3)))
    return View(incident_id, state, category.code, category.priority, territory, address, 1, heard, sent, wanted), False


def terms_of(sent: list[str], wanted: list[str]) -> list[tuple[str, str, float]]:
    """What must have happened in so many seconds, by its kind and what it is about."""
    return [
        *(("accept", crew, ACCEPT_S) for crew in sent),
        *(("crew", capability, CREW_S) for capability in wanted),
        ("on_scene", "", SCENE_S),
        ("review", "", REVIEW_S),
    ]


async def _locate(connection: asyncpg.Connection, call: Call, caller: asyncpg.Record | None) -> list[Evidence]:
    """All evidence, the best first: fix, given place, address in words, the subscriber's, the cell."""
    evidence = [
        Evidence(source, metres(fix.latitude_deg, fix.longitude_deg), fix.accuracy_m)
        for source, fix in (("device_fix", call.fix), ("given", call.given))
        if fix is not None
    ]
    if evidence:
        evidence[0].text = await connection.fetchval(NEAREST_ADDRESS, evidence[0].place) or ""
    if call.address:
        found = await _look_up(connection, call.address)
        if found is not None:
            evidence.append(Evidence("address", tuple(found["place"]), 15.0, found["shown"]))
    if caller is not None and caller["place"] is not None:
        evidence.append(Evidence("registered", tuple(caller["place"]), 50.0, caller["address"]))
    if call.cell is not None:
        place = metres(call.cell.latitude_deg, call.cell.longitude_deg)
        evidence.append(Evidence("cell", place, call.cell.accuracy_m))
    return evidence


async def _look_up(connection: asyncpg.Connection, said: str) -> asyncpg.Record | None:
    corner = read_corner(said)
    if corner is not None:
        return await connection.fetchrow(CORNER, *corner)
    house = read_house(said)
    return None if house is None else await connection.fetchrow(HOUSE, *house)


async def _assign(
    connection: asyncpg.Connection, incident_id: int, category: Category, place: tuple[float, float] | None, territory: str
) -> tuple[list[Sent], list[str]]:
    """Who goes, and the capabilities for which there is nobody."""
    sent: list[Sent] = []
    wanted: list[str] = []
    for capability in category.needs:
        crew = None if place is None else await connection.fetchrow(CREW[capability], place, territory)
        if crew is None:
            wanted.append(capability)
            await connection.execute(LOG, incident_id, "queued", f'{{"capability":"{capability}"}}')
            continue
        crew_id, distance_m = crew
        passed = await connection.fetch(PASSED[capability], place, territory, distance_m, crew_id)
        one = Sent(crew_id, capability, distance_m, [Passed(*nearer) for nearer in passed])
        sent.append(one)
        explanation = encode(one).decode()
        await connection.execute(SEND, crew_id, incident_id)
        await connection.execute(ASSIGN, incident_id, crew_id, capability, distance_m, explanation)
        await connection.execute(LOG, incident_id, "crew_assigned", explanation)
    await connection.execute(STATE, incident_id, "assigned" if sent else "queued")
    return sent, wanted


def _category(call: Call) -> Category:
    told = events.Call(seq=call.seq, at=datetime.now(UTC), words=call.words, category=call.category, codes=tuple(call.codes))
    classified = categories.classify(told)
    return categories.default if classified is None else classified[0]


def normal_phone(phone: str) -> str:
    """The number in E.164, or empty: Kazakhstan's spellings only, which is all that its callers use."""
    digits = _NOT_DIGITS.sub("", phone).removeprefix("00")
    if len(digits) == 10:
        return f"+7{digits}"
    return f"+7{digits[1:]}" if len(digits) == 11 and digits[0] in "78" else ""


def normal_words(words: str) -> str:
    """An address in lower case without punctuation."""
    return _SPACES.sub(" ", words.lower()).strip()


def read_corner(said: str) -> tuple[str, str] | None:
    """The two streets of a corner in a caller's words, or None."""
    corner = _CORNER.match(normal_words(said))
    if corner is None:
        return None
    one, other = (street_words(street) for street in corner.groups() if street is not None)
    return one, other


def read_house(said: str) -> tuple[str, str] | None:
    """Street and number of a house in a caller's words, without a flat, or None."""
    house = _HOUSE.match(_FLAT.sub("", normal_words(said)))
    return None if house is None else (street_words(house[1]), house[2])


def street_words(street: str) -> str:
    """A street's name without its kind, as the table holds it."""
    return _KIND.sub("", normal_words(street)).strip()


def metres(latitude_deg: float, longitude_deg: float) -> tuple[float, float]:
    """A place as metres east and north of the city's middle."""
    return (longitude_deg - CENTRE_LONGITUDE_DEG) * _COLUMN_M, (latitude_deg - CENTRE_LATITUDE_DEG) * METRES_A_DEGREE
