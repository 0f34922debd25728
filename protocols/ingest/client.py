"""An asyncio client of the ingest protocol: connects, sends, keeps what is unacknowledged, reconnects, resumes.

Place in the flow: an integrator's side; the demo, the load generator and the tests use it too. Works on asyncio and uvloop,
over TCP and WebSocket, with and without TLS, in both framings.

    async with IngestClient("tcp://127.0.0.1:7111", source="cam-1", token="…") as client:
        await client.push([PlateRead(seq=1, at=now, camera="c7", plate="123ABC02")])
        await client.flush()
"""

from __future__ import annotations

import asyncio
import random
import ssl
from collections import Counter
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Final, Protocol, Self, cast
from urllib.parse import urlsplit

import msgspec
from picows import WSError, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from core.events import AnyEvent
from protocols.ingest.client_session import ClientSession, IngestRefusedError
from protocols.ingest.message import WEBSOCKET_PATH, Ack, EventError, Framing, Goodbye

RETRY_FIRST_S: Final = 0.05
RETRY_LONGEST_S: Final = 5.0
CONNECT_TIMEOUT_S: Final = 10.0
FRAGMENT_BYTES: Final = 128 * 1024
HEARTBEAT_SHARE: Final = 1 / 3
"""A heartbeat goes out after this share of the centre's idle timeout."""


class _Link(Protocol):
    """A connection's sending half."""

    def write(self, data: bytes) -> None: ...

    def abort(self) -> None: ...


class IngestClient:
    """One source. Not thread-safe: it belongs to the loop on which it was started."""

    def __init__(
        self,
        url: str,
        *,
        source: str,
        token: str,
        framing: Framing = Framing.NDJSON,
        version: str = "jedel-client/1",
        next_seq: int | None = None,
        declare_lost: bool = False,
        pending_max: int = 32_768,
        tls: ssl.SSLContext | None = None,
        on_ack: Callable[[int], None] | None = None,
        on_error: Callable[[EventError], None] | None = None,
        rng: random.Random | None = None,
    ) -> None:
        """Makes a client that is not started.

        Args:
            url: `tcp://host:port`, `tls://host:port`, `ws://host:port` or `wss://host:port`.
            source: the source's name.
            token: its token.
            framing: NDJSON or MessagePack.
            version: product and version, for the centre's operators.
            next_seq: number of the next event of a source that counts for itself; None goes on where the centre stands.
            declare_lost: whether events the centre asks for and the source no longer has are declared lost.
            pending_max: unacknowledged events beyond which `push` waits.
            tls: for `tls` and `wss`; None uses the system's certificates.
            on_ack: called with each acknowledged seq.
            on_error: called with each event's error.
            rng: randomness of the reconnection's delay.

        Raises:
            ValueError: the url is none of these.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("tcp", "tls", "ws", "wss") or not parts.hostname or not parts.port:
            raise ValueError(f"{url!r} is not tcp://host:port, tls://host:port, ws://host:port or wss://host:port")
        self._scheme, self._host, self._port = parts.scheme, parts.hostname, parts.port
        self._tls = tls if tls is not None or parts.scheme in ("tcp", "ws") else ssl.create_default_context()
        self._session = ClientSession(
            source, token, version=version, framing=framing, next_seq=next_seq, declare_lost=declare_lost
        )
        self._pending_max = pending_max
        self._on_ack = on_ack
        self._on_error = on_error
        self._rng = rng or random.Random()
        self._link: _Link | None = None
        self._blocked = False
        self._lost: asyncio.Event = asyncio.Event()
        self._waiting: list[asyncio.Future[None]] = []
        self._refused: IngestRefusedError | None = None
        self._task: asyncio.Task[None] | None = None
        self._heartbeat: asyncio.TimerHandle | None = None
        self._heard_s = 0.0
        """When the centre was last heard, by the loop's clock."""
        self._leaving = False
        self.last_failure: Exception | None = None
        """Why the latest connection could not be made or was given up, for whoever looks into it."""
        self.counters: Counter[str] = Counter()
        """`connections`, `errors`, `silences`, `surprises` (failures of a kind not foreseen), and `goodbye_REASON`."""

    @property
    def next_seq(self) -> int | None:
        """Number of the next event; None before the first welcome."""
        return self._session.next_seq

    @property
    def acked_seq(self) -> int:
        """Every event up to this one is committed or was answered with an error."""
        return self._session.acked_seq

    @property
    def unacknowledged(self) -> int:
        """Events offered and not acknowledged."""
        return self._session.unacknowledged

    @property
    def connected(self) -> bool:
        """Whether the present connection has its welcome."""
        return self._session.welcomed

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            await self.close()
        else:
            await self.abort()

    async def start(self) -> None:
        """Connects and waits for the first welcome, however long it takes. Raises `IngestRefusedError`."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())
        await self._until(lambda: self._session.welcomed)

    def offer(self, events: Sequence[AnyEvent]) -> int:
        """Takes events and sends what the connection takes; never waits and so keeps all that is offered.

        Returns the last event's seq. Raises what `ClientSession.offer` raises, and `IngestRefusedError`.
        """
        if self._refused is not None:
            raise self._refused
        last_seq = self._session.offer(events)
        self._pump()
        return last_seq

    async def push(self, events: Sequence[AnyEvent]) -> int:
        """Takes events once fewer than `pending_max` are unacknowledged. Returns and raises as `offer`."""
        if self._session.unacknowledged >= self._pending_max:
            await self._until(lambda: self._session.unacknowledged < self._pending_max)
        return self.offer(events)

    async def flush(self) -> None:
        """Waits until everything offered is acknowledged. Raises `IngestRefusedError`."""
        await self._until(lambda: not self._session.unacknowledged)

    async def close(self) -> None:
        """Waits for the last acknowledgement, says goodbye and disconnects. Raises `IngestRefusedError`."""
        try:
            await self.flush()
            self._leaving = True
            if self._link is not None and self._session.welcomed:
                self._link.write(self._session.goodbye())
                await self._lost.wait()
        finally:
            await self.abort()

    async def abort(self) -> None:
        """Disconnects at once; what is unacknowledged stays so."""
        self._leaving = True
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def cut(self) -> None:
        """Drops the present connection as a broken network would; the client reconnects and resumes."""
        if self._link is not None:
            self._link.abort()

    async def _run(self) -> None:
        failures = 0
        while self._refused is None and not self._leaving:
            self._lost.clear()
            try:
                async with asyncio.timeout(CONNECT_TIMEOUT_S):
                    await self._connect()
                self.counters["connections"] += 1
                await self._lost.wait()
                failures = 0 if self._session.welcomed else failures + 1
            except (OSError, TimeoutError, WSError) as error:
                failures += 1
                self.last_failure = error
            except Exception as error:
                # Whatever else a library raises for a connection that broke: a source that gives up loses its events.
                failures += 1
                self.last_failure = error
                self.counters["surprises"] += 1
            finally:
                self._end_connection()
            if self._refused is None and not self._leaving:
                delay_s = min(RETRY_FIRST_S * 2 ** min(failures, 16), RETRY_LONGEST_S)
                await asyncio.sleep(delay_s * self._rng.uniform(0.5, 1.0))

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        if self._scheme in ("tcp", "tls"):
            await loop.create_connection(lambda: _TcpLink(self), self._host, self._port, ssl=self._tls)
        else:
            url = f"{self._scheme}://{_bracketed(self._host)}:{self._port}{WEBSOCKET_PATH}"
            await ws_connect(lambda: _WsLink(self), url, ssl_context=self._tls)
            if self._link is None:
                # picows calls a handshake complete that was cut off, and reports neither its beginning nor its end.
                raise ConnectionResetError("the connection broke in the WebSocket handshake")

    def _end_connection(self) -> None:
        if self._heartbeat is not None:
            self._heartbeat.cancel()
            self._heartbeat = None
        link, self._link = self._link, None
        self._session.disconnected()
        if link is not None:
            try:
                link.abort()
            except Exception as error:  # the connection is given up either way
                self.last_failure = error
                self.counters["surprises"] += 1

    async def _until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            if self._refused is not None:
                raise self._refused
            future = asyncio.get_running_loop().create_future()
            self._waiting.append(future)
            await future

    def _changed(self) -> None:
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def _pump(self) -> None:
        link = self._link
        while link is not None and not self._blocked:
            data = self._session.data_to_send()
            if not data:
                break
            link.write(data)

    def _beat(self) -> None:
        limits = self._session.limits
        if limits is None or self._link is None:
            return
        if asyncio.get_running_loop().time() - self._heard_s > limits.idle_timeout_s:
            # A live centre would have sent its own heartbeat three times by now.
            self.counters["silences"] += 1
            self._lost.set()
            return
        self._session.heartbeat()
        self._pump()
        self._heartbeat = asyncio.get_running_loop().call_later(limits.idle_timeout_s * HEARTBEAT_SHARE, self._beat)

    # What the links report.

    def link_open(self, link: _Link) -> None:
        """A connection is open."""
        self._link = link
        self._blocked = False
        link.write(self._session.connect())

    def link_received(self, link: _Link, data: bytes, *, ends_message: bool = False) -> None:
        """The centre has sent bytes."""
        if link is not self._link:
            return
        self._heard_s = asyncio.get_running_loop().time()
        try:
            messages = self._session.receive_data(data, ends_message=ends_message)
        except IngestRefusedError as refused:
            self._refused = refused
            self.counters[f"goodbye_{refused.reason}"] += 1
            self._lost.set()
            self._changed()
            return
        except (msgspec.MsgspecError, UnicodeDecodeError):
            self.counters["unreadable"] += 1
            self._lost.set()
            return
        for message in messages:
            if isinstance(message, Ack):
                if self._on_ack is not None:
                    self._on_ack(message.seq)
            elif isinstance(message, EventError):
                self.counters["errors"] += 1
                if self._on_error is not None:
                    self._on_error(message)
            elif isinstance(message, Goodbye):
                self.counters[f"goodbye_{message.reason.value}"] += 1
                self._lost.set()
        if self._heartbeat is None and self._session.welcomed:
            self._beat()
        self._pump()
        self._changed()

    def link_lost(self, link: _Link) -> None:
        """The connection is gone."""
        if link is self._link:
            self._lost.set()

    def link_blocked(self, link: _Link, blocked: bool) -> None:
        """The connection takes no more bytes, or takes them again."""
        if link is self._link:
            self._blocked = blocked
            self._pump()


class _TcpLink(asyncio.Protocol):
    def __init__(self, client: IngestClient) -> None:
        self._client = client
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._client.link_open(self)

    def data_received(self, data: bytes) -> None:
        self._client.link_received(self, data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._client.link_lost(self)

    def pause_writing(self) -> None:
        self._client.link_blocked(self, True)

    def resume_writing(self) -> None:
        self._client.link_blocked(self, False)

    def write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()


class _WsLink(WSListener):
    def __init__(self, client: IngestClient) -> None:
        self._client = client
        self._transport: WSTransport | None = None

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport
        self._client.link_open(self)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type in (WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.CONTINUATION):
            self._client.link_received(self, frame.get_payload_as_bytes(), ends_message=frame.fin)
        elif frame.msg_type == WSMsgType.CLOSE:
            transport.send_close()
            transport.disconnect()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._client.link_lost(self)

    def pause_writing(self) -> None:
        self._client.link_blocked(self, True)

    def resume_writing(self) -> None:
        self._client.link_blocked(self, False)

    def write(self, data: bytes) -> None:
        if self._transport is not None:
            # One WebSocket frame may not be longer than one ingest frame, so a longer message goes in fragments.
            kind, start = WSMsgType.BINARY, 0
            while len(data) - start > FRAGMENT_BYTES:
                self._transport.send(kind, data[start : start + FRAGMENT_BYTES], fin=False)
                kind, start = WSMsgType.CONTINUATION, start + FRAGMENT_BYTES
            self._transport.send(kind, data[start:])

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.disconnect(graceful=False)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
