"""A small SMSC for tests: SMPP 3.4 over a real socket, its PDUs read by hand, so that the library is not believed itself.

It binds transmitters with one name and password, keeps every submit_sm, and answers as it is told to.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import msgspec

BIND, BIND_RESP, SUBMIT, SUBMIT_RESP = 0x00000002, 0x80000002, 0x00000004, 0x80000004
UNBIND, UNBIND_RESP, ENQUIRE, ENQUIRE_RESP = 0x00000006, 0x80000006, 0x00000015, 0x80000015
OK, INVALID_PASSWORD = 0, 0x0E
SYSTEM_ID, PASSWORD = "jedel", "secret"
SILENT, GONE = -1, -2
"""What `Smsc.next` may say beside a status: no answer, or the connection cut."""


class Submitted(msgspec.Struct, frozen=True):
    """One submit_sm as it came."""

    source: str
    destination: str
    esm_class: int
    priority: int
    validity: str
    data_coding: int
    octets: bytes

    @property
    def text(self) -> str:
        """What a telephone would show of this part."""
        body = self.octets[self.octets[0] + 1 :] if self.esm_class & 0x40 else self.octets
        return body.decode("utf-16-be") if self.data_coding == 8 else body.decode("latin-1")


class Smsc:
    """What the SMSC has seen, and how it answers."""

    def __init__(self) -> None:
        self.submitted: list[Submitted] = []
        self.binds = 0
        self.unbinds = 0
        self.enquiries = 0
        self.answers: list[bytes] = []
        """Headers of what was answered to the SMSC's own requests."""
        self.next: Callable[[Submitted], int] = lambda _: OK
        """Status of the answer to a submit_sm, SILENT or GONE."""
        self.holds = 0
        """How many answers to submit_sm it holds back, to give them all at once, the last one first."""
        self._held: list[Callable[[], None]] = []
        self.asks_back = False
        """Whether it asks enquire_link of its own before it answers a submit_sm."""
        self._writers: set[asyncio.StreamWriter] = set()
        self._served: list[asyncio.Future[None]] = []
        self.port = 0

    def cut(self) -> None:
        """Cuts every connection, as an SMSC that restarts does."""
        for writer in self._writers:
            writer.transport.abort()

    async def ended(self) -> None:
        """Waits until every connection is over."""
        await asyncio.gather(*self._served)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._served.append(ended)
        try:
            while True:
                length, command, status, number = struct.unpack(">IIII", await reader.readexactly(16))
                body = await reader.readexactly(length - 16)
                if not self._answer(writer, command, number, body, struct.pack(">IIII", length, command, status, number)):
                    return
                await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            return
        finally:
            self._writers.discard(writer)
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
            ended.set_result(None)

    def _answer(self, writer: asyncio.StreamWriter, command: int, number: int, body: bytes, header: bytes) -> bool:
        def say(kind: int, status: int, text: bytes = b"") -> None:
            writer.write(struct.pack(">IIII", 16 + len(text), kind, status, number) + text)

        if command == BIND:
            self.binds += 1
            system_id, password = body.split(b"\0")[:2]
            sound = (system_id.decode(), password.decode()) == (SYSTEM_ID, PASSWORD)
            say(BIND_RESP, OK if sound else INVALID_PASSWORD, b"smsc\0" if sound else b"")
        elif command == SUBMIT:
            one = read_submit(body)
            self.submitted.append(one)
            status = self.next(one)
            if status == GONE:
                writer.transport.abort()
                return False
            if self.asks_back:
                writer.write(struct.pack(">IIII", 16, ENQUIRE, 0, 77))
            if status != SILENT:
                text = f"id-{len(self.submitted)}".encode() + b"\0" if status == OK else b""
                self._held.append(lambda: say(SUBMIT_RESP, status, text))
            if len(self._held) >= self.holds:
                while self._held:
                    self._held.pop()()
        elif command == ENQUIRE:
            self.enquiries += 1
            say(ENQUIRE_RESP, OK)
        elif command == UNBIND:
            self.unbinds += 1
            say(UNBIND_RESP, OK)
        else:
            self.answers.append(header)
        return True


def read_submit(body: bytes) -> Submitted:
    """The body of a submit_sm (SMPP 3.4, 4.4.1)."""
    at = 0

    def text() -> str:
        nonlocal at
        end = body.index(b"\0", at)
        found, at = body[at:end].decode("ascii"), end + 1
        return found

    def number() -> int:
        nonlocal at
        at += 1
        return body[at - 1]

    text()  # service_type
    number(), number()
    source = text()
    number(), number()
    destination = text()
    esm_class, _, priority = number(), number(), number()
    text()  # schedule_delivery_time
    validity = text()
    number(), number()  # registered_delivery, replace_if_present_flag
    data_coding = number()
    number()  # sm_default_msg_id
    length = number()
    return Submitted(source, destination, esm_class, priority, validity, data_coding, body[at : at + length])


@asynccontextmanager
async def smsc_of() -> AsyncIterator[Smsc]:
    """An SMSC on a port of its own."""
    smsc = Smsc()
    server = await asyncio.start_server(smsc.serve, "127.0.0.1", 0)
    smsc.port = server.sockets[0].getsockname()[1]
    try:
        yield smsc
    finally:
        server.close()
        smsc.cut()
        await smsc.ended()
