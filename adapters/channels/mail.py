"""Mail: one message over SMTP, with STARTTLS and a login where the server has them (CITY-5).

Place in the flow: one channel. Rules:
- `Message-ID` is made of the message's id, so that a repeat is seen to be one (RFC 5322, 3.6.4): at least once.
- A 4xx reply asks for another try (greylisting is one), a 5xx is final. A login that is refused is final too: to go on trying a
  wrong password locks accounts. It is set right in the configuration, and `jedel outbox retry` sends what had failed.
- What was handed over and not answered is in doubt. The goodbye after the server's 250 changes nothing any more.
Source: RFC 5321, RFC 3207 (STARTTLS), RFC 4954 (AUTH), RFC 3834 (automatic messages).
"""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP as POLICY
from email.utils import format_datetime
from typing import Final, Literal

import aiosmtplib
import msgspec

from adapters.channels.channel import Hand, Message, SendError
from core import limits
from core.delivery import DeliveryFault
from core.instant import SECOND_US

Security = Literal["starttls", "tls", "none"]
_IMPORTANT_PRIORITY: Final = 2
_GOODBYE_S: Final = 2.0
"""The server has taken the message: its goodbye is worth no longer wait."""


class MailServer(msgspec.Struct, frozen=True):
    """Where mail is handed over."""

    host: str
    port: int
    sender: str
    """The address it comes from."""
    security: Security = "starttls"
    user: str = ""
    password: str = ""

    def __repr__(self) -> str:
        return f"MailServer(host={self.host!r}, port={self.port!r}, user={self.user!r})"


class Mail:
    """The channel of mail.

    Args:
        server: where it is handed over.
        timeout_s: of one try.
        tls: for a server whose certificate the system does not know; None for the system's own trust.
    """

    def __init__(self, server: MailServer, timeout_s: float = limits.SEND_TIMEOUT_S, tls: ssl.SSLContext | None = None) -> None:
        self._server = server
        self._timeout_s = timeout_s
        self._tls = tls

    async def send(self, address: str, message: Message, hand: Hand) -> str:
        """As `Sender.send`; the receipt is the server's last word."""
        sender = self._server.sender
        mail = compose(message, sender, address)
        client = self._client()
        handed = False
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._enter(client)
                await hand()
                handed = True
                _, said = await client.send_message(mail, sender=sender, recipients=[address])
            await _say_goodbye(client)
            return said
        except (TimeoutError, OSError, aiosmtplib.SMTPException) as error:
            raise _fault(error, handed) from error
        finally:
            client.close()

    async def greet(self) -> None:
        """Connects and logs in as for a message, and hands none over. Raises `SendError`."""
        client = self._client()
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._enter(client)
            await _say_goodbye(client)
        except (TimeoutError, OSError, aiosmtplib.SMTPException) as error:
            raise _fault(error, handed=False) from error
        finally:
            client.close()

    async def close(self) -> None:
        """Nothing is kept."""

    def _client(self) -> aiosmtplib.SMTP:
        server = self._server
        return aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            use_tls=server.security == "tls",
            start_tls=server.security == "starttls",
            tls_context=self._tls,
            # The machine's name may take seconds to look up, and nobody needs it.
            local_hostname=server.sender.rpartition("@")[2],
            timeout=self._timeout_s,
        )

    async def _enter(self, client: aiosmtplib.SMTP) -> None:
        await client.connect()
        if self._server.user:
            await client.login(self._server.user, self._server.password)


async def _say_goodbye(client: aiosmtplib.SMTP) -> None:
    try:
        async with asyncio.timeout(_GOODBYE_S):
            await client.quit()
    except (TimeoutError, OSError, aiosmtplib.SMTPException):
        return


def compose(message: Message, sender: str, address: str) -> EmailMessage:
    """A message as mail."""
    telling = message.telling
    mail = EmailMessage(policy=POLICY)
    mail["From"] = sender
    mail["To"] = address
    mail["Subject"] = message.subject
    mail["Date"] = format_datetime(datetime.fromtimestamp(telling.at_us // SECOND_US, UTC))
    mail["Message-ID"] = f"<{message.message_id}@{sender.rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"
    if telling.priority <= _IMPORTANT_PRIORITY:
        mail["Importance"] = "high"
    mail["X-Jedel-Key"] = telling.key
    mail.set_content(message.text)
    return mail


def _fault(error: Exception, handed: bool) -> SendError:
    """What an exception of the library or of the socket means. `handed`: whether the message may have arrived."""
    match error:
        case aiosmtplib.SMTPRecipientsRefused():
            refused = error.recipients[0]
            return _by_code(refused.code, refused.message, DeliveryFault.ADDRESS_REFUSED)
        case aiosmtplib.SMTPAuthenticationError():
            return _by_code(error.code, error.message, DeliveryFault.LOGIN_REFUSED)
        case aiosmtplib.SMTPConnectResponseError() | aiosmtplib.SMTPHeloError():
            return _by_code(error.code, error.message, DeliveryFault.UNREACHABLE)
        case aiosmtplib.SMTPResponseException():
            # A server that goes down says 421 to whatever it is told.
            return _by_code(error.code, error.message, DeliveryFault.MESSAGE_REFUSED)
        case aiosmtplib.SMTPException() if not isinstance(error, OSError):
            # Neither a reply nor a lost connection: the library will not go on without what we ask for, STARTTLS or a login.
            return SendError(DeliveryFault.LOGIN_REFUSED, f"the server does not offer what is configured: {error}")
        case _ if handed:
            return SendError(DeliveryFault.IN_DOUBT, f"{type(error).__name__}: {error}")
        case TimeoutError():
            return SendError(DeliveryFault.TOO_SLOW, f"{type(error).__name__}: {error}")
        case _:
            return SendError(DeliveryFault.UNREACHABLE, f"{type(error).__name__}: {error}")


def _by_code(code: int, said: str, final: DeliveryFault) -> SendError:
    return SendError(DeliveryFault.SERVER_BUSY if 400 <= code < 500 else final, f"{code} {said}")
