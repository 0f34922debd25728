"""One simulated town under one seed: sources, network, centre, store, clients, what goes wrong, and the end in peace.

A run has two parts. For `TROUBLE_S` everything speaks and things go wrong; then faults cease, nobody says anything new, and the
world must come to rest: all is acknowledged, answered and told, and the last checks are made.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from core.incident import IllegalMoveError
from core.instant import SECOND_US
from core.quarantine import Quarantine
from protocols.dispatch.message import Filter
from protocols.dispatch.subscription import Client
from protocols.ingest.message import Framing
from tests.simulation import sayings
from tests.simulation.agenda import START_US, Agenda
from tests.simulation.checkers import Checks
from tests.simulation.clients import DispatchClient
from tests.simulation.faults import Faults, draw
from tests.simulation.log_checker import Violation
from tests.simulation.places import EAST
from tests.simulation.process import Life
from tests.simulation.sources import Source
from tests.simulation.store import StoreModel

TROUBLE_S: Final = 100
REST_S: Final = 120
_MACHINES: Final = ("first", "second")
_RESTART_US: Final = 2 * SECOND_US
_STALLED_S: Final = 100
"""So long no client stalls, whose stalls last eight seconds in the mean."""
_CLIENTS: Final = {
    "lead": (Client(operator="lead", role="shift_lead"), Filter()),
    "east": (Client(operator="east", role="dispatcher", territory=EAST), Filter()),
    "urgent": (Client(operator="urgent", role="dispatcher"), Filter(priorities=3)),
    "wall": (Client(operator="wall", role="observer"), Filter(categories=("fire", "weapon", "other"))),
    "crew": (Client(operator="crew", role="crew", crew="P-1"), Filter(own=True)),
}


class World:
    """Everything of one run.

    Args:
        seed: decides everything.
        is_forgiving: the engine may fail on a part of its work: the next life does without. Otherwise any fault ends the run.
    """

    def __init__(self, seed: int, *, is_forgiving: bool = False) -> None:
        self.is_forgiving = is_forgiving
        self.quarantines = {name: Quarantine() for name in _MACHINES}
        """What each machine's process knows; one that is killed forgets it."""
        self.agenda = Agenda(seed)
        rng = self.agenda.rng
        self.faults: Faults = draw(rng)
        self.clock_error_us = {name: rng.randrange(-2 * SECOND_US, 2 * SECOND_US) for name in _MACHINES}
        self.reachable_from_us = 0
        self.ending = False
        self.checks = Checks(self)
        self.store = StoreModel(self.checks.committed)
        self.lives: list[Life] = []
        """Processes that believe they are active, the one that is last."""
        self.sources: list[Source] = []
        self.clients: list[DispatchClient] = []
        framings = [Framing.NDJSON, Framing.MSGPACK]
        for name, saying, interval_s in (
            ("phone-1", sayings.telephone, rng.uniform(0.3, 6.0)),
            ("phone-2", sayings.telephone, rng.uniform(3.0, 20.0)),
            ("alarms", sayings.alarms, rng.uniform(3.0, 20.0)),
            ("cameras", sayings.cameras, rng.uniform(0.3, 6.0)),
            ("terminals", sayings.terminals, rng.uniform(1.0, 4.0)),
        ):
            self.sources.append(Source(self, name, rng.choice(framings), saying, int(interval_s * SECOND_US)))
        for token, (client, selection) in _CLIENTS.items():
            commands = client.role != "observer"
            interval_us = int(rng.uniform(2.0, 10.0) * SECOND_US) if commands else 0
            self.clients.append(DispatchClient(self, token, selection, interval_us))
        self._plan_faults()

    @staticmethod
    def client_of(token: str) -> Client | None:
        """Whom a dispatch token stands for."""
        known = _CLIENTS.get(token)
        return None if known is None else known[0]

    def reachable_life(self) -> Life | None:
        """The process that a new connection reaches."""
        return self.lives[-1] if self.lives else None

    def crew_state(self, crew: str) -> str | None:
        """A crew's committed state, as its terminal shows it."""
        known = self.store.crews.get(crew)
        return None if known is None else known.state.value

    def life_lost(self, life: Life) -> None:
        """A process has found out that it is not the active one any more: its life ends."""
        life.kill()
        self.lives.remove(life)

    def engine_failed(self, life: Life, told: str) -> None:
        """A life ends of a fault in the engine; its process begins another one."""
        self.agenda.tell(f"the engine of {life.name} has failed: {told}")
        self.life_lost(life)
        self.agenda.after(self.agenda.delay_us(_RESTART_US), self._restart)

    def run(self) -> None:
        """Runs to the end. Raises `Violation`, or whatever our code raises that it must not."""
        agenda = self.agenda
        self._begin_life()
        self._run_until(START_US + TROUBLE_S * SECOND_US)
        agenda.tell("faults cease")
        self.faults.cease()
        self.ending = True
        self.reachable_from_us = 0
        for life in self.lives:
            life.writer.reachable_from_us = 0
        end_us = START_US + (TROUBLE_S + REST_S) * SECOND_US
        while agenda.now_us < end_us:
            self._run_until(agenda.now_us + 5 * SECOND_US)
            for source in self.sources:
                # An unreadable frame is only known to be heard when something behind it is.
                if source.stream and source.stream[-1].seq is None:
                    source.say(sayings.cameras(self) or sayings.alarms(self))
                source.insist()
            for client in self.clients:
                client.insist()
            if self._is_quiet():
                break
        self.checks.heard_out()
        self._run_until(agenda.now_us + 3 * SECOND_US)
        life = self.lives[-1]
        self._come_to_rest(life)
        self.checks.at_rest(life)

    def _come_to_rest(self, life: Life) -> None:
        """Runs until every client that is connected has been told everything; terms go on firing meanwhile."""
        until_us = self.agenda.now_us + _STALLED_S * SECOND_US
        while self.agenda.now_us < until_us:
            told = all(client.channel is not None and client.channel.under_way == 0 for client in self.clients)
            pending = any(subscription.pending for _, subscription in life.desk.subscriptions)
            if life.at_rest and told and not pending and self._is_quiet() and len(life.desk.subscriptions) == len(self.clients):
                return
            self._step()
        raise Violation(10, "the clients are never told everything")

    def _is_quiet(self) -> bool:
        return (
            all(source.is_done for source in self.sources)
            and not any(client.unanswered for client in self.clients)
            and bool(self.lives)
            and all(life.at_rest and not life.inlet for life in self.lives)
        )

    def _run_until(self, instant_us: int) -> None:
        while self.agenda.now_us < instant_us:
            self._step()

    def _step(self) -> None:
        self.agenda.step()
        for life in self.lives:
            self.checks.bounded(life)
        if self.lives:
            self.checks.committed_by(self.lives[-1])

    def _begin_life(self) -> None:
        name = self.agenda.rng.choice(_MACHINES)
        try:
            life = Life(self, name)
        except IllegalMoveError as error:
            raise Violation(7, f"recovery fails: {error}") from error
        self.lives.append(life)
        self.agenda.tell(f"{name} is active, epoch {life.epoch}, at batch {self.store.last_batch}")

    # What goes wrong.

    def _plan_faults(self) -> None:
        faults = self.faults
        for interval_us, fault in (
            (faults.cut_interval_us, self._cut),
            (faults.crash_interval_us, self._crash),
            (faults.takeover_interval_us, self._take_over),
            (faults.jump_interval_us, self._jump),
            (faults.outage_interval_us, self._outage),
            (10 * SECOND_US, self._stall),
        ):
            if interval_us:
                self.agenda.after(self.agenda.delay_us(interval_us), partial(self._repeat, interval_us, fault))
        self.agenda.after(20 * SECOND_US, self._beat)

    def _repeat(self, interval_us: int, fault: Callable[[], None]) -> None:
        if not self.ending:
            fault()
            self.agenda.after(self.agenda.delay_us(interval_us), partial(self._repeat, interval_us, fault))

    def _cut(self) -> None:
        links = [source.link for source in self.sources if source.link is not None]
        channels = [client.channel for client in self.clients if client.channel is not None]
        if links and self.agenda.rng.random() < 0.7:
            self.agenda.tell("a source's connection breaks")
            self.agenda.rng.choice(links).cut()
        elif channels:
            self.agenda.tell("a client's connection breaks")
            self.agenda.rng.choice(channels).cut()

    def _crash(self) -> None:
        if self.lives:
            self.agenda.tell("the active process is killed")
            killed = self.lives.pop()
            killed.kill()
            self.quarantines[killed.name] = Quarantine()
            self.agenda.after(self.agenda.delay_us(_RESTART_US), self._restart)

    def _restart(self) -> None:
        if not self.lives or self.lives[-1].epoch != self.store.epoch:
            self._begin_life()

    def _take_over(self) -> None:
        if self.lives:
            old = self.lives[-1]
            self.agenda.tell(f"{old.name} loses the lock and does not know yet")
            self._begin_life()
            # It hears of it soon, from its lock's connection; until then only the fence holds it.
            self.agenda.after(self.agenda.delay_us(3 * SECOND_US), lambda: self.life_lost(old) if old in self.lives else None)

    def _jump(self) -> None:
        name = self.agenda.rng.choice(_MACHINES)
        jump_us = self.agenda.rng.randrange(-20 * SECOND_US, 40 * SECOND_US)
        self.clock_error_us[name] += jump_us
        self.agenda.tell(f"the clock of {name} jumps by {jump_us / SECOND_US:.1f} s")

    def _outage(self) -> None:
        self.reachable_from_us = self.agenda.now_us + self.agenda.delay_us(4 * SECOND_US)
        self.agenda.tell("the database is unreachable")
        for life in self.lives:
            life.writer.reachable_from_us = self.reachable_from_us
        if self.agenda.chance(self.faults.flapping_share):
            self._flap(self.agenda.rng.choice(self.sources))

    def _flap(self, source: Source) -> None:
        """A source's connection breaks again and again while the database is away."""
        if source.link is not None:
            source.link.cut()
        if self.agenda.now_us < self.reachable_from_us:
            self.agenda.after(self.agenda.delay_us(SECOND_US), partial(self._flap, source))

    def _stall(self) -> None:
        for client in self.clients:
            if self.agenda.chance(self.faults.stall_share):
                client.stall(self.agenda.now_us + self.agenda.delay_us(8 * SECOND_US))

    def _beat(self) -> None:
        for life in self.lives:
            life.desk.beat()
        self.agenda.after(20 * SECOND_US, self._beat)
