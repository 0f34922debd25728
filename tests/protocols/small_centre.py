"""A centre just large enough to speak to: it commits whatever the inlet holds, at once, and remembers it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable

from core.decisions import Decisions, Taken
from core.events import Chunk, Rejected
from core.inlet import Inlet
from core.instant import Micros
from protocols.ingest.hub import IngestHub
from protocols.ingest.state import SessionLimits

NOW_US = Micros(1_778_322_600_000_000)
"""2026-05-09T10:30:00Z."""
TOKEN = "right"


def commit(batch_no: int, chunks: list[Chunk], high_water: dict[str, int]) -> Decisions:
    """Takes chunks as the engine does: what a source's high water covers is skipped."""
    taken = []
    touched = {}
    for chunk in chunks:
        known = high_water.get(chunk.source, 0)
        skip = 0
        for index, item in enumerate(chunk.items):
            if item.seq is not None and item.seq <= known:
                skip = index + 1
        taken.append(Taken(chunk=chunk, skip=skip, incidents={}, rejected={}))
        high_water[chunk.source] = touched[chunk.source] = max(known, chunk.last_seq)
    return Decisions(
        batch_no=batch_no,
        now_us=NOW_US,
        taken=taken,
        high_water=touched,
        log=[],
        incidents=[],
        assignments=[],
        crews=[],
        positions=[],
        commands=[],
        notices=[],
        live_positions=[],
    )


class SmallCentre:
    """A hub, its inlet, and a commit that follows each offer; `paused` stops committing."""

    def __init__(
        self,
        *,
        high_water: dict[str, int] | None = None,
        session_limits: SessionLimits | None = None,
        connections_max: int = 4096,
        half_open_max: int = 512,
        inlet: Inlet | None = None,
        now_us: Callable[[], Micros] = lambda: NOW_US,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.inlet = Inlet() if inlet is None else inlet
        self.high_water = dict(high_water or {})
        self.foreseen: list[str] = []
        """Sources of the urgent chunks, as they came in."""
        self.hub = IngestHub(
            self.inlet,
            lambda token, source: token == TOKEN,
            self.high_water,
            now_us,
            self.wake,
            foresee=lambda chunk: self.foreseen.append(chunk.source),
            session_limits=session_limits,
            connections_max=connections_max,
            half_open_max=half_open_max,
            tls=tls,
        )
        self.paused = False
        self.seqs: dict[str, list[int]] = {}
        """Source → seqs of accepted events, as committed."""
        self.rejected: list[tuple[str, Rejected, bytes]] = []
        self._batch_no = 0
        self._scheduled = False

    def wake(self) -> None:
        """The inlet is not empty."""
        if not self._scheduled and not self.paused:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self.run)

    def run(self) -> None:
        """Commits all that waits."""
        self._scheduled = False
        while self.inlet:
            chunks, _ = self.inlet.take()
            self._batch_no += 1
            decisions = commit(self._batch_no, chunks, self.high_water)
            for taken in decisions.taken:
                chunk = taken.chunk
                seqs = self.seqs.setdefault(chunk.source, [])
                for item, raw in list(zip(chunk.items, chunk.raws, strict=True))[taken.skip :]:
                    if isinstance(item, Rejected):
                        self.rejected.append((chunk.source, item, raw))
                    else:
                        seqs.append(item.seq)
            self.hub.committed(decisions)
