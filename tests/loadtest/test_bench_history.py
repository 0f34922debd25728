"""The stored days on a real PostgreSQL: both sides hold the same, so that they answer the same; nothing asked is empty."""

from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random

import pytest

from core.instant import SECOND_US
from loadtest.bench import history
from loadtest.bench.bed import bed
from loadtest.bench.history import QUESTIONS
from loadtest.bench.recovery import open_incidents
from loadtest.bench.stored_days import EVENTS_AN_INCIDENT, FACTS, PLAIN, store
from loadtest.city import City
from ops.clock import now_us
from storage.incident_log import read_log
from storage.migrate import migrate
from storage.partitions import DAY_US
from storage.session import connect

TOWN = City(3, districts=2, streets=16, crews=40, cameras=50, subscribers=500, panels=2)
EVENTS = 40_000
DAYS = 3


@pytest.fixture(autouse=True)
def few_templates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loadtest.bench.recovery.TEMPLATES", 20)


async def answers(dsn: str) -> None:
    ours, plain = await connect(dsn, "test", None), await connect(dsn, "test", None)
    try:
        await migrate(ours)
        stored = await store(dsn, ours, open_incidents(TOWN), EVENTS, DAYS, now_us())
        assert await ours.fetchval("SELECT count(*) FROM event") == EVENTS
        assert stored.incidents == EVENTS // EVENTS_AN_INCIDENT
        assert await ours.fetchval("SELECT max(opened_at) FROM incident") <= stored.now_us
        first = await ours.fetchval("SELECT min(incident_id) FROM incident WHERE opened_at >= $1", stored.now_us - DAY_US)
        assert first == stored.first_of_last_day
        assert await ours.fetchval("SELECT count(*) FROM event_default") == 0
        log = await read_log(ours, stored.first_of_last_day)
        assert [entry.fact for entry in log] == [fact for fact, _ in FACTS]
        assert log[-1].at_us - log[0].at_us == FACTS[-1][1] * SECOND_US
        await plain.execute(f"SET search_path TO {PLAIN}, public")
        for name, (question, _) in QUESTIONS.items():
            for seed in range(5):
                asked, told = [await question(one, Random(seed), stored) for one in (ours, plain)]
                assert asked, name
                assert asked == told, name
    finally:
        await ours.close()
        await plain.close()


@pytest.mark.end_to_end
def test_both_sides_give_the_same_answer_to_every_question(tmp_path: Path) -> None:
    with bed(tmp_path) as stand:
        stand.make(history.DATABASE)
        asyncio.run(answers(stand.dsn(history.DATABASE)))
