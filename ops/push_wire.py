"""A source's connection by any of the ways that a centre listens: lines over TCP, or the same lines over a WebSocket.

Place in the flow: under `ops.push`, which writes and reads lines and does not care what carries them.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, Protocol
from urllib.parse import urlsplit

from picows import WSError, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from protocols.ingest.message import WEBSOCKET_PATH

READ_BYTES: Final = 64 * 1024
FRAME_BYTES: Final = 128 * 1024
"""Longest WebSocket frame written; a centre takes no longer one than an ingest frame, and may be set to take less."""
WAYS: Final = "tcp://HOST:PORT, tls://HOST:PORT, ws://HOST:PORT or wss://HOST:PORT"


class Wire(Protocol):
    """An open connection."""

    async def read(self) -> bytes:
        """What has come, at least a byte; nothing where the centre has closed the connection."""

    async def write(self, data: bytes) -> None:
        """Sends whole lines, and waits where the centre does not read. Raises `ConnectionError`."""

    def limit(self, frame_max_bytes: int) -> None:
        """From now on keeps to the centre's longest ingest frame, by its welcome, in what carries the lines."""

    def close(self) -> None:
        """Ends the connection."""


Connect = Callable[[], Awaitable[Wire]]
"""Opens a connection. Raises `OSError`."""


def connector(url: str) -> Connect:
    """What connects to a centre.

    Args:
        url: one of `WAYS`; a WebSocket's path may stand behind it.

    Raises:
        ValueError: it is none of these.
    """
    parts = urlsplit(url)
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    paths = ("", "/", WEBSOCKET_PATH) if parts.scheme in ("ws", "wss") else ("", "/")
    if parts.scheme not in ("tcp", "tls", "ws", "wss") or not host or not port or parts.path not in paths:
        raise ValueError(f"{url!r} is not {WAYS}")
    context = ssl.create_default_context() if parts.scheme in ("tls", "wss") else None
    if parts.scheme in ("tcp", "tls"):
        return lambda: _TcpWire.open(host, port, context)
    whole = f"{parts.scheme}://{f'[{host}]' if ':' in host else host}:{port}{WEBSOCKET_PATH}"
    return lambda: _WsWire.open(whole, context)


class _TcpWire:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, host: str, port: int, context: ssl.SSLContext | None) -> _TcpWire:
        return cls(*await asyncio.open_connection(host, port, ssl=context))

    async def read(self) -> bytes:
        return await self._reader.read(READ_BYTES)

    async def write(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    def limit(self, frame_max_bytes: int) -> None:
        """TCP has no frames of its own."""

    def close(self) -> None:
        self._writer.close()


class _WsWire(WSListener):
    def __init__(self) -> None:
        self._transport: WSTransport | None = None
        self._frame_bytes = FRAME_BYTES
        self._reader = asyncio.StreamReader()
        self._writable = asyncio.Event()
        self._writable.set()

    @classmethod
    async def open(cls, url: str, context: ssl.SSLContext | None) -> _WsWire:
        wire = cls()
        try:
            await ws_connect(lambda: wire, url, ssl_context=context)
        except WSError as error:
            raise ConnectionRefusedError(f"{url}: {error}") from error
        if wire._transport is None:
            # picows calls a handshake complete that was cut off, and reports neither its beginning nor its end.
            raise ConnectionResetError(f"{url}: the connection broke in the WebSocket handshake")
        return wire

    async def read(self) -> bytes:
        return await self._reader.read(READ_BYTES)

    async def write(self, data: bytes) -> None:
        kind = WSMsgType.TEXT
        for start in range(0, len(data), self._frame_bytes):
            if self._transport is None:
                raise ConnectionResetError("the connection is gone")
            end = start + self._frame_bytes
            self._transport.send(kind, data[start:end], fin=end >= len(data))
            kind = WSMsgType.CONTINUATION
        await self._writable.wait()

    def limit(self, frame_max_bytes: int) -> None:
        self._frame_bytes = min(FRAME_BYTES, frame_max_bytes)

    def close(self) -> None:
        if self._transport is not None:
            with suppress(WSError):
                self._transport.disconnect()

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type in (WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.CONTINUATION):
            payload = frame.get_payload_as_bytes()
            self._reader.feed_data(payload)
            # The end of a message also ends a line.
            if frame.fin and not payload.endswith(b"\n"):
                self._reader.feed_data(b"\n")
        elif frame.msg_type == WSMsgType.CLOSE:
            transport.send_close()
            transport.disconnect()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._transport = None
        self._reader.feed_eof()
        self._writable.set()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()
