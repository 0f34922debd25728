"""The Trio shell: nothing is told before its commit, the next batch is decided meanwhile, terms wake it, stopping drains it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from core.centre import Centre, Ended
from core.decisions import Decisions
from core.engine import Engine
from core.events import Call
from core.incident import decode_incident
from core.inlet import Inlet
from core.instant import SECOND_US, Micros, to_datetime
from core.ports import Subscriber
from core.recovered import EMPTY
from core.state import Batch
from core.vocabulary import Stage
from routing.crew_index import CrewTree
from tests.core.town import PLAIN_SCENARIOS, REVIEW_S, SPOT, START_US, chunk
from tests.simulation.places import CATEGORIES, RULES, SUBSCRIBERS, AddressTable, Halves


class WatchedEngine(Engine):
    """An engine that notes how many commits had begun when each batch was decided."""

    def __init__(self, deciding: list[int], passed: Callable[[Stage | None], None]) -> None:
        super().__init__(RULES, CATEGORIES, PLAIN_SCENARIOS, AddressTable(), Halves(), CrewTree(), EMPTY, passed=passed)
        self.begun: list[int] = []
        self._deciding = deciding

    def handle(self, batch: Batch, now_us: Micros) -> Decisions | None:
        self.begun.append(len(self._deciding))
        return super().handle(batch, now_us)


class Shell:
    """A centre whose commits wait until they are let through."""

    def __init__(self, batch_events: int = 8_192) -> None:
        self.inlet = Inlet()
        self.asked: list[list[str]] = []
        self.remembered: dict[str, Subscriber] | None = None
        self.deciding: list[int] = []
        self.told: list[int] = []
        self.decided: list[Decisions] = []
        self.gate = trio.Event()
        self.failure: Exception | None = None
        self.under_way: Ended | None = None
        """Ends the commit under way."""
        self.passed: Callable[[Stage | None], None] = lambda _: None
        self.tell: Callable[[Decisions], None] = lambda decisions: self.told.append(decisions.batch_no)
        self._began = trio.current_time()
        self._seq = 0
        self.engine = WatchedEngine(self.deciding, lambda stage: self.passed(stage))
        self.centre = Centre(
            self.engine,
            self.inlet,
            now_us=lambda: Micros(START_US + int((trio.current_time() - self._began) * SECOND_US)),
            lookup=self._lookup,
            commit=self._commit,
            committed=lambda decisions: self.tell(decisions),
            region="KZ",
            known=lambda _: self.remembered,
            batch_events=batch_events,
        )

    def call(self, phone: str = "") -> None:
        self._seq += 1
        at = to_datetime(START_US)
        self.inlet.offer(chunk("s", Call(seq=self._seq, at=at, words="fight", phone=phone, fix=SPOT)))
        self.centre.wake()

    async def _lookup(self, phones: list[str]) -> dict[str, Subscriber]:
        self.asked.append(phones)
        await trio.lowlevel.checkpoint()
        return {phone: SUBSCRIBERS[phone] for phone in phones if phone in SUBSCRIBERS}

    def _commit(self, decisions: Decisions, ended: Ended) -> None:
        self.deciding.append(decisions.batch_no)
        self.decided.append(decisions)
        self.under_way = ended
        if self.gate.is_set():
            trio.lowlevel.current_trio_token().run_sync_soon(self.let_through)

    def open_gate(self) -> None:
        """Lets the commit under way and all after it through."""
        self.gate.set()
        self.let_through()

    def let_through(self) -> None:
        """Ends the commit under way."""
        ended, self.under_way = self.under_way, None
        if ended is not None:
            ended(self.failure)


async def test_run_when_callers_are_remembered_does_not_ask_for_them() -> None:
    shell = Shell()
    phone, subscriber = next(iter(SUBSCRIBERS.items()))
    shell.remembered = {phone: subscriber}
    shell.gate.set()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(shell.centre.run)
        shell.call(phone)
        await wait_all_tasks_blocked()
        shell.remembered = None
        shell.call(phone)
        await wait_all_tasks_blocked()
        shell.centre.finish()
    assert shell.asked == [[phone]]
    names = [
        joined.caller.name
        for decisions in shell.decided
        for change in decisions.incidents
        for joined in decode_incident(change.view).told
        if joined.caller is not None
    ]
    assert set(names) == {subscriber.name}


async def test_run_when_much_waits_decides_no_batch_before_the_commit_of_the_one_before_has_begun() -> None:
    shell = Shell(batch_events=1)
    shell.gate.set()
    for _ in range(20):
        shell.call()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(shell.centre.run)
        await wait_all_tasks_blocked()
        shell.centre.finish()
    assert shell.engine.begun[:20] == list(range(20))


async def test_run_when_a_commit_takes_long_tells_nobody_and_decides_one_batch_ahead() -> None:
    shell = Shell()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(shell.centre.run)
        for _ in range(5):
            shell.call()
            await wait_all_tasks_blocked()
        assert (shell.deciding, shell.told) == ([1], [])
        shell.open_gate()
        await wait_all_tasks_blocked()
        assert shell.told == [1, 2, 3]
        assert [len(one.taken) for one in shell.decided] == [1, 1, 3], "what came meanwhile is one batch"
        shell.centre.finish()
    assert shell.told == [1, 2, 3]


async def test_run_when_told_to_finish_takes_what_is_in_the_inlet_first() -> None:
    shell = Shell()
    shell.gate.set()
    for _ in range(3):
        shell.call()
    shell.centre.finish()
    await shell.centre.run()
    assert [len(one.taken) for one in shell.decided] == [3]
    assert shell.told == [1]


async def test_run_when_a_commit_fails_raises_and_has_told_nothing() -> None:
    shell = Shell()
    shell.failure = ConnectionError("the database is gone")
    shell.gate.set()
    shell.call()
    with pytest.raises(ConnectionError):
        await shell.centre.run()
    assert shell.told == []


async def test_run_when_a_commit_fails_while_nothing_is_to_do_raises_at_once(autojump_clock: MockClock) -> None:
    shell = Shell()
    shell.failure = ConnectionError("the database is gone")
    with pytest.RaisesGroup(ConnectionError):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(shell.centre.run)
            shell.call()
            await wait_all_tasks_blocked()
            # Nothing more comes in, and no term is due for seconds.
            began_s = trio.current_time()
            shell.let_through()
    assert trio.current_time() - began_s < 1
    assert shell.told == []


async def test_run_when_a_commit_ends_while_the_next_batch_is_decided_tells_at_once() -> None:
    shell = Shell()
    told_at: list[tuple[Stage | None, list[int]]] = []

    def passed(stage: Stage | None) -> None:
        if stage is Stage.CORRELATE:
            shell.let_through()
        told_at.append((stage, list(shell.told)))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(shell.centre.run)
        shell.call()
        await wait_all_tasks_blocked()
        shell.passed = passed
        shell.call()
        await wait_all_tasks_blocked()
        assert told_at[0] == (None, [])
        assert (Stage.ASSIGN, [1]) in told_at, "between two stages"
        assert shell.deciding == [1, 2], "and the commit of the next begins as soon as it is decided"
        shell.open_gate()
        shell.centre.finish()
    assert shell.told == [1, 2]


async def test_run_when_a_commit_fails_while_the_next_batch_is_decided_ends_with_it_and_commits_no_more() -> None:
    shell = Shell()
    shell.failure = ConnectionError("the database is gone")

    with pytest.RaisesGroup(ConnectionError):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(shell.centre.run)
            shell.call()
            await wait_all_tasks_blocked()
            shell.passed = lambda _: shell.let_through()
            shell.call()
    assert (shell.deciding, shell.told) == ([1], [])


async def test_run_when_telling_fails_ends_with_that() -> None:
    shell = Shell()
    shell.gate.set()

    def tell(_: Decisions) -> None:
        raise ZeroDivisionError("a fault in telling")

    shell.tell = tell
    shell.call()
    with pytest.raises(ZeroDivisionError):
        await shell.centre.run()


async def test_run_when_cancelled_tells_of_no_commit_that_ends_later() -> None:
    shell = Shell()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(shell.centre.run)
        shell.call()
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    shell.let_through()
    assert (shell.deciding, shell.told) == ([1], [])


async def test_run_when_callers_have_numbers_looks_them_up_at_once() -> None:
    shell = Shell()
    shell.gate.set()
    for phone in ("8 701 000 00 01", "", "87010000099", "103"):
        shell.call(phone)
    shell.centre.finish()
    await shell.centre.run()
    assert shell.asked == [["+77010000001", "+77010000099"]]
    names = [entry.body for entry in shell.decided[0].log if b"Aliya" in entry.body]
    assert len(names) == 1


async def test_run_when_a_term_is_due_wakes_by_itself(autojump_clock: MockClock) -> None:
    shell = Shell()
    shell.gate.set()
    shell.call()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(shell.centre.run)
        await trio.sleep(REVIEW_S + 1)
        shell.centre.finish()
    notices = [notice for one in shell.decided for notice in one.notices]
    assert [(notice.term, (notice.at_us - START_US) // SECOND_US) for notice in notices] == [("crew", 10), ("review", 100)]
