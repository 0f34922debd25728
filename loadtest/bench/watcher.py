"""The real dispatch client of the benchmarks: subscribed to everything, it notes when each call was first published.

It runs in a process of its own. What comes is dated and kept as bytes; it is read only when the load is over, so reading costs
the measurement nothing.
"""

from __future__ import annotations

import asyncio
import time
from multiprocessing.connection import Connection
from typing import Final

import msgspec
import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from protocols.dispatch import message as m
from protocols.dispatch.codec import decode_centre, encode, text_of

READY: Final = "ready"
PATIENCE_S: Final = 60.0
_MESSAGE_MAX_BYTES: Final = 64 * 1024 * 1024


class _Told(msgspec.Struct):
    event: str


class _View(msgspec.Struct):
    told: list[_Told] = []


_VIEW: Final = msgspec.json.Decoder(_View)


class _Listener(WSListener):
    """Keeps what comes."""

    def __init__(self, token: str) -> None:
        self._token = token
        self.received: list[tuple[int, bytes]] = []

    def on_ws_connected(self, transport: WSTransport) -> None:
        transport.send(WSMsgType.TEXT, text_of(encode(m.Hello(protocol=m.PROTOCOL, token=self._token, client="bench"))))
        transport.send(WSMsgType.TEXT, text_of(encode(m.Subscribe(id="everything"))))

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.TEXT:
            self.received.append((time.monotonic_ns(), frame.get_payload_as_bytes()))


def watch(connection: Connection, url: str, token: str) -> None:
    """The process: says `READY`, then answers every set of event labels with the instants they were first published at.

    A set's labels are `SOURCE/SEQ`; the answer is a dictionary, in which those are absent that did not come in `PATIENCE_S`.
    It ends when the pipe is closed.
    """
    try:
        uvloop.run(_watch(connection, url, token))
    except EOFError:
        # The parent is done.
        return


async def _watch(connection: Connection, url: str, token: str) -> None:
    listener = _Listener(token)
    await ws_connect(lambda: listener, url, max_frame_size=_MESSAGE_MAX_BYTES)
    published: dict[str, int] = {}
    while not any(isinstance(message, m.Snapshot) and not message.more for message in _take(listener, published)):  # noqa: ASYNC110
        await asyncio.sleep(0.01)  # what comes is only kept until somebody looks
    connection.send(READY)
    while True:
        labels: set[str] = await asyncio.to_thread(connection.recv)
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            _take(listener, published)
            if labels <= published.keys():
                break
            await asyncio.sleep(0.02)
        connection.send({label: published[label] for label in labels if label in published})


def _take(listener: _Listener, published: dict[str, int]) -> list[m.CentreMessage]:
    """Reads what has come since the last time."""
    received, listener.received = listener.received, []
    messages = []
    for at_ns, payload in received:
        message = decode_centre(payload)
        messages.append(message)
        if isinstance(message, m.Changes | m.Snapshot):
            for view in message.incidents:
                for told in _VIEW.decode(view).told:
                    published.setdefault(told.event, at_ns)
    return messages
