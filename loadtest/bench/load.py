"""The load: pre-encoded bytes over plain sockets, sent when they are due, and the instant of every acknowledgement.

Place in the flow: a source, as cheap as one can be. One thread and `select`, whose time-out counts microseconds where an event
loop's timers count milliseconds. Rules: nothing is encoded while the clock runs; a piece's time is the instant at which it was
due, so a service that pushes back shows in the latencies; instants are `time.monotonic_ns`, the same in every process.
"""

from __future__ import annotations

import select
import socket
import time
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from core.events import AnyEvent
from protocols.ingest.message import PROTOCOL, Ack, EventError, FromCentre, Goodbye, Hello, Welcome

SEND_BYTES: Final = 256 * 1024
PATIENCE_S: Final = 120.0
"""Without any acknowledgement for so long, the load gives up."""
_DECODER: Final = msgspec.json.Decoder(FromCentre)
_ENCODER: Final = msgspec.json.Encoder()


class LoadError(Exception):
    """The service refused the load, or stopped answering."""


class Piece(msgspec.Struct, frozen=True):
    """Events of one source that are due together."""

    due_ns: int
    """After the start; 0 for as soon as the socket takes it."""
    source: str
    last_seq: int
    data: bytes


class Receipt(msgspec.Struct, frozen=True):
    """What became of a play."""

    started_ns: int
    acked: dict[str, list[tuple[int, int]]]
    """Source → (seq, instant) of each acknowledgement."""
    errors: list[str]
    """Events that were refused: a benchmark that measures refusals measures nothing."""
    late_ms: float
    """By how much the latest piece was handed to its socket after it was due: the load's own fault."""

    def ended_ns(self) -> int:
        """The instant of the last acknowledgement."""
        return max(acked[-1][1] for acked in self.acked.values() if acked)


def encode_events(events: Iterable[AnyEvent]) -> bytes:
    """Events as NDJSON."""
    return _ENCODER.encode_lines(list(events))


class Lane:
    """One source's connection."""

    def __init__(self, address: tuple[str, int], source: str, token: str) -> None:
        self.source = source
        self.acked: list[tuple[int, int]] = []
        self.errors: list[str] = []
        self._received = b""
        self._socket = socket.create_connection(address, timeout=PATIENCE_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._waiting: deque[memoryview] = deque()
        hello = Hello(protocol=PROTOCOL, token=token, source=source, version="jedel-bench")
        self._socket.sendall(_ENCODER.encode(hello) + b"\n")
        self.committed_seq = self._welcomed()
        self._socket.setblocking(False)

    @property
    def acked_seq(self) -> int:
        """The last acknowledged number."""
        return self.acked[-1][0] if self.acked else self.committed_seq

    @property
    def wants_to_send(self) -> bool:
        """Whether bytes wait for the socket."""
        return bool(self._waiting)

    def fileno(self) -> int:
        """For `select`."""
        return self._socket.fileno()

    def put(self, data: bytes) -> None:
        """Sends, or keeps what the socket does not take."""
        self._waiting.append(memoryview(data))
        self.send()

    def send(self) -> None:
        """Sends what waits, as far as the socket takes it."""
        while self._waiting:
            first = self._waiting[0]
            try:
                sent = self._socket.send(first[:SEND_BYTES])
            except BlockingIOError:
                return
            if sent == len(first):
                self._waiting.popleft()
            else:
                self._waiting[0] = first[sent:]

    def receive(self) -> None:
        """Reads and dates what the centre says. Raises `LoadError` when it says goodbye."""
        data = self._socket.recv(65_536)
        now_ns = time.monotonic_ns()
        if not data:
            raise LoadError(f"{self.source}: the service has closed the connection")
        *lines, self._received = (self._received + data).split(b"\n")
        for line in lines:
            match _DECODER.decode(line):
                case Ack(seq):
                    self.acked.append((seq, now_ns))
                case EventError() as error:
                    self.errors.append(f"{self.source}/{error.seq}: {error.code.value} {error.field} {error.text}")
                case Goodbye() as goodbye:
                    raise LoadError(f"{self.source}: goodbye {goodbye.reason.value} {goodbye.text}")

    def restart(self) -> None:
        """Forgets what was acknowledged, before another play."""
        self.committed_seq = self.acked_seq
        self.acked, self.errors = [], []

    def close(self) -> None:
        """Disconnects."""
        self._socket.close()

    def _welcomed(self) -> int:
        line = b""
        while not line.endswith(b"\n"):
            byte = self._socket.recv(1)
            if not byte:
                raise LoadError(f"{self.source}: the service has closed the connection")
            line += byte
        match _DECODER.decode(line):
            case Welcome() as welcome:
                return welcome.committed_seq
            case other:
                raise LoadError(f"{self.source}: no welcome but {other}")


def play(lanes: Sequence[Lane], pieces: Sequence[Piece]) -> Receipt:
    """Sends pieces when they are due and returns when all of them are acknowledged.

    Args:
        lanes: the sources' connections.
        pieces: in order of `due_ns`, and of numbers within a source.

    Raises:
        LoadError: the service closed a connection, or acknowledged nothing for `PATIENCE_S`.
    """
    by_source = {lane.source: lane for lane in lanes}
    last_seqs = {piece.source: piece.last_seq for piece in pieces}
    for lane in lanes:
        lane.restart()
    late_ns = 0
    position = 0
    started_ns = heard_ns = time.monotonic_ns()
    while True:
        now_ns = time.monotonic_ns()
        while position < len(pieces) and started_ns + pieces[position].due_ns <= now_ns:
            piece = pieces[position]
            if piece.due_ns:
                late_ns = max(late_ns, now_ns - started_ns - piece.due_ns)
            by_source[piece.source].put(piece.data)
            position += 1
        if position == len(pieces) and all(by_source[source].acked_seq >= seq for source, seq in last_seqs.items()):
            break
        wait_s = (started_ns + pieces[position].due_ns - time.monotonic_ns()) / 1e9 if position < len(pieces) else 1.0
        readable, writable, _ = select.select(lanes, [lane for lane in lanes if lane.wants_to_send], [], max(0.0, wait_s))
        for lane in readable:
            lane.receive()
            heard_ns = time.monotonic_ns()
        for lane in writable:
            lane.send()
        if time.monotonic_ns() - max(heard_ns, started_ns) > PATIENCE_S * 1e9:
            raise LoadError(f"no acknowledgement for {PATIENCE_S:.0f} s")
    return Receipt(
        started_ns=started_ns,
        acked={lane.source: lane.acked for lane in lanes},
        errors=[error for lane in lanes for error in lane.errors],
        late_ms=late_ns / 1e6,
    )


def latencies_ms(pieces: Sequence[Piece], receipt: Receipt, source: str) -> list[float]:
    """From the instant a piece of this source was due until it was acknowledged, for each of its pieces."""
    acked = iter(receipt.acked[source])
    seq, at_ns = 0, 0
    found = []
    for piece in pieces:
        if piece.source == source:
            while seq < piece.last_seq:
                seq, at_ns = next(acked)
            found.append((at_ns - receipt.started_ns - piece.due_ns) / 1e6)
    return found
