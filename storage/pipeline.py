"""A PostgreSQL connection on which all that a batch needs is sent at once, and its end awaited once.

Place in the flow: persist. asyncpg waits for an answer after every statement and every step of a COPY, and each answer has to
find our one thread free: while it decides the next batch, the server would stand still between two messages. Here everything
up to the Sync goes out in one stretch, so the server works through the whole transaction while the next batch is decided.

Rules:
- asyncpg opens the connection (addresses, TLS, authentication); then its transport is ours, and asyncpg is silent.
- What is sent up to one Sync is one transaction: the server commits it at the Sync, or skips to the Sync after the first error
  and has then done nothing (PostgreSQL manual, "Message Flow", "Extended Query" and "Pipelining").
- CopyData may follow the Execute of a COPY at once: the server reads its messages in order, and passes over those of a COPY
  that it has refused.
- Errors are asyncpg's classes, so that `storage.errors` need not know where they come from.
Source: PostgreSQL manual, "Frontend/Backend Protocol", version 3.0.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from struct import Struct
from typing import Final, Self

import asyncpg

from storage.copy_binary import HEADER, TRAILER
from storage.session import STATEMENT_TIMEOUT_S, connect, cut

_HEAD: Final = Struct(">ci")
_SHORT: Final = Struct(">h").pack
_LONG: Final = Struct(">i").pack
_SYNC: Final = b"S\x00\x00\x00\x04"
_TERMINATE: Final = b"X\x00\x00\x00\x04"
_COPY_DONE: Final = b"c\x00\x00\x00\x04"
_NO_LIMIT: Final = _LONG(0)


class Pipeline(asyncio.Protocol):
    """One connection; make it with `Pipeline.open`. One transaction at a time."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection
        self._transport: asyncio.Transport = connection._transport  # type: ignore[attr-defined]  # asyncpg shows it nowhere else
        self._transport.set_protocol(self)
        self._received = bytearray()
        self._unsent: list[bytes] = []
        self._waiter: asyncio.Future[None] | None = None
        self._error: asyncpg.PostgresError | None = None
        self._lost: Exception | None = None

    @classmethod
    async def open(cls, dsn: str, purpose: str) -> Self:
        """Connects, as `storage.session.connect` does and with its errors."""
        return cls(await connect(dsn, purpose))

    @property
    def is_open(self) -> bool:
        """Whether, as far as this end knows, the server is still there."""
        return self._lost is None and not self._transport.is_closing()

    def prepare(self, name: str, statement: str, types: Sequence[int] = ()) -> None:
        """Has the server parse a statement under a name, with the oids of its parameters' types."""
        oids = b"".join([_LONG(oid) for oid in types])
        self._put(b"P", name.encode() + b"\0" + statement.encode() + b"\0" + _SHORT(len(types)) + oids)

    def execute(self, name: str, arguments: Sequence[bytes] = ()) -> None:
        """Executes a prepared statement; the arguments are in binary format, and what it returns is not read."""
        values = b"".join([part for argument in arguments for part in (_LONG(len(argument)), argument)])
        binary = _SHORT(1) + _SHORT(1)
        self._put(b"B", b"\0" + name.encode() + b"\0" + binary + _SHORT(len(arguments)) + values + _SHORT(0))
        self._put(b"E", b"\0" + _NO_LIMIT)

    async def copy(self, name: str, pieces: Iterable[bytes]) -> None:
        """Executes a prepared `COPY … FROM STDIN (FORMAT binary)` with rows packed in pieces.

        The server works on one piece while the next is packed: between two the loop may write what waits.
        """
        self.execute(name)
        self._put(b"d", HEADER)
        for piece in pieces:
            self._put(b"d", piece)
            self._flush()
            await asyncio.sleep(0)
        self._put(b"d", TRAILER)
        self._unsent.append(_COPY_DONE)

    async def commit(self, timeout_s: float = STATEMENT_TIMEOUT_S) -> None:
        """Ends the transaction; returns when it is committed.

        Raises:
            asyncpg.PostgresError: the server refused something, and nothing of the transaction has happened.
            OSError: the connection is lost or timed out, and the transaction's outcome unknown.
        """
        self._unsent.append(_SYNC)
        self._flush()
        if self._lost is not None:
            raise ConnectionResetError("the connection to PostgreSQL is lost") from self._lost
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(timeout_s):
                await self._waiter
        finally:
            self._waiter = None
        error, self._error = self._error, None
        if error is not None:
            raise error

    def close(self) -> None:
        """Says goodbye and lets go of the connection. Idempotent."""
        if self.is_open:
            self._transport.write(_TERMINATE)
            self._transport.close()
        self.abort()

    def abort(self) -> None:
        """Cuts the connection: the server rolls back what is not committed."""
        if self._lost is None:
            self._lost = ConnectionAbortedError("closed by us")
        cut(self._connection)

    # What the transport tells (`asyncio.Protocol`).

    def data_received(self, data: bytes) -> None:
        """Takes what the server says, in pieces of any size."""
        received = self._received
        received += data
        start = 0
        while len(received) - start >= _HEAD.size:
            kind, length = _HEAD.unpack_from(received, start)
            end = start + 1 + length
            if end > len(received):
                break
            if kind == b"E":
                error = _error_of(bytes(received[start + _HEAD.size : end]))
                # The first is the cause; what follows it is its consequence.
                self._error = self._error or error
            elif kind == b"Z" and self._waiter is not None and not self._waiter.done():
                self._waiter.set_result(None)
            start = end
        del received[:start]

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone; with a reason from the server, if it gave one."""
        self._lost = self._lost or exc or self._error or ConnectionResetError("closed by the server")
        if self._waiter is not None and not self._waiter.done():
            lost = ConnectionResetError("the connection to PostgreSQL was lost during a transaction")
            lost.__cause__ = self._error or exc
            self._waiter.set_exception(lost)

    def _put(self, kind: bytes, body: bytes) -> None:
        self._unsent += (_HEAD.pack(kind, len(body) + 4), body)

    def _flush(self) -> None:
        unsent, self._unsent = self._unsent, []
        if self._transport.is_closing():
            # The loop has seen the server go and not yet told us; uvloop would refuse the write with a bare RuntimeError.
            raise ConnectionResetError("the connection to PostgreSQL is lost")
        self._transport.write(b"".join(unsent))


def _error_of(body: bytes) -> asyncpg.PostgresError:
    """An ErrorResponse as asyncpg would raise it."""
    fields = {field[:1].decode(): field[1:].decode(errors="replace") for field in body.split(b"\0") if field}
    return asyncpg.PostgresError.new(fields)
