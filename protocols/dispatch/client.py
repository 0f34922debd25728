"""A dispatch client on asyncio: for the demo, the tests, and authors who want to see one.

It keeps one connection, comes back when it breaks, resumes every subscription from its cursor and sends again each command that
has no answer yet (its `command_id` makes that safe). Reading is `async for update in feed`: what changed since the last look,
newest state only, so a slow reader holds up nobody and misses no final state.
"""

from __future__ import annotations

import asyncio
import ssl as tls
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Final
from urllib.parse import urlsplit

import msgspec
from picows import WSFrame, WSHandshakeError, WSListener, WSMsgType, WSProtocolError, WSTransport, ws_connect

from core.commands import AnyCommand
from core.context import Context
from protocols.dispatch import message as m
from protocols.dispatch.codec import decode_centre, encode, text_of
from protocols.dispatch.mirror import Mirror, Update

_ID_MAX: Final = 64
"""Characters of a command's id, as `core.events.Key` has it."""
_MESSAGE_MAX_BYTES: Final = 64 * 1024 * 1024
"""Longest message taken from the centre, which keeps its own to about a megabyte and one view."""


class DispatchError(Exception):
    """The centre refused the client or a message of it. `reason` is an error's code or a goodbye's reason."""

    def __init__(self, reason: str, text: str = "", field: str = "") -> None:
        super().__init__(" ".join(filter(None, (reason, field, text))))
        self.reason = reason
        self.text = text
        self.field = field


def is_url(url: str) -> bool:
    """Whether a dispatch client can connect to it: `ws://HOST:PORT/dispatch/v1` or `wss://…`; a proxy may add to the path."""
    parts = urlsplit(url)
    try:
        has_port = parts.port is None or parts.port > 0
    except ValueError:
        return False
    return parts.scheme in ("ws", "wss") and bool(parts.hostname) and has_port and parts.path.endswith(m.PATH)


class Feed:
    """One subscription: its mirror, and an asynchronous iterator over what changes in it.

    Raises `DispatchError` from the iterator when the centre refuses the subscription or the client for good.
    """

    def __init__(self, request: m.Subscribe) -> None:
        self.request = request
        self.mirror = Mirror()
        self.messages = 0
        """Messages of this subscription that have come."""
        self.views = 0
        """Incidents' views in them."""
        self._news = asyncio.Event()
        self._error: DispatchError | None = None
        self._closed = False

    async def synced(self) -> None:
        """Waits until a whole snapshot has come."""
        while not self.mirror.complete:
            await self._wait()

    async def __aiter__(self) -> AsyncIterator[Update]:
        while True:
            update = self.mirror.take()
            if update:
                yield update
                continue
            if self._closed:
                return
            await self._wait()

    def apply(self, message: m.Snapshot | m.Changes) -> None:
        """Takes one message of the centre."""
        self.mirror.apply(message)
        self.messages += 1
        self.views += len(message.incidents)
        self._news.set()

    def end(self, error: DispatchError | None) -> None:
        """No more will come, because of an error or because the client closes."""
        self._error = error
        self._closed = True
        self._news.set()

    async def _wait(self) -> None:
        if self._error is not None:
            raise self._error
        if self._closed:
            raise DispatchError("closed", "the client was closed")
        self._news.clear()
        await self._news.wait()
        if self._error is not None:
            raise self._error


class _Wire(WSListener):
    """One connection's callbacks."""

    def __init__(self, client: DispatchClient) -> None:
        self._client = client

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._client.connected(transport)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.TEXT:
            self._client.received(frame.get_payload_as_bytes())
        elif frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()


class DispatchClient:
    """A client of one centre. Use it as `async with DispatchClient(url, token) as client`.

    Args:
        url: `ws://HOST:PORT/dispatch/v1` or `wss://…`.
        token: the token that the centre knows the client by.
        name: name of the program, for the centre's log.
        version: its version.
        ssl: for `wss`.
        retry_s: pause before coming back; doubled at each failure up to `retry_max_s`.
        on_connection: told True at each welcome, and False where a connection is gone or does not come about, with why not.

    Raises:
        ValueError: the url is none of these.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        name: str = "jedel-client",
        version: str = "",
        ssl: tls.SSLContext | None = None,
        retry_s: float = 0.2,
        retry_max_s: float = 10.0,
        on_connection: Callable[[bool, str], None] | None = None,
    ) -> None:
        if not is_url(url):
            raise ValueError(f"{url!r} is not ws://HOST:PORT{m.PATH} or wss://HOST:PORT{m.PATH}")
        self.welcome: m.Welcome | None = None
        self.errors: list[m.Error] = []
        """Errors about neither a subscription nor a command of this client, the last hundred."""
        self.connections = 0
        self._url = url
        self._hello = m.Hello(protocol=m.PROTOCOL, token=token, client=name, version=version)
        self._ssl = ssl
        self._retry_s = retry_s
        self._retry_max_s = retry_max_s
        self._on_connection = on_connection
        self._is_up: bool | None = None
        """What `on_connection` was told last."""
        self._transport: WSTransport | None = None
        self._feeds: dict[str, Feed] = {}
        self._asked: dict[str, tuple[AnyCommand, asyncio.Future[m.Answer]]] = {}
        self._unsent: dict[str, None] = {}
        """Commands among them that wait until the centre holds fewer of this client, in order."""
        self._under_way: set[str] = set()
        """Commands that this connection has carried and the centre not answered, also of who no longer waits for the answer."""
        self._looked: dict[int, asyncio.Future[Context]] = {}
        self._welcomed = asyncio.Event()
        self._fatal: DispatchError | None = None
        self._task: asyncio.Task[None] | None = None
        self._beating: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> DispatchClient:
        self._task = asyncio.create_task(self._run())
        await self._welcomed.wait()
        if self._fatal is not None:
            await self._task
            raise self._fatal
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def subscribe(
        self,
        subscription: str,
        selection: m.Filter | None = None,
        *,
        positions: bool = False,
        max_per_s: float | None = None,
        cursor: int | None = None,
    ) -> Feed:
        """Opens a subscription. Its errors come out of the feed."""
        request = m.Subscribe(
            id=subscription, filter=selection or m.Filter(), positions=positions, max_per_s=max_per_s, cursor=cursor
        )
        feed = self._feeds[subscription] = Feed(request)
        if self.welcome is not None:
            self._send(request)
        return feed

    def unsubscribe(self, feed: Feed) -> None:
        """Ends a subscription."""
        if self._feeds.pop(feed.request.id, None) is feed:
            feed.end(None)
            if self.welcome is not None:
                self._send(m.Unsubscribe(id=feed.request.id))

    async def command(self, command: AnyCommand) -> m.Answer:
        """Gives a command and waits for its answer, over breaks of the connection too.

        No more commands are under way than the centre holds of one client (`Limits.commands`); others wait here for their turn.

        Raises:
            DispatchError: the centre refuses the command before deciding it, or the client for good.
            ValueError: the command's id is empty or longer than the centre takes, so that no answer could name it.
        """
        if not 1 <= len(command.command_id) <= _ID_MAX:
            raise ValueError(f"command_id has {len(command.command_id)} characters, 1 to {_ID_MAX} are allowed")
        if self._fatal is not None:
            raise self._fatal
        answer: asyncio.Future[m.Answer] = asyncio.get_running_loop().create_future()
        self._asked[command.command_id] = (command, answer)
        self._unsent[command.command_id] = None
        self._send_commands()
        try:
            return await answer
        finally:
            self._asked.pop(command.command_id, None)
            self._unsent.pop(command.command_id, None)

    async def context(self, incident: int) -> Context:
        """What happened before an incident, as far as this client may see it; over breaks of the connection too.

        Raises:
            DispatchError: the centre does not tell it (`ContextReason`), or refuses the client for good.
        """
        if self._fatal is not None:
            raise self._fatal
        waiting = self._looked.get(incident)
        if waiting is None:
            waiting = self._looked[incident] = asyncio.get_running_loop().create_future()
            waiting.add_done_callback(lambda _: self._looked.pop(incident, None))
            if self.welcome is not None:
                self._send(m.AskContext(incident=incident))
        # Several may wait for one answer: who stops waiting must not take it from the others.
        return await asyncio.shield(waiting)

    def cut(self) -> None:
        """Breaks the connection without a word, as a network would; the client then comes back by itself."""
        if self._transport is not None:
            self._transport.disconnect(graceful=False)

    async def close(self) -> None:
        """Says goodbye and ends everything."""
        if self.welcome is not None:
            self._send(m.Goodbye(reason="bye"))
        if self._transport is not None:
            self._transport.disconnect()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._beating is not None:
            self._beating.cancel()
        self._end(None)

    # What a connection tells.

    def connected(self, transport: WSTransport) -> None:
        """A connection is open: say hello."""
        self._transport = transport
        self.connections += 1
        self._send(self._hello)

    def received(self, payload: bytes) -> None:
        """Takes one message of the centre."""
        message = decode_centre(payload)
        match message:
            case m.Snapshot() | m.Changes():
                feed = self._feeds.get(message.subscription)
                if feed is not None:
                    feed.apply(message)
            case m.Answer():
                asked = self._asked.get(message.command_id)
                if asked is not None and not asked[1].done():
                    asked[1].set_result(message)
                self._came_back(message.command_id)
            case m.ContextAnswer():
                self._found(message)
            case m.Welcome():
                self._greeted(message)
            case m.Error():
                self._refused(message)
            case m.Goodbye():
                if message.reason in {reason.value for reason in m.FATAL}:
                    self._fatal = DispatchError(message.reason, message.text)
            case m.Heartbeat():
                pass

    def _greeted(self, welcome: m.Welcome) -> None:
        self.welcome = welcome
        for feed in self._feeds.values():
            cursor = feed.mirror.cursor if feed.mirror.complete else feed.request.cursor
            self._send(msgspec.structs.replace(feed.request, cursor=cursor))
        self._under_way.clear()
        self._unsent = dict.fromkeys(self._asked)
        self._send_commands()
        for incident in self._looked:
            self._send(m.AskContext(incident=incident))
        self._beat(welcome.limits.idle_timeout_s / 3.0)
        self._welcomed.set()
        self._tell(is_up=True)

    def _found(self, answer: m.ContextAnswer) -> None:
        waiting = self._looked.get(answer.incident)
        if waiting is None or waiting.done():
            return
        if answer.context is not None:
            waiting.set_result(answer.context)
        else:
            waiting.set_exception(DispatchError(answer.reason, f"incident {answer.incident}"))

    def _send_commands(self) -> None:
        """Sends what waits, as far as the centre has room for it."""
        while self.welcome is not None and self._unsent and len(self._under_way) < self.welcome.limits.commands:
            command_id = next(iter(self._unsent))
            del self._unsent[command_id]
            self._under_way.add(command_id)
            self._send(m.CommandMessage(body=self._asked[command_id][0]))

    def _came_back(self, command_id: str) -> None:
        """A command has been answered or refused: there is room for another."""
        self._under_way.discard(command_id)
        self._send_commands()

    def _refused(self, error: m.Error) -> None:
        refused = DispatchError(error.code.value, error.text, error.field)
        asked = self._asked.get(error.ref)
        feed = self._feeds.get(error.ref)
        if error.ref in self._under_way:
            self._came_back(error.ref)
        if asked is not None and not asked[1].done():
            asked[1].set_exception(refused)
        elif feed is not None:
            del self._feeds[error.ref]
            feed.end(refused)
        else:
            self.errors = [*self.errors[-99:], error]

    async def _run(self) -> None:
        pause_s = self._retry_s
        while True:
            greeted = await self._connect()
            if self._fatal is not None:
                break
            pause_s = self._retry_s if greeted else min(2.0 * pause_s, self._retry_max_s)
            await asyncio.sleep(pause_s)
        self._end(self._fatal)
        self._welcomed.set()

    async def _connect(self) -> bool:
        """One connection from its beginning to its end; whether the centre said welcome."""
        why = "the connection is gone"
        try:
            transport, _ = await ws_connect(
                lambda: _Wire(self), self._url, ssl_context=self._ssl, max_frame_size=_MESSAGE_MAX_BYTES, logger_name="dispatch"
            )
            await transport.wait_disconnected()
        except (TimeoutError, OSError, WSHandshakeError) as error:
            why = str(error) or type(error).__name__
        except (msgspec.DecodeError, WSProtocolError) as error:
            # Coming back would only bring the same message again.
            self._fatal = DispatchError("malformed", f"the centre sent what is no dispatch message: {error}")
        greeted = self.welcome is not None
        self.welcome = self._transport = None
        if self._beating is not None:
            self._beating.cancel()
        if self._fatal is None:
            self._tell(is_up=False, why=why)
        return greeted

    def _tell(self, *, is_up: bool, why: str = "") -> None:
        if self._on_connection is not None and is_up is not self._is_up:
            self._is_up = is_up
            self._on_connection(is_up, why)

    def _beat(self, period_s: float) -> None:
        self._send(m.Heartbeat())
        self._beating = asyncio.get_running_loop().call_later(period_s, self._beat, period_s)

    def _end(self, error: DispatchError | None) -> None:
        for feed in self._feeds.values():
            feed.end(error)
        for _, answer in self._asked.values():
            if not answer.done():
                answer.set_exception(error or DispatchError("closed", "the client was closed"))
        for context in self._looked.values():
            if not context.done():
                context.set_exception(error or DispatchError("closed", "the client was closed"))

    def _send(self, message: m.ClientMessage) -> None:
        if self._transport is not None:
            self._transport.send(WSMsgType.TEXT, text_of(encode(message)))
