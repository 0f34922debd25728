"""The account of one locust process: what its sources sent, what was acknowledged and refused, what its dispatch clients saw.

Place in the flow: beside it. `SourceAccount` and `ClientAccount` are kept by the users while the run lasts; at its end they are
one file, the `WorkerLedger`, and the files of all workers are what `loadtest.verify` proves a run by. Rules: a run's sources
and clients have names that begin with the run's token and the worker's label, so ledgers of several workers and runs never
collide and simply add up; an event counts as acknowledged only where an acknowledgement covers its number; memory grows with
calls, incidents and the run's cells, not with what devices say.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from typing import Final

import msgspec

from core.events import KIND_OF, Alarm, AnyEvent, Call, Position
from core.instant import to_datetime
from core.vocabulary import RejectCode
from loadtest.ledger import Latencies
from loadtest.locust_users.teller import Due, due_of
from protocols.dispatch.message import Changes, Snapshot

KEPT_FAULTS: Final = 100
"""Faults of one kind that a client names; more of the same help nobody."""
CELLS: Final = 600
"""Stretches into which a run is divided for the plots, a second each or longer."""
GROUP_US: Final = 1_000
"""Events of one kind that are due within so long are accounted for together, as due when the first of them was. Locust's own
figures are rounded to a millisecond, and accounting for each alone costs more than making it."""
LEDGER: Final = "ledger"
RUN: Final = "run"

Report = Callable[[str, float, int], None]
"""Told of answers: what was answered, after how many milliseconds, and how many of these there were at once."""


class Cell(msgspec.Struct):
    """What fell into one stretch of the run."""

    due: int = 0
    acked: int = 0
    latency: dict[int, int] = {}
    """Buckets of `loadtest.ledger.Latencies`, of what was due in this stretch."""


Series = dict[str, dict[int, Cell]]
"""What is counted → number of the stretch → what fell into it."""


class SourceLedger(msgspec.Struct, frozen=True, kw_only=True):
    """One source at the end of a run. Its events are numbered from 1."""

    source: str
    sent: int
    """Its last event's number."""
    acked: int
    """The last number that an acknowledgement covers."""
    kinds: dict[str, int]
    """Kind → events sent."""
    positions: list[tuple[int, int]]
    """(first, last) number of stretches of positions: they are kept thinned, and in no table by their number."""
    watched: list[int]
    """Calls and alarms: each must be seen in an incident."""
    refused: dict[int, str]
    """Number → code of the error that answered it."""
    cuts: int
    """Times that its connection broke after the first welcome."""


class ClientLedger(msgspec.Struct, frozen=True, kw_only=True):
    """One dispatch client at the end of a run."""

    client: str
    territory: str
    """The territory it watches with all below; empty for the whole centre."""
    complete: bool
    """Whether it saw what it had itself made happen after the last acknowledgement, and so everything before that."""
    seen: dict[int, int]
    """Incident → the highest version that it was told."""
    calls_seen: int
    repeated: list[tuple[int, int]]
    """(incident, version) told again without a reason."""
    disordered: list[tuple[int, int]]
    """(incident, version) older than what had been told."""
    cuts: int
    resumed: int
    """Comebacks that went on from the cursor."""
    reset: int
    """Comebacks that were answered with a snapshot."""


class WorkerLedger(msgspec.Struct, frozen=True, kw_only=True):
    """All of one locust process."""

    token: str
    worker: str
    cell_s: float
    sources: list[SourceLedger]
    clients: list[ClientLedger]
    series: Series
    cpu_s: float
    """CPU time of the process from the run's beginning until this was written."""
    late: dict[int, int]
    """By how much events were handed to their connection after they were due, as buckets: the generator's own fault."""


class RunRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What the leading process knows of a run."""

    token: str
    shape: str
    seconds: float
    times: float
    started_us: int
    workers: int
    """How many were to play."""
    ended: list[str]
    """Labels of those that wrote their ledger."""


class Recorder:
    """A run's series, common to all users of a process."""

    def __init__(self, started_us: int, seconds: float) -> None:
        self.series: Series = {}
        self.late = Latencies()
        self.cell_s = max(1.0, seconds / CELLS)
        self._started_us = started_us
        self._latencies: dict[tuple[str, int], Latencies] = {}

    def due(self, what: str, due_us: int, times: int = 1) -> None:
        """Something was due."""
        self._cell(what, due_us).due += times

    def answered(self, what: str, due_us: int, now_us: int, times: int = 1) -> None:
        """It was answered."""
        self._cell(what, now_us).acked += times
        key = what, self._number(due_us)
        latencies = self._latencies.get(key)
        if latencies is None:
            latencies = self._latencies[key] = Latencies()
        latencies.add(now_us - due_us, times)

    def finished(self) -> Series:
        """The series with its latencies."""
        for (what, number), latencies in self._latencies.items():
            self.series.setdefault(what, {}).setdefault(number, Cell()).latency = latencies.buckets
        return self.series

    def _number(self, at_us: int) -> int:
        return max(0, int((at_us - self._started_us) / 1e6 / self.cell_s))

    def _cell(self, what: str, at_us: int) -> Cell:
        cells = self.series.setdefault(what, {})
        number = self._number(at_us)
        cell = cells.get(number)
        if cell is None:
            cell = cells[number] = Cell()
        return cell


class _Group:
    """Events of one kind behind one another that were due within `GROUP_US`."""

    __slots__ = ("count", "due_us", "kind")

    def __init__(self, kind: type[AnyEvent], due_us: int, count: int) -> None:
        self.kind = kind
        self.due_us = due_us
        self.count = count

    @property
    def what(self) -> str:
        """The kind as it is on the wire."""
        return _WORDS[self.kind]


class SourceAccount:
    """One source while it speaks."""

    def __init__(self, source: str, recorder: Recorder, report: Report) -> None:
        self.source = source
        self.sent = 0
        self.acked = 0
        self.cuts = 0
        self._recorder = recorder
        self._report = report
        self._pending: deque[_Group] = deque()
        """What lies behind `acked`, oldest first."""
        self._kinds: Counter[str] = Counter()
        self._positions: list[tuple[int, int]] = []
        self._watched: list[int] = []
        self._refused: dict[int, str] = {}

    @property
    def settled(self) -> bool:
        """Whether everything sent is acknowledged."""
        return not self._pending

    def send(self, due: Iterable[Due], now_us: int) -> list[AnyEvent]:
        """Enters events into the account as sent; gives them with their numbers and times, as they are to be sent."""
        events: list[AnyEvent] = []
        group = _Group(Position, 0, 0)
        groups: list[_Group] = []
        for due_us, event in due:
            self.sent += 1
            kind = type(event)
            if kind is not group.kind or due_us - group.due_us > GROUP_US or not groups:
                group = _Group(kind, due_us, 0)
                groups.append(group)
            group.count += 1
            if kind is Call or kind is Alarm:
                self._watched.append(self.sent)
            elif kind is Position:
                if self._positions and self._positions[-1][1] == self.sent - 1:
                    self._positions[-1] = self._positions[-1][0], self.sent
                else:
                    self._positions.append((self.sent, self.sent))
            events.append(_replace(event, seq=self.sent, at=to_datetime(due_us)))
        for group in groups:
            self._kinds[group.what] += group.count
            self._recorder.due(group.what, group.due_us, group.count)
            self._recorder.late.add(now_us - group.due_us, group.count)
        self._pending += groups
        return events

    def acknowledge(self, seq: int, now_us: int) -> None:
        """Everything up to `seq` is acknowledged."""
        pending = self._pending
        while self.acked < seq and pending:
            group = pending[0]
            count = min(group.count, seq - self.acked)
            self.acked += count
            group.count -= count
            if not group.count:
                pending.popleft()
            self._recorder.answered(group.what, group.due_us, now_us, count)
            self._report(group.what, (now_us - group.due_us) / 1000, count)

    def refuse(self, seq: int | None, code: RejectCode) -> None:
        """An event was answered with an error."""
        self._refused[seq or 0] = code.value

    def ledger(self) -> SourceLedger:
        """The account as it stands."""
        return SourceLedger(
            source=self.source,
            sent=self.sent,
            acked=self.acked,
            kinds=dict(self._kinds),
            positions=self._positions,
            watched=self._watched,
            refused=self._refused,
            cuts=self.cuts,
        )


class _Told(msgspec.Struct, frozen=True, gc=False):
    event: str
    call: str = ""


class _View(msgspec.Struct, frozen=True, gc=False):
    """The part of an incident's view that a client here looks at."""

    incident_id: int
    version: int = 0
    told: tuple[_Told, ...] = ()


_WORDS: Final = {kind: number.name.lower() for kind, number in KIND_OF.items()}
_replace: Final = msgspec.structs.replace
_read_view: Final = msgspec.json.Decoder(_View).decode


class ClientAccount:
    """One dispatch client while it watches.

    Args:
        client: its name.
        territory: what it watches; empty for the whole centre.
        token: what the names of this run's sources begin with.
        recorder: the process's.
        report: told of each call seen.
    """

    def __init__(self, client: str, territory: str, token: str, recorder: Recorder, report: Report) -> None:
        self.client = client
        self.territory = territory
        self.cursor: int | None = None
        self.complete = False
        self.cuts = 0
        self.resumed = 0
        self.reset = 0
        self.seen: dict[int, int] = {}
        self._token = token
        self._recorder = recorder
        self._report = report
        self._calls: set[str] = set()
        self._repeated: list[tuple[int, int]] = []
        self._disordered: list[tuple[int, int]] = []
        self._under_way: set[int] = set()
        """Incidents told in the parts of a whole that is not there yet."""
        self._back = False
        """Whether the next message is the first one after a comeback."""
        self._told_again: set[int] = set()
        """Those of a whole that was broken off: it is told again from its beginning."""

    def apply(self, message: Snapshot | Changes, now_us: int) -> None:
        """Takes one message of the subscription. Raises `msgspec.DecodeError` for a view that is none."""
        fresh = isinstance(message, Changes)
        if self._back:
            self._back = False
            self.resumed += fresh
            self.reset += not fresh
        for raw in message.incidents:
            view = _read_view(raw)
            self._version(view, excused=not fresh)
            self._under_way.add(view.incident_id)
            # An incident may come into a district long after its call; only who watches everything is told of it at once.
            self._calls_of(view, now_us, counted=fresh and not self.territory)
        if not message.more:
            self.cursor = message.cursor
            self._under_way.clear()
            self._told_again.clear()

    def cut(self) -> None:
        """The connection is gone."""
        self.cuts += 1
        self._back = True
        self._told_again |= self._under_way
        self._under_way.clear()

    def ledger(self) -> ClientLedger:
        """The account as it stands."""
        return ClientLedger(
            client=self.client,
            territory=self.territory,
            complete=self.complete,
            seen=self.seen,
            calls_seen=len(self._calls),
            repeated=self._repeated,
            disordered=self._disordered,
            cuts=self.cuts,
            resumed=self.resumed,
            reset=self.reset,
        )

    def _version(self, view: _View, *, excused: bool) -> None:
        known = self.seen.get(view.incident_id, -1)
        if view.version > known:
            self.seen[view.incident_id] = view.version
        elif view.version < known:
            _note(self._disordered, view)
        elif not excused and view.incident_id not in self._told_again:
            _note(self._repeated, view)

    def _calls_of(self, view: _View, now_us: int, *, counted: bool) -> None:
        for told in view.told:
            # By the call and not by the event: what is told of a call later, by an update, has the call's name and instant.
            if told.event.startswith(self._token) and told.call not in self._calls:
                due_us = due_of(told.call)
                if due_us is None:
                    continue
                self._calls.add(told.call)
                if counted:
                    self._recorder.answered(SEEN, due_us, now_us)
                    self._report(SEEN, (now_us - due_us) / 1000, 1)


SEEN: Final = "call → client"
"""A call until a client that watches the whole centre is told of it."""


def _note(faults: list[tuple[int, int]], view: _View) -> None:
    if len(faults) < KEPT_FAULTS:
        faults.append((view.incident_id, view.version))


def series_of(ledgers: Iterable[WorkerLedger]) -> Mapping[str, Mapping[int, Cell]]:
    """The series of all workers of one run as one."""
    total: Series = {}
    for ledger in ledgers:
        for what, cells in ledger.series.items():
            for number, cell in cells.items():
                into = total.setdefault(what, {}).setdefault(number, Cell())
                into.due += cell.due
                into.acked += cell.acked
                added = Counter(into.latency)
                added.update(cell.latency)
                into.latency = dict(added)
    return total
