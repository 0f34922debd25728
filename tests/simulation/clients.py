"""Simulated dispatch clients: they subscribe, resume from their cursor, command, and command again when no answer came.

Each keeps the real `Mirror` and looks at every message as it comes: an incident's versions only rise, and an answer to a
command is the same however often it is asked for (invariant 10).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from core.commands import (
    Accept,
    Acknowledge,
    AddNote,
    AnyCommand,
    ChangePriority,
    Clear,
    Close,
    CreateIncident,
    Decline,
    EnRoute,
    Merge,
    OnScene,
    Reassign,
    SetMode,
    Split,
)
from core.incident import Incident, decode_incident
from core.instant import SECOND_US
from protocols.dispatch.codec import decode_centre, encode, text_of
from protocols.dispatch.message import (
    PROTOCOL,
    Answer,
    Changes,
    ClientMessage,
    CommandMessage,
    Error,
    Filter,
    Goodbye,
    Hello,
    Snapshot,
    Subscribe,
    Welcome,
)
from protocols.dispatch.mirror import Mirror
from tests.simulation.network import Channel
from tests.simulation.places import ADDRESSES, CREWS, SPOTS, WORDS

if TYPE_CHECKING:
    from tests.simulation.world import World

_RECONNECT_US: Final = 500_000
_RETRY_US: Final = 4 * SECOND_US
_SUBSCRIPTION: Final = "all"


class _Head(msgspec.Struct, frozen=True):
    incident_id: int
    version: int


_head: Final = msgspec.json.Decoder(_Head).decode


class DispatchClient:
    """One client over all its connections.

    Args:
        world: where it lives.
        token: whom it speaks for.
        selection: what it subscribes to.
        command_interval_us: mean time between two commands, 0 for one that only looks.
    """

    def __init__(self, world: World, token: str, selection: Filter, command_interval_us: int) -> None:
        self.world = world
        self.token = token
        self.selection = selection
        self.mirror = Mirror()
        self.unanswered: dict[str, AnyCommand] = {}
        self._refused: dict[str, AnyCommand] = {}
        self._answered: dict[str, tuple[AnyCommand, Answer]] = {}
        self._interval_us = command_interval_us
        self._channel: Channel | None = None
        self._versions: dict[int, int] = {}
        self._broken_off = False
        """Whether the last connection broke between the parts of one whole, which is then told again."""
        self._in_parts = False
        self._command_no = 0
        world.agenda.after(world.agenda.delay_us(SECOND_US), self.connect)
        if command_interval_us:
            world.agenda.after(world.agenda.delay_us(command_interval_us), self._command)

    @property
    def channel(self) -> Channel | None:
        """The present connection."""
        return self._channel

    def connect(self) -> None:
        """Opens a connection, if there is a centre and none is open."""
        if self._channel is not None:
            return
        life = self.world.reachable_life()
        if life is None:
            self.world.agenda.after(self.world.agenda.delay_us(_RECONNECT_US), self.connect)
            return
        channel = self._channel = Channel(self.world.agenda)
        channel.to_client = self._heard
        channel.lost_by_client = lambda: self._lost(channel)
        life.desk.connect(channel)
        self._broken_off, self._in_parts = self._in_parts, False
        self._say(Hello(protocol=PROTOCOL, token=self.token))
        self._say(Subscribe(id=_SUBSCRIPTION, filter=self.selection, positions=True, cursor=self.mirror.cursor))
        for command in self.unanswered.values():
            self._say(CommandMessage(body=command))

    def insist(self) -> None:
        """Commands again what is not answered."""
        for command in self.unanswered.values():
            self._say(CommandMessage(body=command))

    def stall(self, until_us: int) -> None:
        """Takes nothing before this instant."""
        if self._channel is not None:
            self._channel.stalled_until_us = until_us

    def _say(self, message: ClientMessage) -> None:
        if self._channel is not None:
            self._channel.ask(text_of(encode(message)))

    def _lost(self, channel: Channel) -> None:
        if channel is self._channel:
            self._channel = None
            self.world.agenda.after(self.world.agenda.delay_us(_RECONNECT_US), self.connect)

    def _heard(self, payload: bytes) -> None:
        message = decode_centre(payload)
        match message:
            case Snapshot() | Changes():
                self._take(message)
            case Answer():
                self._take_answer(message)
            case Error():
                # The protocol refuses it and the centre never sees it; it may have been asked again before this came.
                command = self.unanswered.pop(message.ref, None)
                if command is not None:
                    self._refused[message.ref] = command
            case Goodbye():
                channel = self._channel
                if channel is not None:
                    channel.cut()
            case Welcome():
                self.world.checks.welcomed(self, message)
            case _:
                pass

    def _take(self, message: Snapshot | Changes) -> None:
        if isinstance(message, Snapshot) and message.reset:
            self._versions.clear()
            self._broken_off = False
        for view in message.incidents:
            head = _head(view)
            last = self._versions.get(head.incident_id, 0)
            repeat = self._broken_off and head.version == last
            self.world.checks.require(
                10,
                head.version > last or repeat,
                f"{self.token} is told incident {head.incident_id} version {head.version} after {last}",
            )
            self._versions[head.incident_id] = head.version
        self._in_parts = message.more
        if not message.more:
            self._broken_off = False
        self.mirror.apply(message)
        self.mirror.take()

    def _take_answer(self, answer: Answer) -> None:
        command = self.unanswered.pop(answer.command_id, None) or self._refused.pop(answer.command_id, None)
        if command is not None:
            self._answered[answer.command_id] = (command, answer)
        known = self._answered.get(answer.command_id)
        self.world.checks.require(
            3, known is not None and known[1] == answer, f"{answer.command_id} is answered {answer}, before that {known}"
        )
        self.world.checks.answered(answer)

    def _command(self) -> None:
        world = self.world
        if world.ending:
            return
        rng = world.agenda.rng
        if self._answered and rng.random() < 0.1:
            command, _ = rng.choice(list(self._answered.values()))
            self._say(CommandMessage(body=command))
        elif len(self.unanswered) < 12:
            self._command_no += 1
            command_id = f"{self.token}-{self._command_no}"
            command = self._next(command_id)
            self.unanswered[command_id] = command
            self._say(CommandMessage(body=command))
            if rng.random() < 0.1:
                self._say(CommandMessage(body=command))
            world.agenda.after(_RETRY_US, partial(self.ask_again, command))
        world.agenda.after(world.agenda.delay_us(self._interval_us), self._command)

    def ask_again(self, command: AnyCommand) -> None:
        """Sends a command again whose answer has not come."""
        if command.command_id in self.unanswered:
            self._say(CommandMessage(body=command))

    def _next(self, command_id: str) -> AnyCommand:
        rng = self.world.agenda.rng
        if rng.random() < 0.12 or not self.mirror.incidents:
            return self._create(command_id)
        number = rng.choice(sorted(self.mirror.incidents))
        incident = decode_incident(self.mirror.incidents[number])
        if self.world.agenda.chance(self.world.faults.nonsense_share * 0.3):
            number = rng.randrange(1, 60)
        if rng.random() < 0.04:
            modes: list[Literal["daily", "heightened", "emergency"]] = ["daily", "heightened", "emergency"]
            return SetMode(command_id=command_id, mode=rng.choice(modes), ground="order 7")
        if rng.random() < 0.08:
            kinds: list[Literal["", "accept", "crew", "on_scene", "review"]] = ["", "", "accept", "crew", "on_scene", "review"]
            return Acknowledge(command_id=command_id, incident=number, term=rng.choice(kinds))
        match rng.randrange(10):
            case 0:
                return Close(command_id=command_id, incident=number, result="over")
            case 1:
                return AddNote(command_id=command_id, incident=number, words="noted")
            case 2:
                return ChangePriority(command_id=command_id, incident=number, priority=rng.randrange(1, 10))
            case 3:
                others = [other for other in sorted(self.mirror.incidents) if other != number] or [number]
                return Merge(command_id=command_id, incident=number, into=rng.choice(others))
            case 4:
                told = [joined.event for joined in incident.told]
                return Split(command_id=command_id, incident=number, events=tuple(rng.sample(told, rng.randint(1, len(told)))))
            case 5:
                return self._reassign(command_id, number, incident)
            case _:
                return self._report(command_id, number, incident)

    def _create(self, command_id: str) -> CreateIncident:
        rng = self.world.agenda.rng
        return CreateIncident(
            command_id=command_id,
            category=rng.choice(["", "fire", "weapon", "question", "dragon"]),
            words=rng.choice(WORDS),
            place=rng.choice([None, *SPOTS]),
            address=rng.choice(["", *ADDRESSES]),
            phone=rng.choice(["", "+77010000001"]),
            priority=rng.choice([None, 1, 9]),
        )

    def _reassign(self, command_id: str, number: int, incident: Incident) -> Reassign:
        rng = self.world.agenda.rng
        on_it = [assignment.crew for assignment in incident.assignments]
        crew = rng.choice([*on_it, ""])
        to = rng.choice(["", *(one.crew for one in CREWS)])
        whens: list[Literal["free", "next", "now"]] = ["free", "free", "next", "now"]
        return Reassign(command_id=command_id, incident=number, crew=crew, to=to, when=rng.choice(whens))

    def _report(self, command_id: str, number: int, incident: Incident) -> AnyCommand:
        rng = self.world.agenda.rng
        crews = [assignment.crew for assignment in incident.assignments[-3:]] or [rng.choice(CREWS).crew]
        kinds: list[type[Accept | EnRoute | OnScene | Clear | Decline]] = [
            Accept,
            Accept,
            EnRoute,
            OnScene,
            OnScene,
            Clear,
            Clear,
            Decline,
        ]
        kind = rng.choice(kinds)
        return kind(command_id=command_id, incident=number, crew=rng.choice(crews))
