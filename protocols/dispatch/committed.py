"""The committed state as clients may be told it, in the order in which it last changed.

Every collection is a dict ordered by the batch of its entries' last change, newest last, so what has changed since a cursor is
read from the end. Open incidents, crews and positions are kept whole; closed incidents and notices only as far back as a client
may resume: `window_start` says how far that is. Only committed batches come in here (invariant 2).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import TypeVar

from core import limits
from core.decisions import CrewChange, Decisions, IncidentChange, Notice, PositionRow
from protocols.dispatch.codec import encode_json


class HeldIncident:
    """An incident's newest committed state. The same object for the incident's whole life."""

    __slots__ = ("batch_no", "change", "first_batch")

    def __init__(self, change: IncidentChange, batch_no: int, first_batch: int) -> None:
        self.change = change
        self.batch_no = batch_no
        self.first_batch = first_batch
        """The batch that opened it: a client told everything up to an earlier one cannot hold it."""


class HeldCrew:
    """A crew's newest committed state."""

    __slots__ = ("batch_no", "change", "first_batch")

    def __init__(self, change: CrewChange, batch_no: int, first_batch: int) -> None:
        self.change = change
        self.batch_no = batch_no
        self.first_batch = first_batch


class HeldPosition:
    """A crew's latest position, encoded when the first client wants it."""

    __slots__ = ("_json", "batch_no", "row")

    def __init__(self, row: PositionRow, batch_no: int) -> None:
        self.row = row
        self.batch_no = batch_no
        self._json: bytes | None = None

    def put(self, row: PositionRow, batch_no: int) -> None:
        """Replaces the position."""
        self.row = row
        self.batch_no = batch_no
        self._json = None

    @property
    def json(self) -> bytes:
        """The position as it stands in messages."""
        if self._json is None:
            self._json = encode_json(self.row)
        return self._json


class HeldNotice:
    """A notice and the incident it is about, None where it is about a crew or the centre."""

    __slots__ = ("batch_no", "incident", "json", "territory")

    def __init__(self, notice: Notice, incident: HeldIncident | None, batch_no: int) -> None:
        self.json = encode_json(notice)
        self.territory = notice.territory
        self.incident = incident
        self.batch_no = batch_no

    @property
    def about(self) -> IncidentChange | None:
        """The newest state of the incident it is about, if any."""
        return None if self.incident is None else self.incident.change


Held = HeldIncident | HeldCrew | HeldPosition | HeldNotice
_K = TypeVar("_K", int, str)
_H = TypeVar("_H", HeldIncident, HeldCrew, HeldPosition)


def is_closed(change: IncidentChange) -> bool:
    """Whether an incident is in a final state."""
    return change.closed_us is not None


class Committed:
    """Incidents, crews, positions and notices after the last committed batch."""

    def __init__(
        self, window_batches: int, closed_bytes: int = limits.RESUME_CLOSED_BYTES, notices_max: int = limits.RESUME_NOTICES
    ) -> None:
        self.batch_no = 0
        self.window_start = 0
        """A cursor of this or later can be resumed."""
        self.open: dict[int, HeldIncident] = {}
        self.closed: dict[int, HeldIncident] = {}
        self.crews: dict[str, HeldCrew] = {}
        self.positions: dict[str, HeldPosition] = {}
        self.notices: deque[HeldNotice] = deque()
        self._window_batches = window_batches
        self._closed_bytes_max = closed_bytes
        self._closed_bytes = 0
        """Of the views in `closed`."""
        self._notices_max = notices_max

    def restore(
        self, batch_no: int, incidents: Iterable[IncidentChange], crews: Iterable[CrewChange], positions: Iterable[PositionRow]
    ) -> None:
        """Takes what storage has recovered, as if all of it had changed in the last batch."""
        self.batch_no = self.window_start = batch_no
        self.open = {one.incident_id: HeldIncident(one, batch_no, 0) for one in incidents}
        self.crews = {one.crew_id: HeldCrew(one, batch_no, 0) for one in crews}
        self.positions = {one.crew_id: HeldPosition(one, batch_no) for one in positions}
        self.closed = {}
        self._closed_bytes = 0
        self.notices.clear()

    def advance(self, decisions: Decisions) -> None:
        """Goes on to the next batch. Raises `ValueError` if its number does not rise: our own fault."""
        if decisions.batch_no <= self.batch_no:
            raise ValueError(f"batch {decisions.batch_no} after batch {self.batch_no}")
        self.batch_no = decisions.batch_no

    def forget(self) -> None:
        """Drops what lies before the window, and shortens the window where its bounds ask for it."""
        self.window_start = max(self.window_start, self.batch_no - self._window_batches)
        while self.closed:
            number, held = next(iter(self.closed.items()))
            if held.batch_no > self.window_start:
                if self._closed_bytes <= self._closed_bytes_max:
                    break
                self.window_start = held.batch_no
            self._closed_bytes -= len(held.change.view)
            del self.closed[number]
        while self.notices:
            notice = self.notices[0]
            if notice.batch_no > self.window_start:
                if len(self.notices) <= self._notices_max:
                    break
                self.window_start = notice.batch_no
            self.notices.popleft()

    def put_incident(self, change: IncidentChange) -> tuple[HeldIncident, IncidentChange | None]:
        """Takes an incident's new state; gives what is held of it and its state before, None where unknown.

        Raises `ValueError` if its version goes back: our own fault.
        """
        number = change.incident_id
        held = self.open.pop(number, None) or self.closed.pop(number, None)
        before = None
        if held is None:
            held = HeldIncident(change, self.batch_no, self.batch_no if change.created else 0)
        else:
            before = held.change
            if change.version < before.version:
                raise ValueError(f"incident {number}: version {change.version} after {before.version}")
            if is_closed(before):
                self._closed_bytes -= len(before.view)
            held.change = change
            held.batch_no = self.batch_no
        if is_closed(change):
            self.closed[number] = held
            self._closed_bytes += len(change.view)
        else:
            self.open[number] = held
        return held, before

    def put_crew(self, change: CrewChange) -> tuple[HeldCrew, CrewChange | None]:
        """Takes a crew's new state; gives what is held of it and its state before, None for a new crew."""
        held = self.crews.pop(change.crew_id, None)
        before = None
        if held is None:
            held = HeldCrew(change, self.batch_no, self.batch_no)
        else:
            before = held.change
            held.change = change
            held.batch_no = self.batch_no
        self.crews[change.crew_id] = held
        return held, before

    def put_position(self, row: PositionRow) -> tuple[HeldPosition, PositionRow | None]:
        """Takes a crew's new position; gives what is held of it and the position before."""
        held = self.positions.pop(row.crew_id, None)
        before = None
        if held is None:
            held = HeldPosition(row, self.batch_no)
        else:
            before = held.row
            held.put(row, self.batch_no)
        self.positions[row.crew_id] = held
        return held, before

    def put_notice(self, notice: Notice) -> HeldNotice | None:
        """Takes a notice, if the incident it is about is known."""
        incident = None if notice.incident_id is None else self.incident(notice.incident_id)
        if incident is None and notice.incident_id is not None:
            return None
        held = HeldNotice(notice, incident, self.batch_no)
        self.notices.append(held)
        return held

    def incident(self, number: int) -> HeldIncident | None:
        """An open or lately closed incident."""
        return self.open.get(number) or self.closed.get(number)

    def territory_of(self, crew_id: str) -> str:
        """The territory that a crew serves."""
        crew = self.crews.get(crew_id)
        return "" if crew is None else crew.change.territory

    def everything(self, *, positions: bool) -> list[Held]:
        """What a snapshot looks through: open incidents, crews and, if wanted, positions."""
        return [*self.open.values(), *self.crews.values(), *(self.positions.values() if positions else ())]

    def since(self, cursor: int) -> list[Held]:
        """All that has changed in batches after `cursor`, which must not lie before the window. O(changed)."""
        changed: list[Held] = []
        changed += _tail(self.positions, cursor)
        changed += _tail(self.crews, cursor)
        changed += _tail(self.closed, cursor)
        changed += _tail(self.open, cursor)
        for notice in reversed(self.notices):
            if notice.batch_no <= cursor:
                break
            changed.append(notice)
        changed.reverse()
        return changed


def _tail(newest_last: dict[_K, _H], cursor: int) -> Iterator[_H]:
    for held in reversed(newest_last.values()):
        if held.batch_no <= cursor:
            return
        yield held
