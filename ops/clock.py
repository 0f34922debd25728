"""The centre's time, read in one place: the machine's clock, but that it never goes back.

Place in the flow: before everything that is dated or due. Rule: a machine's clock that has been ahead and is put right
would stop all terms until life has come up with it, or date logs back. So the centre's time goes on from where it was, a tenth
slower than life, until the two meet: a term passes a tenth of its length late, and no more.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

from core.instant import Micros

SLOWER_BY: Final = 10
"""The centre's time loses one part of so many while the machine's clock is behind it. An hour is made up for in ten; to lose
more would make each term as much later."""


class Clock:
    """A clock that never goes back. Read from any thread.

    Args:
        wall_ns: reads the machine's clock, nanoseconds since the Unix epoch; may be set by anybody.
        monotonic_ns: reads a clock that nobody sets.
    """

    def __init__(self, wall_ns: Callable[[], int] = time.time_ns, monotonic_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._wall_ns = wall_ns
        self._monotonic_ns = monotonic_ns
        self._reading = threading.Lock()
        self._last = (0, monotonic_ns())
        """What was told last, and when by the clock that nobody sets, both in nanoseconds."""

    def now_us(self) -> Micros:
        """The present instant."""
        return self.not_before(Micros(0))

    def not_before(self, instant_us: Micros) -> Micros:
        """Goes on from an instant that is known to have been, by a clock that may have been ahead; returns the present one."""
        with self._reading:
            last_ns, at_ns = self._last
            reached_ns = self._monotonic_ns()
            elapsed_ns = reached_ns - at_ns
            now_ns = max(self._wall_ns(), last_ns + elapsed_ns - elapsed_ns // SLOWER_BY, instant_us * 1000)
            self._last = now_ns, reached_ns
        return Micros(now_ns // 1000)

    def machine_us(self) -> Micros:
        """What the machine's clock says: for what leaves the centre, and for what is dropped for its age."""
        return Micros(self._wall_ns() // 1000)

    @property
    def ahead_us(self) -> int:
        """How far it is ahead of the machine's clock, which it waits for; 0 where it is that."""
        return max(0, self.now_us() - self.machine_us())


CENTRE: Final = Clock()
"""The process's."""
now_us: Final = CENTRE.now_us
machine_us: Final = CENTRE.machine_us
