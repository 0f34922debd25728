"""Webhooks: a signed POST of JSON to a person's URL (CITY-5).

Place in the flow: one channel. What the receiver gets:

    POST /whatever HTTP/1.1
    Content-Type: application/json
    Idempotency-Key: 0f3c…                      the message's id, the same at every try: who has it has the message
    X-Jedel-Timestamp: 1714557600               seconds since 1970, when this try was made
    X-Jedel-Signature: v1=5d41…                 HMAC-SHA256 of timestamp, ".", body, with the secret, in hexadecimal

Rules: 2xx is taken. 408, 429 and 5xx ask for another try, as does silence; every other status is final. Redirects are not
followed: the URL in the file of people is where it goes. `verify` is what a receiver does; a timestamp that is older than some
minutes is somebody repeating what he has overheard.
Source: RFC 2104 (HMAC), RFC 9110 (statuses), IETF draft "The Idempotency-Key HTTP Header Field".
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable
from hashlib import sha256
from typing import Final

import aiohttp
import msgspec

from adapters.channels.channel import Hand, Message, SendError
from core import limits
from core.delivery import DeliveryFault
from core.instant import SECOND_US, Micros

ID_HEADER: Final = "Idempotency-Key"
TIMESTAMP_HEADER: Final = "X-Jedel-Timestamp"
SIGNATURE_HEADER: Final = "X-Jedel-Signature"
_LATER: Final = frozenset({408, 425, 429})
_FINAL: Final = {
    401: DeliveryFault.LOGIN_REFUSED,
    403: DeliveryFault.LOGIN_REFUSED,
    404: DeliveryFault.ADDRESS_REFUSED,
    410: DeliveryFault.ADDRESS_REFUSED,
}


class Body(msgspec.Struct, frozen=True):
    """What is posted. Fields are only ever added."""

    message_id: str
    key: str
    """The telling's: the step of the escalation."""
    happened: str
    """`core.telling.Happened`."""
    incident: int | None
    territory: str
    priority: int
    to: str
    person: str
    at_us: int
    expires_us: int
    values: dict[str, str]
    language: str
    subject: str
    text: str


def body_of(message: Message) -> bytes:
    """A message as it is posted."""
    telling = message.telling
    return msgspec.json.encode(
        Body(
            message_id=message.message_id,
            key=telling.key,
            happened=telling.template.value,
            incident=telling.incident_id,
            territory=telling.territory,
            priority=telling.priority,
            to=telling.to,
            person=message.person,
            at_us=telling.at_us,
            expires_us=telling.expires_us,
            values=telling.values,
            language=message.language,
            subject=message.subject,
            text=message.text,
        )
    )


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """The value of `X-Jedel-Signature`."""
    return "v1=" + hmac.new(secret.encode(), timestamp.encode() + b"." + body, sha256).hexdigest()


def verify(secret: str, timestamp: str, body: bytes, presented: str) -> bool:
    """Whether a signature is that of the secret's owner; takes as long whatever is wrong with it."""
    return hmac.compare_digest(signature(secret, timestamp, body).encode(), presented.encode())


class Webhook:
    """The channel of webhooks.

    Args:
        secret: signs every message; shared with the receivers.
        now_us: reads the clock, for the timestamp.
        timeout_s: of one try.
    """

    def __init__(self, secret: str, now_us: Callable[[], Micros], timeout_s: float = limits.SEND_TIMEOUT_S) -> None:
        self._secret = secret
        self._now_us = now_us
        self._timeout_s = timeout_s

    async def send(self, address: str, message: Message, hand: Hand) -> str:
        """As `Sender.send`; the receipt is the status."""
        body = body_of(message)
        timestamp = str(self._now_us() // SECOND_US)
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "jedel",
            ID_HEADER: message.message_id,
            TIMESTAMP_HEADER: timestamp,
            SIGNATURE_HEADER: signature(self._secret, timestamp, body),
        }
        # Connecting is the request's own affair here; a receiver knows a repeat by its id, so it does no harm to say it early.
        await hand()
        try:
            async with asyncio.timeout(self._timeout_s):
                # A connection a try: a message is rare, and a kept connection that has died costs one in doubt.
                connector = aiohttp.TCPConnector(force_close=True)
                async with (
                    aiohttp.ClientSession(connector=connector, auto_decompress=False) as session,
                    session.post(address, data=body, headers=headers, allow_redirects=False) as answer,
                ):
                    await answer.content.read(limits.ANSWER_MAX_BYTES)
                    status, reason = answer.status, answer.reason or ""
        except TimeoutError as error:
            raise SendError(DeliveryFault.TOO_SLOW, f"no answer within {self._timeout_s:g} s") from error
        except aiohttp.ClientConnectorError as error:
            raise SendError(DeliveryFault.UNREACHABLE, str(error)) from error
        except (aiohttp.InvalidURL, ValueError) as error:
            raise SendError(DeliveryFault.ADDRESS_REFUSED, "not a URL that can be asked") from error
        except (aiohttp.ClientError, OSError) as error:
            raise SendError(DeliveryFault.IN_DOUBT, f"{type(error).__name__}: {error}") from error
        if 200 <= status < 300:
            return str(status)
        if status in _LATER or status >= 500:
            raise SendError(DeliveryFault.SERVER_BUSY, f"{status} {reason}")
        raise SendError(_FINAL.get(status, DeliveryFault.MESSAGE_REFUSED), f"{status} {reason}")

    async def close(self) -> None:
        """Nothing is kept."""
