"""Whether a run lost, doubled or hid anything: sent = acknowledged = stored = published (invariants 1, 2, 3, 4 and 10).

Place in the flow: after it; pure. What counts as what:

- *acknowledged*: an acknowledgement covers the event's number.
- *stored*: there is exactly one row with its number, in `event` or in `rejected_event`, and the source's mark is its last one.
  A position has none, because positions are kept thinned; its number lies below the mark.
- *refused*: the error that the source was told is the row in `rejected_event`. A source whose connection broke may have missed
  being told.
- *published*: each client of the same run that is entitled to a call's or an alarm's incident was told a version of it that
  knows the event. Entitled is who watches the whole centre, or the territory in which the incident lies or one above. No client
  was told one version twice, an older one after a newer one, or one that is not in the database.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from enum import Enum
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from loadtest.locust_users.account import ClientLedger, RunRecord, SourceLedger, WorkerLedger
from loadtest.verify.stored import Stored

FAULTS_MAX: Final = 100
"""Faults of one kind that are named; more of the same help nobody."""


class FaultKind(Enum):
    """What is wrong."""

    WORKER_MISSING = "worker_missing"
    """A locust process of the run has left no ledger, so nobody knows what it sent."""
    NAME_TWICE = "name_twice"
    """Two ledgers speak of one source or client."""
    NOT_ACKNOWLEDGED = "not_acknowledged"
    NOT_STORED = "not_stored"
    STORED_TWICE = "stored_twice"
    STORED_UNSENT = "stored_unsent"
    """A row that nobody sent."""
    MARK_DIFFERS = "mark_differs"
    REFUSAL_DIFFERS = "refusal_differs"
    NOT_IN_INCIDENT = "not_in_incident"
    CLIENT_INCOMPLETE = "client_incomplete"
    """A client did not see what it made happen after everything else."""
    NOT_PUBLISHED = "not_published"
    PUBLISHED_TWICE = "published_twice"
    PUBLISHED_BACKWARDS = "published_backwards"
    PUBLISHED_UNCOMMITTED = "published_uncommitted"


class Fault(msgspec.Struct, frozen=True):
    """One thing that is wrong."""

    kind: FaultKind
    text: str

    @property
    def line(self) -> str:
        """For a person."""
        return f"{self.kind.value}: {self.text}"


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """The numbers that must agree."""

    sent: int
    acked: int
    stored: int
    """Rows in `event`."""
    refused: int
    """Rows in `rejected_event`."""
    positions: int
    """Taken, and in no table by their number, unless they were refused."""
    watched: int
    """Calls and alarms that were not refused."""
    incidents: int
    """Incidents in which these are."""
    tellings: int
    """Pairs of an incident and a client entitled to it."""
    clients: int
    kinds: dict[str, int]
    cuts: int
    resumed: int
    reset: int


class Proof(msgspec.Struct, frozen=True):
    """What came of it."""

    totals: Totals
    faults: list[Fault]
    """At most `FAULTS_MAX` of a kind, and a last one that says how many more."""


def prove(runs: Iterable[RunRecord], ledgers: list[WorkerLedger], stored: Stored) -> Proof:
    """Compares the ledgers with each other and with what is stored. O(events)."""
    faults: list[Fault] = [*_workers(runs, ledgers)]
    sources = [source for ledger in ledgers for source in ledger.sources]
    clients = [client for ledger in ledgers for client in ledger.clients]
    faults += _names([source.source for source in sources] + [client.client for client in clients])
    watched: dict[str, list[str]] = {}
    for ledger in ledgers:
        watched.setdefault(ledger.token, [])
        for source in ledger.sources:
            faults += _source(source, stored)
            refused = {number for number, _ in stored.rejected.get(source.source, ())} | source.refused.keys()
            labels = [f"{source.source}/{number}" for number in source.watched if number not in refused]
            watched[ledger.token] += labels
    known = {source.source for source in sources}
    for name in sorted((stored.events.keys() | stored.rejected.keys()) - known):
        faults.append(Fault(FaultKind.STORED_UNSENT, f"{name} has rows, and no ledger speaks of it"))
    incidents: set[int] = set()
    tellings = 0
    for token, labels in watched.items():
        # A client is there for its own run, and owes nothing to another one's.
        wanted, missing = _wanted(labels, stored)
        faults += missing
        incidents |= wanted.keys()
        for client in (client for ledger in ledgers if ledger.token == token for client in ledger.clients):
            entitled = {number: want for number, want in wanted.items() if _entitled(client, number, stored)}
            tellings += len(entitled)
            faults += _client(client, entitled, stored)
    kinds: Counter[str] = Counter()
    for source in sources:
        kinds.update(source.kinds)
    totals = Totals(
        sent=sum(source.sent for source in sources),
        acked=sum(source.acked for source in sources),
        stored=sum(len(stored.events.get(source.source, ())) for source in sources),
        refused=sum(len(stored.rejected.get(source.source, ())) for source in sources),
        positions=sum(last - first + 1 for source in sources for first, last in source.positions),
        watched=sum(map(len, watched.values())),
        incidents=len(incidents),
        tellings=tellings,
        clients=len(clients),
        kinds=dict(kinds),
        cuts=sum(source.cuts for source in sources) + sum(client.cuts for client in clients),
        resumed=sum(client.resumed for client in clients),
        reset=sum(client.reset for client in clients),
    )
    return Proof(totals, list(_bounded(faults)))


def _workers(runs: Iterable[RunRecord], ledgers: list[WorkerLedger]) -> Iterator[Fault]:
    there = {(ledger.token, ledger.worker) for ledger in ledgers}
    for run in runs:
        if len(run.ended) < run.workers:
            yield Fault(FaultKind.WORKER_MISSING, f"run {run.token}: {len(run.ended)} of {run.workers} workers ended in order")
        for worker in run.ended:
            if (run.token, worker) not in there:
                yield Fault(FaultKind.WORKER_MISSING, f"run {run.token}: worker {worker} has no ledger")


def _names(names: list[str]) -> Iterator[Fault]:
    for name, times in Counter(names).items():
        if times > 1:
            yield Fault(FaultKind.NAME_TWICE, f"{name} is in {times} ledgers")


def _source(source: SourceLedger, stored: Stored) -> Iterator[Fault]:
    name = source.source
    if source.acked != source.sent:
        yield Fault(
            FaultKind.NOT_ACKNOWLEDGED,
            f"{name}: {source.sent - source.acked} of {source.sent} events, from {name}/{source.acked + 1} on",
        )
    mark = stored.high_water.get(name, 0)
    if mark != source.sent:
        yield Fault(FaultKind.MARK_DIFFERS, f"{name}: {source.sent} events were sent, the centre has taken {mark}")
    rejected = [number for number, _ in stored.rejected.get(name, ()) if number]
    rows = np.concatenate([stored.events.get(name, np.empty(0, np.int64)), np.array(rejected, dtype=np.int64)])
    numbers, times = np.unique(rows, return_counts=True)
    for number, count in zip(numbers[times > 1].tolist(), times[times > 1].tolist(), strict=True):
        yield Fault(FaultKind.STORED_TWICE, f"{name}/{number} has {count} rows")
    for number in numbers[(numbers < 1) | (numbers > source.sent)].tolist():
        yield Fault(FaultKind.STORED_UNSENT, f"{name}/{number} is stored; the last event sent was {source.sent}")
    for number in np.setdiff1d(_expected(source), numbers).tolist():
        told = "acknowledged" if number <= source.acked else "sent"
        yield Fault(FaultKind.NOT_STORED, f"{name}/{number} was {told} and is in no table")
    yield from _refusals(source, dict(stored.rejected.get(name, ())))


def _expected(source: SourceLedger) -> npt.NDArray[np.int64]:
    """Numbers that must have a row."""
    wanted = np.ones(source.sent + 1, dtype=bool)
    wanted[0] = False
    for first, last in source.positions:
        wanted[first : last + 1] = False
    return np.flatnonzero(wanted).astype(np.int64)


def _refusals(source: SourceLedger, rejected: dict[int, str]) -> Iterator[Fault]:
    for number, code in source.refused.items():
        kept = rejected.get(number)
        if kept != code:
            yield Fault(
                FaultKind.REFUSAL_DIFFERS, f"{source.source}/{number} was told {code}, the table says {kept or 'nothing'}"
            )
    if not source.cuts:
        for number, code in rejected.items():
            if number not in source.refused:
                yield Fault(FaultKind.REFUSAL_DIFFERS, f"{source.source}/{number} is kept as {code}, its source was not told")


class _Want(msgspec.Struct, frozen=True):
    """From which version on an incident knows all calls and alarms of the run."""

    version: int
    event: str


def _wanted(watched: Iterable[str], stored: Stored) -> tuple[dict[int, _Want], list[Fault]]:
    """Incident → what clients must have been told of it; and the events that are in none."""
    wanted: dict[int, _Want] = {}
    faults = []
    for label in watched:
        incident = stored.incident_of.get(label)
        if incident is None or incident not in stored.incidents:
            faults.append(Fault(FaultKind.NOT_IN_INCIDENT, f"{label} is stored without an incident"))
            continue
        logged, version = stored.version_of.get(label, (incident, 1))
        known = wanted.get(logged)
        if known is None or known.version < version:
            wanted[logged] = _Want(version, label)
    return wanted, faults


def _entitled(client: ClientLedger, incident: int, stored: Stored) -> bool:
    territory = stored.incidents[incident].territory if incident in stored.incidents else ""
    return not client.territory or territory == client.territory or territory.startswith(f"{client.territory}/")


def _client(client: ClientLedger, entitled: dict[int, _Want], stored: Stored) -> Iterator[Fault]:
    name = client.client
    if not client.complete:
        yield Fault(FaultKind.CLIENT_INCOMPLETE, f"{name} did not see the end of the run")
    for incident, want in entitled.items():
        told = client.seen.get(incident)
        if told is None:
            yield Fault(FaultKind.NOT_PUBLISHED, f"{name} was never told of incident {incident}, in which {want.event} is")
        elif told < want.version:
            yield Fault(
                FaultKind.NOT_PUBLISHED,
                f"{name} was told incident {incident} up to version {told}; {want.event} is in it from {want.version} on",
            )
    for incident, version in client.repeated:
        yield Fault(FaultKind.PUBLISHED_TWICE, f"{name} was told version {version} of incident {incident} again")
    for incident, version in client.disordered:
        yield Fault(
            FaultKind.PUBLISHED_BACKWARDS, f"{name} was told version {version} of incident {incident} after a newer one"
        )
    for incident, version in client.seen.items():
        row = stored.incidents.get(incident)
        if row is None or row.version < version:
            held = "no such incident" if row is None else f"version {row.version}"
            yield Fault(
                FaultKind.PUBLISHED_UNCOMMITTED, f"{name} was told version {version} of incident {incident}; stored is {held}"
            )


def _bounded(faults: list[Fault]) -> Iterator[Fault]:
    counts: Counter[FaultKind] = Counter()
    for fault in faults:
        counts[fault.kind] += 1
        if counts[fault.kind] <= FAULTS_MAX:
            yield fault
    for kind, count in counts.items():
        if count > FAULTS_MAX:
            yield Fault(kind, f"and {count - FAULTS_MAX} more")
