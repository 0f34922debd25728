"""All ingest connections of a centre: the listeners, who may come in, one live session a source, the way back after a commit.

Place in the flow: **bytes → frame → message → event** into the inlet; after the commit, **acknowledge**. Lives on the asyncio
loop's thread, as does the inlet; nothing here waits but `start_tcp`, `start_ws` and `drain`.

Rules:
- A source's acknowledgement goes to its present connection, whichever connection brought the events (invariant 1).
- A full inlet is not read into, except from sources whose last read held something urgent (invariant 9), and not even from
  these once its reserve is used up; each commit lets them go on, the urgent ones first.
- A newer hello of a source supersedes its older connection, which most often is dead without the centre having heard of it.
  What older connections have brought is kept in the inlet up to one window, so a source holds two at most.
Requirements: CITY-1, CITY-2; invariants 1, 8, 9.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from collections.abc import Callable
from itertools import islice

from core import limits
from core.decisions import Decisions, Taken
from core.events import Chunk, Rejected
from core.inlet import Inlet
from core.instant import Micros
from core.tally import DURATIONS_S, Buckets
from protocols.ingest.connection import Connection, Wire
from protocols.ingest.listener_tcp import serve_tcp
from protocols.ingest.listener_ws import serve_ws
from protocols.ingest.message import GoodbyeReason, Hello
from protocols.ingest.state import Hold, SessionLimits

TICK_S = 1.0


def _nothing(_: Chunk) -> None:
    return


class IngestHub:
    """The registry of ingest connections."""

    def __init__(
        self,
        inlet: Inlet,
        authenticate: Callable[[str, str], bool],
        high_water: dict[str, int],
        now_us: Callable[[], Micros],
        wake: Callable[[], None],
        *,
        foresee: Callable[[Chunk], None] = _nothing,
        session_limits: SessionLimits | None = None,
        connections_max: int = limits.CONNECTIONS_MAX,
        half_open_max: int = limits.HALF_OPEN_MAX,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Makes a hub without listeners.

        Args:
            inlet: where chunks go.
            authenticate: whether a token (first) is one of a source's (second).
            high_water: source → last committed seq, as recovered; copied.
            now_us: reads the centre's clock.
            wake: tells the centre that the inlet is not empty.
            foresee: is shown every urgent chunk as it comes in, before its batch is taken.
            session_limits: bounds of each session.
            connections_max: connections held at once.
            half_open_max: of these, before their hello.
            tls: certificate for both listeners, None for plain TCP.
        """
        self._inlet = inlet
        self._authenticate = authenticate
        self._high_water = dict(high_water)
        self._now_us = now_us
        self._wake = wake
        self._foresee = foresee
        self._session_limits = session_limits or SessionLimits()
        self._connections_max = connections_max
        self._half_open_max = half_open_max
        self._tls = tls
        self._servers: list[asyncio.Server] = []
        self._connections: dict[Connection, None] = {}
        """Every connection whose wire lives, oldest first."""
        self._half_open: dict[Connection, None] = {}
        """Those before their hello, oldest first."""
        self._sources: dict[str, Connection] = {}
        """Source → its present connection."""
        self._held_by_inlet: dict[Connection, bool] = {}
        """Connections that wait for the inlet → whether their last read held something urgent."""
        self._timer: asyncio.TimerHandle | None = None
        self._rate_timers: dict[Connection, asyncio.TimerHandle] = {}
        self._session_no = 0
        self._empty: asyncio.Event | None = None
        self.counters: Counter[str] = Counter()
        """What happened, by name: `connections`, `sessions`, `chunks`, `events`, `rejected`, `acks`, `goodbye_REASON`, …"""
        self.kinds: Counter[type] = Counter()
        """Items committed, by type; `Rejected` are those that their codec refused."""
        self.decoding = Buckets(DURATIONS_S)
        """Seconds it took to make messages of each read."""

    @property
    def connections(self) -> int:
        """Connections whose wire lives."""
        return len(self._connections)

    @property
    def half_open(self) -> int:
        """Connections before their hello."""
        return len(self._half_open)

    @property
    def held_by_inlet(self) -> int:
        """Connections that are not read because the inlet is full."""
        return len(self._held_by_inlet)

    @property
    def sources(self) -> list[str]:
        """Sources that have a live session."""
        return list(self._sources)

    async def start_tcp(self, host: str, port: int) -> tuple[str, int]:
        """Listens on TCP; returns the bound address. Raises `OSError` where it cannot be bound."""
        return self._started(await serve_tcp(self.open, host, port, self._tls))

    async def start_ws(self, host: str, port: int) -> tuple[str, int]:
        """Listens for WebSocket; returns the bound address. Raises `OSError` where it cannot be bound."""
        server = await serve_ws(
            self.open,
            host,
            port,
            self._tls,
            frame_max_bytes=self._session_limits.frame_max_bytes,
            hello_timeout_s=self._session_limits.hello_timeout_s,
        )
        return self._started(server)

    def committed(self, decisions: Decisions) -> dict[str, list[Rejected]]:
        """A batch is committed: sends errors and acknowledgements, and lets go on who waited for room.

        Returns:
            What of the batch was refused, by source.
        """
        rejected: dict[str, list[Rejected]] = {}
        for taken in decisions.taken:
            items = taken.chunk.items
            refused = taken.rejected
            if self._count(taken) or refused:
                found = rejected.setdefault(taken.chunk.source, [])
                for index in range(taken.skip, len(items)):
                    item = items[index]
                    if isinstance(item, Rejected):
                        found.append(item)
                    elif index in refused:
                        found.append(refused[index])
        for source, seq in decisions.high_water.items():
            self._high_water[source] = seq
            connection = self._sources.get(source)
            if connection is not None:
                self.counters["acks"] += 1
                connection.committed(seq, rejected.get(source, []))
        for found in rejected.values():
            self.counters["rejected"] += len(found)
        self.make_room()
        return rejected

    def _count(self, taken: Taken) -> bool:
        """Counts a chunk's new items by type; returns whether its codec refused any. Nearly always they are of one type."""
        types = list(map(type, islice(taken.chunk.items, taken.skip, None)))
        if not types:
            return False
        alike = types.count(types[0])
        if alike == len(types):
            self.kinds[types[0]] += alike
            return types[0] is Rejected
        self.kinds.update(types)
        return Rejected in types

    def make_room(self) -> None:
        """Lets connections go on that waited for the inlet, if it has room again."""
        if self._held_by_inlet and self._inlet.has_room_for_urgent:
            all_go = self._inlet.has_room
            going = [connection for connection, urgent in self._held_by_inlet.items() if all_go or urgent]
            for connection in going:
                del self._held_by_inlet[connection]
            for connection in going:
                connection.release(Hold.INLET)

    def tick(self) -> None:
        """Looks at every connection's clocks; the hub itself does so every second once it listens."""
        now_us = self._now_us()
        for connection in list(self._connections):
            connection.tick(now_us)

    async def drain(self, reason: GoodbyeReason = GoodbyeReason.DRAINING, timeout_s: float = 10.0) -> bool:
        """Stops accepting and taking; closes each connection once what it brought is committed.

        `committed` must go on being called meanwhile. When the time is over the rest is cut; nothing is lost by it, because
        their sources have no acknowledgement and will send again.

        Returns:
            Whether every connection was closed in order.
        """
        self._stop_listening()
        self._empty = asyncio.Event()
        for connection in list(self._connections):
            connection.drain(reason)
        if self._connections:
            try:
                await asyncio.wait_for(self._empty.wait(), timeout_s)
            except TimeoutError:
                self.close()
                return False
        self.close()
        return True

    def close(self) -> None:
        """Stops listening and cuts every connection."""
        self._stop_listening()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for timer in self._rate_timers.values():
            timer.cancel()
        self._rate_timers.clear()
        for connection in list(self._connections):
            connection.abort()

    # What connections ask (`protocols.ingest.connection.Registry`).

    def now_us(self) -> Micros:
        """The centre's time."""
        return self._now_us()

    def greet(self, connection: Connection, hello: Hello) -> None:
        """Lets a source in, or not; its older connection goes."""
        if not self._authenticate(hello.token, hello.source):
            connection.refuse(GoodbyeReason.UNAUTHORIZED, "the token is not one of this source's")
            return
        older = self._sources.get(hello.source)
        if older is not None:
            older.refuse(GoodbyeReason.SUPERSEDED, "the source has opened a newer connection")
        self._half_open.pop(connection, None)
        self._sources[hello.source] = connection
        if self._inlet.held_of(hello.source) > self._session_limits.window_bytes:
            # It sends all of this again; kept, every connection of a source that comes and goes would add a window.
            self._inlet.forget(hello.source)
        self._session_no += 1
        self.counters["sessions"] += 1
        connection.welcome(f"{hello.source}/{self._session_no}", self._high_water.get(hello.source, 0))

    def offer(self, connection: Connection, chunk: Chunk) -> None:
        """Takes a chunk into the inlet."""
        counters = self.counters
        counters["chunks"] += 1
        counters["events"] += len(chunk.items)
        self._inlet.offer(chunk)
        if chunk.urgent:
            self._foresee(chunk)
        self._wake()
        if not (self._inlet.has_room_for_urgent if chunk.urgent else self._inlet.has_room):
            self._held_by_inlet[connection] = chunk.urgent
            connection.hold(Hold.INLET)

    def decoded(self, took_s: float) -> None:
        """A read has been made into messages."""
        self.decoding.observe(took_s)

    def ahead(self, connection: Connection, wake_us: Micros) -> None:
        """The connection is ahead of its rate until `wake_us`."""
        if connection not in self._rate_timers:
            delay_s = max(0, wake_us - self._now_us()) / 1_000_000
            self._rate_timers[connection] = asyncio.get_running_loop().call_later(delay_s, self._rate_over, connection)

    def closing(self, connection: Connection, reason: GoodbyeReason) -> None:
        """The connection's session is over."""
        self.counters[f"goodbye_{reason.value}"] += 1
        self._forget(connection)

    def lost(self, connection: Connection) -> None:
        """The connection's wire is gone."""
        self._forget(connection)
        self._connections.pop(connection, None)
        if self._empty is not None and not self._connections:
            self._empty.set()

    def _forget(self, connection: Connection) -> None:
        self._half_open.pop(connection, None)
        self._held_by_inlet.pop(connection, None)
        timer = self._rate_timers.pop(connection, None)
        if timer is not None:
            timer.cancel()
        source = connection.session.source
        if self._sources.get(source) is connection:
            del self._sources[source]

    def open(self, wire: Wire) -> Connection:
        """A wire has opened: makes its connection, or turns it away."""
        self.counters["connections"] += 1
        connection = Connection(self, wire, self._session_limits)
        held = len(self._connections)
        self._connections[connection] = None
        if held >= self._connections_max + self._half_open_max:
            # So many are being told already that there is no room for more; they are not even answered.
            self.counters["cut_unanswered"] += 1
            connection.abort()
            return connection
        if held >= self._connections_max:
            connection.refuse(GoodbyeReason.TOO_MANY_CONNECTIONS, f"the centre holds {self._connections_max} connections")
            return connection
        if len(self._half_open) >= self._half_open_max:
            oldest = next(iter(self._half_open))
            oldest.refuse(GoodbyeReason.HALF_OPEN_LIMIT, "too many connections are waiting for their hello")
        self._half_open[connection] = None
        return connection

    def _started(self, server: asyncio.Server) -> tuple[str, int]:
        self._servers.append(server)
        if self._timer is None:
            self._keep_ticking()
        host, port = server.sockets[0].getsockname()[:2]
        return str(host), int(port)

    def _stop_listening(self) -> None:
        for server in self._servers:
            server.close()
        self._servers.clear()

    def _keep_ticking(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(TICK_S, self._keep_ticking)
        self.tick()

    def _rate_over(self, connection: Connection) -> None:
        self._rate_timers.pop(connection, None)
        connection.tick(self._now_us())
