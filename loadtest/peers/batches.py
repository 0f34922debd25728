"""What the peers with a queue share: a batch of calls identified, placed, correlated, given crews and recorded at once.

Place in the flow: between a queue's client (`nats_service`, `redis_service`) and PostgreSQL. Rules:
- Tables, indexes, reach and windows are those of `fastapi_service`, and so is what is decided; only the way is another: a step
  is one statement for the whole batch (`unnest`, `LATERAL`), what one call of a batch opens the next one may join, and rows are
  written by COPY.
- Everything a batch causes is in its transaction; a call that comes twice, because an answer was lost, is recorded once.
- Several of these may work side by side: crews are claimed by SKIP LOCKED or in Redis, incidents locked in the order of their
  numbers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Final

import asyncpg
import msgspec

from core.category import Category, load_categories
from core.events import Call
from core.identify import CALLS_SHOWN
from core.limits import PASSED_OVER_MAX
from loadtest.city import CITY_TERRITORY
from loadtest.peers.crew_choice import Crews, Demand, Found, Place, columns_of
from loadtest.peers.fastapi_service import (
    CAPABILITIES,
    EARLIER_S,
    NOT_HE,
    REPEAT_WINDOW_S,
    Evidence,
    Heard,
    Passed,
    Sent,
    View,
    encode,
    metres,
    normal_phone,
    read_corner,
    read_house,
    terms_of,
)

SOURCE: Final = "telephone"
_PLACES: Final = "unnest($1::float8[], $2::float8[]) WITH ORDINALITY AS n (x, y, row)"
_STREET: Final = (
    "(SELECT street_id FROM street_name WHERE words <-> n.{0} < 0.7 ORDER BY words <-> n.{0} LIMIT 1) AS street_{0}"
)
KNOWN: Final = "SELECT seq, incident_id FROM event WHERE source = $1 AND seq = ANY($2)"
SUBSCRIBERS: Final = "SELECT phone, name, line, address, place FROM subscriber WHERE phone = ANY($1)"
EARLIER: Final = (
    "SELECT n.phone, e.incident_id, e.received_at FROM unnest($1::text[]) AS n (phone) CROSS JOIN LATERAL"
    " (SELECT incident_id, received_at FROM event WHERE phone = n.phone"
    " AND received_at >= now() - make_interval(secs => $2)"
    f" ORDER BY received_at DESC LIMIT {CALLS_SHOWN}) e"
)
HOUSES: Final = (
    "SELECT n.row, h.shown, h.place FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS n (words, number, row)"
    f" CROSS JOIN LATERAL {_STREET.format('words')}"
    " JOIN house h ON h.street_id = street_words.street_id AND h.number = n.number"
)
CORNERS: Final = (
    "SELECT n.row, c.shown, c.place FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS n (one, other, row)"
    f" CROSS JOIN LATERAL {_STREET.format('one')} CROSS JOIN LATERAL {_STREET.format('other')}"
    " JOIN corner c ON c.street_id = street_one.street_id AND c.other_id = street_other.street_id"
)
NEAREST_ADDRESSES: Final = (
    f"SELECT n.row, h.shown FROM {_PLACES}"
    " CROSS JOIN LATERAL (SELECT shown FROM house ORDER BY place <-> point(n.x, n.y) LIMIT 1) h"
)
DISTRICTS: Final = f"SELECT n.row, d.territory FROM {_PLACES} JOIN district d ON d.area @> point(n.x, n.y)"
SAME_NUMBERS: Final = (
    "SELECT DISTINCT ON (phone) phone, incident_id FROM incident WHERE phone = ANY($1) AND closed_at IS NULL"
    " AND updated_at >= now() - make_interval(secs => $2) ORDER BY phone, updated_at DESC"
)
SAME_PLACES: Final = (
    "SELECT n.row, i.incident_id, i.distance_m"
    " FROM unnest($1::float8[], $2::float8[], $3::float8[], $4::text[], $5::float8[]) WITH ORDINALITY"
    " AS n (x, y, reach_m, category, window_s, row) CROSS JOIN LATERAL"
    " (SELECT incident_id, place <-> point(n.x, n.y) AS distance_m FROM incident"
    " WHERE place <@ circle(point(n.x, n.y), n.reach_m) AND category = n.category AND closed_at IS NULL"
    " AND updated_at >= now() - make_interval(secs => n.window_s) ORDER BY place <-> point(n.x, n.y) LIMIT 1) i"
)
NUMBERS: Final = "SELECT nextval(pg_get_serial_sequence('incident', 'incident_id')) FROM generate_series(1, $1)"
LOCK: Final = "SELECT FROM incident WHERE incident_id = ANY($1) ORDER BY incident_id FOR UPDATE"
JOIN: Final = (
    "UPDATE incident SET updated_at = now(), event_count = event_count + n.joined"
    " FROM unnest($1::bigint[], $2::integer[]) AS n (id, joined) WHERE incident_id = n.id"
    " RETURNING incident_id, state, category, priority, territory, address, event_count"
)
PASSED: Final = {
    capability: (
        f"SELECT n.row, c.crew_id, c.distance_m, {NOT_HE.format('c', 'n.territory')}"
        " FROM unnest($1::float8[], $2::float8[], $3::text[], $4::float8[], $5::text[]) WITH ORDINALITY"
        " AS n (x, y, territory, reach_m, chosen, row) CROSS JOIN LATERAL"
        " (SELECT k.crew_id, k.state, k.outside, k.territory, k.place <-> point(n.x, n.y) AS distance_m FROM crew k"
        f" WHERE k.capabilities @> '{{{capability}}}' AND k.place <@ circle(point(n.x, n.y), n.reach_m)"
        f" AND k.crew_id <> n.chosen ORDER BY k.place <-> point(n.x, n.y) LIMIT {PASSED_OVER_MAX}) c"
        " ORDER BY n.row, c.distance_m"
    )
    for capability in CAPABILITIES
}
TERMS: Final = (
    "INSERT INTO term (incident_id, kind, about, due_at) SELECT id, kind, about, now() + make_interval(secs => after_s)"
    " FROM unnest($1::bigint[], $2::text[], $3::text[], $4::float8[]) AS n (id, kind, about, after_s)"
)

categories = load_categories(None)


class Answer(msgspec.Struct):
    """What became of a call: its source is told the number of its incident, and every listening client the incident."""

    seq: int
    incident_id: int
    joined: bool
    crews: list[str]
    view: View | None = None
    """The incident as it is now; None for a call that was answered before."""


class _Taken(msgspec.Struct):
    """A call of the batch, and what is known of it by now."""

    call: Call
    payload: str
    phone: str
    category: Category
    evidence: list[Evidence] = []
    caller: str = ""
    line: str = ""
    earlier: list[tuple[int, datetime]] = []
    reason: str = "first"
    territory: str = CITY_TERRITORY
    incident_id: int = 0
    joined: bool = False
    opens: int = -1
    """Which of the batch's new incidents, from 0."""

    @property
    def best(self) -> Evidence | None:
        return self.evidence[0] if self.evidence else None

    @property
    def place(self) -> Place | None:
        return self.evidence[0].place if self.evidence else None

    def heard(self) -> Heard:
        call = f"{SOURCE}/{self.call.call_id}"
        return Heard(call, self.call.words, self.reason, self.phone, self.caller, self.line, self.earlier, self.evidence)


async def take(connection: asyncpg.Connection, crews: Crews, calls: Sequence[tuple[Call, str]]) -> list[Answer]:
    """Decides and records a batch; committed when this returns. Raises whatever asyncpg and the crews raise.

    Args:
        connection: outside a transaction.
        crews: where they are found.
        calls: in the order in which they came, with the JSON that they came in.
    """
    try:
        async with connection.transaction():
            return await _take(connection, crews, calls)
    except BaseException:
        await crews.undo()
        raise


async def _take(connection: asyncpg.Connection, crews: Crews, calls: Sequence[tuple[Call, str]]) -> list[Answer]:
    rows = await connection.fetch(KNOWN, SOURCE, [call.seq for call, _ in calls])
    known = {row[0]: row[1] for row in rows}
    taken = [
        _Taken(call, payload, normal_phone(call.phone), _category(call))
        for call, payload in {call.seq: (call, payload) for call, payload in calls}.values()
        if call.seq not in known
    ]
    await _locate(connection, taken)
    opening = await _correlate(connection, taken)
    by_incident = await _assign(connection, crews, opening)
    views = await _record(connection, taken, opening, by_incident)
    again = [Answer(seq, incident_id, True, []) for seq, incident_id in known.items()]
    return again + [
        Answer(one.call.seq, one.incident_id, one.joined, [sent.crew for sent in view.assignments], view)
        for one, view in zip(taken, views, strict=True)
    ]


def _category(call: Call) -> Category:
    classified = categories.classify(call)
    return categories.default if classified is None else classified[0]


async def _locate(connection: asyncpg.Connection, taken: Sequence[_Taken]) -> None:
    """All evidence of each, the best first: fix, given place, address in words, the subscriber's, the cell."""
    phones = list({one.phone for one in taken if one.phone})
    callers = {row["phone"]: row for row in await connection.fetch(SUBSCRIBERS, phones)}
    earlier: dict[str, list[tuple[int, datetime]]] = {}
    for phone, incident_id, received_at in await connection.fetch(EARLIER, phones, EARLIER_S):
        earlier.setdefault(phone, []).append((incident_id, received_at))
    fixed: list[Evidence] = []
    houses: list[tuple[_Taken, tuple[str, str]]] = []
    corners: list[tuple[_Taken, tuple[str, str]]] = []
    for one in taken:
        one.earlier = earlier.get(one.phone, [])
        one.evidence = [
            Evidence(source, metres(fix.latitude_deg, fix.longitude_deg), fix.accuracy_m)
            for source, fix in (("device_fix", one.call.fix), ("given", one.call.given))
            if fix is not None
        ]
        fixed += one.evidence[:1]
        if one.call.address:
            corner = read_corner(one.call.address)
            house = None if corner is not None else read_house(one.call.address)
            if corner is not None:
                corners.append((one, corner))
            elif house is not None:
                houses.append((one, house))
    for statement, asked in ((HOUSES, houses), (CORNERS, corners)):
        if asked:
            for row, shown, place in await connection.fetch(statement, *columns_of([words for _, words in asked], 2)):
                asked[row - 1][0].evidence.append(Evidence("address", tuple(place), 15.0, shown))
    if fixed:
        for row, shown in await connection.fetch(NEAREST_ADDRESSES, *columns_of([each.place for each in fixed], 2)):
            fixed[row - 1].text = shown
    for one in taken:
        caller = callers.get(one.phone)
        if caller is not None:
            one.caller, one.line = caller["name"], caller["line"]
            if caller["place"] is not None:
                one.evidence.append(Evidence("registered", tuple(caller["place"]), 50.0, caller["address"]))
        if one.call.cell is not None:
            cell = one.call.cell
            one.evidence.append(Evidence("cell", metres(cell.latitude_deg, cell.longitude_deg), cell.accuracy_m))


async def _correlate(connection: asyncpg.Connection, taken: Sequence[_Taken]) -> list[_Taken]:
    """Finds or numbers the incident of each; returns those that open one, in order."""
    phones = list({one.phone for one in taken if one.phone})
    by_phone: dict[str, int] = {row[0]: row[1] for row in await connection.fetch(SAME_NUMBERS, phones, REPEAT_WINDOW_S)}
    placed = [(one, one.place) for one in taken if one.place is not None and one.phone not in by_phone]
    asked = [(*place, _reach_m(one), one.category.code, one.category.window_s) for one, place in placed]
    near: dict[int, tuple[float, int]] = {}
    if asked:
        for row, incident_id, distance_m in await connection.fetch(SAME_PLACES, *columns_of(asked, 5)):
            near[placed[row - 1][0].call.seq] = (distance_m, incident_id)
    opening: list[_Taken] = []
    opened_by_phone: dict[str, _Taken] = {}
    opened_by_category: dict[str, list[_Taken]] = {}
    followers: list[tuple[_Taken, _Taken]] = []
    for one in taken:
        first = opened_by_phone.get(one.phone)
        fresh = None if one.place is None else _nearest(one, opened_by_category.get(one.category.code, ()))
        stored = near.get(one.call.seq)
        one.reason = "same_number" if one.phone in by_phone or first is not None else "near_same_category"
        if one.phone in by_phone:
            one.incident_id, one.joined = by_phone[one.phone], True
        elif first is not None:
            followers.append((one, first))
        elif fresh is not None and (stored is None or fresh[0] < stored[0]):
            followers.append((one, fresh[1]))
        elif stored is not None:
            one.incident_id, one.joined = stored[1], True
        else:
            one.reason, one.opens = "first", len(opening)
            opening.append(one)
            opened_by_category.setdefault(one.category.code, []).append(one)
            if one.phone:
                opened_by_phone[one.phone] = one
    if opening:
        for one, (number,) in zip(opening, await connection.fetch(NUMBERS, len(opening)), strict=True):
            one.incident_id = number
        places = [(one, one.place) for one in opening if one.place is not None]
        for row, territory in await connection.fetch(DISTRICTS, *columns_of([place for _, place in places], 2)):
            places[row - 1][0].territory = territory
    for one, first in followers:
        one.incident_id, one.joined = first.incident_id, True
    return opening


def _reach_m(one: _Taken) -> float:
    return one.category.radius_m + min(0.0 if one.best is None else one.best.accuracy_m, 300.0)


def _nearest(one: _Taken, opened: Sequence[_Taken]) -> tuple[float, _Taken] | None:
    """Of the batch's own incidents of this category, the nearest within reach with its distance."""
    assert one.place is not None
    best: tuple[float, _Taken] | None = None
    reach_m = _reach_m(one)
    for other in opened:
        if other.place is not None:
            distance_m = ((one.place[0] - other.place[0]) ** 2 + (one.place[1] - other.place[1]) ** 2) ** 0.5
            if distance_m <= reach_m and (best is None or distance_m < best[0]):
                best = (distance_m, other)
    return best


async def _assign(
    connection: asyncpg.Connection, crews: Crews, opening: Sequence[_Taken]
) -> dict[int, list[tuple[str, Sent | None]]]:
    """For each new incident the crew of each capability that it needs, or None."""
    by_incident: dict[int, list[tuple[str, Sent | None]]] = {one.incident_id: [] for one in opening}
    demands = [
        Demand(one.incident_id, capability, one.place, one.territory)
        for one in opening
        if one.place is not None
        for capability in one.category.needs
    ]
    found = await crews.choose(connection, demands)
    passed = await _passed_over(connection, demands, found)
    for row, (demand, crew) in enumerate(zip(demands, found, strict=True)):
        sent = None
        if crew is not None:
            sent = Sent(crew.crew_id, demand.capability, crew.distance_m, passed.get(row, []))
        by_incident[demand.incident_id].append((demand.capability, sent))
    for one in opening:
        if one.place is None:
            by_incident[one.incident_id] = [(capability, None) for capability in one.category.needs]
    return by_incident


async def _passed_over(
    connection: asyncpg.Connection, demands: Sequence[Demand], found: Sequence[Found | None]
) -> dict[int, list[Passed]]:
    """By the number of a demand, the nearer crews that could do it, and why they were not sent."""
    passed: dict[int, list[Passed]] = {}
    for capability in dict.fromkeys(demand.capability for demand in demands):
        asked = [
            (row, (*demand.place, demand.territory, crew.distance_m, crew.crew_id))
            for row, (demand, crew) in enumerate(zip(demands, found, strict=True))
            if demand.capability == capability and crew is not None
        ]
        if asked:
            rows = await connection.fetch(PASSED[capability], *columns_of([each for _, each in asked], 5))
            for place, crew_id, distance_m, reason in rows:
                passed.setdefault(asked[place - 1][0], []).append(Passed(crew_id, distance_m, reason))
    return passed


async def _record(
    connection: asyncpg.Connection,
    taken: Sequence[_Taken],
    opening: Sequence[_Taken],
    by_incident: dict[int, list[tuple[str, Sent | None]]],
) -> list[View]:
    """Writes everything, and returns for each call its incident as it is now."""
    joined = Counter(one.incident_id for one in taken if one.joined)
    views: dict[int, View] = {}
    for one in opening:
        needs = by_incident[one.incident_id]
        sent = [crew for _, crew in needs if crew is not None]
        views[one.incident_id] = View(
            one.incident_id,
            "assigned" if sent else "queued",
            one.category.code,
            one.category.priority,
            one.territory,
            "" if one.best is None else one.best.text,
            1 + joined.pop(one.incident_id, 0),
            one.heard(),
            sent,
            [capability for capability, crew in needs if crew is None],
        )
    rows = [
        (
            view.incident_id,
            view.state,
            view.category,
            view.priority,
            view.territory,
            view.address,
            one.phone,
            one.caller,
            one.place,
            view.event_count,
        )
        for one, view in zip(opening, views.values(), strict=True)
    ]
    columns = (
        "incident_id",
        "state",
        "category",
        "priority",
        "territory",
        "address",
        "phone",
        "caller",
        "place",
        "event_count",
    )
    await connection.copy_records_to_table("incident", records=rows, columns=columns)
    known: dict[int, asyncpg.Record] = {}
    if joined:
        await connection.execute(LOCK, list(joined))
        told = await connection.fetch(JOIN, list(joined), list(joined.values()))
        known = {row["incident_id"]: row for row in told}
    events = [(SOURCE, one.call.seq, one.incident_id, one.phone, one.payload) for one in taken]
    await connection.copy_records_to_table(
        "event", records=events, columns=("source", "seq", "incident_id", "phone", "payload")
    )
    log = [(one.incident_id, "event_joined" if one.joined else "opened", encode(one.heard()).decode()) for one in taken]
    assigned = []
    terms = []
    for incident_id, view in views.items():
        log += [(incident_id, "queued", f'{{"capability":"{capability}"}}') for capability in view.wanted]
        for crew in view.assignments:
            explanation = encode(crew).decode()
            log.append((incident_id, "crew_assigned", explanation))
            assigned.append((incident_id, crew.crew, crew.capability, "offered", crew.distance_m, explanation))
        terms += [(incident_id, *term) for term in terms_of([crew.crew for crew in view.assignments], view.wanted)]
    await connection.copy_records_to_table("incident_log", records=log, columns=("incident_id", "fact", "body"))
    await connection.copy_records_to_table(
        "assignment",
        records=assigned,
        columns=("incident_id", "crew_id", "capability", "state", "distance_m", "explanation"),
    )
    await connection.execute(TERMS, *columns_of(terms, 4))
    return [
        views[one.incident_id]
        if not one.joined
        else View(heard=one.heard(), **known[one.incident_id])
        if one.incident_id in known
        else msgspec.structs.replace(views[one.incident_id], heard=one.heard())
        for one in taken
    ]
