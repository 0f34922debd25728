"""The line of clients that wait to be told: at once while they are few, in turns with rests between when they are many."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
import uvloop

from protocols.dispatch.message import Subscribe
from protocols.dispatch.publisher import Publisher
from protocols.dispatch.subscription import Subscription
from protocols.dispatch.turns import Turns
from tests.protocols.dispatch_centre import until
from tests.protocols.dispatch_world import DISPATCHER

MEMBERS = [Publisher().subscribe(number, DISPATCHER, Subscribe(id=str(number))) for number in range(7)]


class Line:
    """Turns, who was told, and a thread's work that rises by `cost_s` with each of them."""

    def __init__(self, turn: int, cost_s: float = 0.0) -> None:
        self.told: list[int] = []
        self._cost_s = cost_s
        self._spent_s = 0.0
        self.turns = Turns(self._tell, turn, rest=2.0, spent_s=lambda: self._spent_s)
        self.turns.start(asyncio.get_running_loop())

    def _tell(self, subscription: Subscription, _: float) -> None:
        self.told.append(subscription.session)
        self._spent_s += self._cost_s

    async def until_told(self, count: int) -> None:
        await until(lambda: len(self.told) >= count)


def run(story: Callable[[], Awaitable[None]]) -> None:
    async def whole() -> None:
        await story()

    uvloop.run(whole())


@pytest.mark.parametrize(
    ("turn", "cost_s", "at_once"),
    [(7, 0.0, 7), (256, 0.0, 7), (3, 0.0, 3), (1, 0.0, 1), (256, 0.01, 7), (3, 0.01, 3)],
)
def test_turn_is_taken_with_the_commit_and_the_rest_follow_in_order(turn: int, cost_s: float, at_once: int) -> None:
    async def story() -> None:
        line = Line(turn, cost_s)
        line.turns.add(MEMBERS)
        assert line.told == list(range(at_once))
        await line.until_told(7)
        assert line.told == list(range(7))

    run(story)


@pytest.mark.parametrize(("cost_s", "told"), [(0.0001, [0, 0, 0]), (0.002, [0])])
def test_dear_turn_is_followed_by_a_rest_and_a_cheap_one_is_not(cost_s: float, told: list[int]) -> None:
    async def story() -> None:
        line = Line(256, cost_s)
        for _ in range(3):
            line.turns.add(MEMBERS[:1])
        assert line.told == told
        if len(told) == 1:
            # What came during the rest is told once.
            await line.until_told(2)
            assert len(line.turns) == 0

    run(story)


def test_one_who_waits_keeps_its_place() -> None:
    async def story() -> None:
        line = Line(2)
        line.turns.add(MEMBERS)
        line.turns.add(reversed(MEMBERS))
        await line.until_told(9)
        assert line.told == [0, 1, 2, 3, 4, 5, 6, 1, 0]

    run(story)


def test_one_can_be_told_out_of_turn_and_one_can_leave() -> None:
    async def story() -> None:
        line = Line(1)
        line.turns.add(MEMBERS)
        line.turns.tell_now([MEMBERS[5], MEMBERS[0]])
        assert line.told == [0, 5], "the first has had its turn and does not wait"
        line.turns.leave(MEMBERS[3])
        line.turns.leave(MEMBERS[0])
        await line.until_told(6)
        assert line.told == [0, 5, 1, 2, 4, 6]

    run(story)


def test_finish_tells_everybody_at_once() -> None:
    async def story() -> None:
        line = Line(1, 0.01)
        line.turns.add(MEMBERS)
        line.turns.finish()
        assert line.told == list(range(7))
        line.turns.finish()
        assert len(line.turns) == 0

    run(story)


def test_nobody_waits_before_the_start() -> None:
    Turns(lambda subscription, now_s: None).finish()
