"""What the engine decides for one batch: everything the writer commits and, after the commit, acknowledges and publishes.

The engine goes on deciding the next batch while this one is being committed, so nothing here refers to live state: rows are
values and views are bytes already encoded. One `Decisions` is one transaction (invariants 1, 2, 3).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from core.events import Chunk, Rejected
from core.instant import Micros
from core.patrol import PatrolState
from core.telling import Telling
from core.vocabulary import AssignmentId, AssignmentState, CategoryCode, CrewId, CrewState, IncidentId, IncidentState

if TYPE_CHECKING:
    from core.facts import Fact


class Taken(msgspec.Struct, frozen=True, gc=False):
    """One chunk as the engine took it.

    `chunk.items[skip:]` are new; those before `skip` were taken earlier and are neither stored nor counted again.
    `incidents` maps an item's index to the incident it belongs to; `rejected` maps an index to the reason the engine refused an
    item that its codec had accepted (items that are `Rejected` already are not repeated there).
    """

    chunk: Chunk
    skip: int
    incidents: dict[int, IncidentId]
    rejected: dict[int, Rejected]


class LogEntry(msgspec.Struct, frozen=True, gc=False):
    """One line of an incident's append-only log. `version` rises by one from 1 within an incident."""

    incident_id: IncidentId
    version: int
    at_us: Micros
    fact: str
    """The fact's tag, for example `opened`, `crew_assigned` (`core.facts`)."""
    actor: str
    """Who or what caused it: `engine`, `source:NAME`, `crew:CALLSIGN`, `operator:NAME`."""
    cause: str
    """What caused it: `event:SOURCE/SEQ`, `command:ID`, `term:KIND`, `crew_freed:CALLSIGN`."""
    body: bytes
    """The fact as JSON, enough to fold the log into the incident again (invariant 7)."""


class IncidentChange(msgspec.Struct, frozen=True, gc=False):
    """An incident's newest state after a batch: columns to query by, and `view`, the whole incident as JSON."""

    incident_id: IncidentId
    version: int
    created: bool
    """Whether this batch opened it: a new row, not an update."""
    opened_us: Micros
    updated_us: Micros
    closed_us: Micros | None
    state: IncidentState
    category: CategoryCode
    priority: int
    territory: str
    latitude_deg: float | None
    longitude_deg: float | None
    crews: tuple[str, ...]
    """Crews with an active assignment to it."""
    phone: str
    """The first caller's number in E.164 where readable, `""` where none."""
    view: bytes


class AssignmentChange(msgspec.Struct, frozen=True, gc=False):
    """An assignment's newest state after a batch. `created` as in `IncidentChange`."""

    assignment_id: AssignmentId
    incident_id: IncidentId
    crew_id: CrewId
    capability: str
    state: AssignmentState
    created: bool
    offered_us: Micros
    accepted_us: Micros | None
    en_route_us: Micros | None
    on_scene_us: Micros | None
    ended_us: Micros | None
    distance_m: float
    explanation: bytes
    """Why this crew, and which nearer ones were passed over and why, as JSON."""
    held: bool = False
    """Whether its crew works on another of its assignments meanwhile."""


class CrewChange(msgspec.Struct, frozen=True, gc=False):
    """A crew's newest state after a batch (not its position: that is `PositionRow`). `view` is the whole crew as JSON."""

    crew_id: CrewId
    state: CrewState
    territory: str
    incident_id: IncidentId | None
    updated_us: Micros
    view: bytes


class PositionRow(msgspec.Struct, frozen=True, gc=False):
    """A position to keep: thinned, the latest a crew in each interval (CITY-12)."""

    crew_id: CrewId
    at_us: Micros
    latitude_deg: float
    longitude_deg: float
    accuracy_m: float
    speed_mps: float | None
    course_deg: float | None


class CommandAnswer(msgspec.Struct, frozen=True, gc=False):
    """What became of a dispatcher's command; stored, so that a repeated `command_id` gets the same answer."""

    command_id: str
    operator: str
    at_us: Micros
    done: bool
    incident_id: IncidentId | None
    reason: str
    """Empty when done; else an enumerated reason, for example `unknown_incident`, `illegal_move`, `crew_not_free`."""
    text: str


class Notice(msgspec.Struct, frozen=True, gc=False):
    """Something a person must be told: a term has passed, a crew is not heard any more.

    `to` is a role (`shift_lead`, `duty_officer`, `level_above`) or `person:ID`; `term` says what about: a `TermKind`'s value,
    or an `Occasion`'s.
    """

    incident_id: IncidentId | None
    at_us: Micros
    to: str
    term: str
    territory: str
    text: str
    crew: str = ""


class CentreEntry(msgspec.Struct, frozen=True, gc=False):
    """One line of the centre's own log: what concerns no single incident, and who did it."""

    at_us: Micros
    fact: str
    """An `Occasion`'s value."""
    actor: str
    cause: str
    body: bytes
    """As JSON."""


class ScenarioRow(msgspec.Struct, frozen=True, gc=False):
    """A version of a scenario, kept for the incidents that go by it."""

    key: str
    at_us: Micros
    """When the centre began to go by it."""
    body: bytes
    """As JSON."""


class Acknowledgement(msgspec.Struct, frozen=True, gc=False):
    """Nobody need be told any more of tellings decided until then whose key is this or lies below it."""

    prefix: str
    at_us: Micros


class Decisions(msgspec.Struct, frozen=True, gc=False):
    """All that one batch changes. `batch_no` rises by one a commit and is the cursor of dispatch clients."""

    batch_no: int
    now_us: Micros
    taken: list[Taken]
    high_water: dict[str, int]
    """Source → last `seq` taken, for the sources of this batch."""
    log: list[LogEntry]
    incidents: list[IncidentChange]
    assignments: list[AssignmentChange]
    crews: list[CrewChange]
    positions: list[PositionRow]
    commands: list[CommandAnswer]
    notices: list[Notice]
    live_positions: list[PositionRow]
    """Latest position of every crew that moved in this batch, for clients; not stored."""
    tellings: list[Telling] = msgspec.field(default_factory=list)
    """Who must be told what, by every channel but the notices above; stored in `outbox` and sent after the commit."""
    acknowledged: list[Acknowledgement] = msgspec.field(default_factory=list)
    """What of earlier tellings need not be sent any more; it follows from the log and is not stored for itself."""
    centre_log: list[CentreEntry] = msgspec.field(default_factory=list)
    scenarios: list[ScenarioRow] = msgspec.field(default_factory=list)
    """Versions of scenarios that incidents may go by from now on; stored once."""
    facts: list[Fact] = msgspec.field(default_factory=list)
    """What `log` tells, entry by entry, as it was before it became JSON: for those who count."""
    waiting: frozenset[IncidentId] = frozenset()
    """Of `incidents`, those with a need that waits for a crew: for those who count."""
    patrols: list[PatrolState] = msgspec.field(default_factory=list)
    """Crews whose patrol is another than before, one row a crew."""
