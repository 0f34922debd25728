"""One batch of demands, their nearest crews ranked by driving time: what `routing.assignment` decides on where roads are.

Place in the flow: assign, between `routing.candidates`, which finds crews by straight line, and `routing.assignment`, which
decides who goes. Requirement: OCC-4.

Rules:
- Of a demand's `ROAD_CANDIDATES` nearest eligible crews by straight line the fastest by road comes first.
- Crews beyond those are looked at only where several demands contend, group by group, each four times as large as what went
  before. A crew of a later group counts as no faster than those before it, so that what was ranked stays ranked.
- Where no road leads near a demand, and beyond `ROAD_DEMANDS_MAX` demands, seconds are the straight line's: the order is that
  of distance, and the sums remain comparable.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from core.arrival import straight_line_s
from core.limits import ROAD_CANDIDATES, ROAD_DEMANDS_MAX
from core.ports import Choice, Demand, PassedOver, TravelTimes
from core.vocabulary import AssignReason, CrewNo
from routing.assignment import GROWTH, Grant, Ranked
from routing.candidates import Candidates
from routing.geodesy import degrees_of
from routing.moving_points import MovingPoints


class _List:
    """A demand's crews as ranked so far: by group, then by seconds, then by row."""

    __slots__ = ("complete", "costs", "distance_m", "rows", "seconds")

    def __init__(self) -> None:
        self.rows: list[int] = []
        self.costs: list[float] = []
        """Seconds, but never less than those of a group before."""
        self.seconds: dict[int, float] = {}
        self.distance_m: dict[int, float] = {}
        self.complete = False

    def ranked(self) -> Ranked:
        """What `routing.assignment` is told."""
        return Ranked(self.rows, self.costs, self.complete)


class RoadRanking:
    """Some demands, by index 0 upward. Lives while the batch is decided."""

    def __init__(self, demands: Sequence[Demand], candidates: Candidates, points: MovingPoints, travel: TravelTimes) -> None:
        self._demands = demands
        self._candidates = candidates
        self._points = points
        self._travel = travel
        self._lists = [_List() for _ in demands]
        self._by_road: set[int] = set()
        for demand in sorted(range(len(demands)), key=lambda demand: demands[demand].priority):
            if len(self._by_road) == ROAD_DEMANDS_MAX:
                break
            if travel.has_roads_at(demands[demand].latitude_deg, demands[demand].longitude_deg):
                self._by_road.add(demand)

    def first(self) -> list[Grant | None]:
        """The fastest of the nearest eligible crews of each demand, None where there is none."""
        self._candidates.first(ROAD_CANDIDATES)
        everyone = self.rank(range(len(self._demands)), 1)
        return [Grant(ranked.rows[0], ranked.costs[0]) if ranked.rows else None for ranked in everyone]

    def rank(self, demands: Sequence[int], want: int) -> list[Ranked]:
        """As `routing.assignment.Rank`; costs are seconds."""
        bound = ROAD_CANDIDATES
        while bound < want:
            bound *= GROWTH
        short = [demand for demand in demands if len(self._lists[demand].rows) < want and not self._lists[demand].complete]
        for demand, near in zip(short, self._candidates.rank(short, bound), strict=True):
            self._extend(demand, near, bound)
        return [self._lists[demand].ranked() for demand in demands]

    def choice(self, demand: int, grant: Grant, passed_over: Sequence[PassedOver]) -> Choice:
        """What the caller is told of a grant; `passed_over` as `Candidates.explain` gives it."""
        known = self._lists[demand]
        row, key = grant.row, self._demands[demand].key
        distance_m, seconds = known.distance_m[row], known.seconds[row]
        if demand not in self._by_road:
            nearest = self._candidates.is_nearest(demand, Grant(row, distance_m))
            reason = AssignReason.NEAREST_CAPABLE if nearest else AssignReason.BEST_FOR_ALL
            return Choice(key, CrewNo(row), distance_m, reason, tuple(passed_over))
        fastest = seconds <= known.costs[0]
        reason = AssignReason.FASTEST_BY_ROAD if fastest else AssignReason.BEST_FOR_ALL
        told = tuple(
            PassedOver(nearer.crew_no, nearer.distance_m, nearer.reason, known.seconds.get(nearer.crew_no))
            for nearer in passed_over
        )
        return Choice(key, CrewNo(row), distance_m, reason, told, seconds)

    def _extend(self, demand: int, near: Ranked, bound: int) -> None:
        """Ranks a demand's next group: the nearest by straight line up to a bound."""
        known = self._lists[demand]
        rows = near.rows[len(known.rows) : bound]
        distances_m = near.costs[len(known.rows) : bound]
        known.complete = near.complete and len(near.rows) <= bound
        if not rows:
            return
        if demand in self._by_road:
            origins = degrees_of(self._points.places(np.array(rows, np.int64)))
            at = self._demands[demand]
            seconds = self._travel.travel_s(*origins, at.latitude_deg, at.longitude_deg).tolist()
        else:
            seconds = [straight_line_s(distance_m) for distance_m in distances_m]
        floor = known.costs[-1] if known.costs else 0.0
        known.distance_m.update(zip(rows, distances_m, strict=True))
        known.seconds.update(zip(rows, seconds, strict=True))
        group = sorted(zip(seconds, rows, strict=True))
        known.rows += [row for _, row in group]
        known.costs += [max(floor, cost) for cost, _ in group]
