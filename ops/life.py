"""One life of the active centre: its parts, made and joined; recovery, work, and the drain at its end.

The composition root's other half: `ops.serve` decides when a life begins and what follows it. Nothing here outlives the life.
"""

from __future__ import annotations

import errno
import gc
import ssl
from collections.abc import Callable, Coroutine
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import structlog
import trio

from core.bridge import on_host
from core.category import CategoryTable
from core.centre import Centre, Ended
from core.commands import Order
from core.decisions import Decisions
from core.engine import Engine
from core.inlet import Inlet
from core.patrol import PatrolRoute
from core.patrol_watch import Patrols
from core.ports import Gazetteer, TravelTimes
from core.quarantine import Quarantine
from core.recovered import Recovered
from core.roster.model import Roster
from core.scenario import ScenarioSet
from core.vocabulary import Part, Stage
from ops.addresses import AddressReader
from ops.authenticator import Authenticator
from ops.callers import CallerLookup
from ops.clock import CENTRE, machine_us, now_us
from ops.config import Config, split_address
from ops.contexts import Contexts
from ops.duty import follow_roster
from ops.health import State
from ops.instruments import Instruments, Parts
from ops.maps import load_map_data, load_territories, travel_times_of
from ops.patrols import follow_routes, patrols_of, read_routes
from ops.post import PeopleOfFile
from ops.processor_limit import ProcessorLimit
from ops.ready_file import ReadyFile
from ops.rules import centre_rules, context_scope, nightly, queue_look, retention, session_limits
from ops.scenarios import settled
from ops.stages import StageLog, StageWatcher
from ops.telling import Teller
from ops.upkeep import Upkeep
from protocols.dispatch.listener import DispatchHub
from protocols.dispatch.publisher import Publisher
from protocols.ingest.hub import IngestHub
from routing.crew_index import CrewTree
from routing.gazetteer import MapGazetteer
from routing.territory import TerritoryIndex
from routing.unmapped import Unmapped
from storage import session
from storage.errors import DRIVER_ERRORS, translate
from storage.refused_data import RefusedEvent
from storage.store import Store

DRAIN_TIMEOUT_S: Final = 20.0
"""Longest wait for sources to be acknowledged and to go."""
DRAIN_COMMIT_S: Final = 5.0
"""Longest wait, after that, for what is decided to be committed. With the database away it never is: its sources keep it."""
DRAIN_TELL_S: Final = 5.0
"""Longest wait for messages under way: most servers answer within a second, and what is cut off is in doubt."""
_BIND_PAUSE_S: Final = 0.1
HEALTH_S: Final = 2.0
"""Longest wait for health's address before the process says that it is ready: it has been listening meanwhile."""
HEALTH_LOOK_S: Final = 1.0
"""Between looks for the address after that: whoever holds it keeps it for as long as it runs."""

_log = structlog.get_logger("serve")


class LostError(Exception):
    """This process is no longer the centre's active one."""


class Life:
    """One life of the active centre."""

    def __init__(
        self,
        config: Config,
        store: Store,
        dsn: str,
        tls: ssl.SSLContext | None,
        data_dir: Path,
        quarantine: Quarantine,
        people: PeopleOfFile,
        instruments: Instruments,
        bound: ProcessorLimit,
        watchers: tuple[StageWatcher, ...] = (),
    ) -> None:
        self._instruments = instruments
        self._bound = bound
        self._config = config
        self._store = store
        self._dsn = dsn
        self._ready = ReadyFile(data_dir, dsn, config.centre.name)
        self._tls = tls
        self._quarantine = quarantine
        self._people = people
        self._watchers = watchers
        self._inlet = Inlet(config.limits.inlet_bytes)
        keeping = retention(config)
        self._upkeep = Upkeep(
            nightly(config),
            prepare=lambda: on_host(store.prepare_days(now_us())),
            prune=lambda at_us: on_host(store.prune(at_us, keeping)),
            vacuum=lambda at_us: on_host(store.vacuum_past(at_us)),
            pruned_us=lambda: on_host(store.pruned_us()),
            # The centre's time may be days ahead of it, and what is dropped is gone.
            now_us=machine_us,
        )

    async def recover(self, categories: CategoryTable, scenarios: ScenarioSet) -> None:
        """Reads the map and the committed state, and makes the parts of the centre of them."""
        config = self._config
        gazetteer, territories, travel = await on_host(_load_maps(self._dsn, config.centre.territory))
        recovered: Recovered = await on_host(self._store.recover())
        # Whoever committed it had a clock that may have been ahead of this machine's.
        CENTRE.not_before(recovered.last_us)
        self._routes_version, routes = await on_host(read_routes(self._dsn, now_us()))
        began_us = now_us()
        self._categories = categories
        self._stored = {scenario.key: scenario for scenario in recovered.scenarios}
        patrols = self._begin_patrols(routes) if routes or recovered.patrols else None
        engine = Engine(
            centre_rules(config),
            categories,
            self._begin_scenarios(scenarios),
            gazetteer,
            territories,
            CrewTree(queue_look=queue_look(config), travel=travel),
            recovered,
            self._quarantine.left_out,
            patrols,
            self._passed,
        )
        CENTRE.not_before(engine.state.now_us)
        publisher = Publisher()
        publisher.restore(recovered.batch_no, recovered.incidents, recovered.crews, recovered.positions)
        # What has been recovered lives long: the collector need not look at it again and again.
        gc.freeze()
        self._teller = Teller(config, self._dsn, self._people, categories, now_us)
        # Only now: it has a thread, and a life that does not come so far has nobody to end it.
        self._callers = CallerLookup(self._dsn, config.centre.region)
        self._centre = Centre(
            engine,
            self._inlet,
            now_us=now_us,
            lookup=lambda phones: on_host(self._callers.find(phones)),
            known=self._callers.known,
            commit=self._commit,
            committed=self._committed,
            region=config.centre.region,
            batch_events=config.limits.batch_events,
            quarantine=self._quarantine,
            bound=self._bound,
        )
        self._contexts = Contexts(self._dsn, AddressReader(gazetteer), context_scope(config), now_us)
        authenticator = Authenticator.of(config)
        self._ingest = IngestHub(
            self._inlet,
            authenticator.authenticate_source,
            recovered.high_water,
            now_us,
            self._centre.wake,
            foresee=self._callers.foresee,
            session_limits=session_limits(config),
            connections_max=config.limits.connections_max,
            half_open_max=config.limits.half_open_max,
            tls=self._tls,
        )
        self._dispatch = DispatchHub(
            publisher,
            authenticator.authenticate_client,
            self._order,
            now_us,
            contexts=self._contexts,
            clients_max=config.limits.clients_max,
            buffer_bytes=config.limits.client_buffer_bytes,
            hello_timeout_s=config.limits.hello_timeout_s,
            idle_timeout_s=config.limits.idle_timeout_s,
        )
        stages = StageLog.where_wanted(self._dispatch.sessions, now_us)
        if stages is not None:
            self._watchers = (*self._watchers, stages)
        parts = Parts(
            limits=config.limits,
            state=engine.state,
            centre=self._centre,
            inlet=self._inlet,
            ingest=self._ingest,
            dispatch=self._dispatch,
            callers=self._callers,
            post=self._teller.post,
        )
        self._instruments.begins(parts, recovered)
        _log.info(
            "recovered",
            batch=recovered.batch_no,
            open_incidents=len(recovered.incidents),
            crews=len(recovered.crews),
            sources=len(recovered.high_water),
            restored_ms=(now_us() - began_us) // 1000,
        )

    async def run(self, stop: trio.Event, lost: trio.Event, *, bind_patience_s: float, on_ready: Callable[[], None]) -> None:
        """Listens, works until told to stop, then drains. Raises `LostError`, `Fenced`, `StorageError`, `OSError`."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_raise_when, lost)
                nursery.start_soon(self._upkeep.run)
                nursery.start_soon(self._teller.run)
                nursery.start_soon(follow_roster, self._dsn, now_us, self._load_roster)
                nursery.start_soon(follow_routes, self._dsn, now_us, self._routes_version, self._load_patrols)
                nursery.start_soon(self._look_back)
                nursery.start_soon(self._instruments.room.watch_database, self._dsn)
                async with trio.open_nursery() as work:
                    work.start_soon(self._centre.run)
                    if not await self._listen(bind_patience_s):
                        nursery.start_soon(self._tell_health)
                    on_ready()
                    await stop.wait()
                    await self._drain()
                    work.cancel_scope.deadline = trio.current_time() + DRAIN_COMMIT_S
                await self._teller.finish(DRAIN_TELL_S)
                if work.cancel_scope.cancelled_caught:
                    _log.warning("stopped with batches uncommitted", consequence="their sources send them again")
                nursery.cancel_scope.cancel()
        finally:
            self._ready.forget()
            self._ingest.close()
            self._callers.close()
            with trio.CancelScope(shield=True):
                await on_host(self._dispatch.drain())

    def load(self, scenarios: ScenarioSet) -> bool:
        """Lets new incidents go by these scenarios, as far as no version was changed without being raised.

        Returns False, and logs it, where the engine has failed on them before.
        """
        settled_set = self._settle(scenarios)
        taken = self._centre.load(scenarios=settled_set)
        self._note_scenarios(settled_set, taken=taken)
        return taken

    def _load_roster(self, roster: Roster) -> None:
        _note_taken(Part.ROSTER, taken=self._centre.load(roster=roster))

    def _load_patrols(self, patrols: Patrols) -> None:
        _note_taken(Part.PATROLS, taken=self._centre.load(patrols=patrols))

    def _begin_scenarios(self, scenarios: ScenarioSet) -> ScenarioSet:
        """What this life begins with: these, or those before them where the engine has failed on these."""
        settled_set = self._settle(scenarios)
        chosen = self._quarantine.begin(Part.SCENARIOS, settled_set)
        self._note_scenarios(settled_set, taken=chosen is settled_set)
        return chosen if isinstance(chosen, ScenarioSet) else settled_set

    def _note_scenarios(self, settled_set: ScenarioSet, *, taken: bool) -> None:
        _note_taken(Part.SCENARIOS, taken=taken)
        # A version that was not taken may still be mended without being raised.
        if taken:
            self._stored.update((scenario.key, scenario) for scenario in settled_set)

    def _begin_patrols(self, routes: list[PatrolRoute]) -> Patrols | None:
        chosen = self._quarantine.begin(Part.PATROLS, tuple(routes))
        if not isinstance(chosen, tuple):
            _note_taken(Part.PATROLS, taken=False)
            return None
        _note_taken(Part.PATROLS, taken=chosen == tuple(routes))
        try:
            return patrols_of(list(chosen))
        except Exception:
            # Calls must be served, whatever is wrong with a route.
            _log.exception("patrol routes not read", consequence="no patrol is watched in this life")
            return None

    def _settle(self, scenarios: ScenarioSet) -> ScenarioSet:
        settled_set, faults = settled(scenarios, self._stored.values(), self._categories)
        for fault in faults:
            _log.error("scenario not taken", fault=fault)
        return settled_set

    async def _listen(self, bind_patience_s: float) -> bool:
        """Listens and says so in the ready file. Returns whether health has its address too. Raises `OSError`."""
        listen = self._config.listen
        starts: dict[str, Callable[[], Coroutine[Any, Any, tuple[str, int]]]] = {
            "ingest_tcp": lambda: self._ingest.start_tcp(*split_address(listen.ingest_tcp)),
            "ingest_ws": lambda: self._ingest.start_ws(*split_address(listen.ingest_ws)),
            "dispatch": lambda: self._dispatch.start(*split_address(listen.dispatch), ssl=self._tls),
        }
        give_up_s = trio.current_time() + bind_patience_s
        bound = {name: await _bind(name, start, give_up_s) for name, start in starts.items()}
        self._instruments.health.became(State.ACTIVE)
        health = await self._health_address(give_up_s)
        if health is not None:
            bound["health"] = health
        self._ready.write(bound)
        _log.info("ready", **{name: f"{address[0]}:{address[1]}" for name, address in bound.items()})
        return health is not None

    async def _health_address(self, give_up_s: float) -> tuple[str, int] | None:
        """Where health is told; the process that was active before may hold the address for another moment."""
        give_up_s = min(give_up_s, trio.current_time() + HEALTH_S)
        while True:
            address = self._instruments.address()
            if address is not None or trio.current_time() >= give_up_s:
                return address
            await trio.sleep(_BIND_PAUSE_S)

    async def _tell_health(self) -> None:
        """Adds health to the ready file when it gets its address: a process that stands by now may have it for days."""
        while (address := self._instruments.address()) is None:  # noqa: ASYNC110  # bound by a thread that tells nobody
            await trio.sleep(HEALTH_LOOK_S)
        self._ready.add("health", address)
        _log.info("health has its address", health=f"{address[0]}:{address[1]}")

    async def _drain(self) -> None:
        """Stops accepting, lets everything taken be committed and acknowledged, and says goodbye."""
        _log.info("draining")
        self._instruments.health.became(State.DRAINING)
        in_order = await on_host(self._ingest.drain(timeout_s=DRAIN_TIMEOUT_S))
        self._centre.finish()
        _log.info("drained", in_order=in_order)

    def _passed(self, stage: Stage | None) -> None:
        """The engine stands between two stages: a commit that has ended meanwhile is told of now, not when all is decided."""
        stopwatch = self._instruments.measure.stopwatch
        stopwatch(stage)
        # What is told of the batch before must not be cut off for what this one does.
        with self._bound.aside():
            if self._store.settle():
                stopwatch.leave_out()

    def _commit(self, decisions: Decisions, ended: Ended) -> None:
        began_s = perf_counter()
        self._instruments.health.committing()
        for watcher in self._watchers:
            watcher.decided(decisions)

        def committed(refused: list[RefusedEvent]) -> None:
            self._instruments.health.committed()
            self._instruments.measure.durations[Stage.PERSIST].observe(perf_counter() - began_s)
            for event in refused:
                for taken in decisions.taken:
                    if taken.chunk.source == event.source:
                        for index, item in enumerate(taken.chunk.items):
                            if item.seq == event.rejected.seq:
                                taken.rejected[index] = event.rejected
            ended(None)

        self._store.commit(decisions, committed, ended)

    def _committed(self, decisions: Decisions) -> None:
        for watcher in self._watchers:
            watcher.committed(decisions)
        began_s = perf_counter()
        refused = self._ingest.committed(decisions)
        told_us = now_us()
        acknowledged_s = perf_counter()
        for watcher in self._watchers:
            watcher.acknowledged(decisions)
        publishing_s = perf_counter()
        self._dispatch.committed(decisions)
        took_s = (acknowledged_s - began_s, perf_counter() - publishing_s)
        for watcher in self._watchers:
            watcher.published(decisions)
        self._teller.committed(decisions)
        self._contexts.committed(decisions)
        self._instruments.committed(decisions, refused, told_us, took_s)

    def _order(self, order: Order) -> None:
        self._inlet.order(order)
        self._centre.wake()

    async def _look_back(self) -> None:
        """Finds out, beside everything else, what was before each incident."""
        await on_host(self._contexts.run())


def _note_taken(part: Part, *, taken: bool) -> None:
    """Logs what is not gone by because the engine has failed on it."""
    if not taken:
        _log.error("not taken", part=part.value, why="the engine has failed on it", consequence="what was before stays")


async def _bind(key: str, start: Callable[[], Coroutine[Any, Any, tuple[str, int]]], give_up_s: float) -> tuple[str, int]:
    """Binds the address of a key of `listen`, which another process may hold until `give_up_s` of Trio's clock.

    Raises `OSError`, which names the key.
    """
    told = False
    while True:
        try:
            return await on_host(start())
        except OSError as error:
            if error.errno != errno.EADDRINUSE or trio.current_time() >= give_up_s:
                raise OSError(error.errno, f"listen.{key}: {error.strerror}") from error
            if not told:
                told = True
                _log.warning("waiting for an address", reason=str(error))
        await trio.sleep(_BIND_PAUSE_S)


async def _load_maps(dsn: str, territory: str) -> tuple[Gazetteer, TerritoryIndex, TravelTimes | None]:
    try:
        connection = await session.connect(dsn, "maps")
        try:
            map_data = await load_map_data(connection)
            territories = await load_territories(connection, map_data, territory)
        finally:
            session.cut(connection)
    except DRIVER_ERRORS as error:
        raise translate(error) from error
    gazetteer = Unmapped() if map_data is None else MapGazetteer(map_data)
    return gazetteer, TerritoryIndex(territories), travel_times_of(map_data)


async def _raise_when(lost: trio.Event) -> None:
    await lost.wait()
    raise LostError("the lock on the centre is lost")
