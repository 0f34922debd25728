"""The centre's shell on a virtual clock: what is committed when, who is told when, and what is decided meanwhile."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import msgspec
import pytest
import trio
import trio.testing

from core.centre import Centre
from core.decisions import Decisions
from core.engine import Engine
from core.events import AnyEvent, Call, Chunk, Fix, PlateRead
from core.inlet import Inlet
from core.instant import SECOND_US, Micros, to_datetime
from core.ports import Subscriber
from core.recovered import EMPTY
from routing.crew_index import CrewTree
from tests.simulation.places import CATEGORIES, RULES, SUBSCRIBERS, AddressTable, Halves

START_US = 1_790_000_000 * SECOND_US


def now_us() -> Micros:
    return Micros(START_US + round(trio.current_time() * SECOND_US))


def chunk(first_seq: int, *events: AnyEvent) -> Chunk:
    numbered = [msgspec.structs.replace(event, seq=first_seq + index) for index, event in enumerate(events)]
    return Chunk(
        source="src",
        received_us=now_us(),
        items=list(numbered),
        raws=[b"{}"] * len(numbered),
        last_seq=first_seq + len(numbered) - 1,
        urgent=any(isinstance(event, Call) for event in numbered),
    )


def plate() -> PlateRead:
    return PlateRead(seq=1, at=to_datetime(now_us()), camera="cam", plate="123ABC02")


def call(phone: str = "") -> Call:
    return Call(seq=1, at=to_datetime(now_us()) - timedelta(seconds=1), words="fight", phone=phone, fix=Fix(43.2, 76.8, 10.0))


class Journal:
    """Stands for storage: commits when it may, in the order in which it is asked."""

    def __init__(self) -> None:
        self.may_commit = trio.Event()
        self.may_commit.set()
        self.asked: list[int] = []
        self.committed: list[Decisions] = []
        self.told: list[int] = []
        self.looked_up: list[list[str]] = []
        self.fails = False

    async def commit(self, decisions: Decisions) -> Decisions:
        self.asked.append(decisions.batch_no)
        await self.may_commit.wait()
        if self.fails:
            raise OSError("the disk is gone")
        self.committed.append(decisions)
        return decisions

    def tell(self, decisions: Decisions) -> None:
        assert decisions in self.committed
        self.told.append(decisions.batch_no)

    async def look_up(self, phones: list[str]) -> dict[str, Subscriber]:
        self.looked_up.append(phones)
        await trio.lowlevel.checkpoint()
        return {phone: SUBSCRIBERS[phone] for phone in phones if phone in SUBSCRIBERS}

    def facts(self) -> list[str]:
        return [entry.fact for decisions in self.committed for entry in decisions.log]


class Running:
    """A centre that runs, and what it is connected with."""

    def __init__(self) -> None:
        self.journal = Journal()
        self.inlet = Inlet()
        self.engine = Engine(RULES, CATEGORIES, AddressTable(), Halves(), CrewTree(), EMPTY)
        self.centre = Centre(
            self.engine,
            self.inlet,
            now_us=now_us,
            lookup=self.journal.look_up,
            commit=self.journal.commit,
            committed=self.journal.tell,
            region="KZ",
            batch_events=4,
        )

    async def bring(self, *chunks: Chunk) -> None:
        """Offers chunks and waits until nothing moves any more."""
        for one in chunks:
            self.inlet.offer(one)
        self.centre.wake()
        await trio.testing.wait_all_tasks_blocked()


@asynccontextmanager
async def running() -> AsyncIterator[Running]:
    centre = Running()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(centre.centre.run)
        yield centre
        nursery.cancel_scope.cancel()


async def test_nobody_is_told_before_the_commit(mock_clock: trio.testing.MockClock) -> None:
    async with running() as centre:
        centre.journal.may_commit = trio.Event()
        await centre.bring(chunk(1, call()))
        assert centre.journal.asked == [1]
        assert centre.journal.told == []
        centre.journal.may_commit.set()
        await trio.testing.wait_all_tasks_blocked()
        assert centre.journal.told == [1]


async def test_one_more_batch_is_decided_while_one_is_being_committed(mock_clock: trio.testing.MockClock) -> None:
    async with running() as centre:
        centre.journal.may_commit = trio.Event()
        await centre.bring(chunk(1, plate()))
        await centre.bring(chunk(2, plate()))
        await centre.bring(chunk(3, plate()))
        assert centre.journal.asked == [1]
        assert centre.engine.state.high_water == {"src": 2}
        assert centre.inlet.held_of("src") > 0, "the third chunk waits, or the pipeline has no bound"
        await centre.bring(chunk(4, plate()))
        centre.journal.may_commit.set()
        await trio.testing.wait_all_tasks_blocked()
        # What came meanwhile is one batch: the batches grow with the load.
        assert [[taken.chunk.last_seq for taken in one.taken] for one in centre.journal.committed] == [[1], [2], [3, 4]]
        assert centre.journal.told == [1, 2, 3]


async def test_batch_is_no_larger_than_its_bound(mock_clock: trio.testing.MockClock) -> None:
    async with running() as centre:
        await centre.bring(*(chunk(first, plate(), plate()) for first in (1, 3, 5)))
        assert [[taken.chunk.last_seq for taken in one.taken] for one in centre.journal.committed] == [[2, 4], [6]]


async def test_term_fires_when_it_is_due_and_nothing_else_happens(autojump_clock: trio.testing.MockClock) -> None:
    async with running() as centre:
        await centre.bring(chunk(1, call()))
        opened_us = centre.journal.committed[0].now_us
        assert centre.journal.facts() == ["opened", "queued"]
        await trio.sleep(RULES.terms.no_crew_us / SECOND_US + 0.001)
        assert centre.journal.facts() == ["opened", "queued", "term_fired"]
        fired = centre.journal.committed[-1]
        assert fired.now_us == opened_us + RULES.terms.no_crew_us
        assert [notice.term for notice in fired.notices] == ["crew"]


async def test_callers_are_looked_up_once_a_batch(mock_clock: trio.testing.MockClock) -> None:
    async with running() as centre:
        await centre.bring(chunk(1, call("87010000001"), plate(), call("+77019999999"), call("nonsense")))
        assert centre.journal.looked_up == [["+77010000001", "+77019999999"]]
        assert b"Aliya" in centre.journal.committed[0].incidents[0].view


async def test_finish_commits_and_tells_everything_taken(mock_clock: trio.testing.MockClock) -> None:
    centre = Running()
    centre.journal.may_commit = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(centre.centre.run)
        for first in (1, 2, 3):
            await centre.bring(chunk(first, plate()))
        centre.centre.finish()
        await trio.testing.wait_all_tasks_blocked()
        centre.journal.may_commit.set()
    assert centre.engine.state.high_water == {"src": 3}
    assert centre.journal.told == [1, 2, 3]
    assert not centre.inlet


async def test_failed_commit_ends_the_centre_with_nothing_told(mock_clock: trio.testing.MockClock) -> None:
    centre = Running()
    centre.journal.fails = True
    centre.inlet.offer(chunk(1, plate()))
    centre.centre.wake()
    with pytest.raises(ExceptionGroup) as caught:
        await centre.centre.run()
    assert caught.group_contains(OSError, match="the disk is gone")
    assert centre.journal.told == []


async def test_wake_before_the_wait_is_not_lost(mock_clock: trio.testing.MockClock) -> None:
    centre = Running()
    centre.centre.wake()
    centre.inlet.offer(chunk(1, plate()))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(centre.centre.run)
        await trio.testing.wait_all_tasks_blocked()
        assert centre.journal.told == [1]
        nursery.cancel_scope.cancel()
