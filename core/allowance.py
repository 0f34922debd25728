"""So many a second, and so many at once: how what is dear or comes too fast is bounded, whatever batches and reads are like.

What is not used is kept up to `most` (a token bucket). Pure: instants are arguments, and a clock that goes back gives nothing.
"""

from __future__ import annotations

from core.instant import SECOND_US, Micros


class Allowance:
    """Begins full.

    Args:
        per_s: by how much it grows a second, more than 0.
        most: what it holds at most.
        now_us: the present instant.
    """

    __slots__ = ("_at_us", "_left", "_most", "_per_s")

    def __init__(self, per_s: float, most: float, now_us: int = 0) -> None:
        self._per_s = per_s
        self._most = most
        self._left = float(most)
        self._at_us = now_us

    def left(self, now_us: int) -> float:
        """What may be spent at this instant; below 0 where more was spent than there was."""
        passed_us = max(0, now_us - self._at_us)
        self._left = min(self._most, self._left + passed_us * self._per_s / SECOND_US)
        self._at_us = now_us
        return self._left

    def take(self, wanted: int, now_us: int) -> int:
        """Spends as many as there are, at most `wanted`, and says how many."""
        granted = min(wanted, max(0, int(self.left(now_us))))
        self._left -= granted
        return granted

    def spend(self, count: int, now_us: int) -> float:
        """Spends what has happened already, be there as much or not. Returns what is left, perhaps below 0."""
        self._left = self.left(now_us) - count
        return self._left

    @property
    def even_us(self) -> Micros:
        """The first instant at which what is left is no longer below 0, if nothing more is spent."""
        return Micros(self._at_us + int(-self._left / self._per_s * SECOND_US) + 1)
