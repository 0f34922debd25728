"""SMS over SMPP 3.4: one message in as many parts as it needs (CITY-5).

Place in the flow: one channel. Rules:
- The session is kept between messages and asked whether it lives before one goes out; then it is bound anew once. So what was
  handed over was handed to an SMSC that had answered a moment ago.
- Several messages are under way on it at once (`limits.SMS_WINDOW`), each with its parts in order. A message without an answer
  gives the session up for those that come after it, and not for those that are under way with it.
- The receipt is the message id of the last part's `submit_sm_resp`: the SMSC has taken it. Whether the telephone was on is
  another question. Delivery receipts are not asked for: they come up to hours later, for each part by itself, on whichever
  session is bound then, and only to who binds as a receiver too.
- SMPP knows no repeats: without an answer a message is in doubt (`core.delivery` says what follows). A message in parts that is
  sent again has the same reference, so that a telephone that has had some of them completes it.
- The message expires at the SMSC when the telling does (`validity_period`).
Source: SMPP 3.4, 4.4 and 5.2; 3GPP TS 23.040, 9.2.3.24.1.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Final

import msgspec
from smpplib import consts

from adapters.channels.channel import Hand, Message, SendError
from adapters.channels.smpp import SmppLostError, SmppSession, SmppStatusError, Submit
from adapters.channels.sms_text import encode
from core import limits
from core.delivery import DeliveryFault
from core.instant import SECOND_US, Micros

_BUSY: Final = frozenset(
    {consts.SMPP_ESME_RTHROTTLED, consts.SMPP_ESME_RMSGQFUL, consts.SMPP_ESME_RSYSERR, consts.SMPP_ESME_RALYBND}
)
"""Statuses that ask for another try; to be bound already is a session of ours that the SMSC has not given up yet."""
_LOGIN: Final = frozenset({consts.SMPP_ESME_RBINDFAIL, consts.SMPP_ESME_RINVPASWD, consts.SMPP_ESME_RINVSYSID})
_ADDRESS: Final = frozenset({consts.SMPP_ESME_RINVDSTADR, consts.SMPP_ESME_RINVDSTTON, consts.SMPP_ESME_RINVDSTNPI})
_DAY_S: Final = 86_400


class SmsServer(msgspec.Struct, frozen=True):
    """The SMSC that messages are handed to."""

    host: str
    port: int
    system_id: str
    password: str
    sender: str
    """A number, a short code, or up to eleven letters and digits."""
    system_type: str = ""

    def __repr__(self) -> str:
        return f"SmsServer(host={self.host!r}, port={self.port!r}, system_id={self.system_id!r})"


class Sms:
    """The channel of SMS.

    Args:
        server: the SMSC.
        now_us: reads the clock, for how long a message is still worth delivering.
        timeout_s: of one try.
    """

    def __init__(self, server: SmsServer, now_us: Callable[[], Micros], timeout_s: float = limits.SEND_TIMEOUT_S) -> None:
        self._server = server
        self._now_us = now_us
        self._timeout_s = timeout_s
        self._session: SmppSession | None = None
        self._given_up: list[SmppSession] = []
        """Sessions that no message goes to any more, until the last one under way has ended."""
        self._window = asyncio.Semaphore(limits.SMS_WINDOW)
        self._binding = asyncio.Lock()

    async def send(self, address: str, message: Message, hand: Hand) -> str:
        """As `Sender.send`; the receipt is the SMSC's message id."""
        parts = self._parts(address, message)
        handed, session = False, None
        try:
            async with asyncio.timeout(self._timeout_s), self._window:
                session = await self._bound()
                await hand()
                handed = True
                receipt = ""
                for part in parts:
                    receipt = await session.submit(part)
                return receipt
        except SmppStatusError as error:
            raise SendError(_fault_of(error.status), str(error)) from error
        except (TimeoutError, OSError, SmppLostError) as error:
            if session is not None:
                self._give_up(session)
            if handed:
                fault = DeliveryFault.IN_DOUBT
            else:
                fault = DeliveryFault.TOO_SLOW if isinstance(error, TimeoutError) else DeliveryFault.UNREACHABLE
            raise SendError(fault, f"{type(error).__name__}: {error}") from error
        finally:
            self._end_given_up()

    async def greet(self) -> None:
        """Binds as for a message, and hands none over. Raises `SendError`."""
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._bound()
        except SmppStatusError as error:
            raise SendError(_fault_of(error.status), str(error)) from error
        except (TimeoutError, OSError, SmppLostError) as error:
            fault = DeliveryFault.TOO_SLOW if isinstance(error, TimeoutError) else DeliveryFault.UNREACHABLE
            raise SendError(fault, f"{type(error).__name__}: {error}") from error
        finally:
            self._end_given_up()

    async def close(self) -> None:
        """Unbinds."""
        for old in self._given_up:
            old.abort()
        self._given_up.clear()
        session, self._session = self._session, None
        if session is not None:
            await session.unbind()

    async def _bound(self) -> SmppSession:
        session = self._session
        if session is not None and session.is_open:
            try:
                await session.enquire()
                return session
            except (SmppLostError, SmppStatusError):
                self._give_up(session)
            except BaseException:
                # It has not answered in time: whoever comes next begins with another one.
                self._give_up(session)
                raise
        async with self._binding:
            # Whoever waited for the same finds it done.
            if self._session is None or not self._session.is_open:
                server = self._server
                self._session = await SmppSession.bind(
                    server.host, server.port, server.system_id, server.password, server.system_type
                )
            return self._session

    def _give_up(self, session: SmppSession) -> None:
        if self._session is session:
            self._session = None
            self._given_up.append(session)

    def _end_given_up(self) -> None:
        for session in [one for one in self._given_up if not one.has_waiting]:
            session.abort()
            self._given_up.remove(session)

    def _parts(self, address: str, message: Message) -> list[Submit]:
        text = encode(message.short)
        ton, npi = _kind_of(self._server.sender)
        headers = [b""]
        if len(text.parts) > 1:
            reference = int(message.message_id[:2], 16)
            headers = [bytes([5, 0, 3, reference, len(text.parts), number]) for number in range(1, len(text.parts) + 1)]
        return [
            Submit(
                source=self._server.sender.removeprefix("+"),
                source_ton=ton,
                source_npi=npi,
                destination=address.removeprefix("+"),
                data_coding=consts.SMPP_ENCODING_ISO10646 if text.ucs2 else consts.SMPP_ENCODING_DEFAULT,
                esm_class=consts.SMPP_GSMFEAT_UDHI if len(text.parts) > 1 else consts.SMPP_MSGMODE_DEFAULT,
                octets=header + octets,
                priority=1 if message.telling.priority <= limits.SMS_TWICE_PRIORITY else 0,
                validity=_relative_time((message.telling.expires_us - self._now_us()) // SECOND_US),
            )
            for header, octets in zip(headers, text.parts, strict=True)
        ]


def _kind_of(sender: str) -> tuple[int, int]:
    """Type of number and numbering plan of a sender (SMPP 3.4, 5.2.5)."""
    if re.fullmatch(r"\+\d+", sender):
        return consts.SMPP_TON_INTL, consts.SMPP_NPI_ISDN
    if sender.isdigit():
        return consts.SMPP_TON_NWSPEC, consts.SMPP_NPI_UNK
    return consts.SMPP_TON_ALNUM, consts.SMPP_NPI_UNK


def _relative_time(left_s: int) -> str:
    """SMPP's relative time `YYMMDDhhmmss000R` of some seconds, at least a minute and at most a month (SMPP 3.4, 7.1.1)."""
    left_s = min(max(left_s, 60), 30 * _DAY_S)
    days, rest = divmod(left_s, _DAY_S)
    return f"0000{days:02d}{rest // 3600:02d}{rest // 60 % 60:02d}{rest % 60:02d}000R"


def _fault_of(status: int) -> DeliveryFault:
    if status in _BUSY:
        return DeliveryFault.SERVER_BUSY
    if status in _LOGIN:
        return DeliveryFault.LOGIN_REFUSED
    return DeliveryFault.ADDRESS_REFUSED if status in _ADDRESS else DeliveryFault.MESSAGE_REFUSED
