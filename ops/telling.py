"""Tells people, in the active process: a Trio task that sleeps until something is due, and a task for each message under way.

Place in the flow: after the commit. Woken by the commit of a batch with tellings, by the end of a try, by `jedel outbox` in
another process (NOTIFY), and when the next try is due; never by looking again and again. Rules: a dead server of one channel
holds up no other, since each has its own number of tries at once; nothing here ends a life of the centre, for calls go on
whether or not somebody can be told of them.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from pathlib import Path
from typing import Final

import structlog
import trio

from adapters.channels.channel import Sender
from adapters.channels.mail import Mail, MailServer
from adapters.channels.sms import Sms, SmsServer
from adapters.channels.webhook import Webhook
from adapters.messages.writer import MessageWriter
from core import limits
from core.bridge import Wake, on_host
from core.category import CategoryTable
from core.decisions import Acknowledgement, Decisions
from core.instant import SECOND_US, Micros
from core.telling import Channel
from ops.clock import machine_us
from ops.config import Channels, Config, split_address
from ops.post import PeopleOfFile, Post
from storage.errors import StorageError
from storage.outbox import Claimed, Outbox

IDLE_S: Final = 30.0
"""Longest sleep: within it a telling expires visibly, and a database that has forgotten our LISTEN is noticed."""
FAILED_S: Final = 2.0
"""Pause after the database could not be asked."""
MEASURE_S: Final = 10.0
"""Between measurements of what waits, which count it: in a storm it is much."""
FULL_S: Final = 1.0
"""Longest sleep with something due that there was no room for; a try that ends wakes earlier."""
REST_TIMES: Final = 3.0
REST_MAX_S: Final = 0.5
"""After a look at the outbox it is left alone for so many times as long as that took, and never longer than nobody notices."""
SENT_CHANNELS: Final = (Channel.WEBHOOK, Channel.MAIL, Channel.SMS)
"""What is told by dispatch has been told by the commit."""

_log = structlog.get_logger("telling")


def senders_of(channels: Channels, now_us: Callable[[], Micros]) -> dict[Channel, Sender]:
    """The channels that the configuration has servers for."""
    senders: dict[Channel, Sender] = {}
    if channels.webhook_secret:
        senders[Channel.WEBHOOK] = Webhook(channels.webhook_secret, machine_us, channels.timeout_s)
    mail, sms = mail_of(channels), sms_of(channels, now_us)
    if mail is not None:
        senders[Channel.MAIL] = mail
    if sms is not None:
        senders[Channel.SMS] = sms
    return senders


def mail_of(channels: Channels) -> Mail | None:
    """The channel of mail, or None without a server."""
    if not channels.mail_server:
        return None
    host, port = split_address(channels.mail_server)
    server = MailServer(host, port, channels.mail_from, channels.mail_security, channels.mail_user, channels.mail_password)
    return Mail(server, channels.timeout_s)


def sms_of(channels: Channels, now_us: Callable[[], Micros]) -> Sms | None:
    """The channel of SMS, or None without an SMSC."""
    if not channels.sms_server:
        return None
    host, port = split_address(channels.sms_server)
    smsc = SmsServer(host, port, channels.sms_system_id, channels.sms_password, channels.sms_from, channels.sms_system_type)
    return Sms(smsc, now_us, channels.timeout_s)


def people_of(config: Config) -> PeopleOfFile:
    """The centre's people. Raises `PeopleError`."""
    return PeopleOfFile(Path(config.centre.people) if config.centre.people else None)


class Teller:
    """One life's telling. Made inside Trio, on the host loop.

    Args:
        config: the centre's.
        dsn: its database.
        people: who is told.
        categories: for their names.
        now_us: reads the clock.
    """

    def __init__(
        self, config: Config, dsn: str, people: PeopleOfFile, categories: CategoryTable, now_us: Callable[[], Micros]
    ) -> None:
        self._wake = Wake()
        self._now_us = now_us
        outbox = Outbox(dsn, self._wake.ring)
        writer = MessageWriter(categories, config.centre.name)
        self.post = Post(outbox, people, writer, senders_of(config.channels, now_us), now_us)
        self._under_way: dict[Channel, int] = dict.fromkeys(SENT_CHANNELS, 0)
        self._acknowledged: list[Acknowledgement] = []
        self._looking = trio.Lock()
        """Held while the outbox is looked at."""
        self._measured_s = -inf
        self._finishing = False
        self._try_ended = trio.Event()

    def committed(self, decisions: Decisions) -> None:
        """Says that a batch is committed, on the centre's thread; costs nothing where it tells nobody anything."""
        self._acknowledged += decisions.acknowledged
        if decisions.tellings or decisions.acknowledged:
            self._wake.ring()

    async def run(self) -> None:
        """Tells people until cancelled; what is under way then is taken up by the next life."""
        try:
            async with trio.open_nursery() as nursery:
                while True:
                    began_s = trio.current_time()
                    async with self._looking:
                        pause_s = await self._round(nursery)
                    # In a storm every commit rings, and what a look costs is taken from the thread that decides.
                    await trio.sleep(min(REST_MAX_S, REST_TIMES * (trio.current_time() - began_s)))
                    await self._wake.wait(pause_s)
        finally:
            with trio.CancelScope(shield=True):
                await on_host(self.post.close())

    async def finish(self, timeout_s: float) -> None:
        """Begins nothing more and waits, at most so long, for what is under way: a message that is cut off is in doubt."""
        with trio.move_on_after(timeout_s):
            async with self._looking:
                self._finishing = True
            while any(self._under_way.values()):
                await self._try_ended.wait()

    async def _round(self, nursery: trio.Nursery) -> float:
        """One look at the outbox; returns how long to sleep at most, in seconds."""
        if self._finishing:
            return IDLE_S
        room = {channel: limits.SENDS_AT_ONCE - count for channel, count in self._under_way.items()}
        try:
            while self._acknowledged:
                known = self._acknowledged[0]
                await on_host(self.post.cancel(known.prefix, known.at_us))
                del self._acknowledged[0]
            claimed, due_us = await on_host(self.post.prepare(room))
            if trio.current_time() >= self._measured_s + MEASURE_S:
                self._measured_s = trio.current_time()
                await on_host(self.post.measure())
        except StorageError as error:
            _log.warning("outbox not read", reason=str(error))
            return FAILED_S
        except Exception:
            _log.exception("outbox not read")
            return FAILED_S
        for one in claimed:
            self._under_way[one.channel] += 1
            nursery.start_soon(self._deliver, one)
        if due_us is None:
            return IDLE_S
        until_s = (due_us - self._now_us()) / SECOND_US
        if until_s > 0:
            return min(until_s, IDLE_S)
        return 0.0 if claimed else FULL_S

    async def _deliver(self, claimed: Claimed) -> None:
        try:
            await on_host(self.post.deliver(claimed))
        except Exception:
            # Its lease ends, and then it is taken up again.
            _log.exception("a message has failed", key=claimed.telling.key, channel=claimed.channel.value)
        finally:
            self._under_way[claimed.channel] -= 1
            self._try_ended.set()
            self._try_ended = trio.Event()
        # Room for another one, and perhaps the person's next channel is due now.
        self._wake.ring()
