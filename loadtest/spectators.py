"""Many dispatch clients in one process, which only take what they are told: the other end of a measurement."""

from __future__ import annotations

import asyncio
from multiprocessing.connection import Connection
from typing import Final

import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from protocols.dispatch import message as m
from protocols.dispatch.codec import encode, text_of

READY: Final = "ready"
_MESSAGE_MAX_BYTES: Final = 64 * 1024 * 1024


class _Spectator(WSListener):
    """Subscribes to everything and forgets it."""

    def __init__(self, token: str, positions: bool) -> None:
        self._token = token
        self._positions = positions
        self.heard = asyncio.Event()

    def on_ws_connected(self, transport: WSTransport) -> None:
        hello = m.Hello(protocol=m.PROTOCOL, token=self._token, client="spectator")
        for message in (hello, m.Subscribe(id="everything", positions=self._positions)):
            transport.send(WSMsgType.TEXT, text_of(encode(message)))

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.TEXT:
            self.heard.set()


def spectate(connection: Connection, url: str, token: str, clients: int, positions: bool) -> None:
    """The process: says `READY` when every client was answered, and ends when the pipe is closed."""
    try:
        uvloop.run(_spectate(connection, url, token, clients, positions))
    except EOFError:
        # The parent is done.
        return


async def _spectate(connection: Connection, url: str, token: str, clients: int, positions: bool) -> None:
    spectators = [_Spectator(token, positions) for _ in range(clients)]
    for spectator in spectators:
        await ws_connect(lambda one=spectator: one, url, max_frame_size=_MESSAGE_MAX_BYTES)
    for spectator in spectators:
        await spectator.heard.wait()
    connection.send(READY)
    await asyncio.to_thread(connection.recv)
