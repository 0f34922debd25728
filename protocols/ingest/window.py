"""What a source has under way: taken, and not committed. Its bounds are what slows a source that is faster than the centre.

Place in the flow: between the session and the batch it waits for. Pure. Invariant 8.
"""

from __future__ import annotations

from collections import deque

from protocols.ingest.state import SessionLimits


class Window:
    """Chunks of one connection that are offered and not committed, oldest first."""

    def __init__(self, limits: SessionLimits) -> None:
        self._limits = limits
        self._chunks: deque[tuple[int, int, int]] = deque()
        """(last seq, events, bytes) of each."""
        self.events = 0
        """Events under way."""
        self._held_bytes = 0

    def __bool__(self) -> bool:
        """Whether anything is under way."""
        return bool(self._chunks)

    @property
    def is_open(self) -> bool:
        """Whether the source may go on: neither events nor bytes have reached their bound."""
        return self.events < self._limits.window_events and self._held_bytes < self._limits.window_bytes

    def offered(self, last_seq: int, events: int, held_bytes: int) -> None:
        """A chunk is on its way."""
        self._chunks.append((last_seq, events, held_bytes))
        self.events += events
        self._held_bytes += held_bytes

    def committed(self, seq: int) -> None:
        """Everything up to this seq has arrived."""
        chunks = self._chunks
        while chunks and chunks[0][0] <= seq:
            _, events, held_bytes = chunks.popleft()
            self.events -= events
            self._held_bytes -= held_bytes
