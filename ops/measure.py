"""Counts what committed batches say, for the metrics: over all lives of a process, once a batch.

Place in the flow: beside acknowledge and publish, on the deciding thread. A batch's `Decisions` say everything that happened,
so nothing in `core` counts for the metrics, and what is counted is committed. Rules:
- Nobody is named but sources, up to `ops.metrics.SOURCES_NAMED`; crews and incidents are counted by state.
- Gauges are kept as things change, so that neither a batch nor a scrape ever walks the incidents.
- Written by one thread, read by another (`ops.exposition`) in copies.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from time import perf_counter
from typing import Final

import msgspec

from core.decisions import CrewChange, Decisions, IncidentChange, LogEntry
from core.events import Chunk, Rejected
from core.facts import (
    TAGS,
    AssignmentMoved,
    CrewAssigned,
    EventJoined,
    Joined,
    Opened,
    Queued,
    Recategorised,
    StepDone,
    TermFired,
)
from core.instant import SECOND_US, to_micros
from core.recovered import Recovered
from core.tally import DURATIONS_S, Buckets
from core.vocabulary import (
    PRIORITY_LOWEST,
    AssignmentState,
    CrewId,
    CrewState,
    IncidentId,
    IncidentState,
    RejectCode,
    Stage,
    TermKind,
    Word,
)
from ops import metrics
from ops.acknowledged import Acknowledged
from ops.needs import Needs, Waiting

_IN_THE_ENGINE: Final = frozenset(
    {RejectCode.UNKNOWN_CREW, RejectCode.UNKNOWN_CALL, RejectCode.ILLEGAL_MOVE, RejectCode.INTERNAL_FAULT}
)
"""Why the engine refuses an event that its codec had accepted."""
CALLER, PLACE, CATEGORY, INCIDENT, CREW = "caller", "place", "category", "incident", "crew"
"""What is decided of an event, as `ops.metrics.DECISIONS` is labelled."""
NO_PLACE, NO_CREW = "no_place", "no_crew"
_ERRORS: Final = (
    *((Stage.CORRELATE if code in _IN_THE_ENGINE else Stage.DECODE, code.value) for code in RejectCode),
    (Stage.LOCATE, NO_PLACE),
)
_STATES: Final = tuple(IncidentState)
_PRIORITIES: Final = PRIORITY_LOWEST + 1
_ENDED: Final = frozenset({IncidentState.CLOSED, IncidentState.MERGED})
_PLACES: Final = {state: place * _PRIORITIES for place, state in enumerate(_STATES)}
_ASSIGNED, _ACCEPTED, _ON_SCENE, _UNKNOWN = 1, 2, 4, 8
"""What some crew of an incident has reached; `_UNKNOWN` of one that was recovered and has not been looked at since."""
UNTIL: Final = {_ASSIGNED: "assigned", _ACCEPTED: "accepted", _ON_SCENE: "on_scene"}
_OFFERED: Final = (_ASSIGNED,)
_REACHED: Final = {
    AssignmentState.ACCEPTED: (_ACCEPTED,),
    AssignmentState.EN_ROUTE: (_ACCEPTED,),
    AssignmentState.ON_SCENE: (_ACCEPTED, _ON_SCENE),
}
"""A crew that says it is on its way has accepted."""


class _Task(msgspec.Struct, gc=False):
    """As much of an assignment as is looked at in the view of a recovered incident."""

    offered_us: int
    accepted_us: int | None = None
    on_scene_us: int | None = None


class _View(msgspec.Struct, gc=False):
    assignments: tuple[_Task, ...] = ()


_view = msgspec.json.Decoder(_View).decode


class SourceTally:
    """What came from one source, or from all that have no series of their own."""

    __slots__ = ("events", "lag_s", "last_seen_us", "rejected")

    def __init__(self) -> None:
        self.events = 0
        self.rejected = 0
        self.lag_s = 0.0
        self.last_seen_us = 0


class Stopwatch:
    """Times the engine's stages, which tell of themselves (`core.engine.Engine`)."""

    def __init__(self, durations: dict[Stage, Buckets]) -> None:
        self._durations = durations
        self._began_s = self._passed_s = 0.0

    def __call__(self, stage: Stage | None) -> None:
        """A batch begins (None), or a stage of it is done."""
        now_s = perf_counter()
        if stage is None:
            self._began_s = now_s
        elif stage is Stage.DECIDE:
            self._durations[stage].observe(now_s - self._began_s)
        else:
            self._durations[stage].observe(now_s - self._passed_s)
        self._passed_s = now_s

    def leave_out(self) -> None:
        """What was done since the last stage is none of the engine's work."""
        now_s = perf_counter()
        self._began_s += now_s - self._passed_s
        self._passed_s = now_s


class Measure:
    """What has happened since the process started, and how many incidents and crews there are in which state.

    Args:
        named: sources that certainly have series of their own, as far as `ops.metrics.SOURCES_NAMED` goes.
    """

    def __init__(self, named: Iterable[str] = ()) -> None:
        self._handled: dict[Stage, int] = dict.fromkeys((Stage.DECODE, Stage.PERSIST, Stage.ACKNOWLEDGE, Stage.PUBLISH), 0)
        # What may go wrong begins at zero: an alert does not see a series rise that was not there.
        self.errors: Counter[tuple[Stage, str]] = Counter(dict.fromkeys(_ERRORS, 0))
        self.durations: dict[Stage, Buckets] = {
            stage: Buckets(DURATIONS_S) for stage in Stage if stage not in (Stage.DECODE, Stage.IDENTIFY)
        }
        """Without those that are timed where they are done (`ops.instruments.Counted`)."""
        self.decisions: dict[str, Counter[Word]] = {what: Counter() for what in (CALLER, PLACE, CATEGORY, INCIDENT, CREW)}
        """What was decided → why."""
        self.facts: Counter[type] = Counter(dict.fromkeys(TAGS, 0))
        self.commands: Counter[str] = Counter()
        self.commit_events = Buckets(metrics.BATCH_EVENTS)
        self.acknowledged = Acknowledged()
        self.responses: dict[tuple[int, int], Buckets] = {}
        """(what was reached, priority) → seconds since the opening."""
        self.terms: Counter[tuple[TermKind, StepDone]] = Counter()
        self.lateness = Buckets(metrics.LATENESS_S)
        self.notices: Counter[str] = Counter()
        self.tellings: Counter[str] = Counter()
        self.sources: dict[str, SourceTally] = {
            source: SourceTally() for source, _ in zip(dict.fromkeys(named), range(metrics.SOURCES_NAMED), strict=False)
        }
        self._others = SourceTally()
        self._unnamed: set[str] = set()
        self.last_commit_us = 0
        self.stopwatch = Stopwatch(self.durations)
        self._forget()

    def _forget(self) -> None:
        self.incidents = [0] * (len(_STATES) * _PRIORITIES)
        """Open incidents by state and priority."""
        self._known: dict[IncidentId, int] = {}
        """Open incident → its place in `incidents` and what its crews have reached, in one number."""
        self._fresh: dict[IncidentId, int] = {}
        """What crews have reached of incidents that were opened in the batch at hand."""
        self.needs = Needs()
        """Of the open incidents, those that wait for a crew."""
        self.crews: dict[CrewState, int] = dict.fromkeys(CrewState, 0)
        self._crew_states: dict[CrewId, CrewState] = {}

    @property
    def others(self) -> SourceTally | None:
        """What came from sources without series of their own; None where there are none."""
        return self._others if self._unnamed else None

    @property
    def sources_seen(self) -> int:
        """Sources from which anything was committed; of those without series of their own at most as many as are remembered."""
        return sum(one.events > 0 for one in list(self.sources.values())) + len(self._unnamed)

    def recovered(self, recovered: Recovered, waiting: Iterable[Waiting] = ()) -> None:
        """A life begins: what is open is what storage has, and what waits of it for a crew is `ops.needs.waiting_in`."""
        self._forget()
        for one in waiting:
            self.needs.add(one)
        self.needs.settle()
        for change in recovered.incidents:
            self._note_incident(change, _UNKNOWN)
        for crew in recovered.crews:
            self._note_crew(crew)

    def handled(self) -> dict[Stage, int]:
        """How much each stage has worked on. Callers, places and incidents follow from the facts, and so do needs."""
        facts = dict(self.facts)
        told = facts[Opened] + facts[EventJoined]
        return {
            **self._handled,
            Stage.IDENTIFY: sum(dict(self.decisions[CALLER]).values()),
            Stage.LOCATE: told,
            Stage.CORRELATE: told,
            Stage.ASSIGN: facts[CrewAssigned] + facts[Queued],
        }

    def failed(self) -> dict[tuple[Stage, str], int]:
        """What the stages could not do, by reason."""
        return {**self.errors, (Stage.ASSIGN, NO_CREW): self.facts[Queued]}

    def open_incidents(self) -> Iterator[tuple[IncidentState, int, int]]:
        """State, priority and number of the open incidents, as far as there were any."""
        for place, count in enumerate(list(self.incidents)):
            if count:
                yield _STATES[place // _PRIORITIES], place % _PRIORITIES, count

    def committed(self, decisions: Decisions, refused: dict[str, list[Rejected]], now_us: int) -> None:
        """Counts a committed batch.

        Args:
            decisions: the batch.
            refused: what of it was refused, by source.
            now_us: when its sources were acknowledged.
        """
        self.last_commit_us = now_us
        self._handled[Stage.PERSIST] += 1
        self._handled[Stage.ACKNOWLEDGE] += len(decisions.high_water)
        self._handled[Stage.PUBLISH] += (
            len(decisions.incidents) + len(decisions.crews) + len(decisions.live_positions) + len(decisions.notices)
        )
        if decisions.taken:
            self._count_events(decisions, now_us)
        for source, found in refused.items():
            self._source(source).rejected += len(found)
            for one in found:
                stage = Stage.CORRELATE if one.code in _IN_THE_ENGINE else Stage.DECODE
                self.errors[stage, one.code.value] += 1
        if decisions.log:
            self._count_facts(decisions)
        for change in decisions.incidents:
            self._note_incident(change, self._fresh.get(change.incident_id, 0))
            self.needs.note(change, decisions.now_us, waits=change.incident_id in decisions.waiting)
        if decisions.incidents:
            self.needs.settle()
        self._fresh.clear()
        for crew in decisions.crews:
            self._note_crew(crew)
        for answer in decisions.commands:
            self.commands["done" if answer.done else answer.reason] += 1
        for notice in decisions.notices:
            self.notices[notice.term] += 1
        for telling in decisions.tellings:
            self.tellings[telling.template.value] += 1

    def _count_events(self, decisions: Decisions, now_us: int) -> None:
        events = 0
        newest: dict[str, Chunk] = {}
        for taken in decisions.taken:
            chunk = taken.chunk
            count = len(chunk.items) - taken.skip
            if count:
                events += count
                newest[chunk.source] = chunk
                self._source(chunk.source).events += count
                self.acknowledged.count(taken, (now_us - chunk.received_us) / SECOND_US)
        if not events:
            return
        self._handled[Stage.DECODE] += events
        self.commit_events.observe(events)
        for source, chunk in newest.items():
            tally = self._source(source)
            tally.last_seen_us = now_us
            last = next((item for item in reversed(chunk.items) if not isinstance(item, Rejected)), None)
            if last is not None:
                tally.lag_s = (now_us - to_micros(last.at)) / SECOND_US

    def _source(self, source: str) -> SourceTally:
        tally = self.sources.get(source)
        if tally is None:
            if len(self.sources) >= metrics.SOURCES_NAMED:
                if len(self._unnamed) < metrics.SOURCES_REMEMBERED:
                    self._unnamed.add(source)
                return self._others
            tally = self.sources[source] = SourceTally()
        return tally

    def _count_facts(self, decisions: Decisions) -> None:
        """Counts facts by type and reason. A storm of calls makes two of them each, so what can be is counted in one stroke."""
        self.facts.update(map(type, decisions.facts))
        joined: list[Joined] = []
        reached: list[tuple[LogEntry, tuple[int, ...]]] = []
        categories, crews = self.decisions[CATEGORY], self.decisions[CREW]
        for entry, fact in zip(decisions.log, decisions.facts, strict=True):
            match fact:
                case CrewAssigned():
                    crews[fact.explanation.reason] += 1
                    reached.append((entry, _OFFERED))
                case Opened():
                    categories[fact.category_reason] += 1
                    joined.append(fact.joined)
                case EventJoined():
                    joined.append(fact.joined)
                case AssignmentMoved():
                    if fact.to in _REACHED:
                        reached.append((entry, _REACHED[fact.to]))
                case TermFired():
                    self.terms[fact.term, fact.step] += 1
                    self.lateness.observe((entry.at_us - fact.due_us) / SECOND_US)
                case Recategorised():
                    categories[fact.category_reason] += 1
                case _:
                    pass
        if joined:
            self.decisions[INCIDENT].update([one.reason for one in joined])
            self.decisions[CALLER].update([one.caller.number_kind for one in joined if one.caller is not None])
            self.decisions[PLACE].update([piece.source for one in joined for piece in one.evidence])
            self.errors[Stage.LOCATE, NO_PLACE] += sum([not one.evidence for one in joined])
        if reached:
            changes = {change.incident_id: change for change in decisions.incidents}
            for entry, steps in reached:
                self._reach(entry, changes[entry.incident_id], steps)

    def _reach(self, entry: LogEntry, change: IncidentChange, reached: tuple[int, ...]) -> None:
        """A crew has got so far; of an incident the first one counts."""
        packed = self._known.get(entry.incident_id, self._fresh.get(entry.incident_id, 0))
        if packed & _UNKNOWN:
            packed = packed & ~15 | _reached_before(change, entry.at_us)
        for step in reached:
            if not packed & step:
                packed |= step
                buckets = self.responses.get((step, change.priority))
                if buckets is None:
                    buckets = self.responses[step, change.priority] = Buckets(metrics.RESPONSE_S)
                buckets.observe((entry.at_us - change.opened_us) / SECOND_US)
        if entry.incident_id in self._known:
            self._known[entry.incident_id] = packed
        else:
            self._fresh[entry.incident_id] = packed

    def _note_incident(self, change: IncidentChange, reached: int) -> None:
        before = self._known.get(change.incident_id)
        place = _PLACES[change.state] + change.priority
        ended = change.state in _ENDED
        if before is None:
            if not ended:
                self._known[change.incident_id] = place << 4 | reached
                self.incidents[place] += 1
            return
        if before >> 4 != place:
            self.incidents[before >> 4] -= 1
            self.incidents[place] += 1
            self._known[change.incident_id] = place << 4 | before & 15
        if ended:
            del self._known[change.incident_id]
            self.incidents[place] -= 1

    def _note_crew(self, change: CrewChange) -> None:
        before = self._crew_states.get(change.crew_id)
        if before is not change.state:
            if before is not None:
                self.crews[before] -= 1
            self.crews[change.state] += 1
            self._crew_states[change.crew_id] = change.state


def _reached_before(change: IncidentChange, at_us: int) -> int:
    """What crews of a recovered incident had reached before an instant."""
    reached = 0
    for task in _view(change.view).assignments:
        for step, us in ((_ASSIGNED, task.offered_us), (_ACCEPTED, task.accepted_us), (_ON_SCENE, task.on_scene_us)):
            if us is not None and us < at_us:
                reached |= step
    return reached
