"""`jedel serve`: the composition root, where every part of the centre is made and joined, and its lives one after another.

A life: wait until this process is the active one, recover what is committed, listen, work, stop. A life ends in order when the
process is told to stop, and otherwise when the lock on the centre or the database's trust is lost; then another one begins
as standby. Nothing outlives a life but the process: what a dead life had not committed, its sources send again (invariant 3).
"""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import signal
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import structlog
import trio
import uvloop

from core import limits
from core.bridge import host, on_host
from core.category import load_categories
from core.quarantine import EngineFaultError, Quarantine
from core.scenario import Scenario, ScenarioError, ScenarioSet
from ops.certificates import tls_context, until_us
from ops.clock import now_us
from ops.config import Config, split_address
from ops.exposition import registry_of, render
from ops.health import ENGINE_FAULT, LOST, State
from ops.health_server import HealthServer
from ops.instruments import Instruments
from ops.life import Life, LostError
from ops.notify import READY, STOPPING, Notifier
from ops.processor_limit import ProcessorLimit
from ops.rules import descriptors_wanted
from ops.scenarios import centre_scenarios
from ops.telling import people_of
from ops.traces import traces_of
from storage import embedded
from storage.errors import StorageError, StorageReason
from storage.migrate import Migration
from storage.store import Store
from storage.writer import Attempt

BIND_PATIENCE_S: Final = 15.0
"""How long a process that takes over waits for its addresses: on one machine the one that was active may still say goodbye."""
SWITCH_INTERVAL_S: Final = 0.0002
"""How long a thread that wants the interpreter waits for it at most. Trio waits for its sockets in a thread, and each way from
one loop to the other leads through it: with Python's 5 ms every such way may cost that much while the loops are busy."""
REBIRTH_S: Final = 0.2
"""Pause between lives, for a database that is starting."""
REVIVE_S: Final = 1.0
"""Between two looks whether the embedded server still runs."""
_HEALS: Final = frozenset({StorageReason.UNREACHABLE, StorageReason.FENCED})

_log = structlog.get_logger("serve")


def run(config: Config) -> int:
    """Serves until SIGTERM or SIGINT. Returns the exit status.

    Raises:
        ConfigError, CategoryError, PeopleError, ScenarioError, StorageError: it cannot begin; the text says why.
        OSError: an address cannot be bound.
    """
    _suit_the_process(config)
    data_dir = Path(config.database.data_dir)
    instruments = Instruments(source.id for source in config.sources if source.id != "*")
    with _telling(config, instruments):
        server = None if config.database.dsn else embedded.start(data_dir)
        try:
            dsn = config.database.dsn or (server.dsn if server else "")
            host(lambda: Service(config, dsn, data_dir, instruments, server).run(), uvloop.new_event_loop)
        finally:
            if server is not None:
                server.stop()
    return 0


@contextmanager
def _telling(config: Config, instruments: Instruments) -> Iterator[None]:
    """Tells of health and metrics until the block ends. Raises `OSError` where that address can never be bound."""
    registry = registry_of(instruments)
    health = instruments.health
    told = HealthServer(
        *split_address(config.listen.health), health.live, health.ready, lambda accept: render(registry, accept)
    )
    instruments.address = lambda: told.address
    instruments.collections.watch()
    told.start()
    try:
        yield
    finally:
        told.stop()
        instruments.collections.unwatch()


class Service:
    """The process's lives, and what they share.

    Args:
        config: the centre's.
        dsn: its database.
        data_dir: where the ready file goes.
        instruments: what the process is watched by; its own if None.
        server: the embedded server behind `dsn`, which is started again where it has died.
    """

    def __init__(
        self,
        config: Config,
        dsn: str,
        data_dir: Path,
        instruments: Instruments | None = None,
        server: embedded.EmbeddedServer | None = None,
    ) -> None:
        self._config = config
        self._instruments = instruments or Instruments()
        self._dsn = dsn
        self._server = server
        self._bound = ProcessorLimit(limits.ENGINE_STUCK_S)
        self._data_dir = data_dir
        self._categories = load_categories(Path(config.centre.categories) if config.centre.categories else None)
        # Read once before anything else, so that a fault in them is told at the start and not by the first life.
        self._scenarios = self._read_scenarios()
        """As they were read last without a fault."""
        self._people = people_of(config)
        self._tls = tls_context(config.listen)
        self._instruments.certificate_until_us = until_us(self._tls, config.listen)
        self._traces = traces_of(config, now_us)
        self._stop = trio.Event()
        self._notifier = Notifier(os.environ)
        self._quarantine = Quarantine()
        self._follows = False
        """Whether another process, or another life of this one, was active before."""
        self._life: Life | None = None

    def stop(self) -> None:
        """Lets `run` drain and return, as SIGTERM does."""
        self._notifier.tell(STOPPING, "STATUS=stopping")
        self._stop.set()

    def reload(self) -> None:
        """Reads the scenario files again, as SIGHUP does; what is wrong with them is logged, and the old ones stay."""
        if self._life is None:
            _log.info("scenarios are read when this process becomes the active one")
            return
        try:
            scenarios = self._read_scenarios()
            if self._life.load(scenarios):
                self._scenarios = scenarios
                _log.info("scenarios read", count=len(scenarios))
        except ScenarioError as error:
            for fault in error.faults:
                _log.error("scenarios not loaded", fault=fault)

    def _read_scenarios(self, older: Iterable[Scenario] = ()) -> ScenarioSet:
        centre = self._config.centre
        return centre_scenarios(centre.scenarios, bool(centre.categories), self._categories, older)

    def _scenarios_of_life(self) -> ScenarioSet:
        """The scenarios that a life begins with: whatever has happened to the files meanwhile, it begins."""
        try:
            self._scenarios = self._read_scenarios()
        except ScenarioError as error:
            for fault in error.faults:
                _log.error("scenarios not loaded", fault=fault, consequence="this life begins with those read before")
        return self._scenarios

    async def run(self) -> None:
        """Lives until told to stop. Raises what another life would not heal."""
        token = trio.lowlevel.current_trio_token()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, token.run_sync_soon, self.stop)
        loop.add_signal_handler(signal.SIGHUP, token.run_sync_soon, self.reload)
        self._notifier.watch()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._instruments.pulse.run)
            nursery.start_soon(self._instruments.room.watch_disks, self._data_dir)
            await self._lives()
            nursery.cancel_scope.cancel()
        _log.info("stopped")

    async def _lives(self) -> None:
        health = self._instruments.health
        store = await on_host(Store.open(self._dsn, self._config.centre.name, on_failure=self._tell_failure))
        try:
            # A database of a newer version is told of before this process stands by; what is behind is left as it is, for a
            # process of an older version may be working on it.
            await on_host(store.pending())
            while not self._stop.is_set():
                ended = await self._end_of_life(store)
                if ended is not None:
                    # Why the database or the lock was lost is no riddle; why the engine failed must be found out.
                    trace = ended if isinstance(ended, EngineFaultError) else None
                    _log.error("a life has ended", reason=str(ended), exc_info=trace)
                    self._instruments.ended(_kind_of(ended), str(ended))
                    # An exception knows the frames it came through, and they the whole of the dead life.
                    del trace, ended
                    _bury()
                    self._follows = True
                    await trio.sleep(REBIRTH_S)
        finally:
            health.became(State.STOPPED)
            with trio.CancelScope(shield=True):
                await on_host(store.close())
                if self._traces is not None:
                    await trio.to_thread.run_sync(self._traces.close)
            self._notifier.end()

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
        health = self._instruments.health
        health.became(State.STARTING)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._end_waiting, nursery.cancel_scope)
            if self._server is not None:
                nursery.start_soon(self._revive, self._server)
            epoch = await on_host(
                store.become_active(
                    on_waiting=self._stand_by,
                    on_lost=lambda: token.run_sync_soon(lost.set),
                    on_migrated=_tell_migrated,
                    on_blocked=_tell_blocked,
                )
            )
            nursery.cancel_scope.cancel()
        if self._stop.is_set():
            return
        _log.info("active", epoch=epoch)
        self._notifier.tell("STATUS=recovering")
        health.epoch = epoch
        health.became(State.RECOVERING)
        await on_host(store.prepare_days(now_us()))
        watchers = () if self._traces is None else (self._traces,)
        life = Life(
            self._config,
            store,
            self._dsn,
            self._tls,
            self._data_dir,
            self._quarantine,
            self._people,
            self._instruments,
            self._bound,
            watchers,
        )
        try:
            await life.recover(self._categories, self._scenarios_of_life())
            self._life = life
            await life.run(
                self._stop,
                lost,
                bind_patience_s=BIND_PATIENCE_S if self._follows else 0.0,
                on_ready=lambda: self._notifier.tell(READY, f"STATUS=active, epoch {epoch}"),
            )
        finally:
            self._life = None
            # A commit that went on after the life would hold all of it in memory, and its failures would be taken for the
            # next one's.
            with trio.CancelScope(shield=True):
                await on_host(store.close())
            self._instruments.ends()

    def _stand_by(self) -> None:
        self._follows = True
        self._instruments.health.became(State.STANDBY)
        _log.info("standby", waiting_for="the active process")
        self._notifier.tell(READY, "STATUS=standby")

    async def _revive(self, server: embedded.EmbeddedServer) -> None:
        """Starts the embedded server again where it has died, for as long as this process waits for the database."""
        while True:
            try:
                if await trio.to_thread.run_sync(server.revive, abandon_on_cancel=True):
                    _log.warning("the embedded server had died and was started again")
            except StorageError as error:
                _log.error("the embedded server has died and does not start", reason=str(error))
            await trio.sleep(REVIVE_S)

    def _tell_failure(self, attempt: Attempt) -> None:
        """Called in the writer's thread."""
        self._instruments.health.failed(attempt)
        _log.warning("commit failed", batch=attempt.batch_no, tries=attempt.number, reason=str(attempt.error))

    async def _end_waiting(self, scope: trio.CancelScope) -> None:
        await self._stop.wait()
        scope.cancel()


def _bury() -> None:
    """Lets go of everything a dead life held: it was kept out of the collector's sight."""
    gc.unfreeze()
    gc.collect()


def _suit_the_process(config: Config) -> None:
    """Gives the process room for its connections, and keeps the collector from stopping a call for a look at every incident.

    A full collection looks at every live object: with a hundred thousand open incidents it would hold a call for half a second.
    What lives that long here is freed by its reference count; only the young generations are looked through, and so often that
    it takes some milliseconds: 25,000 new objects take 45 ms under load, and five times as many 160 ms.
    """
    gc.set_threshold(5_000, 5, 1_000_000_000)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    wanted = descriptors_wanted(config.limits)
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


def _kind_of(error: Exception) -> str:
    """Why a life ended, as one of a few words."""
    if isinstance(error, StorageError):
        return error.reason.value
    return ENGINE_FAULT if isinstance(error, EngineFaultError) else LOST


def _tell_migrated(migration: Migration) -> None:
    _log.info("migrated", number=migration.number, title=migration.name)


def _tell_blocked(error: StorageError) -> None:
    _log.error("not migrated", reason=str(error), consequence="nothing is served before the schema is up to date")
