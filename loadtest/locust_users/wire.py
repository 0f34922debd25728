"""A client's end of a connection as the standard library's sockets give it, which gevent replaces: plain TCP, and WebSocket by
wsproto.

Place in the flow: between a user and the centre. Rules: a call blocks its own thread (under gevent its greenlet) and no other;
what ends a connection, whoever ended it, is `OSError` when sending and an empty answer when receiving.
"""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import Final, Protocol

from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Ping,
    RejectConnection,
    Request,
    TextMessage,
)
from wsproto.utilities import ProtocolError

CONNECT_TIMEOUT_S: Final = 30.0
_RECEIVE_BYTES: Final = 128 * 1024


class Wire(Protocol):
    """One connection."""

    def send(self, data: bytes) -> None:
        """Sends bytes, or over WebSocket one message. Raises `OSError`."""

    def receive(self) -> list[bytes]:
        """Waits for what comes next: bytes, or over WebSocket whole messages; empty when the connection is over."""

    def cut(self) -> None:
        """Ends the connection at once and without a word."""


class TcpWire:
    """A stream. Raises `OSError` when it cannot be opened."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._socket = socket.create_connection(address, timeout=CONNECT_TIMEOUT_S)
        self._socket.settimeout(None)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, data: bytes) -> None:
        """Sends bytes. Raises `OSError`."""
        self._socket.sendall(data)

    def receive(self) -> list[bytes]:
        """The next bytes; empty when the connection is over."""
        try:
            data = self._socket.recv(_RECEIVE_BYTES)
        except OSError:
            return []
        return [data] if data else []

    def cut(self) -> None:
        """Ends the connection at once."""
        _cut(self._socket)


class WsWire:
    """A WebSocket.

    Args:
        address: host and port.
        path: of the request.
        text: whether messages go out as text; what comes in may be either.

    Raises:
        OSError: it cannot be opened, or the other end does not speak WebSocket there.
    """

    def __init__(self, address: tuple[str, int], path: str, *, text: bool) -> None:
        self._text = text
        self._socket = socket.create_connection(address, timeout=CONNECT_TIMEOUT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._protocol = WSConnection(ConnectionType.CLIENT)
        self._lock = threading.Lock()
        """A pong is sent by whoever receives, and must not stand in the middle of a message."""
        self._parts: list[bytes] = []
        self._messages: list[bytes] = []
        self._accepted = False
        self._over = False
        self._socket.sendall(self._protocol.send(Request(host=f"{address[0]}:{address[1]}", target=path)))
        while not self._accepted:
            if self._over or not self._read():
                self._socket.close()
                raise ConnectionRefusedError(f"no WebSocket at {path}")
        self._socket.settimeout(None)

    def send(self, data: bytes) -> None:
        """Sends one message. Raises `OSError`."""
        message = TextMessage(data.decode()) if self._text else BytesMessage(bytearray(data))
        with self._lock:
            try:
                frame = self._protocol.send(message)
            except ProtocolError as error:
                raise ConnectionResetError(str(error)) from None
            self._socket.sendall(frame)

    def receive(self) -> list[bytes]:
        """The next whole messages; empty when the connection is over."""
        while not self._messages:
            if self._over or not self._read():
                return []
        messages, self._messages = self._messages, []
        return messages

    def cut(self) -> None:
        """Ends the connection at once."""
        _cut(self._socket)

    def _read(self) -> bool:
        try:
            data = self._socket.recv(_RECEIVE_BYTES)
        except OSError:
            return False
        if not data:
            return False
        self._protocol.receive_data(data)
        for event in self._protocol.events():
            match event:
                case TextMessage() | BytesMessage():
                    self._parts.append(event.data.encode() if isinstance(event.data, str) else bytes(event.data))
                    if event.message_finished:
                        self._messages.append(b"".join(self._parts))
                        self._parts = []
                case Ping():
                    self._answer(event)
                case AcceptConnection():
                    self._accepted = True
                case CloseConnection() | RejectConnection():
                    self._over = True
                case _:
                    # A pong, or more of an answer that rejects.
                    continue
        return True

    def _answer(self, ping: Ping) -> None:
        with self._lock:
            try:
                self._socket.sendall(self._protocol.send(ping.response()))
            except (OSError, ProtocolError):
                self._over = True


def _cut(connection: socket.socket) -> None:
    with suppress(OSError):  # the other end was first
        # Wakes whoever is receiving; closing alone would not.
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
