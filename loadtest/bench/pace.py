"""Updates at an even rate out of one process: each is due at its own instant, whether or not the service keeps up.

Place in the flow: where an event loop serves many sockets and something happens beside it. Rules: what has come due is handed
over together, and then the loop has its turn; an update's instant is the one at which it was due.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from multiprocessing.connection import Connection

import msgspec


class Play(msgspec.Struct, frozen=True):
    """Updates to be played: `count` of them from number `first` on, `rate_per_s` a second."""

    first: int
    count: int
    rate_per_s: float

    def due_ns(self, number: int, started_ns: int) -> int:
        """The instant at which an update is due."""
        return started_ns + round((number - self.first) / self.rate_per_s * 1e9)


async def play(asked: Play, give: Callable[[range], None]) -> int:
    """Hands over the numbers of what has come due, until all have; returns the instant of the first, `time.monotonic_ns`."""
    started_ns = time.monotonic_ns()
    given, end = asked.first, asked.first + asked.count
    while given < end:
        elapsed_ns = time.monotonic_ns() - started_ns
        due = min(end, asked.first + 1 + int(elapsed_ns * asked.rate_per_s / 1e9))
        if due > given:
            give(range(given, due))
            given = due
            # The loop serves its sockets, whatever is late.
            await asyncio.sleep(0)
        else:
            await asyncio.sleep((asked.due_ns(given, started_ns) - time.monotonic_ns()) / 1e9)
    return started_ns


class Played(msgspec.Struct, frozen=True):
    """What a play cost its process."""

    started_ns: int
    """The instant of its first update."""
    cpu_s: float


async def serve_plays(connection: Connection, give: Callable[[range], None]) -> None:
    """Plays what the parent asks for and answers with `Played`. Raises `EOFError` when the parent is done."""
    while True:
        asked: Play = await asyncio.to_thread(connection.recv)
        began_s = time.process_time()
        started_ns = await play(asked, give)
        connection.send(Played(started_ns, time.process_time() - began_s))
