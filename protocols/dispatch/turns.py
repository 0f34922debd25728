"""When those who have something to be told have their turn: at once while they are few, else in turns with rests between.

Place in the flow: publish. A send call takes some microseconds of the thread that decides, and a thousand clients after every
commit would take most of it. So clients wait in one line, `FANOUT_TURN` of them are told at a time, and then the thread is left
alone for up to `FANOUT_REST` times what that took of it. What is committed meanwhile shares the message of those who still
wait: the more clients there are, the more updates a message holds, by itself. With few clients a turn takes less than a rest is
worth, and everybody is told with the commit.

Rules: the line holds a subscription once, in the order in which it came to wait; rests are as short as it takes to tell the
whole line in `FANOUT_ROUND_S`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from itertools import islice

from core import limits
from protocols.dispatch.subscription import Subscription


class Turns:
    """The line of those who wait.

    Args:
        tell: gives one subscription what is pending; must not raise. Called with the loop's time in seconds.
        turn: subscriptions told at a time.
        rest: for how many times what a turn took of this thread the line then stands still, where the round leaves time.
        spent_s: what this thread has worked so far. Not the clock: what others take of a busy machine is no reason to rest.
    """

    def __init__(
        self,
        tell: Callable[[Subscription, float], None],
        turn: int = limits.FANOUT_TURN,
        rest: float = limits.FANOUT_REST,
        spent_s: Callable[[], float] = time.thread_time,
    ) -> None:
        self._tell = tell
        self._turn = turn
        self._rest = rest
        self._spent_s = spent_s
        self._line: dict[Subscription, None] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._next: asyncio.Handle | None = None

    def __len__(self) -> int:
        return len(self._line)

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Says on which loop turns are taken; nobody waits before."""
        self._loop = loop

    def add(self, subscriptions: Iterable[Subscription]) -> None:
        """Lets these wait, and begins with them unless the line stands still."""
        self._line.update(dict.fromkeys(subscriptions))
        if self._next is None:
            self._take()

    def tell_now(self, subscriptions: Iterable[Subscription]) -> None:
        """Tells those of these who wait, out of turn: what follows must not overtake it."""
        assert self._loop is not None
        for subscription in subscriptions:
            if subscription in self._line:
                del self._line[subscription]
                self._tell(subscription, self._loop.time())

    def leave(self, subscription: Subscription) -> None:
        """One goes, told or not."""
        self._line.pop(subscription, None)

    def finish(self) -> None:
        """Tells everybody at once, before a drain."""
        if self._next is not None:
            self._next.cancel()
            self._next = None
        if self._line:
            self.tell_now(list(self._line))

    def _take(self) -> None:
        assert self._loop is not None
        self._next = None
        began_s = self._spent_s()
        now_s = self._loop.time()
        waiting = max(1, len(self._line))
        for subscription in list(islice(self._line, self._turn)):
            # It may have gone meanwhile, when another subscription of its client was told and the client cut.
            if subscription in self._line:
                del self._line[subscription]
                self._tell(subscription, now_s)
        took_s = self._spent_s() - began_s
        rest_s = min(took_s * self._rest, limits.FANOUT_ROUND_S / -(-waiting // self._turn) - took_s)
        # The line may be empty and yet have a rest before it: the next commit is a fraction of a millisecond away.
        if rest_s >= limits.FANOUT_REST_MIN_S:
            self._next = self._loop.call_later(rest_s, self._again)
        elif self._line:
            self._next = self._loop.call_soon(self._again)

    def _again(self) -> None:
        self._next = None
        if self._line:
            self._take()
