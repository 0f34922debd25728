"""The centre's side of the dispatch clients: the real sessions and publisher over simulated channels.

Does what `protocols.dispatch.listener` does with sockets: after a commit it publishes, then answers the commands; a client that
does not take its messages is given no more until it does, and its changes conflate meanwhile.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from core.decisions import CommandAnswer, Decisions
from protocols.dispatch.codec import encode, text_of
from protocols.dispatch.message import Goodbye, Limits
from protocols.dispatch.session import Give, Instruction, Leave, Say, Session, Watch
from protocols.dispatch.subscription import Client, Subscription
from tests.simulation.network import Channel

if TYPE_CHECKING:
    from tests.simulation.process import Life
    from tests.simulation.world import World

SLOW_MESSAGES: Final = 4
ALLOWED: Final = Limits(message_max_bytes=65_536, subscriptions=4, commands=32, idle_timeout_s=60.0)
_RETRY_US: Final = 50_000


class Desk:
    """All dispatch connections of one life."""

    def __init__(self, world: World, life: Life) -> None:
        self._world = world
        self._life = life
        self._sessions: dict[int, tuple[Session, Channel]] = {}
        self._asked: dict[str, list[int]] = {}
        self._last_session = 0
        self._retried: set[int] = set()
        """Ids of the subscriptions, as objects, that are looked at again by themselves."""

    def connect(self, channel: Channel) -> None:
        """A client's connection reaches this process."""
        self._last_session += 1
        number = self._last_session
        session = Session(number, self._life.publisher, self._world.client_of, now_us=self._life.now_us, allowed=ALLOWED)
        self._sessions[number] = (session, channel)
        channel.to_centre = lambda payload: self._heard(number, payload)
        channel.lost_by_centre = lambda: self._forget(number)

    def committed(self, decisions: Decisions) -> None:
        """A batch is committed: publishes it and answers its commands."""
        for audience in self._life.publisher.publish(decisions):
            for subscription in list(audience.members):
                self.flush(subscription)
        for answer in decisions.commands:
            self.answer(answer)

    def answer(self, answer: CommandAnswer) -> None:
        """Tells every session that has asked what became of a command."""
        for number in self._asked.pop(answer.command_id, ()):
            known = self._sessions.get(number)
            if known is not None:
                session, channel = known
                channel.tell(text_of(session.answered(answer)))

    def flush(self, subscription: Subscription) -> None:
        """Gives a subscription what is pending, while its client takes it."""
        known = self._sessions.get(subscription.session)
        if known is None or not self._life.alive:
            return
        session, channel = known
        if subscription.lapsed:
            self._leave(subscription.session, "too_slow")
            return
        while session.subscriptions.get(subscription.id) is subscription and subscription.pending:
            if channel.under_way >= SLOW_MESSAGES:
                self._try_later(subscription)
                return
            frame = self._life.publisher.take(subscription)
            if frame is not None:
                self._world.checks.published(self._life, subscription, text_of(frame))
                channel.tell(text_of(frame))

    def _try_later(self, subscription: Subscription) -> None:
        if id(subscription) not in self._retried:
            self._retried.add(id(subscription))
            self._world.agenda.after(_RETRY_US, partial(self._try_again, subscription))

    def _try_again(self, subscription: Subscription) -> None:
        self._retried.discard(id(subscription))
        self.flush(subscription)

    def beat(self) -> None:
        """Moves the cursors of clients that have nothing to be told."""
        for session, channel in self._sessions.values():
            for subscription in session.subscriptions.values():
                frame = self._life.publisher.beat(subscription)
                if frame is not None:
                    channel.tell(text_of(frame))

    def die(self) -> None:
        """The process dies."""
        for _, channel in self._sessions.values():
            channel.lost_by_centre = _nothing
            channel.cut()
        self._sessions.clear()

    @property
    def subscriptions(self) -> list[tuple[Client, Subscription]]:
        """Every open subscription and whose it is."""
        return [
            (session.client, subscription)
            for session, _ in self._sessions.values()
            for subscription in session.subscriptions.values()
            if session.client is not None
        ]

    def _heard(self, number: int, payload: bytes) -> None:
        known = self._sessions.get(number)
        if known is not None and self._life.alive:
            for instruction in known[0].receive(payload):
                self._obey(number, instruction)

    def _obey(self, number: int, instruction: Instruction) -> None:
        session, channel = self._sessions[number]
        match instruction:
            case Say():
                channel.tell(text_of(instruction.frame))
            case Watch():
                self.flush(instruction.subscription)
            case Give():
                waiting = self._asked.setdefault(instruction.order.command.command_id, [])
                if session.session_no not in waiting:
                    waiting.append(session.session_no)
                self._life.inlet.order(instruction.order)
                self._life.wake()
            case Leave():
                self._leave(number, instruction.reason.value)

    def _leave(self, number: int, reason: str) -> None:
        _, channel = self._sessions[number]
        channel.tell(text_of(encode(Goodbye(reason=reason))))
        self._forget(number)

    def _forget(self, number: int) -> None:
        known = self._sessions.pop(number, None)
        if known is None:
            return
        session = known[0]
        for command_id in session.asked:
            waiting = self._asked.get(command_id, [])
            if number in waiting:
                waiting.remove(number)
            if not waiting:
                self._asked.pop(command_id, None)
        session.close()


def _nothing() -> None:
    return
