"""Counts what committed batches say, for the metrics: over all lives of a process, once a batch.

Place in the flow: beside acknowledge and publish, on the deciding thread. A batch's `Decisions` say everything that happened,
so nothing in `core` counts for the metrics, and what is counted is committed. Rules:
- Nobody is named but sources, up to `ops.metrics.SOURCES_NAMED`; crews and incidents are counted by state.
- Gauges are kept as things change, so that neither a batch nor a scrape ever walks the incidents.
- Written by one thread, read by another (`ops.exposition`) in copies.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from operator import attrgetter
from time import perf_counter
from typing import Final

import msgspec

from core.decisions import CrewChange, Decisions, IncidentChange, LogEntry
from core.events import KIND_OF, Chunk, Rejected
from core.facts import TAGS, StepDone
from core.instant import SECOND_US, to_micros
from core.recovered import Recovered
from core.tally import DURATIONS_S, Buckets
from core.vocabulary import PRIORITY_LOWEST, AssignmentState, CrewId, CrewState, IncidentId, IncidentState, RejectCode, Stage
from ops import metrics

_IN_THE_ENGINE: Final = frozenset(
    {RejectCode.UNKNOWN_CREW, RejectCode.UNKNOWN_CALL, RejectCode.ILLEGAL_MOVE, RejectCode.INTERNAL_FAULT}
)
"""Why the engine refuses an event that its codec had accepted."""
_ERRORS: Final = (
    *((Stage.CORRELATE if code in _IN_THE_ENGINE else Stage.DECODE, code.value) for code in RejectCode),
    (Stage.LOCATE, "no_place"),
    (Stage.ASSIGN, "no_crew"),
)
_STATES: Final = tuple(IncidentState)
_PRIORITIES: Final = PRIORITY_LOWEST + 1
_ENDED: Final = frozenset({IncidentState.CLOSED, IncidentState.MERGED})
_PLACES: Final = {state: place * _PRIORITIES for place, state in enumerate(_STATES)}
_ASSIGNED, _ACCEPTED, _ON_SCENE, _UNKNOWN = 1, 2, 4, 8
"""What some crew of an incident has reached; `_UNKNOWN` of one that was recovered and has not been looked at since."""
UNTIL: Final = {_ASSIGNED: "assigned", _ACCEPTED: "accepted", _ON_SCENE: "on_scene"}
_REACHED: Final = {
    AssignmentState.ACCEPTED: (_ACCEPTED,),
    AssignmentState.EN_ROUTE: (_ACCEPTED,),
    AssignmentState.ON_SCENE: (_ACCEPTED, _ON_SCENE),
}
"""A crew that says it is on its way has accepted."""


class _Number(msgspec.Struct, gc=False):
    number_kind: str


class _Piece(msgspec.Struct, gc=False):
    source: str


class _Joined(msgspec.Struct, gc=False):
    reason: str
    caller: _Number | None = None
    evidence: tuple[_Piece, ...] = ()


class _Opened(msgspec.Struct, gc=False):
    """As much of `core.facts.Opened` as is counted; the others likewise."""

    category_reason: str
    joined: _Joined


class _EventJoined(msgspec.Struct, gc=False):
    joined: _Joined


class _Recategorised(msgspec.Struct, gc=False):
    category_reason: str


class _Explanation(msgspec.Struct, gc=False):
    reason: str


class _CrewAssigned(msgspec.Struct, gc=False):
    explanation: _Explanation


class _Moved(msgspec.Struct, gc=False):
    to: AssignmentState


class _TermFired(msgspec.Struct, gc=False):
    term: str
    due_us: int
    step: str = StepDone.TOLD.value


class _Task(msgspec.Struct, gc=False):
    offered_us: int
    accepted_us: int | None = None
    on_scene_us: int | None = None


class _View(msgspec.Struct, gc=False):
    assignments: tuple[_Task, ...] = ()


_opened = msgspec.json.Decoder(_Opened).decode
_event_joined = msgspec.json.Decoder(_EventJoined).decode
_recategorised = msgspec.json.Decoder(_Recategorised).decode
_crew_assigned = msgspec.json.Decoder(_CrewAssigned).decode
_moved = msgspec.json.Decoder(_Moved).decode
_term_fired = msgspec.json.Decoder(_TermFired).decode
_view = msgspec.json.Decoder(_View).decode
_fact_of = attrgetter("fact")


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


class Measure:
    """What has happened since the process started, and how many incidents and crews there are in which state.

    Args:
        named: sources that certainly have series of their own, as far as `ops.metrics.SOURCES_NAMED` goes.
    """

    def __init__(self, named: Iterable[str] = ()) -> None:
        self.handled: dict[Stage, int] = dict.fromkeys(Stage, 0)
        # What may go wrong begins at zero: an alert does not see a series rise that was not there.
        self.errors: Counter[tuple[Stage, str]] = Counter(dict.fromkeys(_ERRORS, 0))
        self.durations: dict[Stage, Buckets] = {
            stage: Buckets(DURATIONS_S) for stage in Stage if stage not in (Stage.DECODE, Stage.IDENTIFY)
        }
        """Without those that are timed where they are done (`ops.instruments.Counted`)."""
        self.kinds: Counter[type] = Counter(dict.fromkeys(KIND_OF, 0))
        self.decisions: Counter[tuple[str, str]] = Counter()
        self.facts: Counter[str] = Counter(dict.fromkeys(TAGS.values(), 0))
        self.commands: Counter[str] = Counter()
        self.commit_events = Buckets(metrics.BATCH_EVENTS)
        self.acknowledgement = Buckets(DURATIONS_S)
        self.responses: dict[tuple[int, int], Buckets] = {}
        """(what was reached, priority) → seconds since the opening."""
        self.terms: Counter[tuple[str, str]] = Counter()
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

    def recovered(self, recovered: Recovered) -> None:
        """A life begins: what is open is what storage has."""
        self._forget()
        for change in recovered.incidents:
            self._note_incident(change, _UNKNOWN)
        for crew in recovered.crews:
            self._note_crew(crew)

    def events_by_kind(self) -> Iterator[tuple[str, int]]:
        """Kind and number of the events committed; those refused by their codec have no kind."""
        for kind, count in dict(self.kinds).items():
            if kind in KIND_OF:
                yield KIND_OF[kind].name.lower(), count

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
        self.handled[Stage.PERSIST] += 1
        self.handled[Stage.ACKNOWLEDGE] += len(decisions.high_water)
        self.handled[Stage.PUBLISH] += (
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
                self.acknowledgement.observe((now_us - chunk.received_us) / SECOND_US, count)
        if not events:
            return
        self.kinds.update(map(type, chain.from_iterable(taken.chunk.items[taken.skip :] for taken in decisions.taken)))
        self.handled[Stage.DECODE] += events
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
        self.facts.update(map(_fact_of, decisions.log))
        changes = {change.incident_id: change for change in decisions.incidents}
        for entry in decisions.log:
            look = _LOOKS.get(entry.fact)
            if look is not None:
                look(self, entry, changes)

    def _look_opened(self, entry: LogEntry, _: dict[IncidentId, IncidentChange]) -> None:
        fact = _opened(entry.body)
        self.decisions["category", fact.category_reason] += 1
        self._count_joined(fact.joined)

    def _look_joined(self, entry: LogEntry, _: dict[IncidentId, IncidentChange]) -> None:
        self._count_joined(_event_joined(entry.body).joined)

    def _count_joined(self, joined: _Joined) -> None:
        handled, decisions = self.handled, self.decisions
        handled[Stage.CORRELATE] += 1
        handled[Stage.LOCATE] += 1
        decisions["incident", joined.reason] += 1
        if joined.caller is not None:
            handled[Stage.IDENTIFY] += 1
            decisions["caller", joined.caller.number_kind] += 1
        for piece in joined.evidence:
            decisions["place", piece.source] += 1
        if not joined.evidence:
            self.errors[Stage.LOCATE, "no_place"] += 1

    def _look_recategorised(self, entry: LogEntry, _: dict[IncidentId, IncidentChange]) -> None:
        self.decisions["category", _recategorised(entry.body).category_reason] += 1

    def _look_queued(self, entry: LogEntry, _: dict[IncidentId, IncidentChange]) -> None:
        self.handled[Stage.ASSIGN] += 1
        self.errors[Stage.ASSIGN, "no_crew"] += 1

    def _look_assigned(self, entry: LogEntry, changes: dict[IncidentId, IncidentChange]) -> None:
        self.handled[Stage.ASSIGN] += 1
        self.decisions["crew", _crew_assigned(entry.body).explanation.reason] += 1
        self._reach(entry, changes[entry.incident_id], (_ASSIGNED,))

    def _look_moved(self, entry: LogEntry, changes: dict[IncidentId, IncidentChange]) -> None:
        reached = _REACHED.get(_moved(entry.body).to)
        if reached is not None:
            self._reach(entry, changes[entry.incident_id], reached)

    def _look_fired(self, entry: LogEntry, _: dict[IncidentId, IncidentChange]) -> None:
        fact = _term_fired(entry.body)
        self.terms[fact.term, fact.step] += 1
        self.lateness.observe((entry.at_us - fact.due_us) / SECOND_US)

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


_Look = Callable[[Measure, LogEntry, dict[IncidentId, IncidentChange]], None]
_LOOKS: Final[dict[str, _Look]] = {
    "opened": Measure._look_opened,
    "event_joined": Measure._look_joined,
    "recategorised": Measure._look_recategorised,
    "queued": Measure._look_queued,
    "crew_assigned": Measure._look_assigned,
    "assignment_moved": Measure._look_moved,
    "term_fired": Measure._look_fired,
}
"""Facts of which more is counted than that they happened."""
