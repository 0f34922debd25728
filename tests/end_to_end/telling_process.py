"""A process that sends what stands in the outbox, and kills itself with SIGKILL between two steps of a channel's message.

Run by `tests/end_to_end/test_telling.py`: `python -m tests.end_to_end.telling_process '{"dsn": …}'`. Its clock stands, and
jumps to whatever is due next, so pauses cost nothing; it ends when nothing is left to do.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import msgspec

from adapters.messages.writer import MessageWriter
from core.category import load_categories
from core.delivery import DeliveryState
from core.instant import Micros
from core.telling import Channel
from ops.config import Channels
from ops.post import PeopleOfFile, Post
from ops.telling import SENT_CHANNELS, senders_of
from storage.outbox import Claimed, Outbox, Settled

POINTS = ("resolved", "claimed", "before_handing", "handed", "taken", "settled")
"""Between which steps it dies: after the deliveries were made, after a claim, before and after handing over was recorded, when
the server has taken the message, when that has been recorded."""


class Orders(msgspec.Struct):
    """What the test wants."""

    dsn: str
    people: str
    channels: Channels
    start_us: int
    point: str = ""
    victim: str = ""
    """The channel whose message it dies at."""


class MortalOutbox(Outbox):
    """An outbox whose process dies where it is told to."""

    def __init__(self, orders: Orders) -> None:
        super().__init__(orders.dsn)
        self._orders = orders

    def reach(self, point: str, channel: Channel) -> None:
        if (point, channel.value) == (self._orders.point, self._orders.victim):
            os.kill(os.getpid(), signal.SIGKILL)

    async def hand(self, claimed: Claimed) -> bool:
        self.reach("before_handing", claimed.channel)
        ours = await super().hand(claimed)
        self.reach("handed", claimed.channel)
        return ours

    async def settle(self, claimed: Claimed, settled: Settled, now_us: Micros) -> DeliveryState | None:
        self.reach("taken", claimed.channel)
        state = await super().settle(claimed, settled, now_us)
        self.reach("settled", claimed.channel)
        return state


async def run(orders: Orders) -> None:
    now_us = Micros(orders.start_us)

    def clock() -> Micros:
        return now_us

    outbox = MortalOutbox(orders)
    writer = MessageWriter(load_categories(), "tested")
    post = Post(outbox, PeopleOfFile(Path(orders.people)), writer, senders_of(orders.channels, clock), clock)
    while True:
        _, due_us = await post.prepare({})
        for channel in SENT_CHANNELS:
            outbox.reach("resolved", channel)
        claimed, _ = await post.prepare(dict.fromkeys(SENT_CHANNELS, 1))
        for one in claimed:
            outbox.reach("claimed", one.channel)
        for one in claimed:
            await post.deliver(one)
        if claimed:
            continue
        if due_us is None:
            break
        now_us = Micros(max(now_us, due_us))
    await post.close()


if __name__ == "__main__":
    asyncio.run(run(msgspec.json.decode(sys.argv[1], type=Orders)))
