"""One client's session without I/O: messages in, instructions out.

Rules. The first message is a hello; anything else ends the session. After it, a refused message is answered with an error
that names the field and changes nothing else. `MOVES` is the whole state machine: what a state lacks there is refused.
Commands leave as instructions and are answered only when the centre has committed them (invariant 2).
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Final, assert_never

import msgspec

from core import limits
from core.allowance import Allowance
from core.commands import Order
from core.context import Context
from core.decisions import CommandAnswer
from protocols.dispatch import message as m
from protocols.dispatch.authority import hindrance, operator_of
from protocols.dispatch.codec import RefusedError, decode, encode
from protocols.dispatch.message import ContextReason, ErrorCode, GoodbyeReason
from protocols.dispatch.publisher import Publisher
from protocols.dispatch.subscription import Client, Subscription, sees

Authenticate = Callable[[str], Client | None]


class State(Enum):
    """Where a session is."""

    GREETING = "greeting"
    OPEN = "open"
    CLOSED = "closed"


MOVES: Final[dict[State, dict[type[m.ClientMessage], State]]] = {
    State.GREETING: {m.Hello: State.OPEN, m.Goodbye: State.CLOSED},
    State.OPEN: {
        m.Subscribe: State.OPEN,
        m.Unsubscribe: State.OPEN,
        m.CommandMessage: State.OPEN,
        m.AskContext: State.OPEN,
        m.Heartbeat: State.OPEN,
        m.Goodbye: State.CLOSED,
    },
    State.CLOSED: {},
}
"""State → message → state after it. `CLOSED` is final."""


class Say(msgspec.Struct, frozen=True):
    """Send this frame."""

    frame: bytearray


class Watch(msgspec.Struct, frozen=True):
    """A subscription is open: begin to send what it is to be told."""

    subscription: Subscription


class Give(msgspec.Struct, frozen=True):
    """Hand this order to the centre; its answer comes back to `Session.answered`."""

    order: Order


class Look(msgspec.Struct, frozen=True):
    """Ask for the context of this incident; what comes of it goes to `Session.looked`."""

    incident: int


class Leave(msgspec.Struct, frozen=True):
    """Say goodbye with this reason and close the connection."""

    reason: GoodbyeReason
    text: str = ""


Instruction = Say | Watch | Give | Look | Leave


class Session:
    """State of one client's session. `session_no` is unique among the sessions of one centre's life."""

    def __init__(
        self,
        session_no: int,
        publisher: Publisher,
        authenticate: Authenticate,
        *,
        now_us: Callable[[], int],
        allowed: m.Limits,
        errors_max: int = limits.CLIENT_ERRORS,
    ) -> None:
        self.session_no = session_no
        self.state = State.GREETING
        self.client: Client | None = None
        self.program = ""
        """Name and version of the client program, as its hello says."""
        self.subscriptions: dict[str, Subscription] = {}
        self.asked: set[str] = set()
        """Ids of commands that wait for their answer."""
        self.looking: set[int] = set()
        """Incidents whose context is awaited."""
        self._looks = Allowance(limits.CLIENT_CONTEXTS_PER_S, limits.CLIENT_CONTEXTS)
        self._publisher = publisher
        self._authenticate = authenticate
        self._now_us = now_us
        self._allowed = allowed
        self._errors_max = errors_max
        self._errors = 0

    def receive(self, payload: bytes) -> list[Instruction]:
        """Takes the text of one WebSocket message; whatever it is, gives what to do and never raises."""
        if self.state is State.CLOSED:
            return []
        try:
            message = decode(payload)
            after = MOVES[self.state].get(type(message))
            if after is None:
                text = f"{message.__struct_config__.tag} is out of place in state {self.state.value}"
                raise RefusedError(ErrorCode.UNEXPECTED, "$.kind", text)
            # Nothing that moves the state can be refused from here on.
            self.state = after
            instructions = self._obey(message)
        except RefusedError as refused:
            return self._refuse(refused)
        self._errors = 0
        return instructions

    def refuse(self, code: ErrorCode, text: str) -> list[Instruction]:
        """Answers a WebSocket message that is no text."""
        return self._refuse(RefusedError(code, "$", text))

    def answered(self, answer: CommandAnswer) -> bytearray:
        """The frame that tells what became of a command."""
        self.asked.discard(answer.command_id)
        return encode(
            m.Answer(
                command_id=answer.command_id,
                done=answer.done,
                incident=answer.incident_id,
                reason=answer.reason,
                text=answer.text,
            )
        )

    def overloaded(self, command_id: str) -> bytearray:
        """The frame that refuses a command for which the centre has no room now."""
        self.asked.discard(command_id)
        text = "too many commands wait for their answers at this centre; send it again later"
        return encode(m.Error(ref=command_id, code=ErrorCode.TOO_MANY_COMMANDS, field="$.body.command_id", text=text))

    def looked(self, incident: int, found: Context | ContextReason) -> bytearray:
        """The frame that tells the context of an incident, or why not.

        Args:
            incident: the one that was asked for.
            found: its context as far as the client may see it, or why there is none.
        """
        self.looking.discard(incident)
        if isinstance(found, ContextReason):
            return encode(m.ContextAnswer(incident=incident, reason=found.value, context=None))
        if not self._sees(incident, found.territory):
            return encode(m.ContextAnswer(incident=incident, reason=ContextReason.FORBIDDEN.value, context=None))
        return encode(m.ContextAnswer(incident=incident, reason="", context=found))

    def close(self) -> None:
        """The connection is gone or going: everything it held is let go."""
        self.state = State.CLOSED
        for subscription in self.subscriptions.values():
            self._publisher.unsubscribe(subscription)
        self.subscriptions.clear()

    def _refuse(self, refused: RefusedError) -> list[Instruction]:
        error = m.Error(ref=refused.ref, code=refused.code, field=refused.field, text=refused.text)
        said = Say(encode(error))
        if refused.code is not ErrorCode.TOO_MANY_COMMANDS:
            # Who asks more than is answered just now, while the database stands still say, speaks the protocol as it should.
            self._errors += 1
        if self.state is State.GREETING:
            return [said, self._leave(GoodbyeReason.HELLO_EXPECTED)]
        if self._errors >= self._errors_max:
            return [said, self._leave(GoodbyeReason.TOO_MANY_ERRORS)]
        return [said]

    def _leave(self, reason: GoodbyeReason, text: str = "") -> Leave:
        self.close()
        return Leave(reason, text)

    def _obey(self, message: m.ClientMessage) -> list[Instruction]:
        match message:
            case m.Hello():
                return self._greet(message)
            case m.Subscribe():
                return self._subscribe(message)
            case m.Unsubscribe():
                subscription = self.subscriptions.pop(message.id, None)
                if subscription is None:
                    raise RefusedError(ErrorCode.UNKNOWN_SUBSCRIPTION, "$.id", "no such subscription", message.id)
                self._publisher.unsubscribe(subscription)
                return []
            case m.CommandMessage():
                return self._command(message)
            case m.AskContext():
                return self._look(message.incident)
            case m.Heartbeat():
                return []
            case m.Goodbye():
                return [self._leave(GoodbyeReason.BYE)]
            case _:
                assert_never(message)

    def _greet(self, hello: m.Hello) -> list[Instruction]:
        if hello.protocol != m.PROTOCOL:
            return [self._leave(GoodbyeReason.UNSUPPORTED_PROTOCOL, f"this centre speaks {m.PROTOCOL}")]
        client = self._authenticate(hello.token)
        if client is None:
            return [self._leave(GoodbyeReason.UNAUTHORIZED, "the token is not one of a client's")]
        self.client = client
        self.program = f"{hello.client} {hello.version}".strip()
        welcome = m.Welcome(
            session=self.session_no,
            cursor=self._publisher.batch_no,
            now_us=self._now_us(),
            operator=client.operator,
            role=client.role,
            territory=client.territory,
            crew=client.crew,
            limits=self._allowed,
        )
        return [Say(encode(welcome))]

    def _subscribe(self, request: m.Subscribe) -> list[Instruction]:
        assert self.client is not None
        if request.id in self.subscriptions:
            raise RefusedError(ErrorCode.DUPLICATE_SUBSCRIPTION, "$.id", "unsubscribe it first", request.id)
        if len(self.subscriptions) >= self._allowed.subscriptions:
            text = f"at most {self._allowed.subscriptions} at a time"
            raise RefusedError(ErrorCode.TOO_MANY_SUBSCRIPTIONS, "$.id", text, request.id)
        subscription = self._publisher.subscribe(self.session_no, self.client, request)
        self.subscriptions[request.id] = subscription
        return [Watch(subscription)]

    def _command(self, message: m.CommandMessage) -> list[Instruction]:
        assert self.client is not None
        command = message.body
        if command.command_id in self.asked:
            # It was allowed and waits for its answer; what has changed meanwhile does not make its repetition a refusal.
            return [Give(Order(operator_of(self.client), command))]
        wrong = hindrance(self.client, command, self._publisher.incident, self._publisher.crew)
        if wrong is not None:
            raise RefusedError(ErrorCode.FORBIDDEN, *wrong, command.command_id)
        if len(self.asked) >= self._allowed.commands:
            text = f"at most {self._allowed.commands} may wait for their answers"
            raise RefusedError(ErrorCode.TOO_MANY_COMMANDS, "$.body.command_id", text, command.command_id)
        self.asked.add(command.command_id)
        return [Give(Order(operator_of(self.client), command))]

    def _look(self, incident: int) -> list[Instruction]:
        if incident in self.looking:
            return []  # answered once
        if not self._looks.take(1, self._now_us()):
            return [Say(self.looked(incident, ContextReason.TOO_MANY))]
        if not self._sees(incident, None):
            return [Say(self.looked(incident, ContextReason.FORBIDDEN))]
        self.looking.add(incident)
        return [Look(incident)]

    def _sees(self, incident: int, territory: str | None) -> bool:
        """Whether the client may know of an incident, which lies in this territory where the newest state is not known."""
        assert self.client is not None
        known = self._publisher.incident(incident)
        if known is not None:
            return sees(self.client, known.territory, known.crews)
        return territory is None or sees(self.client, territory, ())
