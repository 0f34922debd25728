"""Whether the two loops turn, and how late: a beat on each, ten times a second; and how long the collector stops everything.

Place in the flow: beside it, for the metrics and for health. Uses `time.monotonic`, which other threads read as well.
"""

from __future__ import annotations

import asyncio
import gc
from time import monotonic, perf_counter
from typing import Final

import trio

from core.tally import DURATIONS_S, Buckets

BEAT_S: Final = 0.1
"""Between beats; ten of them a second on each loop cost about a thousandth of a core."""
HOST: Final = "host"
TRIO: Final = "trio"


class Pulse:
    """The loops' beats. Made anywhere; `run` is a Trio task of the guest loop."""

    def __init__(self) -> None:
        self.lags = {HOST: Buckets(DURATIONS_S), TRIO: Buckets(DURATIONS_S)}
        self.beats: dict[str, float] = {}
        """Loop → when it last beat, by `time.monotonic`; empty while no loop runs."""
        self._timer: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        """Beats on both loops until cancelled."""
        loop = asyncio.get_running_loop()
        self._beat_host(loop, monotonic())
        try:
            while True:
                due_s = monotonic() + BEAT_S
                await trio.sleep(BEAT_S)
                self._note(TRIO, due_s)
        finally:
            if self._timer is not None:
                self._timer.cancel()
            # Nobody is dead who has gone home.
            self.beats = {}

    def age_s(self) -> dict[str, float]:
        """Loop → seconds since its last beat."""
        now_s = monotonic()
        return {loop: max(0.0, now_s - at_s) for loop, at_s in dict(self.beats).items()}

    def _beat_host(self, loop: asyncio.AbstractEventLoop, due_s: float) -> None:
        self._note(HOST, due_s)
        self._timer = loop.call_later(BEAT_S, self._beat_host, loop, monotonic() + BEAT_S)

    def _note(self, loop: str, due_s: float) -> None:
        now_s = monotonic()
        self.beats[loop] = now_s
        self.lags[loop].observe(max(0.0, now_s - due_s))


class Collections:
    """Pauses of the garbage collector, by generation."""

    def __init__(self) -> None:
        self.pauses = [Buckets(DURATIONS_S) for _ in gc.get_count()]
        self._began_s = 0.0

    def watch(self) -> None:
        """Begins to time collections, until the process ends or `unwatch`."""
        gc.callbacks.append(self._note)

    def unwatch(self) -> None:
        """Ends what `watch` began."""
        gc.callbacks.remove(self._note)

    def _note(self, phase: str, info: dict[str, int]) -> None:
        # The collector does not run while it runs, whichever thread it stops: a start is followed by its own stop.
        if phase == "start":
            self._began_s = perf_counter()
        else:
            self.pauses[info["generation"]].observe(perf_counter() - self._began_s)
