"""The states of an ingest session, what moves it between them, its bounds, and the instructions it gives.

Place in the flow: vocabulary of `session.py` (which decides) and `connection.py` (which carries out). The table and the diagram
in `PROTOCOL.md` are written from `MOVES`.
"""

from __future__ import annotations

from enum import Enum, Flag, auto
from typing import Final

import msgspec

from core import limits
from core.events import Chunk
from protocols.ingest.message import GoodbyeReason, Hello


class SessionState(Enum):
    """Where a connection is in its life."""

    AWAITING_HELLO = "awaiting_hello"
    STREAMING = "streaming"
    DRAINING = "draining"
    """Nothing more is taken; what was taken is still being committed and acknowledged."""
    CLOSED = "closed"


class Happening(Enum):
    """What moves a session from one state to another."""

    WELCOMED = "welcomed"
    """The centre knows the source and has answered its hello."""
    REFUSED = "refused"
    """The centre turns the connection away, or the source broke the protocol, was silent too long, or is superseded."""
    SOURCE_LEFT = "source_left"
    """The source said goodbye or closed its sending half."""
    CENTRE_DRAINS = "centre_drains"
    """The centre shuts down."""
    ALL_COMMITTED = "all_committed"
    """Everything that was taken is committed and acknowledged."""
    DISCONNECTED = "disconnected"
    """The connection is gone."""


MOVES: Final[dict[SessionState, dict[Happening, SessionState]]] = {
    SessionState.AWAITING_HELLO: {
        Happening.WELCOMED: SessionState.STREAMING,
        Happening.REFUSED: SessionState.CLOSED,
        Happening.SOURCE_LEFT: SessionState.CLOSED,
        Happening.CENTRE_DRAINS: SessionState.CLOSED,
        Happening.DISCONNECTED: SessionState.CLOSED,
    },
    SessionState.STREAMING: {
        Happening.REFUSED: SessionState.CLOSED,
        Happening.SOURCE_LEFT: SessionState.DRAINING,
        Happening.CENTRE_DRAINS: SessionState.DRAINING,
        Happening.DISCONNECTED: SessionState.CLOSED,
    },
    SessionState.DRAINING: {
        Happening.REFUSED: SessionState.CLOSED,
        Happening.ALL_COMMITTED: SessionState.CLOSED,
        Happening.DISCONNECTED: SessionState.CLOSED,
    },
    SessionState.CLOSED: {},
}
"""State → what may happen in it → next state. CLOSED is final."""


class Hold(Flag):
    """Why a connection is not read at the moment."""

    WINDOW = auto()
    """Too much of the source is taken and not committed."""
    RATE = auto()
    """The source is ahead of its rate."""
    INLET = auto()
    """The centre's inlet is full."""
    WRITE = auto()
    """The source does not read what the centre sends."""


class SessionLimits(msgspec.Struct, frozen=True):
    """The bounds of a session; the defaults are `core.limits`."""

    frame_max_bytes: int = limits.FRAME_MAX_BYTES
    hello_max_bytes: int = limits.HELLO_MAX_BYTES
    hello_timeout_s: float = limits.HELLO_TIMEOUT_S
    idle_timeout_s: float = limits.IDLE_TIMEOUT_S
    window_events: int = limits.WINDOW_EVENTS
    window_bytes: int = limits.WINDOW_BYTES
    malformed_run_max: int = limits.MALFORMED_RUN_MAX
    events_per_s: float | None = None
    """Lasting rate of one source; a second's worth may come at once. None: no bound but the window."""


class Send(msgspec.Struct, frozen=True):
    """Write these bytes to the source."""

    data: bytes


class Offer(msgspec.Struct, frozen=True):
    """Give this chunk to the inlet."""

    chunk: Chunk


class Greet(msgspec.Struct, frozen=True):
    """Decide on this hello and call `welcome` or `refuse`."""

    hello: Hello


class PauseReading(msgspec.Struct, frozen=True):
    """Stop reading the connection."""


class ResumeReading(msgspec.Struct, frozen=True):
    """Read the connection again."""


class Close(msgspec.Struct, frozen=True):
    """Close the connection once everything sent is out, or at once."""

    reason: GoodbyeReason
    at_once: bool = False


Instruction = Send | Offer | Greet | PauseReading | ResumeReading | Close
