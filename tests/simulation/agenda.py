"""Virtual time: what happens next, in one thread, with nothing but the seed to decide it.

Everything of the simulation is a step at an instant; steps at the same instant come in the order in which they were planned.
No clock is read and nobody sleeps, so a seed gives the same run always.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from random import Random
from typing import Final

from core.instant import SECOND_US, Micros

START_US: Final = Micros(1_790_000_000 * SECOND_US)
TRACE_LINES: Final = 160


class Agenda:
    """The steps to come, earliest first, and the story of those that were."""

    def __init__(self, seed: int) -> None:
        self.rng = Random(seed)
        self.now_us = START_US
        self.steps = 0
        self.trace: deque[str] = deque(maxlen=TRACE_LINES)
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._serial = 0

    def after(self, delay_us: int, step: Callable[[], None]) -> None:
        """Plans a step."""
        self.at(self.now_us + max(0, delay_us), step)

    def at(self, instant_us: int, step: Callable[[], None]) -> None:
        """Plans a step at an instant, or now when that has passed."""
        self._serial += 1
        heapq.heappush(self._heap, (max(instant_us, self.now_us), self._serial, step))

    def step(self) -> bool:
        """Takes the next step; False when there is none."""
        if not self._heap:
            return False
        instant_us, _, step = heapq.heappop(self._heap)
        self.now_us = Micros(instant_us)
        self.steps += 1
        step()
        return True

    def tell(self, text: str) -> None:
        """Adds a line to the trace."""
        self.trace.append(f"{(self.now_us - START_US) / SECOND_US:10.4f} s  {text}")

    def chance(self, share: float) -> bool:
        """True in this share of all cases."""
        return share > 0.0 and self.rng.random() < share

    def delay_us(self, mean_us: int) -> int:
        """A delay: mostly near the mean, sometimes many times it."""
        return int(self.rng.expovariate(1.0) * mean_us) + 1
