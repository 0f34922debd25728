"""What the crew index must answer, worked out the slow and obvious way: every crew looked at, every way of assigning tried.

The haversine formula itself is used here, not chords, so that the index's geometry is checked too.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import asin, cos, inf, isfinite, nan, radians, sin, sqrt

from core.limits import PASSED_OVER_MAX
from core.ports import Choice, Demand
from core.vocabulary import AssignReason
from routing.crew_index import NOBODY_CREWS_MAX, NOBODY_TOLD_MAX
from routing.geodesy import EARTH_RADIUS_M

CLEARLY_M = 1e-3
"""Distances nearer to one another than this are not told apart: the two formulas round differently."""


def haversine_m(latitude_deg: float, longitude_deg: float, to_latitude_deg: float, to_longitude_deg: float) -> float:
    """Great-circle distance in metres by the textbook formula."""
    up = sin(radians(to_latitude_deg - latitude_deg) / 2)
    along = sin(radians(to_longitude_deg - longitude_deg) / 2)
    share = up * up + cos(radians(latitude_deg)) * cos(radians(to_latitude_deg)) * along * along
    return 2 * EARTH_RADIUS_M * asin(min(1.0, sqrt(share)))


def least_total(costs: Sequence[dict[int, float]]) -> tuple[int, float]:
    """How many lines can have a column of their own, and the least sum with which as many have one: all ways are tried."""
    best: dict[frozenset[int], tuple[int, float]] = {frozenset(): (0, 0.0)}
    for line in costs:
        following = dict(best)
        for used, (unserved, total) in best.items():
            for column, cost in line.items():
                if column not in used:
                    candidate = (unserved - 1, total + cost)
                    key = used | {column}
                    if candidate < following.get(key, (1, inf)):
                        following[key] = candidate
        best = following
    unserved, total = min(best.values())
    return -unserved, total


class OracleCrew:
    """One crew as a plain record."""

    def __init__(self, capabilities: Sequence[str], territory: str, outside: bool) -> None:
        self.capabilities = capabilities
        self.territory = territory
        self.outside = outside
        self.hindrance: AssignReason | None = AssignReason.OFF_DUTY
        self.latitude_deg = nan
        self.longitude_deg = nan

    def serves(self, territory: str) -> bool:
        """The rule of the port, word for word."""
        everywhere = self.outside or self.territory == ""
        return everywhere or territory == self.territory or territory.startswith(self.territory + "/")


class Oracle:
    """All crews, and every answer by exhaustion."""

    def __init__(self) -> None:
        self.crews: list[OracleCrew] = []

    def distance_m(self, crew_no: int, demand: Demand) -> float:
        """Infinite for a crew that is nowhere."""
        crew = self.crews[crew_no]
        if not isfinite(crew.latitude_deg):
            return inf
        return haversine_m(crew.latitude_deg, crew.longitude_deg, demand.latitude_deg, demand.longitude_deg)

    def why_not(self, crew_no: int, demand: Demand) -> AssignReason | None:
        """The first rule that forbids sending a crew that has the capability, or None."""
        crew = self.crews[crew_no]
        if crew.hindrance is not None:
            return crew.hindrance
        if not crew.serves(demand.territory):
            return AssignReason.OTHER_TERRITORY
        return AssignReason.EXCLUDED if crew_no in demand.excluded else None

    def costs(self, demand: Demand, taken: set[int]) -> dict[int, float]:
        """Metres of every crew that may be sent."""
        return {
            no: distance_m
            for no in range(len(self.crews))
            if no not in taken
            and demand.capability in self.crews[no].capabilities
            and not self.why_not(no, demand)
            and isfinite(distance_m := self.distance_m(no, demand))
        }

    def check(self, demands: Sequence[Demand], choices: Sequence[Choice]) -> None:
        """Fails where the choices are not what the port promises."""
        assert [choice.key for choice in choices] == [demand.key for demand in demands]
        chosen = [choice.crew_no for choice in choices if choice.crew_no is not None]
        assert len(set(chosen)) == len(chosen)
        taken: set[int] = set()
        for priority in sorted({demand.priority for demand in demands}):
            pairs = [(d, c) for d, c in zip(demands, choices, strict=True) if d.priority == priority]
            served, total_m = least_total([self.costs(demand, taken) for demand, _ in pairs])
            assert sum(choice.crew_no is not None for _, choice in pairs) == served
            given_m = sum(choice.distance_m for _, choice in pairs if choice.crew_no is not None)
            assert abs(given_m - total_m) < CLEARLY_M
            taken.update(choice.crew_no for _, choice in pairs if choice.crew_no is not None)
        nobody = 0
        for demand, choice in zip(demands, choices, strict=True):
            if choice.crew_no is not None:
                self._check_one(demand, choice, choice.crew_no, taken)
                continue
            assert (choice.reason, choice.distance_m) == (AssignReason.NO_CREW, inf)
            nobody += 1
            self._check_passed_over(demand, choice, inf, NOBODY_CREWS_MAX if nobody <= NOBODY_TOLD_MAX else 0, taken)

    def _check_one(self, demand: Demand, choice: Choice, chosen: int, taken: set[int]) -> None:
        limit_m = self.distance_m(chosen, demand)
        assert abs(choice.distance_m - limit_m) < CLEARLY_M
        costs = self.costs(demand, set())
        assert chosen in costs
        if choice.reason is AssignReason.NEAREST_CAPABLE:
            assert limit_m < min(costs.values()) + CLEARLY_M
        else:
            assert choice.reason is AssignReason.BEST_FOR_ALL
            assert any(no in taken and no != chosen and cost < limit_m + CLEARLY_M for no, cost in costs.items())
        self._check_passed_over(demand, choice, limit_m, PASSED_OVER_MAX, taken)

    def _check_passed_over(self, demand: Demand, choice: Choice, limit_m: float, most: int, taken: set[int]) -> None:
        told = choice.passed_over
        assert [nearer.distance_m for nearer in told] == sorted(nearer.distance_m for nearer in told)
        for nearer in told:
            assert demand.capability in self.crews[nearer.crew_no].capabilities
            distance_m = self.distance_m(nearer.crew_no, demand)
            assert abs(nearer.distance_m - distance_m) < CLEARLY_M
            assert distance_m < limit_m + CLEARLY_M
            why_not = self.why_not(nearer.crew_no, demand)
            assert nearer.reason is (why_not or AssignReason.TAKEN)
            assert why_not is not None or nearer.crew_no in taken
        clearly_nearer = {
            no: distance_m
            for no, crew in enumerate(self.crews)
            if demand.capability in crew.capabilities and (distance_m := self.distance_m(no, demand)) < limit_m - CLEARLY_M
        }
        missed = set(clearly_nearer) - {nearer.crew_no for nearer in told}
        assert len(told) <= most
        if len(told) < most:
            assert not missed
        elif most:
            farthest_m = max(nearer.distance_m for nearer in told)
            assert all(clearly_nearer[no] > farthest_m - CLEARLY_M for no in missed)
