"""The network between the centre and everybody else: bytes and messages that come late, in pieces, or not at all.

A `Link` carries an ingest connection's bytes, divided anywhere; a `Channel` carries a dispatch client's messages. Either end
may learn of a break late: the centre may hold a dead connection for seconds, and bytes sent before the break may still arrive.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Final, Protocol

from core.instant import SECOND_US
from protocols.ingest.connection import Connection
from protocols.ingest.message import GoodbyeReason
from tests.simulation.agenda import Agenda
from tests.simulation.faults import Faults

DELAY_US: Final = 3_000


class SourceEnd(Protocol):
    """A source, as its connection sees it."""

    def received(self, link: Link, data: bytes) -> None:
        """The centre has said something."""

    def disconnected(self, link: Link) -> None:
        """The connection is gone."""


class Link:
    """One ingest connection; the centre's wire of it.

    Args:
        agenda, faults: the world.
        source_end: who has connected.
        watch: is shown what the centre writes, at the moment it does.
    """

    def __init__(self, agenda: Agenda, faults: Faults, source_end: SourceEnd, watch: Callable[[Link, bytes], None]) -> None:
        self._agenda = agenda
        self._faults = faults
        self._source_end = source_end
        self._watch = watch
        self.connection: Connection | None = None
        self.open_for_source = True
        self.open_for_centre = True
        self._arrives_at_centre_us = 0
        self._arrives_at_source_us = 0
        self._paused = False
        self._waiting: list[bytes] = []
        self._losing = False

    def send(self, data: bytes) -> None:
        """The source sends."""
        for piece in self._pieces(data):
            self._arrives_at_centre_us = max(self._arrives_at_centre_us, self._agenda.now_us + self._agenda.delay_us(DELAY_US))
            self._agenda.at(self._arrives_at_centre_us, lambda piece=piece: self._at_centre(piece))  # type: ignore[misc]

    def cut(self) -> None:
        """The network breaks the connection."""
        agenda = self._agenda
        if self._losing:
            return
        self._losing = True
        agenda.after(agenda.delay_us(DELAY_US), self._lost_by_source)
        late = agenda.chance(self._faults.late_loss_share)
        if not late and agenda.chance(0.5):
            self._waiting.clear()
            self._lost_by_centre()
            return
        agenda.after(agenda.delay_us(3 * SECOND_US if late else DELAY_US), self._lost_by_centre)

    def die(self) -> None:
        """The centre's process dies: its sockets close."""
        self.open_for_centre = False
        self._agenda.after(self._agenda.delay_us(DELAY_US), self._lost_by_source)

    # What the centre's connection asks of its wire (`protocols.ingest.connection.Wire`).

    def write(self, data: bytes) -> None:
        """Sends to the source."""
        if not self.open_for_centre:
            return
        self._watch(self, data)
        for piece in self._pieces(data):
            self._arrives_at_source_us = max(self._arrives_at_source_us, self._agenda.now_us + self._agenda.delay_us(DELAY_US))
            self._agenda.at(self._arrives_at_source_us, lambda piece=piece: self._at_source(piece))  # type: ignore[misc]

    def close(self, reason: GoodbyeReason) -> None:
        """Sends what is buffered, then closes."""
        del reason
        self._agenda.at(self._arrives_at_source_us, self._lost_by_source)
        self._agenda.after(self._agenda.delay_us(DELAY_US), self._lost_by_centre)

    def abort(self) -> None:
        """Closes at once."""
        self._agenda.after(self._agenda.delay_us(DELAY_US), self._lost_by_source)
        self._agenda.after(0, self._lost_by_centre)

    def pause_reading(self) -> None:
        """Bytes wait in front of the centre."""
        self._paused = True

    def resume_reading(self) -> None:
        """The centre reads again, from the next step on."""
        self._paused = False
        self._agenda.after(0, self._catch_up)

    def _pieces(self, data: bytes) -> list[bytes]:
        rng = self._agenda.rng
        if len(data) < 2 or rng.random() < 0.7:
            return [data]
        cuts = sorted({0, len(data), *(rng.randrange(len(data)) for _ in range(rng.randrange(1, 4)))})
        return [data[start:end] for start, end in pairwise(cuts)]

    def _at_centre(self, piece: bytes) -> None:
        if not self.open_for_centre or self.connection is None:
            return
        if self._paused or self._waiting:
            self._waiting.append(piece)
        else:
            self.connection.received(piece)

    def _catch_up(self) -> None:
        while self._waiting and not self._paused and self.open_for_centre and self.connection is not None:
            self.connection.received(self._waiting.pop(0))

    def _at_source(self, piece: bytes) -> None:
        if self.open_for_source and not self._losing:
            self._source_end.received(self, piece)

    def _lost_by_source(self) -> None:
        if self.open_for_source:
            self.open_for_source = False
            self._source_end.disconnected(self)

    def _lost_by_centre(self) -> None:
        if self.open_for_centre and self.connection is not None:
            self.open_for_centre = False
            self.connection.lost()


class Channel:
    """One dispatch connection: whole messages both ways, in order."""

    def __init__(self, agenda: Agenda) -> None:
        self._agenda = agenda
        self.is_open = True
        self.to_client: Callable[[bytes], None] = _nowhere
        self.to_centre: Callable[[bytes], None] = _nowhere
        self.lost_by_client: Callable[[], None] = _nothing
        self.lost_by_centre: Callable[[], None] = _nothing
        self.under_way = 0
        """Messages on their way to the client: it is slow when there are many."""
        self.stalled_until_us = 0
        self._arrives_us = {True: 0, False: 0}

    def tell(self, payload: bytes) -> None:
        """The centre sends."""
        self.under_way += 1
        self._carry(payload, to_client=True)

    def ask(self, payload: bytes) -> None:
        """The client sends."""
        self._carry(payload, to_client=False)

    def cut(self) -> None:
        """The connection breaks for both ends; what is on its way is gone."""
        if self.is_open:
            self.is_open = False
            self._agenda.after(self._agenda.delay_us(DELAY_US), self.lost_by_client)
            self._agenda.after(self._agenda.delay_us(DELAY_US), self.lost_by_centre)

    def _carry(self, payload: bytes, *, to_client: bool) -> None:
        arrives_us = max(self._arrives_us[to_client], self._agenda.now_us + self._agenda.delay_us(DELAY_US))
        if to_client:
            arrives_us = max(arrives_us, self.stalled_until_us)
        self._arrives_us[to_client] = arrives_us

        def arrive() -> None:
            if to_client:
                self.under_way -= 1
            if self.is_open:
                (self.to_client if to_client else self.to_centre)(payload)

        self._agenda.at(arrives_us, arrive)


def _nowhere(_: bytes) -> None:
    return


def _nothing() -> None:
    return
