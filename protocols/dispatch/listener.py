"""The WebSocket side of the dispatch protocol on the uvloop loop: connections, pace, timeouts, and commands' way home.

The hub owns no state of the centre: `Publisher` says what a client is to be told next, `Session` what a client's message means,
and the hub decides when. A client is given something only while its socket takes it: above half of `buffer_bytes` not yet sent
it waits, conflated, and alone; what cannot be conflated (answers, errors) cuts it at `buffer_bytes` (invariant 8). Many clients
have something in turns, and updates that are committed meanwhile share a message (`turns`).

Everything runs in one thread. `committed` may be called from a Trio task that is a guest on this loop.
"""

from __future__ import annotations

import asyncio
import ssl as tls
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from picows import WSCloseCode, WSMsgType, WSUpgradeRequest, WSUpgradeResponse, WSUpgradeResponseWithListener, ws_create_server

from core import limits
from core.commands import Order
from core.context import Context
from core.decisions import CommandAnswer, Decisions
from protocols.dispatch import message as m
from protocols.dispatch.codec import HEADROOM, encode
from protocols.dispatch.connection import Peer
from protocols.dispatch.contexts import Contexts, NoContexts
from protocols.dispatch.message import ContextReason, GoodbyeReason
from protocols.dispatch.publisher import Publisher
from protocols.dispatch.session import Authenticate, Give, Instruction, Leave, Look, Say, Session, Watch
from protocols.dispatch.subscription import Subscription
from protocols.dispatch.turns import Turns

_TURN_PARTS: Final = 4
"""Messages one subscription gets before the others have their turn."""
_CLOSE_CODES: Final = {
    GoodbyeReason.BYE: WSCloseCode.OK,
    GoodbyeReason.SHUTDOWN: WSCloseCode.GOING_AWAY,
    GoodbyeReason.TOO_SLOW: WSCloseCode.TRY_AGAIN_LATER,
    GoodbyeReason.MESSAGE_TOO_LARGE: WSCloseCode.MESSAGE_TOO_BIG,
}
"""The rest close with 1008, policy violation (RFC 6455, 7.4.1)."""


class DispatchHub:
    """All dispatch clients of one centre.

    Args:
        publisher: committed state, restored before `start`.
        authenticate: whom a token stands for, None for nobody. Called once a hello; must not block.
        order: hands a command to the centre, which will answer it in `Decisions.commands`.
        now_us: the centre's clock, told to clients.
        contexts: knows what happened before an incident; nobody does if None.
    """

    def __init__(
        self,
        publisher: Publisher,
        authenticate: Authenticate,
        order: Callable[[Order], None],
        now_us: Callable[[], int],
        *,
        contexts: Contexts | None = None,
        clients_max: int = limits.CLIENTS_MAX,
        commands_max: int = limits.COMMANDS_WAITING,
        buffer_bytes: int = limits.CLIENT_BUFFER_BYTES,
        message_max_bytes: int = limits.FRAME_MAX_BYTES,
        hello_timeout_s: float = limits.HELLO_TIMEOUT_S,
        idle_timeout_s: float = limits.IDLE_TIMEOUT_S,
        close_grace_s: float = limits.CLOSE_GRACE_S,
        fanout_turn: int = limits.FANOUT_TURN,
    ) -> None:
        self.publisher = publisher
        self.buffer_bytes = buffer_bytes
        self.message_max_bytes = message_max_bytes
        self.delivered_messages = 0
        """Messages of subscriptions handed to sockets."""
        self.delivered_bytes = 0
        self.goodbyes: dict[GoodbyeReason, int] = dict.fromkeys(GoodbyeReason, 0)
        self.fullest_buffer_bytes = 0
        """Bytes that the slowest client had not taken at the last tick."""
        self._authenticate = authenticate
        self._order = order
        self._contexts = contexts or NoContexts()
        self._now_us = now_us
        self._clients_max = clients_max
        self._commands_max = commands_max
        self._hello_timeout_s = hello_timeout_s
        self._idle_timeout_s = idle_timeout_s
        self._close_grace_s = close_grace_s
        self._allowed = m.Limits(
            message_max_bytes=message_max_bytes,
            subscriptions=limits.CLIENT_SUBSCRIPTIONS,
            commands=limits.CLIENT_COMMANDS,
            idle_timeout_s=idle_timeout_s,
        )
        self._peers: dict[int, Peer] = {}
        """Session number → connection; those that are closing have left."""
        self._connections: set[Peer] = set()
        """All connections, the closing ones too."""
        self._asked: dict[str, list[int]] = {}
        """Command id → sessions that wait for its answer; stays until the answer comes, even if they all leave. A command that
        is asked again meanwhile is not handed over again: while the database is away that would be without bound."""
        self._turns = Turns(self._flush, fanout_turn)
        self._paced: dict[float, dict[Subscription, None]] = {}
        """Period → subscriptions that wait for its next beat."""
        self._last_session = 0
        self._draining = False
        self._emptied: asyncio.Future[None] | None = None
        """Done when the last connection of a draining hub has gone."""
        self._server: asyncio.Server | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ticking: asyncio.TimerHandle | None = None

    @property
    def clients(self) -> int:
        """Sessions that are open or greeting."""
        return len(self._peers)

    def sessions(self) -> list[Session]:
        """Those sessions, for an operator to see who is there."""
        return [peer.session for peer in self._peers.values()]

    async def start(self, host: str, port: int, ssl: tls.SSLContext | None = None) -> tuple[str, int]:
        """Listens; gives the bound address. Raises `OSError` when the address cannot be bound."""
        self._loop = asyncio.get_running_loop()
        self._turns.start(self._loop)
        self._server = await ws_create_server(
            self._route,
            host,
            port,
            ssl=ssl,
            max_frame_size=self.message_max_bytes,
            # Our own pongs are bounded; picows's go out whether or not the peer reads.
            enable_auto_pong=False,
            websocket_handshake_timeout=self._hello_timeout_s,
            logger_name="dispatch",
        )
        self._tick()
        bound = self._server.sockets[0].getsockname()
        return bound[0], bound[1]

    async def drain(self, reason: GoodbyeReason = GoodbyeReason.SHUTDOWN) -> None:
        """Stops listening, tells what is committed, says goodbye to everybody and waits for them to go, at most the grace."""
        self._draining = True
        self._turns.finish()
        if self._server is not None:
            self._server.close()
        for peer in list(self._peers.values()):
            self._close(peer, reason)
        if self._connections:
            self._emptied = self._loop_().create_future()
            await asyncio.wait([self._emptied], timeout=self._close_grace_s)
        for peer in list(self._connections):
            peer.abort()
        if self._ticking is not None:
            self._ticking.cancel()

    def committed(self, decisions: Decisions) -> None:
        """Publishes a committed batch, then answers its commands. Raises what `Publisher.publish` raises.

        Before `start` it only keeps the state, for the clients to come.
        """
        touched = self.publisher.publish(decisions)
        if self._loop is None:
            return
        self._turns.add(subscription for audience in touched for subscription in audience.members)
        for audience in touched:
            if audience.crowded:
                # A log that nears its bound is told from at once: waiting for a turn must cut nobody.
                self._turns.tell_now(list(audience.members))
        for answer in decisions.commands:
            self._answer(answer)

    # What a connection tells of itself.

    def opened(self, peer: Peer) -> None:
        """A connection has been upgraded."""
        self._peers[peer.session.session_no] = peer
        self._connections.add(peer)

    def heard(self, peer: Peer) -> None:
        """A connection has sent something."""
        peer.heard_s = self._time_s()

    def obey(self, peer: Peer, instructions: list[Instruction]) -> None:
        """Does what a session says."""
        for instruction in instructions:
            match instruction:
                case Say():
                    self._say(peer, instruction.frame)
                case Watch():
                    self._flush(instruction.subscription, self._time_s())
                case Give():
                    self._give(peer, instruction.order)
                case Look():
                    self._look(peer, instruction.incident)
                case Leave():
                    self._close(peer, instruction.reason, instruction.text)

    def resumed(self, peer: Peer) -> None:
        """A socket takes again what it had no room for."""
        self._loop_().call_soon(self._catch_up, peer)

    def left(self, peer: Peer) -> None:
        """A client closes, or the centre has closed it."""
        peer.closing = True
        self._forget(peer)

    def lost(self, peer: Peer) -> None:
        """A connection is gone."""
        self.left(peer)
        self._connections.discard(peer)
        if self._emptied is not None and not self._connections and not self._emptied.done():
            self._emptied.set_result(None)

    def abort_later(self, peer: Peer) -> None:
        """Ends a closing connection for good if the client does not."""
        self._loop_().call_later(self._close_grace_s, peer.abort)

    def check_buffer(self, peer: Peer) -> None:
        """Cuts a client that has not taken what could not be conflated."""
        assert peer.transport is not None
        if peer.transport.underlying_transport.get_write_buffer_size() > self.buffer_bytes:
            self._close(peer, GoodbyeReason.TOO_SLOW)

    # What the hub does.

    def _route(self, request: WSUpgradeRequest) -> Peer | WSUpgradeResponseWithListener | None:
        if request.path.partition(b"?")[0] != m.PATH.encode():
            return None
        if self._draining or len(self._connections) >= self._clients_max:
            response = WSUpgradeResponse.create_error_response(
                HTTPStatus.SERVICE_UNAVAILABLE, b"too many clients, or shutting down"
            )
            return WSUpgradeResponseWithListener(response, None)
        self._last_session += 1
        session = Session(self._last_session, self.publisher, self._authenticate, now_us=self._now_us, allowed=self._allowed)
        return Peer(self, session, self._time_s())

    def _flush(self, subscription: Subscription, now_s: float) -> None:
        """Gives a subscription what is pending, if it may have it now."""
        peer = self._peers.get(subscription.session)
        if peer is None:
            return
        if subscription.lapsed:
            self._close(peer, GoodbyeReason.TOO_SLOW)
            return
        if peer.paused:
            return
        period_s = subscription.period_s
        in_walk = subscription.walk is not None
        if period_s and not in_walk and now_s < subscription.due_s and not subscription.audience.crowded:
            self._pace(subscription, now_s)
            return
        assert peer.transport is not None
        for _ in range(_TURN_PARTS):
            frame = self.publisher.take(subscription)
            if frame is None:
                break
            peer.transport.send_reuse_external_bytearray(WSMsgType.TEXT, frame, HEADROOM)
            peer.said_s = now_s
            self.delivered_messages += 1
            self.delivered_bytes += len(frame) - HEADROOM
            if period_s:
                # Beats are the same for all of one period, so that those who wait share their messages.
                subscription.due_s = (now_s // period_s + 1.0) * period_s
            if peer.paused or (period_s and subscription.walk is None):
                break
        if subscription.pending and not peer.paused and not subscription.scheduled:
            subscription.scheduled = True
            self._loop_().call_soon(self._again, subscription)

    def _again(self, subscription: Subscription) -> None:
        subscription.scheduled = False
        self._flush(subscription, self._time_s())

    def _pace(self, subscription: Subscription, now_s: float) -> None:
        waiting = self._paced.get(subscription.period_s)
        if waiting is None:
            waiting = self._paced[subscription.period_s] = {}
            self._loop_().call_at(max(subscription.due_s, now_s), self._beat, subscription.period_s)
        waiting[subscription] = None

    def _beat(self, period_s: float) -> None:
        now_s = self._time_s()
        for subscription in self._paced.pop(period_s, {}):
            self._flush(subscription, now_s)

    def _catch_up(self, peer: Peer) -> None:
        now_s = self._time_s()
        for subscription in list(peer.session.subscriptions.values()):
            if subscription.pending:
                self._flush(subscription, now_s)

    def _give(self, peer: Peer, order: Order) -> None:
        waiting = self._asked.get(order.command.command_id)
        if waiting is None:
            if len(self._asked) >= self._commands_max:
                self._say(peer, peer.session.overloaded(order.command.command_id))
                return
            waiting = self._asked[order.command.command_id] = []
            self._order(order)
        if peer.session.session_no not in waiting:
            waiting.append(peer.session.session_no)

    def _look(self, peer: Peer, incident: int) -> None:
        def answer(found: Context | ContextReason) -> None:
            self._say(peer, peer.session.looked(incident, found))

        assert peer.session.client is not None
        self._contexts.ask(incident, peer.session.client.territory, answer)

    def _answer(self, answer: CommandAnswer) -> None:
        for session_no in self._asked.pop(answer.command_id, ()):
            peer = self._peers.get(session_no)
            if peer is not None:
                # What the command changed comes first.
                self._turns.tell_now(list(peer.session.subscriptions.values()))
                self._say(peer, peer.session.answered(answer))

    def _say(self, peer: Peer, frame: bytearray) -> None:
        if peer.transport is None or peer.closing:
            return
        peer.transport.send_reuse_external_bytearray(WSMsgType.TEXT, frame, HEADROOM)
        peer.said_s = self._time_s()
        self.check_buffer(peer)

    def _close(self, peer: Peer, reason: GoodbyeReason, text: str = "") -> None:
        if peer.closing:
            return
        self.goodbyes[reason] += 1
        self.left(peer)
        if peer.transport is not None:
            goodbye = encode(m.Goodbye(reason=reason.value, text=text))
            peer.transport.send_reuse_external_bytearray(WSMsgType.TEXT, goodbye, HEADROOM)
            peer.transport.send_close(_CLOSE_CODES.get(reason, WSCloseCode.POLICY_VIOLATION))
        # The client's own close ends the connection; one that sends none, or takes nothing, is aborted.
        self.abort_later(peer)

    def _forget(self, peer: Peer) -> None:
        session = peer.session
        if self._peers.pop(session.session_no, None) is None:
            return
        for subscription in session.subscriptions.values():
            self._turns.leave(subscription)
            self._paced.get(subscription.period_s, {}).pop(subscription, None)
        for command_id in session.asked:
            waiting = self._asked.get(command_id)
            if waiting is not None and session.session_no in waiting:
                waiting.remove(session.session_no)
        session.close()

    def _tick(self) -> None:
        now_s = self._time_s()
        beat_s = self._idle_timeout_s / 3.0
        period_s = min(1.0, self._hello_timeout_s / 4.0, beat_s / 4.0)
        # First, so that a fault of ours below is told by the loop and does not stop the clock of all the others.
        self._ticking = self._loop_().call_later(period_s, self._tick)
        fullest_bytes = 0
        for peer in list(self._peers.values()):
            assert peer.transport is not None
            fullest_bytes = max(fullest_bytes, peer.transport.underlying_transport.get_write_buffer_size())
            if peer.transport.is_close_frame_sent:
                # picows has closed it: a frame too long or against RFC 6455.
                self.left(peer)
                self.abort_later(peer)
            elif peer.session.client is None and now_s - peer.opened_s >= self._hello_timeout_s:
                self._close(peer, GoodbyeReason.HELLO_TIMEOUT)
            elif now_s - peer.heard_s >= self._idle_timeout_s:
                self._close(peer, GoodbyeReason.IDLE)
            elif peer.session.client is not None and now_s - peer.beaten_s >= beat_s:
                peer.beaten_s = now_s
                self._keep_alive(peer, now_s, beat_s)
        self.fullest_buffer_bytes = fullest_bytes

    def _keep_alive(self, peer: Peer, now_s: float, beat_s: float) -> None:
        if peer.paused:
            return
        for subscription in list(peer.session.subscriptions.values()):
            frame = self.publisher.beat(subscription)
            if frame is not None:
                self._say(peer, frame)
        if now_s - peer.said_s >= beat_s:
            self._say(peer, encode(m.Heartbeat(now_us=self._now_us())))

    def _time_s(self) -> float:
        return self._loop_().time()

    def _loop_(self) -> asyncio.AbstractEventLoop:
        assert self._loop is not None, "the hub has not been started"
        return self._loop
