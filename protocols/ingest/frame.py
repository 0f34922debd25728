"""Where a frame ends: NDJSON lines and length-prefixed bodies out of any division of the stream into reads.

Place in the flow: **bytes → frame** → message → event. Nothing here knows what a frame says.

Rules:
- NDJSON: a frame ends at LF; a CR before it is dropped; empty lines are no frames. Over WebSocket the end of a message ends a
  line as well.
- MessagePack: four bytes, the body's length in network order, then the body.
- A frame longer than the limit is never buffered: the reader turns `too_large`, gives the frames before it, and takes nothing
  more. A length prefix is judged before a byte of its body has come.
- Cost is linear in the bytes, also when they come one at a time.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

_LENGTH: Final = Struct(">I")
LENGTH_BYTES: Final = 4


class LineReader:
    """NDJSON lines of a stream."""

    def __init__(self, frame_max_bytes: int) -> None:
        self._frame_max_bytes = frame_max_bytes
        self._partial = bytearray()
        self.too_large = False
        """Whether a line beyond the limit has come; the reader is then at its end."""

    def feed(self, data: bytes, *, ends_message: bool = False) -> list[bytes]:
        """The lines that `data` completes, without their line ends.

        Args:
            data: the next bytes of the stream.
            ends_message: whether a WebSocket message ends here, and with it the line.
        """
        if self.too_large:
            return []
        cut = len(data) if ends_message else data.rfind(b"\n")
        if cut < 0:
            self._keep(data)
            return []
        if self._partial:
            self._partial += data[:cut]
            block = bytes(self._partial)
            self._partial.clear()
        else:
            block = data[:cut]
        lines = block.split(b"\n")
        if len(block) > self._frame_max_bytes:
            for index, line in enumerate(lines):
                if len(line) > self._frame_max_bytes:
                    self.too_large = True
                    del lines[index:]
                    break
        if b"\r" in block:
            lines = [line.removesuffix(b"\r") for line in lines]
        if not self.too_large:
            self._keep(data[cut + 1 :])
        return list(filter(None, lines))

    def _keep(self, data: bytes) -> None:
        self._partial += data
        if len(self._partial) > self._frame_max_bytes:
            self.too_large = True
            self._partial.clear()


class LengthReader:
    """Bodies of a stream of four-byte lengths and bodies."""

    def __init__(self, frame_max_bytes: int) -> None:
        self._frame_max_bytes = frame_max_bytes
        self._partial = bytearray()
        self._needed_bytes = LENGTH_BYTES
        """Below this many bytes there is nothing to look at."""
        self.too_large = False
        """Whether a length beyond the limit has come; the reader is then at its end."""

    def feed(self, data: bytes, *, ends_message: bool = False) -> list[bytes]:
        """The bodies that `data` completes. The end of a WebSocket message means nothing to this framing."""
        if self.too_large:
            return []
        if self._partial:
            self._partial += data
            if len(self._partial) < self._needed_bytes:
                return []
            data = bytes(self._partial)
            self._partial.clear()
        bodies: list[bytes] = []
        start, end = 0, len(data)
        needed = LENGTH_BYTES
        while end - start >= LENGTH_BYTES:
            size: int = _LENGTH.unpack_from(data, start)[0]
            if size > self._frame_max_bytes:
                self.too_large = True
                return bodies
            stop = start + LENGTH_BYTES + size
            if stop > end:
                needed = LENGTH_BYTES + size
                break
            bodies.append(data[start + LENGTH_BYTES : stop])
            start = stop
        self._needed_bytes = needed
        self._partial += data[start:]
        return bodies


FrameReader = LineReader | LengthReader


def frame_line(line: bytes) -> bytes:
    """A JSON text as one NDJSON frame."""
    return line + b"\n"


def frame_body(body: bytes) -> bytes:
    """A MessagePack body as one frame."""
    return _LENGTH.pack(len(body)) + body
