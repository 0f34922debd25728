"""The engine: `handle(batch, now) -> decisions`, synchronous and pure, the only thing that changes the centre's state.

The flow stands in `handle`, once: terms that have passed, events in the order of their sources, orders, and then one
assignment for everything the batch wants. It reads no clock, no socket and no table; the same batches at the same times give
the same decisions, always. Nothing here is told to anybody: the shell commits the decisions first (invariants 1 and 2).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from core.assign import assign_crews
from core.category import CategoryTable
from core.crew import OFF, decode_crew
from core.crew_reports import Moved, note_latest, note_positions, note_silence, restore_positions, take_status
from core.decisions import Decisions, Taken
from core.duty_watch import DutyWatch
from core.events import (
    Alarm,
    Call,
    CallUpdate,
    Chunk,
    CrewStatus,
    Position,
    Rejected,
    SensorReading,
    VideoEvent,
)
from core.incident import decode_incident
from core.informing import tell_centre
from core.instant import Micros, to_micros
from core.intake import Prepared, prepare, take
from core.left_out import LeftOut, tell_left_out
from core.orders import refuse_order, take_order
from core.patrol import PatrolState
from core.patrol_watch import Patrols
from core.patrolling import Patrolling
from core.ports import CrewIndex, Gazetteer, Territories
from core.recovered import Recovered
from core.relief import relieve
from core.scenario import ScenarioSet
from core.state import Batch, CentreRules, CentreState, LastPosition
from core.vocabulary import AssignmentId, CrewId, IncidentId, Occasion, Part, Stage
from core.watch import fire_due_terms

TERMS_A_BATCH_MAX: Final = 2_000
"""Incidents whose passed terms one batch fires, and crews whose silence it notes; after a long outage the rest follows in the
next batches, in order."""
_TELLING: Final = frozenset({Call, CallUpdate, Alarm, VideoEvent, SensorReading})


def _nobody(_: Stage | None) -> None:
    return


class Engine:
    """The centre's decisions.

    Args:
        rules: what an administrator sets.
        categories: the table of categories.
        scenarios: what is done about each of them.
        gazetteer, territories, crew_index: the geometry; the crew index must be empty.
        recovered: committed state to go on from.
        left_out: what it does without (`core.quarantine`).
        patrols: the patrol routes, none of whose crews is known yet; None where there are none.
        passed: is told that a batch begins (None) and of each stage of it that is done, so that others can read a clock.
    """

    def __init__(
        self,
        rules: CentreRules,
        categories: CategoryTable,
        scenarios: ScenarioSet,
        gazetteer: Gazetteer,
        territories: Territories,
        crew_index: CrewIndex,
        recovered: Recovered,
        left_out: Sequence[LeftOut] = (),
        patrols: Patrols | None = None,
        passed: Callable[[Stage | None], None] = _nobody,
    ) -> None:
        self._passed = passed
        self._state = CentreState(rules, categories, scenarios, gazetteer, territories, crew_index)
        self._left_out = left_out
        self._without = frozenset(one.part for one in left_out if one.incident_id is None and not one.is_refused)
        alone = [(one.part, one.incident_id) for one in left_out if one.incident_id is not None]
        self._state.muted = frozenset(incident_id for part, incident_id in alone if part is Part.TERMS)
        self._state.by_hand = frozenset(incident_id for part, incident_id in alone if part is Part.CREWS)
        self._state.one_by_one = Part.TOGETHER in self._without
        self._duty = DutyWatch(recovered.last_us)
        self._patrolling = None if patrols is None else Patrolling(patrols, recovered.patrols)
        self._terms_left = False
        self._unmatched = True
        """Whether the recovered crews have yet to be matched with the recovered queue."""
        _restore(self._state, recovered)

    @property
    def state(self) -> CentreState:
        """The live state, for reading only: it is ahead of what is committed."""
        return self._state

    @property
    def next_due_us(self) -> Micros | None:
        """When `handle` must be called even without a batch, or None."""
        due = [self._state.running.next_due_us]
        if self._begins(Part.SIGNALS):
            due.append(self._state.signals.next_due_us)
        if self._begins(Part.ROSTER):
            due.append(self._duty.next_due_us)
        if self._patrolling is not None and self._begins(Part.PATROLS):
            due.append(self._patrolling.patrols.next_due_us)
        self._state.doing = None
        return min((each for each in due if each is not None), default=None)

    def _begins(self, part: Part) -> bool:
        """Whether a part is done, and notes that it is being done now: where it fails, the quarantine knows on what."""
        self._state.doing = part
        return part not in self._without

    @property
    def patrols(self) -> dict[CrewId, PatrolState]:
        """What is, or is about to be, stored of crews' patrols, for reading only."""
        return {} if self._patrolling is None else self._patrolling.states

    @property
    def has_more(self) -> bool:
        """Whether `handle` should be called again at once, with whatever batch there is: work was left over."""
        return self._terms_left or self._unmatched

    def handle(self, batch: Batch, now_us: Micros) -> Decisions | None:
        """Decides one batch. Returns None when nothing changed and there is nothing to commit.

        Args:
            batch: events, orders and the subscribers of the callers in them; may be empty.
            now_us: the centre's time; never earlier than in the call before.
        """
        state = self._state
        self._passed(None)
        state.now_us = max(now_us, state.now_us)
        state.clear_changes()
        state.doing = None
        if self._unmatched:
            self._unmatched = False
            for one in self._left_out:
                tell_left_out(state, one)
            for crew in state.crews.values():
                if crew.state not in OFF:
                    state.signals.watch(crew, state.now_us)
            _match_recovered(state)
        self._terms_left = fire_due_terms(state, TERMS_A_BATCH_MAX)
        if self._begins(Part.SIGNALS):
            self._terms_left |= note_silence(state, TERMS_A_BATCH_MAX)
        if batch.scenarios is not None and self._begins(Part.SCENARIOS):
            _load_scenarios(state, batch.scenarios)
        if self._begins(Part.ROSTER):
            if batch.roster is not None:
                self._duty.load(state, batch.roster)
            self._duty.look(state)
        state.doing = None
        self._passed(Stage.TERMS)
        skips = [_skip(chunk, state.high_water.get(chunk.source, 0)) for chunk in batch.chunks]
        telling = (
            (chunk.source, item)
            for chunk, skip in zip(batch.chunks, skips, strict=True)
            for item in chunk.items[skip:]
            if type(item) in _TELLING
        )
        prepared = prepare(state, telling, batch.subscribers)  # type: ignore[arg-type]  # `_TELLING` holds these types only
        self._passed(Stage.LOCATE)
        taken, moved = _take_chunks(state, batch.chunks, prepared)
        if moved:
            note_positions(state, moved)
        for order in batch.orders:
            take_order(state, order)
        for order in batch.refused:
            refuse_order(state, order)
        self._passed(Stage.CORRELATE)
        freed = assign_crews(state)
        if self._begins(Part.RELIEF):
            relieve(state, freed)
        state.doing = None
        self._passed(Stage.ASSIGN)
        patrols: list[PatrolState] = []
        if (self._patrolling is not None or batch.patrols is not None) and self._begins(Part.PATROLS):
            patrols = self._patrol(batch.patrols)
        state.doing = None
        decisions = self._decisions(taken, patrols)
        self._passed(Stage.DECIDE)
        return decisions

    def _patrol(self, routes: Patrols | None) -> list[PatrolState]:
        """Looks at the crews on patrol, when everything else of the batch is decided. Returns what must be stored."""
        changed: dict[CrewId, PatrolState] = {}
        for loaded in (None,) if routes is None else (None, routes):
            # What the batch means by the routes before is settled before others are gone by.
            if loaded is not None:
                self._patrolling = Patrolling(loaded, self.patrols.values())
            if self._patrolling is not None:
                rows = self._patrolling.look(self._state, has_plan=self._duty.has_plan)
                changed.update((each.crew_id, each) for each in rows)
        if self._patrolling is not None and not self._patrolling.patrols.routes:
            self._patrolling = None
        return list(changed.values())

    def _decisions(self, taken: list[Taken], patrols: list[PatrolState]) -> Decisions | None:
        state = self._state
        if not (
            taken
            or state.log
            or state.changed_crews
            or state.answered
            or state.kept_positions
            or state.centre_log
            or state.notices
            or patrols
        ):
            return None
        state.batch_no += 1
        return Decisions(
            batch_no=state.batch_no,
            now_us=state.now_us,
            taken=taken,
            high_water={item.chunk.source: state.high_water[item.chunk.source] for item in taken},
            log=state.log,
            incidents=state.incident_changes(),
            assignments=state.assignment_changes(),
            crews=state.crew_changes(),
            positions=state.kept_positions,
            commands=state.answered,
            notices=state.notices,
            live_positions=state.live_positions,
            tellings=state.tellings,
            acknowledged=state.acknowledged,
            centre_log=state.centre_log,
            scenarios=state.keep_scenarios() if state.unkept else [],
            facts=state.facts,
            waiting=frozenset(state.changed.keys() & state.queued.keys()),
            patrols=patrols,
        )


def _take_chunks(
    state: CentreState, chunks: list[Chunk], prepared: dict[tuple[str, int], Prepared]
) -> tuple[list[Taken], Moved]:
    """Takes the chunks in order. A chunk's new part starts where the source's high-water mark ends (invariant 3)."""
    taken: list[Taken] = []
    moved: Moved = {}
    for chunk in chunks:
        high_water = state.high_water.get(chunk.source, 0)
        skip = _skip(chunk, high_water)
        incidents: dict[int, IncidentId] = {}
        rejected: dict[int, Rejected] = {}
        for index in range(skip, len(chunk.items)):
            item = chunk.items[index]
            kind = type(item)
            if kind is Position:
                note_latest(moved, item.crew, to_micros(item.at), item)  # type: ignore[union-attr, arg-type]
            elif kind in _TELLING:
                known = prepared.get((chunk.source, item.seq))  # type: ignore[arg-type]
                if known is not None:
                    _place(index, take(state, known), incidents, rejected)
            elif kind is CrewStatus:
                status: CrewStatus = item  # type: ignore[assignment]
                _place(index, take_status(state, chunk.source, status), incidents, rejected)
                if status.fix is not None and index not in rejected:
                    note_latest(moved, status.crew, to_micros(status.at), status.fix)
        state.high_water[chunk.source] = max(high_water, chunk.last_seq)
        taken.append(Taken(chunk, skip, incidents, rejected))
    return taken, moved


def _skip(chunk: Chunk, high_water: int) -> int:
    """How many of the chunk's items were taken before: all up to its last numbered one that lies below the mark.

    What has no number and comes after that is new for all that can be known: to answer it twice is better than never.
    """
    skip = 0
    for index, item in enumerate(chunk.items):
        if item.seq is not None:
            if item.seq > high_water:
                break
            skip = index + 1
    return skip


def _place(
    index: int,
    outcome: IncidentId | Rejected | None,
    incidents: dict[int, IncidentId],
    rejected: dict[int, Rejected],
) -> None:
    if isinstance(outcome, Rejected):
        rejected[index] = outcome
    elif outcome is not None:
        incidents[index] = outcome


def _load_scenarios(state: CentreState, scenarios: ScenarioSet) -> None:
    """Lets new incidents go by other scenarios; those that are open keep the version they began with."""
    new = state.plans.load(scenarios)
    state.unkept += new
    keys = [scenario.key for scenario in new]
    if keys:
        state.log_centre(Occasion.SCENARIOS_LOADED, "engine", "reload", keys)
        text = f"new scenarios: {', '.join(keys)}"
        tell_centre(state, Occasion.SCENARIOS_LOADED, None, text, {}, "")


def _match_recovered(state: CentreState) -> None:
    """Matches the recovered crews with the recovered queue, before anything new.

    Nearly always nothing comes of it, because every batch ended with nothing waiting that a free crew could serve. But a crew
    may be known to be somewhere only now: its position was stored while it was not yet known as a crew.
    """
    for crew in state.crews.values():
        if crew.hindrance is None:
            state.freed[crew.crew_id] = None
    assign_crews(state)


def _restore(state: CentreState, recovered: Recovered) -> None:
    state.batch_no = recovered.batch_no
    state.high_water = dict(recovered.high_water)
    state.next_incident_id = IncidentId(recovered.next_incident_id)
    state.next_assignment_id = AssignmentId(recovered.next_assignment_id)
    state.mode = recovered.mode
    state.plans.keep(recovered.scenarios)
    kept = {scenario.key for scenario in recovered.scenarios}
    state.unkept = [scenario for scenario in state.unkept if scenario.key not in kept]
    state.devices = {device.device_id: device for device in recovered.devices}
    state.answers = {answer.command_id: answer for answer in recovered.answers}
    for position in recovered.positions:
        state.last_positions[position.crew_id] = LastPosition(
            position.at_us, position.latitude_deg, position.longitude_deg, position.at_us
        )
    for call in recovered.earlier_calls:
        state.earlier.record(call.phone, call.at_us, call.incident_id)
    for change in recovered.crews:
        state.know_crew(decode_crew(change.view))
    restore_positions(state)
    deadlines: list[tuple[Micros, IncidentId]] = []
    for incident_change in recovered.incidents:
        incident = decode_incident(incident_change.view)
        state.incidents[incident.incident_id] = incident
        for joined in incident.told:
            state.open.note(incident, joined, state.categories[incident.category])
        deadlines += [(term.due_us, incident.incident_id) for term in incident.terms]
        for capability in incident.unmet():
            state.queue(incident, capability)
    state.running.watch_many(deadlines)
    # A clock that was set back while the centre was down must not make an incident's log go back in time.
    known = [incident.updated_us for incident in state.incidents.values()] + [crew.updated_us for crew in state.crews.values()]
    state.now_us = Micros(max(known, default=0))
