"""The centre's live state and the one way it changes: `record` a fact, `set_crew_state`.

Every stage of the engine works on this. What a batch changes is gathered here and turned into `Decisions` at its end, so
nothing is encoded twice and nothing that changed is forgotten. Crews and assignments are always changed together, here, which
keeps invariant 5 (a crew is on at most one active assignment).
"""

from __future__ import annotations

import msgspec
import numpy as np

from core import limits
from core.allowance import Allowance
from core.category import CategoryTable
from core.commands import Order
from core.correlate import CorrelateRules, OpenIncidents
from core.crew import AVAILABLE, OFF, UNDER_WAY, Crew, Task, encode_crew
from core.crew import MOVES as CREW_MOVES
from core.decisions import (
    Acknowledgement,
    AssignmentChange,
    CentreEntry,
    CommandAnswer,
    CrewChange,
    IncidentChange,
    LogEntry,
    Notice,
    PositionRow,
    ScenarioRow,
)
from core.escalation import Plan, Plans
from core.events import Chunk
from core.facts import TAGS, Fact
from core.identify import EarlierCalls
from core.incident import (
    ACTIVE,
    Assignment,
    IllegalMoveError,
    Incident,
    apply,
    encode_fact,
    encode_incident,
)
from core.instant import SECOND_US, Micros
from core.patrol_watch import Patrols
from core.plausible import Doubt, PlausibleRules
from core.ports import CrewIndex, Gazetteer, Subscriber, Territories
from core.recovered import Device
from core.roster.duty import DutyProfile
from core.roster.model import Roster
from core.scenario import Scenario, ScenarioSet
from core.signal import SignalRules, SignalWatch
from core.telling import Telling
from core.terms import RunningTerms, TermLengths
from core.vocabulary import (
    AssignmentId,
    CrewId,
    CrewNo,
    CrewState,
    IncidentId,
    Mode,
    Occasion,
    Part,
    Signal,
)
from core.waiting import Waiting

_encode = msgspec.json.Encoder().encode


class CentreRules(msgspec.Struct, frozen=True):
    """What an administrator sets of the engine's behaviour."""

    centre: str = "centre"
    region: str = "KZ"
    """Country whose national telephone numbers are read (ISO 3166)."""
    territory: str = ""
    """Territory of incidents whose place is unknown or outside every polygon."""
    terms: TermLengths = TermLengths()
    correlate: CorrelateRules = CorrelateRules()
    signal: SignalRules = SignalRules()
    plausible: PlausibleRules = PlausibleRules()
    position_interval_us: int = 10 * SECOND_US
    """Positions of one crew are kept no oftener than this."""
    repeat_quiet_us: int = 60 * SECOND_US
    """A sensor that repeats itself within this adds no line to its incident's log."""
    is_relieving: bool = True
    """Whether a crew that frees may take over from one that is still far away (`core.relief`)."""


class Batch(msgspec.Struct, frozen=True):
    """What the shell hands to the engine at once."""

    chunks: list[Chunk]
    orders: list[Order]
    subscribers: dict[str, Subscriber]
    """E.164 → subscriber, for the callers of this batch that the base knows."""
    refused: list[Order] = []
    """Orders on which the engine has failed before; they are answered and change nothing."""
    scenarios: ScenarioSet | None = None
    """Scenarios by which new incidents go from now on."""
    roster: Roster | None = None
    """The plan for the days around now."""
    patrols: Patrols | None = None
    """Patrol routes to go by from now on; none of its crews is known yet."""


class LastPosition(msgspec.Struct):
    """Where a crew or a device was last, and when a position of it was last kept."""

    at_us: Micros
    latitude_deg: float
    longitude_deg: float
    kept_us: int
    doubt: Doubt | None = None
    """Positions at which it cannot be if this one is right."""


class CentreState:
    """Everything the engine knows, and what the batch in hand has changed of it."""

    def __init__(
        self,
        rules: CentreRules,
        categories: CategoryTable,
        scenarios: ScenarioSet,
        gazetteer: Gazetteer,
        territories: Territories,
        crew_index: CrewIndex,
    ) -> None:
        self.rules = rules
        self.categories = categories
        self.gazetteer = gazetteer
        self.territories = territories
        self.crew_index = crew_index
        self.now_us = Micros(0)
        self.batch_no = 0
        self.next_incident_id = IncidentId(1)
        self.next_assignment_id = AssignmentId(1)
        self.high_water: dict[str, int] = {}
        self.incidents: dict[IncidentId, Incident] = {}
        """Open incidents only."""
        self.crews: dict[CrewId, Crew] = {}
        self.crew_nos: dict[CrewId, CrewNo] = {}
        self.crew_ids: list[CrewId] = []
        """`CrewNo` → `CrewId`."""
        self.devices: dict[str, Device] = {}
        self.last_positions: dict[str, LastPosition] = {}
        self.open = OpenIncidents(rules.correlate)
        self.earlier = EarlierCalls()
        self.roads = Allowance(limits.ROAD_DEMANDS_A_S, limits.ROAD_DEMANDS_MAX)
        """Needs that may be compared by road. Not recovered: a process that has just begun may look at roads."""
        self.plans = Plans(scenarios, rules.terms)
        self.mode = Mode.DAILY
        self.unkept: list[Scenario] = list(scenarios)
        """Versions of scenarios that are not stored yet; the next batch with anything in it stores them."""
        self.running = RunningTerms()
        self.signals = SignalWatch(rules.signal)
        self.approaches: dict[str, tuple[AssignmentId, np.void]] = {}
        """Crew → the assignment it is on its way to, and what its positions have said of that (`core.geofence.APPROACH`)."""
        self.planned: dict[CrewId, DutyProfile] = {}
        """Crew → what it serves as now by the roster."""
        self._silent = 0
        """How many crews are silent."""
        self.waiting = Waiting(self._still_waiting)
        self.answers: dict[str, CommandAnswer] = {}
        self.wanted: dict[IncidentId, None] = {}
        """Incidents to find crews for at the end of this batch."""
        self.queued: dict[IncidentId, list[str]] = {}
        """Needs that wait, one entry a crew: between batches, exactly the unmet needs of every open incident."""
        self.retried: set[IncidentId] = set()
        """Incidents for which even crews that refused earlier may be asked again in this batch."""
        self.muted: frozenset[IncidentId] = frozenset()
        """Incidents whose terms are not fired, because the engine has failed on them."""
        self.firing: IncidentId | None = None
        """The incident whose term is being fired."""
        self.doing: Part | None = None
        """The part being done: where the engine fails, that is what it fails on (`core.quarantine`)."""
        self.asking: tuple[IncidentId, ...] = ()
        """Incidents that crews are being found for."""
        self.by_hand: frozenset[IncidentId] = frozenset()
        """Incidents that no crew is found for, because the engine has failed on them."""
        self.one_by_one = False
        """Whether crews are found for one need after another, so that a need on which the engine fails shows."""
        self.freed: dict[CrewId, None] = {}
        """Crews that became free and have not yet been matched with the queue."""
        self.under_way: dict[CrewId, None] = {}
        """Crews that may be on their way somewhere."""
        self.clear_changes()

    def clear_changes(self) -> None:
        """Starts a batch with nothing changed."""
        self.log: list[LogEntry] = []
        self.facts: list[Fact] = []
        self.changed: dict[IncidentId, tuple[Incident, bool]] = {}
        self.changed_assignments: dict[AssignmentId, tuple[Incident, Assignment, bool]] = {}
        self.changed_crews: dict[CrewId, Crew] = {}
        self.answered: list[CommandAnswer] = []
        self.notices: list[Notice] = []
        self.tellings: list[Telling] = []
        self.acknowledged: list[Acknowledgement] = []
        self.centre_log: list[CentreEntry] = []
        self.kept_positions: list[PositionRow] = []
        self.live_positions: list[PositionRow] = []

    def record(self, incident: Incident, fact: Fact, actor: str, cause: str) -> None:
        """Lets a fact happen to an incident: applies it, logs it, watches the term it starts."""
        watched = tuple(incident.terms)
        apply(incident, fact, self.now_us, actor)
        self.facts.append(fact)
        self.log.append(
            LogEntry(
                incident.incident_id,
                incident.version,
                self.now_us,
                TAGS[type(fact)],
                actor,
                cause,
                encode_fact(fact),
            )
        )
        for term in watched:
            if term not in incident.terms:
                self.running.forget(incident.incident_id, term.due_us)
        for term in incident.terms:
            if term not in watched:
                self.running.watch(incident.incident_id, term.due_us)
        if incident.incident_id not in self.changed:
            self.changed[incident.incident_id] = (incident, incident.version == 1)
        if not incident.is_open:
            self.incidents.pop(incident.incident_id, None)
            self.queued.pop(incident.incident_id, None)
            self.open.forget(incident)

    def want(self, incident: Incident) -> None:
        """Has crews looked for at the end of the batch for every need of the incident that is neither met nor queued."""
        self.wanted[incident.incident_id] = None

    def queue(self, incident: Incident, capability: str) -> None:
        """Puts one need into the queue; while its incident has no place no crew finds it there."""
        self.queued.setdefault(incident.incident_id, []).append(capability)
        if incident.place is not None:
            self.waiting.push(incident.incident_id, capability, incident.territory, incident.priority, incident.opened_us)

    def requeue(self, incident: Incident) -> None:
        """Has all unmet needs asked for anew: what waits under an old priority or territory counts no more."""
        self.queued.pop(incident.incident_id, None)
        self.want(incident)

    def unqueue(self, incident_id: IncidentId, capability: str) -> None:
        """Notes that one need has left the queue, or no longer counts there."""
        queued = self.queued.get(incident_id)
        if queued is not None and capability in queued:
            queued.remove(capability)
            if not queued:
                del self.queued[incident_id]

    def know_crew(self, crew: Crew) -> CrewNo:
        """Gives a crew its row in the crew index, or updates the row's profile."""
        crew_no = self.crew_nos.get(crew.crew_id)
        if crew_no is None:
            crew_no = CrewNo(len(self.crew_ids))
            self.crew_nos[crew.crew_id] = crew_no
            self.crew_ids.append(crew.crew_id)
            self.crews[crew.crew_id] = crew
            self._silent += crew.is_silent
            if crew.state in UNDER_WAY:
                self.under_way[crew.crew_id] = None
        self.crew_index.put(crew_no, crew.capabilities, crew.territory, outside=crew.outside, silent=crew.is_silent)
        self.crew_index.set_availability(crew_no, crew.hindrance)
        return crew_no

    def change_profile(self, crew: Crew) -> None:
        """Says that a known crew's capabilities or territory are others than before."""
        crew.updated_us = self.now_us
        self.know_crew(crew)
        self.changed_crews[crew.crew_id] = crew
        if crew.state in AVAILABLE:
            self.freed[crew.crew_id] = None

    def set_crew_state(self, crew: Crew, state: CrewState, active: Task | None) -> None:
        """Moves a crew to a state, with the assignment that goes with it. Raises `IllegalMoveError` for what no crew does."""
        if state is not crew.state and state not in CREW_MOVES[crew.state]:
            raise IllegalMoveError(f"crew {crew.crew_id}: {crew.state.value} to {state.value} is not a legal move")
        if crew.state in OFF and state not in OFF:
            self.signals.watch(crew, self.now_us)
        crew.state = state
        crew.incident_id, crew.assignment_id = (None, None) if active is None else (active.incident_id, active.assignment_id)
        crew.updated_us = self.now_us
        self.changed_crews[crew.crew_id] = crew
        self.crew_index.set_availability(self.crew_nos[crew.crew_id], crew.hindrance)
        if state in AVAILABLE:
            self.freed[crew.crew_id] = None
        else:
            self.freed.pop(crew.crew_id, None)
        if state in UNDER_WAY:
            self.under_way[crew.crew_id] = None
        else:
            self.under_way.pop(crew.crew_id, None)

    @property
    def silent(self) -> bool:
        """Whether any crew is silent: then what found nobody is asked once more."""
        return self._silent > 0

    def set_held(self, crew: Crew, held: tuple[Task, ...]) -> None:
        """Sets which assignments wait for a crew."""
        crew.held = held
        crew.updated_us = self.now_us
        self.changed_crews[crew.crew_id] = crew

    def set_signal(self, crew: Crew, signal: Signal) -> None:
        """Sets how old a crew's newest position is, for the index too."""
        was_silent = crew.is_silent
        crew.signal = signal
        crew.updated_us = self.now_us
        self.changed_crews[crew.crew_id] = crew
        if crew.is_silent is not was_silent:
            self._silent += 1 if crew.is_silent else -1
            self.know_crew(crew)

    def touch_assignment(self, incident: Incident, assignment: Assignment, *, created: bool = False) -> None:
        """Marks an assignment as changed in this batch."""
        known = self.changed_assignments.get(assignment.assignment_id)
        if known is None:
            self.changed_assignments[assignment.assignment_id] = (incident, assignment, created)

    def remember_answer(self, answer: CommandAnswer) -> None:
        """Keeps an answer for retries, within `limits.COMMAND_MEMORY`, and for the commit."""
        self.answers[answer.command_id] = answer
        self.answered.append(answer)
        if len(self.answers) > limits.COMMAND_MEMORY:
            del self.answers[next(iter(self.answers))]

    def plan_of(self, incident: Incident) -> Plan:
        """The version of the scenario that an incident goes by."""
        return self.plans.at(incident.scenario, incident.category)

    def log_centre(self, occasion: Occasion, actor: str, cause: str, what: object) -> None:
        """Writes what concerns no single incident into the centre's own log."""
        self.centre_log.append(CentreEntry(self.now_us, occasion.value, actor, cause, _encode(what)))

    def keep_scenarios(self) -> list[ScenarioRow]:
        """The versions of scenarios that have yet to be stored, as rows; from now on they count as stored."""
        rows = [ScenarioRow(scenario.key, self.now_us, _encode(scenario)) for scenario in self.unkept]
        self.unkept = []
        return rows

    def incident_changes(self) -> list[IncidentChange]:
        """The batch's incidents as rows and views."""
        return [
            IncidentChange(
                incident.incident_id,
                incident.version,
                created,
                incident.opened_us,
                incident.updated_us,
                incident.closed_us,
                incident.state,
                incident.category,
                incident.priority,
                incident.territory,
                None if incident.place is None else incident.place.latitude_deg,
                None if incident.place is None else incident.place.longitude_deg,
                tuple(assignment.crew for assignment in incident.assignments if assignment.state in ACTIVE),
                next((joined.caller.e164 for joined in incident.told if joined.caller is not None), ""),
                encode_incident(incident),
            )
            for incident, created in self.changed.values()
        ]

    def assignment_changes(self) -> list[AssignmentChange]:
        """The batch's assignments as rows."""
        return [
            AssignmentChange(
                assignment.assignment_id,
                incident.incident_id,
                CrewId(assignment.crew),
                assignment.capability,
                assignment.state,
                created,
                assignment.offered_us,
                assignment.accepted_us,
                assignment.en_route_us,
                assignment.on_scene_us,
                assignment.ended_us,
                assignment.explanation.distance_m,
                _encode(assignment.explanation),
                assignment.held,
            )
            for incident, assignment, created in self.changed_assignments.values()
        ]

    def crew_changes(self) -> list[CrewChange]:
        """The batch's crews as rows and views."""
        return [
            CrewChange(crew.crew_id, crew.state, crew.territory, crew.incident_id, crew.updated_us, encode_crew(crew))
            for crew in self.changed_crews.values()
        ]

    def _still_waiting(self, incident_id: IncidentId, capability: str, priority: int) -> int:
        incident = self.incidents.get(incident_id)
        # An entry that was left behind by a change of priority, or by a crew that was ordered, counts no more.
        if incident is None or incident.priority != priority:
            return 0
        queued = self.queued.get(incident_id, [])
        return min(queued.count(capability), incident.unmet().count(capability)) if queued else 0
