"""The centre's Trio shell: takes batches from the inlet, has the engine decide, the journal commit, and the world told.

While one batch is being committed the next is being decided, and a decided batch waits only for the commit before it: so the
batches grow with the load, by themselves, and a quiet centre commits each call at once. Nobody is told anything before the
commit (invariants 1 and 2), and everybody as soon as it is known, between two stages of the deciding too. Terms need no task of
their own: the deciding task sleeps no longer than until the next one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import trio

from core import limits
from core.bridge import Wake
from core.decisions import Decisions
from core.engine import Engine
from core.events import Alarm, Call, Chunk
from core.inlet import Inlet
from core.instant import SECOND_US, Micros
from core.patrol_watch import Patrols
from core.phone import read_phone
from core.ports import Subscriber
from core.quarantine import EngineFaultError, Quarantine
from core.roster.model import Roster
from core.scenario import ScenarioSet
from core.state import Batch

IDLE_S = 3600.0
"""Longest sleep without a term to wait for."""

Lookup = Callable[[list[str]], Awaitable[dict[str, Subscriber]]]
Known = Callable[[list[str]], dict[str, Subscriber] | None]
Ended = Callable[[Exception | None], None]
Commit = Callable[[Decisions, Ended], None]


def phones_of(chunks: Iterable[Chunk], region: str) -> Iterator[str]:
    """The numbers in E.164 of everybody who calls in these chunks, as often as they call."""
    for chunk in chunks:
        if chunk.urgent:
            for item in chunk.items:
                if isinstance(item, Call | Alarm) and item.phone:
                    e164 = read_phone(item.phone, region).e164
                    if e164:
                        yield e164


def _nobody(_: list[str]) -> None:
    return


class Centre:
    """One life of the active centre, from recovered state to the stop.

    Args:
        engine: holds the recovered state.
        inlet: what the listeners bring.
        now_us: reads the clock.
        lookup: the subscribers of numbers in E.164; must not raise, a base that cannot be asked knows nobody.
        known: the same at once, or None where the base would have to be asked.
        commit: begins to make a batch durable, however long that takes, and returns. When it has ended, its second argument is
            called on this thread, with what has failed or None: by the loop, or while the engine stands between two stages.
        committed: tells sources and clients of a committed batch.
        region: country whose national telephone numbers are read.
        batch_events: most events of one batch.
        quarantine: what earlier lives of this process know of events on which the engine failed.
        bound: ends the engine's deciding by an exception where it would never end by itself.
    """

    def __init__(
        self,
        engine: Engine,
        inlet: Inlet,
        *,
        now_us: Callable[[], Micros],
        lookup: Lookup,
        commit: Commit,
        committed: Callable[[Decisions], None],
        region: str,
        known: Known = _nobody,
        batch_events: int = limits.BATCH_EVENTS,
        quarantine: Quarantine | None = None,
        bound: AbstractContextManager[None] | None = None,
    ) -> None:
        self._engine = engine
        self._inlet = inlet
        self._now_us = now_us
        self._lookup = lookup
        self._known = known
        self._commit = commit
        self._committed = committed
        self._region = region
        self._batch_events = batch_events
        self._quarantine = Quarantine() if quarantine is None else quarantine
        self._bound = nullcontext() if bound is None else bound
        self._wake = Wake()
        self._finishing = False
        self._news: list[Batch] = []
        """Scenarios, rosters and patrol routes to go by, each as a batch of its own."""
        self.waiting = 0
        """Batches decided that wait for the commit before them; with one nothing more is decided."""
        self._committing: Decisions | None = None
        self._decided: Decisions | None = None
        """What waits for the commit under way."""
        self._settled = Wake()
        """Rung when a commit has ended for which the deciding task waits."""
        self._failure: Exception | None = None
        self._over = False

    def wake(self) -> None:
        """Says that the inlet is not empty. Callable from either loop."""
        self._wake.ring()

    def load(
        self, *, scenarios: ScenarioSet | None = None, roster: Roster | None = None, patrols: Patrols | None = None
    ) -> bool:
        """Lets incidents that open from now on go by other scenarios, or the centre by another roster or patrol routes.

        Takes one of them. Returns False where the engine has failed on it before: then what was before stays.
        """
        brought = Batch([], [], {}, scenarios=scenarios, roster=roster, patrols=patrols)
        admitted = self._quarantine.admit(brought)
        if admitted is not None:
            self._news.append(admitted)
            self._wake.ring()
        return admitted is brought

    def finish(self) -> None:
        """Lets `run` return once the inlet is empty and everything decided is committed and told."""
        self._finishing = True
        self._wake.ring()

    async def run(self) -> None:
        """Runs until `finish`. Raises what `commit` and `committed` raise; nothing of a batch that failed has been told.

        Raises:
            EngineFaultError: the engine has failed; nothing of its batch has been told, and the quarantine knows of it.
        """
        try:
            while await self._await_work():
                while self._news:
                    await self._handle(self._news.pop(0))
                chunks, orders = self._inlet.take(self._batch_events)
                subscribers = await self._subscribers(list(phones_of(chunks, self._region)))
                if self._quarantine.is_careful:
                    # Terms by themselves, so that no event is blamed for them.
                    await self._handle(Batch([], [], {}))
                for portion in self._quarantine.portions(Batch(chunks, orders, subscribers)):
                    await self._handle(portion)
        finally:
            self._over = True

    async def _await_work(self) -> bool:
        """Waits until there is something to decide. Returns False when all is done and told."""
        if self._inlet or self._engine.has_more or self._news:
            return True
        if not self._finishing:
            await self._wake.wait(self._sleep_s())
            self._fail_on_failure()
            return True
        while self._committing is not None:
            await self._settled.wait(IDLE_S)
            self._fail_on_failure()
        return bool(self._inlet or self._news)

    async def _handle(self, batch: Batch) -> None:
        with self._blaming(batch), self._bound:
            decisions = self._engine.handle(batch, self._now_us())
        self._quarantine.went_well(batch)
        self._fail_on_failure()
        if decisions is not None:
            if self._committing is None:
                self._begin(decisions)
            else:
                self._decided = decisions
                self.waiting = 1
            while self._decided is not None:
                await self._settled.wait(IDLE_S)
            # Deciding the next batch keeps the thread: the sockets have their turn before it.
            await trio.lowlevel.checkpoint()
            self._fail_on_failure()

    def _begin(self, decisions: Decisions) -> None:
        self._committing = decisions
        self._commit(decisions, self._end)

    def _end(self, failure: Exception | None) -> None:
        """The commit under way has ended: the next one begins, and then the world is told."""
        decisions, self._committing = self._committing, None
        if self._over or decisions is None:
            return
        decided, self._decided = self._decided, None
        self.waiting = 0
        try:
            if failure is not None:
                raise failure
            if decided is not None:
                self._begin(decided)
            self._committed(decisions)
        except Exception as error:
            self._failure = error
            self._wake.ring()
        if decided is not None or self._finishing:
            self._settled.ring()

    def _fail_on_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    @contextmanager
    def _blaming(self, batch: Batch) -> Iterator[None]:
        """Ends the life when the engine fails, with the quarantine knowing on what."""
        try:
            yield
        except Exception as error:
            told = self._quarantine.blame(batch, self._engine.state, self._now_us())
            raise EngineFaultError(f"the engine has failed ({type(error).__name__}: {error}): {told}") from error

    def _sleep_s(self) -> float:
        with self._blaming(Batch([], [], {})), self._bound:
            due_us = self._engine.next_due_us
        return IDLE_S if due_us is None else min(IDLE_S, max(0.0, (due_us - self._now_us()) / SECOND_US))

    async def _subscribers(self, phones: list[str]) -> dict[str, Subscriber]:
        if not phones:
            return {}
        known = self._known(phones)
        return await self._lookup(phones) if known is None else known
