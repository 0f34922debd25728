"""How long a crew has not been heard, as a state with its own deadlines (CITY-12, OCC-4).

Place in the flow: positions come in and time passes (`core.crew_reports`). A crew on duty whose last position came `stale_us`
ago is `stale`: the engine sends it only where no crew that is heard can go. After `lost_us` it is `lost` and the shift lead is
told, once; any newer position makes it `heard` again. What counts is when a position came, not what its sender's clock said. A
centre that was down was deaf itself: after a start every crew has its time anew.
"""

from __future__ import annotations

import heapq

import msgspec

from core.crew import OFF, Crew
from core.instant import SECOND_US, Micros
from core.vocabulary import CrewId, Signal


class SignalRules(msgspec.Struct, frozen=True):
    """When a crew that is not heard is stale, and when it is lost, in microseconds. Crews report every 5 to 15 s."""

    stale_us: int = 120 * SECOND_US
    """0: positions do not age, for crews whose equipment reports only when they move."""
    lost_us: int = 600 * SECOND_US
    """Not less than `stale_us`."""


class SignalWatch:
    """When to look at which crew.

    A newer position needs no change of the heap, which only says when to look; how old the newest position is by then is seen
    there. `_due_us` holds each watched crew's valid entry; an entry that is not in it is dropped when it comes up.
    """

    def __init__(self, rules: SignalRules) -> None:
        self._rules = rules
        self._heard_us: dict[CrewId, Micros] = {}
        self._heap: list[tuple[Micros, CrewId]] = []
        self._due_us: dict[CrewId, Micros] = {}

    @property
    def next_due_us(self) -> Micros | None:
        """When a crew should be looked at next, or None."""
        return self._heap[0][0] if self._heap else None

    def watch(self, crew: Crew, now_us: Micros) -> None:
        """Counts from now for a crew: a position has come, it has come on duty, or the centre begins."""
        if not self._rules.stale_us:
            return
        self._heard_us[crew.crew_id] = now_us
        due_us = Micros(now_us + self._rules.stale_us)
        known_us = self._due_us.get(crew.crew_id)
        if known_us is None or known_us > due_us:
            self._push(crew.crew_id, due_us)

    def pop_due(self, now_us: Micros) -> CrewId | None:
        """Takes a crew that should be looked at now, or None."""
        while self._heap and self._heap[0][0] <= now_us:
            due_us, crew_id = heapq.heappop(self._heap)
            if self._due_us.get(crew_id) == due_us:
                del self._due_us[crew_id]
                return crew_id
        return None

    def judge(self, crew: Crew, now_us: Micros) -> Signal | None:
        """What a crew's signal is now, or None where it is as it was; sets the next look."""
        if crew.state in OFF:
            return None
        rules = self._rules
        silent_us = now_us - self._heard_us.get(crew.crew_id, now_us)
        if silent_us < rules.stale_us:
            self._push(crew.crew_id, Micros(now_us - silent_us + rules.stale_us))
            return None
        if silent_us < rules.lost_us:
            self._push(crew.crew_id, Micros(now_us - silent_us + rules.lost_us))
            # A lost one is not found by a start of the centre, which gives it its time anew.
            return None if crew.is_silent else Signal.STALE
        return Signal.LOST if crew.signal is not Signal.LOST else None

    def _push(self, crew_id: CrewId, due_us: Micros) -> None:
        self._due_us[crew_id] = due_us
        heapq.heappush(self._heap, (due_us, crew_id))
