"""A source's lane: one source over one connection after another, with its session and its account.

Place in the flow: before it, in an integrator's place. `protocols.ingest.client_session` keeps what is not acknowledged and
sends it again; a thread of the lane's own reads. Rules: everything goes by the standard library's sockets, threads and sleeps,
so it runs in gevent's greenlets and in threads alike; a lane that cannot come back in `PATIENCE_S` raises.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

import msgspec

from loadtest.locust_users.account import SourceAccount
from loadtest.locust_users.teller import Due
from loadtest.locust_users.wire import Wire
from protocols.ingest.client_session import ClientSession, IngestRefusedError
from protocols.ingest.message import Ack, EventError, Framing, Welcome

PATIENCE_S: Final = 30.0
PAUSE_S: Final = 0.1
"""Between two tries to connect."""
HEARTBEAT_S: Final = 15.0
BACKLOG_EVENTS: Final = 500_000
"""Events of one source that wait for their acknowledgement; beyond it nothing new is made until some have come, and what was
due meanwhile comes with its own instant."""

Welcomed = Callable[[float], None]
"""Told, after each hello, how many milliseconds the welcome took."""


class LaneError(Exception):
    """The centre refuses the source, or cannot be reached."""


def now_us() -> int:
    """The machine's clock, which all processes of a run share."""
    return time.time_ns() // 1_000


class Lane:
    """See the module's rules.

    Args:
        account: the source's; its name is the source's.
        token: the source's.
        framing: how frames follow one another.
        open_wire: opens a connection; raises `OSError`.
        welcomed: told of each welcome.
    """

    def __init__(
        self, account: SourceAccount, token: str, framing: Framing, open_wire: Callable[[], Wire], welcomed: Welcomed
    ) -> None:
        self.account = account
        self._open_wire = open_wire
        self._told_welcome = welcomed
        self._session = ClientSession(account.source, token, version="jedel-load", framing=framing, next_seq=1)
        self._wire: Wire | None = None
        self._lock = threading.RLock()
        """Around the session: the reader and the writer both move it, and neither waits for anything in there."""
        self._welcome = threading.Event()
        self._heard = threading.Event()
        """Set whenever something has been acknowledged, or the connection is gone."""
        self._refused: Exception | None = None
        self._generation = 0
        self._spoke_s = 0.0

    @property
    def backlog(self) -> int:
        """Events that wait for their acknowledgement."""
        return self._session.unacknowledged

    def connect(self) -> None:
        """Connects, says hello and waits for the welcome. Raises `LaneError`."""
        give_up_s = time.monotonic() + PATIENCE_S
        while not self._try():
            if self._refused is not None:
                raise LaneError(f"{self.account.source}: {self._refused}") from self._refused
            if time.monotonic() > give_up_s:
                raise LaneError(f"{self.account.source}: no welcome within {PATIENCE_S:.0f} s")
            time.sleep(PAUSE_S)

    def push(self, due: Sequence[Due]) -> None:
        """Sends events, and what has waited; blocks while the centre does not read. Raises `LaneError`."""
        if due:
            with self._lock:
                self._session.offer(self.account.send(due, now_us()))
        elif time.monotonic() - self._spoke_s > HEARTBEAT_S:
            with self._lock:
                self._session.heartbeat()
        self._flush()

    def cut(self) -> None:
        """Ends the connection at once; the next push begins another one."""
        if self._wire is not None:
            self._wire.cut()
        self._lost(self._generation)

    def settle(self, give_up_s: float) -> bool:
        """Waits until everything is acknowledged, at most until an instant of `time.monotonic`. Raises `LaneError`."""
        while not self.account.settled:
            self._heard.clear()
            self._flush()
            if time.monotonic() > give_up_s:
                return False
            if not self.account.settled:
                self._heard.wait(0.5)
        return True

    def leave(self) -> None:
        """Says goodbye and goes."""
        if self._wire is not None:
            with suppress(OSError):  # the centre was first; everything is acknowledged already
                self._wire.send(self._session.goodbye())
            self._generation += 1
            self._wire.cut()
            self._wire = None

    def _flush(self) -> None:
        while True:
            if not self._session.welcomed:
                self.connect()
            with self._lock:
                data = self._session.data_to_send()
            wire = self._wire
            if not data or wire is None:
                return
            try:
                wire.send(data)
                self._spoke_s = time.monotonic()
            except OSError:
                self._lost(self._generation)

    def _try(self) -> bool:
        begun_us = now_us()
        try:
            wire = self._open_wire()
        except OSError:
            return False
        with self._lock:
            # From here on nobody who speaks of an earlier connection is heard.
            self._generation += 1
            generation = self._generation
            self._welcome.clear()
            hello = self._session.connect()
            self._wire = wire
        threading.Thread(target=self._read, args=(wire, generation), daemon=True).start()
        try:
            wire.send(hello)
        except OSError:
            self._lost(generation)
            return False
        if not self._welcome.wait(PATIENCE_S) or not self._session.welcomed:
            wire.cut()
            self._lost(generation)
            return False
        self._told_welcome((now_us() - begun_us) / 1000)
        return True

    def _read(self, wire: Wire, generation: int) -> None:
        try:
            self._hear(wire, generation)
        finally:
            wire.cut()
        self._lost(generation)

    def _hear(self, wire: Wire, generation: int) -> None:
        while pieces := wire.receive():
            arrived_us = now_us()
            with self._lock:
                if generation != self._generation:
                    return
                for piece in pieces:
                    try:
                        messages = self._session.receive_data(piece)
                    except (IngestRefusedError, msgspec.MsgspecError) as error:
                        self._refused = error
                        self._welcome.set()
                        return
                    for message in messages:
                        match message:
                            case Ack():
                                self.account.acknowledge(message.seq, arrived_us)
                            case EventError():
                                self.account.refuse(message.seq, message.code)
                            case Welcome():
                                # What the centre had committed when the connection broke has no acknowledgement of its own.
                                self.account.acknowledge(message.committed_seq, arrived_us)
                                self._welcome.set()
                            case _:
                                # A heartbeat; after a goodbye the connection ends.
                                continue
            self._heard.set()

    def _lost(self, generation: int) -> None:
        with self._lock:
            if generation != self._generation:
                return
            self._generation += 1
            if self._session.welcomed:
                self.account.cuts += 1
            self._session.disconnected()
            self._wire = None
            self._welcome.set()
            self._heard.set()
