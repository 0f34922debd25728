"""Ingest over WebSocket (picows): the payloads of data frames, one behind the other, are the same stream as over TCP.

Place in the flow: **bytes** → frame → message → event. The end of a WebSocket message ends an NDJSON line; text and binary
frames mean the same. All frames of one read are handed over together, so that small messages cost little more than a large one.

Rules: picows buffers one WebSocket frame, so a frame may hold no more than an ingest frame may (close code 1009 beyond it); its
read buffer grows with what one read brings, so the socket's receive buffer is bounded. Compression is not negotiated.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from typing import Final, cast

from picows import WSAutoPingStrategy, WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest
from picows.picows import WSProtocol  # type: ignore[attr-defined]

from protocols.ingest.connection import Connection
from protocols.ingest.frame import LENGTH_BYTES
from protocols.ingest.listener_tcp import LINGER_S, WRITE_BUFFER_BYTES, Opened
from protocols.ingest.message import WEBSOCKET_PATH, Framing, GoodbyeReason
from protocols.ingest.state import SessionState

RECEIVE_BUFFER_BYTES: Final = 128 * 1024
"""The socket's own buffer; picows' read buffer ends at a small multiple of it and of a frame."""
READ_BUFFER_BYTES: Final = 16 * 1024
"""picows' read buffer at first; it grows as a fast source needs it."""

_CLOSE_CODES: Final[dict[GoodbyeReason, WSCloseCode]] = {
    GoodbyeReason.FINISHED: WSCloseCode.OK,
    GoodbyeReason.DRAINING: WSCloseCode.GOING_AWAY,
    GoodbyeReason.TOO_MANY_CONNECTIONS: WSCloseCode.TRY_AGAIN_LATER,
    GoodbyeReason.HALF_OPEN_LIMIT: WSCloseCode.TRY_AGAIN_LATER,
    GoodbyeReason.FRAME_TOO_LARGE: WSCloseCode.MESSAGE_TOO_BIG,
    GoodbyeReason.SUPERSEDED: WSCloseCode.OK,
}
"""WebSocket's nearest word for a goodbye; every other reason is a policy violation."""


def close_code(reason: GoodbyeReason) -> WSCloseCode:
    """WebSocket's close code for a goodbye."""
    return _CLOSE_CODES.get(reason, WSCloseCode.POLICY_VIOLATION)


class PeerFaultsUnlogged(logging.LoggerAdapter[logging.Logger]):
    """picows' log without what peers do wrong: they can do it a million times a second. Our own exceptions stay."""

    def error(self, msg: object, *args: object, **kwargs: object) -> None:
        """picows reports a peer's fault by this, and a listener's exception by `exception`."""

    def info(self, msg: object, *args: object, **kwargs: object) -> None:
        """picows reports each connection by this."""

    def exception(self, msg: object, *args: object, exc_info: object = True, **kwargs: object) -> None:
        """A bug of ours."""
        self.logger.error(msg, *args, exc_info=True)


_LOGGER: Final = PeerFaultsUnlogged(logging.getLogger("picows.server"), {})


class WsWire(WSListener):
    """One WebSocket connection, from the moment its TCP connection is accepted: it counts before it is upgraded."""

    def __init__(self, opened: Opened) -> None:
        self._opened = opened
        self._tcp: asyncio.Transport | None = None
        self._upgraded: WSTransport | None = None
        self._connection: Connection | None = None
        self._parts: list[bytes] = []
        """Payloads of the present read that the connection has not seen."""
        self._unsent: list[bytes] = []
        """A goodbye said before the upgrade, for after it."""
        self._closed_for: GoodbyeReason | None = None
        self._abort_timer: asyncio.TimerHandle | None = None

    def accepted(self, transport: asyncio.Transport) -> None:
        """The TCP connection is open."""
        self._tcp = transport
        transport.set_write_buffer_limits(high=WRITE_BUFFER_BYTES)
        self._connection = self._opened(self)

    def gone(self) -> None:
        """The TCP connection is gone."""
        if self._abort_timer is not None:
            self._abort_timer.cancel()
        if self._connection is not None:
            self._connection.lost()

    def on_ws_connected(self, transport: WSTransport) -> None:
        """picows: the upgrade is done."""
        self._upgraded = transport
        for data in self._unsent:
            transport.send(WSMsgType.TEXT, data)
        self._unsent.clear()
        if self._closed_for is not None:
            self._say_close(transport, self._closed_for)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """picows: a frame has come; it is valid only inside this call."""
        connection = self._connection
        kind = frame.msg_type
        if self._closed_for is not None or transport.is_close_frame_sent or connection is None:
            if kind == WSMsgType.CLOSE:
                transport.disconnect()
            return
        if kind == WSMsgType.PING:
            transport.send_pong(frame.get_payload_as_bytes())
        elif kind == WSMsgType.CLOSE:
            self._hand_over(connection)
            transport.send_close(WSCloseCode.OK)
            transport.disconnect()
            return
        elif kind != WSMsgType.PONG:
            if frame.rsv1 or frame.rsv2 or frame.rsv3:
                transport.send_close(WSCloseCode.PROTOCOL_ERROR, b"no extension was negotiated")
                transport.disconnect()
                return
            self._take(connection, frame.get_payload_as_bytes(), ends_message=frame.fin)
        if frame.last_in_buffer:
            self._hand_over(connection)

    def pause_writing(self) -> None:
        """picows: the peer does not take what is sent."""
        if self._connection is not None:
            self._connection.writing_blocked()

    def resume_writing(self) -> None:
        """picows: the peer has taken what was sent."""
        if self._connection is not None:
            self._connection.writing_freed()

    def write(self, data: bytes) -> None:
        """Sends frames as one message."""
        if self._upgraded is None:
            self._unsent.append(data)
        elif self._connection is not None and self._connection.session.framing is Framing.MSGPACK:
            self._upgraded.send(WSMsgType.BINARY, data)
        else:
            self._upgraded.send(WSMsgType.TEXT, data)

    def close(self, reason: GoodbyeReason) -> None:
        """Says WebSocket's close, waits a moment for the peer's, and discards what still comes."""
        if self._closed_for is not None or self._tcp is None:
            return
        self._closed_for = reason
        self._abort_timer = asyncio.get_running_loop().call_later(LINGER_S, self.abort)
        if self._upgraded is not None:
            self._say_close(self._upgraded, reason)
            self.resume_reading()

    def abort(self) -> None:
        """Cuts the connection."""
        if self._tcp is not None:
            self._tcp.abort()

    def pause_reading(self) -> None:
        """Stops reading."""
        if self._tcp is not None and not self._tcp.is_closing():
            self._tcp.pause_reading()

    def resume_reading(self) -> None:
        """Reads again."""
        if self._tcp is not None and not self._tcp.is_closing():
            self._tcp.resume_reading()

    def _take(self, connection: Connection, payload: bytes, *, ends_message: bool) -> None:
        if connection.session.state is SessionState.AWAITING_HELLO:
            # The hello decides what the end of a message means, so it is not joined with what follows.
            connection.received(payload, ends_message=ends_message)
            return
        self._parts.append(payload)
        if ends_message and connection.session.framing is Framing.NDJSON:
            self._parts.append(b"\n")

    def _hand_over(self, connection: Connection) -> None:
        if self._parts:
            data = b"".join(self._parts)
            self._parts.clear()
            connection.received(data)

    @staticmethod
    def _say_close(transport: WSTransport, reason: GoodbyeReason) -> None:
        transport.send_close(close_code(reason), reason.value.encode())


class WsUpgrade(WSProtocol):  # type: ignore[misc]
    """picows' protocol, which tells its wire of the TCP connection and not only of the upgraded one.

    A connection that never asks for the upgrade is a half-open one like any other; `picows.ws_create_server` does not show it.
    """

    def __init__(self, wire: WsWire, frame_max_bytes: int, hello_timeout_s: float) -> None:
        super().__init__(
            host_port=None,
            ws_path=None,
            is_client_side=False,
            ws_listener_factory=lambda request: _route(request, wire),
            logger=_LOGGER,
            disconnect_on_exception=True,
            websocket_handshake_timeout=hello_timeout_s,
            enable_auto_ping=False,
            auto_ping_idle_timeout=0,
            auto_ping_reply_timeout=0,
            auto_ping_strategy=WSAutoPingStrategy.PING_WHEN_IDLE,
            # A pong that picows sends by itself would hide the frame that ends a read.
            enable_auto_pong=False,
            max_frame_size=frame_max_bytes + LENGTH_BYTES,
            extra_headers=None,
            read_buffer_init_size=READ_BUFFER_BYTES,
        )
        self._wire = wire

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio: the TCP connection is open."""
        super().connection_made(transport)
        self._wire.accepted(cast(asyncio.Transport, transport))

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio: the TCP connection is gone."""
        super().connection_lost(exc)
        self._wire.gone()


def _route(request: WSUpgradeRequest, wire: WsWire) -> WsWire | None:
    """The wire for the one path there is, None (404) for others."""
    return wire if request.path.partition(b"?")[0] == WEBSOCKET_PATH.encode() else None


async def serve_ws(
    opened: Opened, host: str, port: int, tls: ssl.SSLContext | None, *, frame_max_bytes: int, hello_timeout_s: float
) -> asyncio.Server:
    """Listens for WebSocket connections on `WEBSOCKET_PATH`.

    Args:
        opened: makes the connection for each wire.
        host: address to bind.
        port: port to bind, 0 for any.
        tls: the certificate to show, or None for plain TCP.
        frame_max_bytes: one ingest frame, and so one WebSocket frame.
        hello_timeout_s: how long the upgrade may take.

    Raises:
        OSError: the address cannot be bound.
    """
    server = await asyncio.get_running_loop().create_server(
        lambda: WsUpgrade(WsWire(opened), frame_max_bytes, hello_timeout_s), host, port, ssl=tls, backlog=1024
    )
    for listening in server.sockets:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
    return server
