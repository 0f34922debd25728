"""What happened before each incident, found out in the background and kept for whoever asks (CITY-10, CITY-11).

Place in the flow: beside it, after publish. `committed` notes what has changed and returns; everything else happens on one
connection of its own, one statement after the other, in the pauses of the rest. Rules:

- No call waits for it: nothing here is awaited by the centre, and whatever fails here is tried again later and stays here.
- Who asks goes first. What is done beforehand takes at most a quarter of the time (`_REST_SHARE`).
- Everything that waits or is kept has a bound. More changes than can wait are read back from the log; of more incidents than
  can be looked at beforehand the newest are, and the others' contexts are computed when somebody asks.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from itertools import islice
from typing import Final

import asyncpg
import structlog

from core import limits
from core.context import Context, Outcome, Past, Scope, context_of
from core.decisions import Decisions
from core.facts import (
    TAGS,
    Acknowledged,
    ArrivalSeen,
    AssignmentEnded,
    AssignmentHeld,
    AssignmentMoved,
    CrewAssigned,
    NeedsRaised,
    Noted,
    OwnerSet,
    PersonTold,
    PrioritySet,
    Queued,
    TermFired,
    TermsCarried,
)
from core.instant import SECOND_US, Micros
from protocols.dispatch.contexts import Answer
from protocols.dispatch.message import ContextReason
from protocols.dispatch.subscription import within
from storage import past
from storage.context import read_past, read_subject
from storage.errors import DRIVER_ERRORS, StorageError
from storage.past import Addresses
from storage.session import connect, cut

STATEMENT_TIMEOUT_S: Final = 2.0
"""A context takes milliseconds; a database that takes so much longer has better things to do."""
RETRY_S: Final = 2.0
"""Pause after a failure."""
FRESH_US: Final = 30 * SECOND_US
"""How long a context counts as new: an earlier incident may have been closed since."""
PROGRESS_US: Final = 1 * SECOND_US
"""How often it is written down how far the past is whole; after a crash so much is read again."""
_REST_SHARE: Final = 3.0
_REST_MAX_S: Final = 1.0
_SILENT: Final = frozenset(
    TAGS[fact]
    for fact in (
        NeedsRaised,
        PrioritySet,
        Queued,
        CrewAssigned,
        ArrivalSeen,
        AssignmentHeld,
        AssignmentMoved,
        AssignmentEnded,
        TermFired,
        TermsCarried,
        Acknowledged,
        PersonTold,
        OwnerSet,
        Noted,
    )
)
"""Facts that change nothing by which an incident is found again; any other may."""

_Asked = tuple[int, str]
"""An incident, and the territory of those who ask for it."""

_log = structlog.get_logger("contexts")


class Contexts:
    """The contexts of one life of the active centre.

    Args:
        dsn: the centre's database.
        addresses: reads an incident's address.
        scope: how far a context looks.
        now_us: the centre's clock.
    """

    def __init__(
        self,
        dsn: str,
        addresses: Addresses,
        scope: Scope,
        now_us: Callable[[], Micros],
        *,
        changes_max: int = limits.PAST_WAITING,
        waiting_max: int = limits.CONTEXTS_WAITING,
        kept_max: int = limits.CONTEXTS_KEPT,
        rows_max: int = limits.CONTEXT_ROWS_KEPT,
        asked_max: int = limits.CONTEXTS_ASKED,
        retry_s: float = RETRY_S,
    ) -> None:
        self.dropped = 0
        """Incidents whose context was not computed beforehand, because newer ones came."""
        self.overflows = 0
        """How often more changes came than could wait."""
        self.failures = 0
        self.computed = 0
        self._dsn = dsn
        self._addresses = addresses
        self._scope = scope
        self._now_us = now_us
        self._changes_max = changes_max
        self._waiting_max = waiting_max
        self._kept_max = kept_max
        self._rows_max = rows_max
        self._asked_max = asked_max
        self._retry_s = retry_s
        self._connection: asyncpg.Connection | None = None
        self._bell = asyncio.Event()
        """Rung when there is something to do."""
        self._behind = True
        """Whether changes have been forgotten that the log must be read for; so at the beginning of a life."""
        self._busy = False
        """Whether a step is under way."""
        self._reading_to_us: Micros | None = None
        """Up to where the log is being read, None while it is not."""
        self._changed: dict[int, int] = {}
        """Incidents that have changed → when they were opened."""
        self._waiting: dict[int, None] = {}
        """Incidents whose context is computed beforehand, the newest last."""
        self._kept: OrderedDict[int, Past] = OrderedDict()
        """What was found of all territories, computed last standing last."""
        self._kept_rows = 0
        self._asked: dict[_Asked, list[Answer]] = {}
        self._asked_count = 0
        self._newest_us = Micros(0)
        """Time of the last committed batch."""
        self._through_us = Micros(0)
        """How far the past is whole."""
        self._noted_us = 0
        """The same as the database has it."""

    @property
    def idle(self) -> bool:
        """Whether there is nothing to do until something is committed or asked."""
        return not (self._is_behind or self._changed or self._waiting or self._asked or self._busy)

    @property
    def _is_behind(self) -> bool:
        """Whether changes are, or are to be, read from the log."""
        return self._behind or self._reading_to_us is not None

    @property
    def held(self) -> tuple[int, int, int, int]:
        """How many changes, incidents, contexts with their rows, and questions are held."""
        return len(self._changed), len(self._waiting), len(self._kept) + self._kept_rows, self._asked_count

    def committed(self, decisions: Decisions) -> None:
        """Notes what a committed batch has changed. O(facts), and nothing else happens before it returns."""
        self._newest_us = decisions.now_us
        if self._behind:
            return  # the log will tell
        told = {entry.incident_id for entry in decisions.log if entry.fact not in _SILENT}
        for change in decisions.incidents:
            if change.incident_id in told:
                self._changed[change.incident_id] = change.opened_us
        if len(self._changed) > self._changes_max:
            self.overflows += 1
            self._fall_behind()
        if told:
            self._bell.set()

    def ask(self, incident: int, territory: str, answer: Answer) -> None:
        """Finds out an incident's context (`protocols.dispatch.contexts.Contexts`)."""
        kept = self._kept.get(incident)
        if (
            kept is not None
            and incident not in self._changed
            and self._now_us() - kept.computed_us < FRESH_US
            and (not territory or not kept.reached)
        ):
            answer(self._context(kept, territory))
        elif self._asked_count >= self._asked_max:
            answer(ContextReason.TOO_MANY)
        else:
            self._asked.setdefault((incident, territory), []).append(answer)
            self._asked_count += 1
            self._bell.set()

    async def run(self) -> None:
        """Works until cancelled."""
        try:
            while True:
                try:
                    await self._work()
                except (StorageError, *DRIVER_ERRORS) as error:
                    self._fail(type(error).__name__)
                except Exception:
                    # A fault of ours must not end the life of a centre that decides and commits without it.
                    _log.exception("contexts have failed")
                    self._fail("fault")
                await asyncio.sleep(self._retry_s)
        finally:
            self._drop()

    def _fail(self, reason: str) -> None:
        self.failures += 1
        _log.warning("the past was not looked into", reason=reason, failures=self.failures)
        self._drop()
        self._busy = False
        # What was being put into the past may not be there.
        self._fall_behind()
        for question in list(self._asked):
            self._answer(question, ContextReason.UNAVAILABLE)

    def _fall_behind(self) -> None:
        self._behind = True
        self._changed.clear()
        self._bell.set()

    def _drop(self) -> None:
        self._reading_to_us = None
        connection, self._connection = self._connection, None
        if connection is not None:
            cut(connection)

    async def _work(self) -> None:
        connection = self._connection = await connect(self._dsn, "contexts", STATEMENT_TIMEOUT_S)
        # What the server loses of the past in a crash is made again: no disk is waited for, and none is taken from the calls.
        await connection.execute("SET synchronous_commit = off")
        self._through_us = await past.through(connection)
        loop = asyncio.get_running_loop()
        while True:
            self._bell.clear()
            self._busy = True
            if self._asked:
                await self._serve(connection, next(iter(self._asked)))
                continue
            began_s = loop.time()
            worked = await self._step(connection)
            self._busy = False
            if worked:
                await self._rest(min(_REST_MAX_S, _REST_SHARE * (loop.time() - began_s)))
            else:
                await self._bell.wait()

    async def _rest(self, pause_s: float) -> None:
        """Leaves the processor and the database to the calls; until somebody asks."""
        try:
            async with asyncio.timeout(pause_s):
                while not self._asked:
                    self._bell.clear()
                    await self._bell.wait()
        except TimeoutError:
            return

    async def _step(self, connection: asyncpg.Connection) -> bool:
        """Does one small piece of what is done beforehand. Returns False where there is none."""
        if self._reading_to_us is not None:
            opened = await past.more_changes(connection)
            if opened:
                await self._fill(connection, opened)
            else:
                self._advance(self._reading_to_us)
                self._reading_to_us = None
                await self._note_progress(connection)
        elif self._behind:
            # From here on changes are noted again: what the log has now and what comes after it overlap rather than gape.
            self._behind = False
            self._reading_to_us = await past.begin_changes(connection)
        elif self._changed:
            await self._fill_changed(connection)
        elif self._waiting:
            incident, _ = self._waiting.popitem()
            await self._find(connection, incident, "")
        else:
            return False
        return True

    async def _fill_changed(self, connection: asyncpg.Connection) -> None:
        """Puts the changes that have waited longest into the past."""
        newest_us = self._newest_us
        chunk = dict(islice(self._changed.items(), limits.PAST_CHUNK))
        is_all = len(chunk) == len(self._changed)
        await self._fill(connection, chunk)
        if is_all and not self._is_behind:
            self._advance(newest_us)
            await self._note_progress(connection)

    async def _fill(self, connection: asyncpg.Connection, opened: dict[int, int] | dict[int, Micros]) -> None:
        for incident in opened:
            self._changed.pop(incident, None)
        filled = await past.fill(connection, opened, self._addresses)
        for one in filled.put:
            self._forget(one.incident_id)
        if self._reading_to_us is not None:
            return  # nobody looks at all of those that the log tells of
        live = {one.incident_id for one in filled.put if one.outcome is Outcome.OPEN}
        for incident in filled.moved:
            if incident in live:
                self._waiting.pop(incident, None)
                self._waiting[incident] = None
        while len(self._waiting) > self._waiting_max:
            del self._waiting[next(iter(self._waiting))]
            self.dropped += 1

    def _advance(self, to_us: Micros) -> None:
        self._through_us = max(self._through_us, to_us)

    async def _note_progress(self, connection: asyncpg.Connection) -> None:
        if self._through_us - self._noted_us >= PROGRESS_US:
            self._noted_us = self._through_us
            await past.set_through(connection, self._through_us)

    async def _serve(self, connection: asyncpg.Connection, question: _Asked) -> None:
        incident, territory = question
        if 0 < len(self._changed) <= limits.PAST_CHUNK:
            await self._fill_changed(connection)
        elif incident in self._changed:
            await self._fill(connection, {incident: self._changed[incident]})
        found = await self._find(connection, incident, territory)
        if found is None:
            opened = await past.opened_at(connection, [incident])
            await self._fill(connection, opened)
            found = await self._find(connection, incident, territory)
        self._answer(question, ContextReason.UNKNOWN_INCIDENT if found is None else self._context(found, territory))

    async def _find(self, connection: asyncpg.Connection, incident: int, territory: str) -> Past | None:
        """Looks for what was before an incident, and keeps it if it is of all territories."""
        subject = await read_subject(connection, incident)
        if subject is None:
            return None
        was_behind = self._is_behind
        through_us = self._through_us if was_behind or self._changed else max(self._through_us, self._newest_us)
        found = await read_past(connection, subject, self._scope, territory, now_us=self._now_us(), through_us=through_us)
        self.computed += 1
        if not territory and not was_behind:
            self._waiting.pop(incident, None)
            self._keep(found)
        return found

    def _context(self, found: Past, territory: str) -> Context:
        return context_of(found, self._scope, [one for one in found.found if within(one.territory, territory)])

    def _keep(self, found: Past) -> None:
        self._forget(found.subject.incident_id)
        self._kept[found.subject.incident_id] = found
        self._kept_rows += len(found.found)
        while len(self._kept) > self._kept_max or self._kept_rows > self._rows_max:
            self._forget(next(iter(self._kept)))

    def _forget(self, incident: int) -> None:
        kept = self._kept.pop(incident, None)
        if kept is not None:
            self._kept_rows -= len(kept.found)

    def _answer(self, question: _Asked, found: Context | ContextReason) -> None:
        answers = self._asked.pop(question, [])
        self._asked_count -= len(answers)
        for answer in answers:
            answer(found)
