"""A thousand dispatch clients in one process that only take what comes, as cheaply as Python can, and date it.

Place in the flow: the other end of `fanout`. Raw sockets and epoll; of each message the length and the cursor are read and its
text is thrown away, except for the first client's, which is kept whole: which update came in which message is read from it
when the clock has stopped. Instants are `time.monotonic_ns`, the same in every process; a message has come when its last byte
has.
"""

from __future__ import annotations

import base64
import resource
import select
import socket
import struct
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Final

import msgspec
import numpy as np

from loadtest.bench.pace import Play
from protocols.dispatch import message as m
from protocols.dispatch.codec import encode, text_of

READY: Final = "ready"
PATIENCE_S: Final = 20.0
"""For so long after a play is over, what is still to come is waited for."""
_CURSOR: Final = b',"cursor":'
_HEAD_BYTES: Final = 10 + 96
"""A WebSocket header and as much of a message as holds its cursor."""
_RECEIVE_BYTES: Final = 1024 * 1024


class Delivered(msgspec.Struct, frozen=True):
    """What became of a play's updates, all clients together."""

    expected: int
    """Updates by clients."""
    in_time: int
    frames: int
    last_ms: float
    """How late the last one came."""


class _At(msgspec.Struct):
    at_us: int


class _Positions(msgspec.Struct):
    cursor: int = 0
    positions: list[_At] = []
    more: bool = False


_POSITIONS: Final = msgspec.json.Decoder(_Positions)


class _Reader:
    """One client."""

    def __init__(self, address: tuple[str, int], token: str, keeps: bool) -> None:
        self._socket = socket.create_connection(address, timeout=60.0)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._head = b""
        """The beginning of a message, as long as its cursor cannot be read."""
        self._left = 0
        """Bytes of the present message that are still to come."""
        self._cursor = 0
        self.cursors: list[int] = []
        self.arrived_ns: list[int] = []
        self.kept: bytearray | None = bytearray() if keeps else None
        self._upgrade(address)
        if token:
            self._say(text_of(encode(m.Hello(protocol=m.PROTOCOL, token=token, client="bench"))))
            self._say(text_of(encode(m.Subscribe(id="all", positions=True))))

    def fileno(self) -> int:
        """For epoll."""
        return self._socket.fileno()

    def close(self) -> None:
        """Disconnects."""
        self._socket.close()

    def receive(self, into: memoryview) -> None:
        """Takes what has come. Raises `ConnectionError` at its end."""
        count = self._socket.recv_into(into)
        now_ns = time.monotonic_ns()
        if not count:
            raise ConnectionError("the service has closed a connection")
        data = into[:count]
        if self.kept is not None:
            self.kept += data
        at = 0
        if self._head:
            data = memoryview(self._head + bytes(data))
            count = len(data)
            self._head = b""
        while at < count:
            if self._left:
                taken = min(self._left, count - at)
                at += taken
                self._left -= taken
                if self._left:
                    return
                if self._cursor:
                    self.cursors.append(self._cursor)
                    self.arrived_ns.append(now_ns)
                continue
            length, begins = _measured(data[at : at + 10])
            if begins == 0 or (count - at < min(_HEAD_BYTES, begins + length)):
                self._head = bytes(data[at:])
                return
            self._cursor = _cursor_of(bytes(data[at + begins : at + min(_HEAD_BYTES, begins + length)]))
            self._left = begins + length

    def forget(self) -> None:
        """Begins to count anew."""
        self.cursors.clear()
        self.arrived_ns.clear()

    def texts(self) -> list[bytes]:
        """The messages that were kept, whole ones only; the rest stays."""
        assert self.kept is not None
        found = []
        at = 0
        while True:
            length, begins = _measured(memoryview(self.kept)[at : at + 10])
            if begins == 0 or at + begins + length > len(self.kept):
                break
            found.append(bytes(self.kept[at + begins : at + begins + length]))
            at += begins + length
        del self.kept[:at]
        return found

    def _upgrade(self, address: tuple[str, int]) -> None:
        key = base64.b64encode(b"jedel-bench-key!").decode()
        self._socket.sendall(
            f"GET {m.PATH} HTTP/1.1\r\nHost: {address[0]}:{address[1]}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            byte = self._socket.recv(1)
            if not byte:
                raise ConnectionError(f"no upgrade but {answer!r}")
            answer += byte
        if not answer.startswith(b"HTTP/1.1 101"):
            raise ConnectionError(f"no upgrade but {answer!r}")

    def _say(self, text: bytes) -> None:
        # Masked with zeros: RFC 6455, 5.3 asks for a mask, and these bytes are secret to nobody.
        length = struct.pack(">B", 0x80 | len(text)) if len(text) < 126 else struct.pack(">BH", 0x80 | 126, len(text))
        self._socket.sendall(b"\x81" + length + bytes(4) + text)


def _measured(head: memoryview) -> tuple[int, int]:
    """Length of a message and where its text begins, which is 0 when more bytes are needed (RFC 6455, 5.2; unmasked)."""
    if len(head) < 2:
        return 0, 0
    short = head[1] & 0x7F
    if short < 126:
        return short, 2
    if short == 126:
        return (int.from_bytes(head[2:4], "big"), 4) if len(head) >= 4 else (0, 0)
    return (int.from_bytes(head[2:10], "big"), 10) if len(head) >= 10 else (0, 0)


def _cursor_of(text: bytes) -> int:
    """The cursor that stands at the beginning of a message of a subscription, 0 in others."""
    at = text.find(_CURSOR)
    if at < 0:
        return 0
    digits = text[at + len(_CURSOR) : at + len(_CURSOR) + 20]
    end = 0
    while end < len(digits) and digits[end] in b"0123456789":
        end += 1
    return int(digits[:end])


def read(connection: Connection, address: tuple[str, int], token: str, clients: int, within_ms: float) -> None:
    """The process: says `READY` when all clients are in, then answers every (`Play`, its beginning) with what was delivered.

    Args:
        connection: to the parent; the process ends when it is closed.
        address: of the service.
        token: for the dispatch protocol's hello; `""` where every client is told without asking.
        clients: how many.
        within_ms: what counts as in time.
    """
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    crowd = _Crowd([_Reader(address, token, keeps=number == 0) for number in range(clients)])
    try:
        if token:
            crowd.read_until(lambda: all(reader.cursors for reader in crowd.readers), 120.0)
        for reader in crowd.readers:
            # What they were told before the first play is nobody's update.
            reader.forget()
        connection.send(READY)
        while True:
            crowd.read_until(connection.poll, float("inf"), connection.fileno())
            play, started_ns = connection.recv()
            connection.send(crowd.delivered(play, started_ns, within_ms))
    except EOFError:
        # The parent is done.
        return
    finally:
        for reader in crowd.readers:
            reader.close()


class _Crowd:
    """All clients of the process."""

    def __init__(self, readers: list[_Reader]) -> None:
        self.readers = readers
        self._buffer = memoryview(bytearray(_RECEIVE_BYTES))
        self._poll = select.epoll()
        self._by_fd = {reader.fileno(): reader for reader in readers}
        for fd in self._by_fd:
            self._poll.register(fd, select.EPOLLIN)
        self._told: list[tuple[int, int]] = []
        """Update and the cursor it came with, as the first client was told."""

    def read_until(self, done: Callable[[], bool], timeout_s: float, wake_fd: int | None = None) -> bool:
        """Reads until something holds; whether it does before the timeout."""
        deadline = time.monotonic() + timeout_s
        if wake_fd is not None:
            self._poll.register(wake_fd, select.EPOLLIN)
        try:
            while not done():
                if time.monotonic() > deadline:
                    return False
                for fd, _ in self._poll.poll(0.05):
                    reader = self._by_fd.get(fd)
                    if reader is not None:
                        reader.receive(self._buffer)
            return True
        finally:
            if wake_fd is not None:
                self._poll.unregister(wake_fd)

    def delivered(self, play: Play, started_ns: int, within_ms: float) -> Delivered:
        """Waits for the end of a play and counts."""
        last = play.first + play.count - 1
        first = self.readers[0]

        def has_last() -> bool:
            self._look(first)
            return bool(self._told) and self._told[-1][0] >= last

        expected = play.count * len(self.readers)
        if not self.read_until(has_last, PATIENCE_S):
            return Delivered(expected, 0, 0, PATIENCE_S * 1e3)
        told = {number: cursor for number, cursor in self._told if number >= play.first}
        end = told[last]
        self.read_until(lambda: all(reader.cursors and reader.cursors[-1] >= end for reader in self.readers), PATIENCE_S)
        numbers = np.array(sorted(told), dtype=np.int64)
        cursors = np.array([told[number] for number in numbers.tolist()], dtype=np.int64)
        due_ns = started_ns + np.round((numbers - play.first) / play.rate_per_s * 1e9).astype(np.int64)
        in_time = frames = 0
        last_ns = 0
        for reader in self.readers:
            which = np.searchsorted(np.array(reader.cursors, dtype=np.int64), cursors)
            came = which < len(reader.cursors)
            took_ns = np.array(reader.arrived_ns, dtype=np.int64)[which[came]] - due_ns[came]
            in_time += int(np.count_nonzero(took_ns <= within_ms * 1e6))
            last_ns = max(last_ns, int(took_ns.max(initial=0)))
            frames += len(reader.cursors)
            reader.forget()
        self._told.clear()
        return Delivered(expected, in_time, frames, last_ns / 1e6)

    def _look(self, first: _Reader) -> None:
        for text in first.texts():
            told = _POSITIONS.decode(text)
            self._told += [(one.at_us, told.cursor) for one in told.positions]
