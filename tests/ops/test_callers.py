"""Callers looked up on a real subscriber base: ahead of their batch, one question at a time, and never waited for in vain."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable

import asyncpg
import pytest

from core.events import Alarm, AnyEvent, Call, Chunk, PlateRead, Rejected
from core.instant import Micros, to_datetime
from ops.callers import CallerLookup
from tests.database import execute
from tests.database_way import Way

AT = to_datetime(1_770_000_000_000_000)
KNOWN, OTHER, NOBODY = "+77010000001", "+77010000002", "+77019999999"
FILL = (
    "INSERT INTO subscriber (phone, line, name, address) VALUES (77010000001, 'mobile', 'Aida', ''),"
    " (77010000002, 'mobile', 'Marat', '')"
)


def urgent(*phones: str) -> Chunk:
    items: list[AnyEvent | Rejected] = [
        Call(seq=1, at=AT, phone=phones[0]),
        PlateRead(seq=2, at=AT, camera="c", plate="A1"),
        *(Alarm(seq=number, at=AT, device="d", alarm="panel", phone=phone) for number, phone in enumerate(phones[1:], 3)),
    ]
    return Chunk("tel", Micros(0), items, [b"{}"] * len(items), len(items), True)


def run(dsn: str, body: Callable[[CallerLookup], Awaitable[None]]) -> None:
    async def main() -> None:
        callers = CallerLookup(dsn, "KZ")
        try:
            await body(callers)
        finally:
            callers.close()

    asyncio.run(main())


async def until_known(callers: CallerLookup, *phones: str) -> dict[str, str]:
    while (known := callers.known(list(phones))) is None:  # noqa: ASYNC110 - it is a look at what a task has brought
        await asyncio.sleep(0)
    return {phone: subscriber.name for phone, subscriber in known.items()}


def test_who_calls_in_a_chunk_is_known_before_anybody_asks(database: str) -> None:
    async def body(callers: CallerLookup) -> None:
        assert callers.known([KNOWN]) is None
        callers.foresee(urgent("8 701 000 00 01", NOBODY, ""))
        # What comes in while the base is being asked is asked for next.
        callers.foresee(urgent(OTHER))
        assert await until_known(callers, KNOWN, NOBODY) == {KNOWN: "Aida"}
        assert await until_known(callers, OTHER) == {OTHER: "Marat"}

    asyncio.run(execute(database, FILL))
    run(database, body)


def test_find_beside_a_look_ahead_waits_for_its_turn(database: str) -> None:
    async def body(callers: CallerLookup) -> None:
        callers.foresee(urgent(KNOWN))
        one, other = await asyncio.gather(callers.find([KNOWN, NOBODY]), callers.find([OTHER]))
        assert ({*one}, {*other}, callers.failures) == ({KNOWN}, {OTHER}, 0)

    asyncio.run(execute(database, FILL))
    run(database, body)


@pytest.mark.parametrize("ahead", [False, True])
def test_base_that_does_not_answer_knows_nobody_and_is_left_alone_for_a_while(ahead: bool) -> None:
    async def body(callers: CallerLookup) -> None:
        if ahead:
            callers.foresee(urgent(KNOWN))
        assert await callers.find([KNOWN]) == {}
        assert callers.failures == 1
        assert await callers.find([KNOWN]) == {}
        assert callers.failures == 1
        assert callers.known([KNOWN]) is None

    run("postgresql://nobody@127.0.0.1:1/none", body)


def test_close_ends_a_look_ahead(database: str) -> None:
    async def main() -> None:
        callers = CallerLookup(database, "KZ")
        callers.foresee(urgent(KNOWN))
        callers.close()
        assert not [thread for thread in threading.enumerate() if thread.name == "callers"]
        assert not callers.known([KNOWN])

    asyncio.run(main())


@pytest.mark.parametrize("given_up", [False, True], ids=["while it is asked", "after it was given up"])
def test_close_ends_the_questions_to_a_base_that_has_fallen_silent(given_up: bool, database: str) -> None:
    async def main() -> None:
        way = Way(database, mute_from=b"LEFT JOIN subscriber")
        async with way.served() as dsn:
            callers = CallerLookup(dsn, "KZ")
            callers.foresee(urgent(KNOWN))
            await way.is_mute.wait()
            while given_up and not callers.failures:  # noqa: ASYNC110 - it is a look at what a task has brought
                await asyncio.sleep(0)
            callers.close()
            assert not [thread for thread in threading.enumerate() if thread.name == "callers"]

    asyncio.run(main())


def test_what_is_remembered_says_nothing_of_how_quick_the_base_is(database: str) -> None:
    async def body(callers: CallerLookup) -> None:
        await callers.find([KNOWN])
        asked = sum(callers.asking.counts)
        await callers.find([KNOWN])
        assert (asked, sum(callers.asking.counts)) == (1, 1)
        await callers.find([KNOWN, OTHER])
        assert sum(callers.asking.counts) == 2

    asyncio.run(execute(database, FILL))
    run(database, body)


def test_known_stands_still_for_an_answer_that_is_on_its_way_and_no_more_where_one_was_late(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops.callers.STAND_S", 60.0)
    monkeypatch.setattr("ops.callers.LOOKUP_TIMEOUT_S", 60.0)

    async def body(callers: CallerLookup) -> None:
        callers.foresee(urgent(KNOWN))
        # Without a turn of this loop.
        assert callers.known([KNOWN]) is not None
        connection = await asyncpg.connect(database)
        async with connection.transaction():
            await connection.execute("LOCK TABLE subscriber IN ACCESS EXCLUSIVE MODE")
            monkeypatch.setattr("ops.callers.STAND_S", 0.0)
            callers.foresee(urgent(OTHER))
            assert callers.known([OTHER]) is None
            monkeypatch.setattr("ops.callers.STAND_S", 60.0)
            assert callers.known([OTHER]) is None, "it has been late: the loops wait for it"
        await connection.close()
        assert {*await callers.find([OTHER])} == {OTHER}
        # The base is quick again: what is asked for ahead is stood still for.
        callers.foresee(urgent("8 701 999 99 98"))
        assert callers.known(["+77019999998"]) == {}

    asyncio.run(execute(database, FILL))
    run(database, body)
