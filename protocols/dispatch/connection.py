"""One WebSocket connection of the dispatch protocol, as picows calls it: frames in, and whether the socket takes more.

Pings are answered here and fragments joined; what a whole message means is the session's, what to do about it the hub's.
"""

from __future__ import annotations

from typing import Protocol

from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport

from protocols.dispatch.message import ErrorCode, GoodbyeReason
from protocols.dispatch.session import Instruction, Leave, Session


class Hub(Protocol):
    """What a connection tells its hub."""

    buffer_bytes: int
    message_max_bytes: int

    def opened(self, peer: Peer) -> None:
        """The connection has been upgraded."""

    def heard(self, peer: Peer) -> None:
        """Something has come in."""

    def obey(self, peer: Peer, instructions: list[Instruction]) -> None:
        """The session has decided."""

    def resumed(self, peer: Peer) -> None:
        """The socket takes again what it had no room for."""

    def left(self, peer: Peer) -> None:
        """The client closes."""

    def lost(self, peer: Peer) -> None:
        """The connection is gone."""

    def check_buffer(self, peer: Peer) -> None:
        """Something has been sent that could not be conflated."""

    def abort_later(self, peer: Peer) -> None:
        """The connection is closing; it gets the grace to do so."""


class Peer(WSListener):
    """One connection and what is known of its peer. Times are the loop's, in seconds."""

    def __init__(self, hub: Hub, session: Session, now_s: float) -> None:
        self.session = session
        self.transport: WSTransport | None = None
        self.paused = False
        """Whether the socket takes no more for now."""
        self.closing = False
        self.opened_s = self.heard_s = self.said_s = self.beaten_s = now_s
        self._hub = hub
        self._fragments: bytearray | None = None

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport
        high = self._hub.buffer_bytes // 2
        transport.underlying_transport.set_write_buffer_limits(high=high, low=high // 4)
        self._hub.opened(self)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        self._hub.heard(self)
        kind = frame.msg_type
        if kind == WSMsgType.CLOSE:
            self._hub.left(self)
            transport.send_close(WSCloseCode.OK)
            transport.disconnect()
            self._hub.abort_later(self)
        elif self.closing:
            return
        elif kind == WSMsgType.PING:
            transport.send_pong(frame.get_payload_as_bytes())
            self._hub.check_buffer(self)
        elif kind == WSMsgType.TEXT and frame.fin and self._fragments is None:
            self._hub.obey(self, self.session.receive(frame.get_payload_as_bytes()))
        elif kind != WSMsgType.PONG:
            self._fragment(frame)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._hub.lost(self)

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = False
        self._hub.resumed(self)

    def _fragment(self, frame: WSFrame) -> None:
        """Binary messages, and text in fragments, which browsers never send and RFC 6455 allows."""
        if self._fragments is None:
            if frame.msg_type != WSMsgType.TEXT:
                self._hub.obey(self, self.session.refuse(ErrorCode.MALFORMED, "messages are JSON text"))
                return
            self._fragments = bytearray()
        self._fragments += frame.get_payload_as_memoryview()
        if len(self._fragments) > self._hub.message_max_bytes:
            self._hub.obey(self, [Leave(GoodbyeReason.MESSAGE_TOO_LARGE)])
        elif frame.fin:
            payload, self._fragments = bytes(self._fragments), None
            self._hub.obey(self, self.session.receive(payload))

    def abort(self) -> None:
        """Ends the connection with whatever is still unsent."""
        if self.transport is not None and not self.transport.is_disconnected:
            self.transport.disconnect(graceful=False)
