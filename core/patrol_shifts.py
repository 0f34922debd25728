"""Which shift of which route a crew is on, or is to be on next (OCC-3, OCC-5).

Place in the flow: under `core.patrol_watch`. A route's timetable is read once a shift, however many crews walk it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from core.patrol import PatrolRoute, RouteId
from core.timetable import DueCheckpoint, Window, windows, windows_of_day
from core.vocabulary import CrewId


def windows_on(route: PatrolRoute, day: date) -> list[Window]:
    """The windows of a version of a route that begin on a day by its own clock, as far as it is in force."""
    return [window for window in windows_of_day(route.timetable, day) if _is_valid(route, window)]


def _is_valid(route: PatrolRoute, window: Window) -> bool:
    is_open = route.valid_until_us is None or window.from_us < route.valid_until_us
    return is_open and route.valid_from_us <= window.from_us


class Shifts:
    """The routes at work, by their numbers."""

    def __init__(self, routes: Sequence[PatrolRoute]) -> None:
        self._routes = routes
        self._numbers: dict[RouteId, list[int]] = {}
        self._listed: dict[CrewId, list[int]] = {}
        for number, route in enumerate(routes):
            self._numbers.setdefault(route.route_id, []).append(number)
            for crew_id in route.crews or ():
                self._listed.setdefault(crew_id, []).append(number)
        self._next: dict[int, Window | None] = {}
        self._has_points = [any(shift.checkpoints for shift in route.timetable.shifts) for route in routes]

    def listing(self, crew_id: CrewId) -> list[int]:
        """The routes, each version by its own number, that list a crew."""
        return self._listed.get(crew_id, [])

    def posted(self, crew_id: CrewId, route_ids: Sequence[RouteId]) -> list[int]:
        """The routes that list a crew, and of these others the versions that leave it to the roster who walks them."""
        numbers = [number for route_id in route_ids for number in self._numbers.get(route_id, ())]
        return [*self.listing(crew_id), *(number for number in numbers if self._routes[number].crews is None)]

    def next_of(self, served: Sequence[int], now_us: int) -> tuple[int, Window] | None:
        """The route among these, and its window, that runs now or comes next; of several the one that began first."""
        best: tuple[int, Window] | None = None
        for number in served:
            window = self.window(number, now_us)
            if window is not None and (best is None or window.from_us < best[1].from_us):
                best = (number, window)
        return best

    def window(self, number: int, now_us: int) -> Window | None:
        """The first window of a route that ends after an instant, or None: its version has no more. Asked with rising time."""
        known = self._next.get(number)
        if known is not None and known.until_us > now_us:
            return known
        found = self._next[number] = self.window_after(number, now_us)
        return found

    def window_after(self, number: int, after_us: int) -> Window | None:
        """The same, for any instant, by the timetable itself."""
        route = self._routes[number]
        for window in windows(route.timetable, max(after_us, route.valid_from_us)):
            if window.from_us >= route.valid_from_us:
                return window if _is_valid(route, window) else None
        return None

    def checkpoints(self, number: int, from_us: int) -> tuple[DueCheckpoint, ...]:
        """The checkpoints of the shift of a route that begins at an instant."""
        window = self.window_after(number, from_us) if self._has_points[number] else None
        return window.checkpoints if window is not None and window.from_us == from_us else ()
