"""What storage does, in memory: one transaction a batch behind the fence, recovery, and everything that may go wrong with it.

Mirrors `storage.writer` and `storage.recovery` rule by rule: the epoch and the batch number are the fence; a failed try leaves
the writer in doubt, and then it asks before it writes; recovery gives open incidents, crews, the last kept positions, the
last answers. Rows are kept encoded, as the database keeps them: nothing of the engine's memory survives in here.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Final

import msgspec

from core.decisions import AssignmentChange, CommandAnswer, CrewChange, Decisions, IncidentChange, LogEntry, PositionRow
from core.events import AnyEvent, Position, Rejected
from core.facts import CorrelateReason, EventJoined, Opened
from core.incident import decode_fact
from core.instant import SECOND_US, Micros
from core.patrol import decode_patrol, encode_patrol
from core.recovered import EarlierCall, Recovered
from core.scenario import Scenario
from core.telling import Happened, Telling
from core.vocabulary import IncidentId, Mode
from tests.simulation.agenda import Agenda
from tests.simulation.faults import Faults
from tests.simulation.log_checker import Violation
from tests.simulation.places import DEVICES

LATENCY_US: Final = 4_000
_SETTLED_SHARE: Final = 0.2
"""How often an answer on its way is there when the engine passes from one stage to the next."""
_PAUSE_FIRST_US: Final = 50_000
_PAUSE_MAX_US: Final = 2 * SECOND_US


class FencedError(Exception):
    """Another process is active, or the batch is not the next one."""


_TOLD_AGAIN: Final = frozenset({Happened.PART_LEFT_OUT, Happened.INCIDENT_LEFT_OUT, Happened.NEWS_REFUSED})


class StoreModel:
    """The centre's database.

    Args:
        committed: told of each transaction, at the moment it becomes durable.
    """

    def __init__(self, committed: Callable[[Decisions], None]) -> None:
        self._committed = committed
        self.epoch = 0
        self.last_batch = 0
        self.last_at_us = Micros(0)
        self.high_water: dict[str, int] = {}
        self.events: dict[tuple[str, int], tuple[AnyEvent, IncidentId | None]] = {}
        self.positions_taken: set[tuple[str, int]] = set()
        self.rejected: dict[tuple[str, int], Rejected] = {}
        self.malformed: dict[str, list[bytes]] = {}
        """Source → raw bytes of refused frames without a readable number."""
        self.log: list[LogEntry] = []
        self.incidents: dict[int, IncidentChange] = {}
        self.assignments: dict[int, AssignmentChange] = {}
        self.crews: dict[str, CrewChange] = {}
        self.positions: dict[str, PositionRow] = {}
        self.answers: dict[str, CommandAnswer] = {}
        self.notices = 0
        self.mode = Mode.DAILY
        self.scenarios: dict[str, Scenario] = {}
        self.tellings: dict[str, Telling] = {}
        self.patrols: dict[str, bytes] = {}
        self.batches: list[Decisions] = []
        """All that was committed, batch by batch."""

    def become_active(self) -> int:
        """A process takes the lock: the epoch rises, and whoever was active is fenced off."""
        self.epoch += 1
        return self.epoch

    def is_committed(self, epoch: int, batch_no: int) -> bool:
        """What became of a batch in doubt. Raises `FencedError`."""
        if self.epoch != epoch or self.last_batch not in (batch_no - 1, batch_no):
            raise FencedError(f"batch {batch_no} of epoch {epoch}: the centre is at {self.last_batch} of {self.epoch}")
        return self.last_batch == batch_no

    def commit(self, epoch: int, decisions: Decisions) -> None:
        """One transaction: everything or nothing. Raises `FencedError`."""
        if self.epoch != epoch or self.last_batch != decisions.batch_no - 1:
            raise FencedError(f"batch {decisions.batch_no} of epoch {epoch} is not the next one")
        self._apply(decisions)
        self._committed(decisions)

    def _apply(self, decisions: Decisions) -> None:
        self.last_batch = decisions.batch_no
        self.last_at_us = decisions.now_us
        self.high_water.update(decisions.high_water)
        for taken in decisions.taken:
            source = taken.chunk.source
            for index in range(taken.skip, len(taken.chunk.items)):
                item = taken.rejected.get(index, taken.chunk.items[index])
                if isinstance(item, Rejected):
                    if item.seq is None:
                        self.malformed.setdefault(source, []).append(taken.chunk.raws[index])
                    else:
                        _once(self.rejected, source, item.seq)
                        self.rejected[source, item.seq] = item
                elif isinstance(item, Position):
                    _once(self.positions_taken, source, item.seq)
                    self.positions_taken.add((source, item.seq))
                else:
                    _once(self.events, source, item.seq)
                    self.events[source, item.seq] = (item, taken.incidents.get(index))
        self.log += decisions.log
        self.incidents.update((one.incident_id, one) for one in decisions.incidents)
        self.assignments.update((one.assignment_id, one) for one in decisions.assignments)
        self.crews.update((one.crew_id, one) for one in decisions.crews)
        for row in decisions.positions:
            known = self.positions.get(row.crew_id)
            if known is None or row.at_us >= known.at_us:
                self.positions[row.crew_id] = row
        self.answers.update((one.command_id, one) for one in decisions.commands)
        self.notices += len(decisions.notices)
        for entry in decisions.centre_log:
            if entry.fact == "mode_set":
                self.mode = Mode(msgspec.json.decode(entry.body)["mode"])
        for scenario in decisions.scenarios:
            self.scenarios.setdefault(scenario.key, msgspec.json.decode(scenario.body, type=Scenario))
        self.patrols.update((state.crew_id, encode_patrol(state)) for state in decisions.patrols)
        for telling in decisions.tellings:
            # What is left out is told by every life, and by its key it is one telling (`core.left_out`).
            if telling.key in self.tellings and telling.template not in _TOLD_AGAIN:
                raise Violation(6, f"{telling.key} is told twice")
            self.tellings[telling.key] = telling
        self.batches.append(decisions)

    def recovered(self) -> Recovered:
        """The committed state, as `storage.recovery` reads it."""
        open_incidents = [one for one in self.incidents.values() if one.closed_us is None]
        return Recovered(
            batch_no=self.last_batch,
            high_water=dict(self.high_water),
            next_incident_id=max(self.incidents, default=0) + 1,
            next_assignment_id=max(self.assignments, default=0) + 1,
            incidents=[_uncreated(one) for one in sorted(open_incidents, key=lambda one: one.incident_id)],
            crews=[self.crews[crew] for crew in sorted(self.crews)],
            positions=[self.positions[crew] for crew in sorted(self.positions) if crew in self.crews],
            earlier_calls=self._earlier_calls(),
            answers=sorted(self.answers.values(), key=lambda one: (one.at_us, one.command_id)),
            devices=list(DEVICES),
            last_us=self.batches[-1].now_us if self.batches else Micros(0),
            mode=self.mode,
            scenarios=[self.scenarios[key] for key in sorted(self.scenarios)],
            patrols=[decode_patrol(self.patrols[crew]) for crew in sorted(self.patrols)],
        )

    def _earlier_calls(self) -> list[EarlierCall]:
        calls: list[EarlierCall] = []
        for entry in sorted(self.log, key=lambda one: (one.at_us, one.incident_id, one.version)):
            fact = decode_fact(entry.body) if entry.fact in ("opened", "event_joined") else None
            if isinstance(fact, Opened | EventJoined):
                joined = fact.joined
                new = joined.kind != "command" and joined.reason is not CorrelateReason.SPLIT
                if new and joined.caller is not None and joined.caller.e164:
                    calls.append(EarlierCall(joined.caller.e164, entry.at_us, entry.incident_id))
        return calls


def _once(kept: Container[tuple[str, int]], source: str, seq: int) -> None:
    if (source, seq) in kept:
        raise Violation(3, f"{source}/{seq} takes effect twice")


def _uncreated(one: IncidentChange) -> IncidentChange:
    values = {name: getattr(one, name) for name in one.__struct_fields__}
    return IncidentChange(**(values | {"created": False}))


class Writer:
    """Commits batches one at a time, as `storage.writer` does: for ever, and never twice.

    Args:
        agenda, faults: the world.
        store: the database.
        epoch: of the life that writes.
    """

    def __init__(self, agenda: Agenda, faults: Faults, store: StoreModel, epoch: int) -> None:
        self._agenda = agenda
        self._faults = faults
        self._store = store
        self._epoch = epoch
        self._failures = 0
        self._in_doubt = False
        self._answer: Callable[[], None] | None = None
        """What tells of a batch that is written, while its answer is on its way."""
        self.reachable_from_us = 0
        self.alive = True

    def commit(self, decisions: Decisions, done: Callable[[Decisions], None], fenced: Callable[[str], None]) -> None:
        """Makes a batch durable, however often the database has to be asked, then calls `done`, or `fenced`."""
        self._failures = 0
        self._in_doubt = False
        self._try(decisions, done, fenced)

    def settle(self) -> None:
        """An answer that is on its way may be there already."""
        if self._answer is not None and self._agenda.chance(_SETTLED_SHARE):
            self._answer()

    def _try(self, decisions: Decisions, done: Callable[[Decisions], None], fenced: Callable[[str], None]) -> None:
        agenda, faults = self._agenda, self._faults
        slow = 50 if agenda.chance(faults.slow_commit_share) else 1
        fails_before, fails_after = agenda.chance(faults.fail_before_share), agenda.chance(faults.fail_after_share)

        def answered() -> None:
            if self.alive and self._answer is answered:
                self._answer = None
                agenda.tell(f"batch {decisions.batch_no} is committed")
                done(decisions)

        def refused(text: str) -> None:
            if self.alive:
                fenced(text)

        def failed() -> None:
            if not self.alive:
                return
            self._in_doubt = True
            self._failures += 1
            agenda.tell(f"batch {decisions.batch_no}: commit failed {'after' if fails_after else 'before'} it was made")
            pause_us = min(_PAUSE_MAX_US, _PAUSE_FIRST_US * 2 ** min(self._failures - 1, 10))
            agenda.after(pause_us, lambda: self._try(decisions, done, fenced) if self.alive else None)

        def arrived() -> None:
            # The server does what has reached it even if the client has died meanwhile.
            if fails_before or agenda.now_us < self.reachable_from_us or (not self.alive and agenda.chance(0.5)):
                agenda.after(agenda.delay_us(LATENCY_US), failed)
                return
            try:
                self._write(decisions)
            except FencedError as error:
                text = str(error)
                agenda.after(agenda.delay_us(LATENCY_US), lambda: refused(text))
                return
            if not fails_after:
                self._answer = answered
            agenda.after(agenda.delay_us(LATENCY_US * slow), failed if fails_after else answered)

        agenda.after(agenda.delay_us(LATENCY_US * slow), arrived)

    def _write(self, decisions: Decisions) -> None:
        if not self._in_doubt or not self._store.is_committed(self._epoch, decisions.batch_no):
            self._store.commit(self._epoch, decisions)
