"""One SMPP session: bind, submit, answer what the SMSC asks, unbind.

Place in the flow: under the SMS channel. The library packs and unpacks the PDUs; the socket and the order of things are here.
Rules: one request at a time of each caller, answers by sequence number; whatever breaks the session fails all that wait for an
answer, and the session is then closed for good.
Source: SMPP 3.4 (12-Oct-1999 issue 1.2): 2.2 session states, 3.2 PDU format, 4 operations, 5.1.3 command_status.
"""

from __future__ import annotations

import asyncio
import struct
from typing import Final, Self

import msgspec
from smpplib import consts, smpp
from smpplib.exceptions import PDUError

PDU_MAX_BYTES: Final = 64 * 1024
"""A longer one is no PDU: the largest operation with a message_payload stays below."""
_HEADER: Final = struct.Struct(">IIII")
_UNBIND_S: Final = 2.0
"""The SMSC's goodbye is worth this long a wait."""


class SmppStatusError(Exception):
    """The SMSC refused a request; `status` is its `command_status`."""

    def __init__(self, status: int) -> None:
        super().__init__(f"0x{status:08X} {consts.DESCRIPTIONS.get(status, 'unknown status')}")
        self.status = status


class SmppLostError(Exception):
    """The session has ended, or was never one."""


class Submit(msgspec.Struct, frozen=True):
    """One part to be submitted."""

    source: str
    source_ton: int
    source_npi: int
    destination: str
    """Digits of an international number, without the plus."""
    data_coding: int
    esm_class: int
    octets: bytes
    priority: int
    """SMPP's `priority_flag`, 0 to 3."""
    validity: str
    """SMPP's relative time, or `""`."""


class SmppSession:
    """A bound session. Make it with `SmppSession.bind`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._sequence = 0
        self._waiting: dict[int, asyncio.Future[tuple[int, bytes]]] = {}
        self._lost: SmppLostError | None = None
        self._reading = asyncio.get_running_loop().create_task(self._read())

    @classmethod
    async def bind(cls, host: str, port: int, system_id: str, password: str, system_type: str = "") -> Self:
        """Connects and binds as transmitter.

        Raises:
            OSError: nobody is there.
            SmppLostError: whoever is there does not speak SMPP.
            SmppStatusError: the SMSC does not take us.
        """
        session = cls(*await asyncio.open_connection(host, port))
        try:
            await session._ask(
                "bind_transmitter",
                system_id=system_id,
                password=password,
                system_type=system_type,
                interface_version=consts.SMPP_VERSION_34,
                addr_ton=0,
                addr_npi=0,
                address_range="",
            )
        except BaseException:
            session.abort()
            raise
        return session

    @property
    def is_open(self) -> bool:
        """Whether, as far as this end knows, the SMSC is still there."""
        return self._lost is None

    @property
    def has_waiting(self) -> bool:
        """Whether anybody waits for an answer."""
        return bool(self._waiting)

    async def submit(self, one: Submit) -> str:
        """Submits one part; returns the SMSC's message id. Raises `SmppStatusError`, `SmppLostError`."""
        body = await self._ask(
            "submit_sm",
            source_addr_ton=one.source_ton,
            source_addr_npi=one.source_npi,
            source_addr=one.source,
            dest_addr_ton=consts.SMPP_TON_INTL,
            dest_addr_npi=consts.SMPP_NPI_ISDN,
            destination_addr=one.destination,
            esm_class=one.esm_class,
            priority_flag=one.priority,
            validity_period=one.validity,
            data_coding=one.data_coding,
            short_message=one.octets,
        )
        return body.partition(b"\0")[0].decode("ascii", "replace")

    async def enquire(self) -> None:
        """Asks whether the SMSC is still there. Raises `SmppStatusError`, `SmppLostError`."""
        await self._ask("enquire_link")

    async def unbind(self) -> None:
        """Says goodbye, and waits for the SMSC's a moment. Never raises."""
        try:
            async with asyncio.timeout(_UNBIND_S):
                await self._ask("unbind")
        except (SmppStatusError, SmppLostError, TimeoutError):
            pass
        finally:
            self.abort()

    def abort(self) -> None:
        """Cuts the connection."""
        self._end(SmppLostError("closed by us"))
        self._reading.cancel()

    async def _ask(self, operation: str, **fields: str | int | bytes) -> bytes:
        """Sends a request; returns the body of its answer."""
        if self._lost is not None:
            raise self._lost
        self._sequence = self._sequence % 0x7FFFFFFF + 1
        number = self._sequence
        answered: asyncio.Future[tuple[int, bytes]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answered
        try:
            pdu = smpp.make_pdu(operation, sequence=number, **fields)
            pdu.sequence = number
            self._writer.write(pdu.generate())
            await self._writer.drain()
            status, body = await answered
        except OSError as error:
            raise SmppLostError(f"{type(error).__name__}: {error}") from error
        finally:
            self._waiting.pop(number, None)
            answered.cancel()
        if status != consts.SMPP_ESME_ROK:
            raise SmppStatusError(status)
        return body

    async def _read(self) -> None:
        try:
            while True:
                length, command, status, number = _HEADER.unpack(await self._reader.readexactly(_HEADER.size))
                if not _HEADER.size <= length <= PDU_MAX_BYTES:
                    raise PDUError(f"a PDU of {length} bytes")
                body = await self._reader.readexactly(length - _HEADER.size)
                if command & 0x80000000:
                    answered = self._waiting.get(number)
                    if answered is not None and not answered.done():
                        answered.set_result((status, body))
                else:
                    self._answer(command, number)
        except (OSError, EOFError, PDUError, struct.error) as error:
            self._end(SmppLostError(f"{type(error).__name__}: {error}"))

    def _answer(self, command: int, number: int) -> None:
        """Answers what the SMSC asks: whether we are there, that it takes something of ours back, that it goes."""
        known = command in (0x00000015, 0x00000005, 0x00000006)  # enquire_link, deliver_sm, unbind
        answer, status = (command | 0x80000000, 0) if known else (0x80000000, consts.SMPP_ESME_RINVCMDID)
        body = b"\0" if command == 0x00000005 else b""
        self._writer.write(_HEADER.pack(_HEADER.size + len(body), answer, status, number) + body)
        if command == 0x00000006:
            self._end(SmppLostError("the SMSC has unbound"))

    def _end(self, why: SmppLostError) -> None:
        if self._lost is None:
            self._lost = why
        for answered in self._waiting.values():
            if not answered.done():
                answered.set_exception(why)
        self._writer.close()
