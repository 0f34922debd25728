"""What the two ends of an ingest connection say to each other besides events, as typed structs (ingest protocol v1).

Place in the flow: bytes → **frame → message** → event. A struct's tag is the `kind` field on the wire. Events themselves are
`core.events`: they travel in the same stream from the source to the centre and are told apart by the same field.

Rules: a field unknown to a reader is ignored, so both ends may add fields; a reason or code is never renamed, only added.
The protocol byte by byte is in `PROTOCOL.md`, whose tables `document.py` writes from this module and from `session.py`.
Requirements: CITY-1, CITY-2.
"""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from core.events import AnyEvent, Seq
from core.vocabulary import RejectCode

PROTOCOL: Final = "jedel-ingest/1"
WEBSOCKET_PATH: Final = "/ingest/v1"


SourceName = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[^/\x00-\x1f\x7f]+\Z")]
"""A source's name. Without a slash, because `SOURCE/SEQ` and `SOURCE/CALL_ID` are what its events and calls are known by, and
without control characters, because PostgreSQL cannot keep a NUL and two names must not look the same in a log."""


class Framing(Enum):
    """How frames follow one another after the hello; the source chooses."""

    NDJSON = "ndjson"
    MSGPACK = "msgpack"


class GoodbyeReason(Enum):
    """Why the centre closes a connection. The same word is the counter's label."""

    BAD_HELLO = "bad_hello"
    """The first line is not a valid hello."""
    UNSUPPORTED_PROTOCOL = "unsupported_protocol"
    """The hello names a protocol other than this one."""
    UNAUTHORIZED = "unauthorized"
    """The token is not one of this source's."""
    HELLO_TIMEOUT = "hello_timeout"
    """No hello came in time."""
    HALF_OPEN_LIMIT = "half_open_limit"
    """Too many connections are waiting for their hello; the one that waited longest goes."""
    TOO_MANY_CONNECTIONS = "too_many_connections"
    """The centre holds as many connections as it may."""
    SUPERSEDED = "superseded"
    """The same source has said hello on a newer connection."""
    SEQ_GAP = "seq_gap"
    """An event's seq skips some; `expected_seq` says from where to send again."""
    FRAME_TOO_LARGE = "frame_too_large"
    """A frame is longer than `frame_max_bytes`."""
    TOO_MANY_MALFORMED = "too_many_malformed"
    """So many malformed frames followed one another that the peer does not speak this protocol."""
    IDLE_TIMEOUT = "idle_timeout"
    """Nothing came for `idle_timeout_s`, not even a heartbeat."""
    NOT_READING = "not_reading"
    """The source has not read what the centre sends; the connection is cut without a goodbye."""
    DRAINING = "draining"
    """The centre is shutting down; everything it took is committed and acknowledged."""
    FINISHED = "finished"
    """The source said goodbye, and everything it sent is committed and acknowledged."""


class Hello(msgspec.Struct, tag_field="kind", tag="hello", kw_only=True, frozen=True):
    """The first line of a connection, always JSON: who speaks, by what right, and in which framing it will go on."""

    protocol: str
    token: str
    source: SourceName
    version: Annotated[str, Meta(max_length=128)] = ""
    """The source's own product and version, for the centre's operators."""
    framing: Framing = Framing.NDJSON
    first_seq: Seq | None = None
    """The first seq the source can still send. Later than `committed_seq + 1`, it declares those between as lost."""


class WelcomeLimits(msgspec.Struct, frozen=True):
    """What a source must keep to, told in the welcome."""

    frame_max_bytes: int
    window_events: int
    window_bytes: int
    idle_timeout_s: float
    events_per_s: float | None


class Welcome(msgspec.Struct, tag_field="kind", tag="welcome", kw_only=True, frozen=True):
    """The answer to a hello. The source goes on from `committed_seq + 1`."""

    protocol: str
    session: str
    committed_seq: int
    limits: WelcomeLimits


class Ack(msgspec.Struct, tag_field="kind", tag="ack", frozen=True, gc=False):
    """Every event up to and including `seq` is committed, or was answered with an error."""

    seq: int


class EventError(msgspec.Struct, tag_field="kind", tag="error", kw_only=True, frozen=True, gc=False):
    """One event was not accepted; the stream goes on. Sent right before the ack that covers it."""

    seq: int | None
    """None where no seq could be read."""
    code: RejectCode
    field: str
    text: str


class Heartbeat(msgspec.Struct, tag_field="kind", tag="heartbeat", frozen=True, gc=False):
    """Nothing to say, but alive."""


class SourceGoodbye(msgspec.Struct, tag_field="kind", tag="goodbye", kw_only=True, frozen=True):
    """The source sends nothing more and waits for its last acknowledgements."""

    reason: str = ""
    text: str = ""


class Goodbye(msgspec.Struct, tag_field="kind", tag="goodbye", kw_only=True, frozen=True, omit_defaults=True):
    """The centre's last frame of a connection."""

    reason: GoodbyeReason
    text: str
    expected_seq: int | None = None


FromSource = AnyEvent | Heartbeat | SourceGoodbye
"""Everything a source may send after its hello."""
FromCentre = Welcome | Ack | EventError | Heartbeat | Goodbye
"""Everything the centre may send."""
CONTROL: Final[frozenset[type]] = frozenset({Heartbeat, SourceGoodbye})
"""Frames of a source that are not events and have no seq."""
