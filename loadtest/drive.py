"""Drives a script through a running centre over real sockets, and accounts for every event.

Place in the flow: all around it. One ingest connection a source sends what the script says; one dispatch client, the console,
is subscribed to everything: it tells the script's crews of their assignments, closes incidents whose crews are done and those
whose place nobody can find out, and proves that every call was published. Rules: an event's time of sending is the instant at
which the script wanted it sent, so a centre that pushes back shows up in the latencies; nothing is given up before `drain_s`
has passed; runs on asyncio or uvloop.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Final
from uuid import uuid4

import msgspec

from core.commands import Close
from core.events import Alarm, AnyEvent, Call, Position
from loadtest.board import UNPLACED_S, UNREACHED, Board, Cleared, Offered, Turn, Unplaced, Withdrawn
from loadtest.ledger import Ledger, Result
from loadtest.script import Script
from protocols.dispatch.client import DispatchClient, DispatchError, Feed
from protocols.ingest.client import IngestClient
from protocols.ingest.message import EventError, Framing

TICK_S: Final = 0.01
WATCH_S: Final = 0.25
"""How often an observer is called."""
WATCHED: Final = (Call, Alarm)
"""Kinds that always open or join an incident, and so must be seen in one."""

MakeScript = Callable[[int, Mapping[str, int]], Script]
"""Makes the script from its start (microseconds) and each source's next number."""
Observer = Callable[[Ledger, Board, float], None]
"""Told some times a second how things stand, with the seconds since the start."""


class Centre(msgspec.Struct, frozen=True):
    """Where a centre listens and by what right one may speak to it."""

    ingest_url: str
    """`tcp://HOST:PORT` or `ws://HOST:PORT`."""
    dispatch_url: str
    """`ws://HOST:PORT/dispatch/v1`."""
    source_token: str
    """Good for every source of the script."""
    client_token: str
    """Of a client that sees everything; a shift lead also sees notices."""
    framing: Framing = Framing.NDJSON


class Outcome(msgspec.Struct, frozen=True):
    """What a run came to."""

    result: Result
    acked: dict[str, int]
    """Source → events acknowledged."""
    board: Board
    rejected: dict[str, int]
    """Errors by code."""
    positions: dict[str, int]
    """Source → positions sent; a centre keeps those thinned, so they are not all in its tables."""
    answers: dict[str, int]
    """Commands of the console by what became of them: `done` or the reason why not."""
    unseen: tuple[str, ...]
    """Some of the calls that no incident has named, for whoever looks for them."""
    drained_s: float
    """How long it took after the last event until everything was settled."""


async def drive(
    centre: Centre,
    sources: Sequence[str],
    make_script: MakeScript,
    seconds: float,
    *,
    drain_s: float = 20.0,
    observe: Observer | None = None,
) -> Outcome:
    """Plays a script for some seconds, waits until everything is settled, at most `drain_s`, and tells what came of it.

    Args:
        centre: where.
        sources: the sources that the script speaks for; one connection each.
        make_script: called once, when every source knows its next number.
        seconds: how long new events are sent.
        drain_s: how long to wait afterwards for acknowledgements and publications.
        observe: called every `WATCH_S`.

    Raises:
        DispatchError, IngestRefusedError: the centre refuses the console or a source.
    """
    async with AsyncExitStack() as stack:
        console = await stack.enter_async_context(DispatchClient(centre.dispatch_url, centre.client_token, name="jedel-drive"))
        feed = console.subscribe("everything")
        await feed.synced()
        run = _Run(console, feed)
        for source in sources:
            await run.connect(centre, source)
        try:
            return await run.play(make_script, seconds, drain_s, observe)
        finally:
            await run.leave()


class _Run:
    """One run's connections and account."""

    def __init__(self, console: DispatchClient, feed: Feed) -> None:
        self._console = console
        self._feed = feed
        self._clients: dict[str, IngestClient] = {}
        self._queues: dict[str, asyncio.Queue[Sequence[AnyEvent]]] = {}
        self._ledger = Ledger()
        self._board = Board()
        self._answers: Counter[str] = Counter()
        self._positions: Counter[str] = Counter()
        self._closing: set[asyncio.Task[None]] = set()

    async def connect(self, centre: Centre, source: str) -> None:
        def acknowledged(seq: int) -> None:
            self._ledger.acknowledge(source, seq, _now_us())

        def refused(error: EventError) -> None:
            self._ledger.reject(source, error.seq, error.code.value)

        client = IngestClient(
            centre.ingest_url,
            source=source,
            token=centre.source_token,
            framing=centre.framing,
            version="jedel-drive",
            on_ack=acknowledged,
            on_error=refused,
        )
        self._clients[source] = client
        self._queues[source] = asyncio.Queue()
        await client.start()

    async def leave(self) -> None:
        for task in self._closing:
            task.cancel()
        await asyncio.gather(*self._closing, *(client.abort() for client in self._clients.values()), return_exceptions=True)

    async def play(self, make_script: MakeScript, seconds: float, drain_s: float, observe: Observer | None) -> Outcome:
        next_seq = {source: client.next_seq or 1 for source, client in self._clients.items()}
        # The script lives on the wall clock, because events carry its times; it advances with the monotonic one.
        start_us, begun_us = time.time_ns() // 1_000, _now_us()
        script = make_script(start_us, next_seq)

        def script_us() -> int:
            return start_us + _now_us() - begun_us

        tasks = [asyncio.create_task(self._read(script, script_us))]
        tasks += [asyncio.create_task(self._send(source)) for source in self._clients]
        if observe is not None:
            tasks.append(asyncio.create_task(self._watch(observe, begun_us)))
        sending = asyncio.create_task(self._tick(script, script_us, start_us + round(seconds * 1e6)))
        try:
            # A reader or sender ends before the script does only when the centre has refused it.
            await asyncio.wait([sending, *tasks], return_when=asyncio.FIRST_COMPLETED)
            _raise_first([sending, *tasks])
            ended_us = _now_us()
            while not self._settled() and _now_us() - ended_us < drain_s * 1e6:
                await asyncio.sleep(TICK_S)
                _raise_first(tasks)
            drained_s = (_now_us() - ended_us) / 1e6
            if observe is not None:
                observe(self._ledger, self._board, (_now_us() - begun_us) / 1e6)
        finally:
            for task in (sending, *tasks):
                task.cancel()
            await asyncio.gather(sending, *tasks, return_exceptions=True)
        return Outcome(
            result=self._ledger.result(),
            acked={source: self._ledger.acked_of(source) for source in self._clients},
            board=self._board,
            rejected=dict(self._ledger.rejected),
            positions=dict(self._positions),
            answers=dict(self._answers),
            unseen=tuple(self._ledger.unseen()[:20]),
            drained_s=drained_s,
        )

    async def _tick(self, script: Script, script_us: Callable[[], int], end_us: int) -> None:
        while True:
            now_us = min(script_us(), end_us)
            for source, events in script.events_until(now_us).items():
                watched = [event.seq for event in events if isinstance(event, WATCHED)]
                self._ledger.send(source, events[0].seq, events[-1].seq, watched, _now_us())
                self._positions[source] += Counter(map(type, events))[Position]
                self._queues[source].put_nowait(events)
            if now_us == end_us:
                return
            await asyncio.sleep(TICK_S)

    async def _send(self, source: str) -> None:
        queue, client = self._queues[source], self._clients[source]
        while True:
            await client.push(await queue.get())

    async def _read(self, script: Script, script_us: Callable[[], int]) -> None:
        async for update in self._feed:
            now_us = _now_us()
            # After a reset the mirror was filled anew, or more came than it keeps apart: everything is looked at again.
            views = {**self._feed.mirror.incidents, **update.incidents} if update.reset else update.incidents
            for view in views.values():
                incident, turns = self._board.take_incident(view)
                self._ledger.publish(incident.events, now_us)
                for turn in turns:
                    self._obey(turn, script, script_us())
            for view in update.crews.values():
                self._board.take_crew(view)
            self._board.take_notices(update.notices)
        raise DispatchError("closed", "the console's subscription ended")

    def _obey(self, turn: Turn, script: Script, now_us: int) -> None:
        match turn:
            case Offered():
                script.offer(turn, now_us)
            case Withdrawn():
                script.withdraw(turn.crew, turn.incident_id, now_us)
            case Cleared():
                self._begin(self._close(turn.incident_id, "worked"))
            case Unplaced():
                self._begin(self._ask_where(turn.incident_id))

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _ask_where(self, incident: int) -> None:
        await asyncio.sleep(UNPLACED_S)
        view = self._board.open.get(incident)
        if view is not None and view.place is None:
            await self._close(incident, UNREACHED)

    async def _close(self, incident: int, result: str) -> None:
        try:
            answer = await self._console.command(Close(command_id=str(uuid4()), incident=incident, result=result))
            self._answers["done" if answer.done else answer.reason] += 1
        except DispatchError as error:
            self._answers[error.reason] += 1

    async def _watch(self, observe: Observer, begun_us: int) -> None:
        while True:
            await asyncio.sleep(WATCH_S)
            observe(self._ledger, self._board, (_now_us() - begun_us) / 1e6)

    def _settled(self) -> bool:
        for source, client in self._clients.items():
            # After a reconnection the welcome acknowledges, and no acknowledgement follows for what it covered.
            self._ledger.acknowledge(source, client.acked_seq, _now_us())
        return self._ledger.settled


def _now_us() -> int:
    return time.monotonic_ns() // 1_000


def _raise_first(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        if task.done() and (error := task.exception()) is not None:
            raise error
