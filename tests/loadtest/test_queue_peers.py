"""The peers with a queue, on real servers: they decide what a call comes to, once, and a peer that does no job is no peer.

Redis comes from the system's packages, which CI installs; without it the session says what was left out.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import msgspec
import pytest

from core.events import Call, Fix
from loadtest.bench import peer, scene
from loadtest.bench.bed import Bed, bed
from loadtest.bench.queue_peers import AnswerCount, Queue, available, encode_calls, left_out, send_calls, serving
from loadtest.city import City
from loadtest.peers.batches import take
from loadtest.peers.crew_choice import PostgresCrews
from loadtest.peers.fastapi_service import Heard, Sent, metres
from loadtest.peers.redis_service import degrees_of

TOWN = City(3, districts=2, streets=16, crews=40, cameras=2, subscribers=200, panels=2)
AT = datetime(2026, 1, 1, tzinfo=UTC)
DATABASE = "peer_trial"
HERE = TOWN.crossings[20]
FIRE = Call(seq=1, at=AT, words="Пожар, горит дом", phone="87010001122", fix=Fix(HERE.latitude_deg, HERE.longitude_deg, 10.0))


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    folder = tmp_path_factory.mktemp("peers")
    with bed(folder) as made:
        peer.prepare(made, TOWN)
        yield made


async def taken(dsn: str, *batches: list[Call]) -> list[list[tuple[int, bool, int]]]:
    """Each batch's answers: incident, whether joined, crews."""
    connection = await asyncpg.connect(dsn)
    try:
        crews = PostgresCrews()
        answers = [
            await take(connection, crews, [(call, msgspec.json.encode(call).decode()) for call in batch]) for batch in batches
        ]
        return [[(one.incident_id, one.joined, len(one.crews)) for one in batch] for batch in answers]
    finally:
        await connection.close()


async def counts(dsn: str) -> dict[str, int]:
    connection = await asyncpg.connect(dsn)
    try:
        return {
            table: await connection.fetchval(f"SELECT count(*) FROM {table}")
            for table in ("event", "incident", "incident_log", "assignment", "term")
        } | {"busy": await connection.fetchval("SELECT count(*) FROM crew WHERE state <> 'free'")}
    finally:
        await connection.close()


def again(call: Call, seq: int, phone: str = "") -> Call:
    return msgspec.structs.replace(call, seq=seq, phone=phone)


@pytest.mark.end_to_end
def test_call_joins_what_the_batch_or_an_earlier_one_has_opened(stand: Bed) -> None:
    stand.make(DATABASE, peer.BASE)
    batches = [FIRE, again(FIRE, 2)], [again(FIRE, 3), msgspec.structs.replace(FIRE, seq=4, words="", fix=None)]
    first, second = asyncio.run(taken(stand.dsn(DATABASE), *batches))
    incident = first[0][0]
    assert first[0][1] is False
    assert first[0][2] > 0
    assert [one[:2] for one in (first[1], *second)] == [(incident, True)] * 3


@pytest.mark.end_to_end
def test_call_that_comes_twice_is_recorded_once(stand: Bed) -> None:
    stand.make(DATABASE, peer.BASE)
    first, second = asyncio.run(taken(stand.dsn(DATABASE), [FIRE, FIRE], [FIRE]))
    assert [one[0] for one in second] == [first[0][0]]
    assert (found := asyncio.run(counts(stand.dsn(DATABASE))))["event"] == 1
    assert found["incident"] == 1


@pytest.mark.end_to_end
def test_no_crew_is_sent_twice_though_a_batch_asks_for_more_than_there_are(stand: Bed) -> None:
    stand.make(DATABASE, peer.BASE)
    calls = [
        msgspec.structs.replace(FIRE, seq=seq, phone="", fix=Fix(place.latitude_deg, place.longitude_deg, 5.0))
        for seq, place in enumerate(TOWN.crossings[::3], 1)
    ]
    asyncio.run(taken(stand.dsn(DATABASE), calls))
    found = asyncio.run(counts(stand.dsn(DATABASE)))
    assert 0 < found["assignment"] == found["busy"] <= len(TOWN.crews)


@pytest.mark.end_to_end
def test_what_is_recorded_says_who_called_where_and_why_he_goes(stand: Bed) -> None:
    """The peers do the job that jedel does: all evidence, earlier calls, explanations, terms."""
    stand.make(DATABASE, peer.BASE)
    told = [
        *(again(FIRE, seq, "87010001122") for seq in (1, 2)),
        msgspec.structs.replace(FIRE, seq=3, phone="", fix=Fix(HERE.latitude_deg + 0.01, HERE.longitude_deg, 10.0)),
    ]
    asyncio.run(taken(stand.dsn(DATABASE), *([one] for one in told)))

    async def look() -> None:
        connection = await asyncpg.connect(stand.dsn(DATABASE))
        try:
            heard = [
                msgspec.json.decode(body, type=Heard)
                for (body,) in await connection.fetch("SELECT body FROM incident_log WHERE fact IN ('opened', 'event_joined')")
            ]
            assert [one.reason for one in heard] == ["first", "same_number", "first"]
            assert [len(one.earlier) for one in heard] == [0, 1, 0]
            assert {one.evidence[0].source for one in heard} == {"device_fix"}
            assert all(one.evidence[0].text for one in heard)
            sent = [
                msgspec.json.decode(body, type=Sent)
                for (body,) in await connection.fetch("SELECT explanation FROM assignment ORDER BY assignment_id")
            ]
            passed = [nearer for one in sent for nearer in one.passed_over]
            assert {nearer.reason for nearer in passed} <= {"not_free", "other_territory", "taken"}
            assert any(nearer.reason == "not_free" for nearer in passed), "those sent to the first fire are near the second"
            assert all(nearer.distance_m <= one.distance_m for one in sent for nearer in one.passed_over)
            terms = Counter(kind for (kind,) in await connection.fetch("SELECT kind FROM term"))
            assert (terms["accept"], terms["on_scene"], terms["review"]) == (len(sent), 2, 2)
        finally:
            await connection.close()

    asyncio.run(look())


@pytest.mark.end_to_end
@pytest.mark.parametrize("queue", ["nats", pytest.param("redis", marks=pytest.mark.program("redis-server"))])
def test_calls_sent_through_a_broker_are_answered_and_recorded(stand: Bed, queue: Queue, tmp_path: Path) -> None:
    assert queue in available(), left_out()
    stand.make(DATABASE, peer.BASE)
    calls = scene.calls(TOWN, 120, 5)
    with serving(stand, queue, DATABASE) as broker:
        assert send_calls(queue, broker, encode_calls(queue, calls), len(calls)) > 0.0
    found = asyncio.run(counts(stand.dsn(DATABASE)))
    assert found["event"] == 120
    assert 0 < found["incident"] < 120
    assert 0 < found["assignment"] == found["busy"]
    assert found["incident_log"] >= 120 + found["assignment"]


@pytest.mark.parametrize("size", [1, 3, 7, 100])
def test_answers_are_counted_however_they_are_cut(size: int) -> None:
    data = b'MSG news 1 9\r\n{"seq":1}\r\nMSG news 1 9\r\n{"seq":2}\r\nMSG new'
    count = AnswerCount(b"MSG news ")
    for start in range(0, len(data), size):
        count.read(data[start : start + size])
    assert count.answers == 2


def test_places_in_metres_are_the_same_in_degrees() -> None:
    longitude_deg, latitude_deg = degrees_of(metres(HERE.latitude_deg, HERE.longitude_deg))
    assert (latitude_deg, longitude_deg) == pytest.approx((HERE.latitude_deg, HERE.longitude_deg), abs=1e-9)
