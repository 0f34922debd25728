"""What dispatch clients and the centre say to each other, as typed and validated structs: one JSON object a WebSocket message.

Place in the flow: publish (the last stage), and the way in for commands. The struct's tag is the `kind` field on the wire;
fields that a peer does not know are ignored, so both sides can add some. `PROTOCOL.md` tells the same to authors of clients.
Requirements: OCC-4, CITY-10, CITY-12, CITY-16.
"""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from core import limits
from core.commands import AnyCommand, Priority
from core.context import Context
from core.decisions import Notice, PositionRow
from core.events import Key, Latitude, Longitude, OptionalKey

PROTOCOL: Final = "jedel-dispatch/1"
PATH: Final = "/dispatch/v1"

Territory = Annotated[str, Meta(max_length=200)]
Cursor = Annotated[int, Meta(ge=0, le=2**62)]


class ErrorCode(Enum):
    """Why a message was refused. An error never ends the stream by itself."""

    MALFORMED = "malformed"
    """Not one JSON object in UTF-8."""
    UNKNOWN_KIND = "unknown_kind"
    INVALID_FIELD = "invalid_field"
    UNEXPECTED = "unexpected"
    """A known message that is out of place in the session's state."""
    DUPLICATE_SUBSCRIPTION = "duplicate_subscription"
    UNKNOWN_SUBSCRIPTION = "unknown_subscription"
    TOO_MANY_SUBSCRIPTIONS = "too_many_subscriptions"
    TOO_MANY_COMMANDS = "too_many_commands"
    FORBIDDEN = "forbidden"
    """The client's role, crew or territory does not allow it."""


class GoodbyeReason(Enum):
    """Why a connection ends."""

    BYE = "bye"
    """The client said goodbye first."""
    HELLO_EXPECTED = "hello_expected"
    """The first message was not a valid hello."""
    HELLO_TIMEOUT = "hello_timeout"
    UNSUPPORTED_PROTOCOL = "unsupported_protocol"
    UNAUTHORIZED = "unauthorized"
    IDLE = "idle"
    """Nothing was heard from the client for the idle timeout."""
    TOO_SLOW = "too_slow"
    """The client did not take what was sent to it. It may come back and resume."""
    TOO_MANY_ERRORS = "too_many_errors"
    MESSAGE_TOO_LARGE = "message_too_large"
    SHUTDOWN = "shutdown"
    """The centre drains. The client comes back later and resumes."""


class ContextReason(Enum):
    """Why a client was told no context."""

    UNKNOWN_INCIDENT = "unknown_incident"
    """There is none of that number, it was merged into another one, or it is no longer kept."""
    FORBIDDEN = "forbidden"
    """It lies outside the client's territory, and the client's crew is not on it."""
    TOO_MANY = "too_many"
    """The client asks faster than it may, or too many clients wait: ask again later."""
    UNAVAILABLE = "unavailable"
    """The centre cannot look into the past now: ask again later."""


FATAL: Final = frozenset(
    {
        GoodbyeReason.HELLO_EXPECTED,
        GoodbyeReason.UNSUPPORTED_PROTOCOL,
        GoodbyeReason.UNAUTHORIZED,
        GoodbyeReason.TOO_MANY_ERRORS,
        GoodbyeReason.MESSAGE_TOO_LARGE,
    }
)
"""Reasons after which coming back with the same words ends the same way."""


class Message(msgspec.Struct, tag_field="kind", kw_only=True, frozen=True, omit_defaults=True):
    """One WebSocket text message."""


class Hello(Message, tag="hello", kw_only=True, frozen=True):
    """The client's first message."""

    protocol: Key
    token: Annotated[str, Meta(max_length=4096)]
    client: OptionalKey = ""
    """Name of the client program, for the log."""
    version: OptionalKey = ""


class Filter(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """Which incidents and crews a subscription is about: every field given must hold; of a list, any one item."""

    territories: Annotated[tuple[Territory, ...], Meta(min_length=1, max_length=limits.FILTER_ITEMS)] | None = None
    """Each with everything below it in the vertical."""
    box: tuple[Longitude, Latitude, Longitude, Latitude] | None = None
    """West, south, east, north in degrees; west greater than east crosses the antimeridian."""
    categories: Annotated[tuple[Key, ...], Meta(min_length=1, max_length=limits.FILTER_ITEMS)] | None = None
    crews: Annotated[tuple[Key, ...], Meta(min_length=1, max_length=limits.FILTER_ITEMS)] | None = None
    own: bool = False
    """The client's own crew and the incidents it is on, wherever they are."""
    priorities: Priority | None = None
    """Incidents of priority 1 (the most urgent) up to this one."""


class Subscribe(Message, tag="subscribe", kw_only=True, frozen=True):
    """Asks for a snapshot and then changes, or with a `cursor` for what has changed since it."""

    id: Key
    filter: Filter = Filter()
    positions: bool = False
    max_per_s: Annotated[float, Meta(ge=0.01, le=1000.0)] | None = None
    """At most so many messages of changes a second; what happens in between is conflated."""
    cursor: Cursor | None = None


class Unsubscribe(Message, tag="unsubscribe", kw_only=True, frozen=True):
    """Ends a subscription; its id may be used again."""

    id: Key


class CommandMessage(Message, tag="command", kw_only=True, frozen=True):
    """A command of the dispatcher or of the crew (`core.commands`)."""

    body: AnyCommand


class AskContext(Message, tag="context", kw_only=True, frozen=True):
    """Asks what happened before an incident: at its address, from its numbers, near it, on its road (CITY-11)."""

    incident: Annotated[int, Meta(ge=1, le=2**62)]


class Heartbeat(Message, tag="heartbeat", kw_only=True, frozen=True):
    """Sent by both sides when they have nothing else to say; the centre tells its time."""

    now_us: int = 0


class Goodbye(Message, tag="goodbye", kw_only=True, frozen=True):
    """The last message of either side."""

    reason: str = ""
    text: str = ""


ClientMessage = Hello | Subscribe | Unsubscribe | CommandMessage | AskContext | Heartbeat | Goodbye


class Limits(msgspec.Struct, kw_only=True, frozen=True):
    """What the centre holds a client to."""

    message_max_bytes: int
    """Longest message the client may send."""
    subscriptions: int
    commands: int
    idle_timeout_s: float
    """The client says something, if only a heartbeat, more often than this."""


class Welcome(Message, tag="welcome", kw_only=True, frozen=True, omit_defaults=False):
    """The hello was accepted."""

    session: int
    cursor: int
    """Number of the last committed batch."""
    now_us: int
    """The centre's clock: UTC microseconds since 1970."""
    operator: str
    role: str
    territory: str
    crew: str
    limits: Limits


class Snapshot(Message, tag="snapshot", kw_only=True, frozen=True):
    """One part of everything that matches now. `reset` stands in the first part: forget what you hold of this subscription."""

    subscription: str
    cursor: int
    """Valid once `more` is absent or false."""
    reset: bool = False
    incidents: tuple[msgspec.Raw, ...] = ()
    crews: tuple[msgspec.Raw, ...] = ()
    positions: tuple[PositionRow, ...] = ()
    more: bool = False


class Changes(Message, tag="changes", kw_only=True, frozen=True):
    """Newest state of what has changed. Put `incidents` in, then take `removed` out; the same for crews."""

    subscription: str
    cursor: int
    incidents: tuple[msgspec.Raw, ...] = ()
    removed: tuple[int, ...] = ()
    """Incidents that no longer match or are closed; a closed one stands in `incidents` too, with its final view."""
    crews: tuple[msgspec.Raw, ...] = ()
    removed_crews: tuple[str, ...] = ()
    positions: tuple[PositionRow, ...] = ()
    notices: tuple[Notice, ...] = ()
    more: bool = False


class Answer(Message, tag="answer", kw_only=True, frozen=True, omit_defaults=False):
    """What became of a command, after its commit."""

    command_id: str
    done: bool
    incident: int | None
    reason: str
    text: str


class ContextAnswer(Message, tag="context", kw_only=True, frozen=True, omit_defaults=False):
    """The context of an incident, or why not: `reason` is empty, or a `ContextReason`."""

    incident: int
    reason: str
    context: Context | None


class Error(Message, tag="error", kw_only=True, frozen=True, omit_defaults=False):
    """A message was refused. `ref` is the subscription's or the command's id, `""` where none could be read."""

    ref: str
    code: ErrorCode
    field: str
    """Path of the offending field in JSONPath's spelling, `$` for the whole message."""
    text: str


CentreMessage = Welcome | Snapshot | Changes | Answer | ContextAnswer | Error | Heartbeat | Goodbye
