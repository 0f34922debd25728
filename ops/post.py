"""Has what stands in the outbox sent: looks for the people, writes the words, hands them to a channel, records the outcome.

Place in the flow: after the commit, on the host loop; `ops.telling` says when. Rules:
- Every step is recorded before the next one is taken (`storage.outbox`), so that a process that is killed anywhere leaves
  something another one can go on from.
- Nothing of a message is logged but its key, channel and fault: not who it goes to, and none of its words.
- A fault of our own costs one message, never the centre.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import structlog

from adapters.channels.channel import Message, Sender, SendError
from adapters.messages.writer import MessageWriter, language_of
from core import limits
from core.delivery import DeliveryFault, DeliveryState
from core.informing import EXPIRES_US
from core.instant import SECOND_US, Micros
from core.people import Found, People
from core.people_file import PeopleError, load_people
from core.telling import Channel, Telling
from storage.errors import StorageError
from storage.outbox import Claimed, Outbox, Settled

SETTLE_PAUSE_S: Final = 1.0
"""Between tries to record an outcome with the database away; when the lease ends, it is in doubt like any other."""
MINUTE_US: Final = 60 * SECOND_US
SENT: Final = DeliveryState.SENT.value
NOBODY_LOGGED: Final = 10
"""Tellings for which nobody was found that one round names in the log; all of them stand in the outbox."""

_log = structlog.get_logger("telling")


class NotOursError(Exception):
    """Another process has taken a try over: it must not be handed over here."""


class PeopleOfFile:
    """The people of a file, read again when the file changes, so that tomorrow's duty needs no restart.

    Args:
        path: the file; None for a centre that has nobody.

    Raises:
        PeopleError: it is absent or wrong. Later, a file that has become wrong leaves the people as they were, and is logged.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._stamp = self._look()
        self._people = People() if path is None else load_people(path)

    @property
    def has_file(self) -> bool:
        """Whether the centre has any file of people."""
        return self._path is not None

    def now(self) -> People:
        """The people, as the file has them now."""
        if self._path is not None and (stamp := self._look()) != self._stamp:
            self._stamp = stamp
            try:
                self._people = load_people(self._path)
                _log.info("people read", count=len(self._people))
            except PeopleError as error:
                _log.error("people not read", reason="; ".join(error.lines), consequence="the people stay as they were")
        return self._people

    def _look(self) -> tuple[int, int] | None:
        if self._path is None:
            return None
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size


class Post:
    """Everything between the outbox and the channels.

    Args:
        outbox: what is to be sent.
        people: who is told.
        writer: in which words.
        senders: the channels that the centre has servers for.
        now_us: reads the clock.
    """

    def __init__(
        self,
        outbox: Outbox,
        people: PeopleOfFile,
        writer: MessageWriter,
        senders: Mapping[Channel, Sender],
        now_us: Callable[[], Micros],
    ) -> None:
        self._outbox = outbox
        self._people = people
        self._writer = writer
        self._senders = senders
        self._now_us = now_us
        self._is_first = True
        self._said_nobody = False
        self._looked: tuple[People, int] | None = None
        """The people, and the minute, with which tellings for nobody were looked at last."""
        self.outcomes: Counter[tuple[str, str]] = Counter()
        """(channel, `sent` or the fault) → tries."""
        self.unreached = 0
        """Tellings for which nobody was found."""
        self.waiting = 0
        """What waited in the outbox when it was last measured."""
        self.overdue_s = 0.0
        """How long the oldest of it had been due."""

    async def measure(self) -> None:
        """Looks how much waits. Raises `StorageError`."""
        now_us = self._now_us()
        self.waiting, oldest_us = await self._outbox.depth()
        self.overdue_s = 0.0 if oldest_us is None else max(0.0, (now_us - oldest_us) / SECOND_US)

    async def prepare(self, room: Mapping[Channel, int]) -> tuple[list[Claimed], int | None]:
        """Makes tellings into deliveries and claims what is due. Raises `StorageError`.

        Args:
            room: most tries of each channel.

        Returns:
            The tries that are ours now, and when something is to be done next, or None.
        """
        now_us = self._now_us()
        if await self._outbox.reclaim(now_us, others_are_dead=self._is_first):
            _log.warning("tries taken back", consequence="they are made again, or in doubt")
        if self._is_first:
            await self._outbox.cancel_acknowledged(Micros(now_us - EXPIRES_US), now_us)
        self._is_first = False
        await self._outbox.expire(now_us)
        people = self._people.now()
        await self._look_again(people, now_us)
        resolved = await self._outbox.resolve(now_us, lambda telling: self._who(people, telling, now_us))
        self._tell_of_nobody(resolved)
        claimed = await self._outbox.claim(now_us, room)
        # What was more than one transaction's worth follows at once.
        due_us = now_us if len(resolved) >= limits.RESOLVE_AT_ONCE else await self._outbox.next_due_us()
        return claimed, due_us

    async def deliver(self, claimed: Claimed) -> None:
        """Makes one try, and records what it came to. Raises only cancellation: then the lease says what follows."""
        try:
            settled = await self._send(claimed)
        except NotOursError:
            return
        except StorageError as error:
            # Nothing was handed over: that could not even be recorded.
            _log.warning("not handed over", key=claimed.telling.key, channel=claimed.channel.value, reason=error.reason.value)
            return
        except Exception:
            _log.exception("a message has failed", key=claimed.telling.key, channel=claimed.channel.value)
            settled = Settled(DeliveryFault.INTERNAL_FAULT, "see the log")
        self.outcomes[claimed.channel.value, SENT if settled.fault is None else settled.fault.value] += 1
        state = await self._settle(claimed, settled)
        if settled.fault is None:
            _log.debug("told", key=claimed.telling.key, channel=claimed.channel.value, tries=claimed.tries)
        if settled.fault is not None and state is not None:
            _log.warning(
                "not told",
                key=claimed.telling.key,
                channel=claimed.channel.value,
                fault=settled.fault.value,
                state=state.value,
                tries=claimed.tries,
            )

    async def cancel(self, prefix: str, until_us: Micros | None = None) -> int:
        """As `Outbox.cancel`."""
        return await self._outbox.cancel(prefix, self._now_us(), until_us)

    async def close(self) -> None:
        """Lets go of the channels' connections and of the database's."""
        for sender in self._senders.values():
            await sender.close()
        await self._outbox.close()

    async def _look_again(self, people: People, now_us: Micros) -> None:
        """Looks again for whoever was not there: with another file of people, and as duties begin and quiet hours end.

        Those are given to the minute, so once in a minute is often enough; a round comes at least twice as often.
        """
        moment = (people, now_us // MINUTE_US)
        if not self._people.has_file or moment == self._looked:
            return

        def is_anybody(to: str, territory: str, priority: int) -> bool:
            return bool(people.who(to, territory, now_us, priority).reached)

        again = await self._outbox.look_again(now_us, is_anybody)
        self._looked = moment
        if again:
            _log.info("somebody to tell", tellings=again, why="the file of people has changed, or a duty has begun")

    def _who(self, people: People, telling: Telling, now_us: Micros) -> Found:
        return people.who(telling.to, telling.territory, now_us, telling.priority)

    def _tell_of_nobody(self, resolved: list[tuple[Telling, Found]]) -> None:
        missed = [(telling, found) for telling, found in resolved if not found.reached]
        self.unreached += len(missed)
        if missed and not self._people.has_file:
            # Nobody expects to be told: that is said once, and the rows say it of each telling.
            if not self._said_nobody:
                self._said_nobody = True
                _log.warning(
                    "nobody to tell", why="no file of people is configured", consequence="dispatch clients alone are told"
                )
            return
        for telling, found in missed[:NOBODY_LOGGED]:
            reasons = sorted({each.reason.value for each in found.passed_over})
            _log.error("nobody to tell", key=telling.key, to=telling.to, territory=telling.territory, reasons=reasons)
        if len(missed) > NOBODY_LOGGED:
            _log.error("nobody to tell", more=len(missed) - NOBODY_LOGGED, see="jedel outbox show --failed")

    async def _send(self, claimed: Claimed) -> Settled:
        sender = self._senders.get(claimed.channel)
        if sender is None:
            return Settled(DeliveryFault.NOT_CONFIGURED, "section channels of the configuration names no server")
        person = self._people.now().get(claimed.person)
        way = next((each for each in person.ways if each.channel is claimed.channel), None) if person is not None else None
        if person is None or way is None:
            return Settled(DeliveryFault.NO_ADDRESS, "not in the file of people any more")
        written = self._writer.write(claimed.telling, language_of(person))
        message = Message(
            message_id=claimed.message_id,
            telling=claimed.telling,
            person=person.person_id,
            language=written.language,
            subject=written.subject,
            text=written.text,
            short=written.short,
        )

        async def hand() -> None:
            if not await self._outbox.hand(claimed):
                raise NotOursError

        try:
            return Settled(None, receipt=await sender.send(way.address, message, hand))
        except SendError as error:
            return Settled(error.fault, error.detail)

    async def _settle(self, claimed: Claimed, settled: Settled) -> DeliveryState | None:
        until_us = self._now_us() + limits.SEND_LEASE_US
        while True:
            try:
                return await self._outbox.settle(claimed, settled, self._now_us())
            except StorageError as error:
                if self._now_us() + SETTLE_PAUSE_S * SECOND_US >= until_us:
                    _log.error("an outcome is lost", key=claimed.telling.key, reason=str(error), consequence="it is in doubt")
                    return None
            await asyncio.sleep(SETTLE_PAUSE_S)
