"""One life of the centre's process: the real inlet, engine, crew index, ingest hub and publisher, driven step by step.

`core.centre` runs the same loop as a Trio task; here its turns are steps, so that anything may happen between two of them: one
batch is being committed, one more is decided and waits, and nobody is told anything before the commit, but perhaps while the
engine stands between two stages. A life that is killed is forgotten with all its memory; only the store lives on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from core.decisions import Decisions
from core.engine import Engine
from core.events import Alarm, Call, Chunk
from core.inlet import Inlet
from core.instant import SECOND_US, Micros
from core.limits import QUEUE_LOOK
from core.phone import read_phone
from core.state import Batch
from core.vocabulary import Part, Stage
from protocols.dispatch.publisher import Publisher
from protocols.ingest.connection import Connection
from protocols.ingest.hub import IngestHub
from routing.crew_index import CrewTree
from tests.simulation.desk import Desk
from tests.simulation.network import Link
from tests.simulation.places import (
    CATEGORIES,
    ROUTES,
    RULES,
    SCENARIOS,
    SESSION_LIMITS,
    SUBSCRIBERS,
    AddressTable,
    Halves,
    patrols,
)
from tests.simulation.store import Writer

if TYPE_CHECKING:
    from tests.simulation.world import World

INLET_BYTES: Final = 3_000
BATCH_EVENTS: Final = 10
TOKEN: Final = "token-of-"
_TURN_US: Final = 1_000
_LOOKUP_US: Final = 5_000
_IMPORT_SHARE: Final = 0.01


class SimulatedInlet(Inlet):
    """The real inlet, with a look at who waits with something urgent."""

    @property
    def urgent_sources(self) -> list[str]:
        """Sources that have something urgent waiting."""
        return list(self._urgent)


class SimulatedHub(IngestHub):
    """The real hub, with a look at its connections; its listeners are the simulated network."""

    @property
    def links(self) -> list[Connection]:
        """Connections whose wire lives."""
        return list(self._connections)


class Life:
    """A process that has become the active one.

    Args:
        world: the store it recovers from, the agenda, the checks.
        name: of its machine, whose clock it reads.
    """

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name
        self.alive = True
        self.epoch = world.store.become_active()
        recovered = world.store.recovered()
        self.quarantine = world.quarantines[name]
        self.inlet = SimulatedInlet(INLET_BYTES)
        self.engine = Engine(
            RULES,
            CATEGORIES,
            SCENARIOS,
            AddressTable(),
            Halves(),
            CrewTree(queue_look=QUEUE_LOOK),
            recovered,
            self.quarantine.left_out,
            patrols(),
            self._passed,
        )
        self.quarantine.begin(Part.PATROLS, ROUTES)
        self.publisher = Publisher(resume_batches=40, part_bytes=2_000, changes_bytes=8_000, step=5)
        self.publisher.restore(recovered.batch_no, recovered.incidents, recovered.crews, recovered.positions)
        self.hub = SimulatedHub(
            self.inlet,
            lambda token, source: token == TOKEN + source,
            recovered.high_water,
            self.now_us,
            self.wake,
            session_limits=SESSION_LIMITS,
            half_open_max=8,
        )
        self.desk = Desk(world, self)
        self.writer = Writer(world.agenda, world.faults, world.store, self.epoch)
        self.writer.reachable_from_us = world.reachable_from_us
        self.links: list[Link] = []
        self.decided: Decisions | None = None
        """Decided, and waiting for the commit before it."""
        self.committing: Decisions | None = None
        self._taken: Batch | None = None
        """Taken from the inlet, while its callers are looked up."""
        self._turn_planned = False
        self._deciding = False
        self._plan_turn(0)
        self._tick()

    def now_us(self) -> Micros:
        """The machine's clock."""
        return Micros(self.world.agenda.now_us + self.world.clock_error_us[self.name])

    @property
    def at_rest(self) -> bool:
        """Whether nothing is decided that is not committed."""
        return self.decided is None and self.committing is None and self._taken is None and not self._deciding

    def wake(self) -> None:
        """The inlet is not empty."""
        self._plan_turn(self.world.agenda.delay_us(_TURN_US))

    def kill(self) -> None:
        """The process is gone with everything it held in memory."""
        self.alive = self.writer.alive = False
        for link in self.links:
            link.die()
        self.desk.die()

    def connect(self, link: Link) -> None:
        """A source's connection reaches this process."""
        self.links.append(link)
        link.connection = self.hub.open(link)

    def acknowledge_and_publish(self, decisions: Decisions) -> None:
        """After the commit: tells sources and clients."""
        self.hub.committed(decisions)
        self.desk.committed(decisions)

    # The centre's loop (`core.centre.Centre`), as steps.

    def _plan_turn(self, delay_us: int) -> None:
        if self.alive and not self._turn_planned:
            self._turn_planned = True
            self.world.agenda.after(delay_us, self._turn)

    def _turn(self) -> None:
        self._turn_planned = False
        if not self.alive or self.decided is not None or self._taken is not None:
            return
        chunks, orders = self.inlet.take(BATCH_EVENTS)
        self.world.checks.taken(self, chunks)
        phones = list(_phones(chunks))
        known = {phone: SUBSCRIBERS[phone] for phone in phones if phone in SUBSCRIBERS}
        # Now and then somebody imports the patrol routes again, and nothing must come of it.
        again = patrols() if self.world.agenda.chance(_IMPORT_SHARE) else None
        self._taken = Batch(chunks, orders, known, patrols=again)
        if phones:
            self.world.agenda.after(self.world.agenda.delay_us(_LOOKUP_US), self._handle)
        else:
            self._handle()

    def _handle(self) -> None:
        batch, self._taken = self._taken, None
        if not self.alive or batch is None:
            return
        self._deciding = True
        try:
            decisions = self.engine.handle(batch, self.now_us())
        except Exception:
            known = self.quarantine.left_out
            told = self.quarantine.blame(batch, self.engine.state, self.now_us())
            # What no event is to blame for is found out at once; here no event is ever to blame.
            if not self.world.is_forgiving or self.quarantine.left_out == known:
                raise
            self.world.engine_failed(self, told)
            return
        finally:
            self._deciding = False
        self.quarantine.went_well(batch)
        if decisions is not None:
            self.world.agenda.tell(f"{self.name} decides batch {decisions.batch_no}: {_summary(decisions)}")
        self.world.checks.decided(self, decisions)
        if decisions is not None:
            self.decide(decisions)
        elif self.inlet or self.engine.has_more:
            self._plan_turn(0)
        if self.decided is None:
            self._sleep()

    def _passed(self, stage: Stage | None) -> None:
        if stage is not None:
            self.writer.settle()

    def decide(self, decisions: Decisions) -> None:
        """A batch is decided: it is committed when the one before it is."""
        self.decided = decisions
        self._persist()

    def _sleep(self) -> None:
        if self.inlet or self.engine.has_more:
            self._plan_turn(0)
        elif self.engine.next_due_us is not None:
            due_us = self.engine.next_due_us
            delay_us = max(0, due_us - self.now_us())
            # A wake before then asks anew; this step then finds nothing to do, as Trio's deadline would.
            self.world.agenda.after(delay_us, lambda: self._due(due_us))

    def _due(self, due_us: Micros) -> None:
        if self.alive and self.engine.next_due_us == due_us:
            self._plan_turn(0)

    def _persist(self) -> None:
        if self.committing is None and self.decided is not None:
            self.committing, self.decided = self.decided, None
            self.writer.commit(self.committing, self._committed, self._fenced)
            self._sleep()

    def _committed(self, decisions: Decisions) -> None:
        self.committing = None
        self.acknowledge_and_publish(decisions)
        self._persist()

    def _fenced(self, text: str) -> None:
        self.world.agenda.tell(f"{self.name} is fenced off: {text}")
        self.world.life_lost(self)

    def _tick(self) -> None:
        if self.alive:
            self.hub.tick()
            self.world.agenda.after(SECOND_US, self._tick)


def _phones(chunks: list[Chunk]) -> list[str]:
    numbers = (
        read_phone(item.phone, RULES.region).e164
        for chunk in chunks
        if chunk.urgent
        for item in chunk.items
        if isinstance(item, Call | Alarm) and item.phone
    )
    return [number for number in numbers if number]


def _summary(decisions: Decisions) -> str:
    events = ", ".join(
        f"{taken.chunk.source} to {taken.chunk.last_seq} ({len(taken.chunk.items) - taken.skip} new)"
        for taken in decisions.taken
    )
    facts = ", ".join(f"{entry.incident_id}v{entry.version} {entry.fact}" for entry in decisions.log)
    commands = ", ".join(f"{answer.command_id} {answer.reason or 'done'}" for answer in decisions.commands)
    return "; ".join(part for part in (events, facts, commands) if part)
