"""One batch of demands, their nearest crews ranked by driving time: what `routing.assignment` decides on where roads are.

Place in the flow: assign, between `routing.candidates`, which finds crews by straight line, and `routing.assignment`, which
decides who goes. Requirement: OCC-4.

Rules:
- Of a demand's `ROAD_CANDIDATES` nearest eligible crews by straight line the fastest by road comes first.
- Nobody asks for a second where nobody else wants the first: so at first only those are looked for that are there as soon as
  one of the nearest should be (`SOON_S`, `SOON_S_A_METRE`); the others of the group when more are wanted, or none was found.
- Crews beyond those are looked at only where several demands contend, group by group, each four times as large as what went
  before. A crew of a later group counts as no faster than those before it, so that what was ranked stays ranked.
- Where no road leads near a demand, and beyond as many demands as are allowed, seconds are the straight line's: the order is
  that of distance, the sums remain comparable, and no more crews are looked at than without roads.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, compress, islice
from math import inf
from typing import Final

import numpy as np

from core.arrival import straight_line_s
from core.limits import ROAD_CANDIDATES
from core.ports import Choice, Demand, PassedOver, TravelTimes
from core.vocabulary import AssignReason, CrewNo
from routing.assignment import GROWTH, Grant, Ranked
from routing.candidates import Candidates
from routing.moving_points import MovingPoints

SOON_AMONG: Final = 4
"""One of the so many nearest crews is the fastest for 19 demands of 20."""
SOON_S: Final = 60.0
SOON_S_A_METRE: Final = 0.2
"""When one of them should be there, by the distance of the last: in 97 of 100 calls one is, and the search costs half."""


_SECONDS_A_METRE: Final = straight_line_s(1.0)
_ROUNDED_M: Final = 1e-3


class _List:
    """A demand's crews as ranked so far: by group, then by seconds, then by row."""

    __slots__ = ("complete", "costs", "distance_m", "floor_s", "later", "rows", "seconds")

    def __init__(self) -> None:
        self.rows: list[int] = []
        self.costs: list[float] = []
        """Seconds, but never less than those of a group before."""
        self.seconds: dict[int, float] = {}
        self.distance_m: dict[int, float] = {}
        """Of all that were looked at, those that come later included."""
        self.later: list[int] = []
        """The rest of the group in hand: they take longer than those that are ranked."""
        self.floor_s = 0.0
        self.complete = False

    def ranked(self) -> Ranked:
        """What `routing.assignment` is told."""
        return Ranked(self.rows, self.costs, self.complete and not self.later)


class RoadRanking:
    """Some demands, by index 0 upward. Lives while the batch is decided."""

    def __init__(
        self,
        demands: Sequence[Demand],
        candidates: Candidates,
        points: MovingPoints,
        travel: TravelTimes,
        by_road_max: int,
    ) -> None:
        self._demands = demands
        self._candidates = candidates
        self._points = points
        self._travel = travel
        self._lists = [_List() for _ in demands]
        self._by_road: set[int] = set()
        urgent = sorted(range(len(demands)), key=lambda demand: demands[demand].priority)
        while urgent and len(self._by_road) < by_road_max:
            asked = urgent[: by_road_max - len(self._by_road)]
            del urgent[: len(asked)]
            self._by_road.update(compress(asked, travel.have_roads(self._candidates.at[asked])))

    def __len__(self) -> int:
        """Demands that are compared by road."""
        return len(self._by_road)

    def first(self) -> list[Grant | None]:
        """The fastest of the nearest eligible crews of each demand, None where there is none."""
        by_road = sorted(self._by_road)
        everyone_by_road = len(by_road) == len(self._demands)
        grants = [_in_seconds(grant) for grant in self._candidates.first(ROAD_CANDIDATES if everyone_by_road else 1)]
        soon_s: list[float] = []
        for demand, near in zip(by_road, self._candidates.rank(by_road, ROAD_CANDIDATES), strict=True):
            self._begin_group(demand, near, ROAD_CANDIDATES)
            soon_s.append(self._soon_s(near))
        self._rank_later(by_road, soon_s)
        for demand, ranked in zip(by_road, self.rank(by_road, 1), strict=True):
            grants[demand] = Grant(ranked.rows[0], ranked.costs[0]) if ranked.rows else None
        return grants

    def rank(self, demands: Sequence[int], want: int) -> list[Ranked]:
        """As `routing.assignment.Rank`; costs are seconds."""
        straight = [demand for demand in demands if demand not in self._by_road]
        lines = dict(zip(straight, self._candidates.rank(straight, want), strict=True))
        by_road = [demand for demand in demands if demand in self._by_road]
        self._rank_by_road(by_road, want)
        return [_line_in_seconds(lines[demand]) if demand in lines else self._lists[demand].ranked() for demand in demands]

    def _rank_by_road(self, demands: Sequence[int], want: int) -> None:
        short = self._short(demands, want)
        self._rank_later(short, [inf] * len(short))
        bound = ROAD_CANDIDATES
        while bound < want:
            bound *= GROWTH
        short = [demand for demand in self._short(demands, want) if not self._lists[demand].complete]
        for demand, near in zip(short, self._candidates.rank(short, bound), strict=True):
            self._begin_group(demand, near, bound)
        self._rank_later(short, [inf] * len(short))

    def _short(self, demands: Sequence[int], want: int) -> list[int]:
        return [demand for demand in demands if len(self._lists[demand].rows) < want]

    def _soon_s(self, near: Ranked) -> float:
        among = near.costs[:SOON_AMONG]
        return SOON_S + SOON_S_A_METRE * among[-1] if among else inf

    def choice(self, demand: int, grant: Grant, passed_over: Sequence[PassedOver]) -> Choice:
        """What the caller is told of a grant; `passed_over` as `Candidates.explain` gives it."""
        row, key = grant.row, self._demands[demand].key
        if demand not in self._by_road:
            distance_m = grant.cost / _SECONDS_A_METRE
            # The way to seconds and back costs the last digits.
            nearest = self._candidates.is_nearest(demand, Grant(row, distance_m - _ROUNDED_M))
            reason = AssignReason.NEAREST_CAPABLE if nearest else AssignReason.BEST_FOR_ALL
            return Choice(key, CrewNo(row), distance_m, reason, tuple(passed_over))
        known = self._lists[demand]
        distance_m, seconds = known.distance_m[row], known.seconds[row]
        fastest = seconds <= known.costs[0]
        reason = AssignReason.FASTEST_BY_ROAD if fastest else AssignReason.BEST_FOR_ALL
        told = tuple(
            PassedOver(nearer.crew_no, nearer.distance_m, nearer.reason, known.seconds.get(nearer.crew_no))
            for nearer in passed_over
        )
        return Choice(key, CrewNo(row), distance_m, reason, told, seconds)

    def _begin_group(self, demand: int, near: Ranked, bound: int) -> None:
        """Takes a demand's next group in hand: the nearest by straight line up to a bound."""
        known = self._lists[demand]
        done = len(known.rows)
        known.later = list(near.rows[done:bound])
        known.distance_m.update(zip(known.later, near.costs[done:bound], strict=True))
        known.floor_s = known.costs[-1] if known.costs else 0.0
        known.complete = near.complete and len(near.rows) <= bound

    def _rank_later(self, demands: Sequence[int], within_s: Sequence[float]) -> None:
        """Ranks those of the groups in hand that are there within so many seconds."""
        asked = [(demand, at_most_s) for demand, at_most_s in zip(demands, within_s, strict=True) if self._lists[demand].later]
        if not asked:
            return
        groups = [self._lists[demand] for demand, _ in asked]
        rows = np.fromiter(chain.from_iterable(known.later for known in groups), np.int64)
        counts = [len(known.later) for known in groups]
        at = self._candidates.at[[demand for demand, _ in asked]]
        within = [at_most_s for _, at_most_s in asked]
        seconds = iter(self._travel.drives_s(self._points.places(rows), counts, at, within, rows).tolist())
        for known in groups:
            group = sorted(zip(islice(seconds, len(known.later)), known.later, strict=True))
            known.later = [row for cost, row in group if cost == inf]
            for cost, row in group[: len(group) - len(known.later)]:
                known.rows.append(row)
                known.costs.append(max(known.floor_s, cost))
                known.seconds[row] = cost


def _in_seconds(grant: Grant | None) -> Grant | None:
    return None if grant is None else Grant(grant.row, grant.cost * _SECONDS_A_METRE)


def _line_in_seconds(near: Ranked) -> Ranked:
    return Ranked(near.rows, [cost * _SECONDS_A_METRE for cost in near.costs], near.complete)
