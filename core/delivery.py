"""One message to one person by one channel: where it stands, when it is tried again, what follows from a doubt (CITY-5).

Place in the flow: after the commit. Pure: rows of `delivery` are moved by `storage.outbox` as this says. Rules:
- Before a channel hands its message over it says so, and that is recorded (`handed`). A try that died before then has told
  nobody and is simply made again; one that died afterwards may have told somebody: it is in doubt.
- What is in doubt is told again where that does no harm. A webhook's receiver knows the message id (`Idempotency-Key`), and so
  does mail (`Message-ID`): at least once, and the receiver can see that it is the same. SMS has no such thing: an urgent one is
  sent again, for to be told twice is better than not at all; another one stays `unknown`, at most once, and the person's next
  channel takes over.
- A person's channels are tried in their order. The next one is `held` until the one before has failed, is in doubt, or has
  been tried `limits.TRIES_BEFORE_NEXT` times; the first that succeeds ends the others.
"""

from __future__ import annotations

import hashlib
from typing import Final

from core import limits
from core.telling import Channel
from core.vocabulary import Word


class DeliveryState(Word):
    """Where a delivery is; the moves are `MOVES`."""

    HELD = "held"
    """Waits for the channel before it to fail."""
    WAITING = "waiting"
    """Is sent when it is due."""
    SENDING = "sending"
    """A process is at it, until its lease ends."""
    SENT = "sent"
    """The channel's server has taken it."""
    FAILED = "failed"
    """Will not go through: `DeliveryFault` says why."""
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    """Need not be told any more, or was told by another channel."""
    UNKNOWN = "unknown"
    """Handed over, and nobody knows whether it arrived; not sent again."""


MOVES: Final[dict[DeliveryState, frozenset[DeliveryState]]] = {
    DeliveryState.HELD: frozenset({DeliveryState.WAITING, DeliveryState.EXPIRED, DeliveryState.CANCELLED}),
    DeliveryState.WAITING: frozenset({DeliveryState.SENDING, DeliveryState.EXPIRED, DeliveryState.CANCELLED}),
    DeliveryState.SENDING: frozenset(
        {DeliveryState.WAITING, DeliveryState.SENT, DeliveryState.FAILED, DeliveryState.EXPIRED, DeliveryState.UNKNOWN}
    ),
    DeliveryState.SENT: frozenset(),
    DeliveryState.FAILED: frozenset({DeliveryState.WAITING}),
    DeliveryState.EXPIRED: frozenset({DeliveryState.WAITING}),
    DeliveryState.CANCELLED: frozenset(),
    DeliveryState.UNKNOWN: frozenset({DeliveryState.WAITING}),
}
"""State → states that may follow. What has failed goes back to waiting only when a person says so (`jedel outbox retry`)."""


class DeliveryFault(Word):
    """Why a try came to nothing; the same word in the table, the log and the answer of `jedel outbox`."""

    UNREACHABLE = "unreachable"
    """No connection, or it broke before the message was handed over."""
    TOO_SLOW = "too_slow"
    """The server did not answer in time."""
    SERVER_BUSY = "server_busy"
    """The server asks for another try later."""
    IN_DOUBT = "in_doubt"
    """Handed over, and no answer came."""
    LOGIN_REFUSED = "login_refused"
    """The server does not take our name and password; that is set right in the configuration."""
    ADDRESS_REFUSED = "address_refused"
    """The server does not know this address."""
    MESSAGE_REFUSED = "message_refused"
    """The server does not take this message."""
    NOT_CONFIGURED = "not_configured"
    """The centre has no server for this channel."""
    NO_ADDRESS = "no_address"
    """The person has left the file of people, or the channel the person."""
    INTERNAL_FAULT = "internal_fault"
    """The centre itself failed on this message; its log has the traceback."""


PASSING: Final = frozenset({DeliveryFault.UNREACHABLE, DeliveryFault.TOO_SLOW, DeliveryFault.SERVER_BUSY})
"""Faults that may pass by themselves; after the others, but for one in doubt, nothing is tried again."""
KNOWS_REPEATS: Final = frozenset({Channel.WEBHOOK, Channel.MAIL})
"""Channels by which a receiver sees that a message is one it has had, by its id."""


def after_fault(fault: DeliveryFault, channel: Channel, priority: int, tries: int) -> DeliveryState:
    """What becomes of a delivery whose try has ended like this.

    Args:
        fault: why it came to nothing.
        channel: by which it went.
        priority: the telling's, 1 the most urgent.
        tries: made so far, this one included.
    """
    if fault is DeliveryFault.IN_DOUBT and channel not in KNOWS_REPEATS and priority > limits.SMS_TWICE_PRIORITY:
        return DeliveryState.UNKNOWN
    if fault is not DeliveryFault.IN_DOUBT and fault not in PASSING:
        return DeliveryState.FAILED
    return DeliveryState.WAITING if tries < limits.TRIES_MAX else DeliveryState.FAILED


def frees_next(state: DeliveryState, tries: int) -> bool:
    """Whether the person's next channel is to be tried, by what became of this one."""
    if state is DeliveryState.WAITING:
        return tries >= limits.TRIES_BEFORE_NEXT
    return state in (DeliveryState.FAILED, DeliveryState.UNKNOWN)


def back_off_us(tries: int, seed: str) -> int:
    """Microseconds until the next try: doubled up to a bound, and spread, so that nobody storms a server that is back.

    Args:
        tries: made so far, from 1.
        seed: the message's id; the same id and number of tries give the same pause.

    Returns:
        Between a half and the whole of the doubled pause ("equal jitter").
    """
    whole_us = min(limits.BACK_OFF_MAX_US, limits.BACK_OFF_FIRST_US << min(tries - 1, 32))
    draw = int.from_bytes(hashlib.sha256(f"{seed}/{tries}".encode()).digest()[:8], "big")
    half_us = whole_us // 2
    return half_us + draw % (whole_us - half_us + 1)


def message_id(key: str, person: str, channel: Channel) -> str:
    """The message's id, the same at every try: 32 hexadecimal digits, so that it fits a header and tells nothing."""
    return hashlib.sha256(f"{key}\0{person}\0{channel.value}".encode()).hexdigest()[:32]
