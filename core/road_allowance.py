"""How many needs may be compared by road at this instant: what that costs is bounded a second, whatever batches are like.

Place in the flow: assign. Comparing one need by road costs as much as everything else that is decided of a call. In a storm the
batches are short and many, and with a bound a batch alone the roads would take a third of the deciding thread, of which every
batch becomes longer.
"""

from __future__ import annotations

from core.instant import SECOND_US, Micros
from core.limits import ROAD_DEMANDS_A_S, ROAD_DEMANDS_MAX


class RoadAllowance:
    """Grows with the centre's time, by `ROAD_DEMANDS_A_S` a second up to `ROAD_DEMANDS_MAX`."""

    def __init__(self) -> None:
        self._left = float(ROAD_DEMANDS_MAX)
        self._at_us = Micros(0)

    def take(self, wanted: int, now_us: Micros) -> int:
        """Takes as many as there are, at most `wanted`. `now_us` is the centre's time, never earlier than before."""
        self._left = min(ROAD_DEMANDS_MAX, self._left + (now_us - self._at_us) * ROAD_DEMANDS_A_S / SECOND_US)
        self._at_us = now_us
        granted = min(wanted, int(self._left))
        self._left -= granted
        return granted
