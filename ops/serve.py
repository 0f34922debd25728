"""`jedel serve`: the composition root, where every part of the centre is made and joined, and its lives one after another.

A life: wait until this process is the active one, recover what is committed, listen, work, stop. A life ends in order when the
process is told to stop, and otherwise when the lock on the centre or the database's trust is lost; then another one begins
as standby. Nothing outlives a life but the process: what a dead life had not committed, its sources send again (invariant 3).
"""

from __future__ import annotations

import asyncio
import errno
import gc
import json
import os
import resource
import signal
import ssl
import sys
from collections.abc import Callable, Coroutine, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import structlog
import trio
import uvloop

from core.bridge import host, on_host
from core.category import CategoryTable, load_categories
from core.centre import Centre
from core.commands import Order
from core.decisions import Decisions
from core.engine import Engine
from core.inlet import Inlet
from core.ports import Gazetteer, TravelTimes
from core.quarantine import EngineFaultError, Quarantine
from core.recovered import Recovered
from core.scenario import Scenario, ScenarioError, ScenarioSet
from ops.addresses import AddressReader
from ops.authenticator import Authenticator
from ops.callers import CallerLookup
from ops.certificates import tls_context
from ops.clock import now_us
from ops.config import Config, split_address
from ops.contexts import Contexts
from ops.duty import follow_roster
from ops.maps import load_map_data, load_territories, travel_times_of
from ops.patrols import follow_routes, patrols_of, read_routes
from ops.post import PeopleOfFile
from ops.rules import centre_rules, context_scope, queue_look, session_limits
from ops.scenarios import centre_scenarios, settled
from ops.telling import Teller, people_of
from protocols.dispatch.listener import DispatchHub
from protocols.dispatch.publisher import Publisher
from protocols.ingest.hub import IngestHub
from routing.crew_index import CrewTree
from routing.gazetteer import MapGazetteer
from routing.territory import TerritoryIndex
from routing.unmapped import Unmapped
from storage import embedded, session
from storage.errors import DRIVER_ERRORS, StorageError, StorageReason, translate
from storage.store import Store
from storage.writer import Attempt

DRAIN_TIMEOUT_S: Final = 20.0
"""Longest wait for sources to be acknowledged and to go."""
DRAIN_COMMIT_S: Final = 5.0
"""Longest wait, after that, for what is decided to be committed. With the database away it never is: its sources keep it."""
DRAIN_TELL_S: Final = 5.0
"""Longest wait for messages under way: most servers answer within a second, and what is cut off is in doubt."""
BIND_PATIENCE_S: Final = 15.0
"""How long a process that takes over waits for its addresses: on one machine the one that was active may still say goodbye."""
_BIND_PAUSE_S: Final = 0.1
UPKEEP_S: Final = 3600.0
SWITCH_INTERVAL_S: Final = 0.0002
"""How long a thread that wants the interpreter waits for it at most. Trio waits for its sockets in a thread, and each way from
one loop to the other leads through it: with Python's 5 ms every such way may cost that much while the loops are busy."""
READY_FILE: Final = "serve.json"

REBIRTH_S: Final = 0.2
"""Pause between lives, for a database that is starting."""
_HEALS: Final = frozenset({StorageReason.UNREACHABLE, StorageReason.FENCED})

_log = structlog.get_logger("serve")


class LostError(Exception):
    """This process is no longer the centre's active one."""


def run(config: Config) -> int:
    """Serves until SIGTERM or SIGINT. Returns the exit status.

    Raises:
        ConfigError, CategoryError, PeopleError, ScenarioError, StorageError: it cannot begin; the text says why.
        OSError: an address cannot be bound.
    """
    _suit_the_process(config)
    data_dir = Path(config.database.data_dir)
    server = None if config.database.dsn else embedded.start(data_dir)
    try:
        dsn = config.database.dsn or (server.dsn if server else "")
        host(lambda: Service(config, dsn, data_dir).run(), uvloop.new_event_loop)
    finally:
        if server is not None:
            server.stop()
    return 0


class Service:
    """The process's lives, and what they share."""

    def __init__(self, config: Config, dsn: str, data_dir: Path) -> None:
        self._config = config
        self._dsn = dsn
        self._data_dir = data_dir
        self._categories = load_categories(Path(config.centre.categories) if config.centre.categories else None)
        # Read once before anything else, so that a fault in them is told at the start and not by the first life.
        self._read_scenarios()
        self._people = people_of(config)
        self._tls = tls_context(config.listen)
        self._stop = trio.Event()
        self._quarantine = Quarantine()
        self._follows = False
        """Whether another process, or another life of this one, was active before."""
        self._life: _Life | None = None

    def stop(self) -> None:
        """Lets `run` drain and return, as SIGTERM does."""
        self._stop.set()

    def reload(self) -> None:
        """Reads the scenario files again, as SIGHUP does; what is wrong with them is logged, and the old ones stay."""
        if self._life is None:
            _log.info("scenarios are read when this process becomes the active one")
            return
        try:
            self._life.load(self._read_scenarios())
        except ScenarioError as error:
            for fault in error.faults:
                _log.error("scenarios not loaded", fault=fault)

    def _read_scenarios(self, older: Iterable[Scenario] = ()) -> ScenarioSet:
        centre = self._config.centre
        return centre_scenarios(centre.scenarios, bool(centre.categories), self._categories, older)

    async def run(self) -> None:
        """Lives until told to stop. Raises what another life would not heal."""
        token = trio.lowlevel.current_trio_token()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, token.run_sync_soon, self.stop)
        loop.add_signal_handler(signal.SIGHUP, token.run_sync_soon, self.reload)
        store = await on_host(Store.open(self._dsn, self._config.centre.name, on_failure=_tell_failure))
        try:
            for migration in await on_host(store.migrate()):
                _log.info("migrated", number=migration.number, title=migration.name)
            while not self._stop.is_set():
                ended = await self._end_of_life(store)
                if ended is not None:
                    # Why the database or the lock was lost is no riddle; why the engine failed must be found out.
                    trace = ended if isinstance(ended, EngineFaultError) else None
                    _log.error("a life has ended", reason=str(ended), exc_info=trace)
                    # An exception knows the frames it came through, and they the whole of the dead life.
                    del trace, ended
                    _bury()
                    self._follows = True
                    await trio.sleep(REBIRTH_S)
        finally:
            with trio.CancelScope(shield=True):
                await on_host(store.close())
        _log.info("stopped")

    async def _end_of_life(self, store: Store) -> Exception | None:
        """Lives one life. Returns what ended it if another one may follow; raises what another one would not heal."""
        ended: list[Exception] = []
        try:
            await self._live(store)
        except* (LostError, StorageError, EngineFaultError) as group:
            ended = list(_leaves(group))
        for error in ended:
            if isinstance(error, StorageError) and error.reason not in _HEALS:
                raise error
        return ended[0] if ended else None

    async def _live(self, store: Store) -> None:
        lost = trio.Event()
        token = trio.lowlevel.current_trio_token()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._end_waiting, nursery.cancel_scope)
            epoch = await on_host(
                store.become_active(
                    on_waiting=self._stand_by,
                    on_lost=lambda: token.run_sync_soon(lost.set),
                )
            )
            nursery.cancel_scope.cancel()
        if self._stop.is_set():
            return
        _log.info("active", epoch=epoch)
        await on_host(store.prepare_days(now_us()))
        life = _Life(self._config, store, self._dsn, self._tls, self._data_dir, self._quarantine, self._people)
        await life.recover(self._categories, self._read_scenarios())
        self._life = life
        try:
            await life.run(self._stop, lost, bind_patience_s=BIND_PATIENCE_S if self._follows else 0.0)
        finally:
            self._life = None

    def _stand_by(self) -> None:
        self._follows = True
        _log.info("standby", waiting_for="the active process")

    async def _end_waiting(self, scope: trio.CancelScope) -> None:
        await self._stop.wait()
        scope.cancel()


class _Life:
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
    ) -> None:
        self._config = config
        self._store = store
        self._dsn = dsn
        self._data_dir = data_dir
        self._tls = tls
        self._quarantine = quarantine
        self._people = people
        self._inlet = Inlet(config.limits.inlet_bytes)
        self._callers = CallerLookup(dsn, config.centre.region)

    async def recover(self, categories: CategoryTable, scenarios: ScenarioSet) -> None:
        """Reads the map and the committed state, and makes the parts of the centre of them."""
        config = self._config
        gazetteer, territories, travel = await on_host(_load_maps(self._dsn, config.centre.territory))
        recovered: Recovered = await on_host(self._store.recover())
        self._routes_version, routes = await on_host(read_routes(self._dsn, now_us()))
        began_us = now_us()
        self._categories = categories
        self._stored = {scenario.key: scenario for scenario in recovered.scenarios}
        engine = Engine(
            centre_rules(config),
            categories,
            self._settle(scenarios),
            gazetteer,
            territories,
            CrewTree(queue_look=queue_look(config), travel=travel),
            recovered,
            self._quarantine.muted,
            patrols_of(routes) if routes or recovered.patrols else None,
        )
        publisher = Publisher()
        publisher.restore(recovered.batch_no, recovered.incidents, recovered.crews, recovered.positions)
        # What has been recovered lives long: the collector need not look at it again and again.
        gc.freeze()
        self._teller = Teller(config, self._dsn, self._people, categories, now_us)
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
        _log.info(
            "recovered",
            batch=recovered.batch_no,
            open_incidents=len(recovered.incidents),
            crews=len(recovered.crews),
            sources=len(recovered.high_water),
            restored_ms=(now_us() - began_us) // 1000,
        )

    async def run(self, stop: trio.Event, lost: trio.Event, *, bind_patience_s: float) -> None:
        """Listens and works until told to stop, then drains. Raises `LostError`, `Fenced`, `StorageError`, `OSError`."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_raise_when, lost)
                nursery.start_soon(self._upkeep)
                nursery.start_soon(self._teller.run)
                nursery.start_soon(follow_roster, self._dsn, now_us, lambda roster: self._centre.load(roster=roster))
                nursery.start_soon(
                    follow_routes, self._dsn, now_us, self._routes_version, lambda patrols: self._centre.load(patrols=patrols)
                )
                nursery.start_soon(self._look_back)
                async with trio.open_nursery() as work:
                    work.start_soon(self._centre.run)
                    await self._listen(bind_patience_s)
                    await stop.wait()
                    await self._drain()
                    work.cancel_scope.deadline = trio.current_time() + DRAIN_COMMIT_S
                await self._teller.finish(DRAIN_TELL_S)
                if work.cancel_scope.cancelled_caught:
                    _log.warning("stopped with batches uncommitted", consequence="their sources send them again")
                nursery.cancel_scope.cancel()
        finally:
            self._forget_ready()
            self._callers.close()
            self._ingest.close()
            with trio.CancelScope(shield=True):
                await on_host(self._dispatch.drain())

    def load(self, scenarios: ScenarioSet) -> None:
        """Lets new incidents go by these scenarios, as far as no version was changed without being raised."""
        self._centre.load(scenarios=self._settle(scenarios))

    def _settle(self, scenarios: ScenarioSet) -> ScenarioSet:
        settled_set, faults = settled(scenarios, self._stored.values(), self._categories)
        for fault in faults:
            _log.error("scenario not taken", fault=fault)
        self._stored.update((scenario.key, scenario) for scenario in settled_set)
        return settled_set

    async def _listen(self, bind_patience_s: float) -> None:
        listen = self._config.listen
        starts: dict[str, Callable[[], Coroutine[Any, Any, tuple[str, int]]]] = {
            "ingest_tcp": lambda: self._ingest.start_tcp(*split_address(listen.ingest_tcp)),
            "ingest_ws": lambda: self._ingest.start_ws(*split_address(listen.ingest_ws)),
            "dispatch": lambda: self._dispatch.start(*split_address(listen.dispatch), ssl=self._tls),
        }
        give_up_s = trio.current_time() + bind_patience_s
        bound = {name: await _bind(start, give_up_s) for name, start in starts.items()}
        ready = {"pid": os.getpid(), "dsn": self._dsn, **bound}
        self._data_dir.mkdir(parents=True, exist_ok=True)
        # Written beside and moved: whoever waits for the file never reads half of it.
        draft = self._data_dir / f"{READY_FILE}.{os.getpid()}"
        draft.write_text(json.dumps(ready), encoding="utf-8")
        draft.replace(self._data_dir / READY_FILE)
        _log.info("ready", **{name: f"{address[0]}:{address[1]}" for name, address in bound.items()})

    def _forget_ready(self) -> None:
        """Takes the ready file away, unless a process that has taken over wrote it."""
        ready = self._data_dir / READY_FILE
        try:
            if json.loads(ready.read_bytes())["pid"] == os.getpid():
                ready.unlink()
        except FileNotFoundError:
            return

    async def _drain(self) -> None:
        """Stops accepting, lets everything taken be committed and acknowledged, and says goodbye."""
        _log.info("draining")
        in_order = await on_host(self._ingest.drain(timeout_s=DRAIN_TIMEOUT_S))
        self._centre.finish()
        _log.info("drained", in_order=in_order)

    async def _commit(self, decisions: Decisions, committed: Callable[[Decisions], None]) -> None:
        await on_host(self._commit_on_host(decisions, committed))

    async def _commit_on_host(self, decisions: Decisions, committed: Callable[[Decisions], None]) -> None:
        for event in await self._store.commit(decisions):
            for taken in decisions.taken:
                if taken.chunk.source == event.source:
                    for index, item in enumerate(taken.chunk.items):
                        if item.seq == event.rejected.seq:
                            taken.rejected[index] = event.rejected
        committed(decisions)

    def _committed(self, decisions: Decisions) -> None:
        self._ingest.committed(decisions)
        self._dispatch.committed(decisions)
        self._teller.committed(decisions)
        self._contexts.committed(decisions)

    def _order(self, order: Order) -> None:
        self._inlet.order(order)
        self._centre.wake()

    async def _look_back(self) -> None:
        """Finds out, beside everything else, what was before each incident."""
        await on_host(self._contexts.run())

    async def _upkeep(self) -> None:
        """Makes the coming days' partitions, so that no batch has to at midnight."""
        while True:
            await trio.sleep(UPKEEP_S)
            try:
                await on_host(self._store.prepare_days(now_us()))
            except StorageError as error:
                _log.warning("partitions not prepared", reason=str(error))


async def _bind(start: Callable[[], Coroutine[Any, Any, tuple[str, int]]], give_up_s: float) -> tuple[str, int]:
    """Binds an address, which another process may hold until `give_up_s` of Trio's clock. Raises `OSError`."""
    told = False
    while True:
        try:
            return await on_host(start())
        except OSError as error:
            if error.errno != errno.EADDRINUSE or trio.current_time() >= give_up_s:
                raise
            if not told:
                told = True
                _log.warning("waiting for an address", reason=str(error))
        await trio.sleep(_BIND_PAUSE_S)


def _bury() -> None:
    """Lets go of everything a dead life held: it was kept out of the collector's sight."""
    gc.unfreeze()
    gc.collect()


async def _load_maps(dsn: str, territory: str) -> tuple[Gazetteer, TerritoryIndex, TravelTimes | None]:
    try:
        connection = await session.connect(dsn, "maps")
        try:
            map_data = await load_map_data(connection)
            territories = await load_territories(connection, map_data, territory)
        finally:
            connection.terminate()
    except DRIVER_ERRORS as error:
        raise translate(error) from error
    gazetteer = Unmapped() if map_data is None else MapGazetteer(map_data)
    return gazetteer, TerritoryIndex(territories), travel_times_of(map_data)


def _suit_the_process(config: Config) -> None:
    """Gives the process room for its connections, and keeps the collector from stopping a call for a look at every incident.

    A full collection looks at every live object: with a hundred thousand open incidents it would hold a call for half a second.
    What lives that long here is freed by its reference count; only the young generations are looked through.
    """
    gc.set_threshold(25_000, 5, 1_000_000_000)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    wanted = 2 * (config.limits.connections_max + config.limits.half_open_max + config.limits.clients_max)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < enough:
        resource.setrlimit(resource.RLIMIT_NOFILE, (enough, hard))
    if enough < wanted:
        _log.warning("few file descriptors", wanted=wanted, allowed=enough)


def _leaves(group: BaseExceptionGroup[Exception]) -> Iterator[Exception]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


async def _raise_when(lost: trio.Event) -> None:
    await lost.wait()
    raise LostError("the lock on the centre is lost")


def _tell_failure(attempt: Attempt) -> None:
    _log.warning("commit failed", batch=attempt.batch_no, tries=attempt.number, reason=str(attempt.error))
