"""What every channel is: something that hands a message over to a server, and says what came of it (CITY-5).

Place in the flow: `ops.telling` claims a delivery, a channel sends it, the outcome is recorded. One module a channel. Rules:
- `send` returns what the server calls the message, once the server has taken it, and raises `SendError` otherwise.
- Before the first byte of the message goes out, and after whatever may fail without anybody being told (connecting, TLS, the
  login), the channel awaits `hand`; what that raises ends the try. After it, a failure without the server's word is `IN_DOUBT`.
- A channel keeps no queue and tries nothing again: that is the outbox's.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec

from core.delivery import DeliveryFault
from core.telling import Telling

Hand = Callable[[], Awaitable[None]]


class Message(msgspec.Struct, frozen=True):
    """One message to one person, in the person's language."""

    message_id: str
    """The same at every try: 32 hexadecimal digits."""
    telling: Telling
    person: str
    language: str
    subject: str
    """One line."""
    text: str
    short: str
    """For SMS: the same in as few words as possible."""


class SendError(Exception):
    """A try has come to nothing. `detail` is the server's word, for a person."""

    def __init__(self, fault: DeliveryFault, detail: str) -> None:
        super().__init__(f"{fault.value}: {detail}")
        self.fault = fault
        self.detail = detail


class Sender(Protocol):
    """A channel."""

    async def send(self, address: str, message: Message, hand: Hand) -> str:
        """Hands a message over; returns what the server calls it, `""` where it says nothing.

        Raises:
            SendError: the server has not taken it, or has not said so.
        """

    async def close(self) -> None:
        """Closes connections that are kept. Idempotent; the channel may be used again."""
