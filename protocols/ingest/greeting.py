"""The beginning of a connection's stream: bytes until the hello is whole, then those behind it until it is answered. Pure."""

from __future__ import annotations

from protocols.ingest.codec import UnreadableHelloError, decode_hello
from protocols.ingest.message import PROTOCOL, GoodbyeReason, Hello


class BadHelloError(Exception):
    """The stream begins with no hello that the centre understands; the text says why."""

    def __init__(self, reason: GoodbyeReason, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class Greeting:
    """Reads the first line, in any division. In WebSocket messages the end of a message ends the line too.

    Args:
        hello_max_bytes: how long the line may be.
    """

    def __init__(self, hello_max_bytes: int) -> None:
        self._hello_max_bytes = hello_max_bytes
        self._buffer = bytearray()
        self.hello: Hello | None = None
        """None until it is whole."""
        self.rest_ends_message = False
        """Whether the WebSocket message ended with the bytes that brought the hello."""

    def feed(self, data: bytes, *, ends_message: bool) -> Hello | None:
        """Takes the next bytes; gives the hello once it is whole. Raises `BadHelloError`."""
        buffer = self._buffer
        searched = len(buffer)
        buffer += data
        cut = buffer.find(b"\n", searched)
        if cut < 0 and ends_message:
            cut = len(buffer)
        length = len(buffer) if cut < 0 else cut
        if length > self._hello_max_bytes:
            buffer.clear()
            raise BadHelloError(GoodbyeReason.BAD_HELLO, f"the first line is longer than {self._hello_max_bytes} bytes")
        if cut < 0:
            return None
        line = bytes(buffer[:cut]).removesuffix(b"\r")
        del buffer[: cut + 1]
        try:
            hello = decode_hello(line)
        except UnreadableHelloError as fault:
            raise BadHelloError(GoodbyeReason.BAD_HELLO, str(fault)) from fault
        if hello.protocol != PROTOCOL:
            raise BadHelloError(GoodbyeReason.UNSUPPORTED_PROTOCOL, f"this centre speaks {PROTOCOL}")
        self.rest_ends_message = ends_message
        self.hello = hello
        return hello

    def take_rest(self) -> bytes:
        """What came behind the hello; from now on the stream is somebody else's."""
        rest = bytes(self._buffer)
        self._buffer.clear()
        return rest
