"""A small town for the tests of the core: an engine over the real crew index, chunks and orders by hand, and what is committed.

The places, categories, crews and terms are the simulation's.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from core.category import CategoryTable
from core.commands import AnyCommand, Order
from core.crew import Crew
from core.decisions import AssignmentChange, CrewChange, Decisions, IncidentChange, LogEntry, PositionRow
from core.engine import Engine
from core.events import URGENT, AnyEvent, Call, Chunk, CrewStatus, Fix, Rejected
from core.incident import Assignment, Incident
from core.instant import SECOND_US, Micros, to_datetime
from core.patrol import PatrolState, decode_patrol, encode_patrol
from core.patrol_watch import Patrols
from core.ports import Gazetteer, Subscriber, Territories, TravelTimes
from core.recovered import EarlierCall, Recovered
from core.scenario import Scenario, ScenarioSet
from core.signal import SignalRules
from core.state import Batch, CentreRules
from core.vocabulary import CrewId, CrewState, IncidentId, Mode, RejectCode
from routing.crew_index import CrewTree
from tests.simulation.places import CATEGORIES, DEVICES, PLAIN, RULES, AddressTable, Halves, scenarios

QUIET: Final = msgspec.structs.replace(RULES, signal=SignalRules(stale_us=0), is_relieving=False)
"""The simulation's rules, without crews that fall silent while a test lets time pass, or that relieve each other unasked."""
ACCEPT_S, CREW_S, ON_SCENE_S, REVIEW_S = (
    getattr(PLAIN, name).within_s.daily for name in ("accept", "crew", "on_scene", "review")
)
PLAIN_SCENARIOS: Final = scenarios(PLAIN)
START_US: Final = 1_770_000_000 * SECOND_US
SPOT: Final = Fix(43.20, 76.80, 10.0)
"""In the west."""
ELSEWHERE: Final = Fix(43.22, 76.84, 10.0)
"""In the west, four kilometres away."""
EASTERN: Final = Fix(43.20, 76.92, 10.0)
"""In the east."""


class Committed:
    """Everything decided so far, as a database would hold it."""

    def __init__(self) -> None:
        self.batch_no = 0
        self.high_water: dict[str, int] = {}
        self.log: list[LogEntry] = []
        self.incidents: dict[int, IncidentChange] = {}
        self.assignments: dict[int, AssignmentChange] = {}
        self.crews: dict[str, CrewChange] = {}
        self.positions: dict[str, PositionRow] = {}
        self.calls: list[EarlierCall] = []
        self.answers: dict[str, object] = {}
        self.decisions: list[Decisions] = []
        self.mode = Mode.DAILY
        self.scenarios: dict[str, Scenario] = {}
        self.patrols: dict[str, bytes] = {}

    def take(self, decisions: Decisions) -> None:
        """Commits a batch."""
        self.batch_no = decisions.batch_no
        self.decisions.append(decisions)
        self.high_water.update(decisions.high_water)
        self.log += decisions.log
        self.incidents.update((change.incident_id, change) for change in decisions.incidents)
        self.assignments.update((change.assignment_id, change) for change in decisions.assignments)
        self.crews.update((change.crew_id, change) for change in decisions.crews)
        self.positions.update((row.crew_id, row) for row in decisions.positions)
        self.answers.update((answer.command_id, answer) for answer in decisions.commands)
        for entry in decisions.centre_log:
            if entry.fact == "mode_set":
                self.mode = Mode(msgspec.json.decode(entry.body)["mode"])
        self.patrols.update((state.crew_id, encode_patrol(state)) for state in decisions.patrols)
        for row in decisions.scenarios:
            self.scenarios.setdefault(row.key, msgspec.json.decode(row.body, type=Scenario))

    def recovered(self) -> Recovered:
        """What an engine that starts now is given."""
        return Recovered(
            batch_no=self.batch_no,
            high_water=dict(self.high_water),
            next_incident_id=max(self.incidents, default=0) + 1,
            next_assignment_id=max(self.assignments, default=0) + 1,
            incidents=[
                msgspec.structs.replace(change, created=False)
                for _, change in sorted(self.incidents.items())
                if change.closed_us is None
            ],
            crews=[change for _, change in sorted(self.crews.items())],
            positions=[row for _, row in sorted(self.positions.items())],
            earlier_calls=[],
            answers=list(self.answers.values()),  # type: ignore[arg-type]
            devices=list(DEVICES),
            last_us=self.decisions[-1].now_us if self.decisions else Micros(0),
            mode=self.mode,
            scenarios=list(self.scenarios.values()),
            patrols=self.patrol_states(),
        )

    def patrol_states(self) -> list[PatrolState]:
        """Crews' patrols, in order of crew."""
        return [decode_patrol(self.patrols[crew]) for crew in sorted(self.patrols)]

    def entries(self, incident_id: int) -> list[LogEntry]:
        """An incident's log."""
        return [entry for entry in self.log if entry.incident_id == incident_id]

    def facts(self, incident_id: int) -> list[str]:
        """The tags of an incident's log."""
        return [entry.fact for entry in self.entries(incident_id)]


class Town:
    """An engine, its clock, its sources' sequence numbers, and what has been committed."""

    def __init__(
        self,
        *,
        rules: CentreRules = QUIET,
        categories: CategoryTable = CATEGORIES,
        scenarios: ScenarioSet = PLAIN_SCENARIOS,
        gazetteer: Gazetteer | None = None,
        territories: Territories | None = None,
        recovered: Recovered | None = None,
        travel: TravelTimes | None = None,
        queue_look: int = 1,
        patrols: Patrols | None = None,
        now_us: int = START_US,
    ) -> None:
        self.committed = Committed()
        self.engine = Engine(
            rules,
            categories,
            scenarios,
            gazetteer or AddressTable(),
            territories or Halves(),
            CrewTree(queue_look=queue_look, travel=travel),
            recovered or self.committed.recovered(),
            patrols=patrols,
        )
        self.now_us = now_us
        self._seqs: dict[str, int] = {}
        self._commands = 0

    @property
    def at(self) -> datetime:
        """Now, as an event tells it."""
        return to_datetime(self.now_us)

    def wait(self, seconds: float) -> Decisions | None:
        """Lets time pass and terms fire."""
        self.now_us += int(seconds * SECOND_US)
        return self.handle()

    def number(self, source: str = "s") -> int:
        """The source's next sequence number."""
        self._seqs[source] = self._seqs.get(source, 0) + 1
        return self._seqs[source]

    def handle(
        self, *chunks: Chunk, orders: list[Order] | None = None, subscribers: dict[str, Subscriber] | None = None
    ) -> Decisions | None:
        """Decides and commits one batch."""
        decisions = self.engine.handle(Batch(list(chunks), orders or [], subscribers or {}), Micros(self.now_us))
        if decisions is not None:
            self.committed.take(decisions)
        return decisions

    def say(self, *events: AnyEvent, source: str = "s") -> Decisions:
        """Hands over events of one source, numbered by `number`, as one batch."""
        decisions = self.handle(chunk(source, *events))
        assert decisions is not None
        return decisions

    def call(self, words: str = "fight", fix: Fix | None = SPOT, source: str = "s", **fields: object) -> IncidentId:
        """A call; the incident it belongs to."""
        event = Call(seq=self.number(source), at=self.at, words=words, fix=fix, **fields)  # type: ignore[arg-type]
        return self.say(event, source=source).taken[0].incidents[0]

    def status(self, crew: str, status: str, **fields: object) -> IncidentId | Rejected | None:
        """A crew's status; the incident it concerns or why it was refused."""
        event = CrewStatus(seq=self.number("crews"), at=self.at, crew=crew, status=status, **fields)  # type: ignore[arg-type]
        taken = self.say(event, source="crews").taken[0]
        return taken.rejected.get(0) or taken.incidents.get(0)

    def crew(self, crew: str, *capabilities: str, fix: Fix = SPOT, territory: str = "", outside: bool = False) -> Crew:
        """A new free crew at a place."""
        self.status(crew, "free", capabilities=capabilities, territory=territory, outside=outside, fix=fix)
        return self.engine.state.crews[CrewId(crew)]

    def order(self, command: AnyCommand, operator: str = "operator:a") -> tuple[bool, str]:
        """An order; whether it was done and else why not."""
        decisions = self.handle(orders=[Order(operator, command)])
        assert decisions is not None
        return decisions.commands[0].done, decisions.commands[0].reason

    @property
    def command_id(self) -> str:
        """A new command id."""
        self._commands += 1
        return f"c{self._commands}"

    def incident(self, incident_id: int) -> Incident:
        """A live incident."""
        return self.engine.state.incidents[IncidentId(incident_id)]

    def crews_on(self, incident_id: int) -> list[str]:
        """Crews with an active assignment, as committed."""
        return list(self.committed.incidents[incident_id].crews)

    def assignment(self, crew: str) -> Assignment:
        """The crew's active assignment."""
        known = self.engine.state.crews[CrewId(crew)]
        assert known.incident_id is not None
        found = self.incident(known.incident_id).active(crew)
        assert found is not None
        return found

    def states(self) -> dict[str, CrewState]:
        """All crews' states."""
        return {str(crew.crew_id): crew.state for crew in self.engine.state.crews.values()}


def chunk(source: str, *items: AnyEvent | Rejected) -> Chunk:
    """A chunk of one read."""
    seqs = [item.seq for item in items if item.seq is not None]
    return Chunk(
        source=source,
        received_us=Micros(START_US),
        items=list(items),
        raws=[b"{}"] * len(items),
        last_seq=seqs[-1],
        urgent=any(type(item) in URGENT for item in items),
    )


def code_of(outcome: IncidentId | Rejected | None) -> RejectCode | None:
    """Why something was refused, None where it was not."""
    return outcome.code if isinstance(outcome, Rejected) else None


DONE: Final = (True, "")
