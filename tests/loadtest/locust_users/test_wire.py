"""The WebSocket wire against the other end of wsproto, on a real socket."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable

import pytest
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, Ping, Pong, RejectConnection, Request, TextMessage

from loadtest.locust_users.wire import WsWire

Script = Callable[[socket.socket, WSConnection], None]


class Peer:
    """Takes one connection, and does with it what it is told to once the request has come."""

    def __init__(self, script: Script) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.address: tuple[str, int] = self._server.getsockname()
        self._thread = threading.Thread(target=self._serve, args=(script,))
        self._thread.start()

    def _serve(self, script: Script) -> None:
        with self._server:
            connection, _ = self._server.accept()
            with connection:
                protocol = WSConnection(ConnectionType.SERVER)
                assert isinstance(next_event(connection, protocol), Request)
                script(connection, protocol)

    def join(self) -> None:
        self._thread.join()


def next_event(connection: socket.socket, protocol: WSConnection) -> object:
    while True:
        for event in protocol.events():
            return event
        protocol.receive_data(connection.recv(65_536))


def test_fragments_become_one_message_and_pings_are_answered() -> None:
    heard: list[object] = []

    def script(connection: socket.socket, protocol: WSConnection) -> None:
        connection.sendall(
            protocol.send(AcceptConnection())
            + protocol.send(TextMessage("first ", message_finished=False))
            + protocol.send(Ping(b"are you there"))
            + protocol.send(TextMessage("second"))
            + protocol.send(TextMessage("third"))
        )
        heard.append(next_event(connection, protocol))
        heard.append(next_event(connection, protocol))

    peer = Peer(script)
    wire = WsWire(peer.address, "/path", text=True)
    messages: list[bytes] = []
    while len(messages) < 2:
        messages += wire.receive()
    assert messages == [b"first second", b"third"]
    wire.send("жедел".encode())
    peer.join()
    assert wire.receive() == []
    wire.cut()
    ponged, said = heard
    assert isinstance(ponged, Pong)
    assert bytes(ponged.payload) == b"are you there"
    assert isinstance(said, TextMessage)
    assert said.data == "жедел"


def test_a_centre_that_speaks_no_websocket_there_is_an_error() -> None:
    peer = Peer(lambda connection, protocol: connection.sendall(protocol.send(RejectConnection(status_code=404))))
    with pytest.raises(ConnectionRefusedError, match="no WebSocket at /path"):
        WsWire(peer.address, "/path", text=True)
    peer.join()
