"""Contexts found out beside a centre on a real PostgreSQL: beforehand or when asked, bounded, over restarts, not waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg
import pytest
import uvloop

from core import limits
from core.context import Context, Scope
from core.decisions import Decisions, IncidentChange
from core.instant import Micros
from ops.contexts import FRESH_US, Contexts
from protocols.dispatch.message import ContextReason
from tests.database import execute
from tests.protocols.dispatch_centre import until
from tests.storage import samples
from tests.storage.past_days import NOW, Days, addresses, incident, line

PHONE = "+77010000001"
NOBODY = "postgresql://nobody@127.0.0.1:1/none"


class Desk:
    """Contexts at work beside a writer, on a clock that stands still until it is moved."""

    def __init__(self, dsn: str, days: Days, **bounds: float) -> None:
        self.days = days
        self.now_us = NOW
        self.contexts = Contexts(dsn, addresses, Scope(), lambda: Micros(self.now_us), retry_s=0.001, **bounds)  # type: ignore[arg-type]  # bounds are whole numbers
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self.contexts.run())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def commit(self, *changes: IncidentChange, fact: str = "") -> None:
        """Commits a batch and tells of it, as the centre does."""
        decisions = self.decisions(*changes, fact=fact)
        await self.days.commit(*changes, entries=decisions.log, now_us=decisions.now_us)
        self.contexts.committed(decisions)

    def decisions(self, *changes: IncidentChange, fact: str = "") -> Decisions:
        """A batch of the time of its newest fact."""
        log = [line(one, fact) for one in changes]
        now_us = max(entry.at_us for entry in log)
        return samples.batch(self.days.batch_no, incidents=list(changes), entries=log, now_us=now_us)

    async def idle(self) -> None:
        await until(lambda: self.contexts.idle)

    def asked(self, number: int, territory: str = "") -> asyncio.Future[Context | ContextReason]:
        """Asks; done at once where the context was at hand."""
        answer: asyncio.Future[Context | ContextReason] = asyncio.get_running_loop().create_future()
        self.contexts.ask(number, territory, answer.set_result)
        return answer

    async def context(self, number: int, territory: str = "") -> Context:
        found = await self.asked(number, territory)
        assert isinstance(found, Context), found
        return found


def run(dsn: str, story: Callable[[Desk], Awaitable[None]], *, begun: bool = True, **bounds: float) -> None:
    async def main() -> None:
        async with Days(dsn) as days:
            desk = Desk(dsn, days, **bounds)
            if begun:
                desk.start()
            try:
                await asyncio.wait_for(story(desk), 60)
            finally:
                await desk.stop()

    uvloop.run(main())


def numbers(found: Context) -> list[int]:
    return [one.incident_id for one in found.same_number.listed]


def test_context_is_computed_beforehand_and_given_at_once(database: str) -> None:
    async def story(desk: Desk) -> None:
        await desk.idle()
        await desk.commit(incident(1, days_ago=3, phones=(PHONE,), result="hoax"))
        await desk.commit(incident(2, days_ago=0, phones=(PHONE,)))
        await desk.idle()
        computed = desk.contexts.computed
        answer = desk.asked(2)
        assert answer.done()
        found = answer.result()
        assert isinstance(found, Context)
        assert numbers(found) == [1]
        assert (found.numbers[0].false_calls, found.through_us, found.computed_us) == (1, NOW, NOW)
        assert desk.contexts.computed == computed

    run(database, story)


def test_context_asked_in_the_moment_of_the_commit_knows_what_was_committed(database: str) -> None:
    async def story(desk: Desk) -> None:
        await desk.idle()
        await desk.commit(incident(1, days_ago=3, phones=(PHONE,), result="worked"))
        await desk.idle()
        await desk.commit(incident(2, days_ago=0, phones=(PHONE,)))
        assert numbers(await desk.context(2)) == [1]
        await desk.commit(incident(3, days_ago=0, phones=(PHONE,)), incident(4, days_ago=0, phones=(PHONE,)))
        assert numbers(await desk.context(4)) == [3, 2, 1]

    run(database, story)


def test_newest_context_is_computed_first(database: str) -> None:
    async def story(desk: Desk) -> None:
        await desk.idle()
        await desk.commit(*(incident(number, days_ago=0, phones=(PHONE,)) for number in range(1, 6)))
        await until(lambda: desk.contexts.computed == 1)
        assert [desk.asked(number).done() for number in (5, 1)] == [True, False]

    run(database, story)


def test_closed_incident_of_long_ago_has_its_context_too(database: str) -> None:
    async def story(desk: Desk) -> None:
        await desk.days.commit(
            incident(1, days_ago=9, phones=(PHONE,), result="worked"), incident(2, days_ago=8, phones=(PHONE,), result="worked")
        )
        desk.start()
        await desk.idle()
        assert numbers(await desk.context(2)) == [1]
        assert desk.contexts.dropped == 0

    run(database, story, begun=False)


def test_reader_of_a_territory_is_told_of_it_alone(database: str) -> None:
    async def story(desk: Desk) -> None:
        await desk.idle()
        await desk.commit(
            incident(1, days_ago=3, phones=(PHONE,), result="hoax", territory="kz/astana"),
            incident(2, days_ago=2, phones=(PHONE,), result="hoax", territory="kz/almaty/medeu"),
            incident(3, days_ago=0, phones=(PHONE,)),
        )
        await desk.idle()
        assert numbers(await desk.context(3)) == [2, 1]
        # Told from what is kept, without asking the database.
        answer = desk.asked(3, "kz/almaty")
        assert answer.done()
        found = answer.result()
        assert isinstance(found, Context)
        assert (numbers(found), found.numbers[0].incidents, found.numbers[0].false_calls) == ([2], 1, 1)

    run(database, story)


def test_reader_of_a_territory_is_told_of_it_when_too_much_was_elsewhere(database: str) -> None:
    async def story(desk: Desk) -> None:
        await desk.idle()
        mine = incident(1, days_ago=20, phones=(PHONE,), territory="kz/almaty/medeu", at=None)
        others = [
            incident(number, days_ago=10, phones=(PHONE,), territory="kz/astana", at=None)
            for number in range(2, limits.CONTEXT_READ + 3)
        ]
        subject = incident(1000, days_ago=0, phones=(PHONE,), at=None)
        await desk.commit(mine, *others)
        await desk.commit(subject)
        await desk.idle()
        assert numbers(await desk.context(1000, "kz/almaty")) == [1]

    run(database, story)


def test_newest_are_computed_beforehand_and_the_others_when_asked(database: str) -> None:
    async def story(desk: Desk) -> None:
        await desk.idle()
        await desk.commit(*(incident(number, days_ago=0, phones=(PHONE,)) for number in range(1, 8)))
        await desk.idle()
        assert (desk.contexts.dropped, desk.contexts.computed) == (5, 2)
        assert [desk.asked(number).done() for number in (6, 7)] == [True, True]
        dropped = desk.asked(5)
        assert not dropped.done()
        found = await dropped
        assert isinstance(found, Context)
        assert numbers(found) == [4, 3, 2, 1]

    run(database, story, waiting_max=2)


def test_what_is_kept_is_bounded_in_contexts_and_in_rows(database: str) -> None:
    async def story(desk: Desk) -> None:
        await desk.idle()
        for number in range(1, 12):
            await desk.commit(incident(number, days_ago=0, phones=(PHONE,)))
            await desk.idle()
            changed, waiting, kept, asked = desk.contexts.held
            assert (changed, waiting, asked) == (0, 0, 0)
            assert kept <= 3 + 12
        assert desk.asked(11).done()
        assert not desk.asked(2).done()

    run(database, story, kept_max=3, rows_max=12)


def test_more_changes_than_can_wait_are_read_from_the_log(database: str) -> None:
    async def story(desk: Desk) -> None:
        await desk.idle()
        await desk.commit(*(incident(number, days_ago=1, phones=(PHONE,), result="worked") for number in range(1, 11)))
        assert desk.contexts.overflows == 1
        assert desk.contexts.held[0] == 0
        await desk.idle()
        await desk.commit(incident(11, days_ago=0, phones=(PHONE,)))
        found = await desk.context(11)
        assert numbers(found) == list(range(10, 0, -1))
        assert found.through_us == NOW

    run(database, story, changes_max=3)


def test_restart_goes_on_where_the_past_was_whole(database: str) -> None:
    async def story(desk: Desk) -> None:
        await desk.idle()
        await desk.commit(incident(1, days_ago=3, phones=(PHONE,), result="worked"))
        await desk.idle()
        await desk.stop()
        connection = await asyncpg.connect(database)
        assert await connection.fetchval("SELECT through = max(at) FROM past_progress, incident_log GROUP BY through")
        await connection.close()
        # Committed while nobody looks: by a process that died before it could.
        await desk.days.commit(incident(2, days_ago=1, phones=(PHONE,), result="worked"))
        await desk.days.commit(incident(1, days_ago=3, version=2, phones=(PHONE,), result="hoax"))
        later = Desk(database, desk.days)
        later.start()
        try:
            await later.commit(incident(3, days_ago=0, phones=(PHONE,)))
            early = await later.context(3)
            assert early.through_us < NOW
            await later.idle()
            found = await later.context(3)
            assert numbers(found) == [2, 1]
            assert found.numbers[0].false_calls == 1
        finally:
            await later.stop()

    run(database, story)


def test_context_that_has_grown_old_is_computed_anew(database: str) -> None:
    async def story(desk: Desk) -> None:
        await desk.idle()
        await desk.commit(incident(1, days_ago=3, phones=(PHONE,)), incident(2, days_ago=0, phones=(PHONE,)))
        await desk.idle()
        await desk.commit(incident(1, days_ago=3, version=2, phones=(PHONE,), result="hoax"))
        await desk.idle()
        assert (await desk.context(2)).numbers[0].false_calls == 0
        desk.now_us = Micros(NOW + FRESH_US)
        assert (await desk.context(2)).numbers[0].false_calls == 1

    run(database, story)


@pytest.mark.parametrize("result", [None, "worked"])
def test_context_of_an_incident_that_has_moved_is_another_one(database: str, result: str | None) -> None:
    async def story(desk: Desk) -> None:
        await desk.idle()
        await desk.commit(
            incident(1, days_ago=3, at=(50.0, 70.0)), incident(2, days_ago=3, phones=(PHONE,), at=None), incident(3, days_ago=0)
        )
        await desk.idle()
        assert numbers(await desk.context(3)) == []
        moved = incident(3, days_ago=0, version=2, at=(50.0, 70.0), phones=(PHONE,), result=result)
        await desk.commit(moved, fact="event_joined")
        await desk.idle()
        found = await desk.context(3)
        assert ([one.incident_id for one in found.nearby.listed], numbers(found)) == ([1], [2])

    run(database, story)


@pytest.mark.parametrize("fact", ["queued", "crew_assigned", "assignment_moved", "term_fired", "noted", "acknowledged"])
def test_what_changes_no_context_is_not_looked_at(database: str, fact: str) -> None:
    async def story(desk: Desk) -> None:
        await desk.idle()
        desk.contexts.committed(desk.decisions(incident(1, version=2), fact=fact))
        assert desk.contexts.idle
        desk.contexts.committed(desk.decisions(incident(1, version=2), fact="a fact that is not known here"))
        assert not desk.contexts.idle

    run(database, story)


def test_unknown_and_merged_incidents_have_no_context(database: str) -> None:
    async def story(desk: Desk) -> None:
        await desk.idle()
        await desk.commit(incident(1, days_ago=3, merged=True))
        assert await desk.asked(1) is ContextReason.UNKNOWN_INCIDENT
        assert await desk.asked(2**62) is ContextReason.UNKNOWN_INCIDENT

    run(database, story)


def test_questions_that_wait_are_bounded(database: str) -> None:
    async def story(desk: Desk) -> None:
        answers = [desk.asked(number) for number in (1, 1, 2, 3)]
        assert [answer.done() for answer in answers] == [False, False, False, True]
        assert answers[3].result() is ContextReason.TOO_MANY
        desk.start()
        assert [await answer for answer in answers[:3]] == [ContextReason.UNKNOWN_INCIDENT] * 3
        assert desk.contexts.held[3] == 0

    run(database, story, begun=False, asked_max=3)


def test_database_that_does_not_answer_is_said_and_tried_again() -> None:
    async def main() -> None:
        contexts = Contexts(NOBODY, addresses, Scope(), lambda: NOW, retry_s=0.001)
        task = asyncio.create_task(contexts.run())
        for failures in (1, 2):
            answer: asyncio.Future[Context | ContextReason] = asyncio.get_running_loop().create_future()
            contexts.ask(1, "", answer.set_result)
            assert await asyncio.wait_for(answer, 60) is ContextReason.UNAVAILABLE
            assert contexts.failures >= failures
        contexts.committed(samples.batch(1, incidents=[incident(1)], entries=[line(incident(1))]))
        assert contexts.held[0] == 0, "nothing piles up: the log will tell"
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    uvloop.run(main())


def test_connection_that_is_cut_costs_nothing_but_time(database: str) -> None:
    async def story(desk: Desk) -> None:
        await desk.idle()
        await desk.commit(incident(1, days_ago=3, phones=(PHONE,), result="worked"))
        await desk.idle()
        await execute(
            database, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'jedel contexts'"
        )
        await desk.commit(incident(2, days_ago=1, phones=(PHONE,)))
        await until(lambda: desk.contexts.failures == 1)
        await desk.idle()
        await desk.commit(incident(3, days_ago=0, phones=(PHONE,)))
        assert numbers(await desk.context(3)) == [2, 1]

    run(database, story)


def test_fault_of_ours_is_kept_to_itself(database: str) -> None:
    async def story(desk: Desk) -> None:
        await desk.idle()
        # An address that this test's reader of addresses fails on.
        await desk.commit(incident(1, days_ago=0, phones=(PHONE,), text="no number"))
        await until(lambda: desk.contexts.failures > 0)
        assert await desk.asked(1) is ContextReason.UNAVAILABLE
        await execute(database, "UPDATE incident SET view = '{}'")
        await desk.idle()
        assert numbers(await desk.context(1)) == []

    run(database, story)
