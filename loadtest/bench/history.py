"""`history`: the product's own questions about the last 24 hours, with ten million events stored over five days.

Each is asked by the function that asks it in the product, about an incident or a crew chosen anew each time: an incident's log
(OCC-6), what a crew did in the last day and what a handover tells (OCC-3), an incident's context (CITY-11), what was told about
it and what could not be (CITY-5), and who has called lately, which a start reads (OCC-1). None of them reads `event`, the ten
million rows: what is asked for has tables of its own, and this measures whether that holds while the rows lie beside them.

The baseline is the same question to the same rows in plain tables with a primary key and nothing else: what a centre would have
that had thought of no question. Where the primary key is all that a question needs, it is a bare look-up, and the best there
is.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from random import Random
from typing import Final

import asyncpg

from core.context import Scope
from loadtest.bench import scene
from loadtest.bench.bed import BASE, Bed
from loadtest.bench.record import Record, percentile, record
from loadtest.bench.recovery import open_incidents
from loadtest.bench.stored_days import PLAIN, Stored, crew_name, store
from ops.clock import now_us
from storage.context import read_past, read_subject
from storage.crew_log import read_marks
from storage.handover import read_situation
from storage.incident_log import read_log
from storage.migrate import migrate
from storage.outbox_view import read_outbox
from storage.partitions import DAY_US
from storage.recovery import EARLIER_CALLS_US, read_earlier_calls
from storage.session import connect

DATABASE: Final = "bench_history"
DAYS: Final = 5
EVENTS: Final = 10_000_000
QUICK_EVENTS: Final = 200_000
ASKED: Final = {"situation": 10, "earlier_calls": 10}
"""Times that a question is asked in a round; those that are not here, which answer somebody at once, `ASKED_OFTEN` times."""
ASKED_OFTEN: Final = 100
SHARES: Final = (("p50", 0.50), ("p99", 0.99))
OUTBOX_LINES: Final = 50

Question = Callable[[asyncpg.Connection, Random, Stored], Awaitable[object]]


async def _log(connection: asyncpg.Connection, rng: Random, stored: Stored) -> object:
    return await read_log(connection, _incident(rng, stored))


async def _crew_day(connection: asyncpg.Connection, rng: Random, stored: Stored) -> object:
    return await read_marks(connection, stored.now_us - DAY_US, stored.now_us, crew_name(_incident(rng, stored)))


async def _situation(connection: asyncpg.Connection, _: Random, stored: Stored) -> object:
    situation = await read_situation(connection, "", stored.now_us)
    return situation.incidents and situation.marks


async def _context(connection: asyncpg.Connection, rng: Random, stored: Stored) -> object:
    subject = await read_subject(connection, _incident(rng, stored))
    assert subject is not None
    return await read_past(connection, subject, Scope(), "", now_us=stored.now_us, through_us=stored.now_us)


async def _told(connection: asyncpg.Connection, rng: Random, stored: Stored) -> object:
    number = _incident(rng, stored) // 2 * 2
    return await read_outbox(connection, f"incident/{number}", failed=False, limit=OUTBOX_LINES)


async def _not_told(connection: asyncpg.Connection, _: Random, __: Stored) -> object:
    return await read_outbox(connection, "", failed=True, limit=OUTBOX_LINES)


async def _earlier_calls(connection: asyncpg.Connection, _: Random, stored: Stored) -> object:
    return await read_earlier_calls(connection, stored.now_us - EARLIER_CALLS_US)


QUESTIONS: Final[dict[str, tuple[Question, str]]] = {
    "log": (_log, "the log of an incident of the last 24 h"),
    "crew_day": (_crew_day, "what a crew did in the last 24 h"),
    "situation": (_situation, "what a handover tells: open incidents, their notices, what each crew does"),
    "context": (_context, "the context of an incident of the last 24 h"),
    "told": (_told, "what was told about an incident of the last 24 h"),
    "not_told": (_not_told, f"the last {OUTBOX_LINES} tellings that did not reach somebody"),
    "earlier_calls": (_earlier_calls, "who has called lately, read at a start"),
}


def run(bed: Bed, size: scene.Size) -> list[Record]:
    """Measures it. Raises what asyncpg raises, and `StorageError`."""
    bed.make(DATABASE, BASE)
    events = QUICK_EVENTS if size is scene.QUICK else EVENTS
    try:
        return asyncio.run(measure(bed.dsn(DATABASE), size, events))
    finally:
        # Gigabytes that no other benchmark needs beside it.
        bed.make(DATABASE)


async def measure(dsn: str, size: scene.Size, events: int) -> list[Record]:
    """Stores so many events and asks. Raises what asyncpg raises, and `StorageError`."""
    ours = await connect(dsn, "benchmark", None)
    plain = await connect(dsn, "benchmark", None)
    try:
        await migrate(ours)
        stored = await store(dsn, ours, open_incidents(scene.city(size)), events, DAYS, now_us())
        await plain.execute(f"SET search_path TO {PLAIN}, public")
        records = []
        for name, (question, told) in QUESTIONS.items():
            rounds: tuple[list[list[float]], list[list[float]]] = ([], [])
            for number in range(size.rounds):
                for connection, into in zip((ours, plain), rounds, strict=True):
                    into.append(await _asked_ms(connection, question, ASKED.get(name, ASKED_OFTEN), Random(number), stored))
            records += [
                record(
                    f"history_{name}_{word}",
                    [percentile(took, share) for took in rounds[0]],
                    "ms",
                    "plain tables with a primary key",
                    [percentile(took, share) for took in rounds[1]],
                    f"{told}; {stored.events:,} events, {stored.incidents:,} incidents, {DAYS} days",
                )
                for word, share in SHARES
            ]
        return records
    finally:
        await ours.close()
        await plain.close()


async def _asked_ms(connection: asyncpg.Connection, question: Question, times: int, rng: Random, stored: Stored) -> list[float]:
    """Milliseconds of each time that a question was asked. Raises `ValueError` for an empty answer, which is none."""
    await question(connection, Random(-1), stored)  # the statement is prepared once in a connection's life
    took = []
    for _ in range(times):
        began = time.perf_counter()
        answer = await question(connection, rng, stored)
        took.append((time.perf_counter() - began) * 1e3)
        if not answer:
            raise ValueError("a question had no answer")
    return took


def _incident(rng: Random, stored: Stored) -> int:
    """One of the last 24 hours."""
    return rng.randrange(stored.first_of_last_day, stored.incidents + 1)
