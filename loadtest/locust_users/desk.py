"""A dispatch client's end: one subscription over one connection after another, each going on from the cursor of the last.

Place in the flow: after it. What comes is handed to a receiver (an account, or crews that act on it). Rules: as in
`loadtest.locust_users.lane`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final
from uuid import uuid4

import msgspec

from core.commands import AnyCommand
from loadtest.locust_users.lane import HEARTBEAT_S, PATIENCE_S, PAUSE_S, LaneError, now_us
from loadtest.locust_users.wire import WsWire
from protocols.dispatch.message import (
    PATH,
    PROTOCOL,
    Answer,
    CentreMessage,
    Changes,
    ClientMessage,
    CommandMessage,
    Error,
    Filter,
    Goodbye,
    Heartbeat,
    Hello,
    Snapshot,
    Subscribe,
    Welcome,
)

SUBSCRIPTION: Final = "load"
_decode: Final[Callable[[bytes], CentreMessage]] = msgspec.json.Decoder(CentreMessage).decode
_encode: Final = msgspec.json.Encoder().encode

Receive = Callable[[Snapshot | Changes, int], None]
"""Takes a message of the subscription and the instant of its arrival."""
Measured = Callable[[str, float], None]
"""Told what was waited for and how many milliseconds."""


class Desk:
    """See the module's rules.

    Args:
        address: where dispatch listens.
        token: the client's.
        name: for the centre's log.
        territory: what is watched; empty for the whole centre.
        cursor: where to go on from; None for a snapshot.
        receive: see `Receive`.
        measured: told of welcomes, snapshots and resumptions.
        lost: told when a connection is gone.
    """

    def __init__(
        self,
        address: tuple[str, int],
        token: str,
        name: str,
        territory: str,
        *,
        cursor: Callable[[], int | None],
        receive: Receive,
        measured: Measured,
        lost: Callable[[], None],
    ) -> None:
        self._address = address
        self._token = token
        self._name = name
        self._filter = Filter(territories=(territory,)) if territory else Filter()
        self._cursor = cursor
        self._receive = receive
        self._measured = measured
        self._told_lost = lost
        self._wire: WsWire | None = None
        self._generation = 0
        self._whole = threading.Event()
        """Set when the first whole of a connection has come, and when the connection is gone."""
        self._begun_us = 0
        self._answers: dict[str, Answer | Error] = {}
        self._heard = threading.Event()
        self._spoke_s = 0.0
        self._refused = ""

    @property
    def connected(self) -> bool:
        """Whether a connection stands."""
        return self._wire is not None

    def connect(self) -> None:
        """Connects, and waits until the snapshot or what was missed is there. Raises `LaneError`."""
        give_up_s = time.monotonic() + PATIENCE_S
        while not self._try():
            if self._refused or time.monotonic() > give_up_s:
                raise LaneError(f"{self._name}: {self._refused or f'no snapshot within {PATIENCE_S:.0f} s'}")
            time.sleep(PAUSE_S)

    def look(self) -> None:
        """To be called every second or so: comes back where the connection is gone, and says that it is alive."""
        if self._wire is None:
            self.connect()
        elif time.monotonic() - self._spoke_s > HEARTBEAT_S:
            self._say(Heartbeat())

    def cut(self) -> None:
        """Ends the connection at once."""
        if self._wire is not None:
            self._wire.cut()
        self._lost(self._generation)

    def leave(self) -> None:
        """Says goodbye and goes."""
        self._say(Goodbye())
        self._generation += 1
        if self._wire is not None:
            self._wire.cut()
            self._wire = None

    def order(self, command: AnyCommand) -> None:
        """Sends a command and does not wait for its answer."""
        self._say(CommandMessage(body=command))

    def command(self, command: AnyCommand, give_up_s: float) -> Answer | Error | None:
        """Sends a command until it is answered; None where that is not before an instant of `time.monotonic`.

        Raises `LaneError` when the connection cannot be made again.
        """
        generation = -1
        while command.command_id not in self._answers:
            if time.monotonic() > give_up_s:
                return None
            self._heard.clear()
            self.look()
            if generation != self._generation:
                generation = self._generation
                self._say(CommandMessage(body=command))
            self._heard.wait(0.2)
        return self._answers.pop(command.command_id)

    def _say(self, message: ClientMessage) -> None:
        wire = self._wire
        if wire is not None:
            try:
                wire.send(_encode(message))
                self._spoke_s = time.monotonic()
            except OSError:
                self._lost(self._generation)

    def _try(self) -> bool:
        self._begun_us = now_us()
        resumed = self._cursor() is not None
        try:
            wire = WsWire(self._address, PATH, text=True)
            self._generation += 1
            self._whole.clear()
            self._wire = wire
            wire.send(_encode(Hello(protocol=PROTOCOL, token=self._token, client=self._name)))
            wire.send(
                _encode(
                    Subscribe(id=SUBSCRIPTION, filter=self._filter, positions=self._filter == Filter(), cursor=self._cursor())
                )
            )
        except OSError:
            self._lost(self._generation)
            return False
        threading.Thread(target=self._read, args=(wire, self._generation), daemon=True).start()
        if not self._whole.wait(PATIENCE_S) or self._wire is not wire:
            wire.cut()
            return False
        self._measured("resumption" if resumed else "snapshot", (now_us() - self._begun_us) / 1000)
        return True

    def _read(self, wire: WsWire, generation: int) -> None:
        try:
            self._hear(wire, generation)
        finally:
            wire.cut()
        self._lost(generation)

    def _hear(self, wire: WsWire, generation: int) -> None:
        while generation == self._generation and (messages := wire.receive()):
            arrived_us = now_us()
            for payload in messages:
                if generation != self._generation:
                    return
                match _decode(payload):
                    case Snapshot() | Changes() as told:
                        self._receive(told, arrived_us)
                        if not told.more:
                            self._whole.set()
                    case Answer() as answer:
                        self._answers[answer.command_id] = answer
                    case Error() as error:
                        if error.ref == SUBSCRIPTION:
                            self._refused = f"{error.code.value} {error.field} {error.text}"
                            self._whole.set()
                        self._answers[error.ref] = error
                    case Welcome():
                        self._measured("hello → welcome", (arrived_us - self._begun_us) / 1000)
                    case Goodbye() as goodbye:
                        if goodbye.reason in ("unauthorized", "unsupported_protocol"):
                            self._refused = goodbye.reason
                    case _:
                        continue
            self._heard.set()

    def _lost(self, generation: int) -> None:
        if generation != self._generation:
            return
        self._generation += 1
        if self._wire is not None:
            self._wire = None
            self._told_lost()
        self._whole.set()
        self._heard.set()


def new_id() -> str:
    """A command's id."""
    return str(uuid4())
