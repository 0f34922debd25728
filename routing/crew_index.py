"""The crew index: positions, profiles and availability of all crews, and the choice among them. Fills `core.ports.CrewIndex`.

Place in the flow: locate → correlate → incident → **assign**. The engine tells it what changes and asks it once a batch.

Rules (OCC-4, CITY-16): eligible is who is free, has the capability, serves the territory and has a position. Of the nearest
eligible crews by great circle the fastest by road is chosen where roads are known, else the nearest; demands decided together
that want the same crew are solved together (`routing.assignment`).
Every choice names the nearer crews with the capability that were passed over. Answers are exact for the positions of this
moment, whatever the state of the k-d trees below (`routing.moving_points`), and the same calls always give the same answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, isfinite
from typing import Final

import numpy as np
import numpy.typing as npt
from msgspec.structs import replace

from core.limits import ROAD_DEMANDS_MAX
from core.ports import Choice, Demand, TravelTimes
from core.vocabulary import AssignReason, CrewNo
from routing.assignment import assign
from routing.candidates import FEW_DEMANDS, Candidates, Crews, name_nearest
from routing.eligibility import FREE, HINDERED, NOWHERE, home_of
from routing.geodesy import unit_vector, unit_vectors
from routing.moving_points import MovingPoints
from routing.road_ranking import RoadRanking

NOBODY_TOLD_MAX: Final = 4
"""Demands a call whose `NO_CREW` is explained: when hundreds find nobody, a few say why, and the rest must cost nothing."""
NOBODY_CREWS_MAX: Final = 3
"""Crews named where nobody goes."""


class CrewTree:
    """All crews of a centre. Not thread-safe: it belongs to the engine.

    Invariant: a crew's standing is its hindrance, else `NOWHERE` where it has no place, else its home's.

    Args:
        points: where the crews are.
        travel: driving times, where a map has roads; without them straight lines decide.
        few_demands: demands of one capability that are judged one by one; the tests vary it: no answer depends on it.
        queue_look: see the property; `core.limits.QUEUE_LOOK` with `nearest_waiting` and `relieving`, 1 with `nearest_free`.
    """

    def __init__(
        self,
        points: MovingPoints | None = None,
        few_demands: int = FEW_DEMANDS,
        queue_look: int = 1,
        *,
        travel: TravelTimes | None = None,
    ) -> None:
        self._queue_look = queue_look
        self._travel = travel
        self._crews = Crews(MovingPoints() if points is None else points, few_demands)
        self._capabilities: list[frozenset[str]] = []
        self._homes: list[int] = []
        """Each crew's standing when it is free and has a place."""
        self._placed: list[bool] = []
        self._compared_by_road = 0

    def __len__(self) -> int:
        return len(self._capabilities)

    @property
    def queue_look(self) -> int:
        """How many of the oldest waiting needs of one priority contend for a crew that frees; with 1 the oldest gets it."""
        return self._queue_look

    @property
    def compared_by_road(self) -> int:
        """Demands of the latest `choose` whose crews were compared by road."""
        return self._compared_by_road

    @property
    def tree_builds(self) -> int:
        """How often the crews have been anchored, for measurements."""
        return self._crews.points.builds

    @property
    def homes(self) -> int:
        """How many homes are remembered: no more than there have been crews at one time, and one."""
        return len(self._crews.homes)

    def put(self, crew_no: CrewNo, capabilities: Sequence[str], territory: str, *, outside: bool, silent: bool = False) -> None:
        """Adds a crew (`crew_no` equal to the present size) or replaces its profile. A new crew is off duty, nowhere.

        A `silent` crew is at home where only demands look that allow it (`routing.eligibility.home_of`).

        Raises:
            IndexError: the number is neither known nor the next.
        """
        crews = self._crews
        size = len(self)
        if not 0 <= crew_no <= size:
            raise IndexError(f"crew {crew_no} cannot be put: the next is {size}")
        able = frozenset(capabilities)
        home = crews.homes.settle(home_of("" if outside else territory, silent))
        if crew_no == size:
            if size == len(crews.standings):
                crews.standings = np.concatenate((crews.standings, np.zeros_like(crews.standings)))
            crews.points.append()
            crews.points.enlist(crew_no, able)
            crews.standings[crew_no] = HINDERED[AssignReason.OFF_DUTY]
            self._capabilities.append(able)
            self._homes.append(home)
            self._placed.append(False)
            return
        standing = int(crews.standings[crew_no])
        self._stand(crew_no, NOWHERE)
        if able != self._capabilities[crew_no]:
            crews.points.enlist(crew_no, able)
            self._capabilities[crew_no] = able
        crews.homes.leave(self._homes[crew_no])
        self._homes[crew_no] = home
        self._stand(crew_no, home if standing >= FREE else standing)

    def set_availability(self, crew_no: CrewNo, hindrance: AssignReason | None) -> None:
        """Marks a crew free (`None`) or not, with the reason a passed-over line will show. O(its capabilities)."""
        self._check(crew_no)
        if hindrance is not None:
            self._stand(crew_no, HINDERED[hindrance])
        else:
            self._stand(crew_no, self._homes[crew_no] if self._placed[crew_no] else NOWHERE)

    def move(
        self, crew_nos: npt.NDArray[np.int64], latitude_deg: npt.NDArray[np.float64], longitude_deg: npt.NDArray[np.float64]
    ) -> None:
        """Moves crews, one row each, no crew twice. Later choices see the new places exactly.

        A coordinate that is not finite means that nobody knows where the crew is: it is not chosen until it moves again.

        Raises:
            IndexError: a number is unknown; nothing has moved.
        """
        if not len(crew_nos):
            return
        self._check(int(crew_nos.min()))
        self._check(int(crew_nos.max()))
        points = self._crews.points
        before = points.is_placed(crew_nos)
        places = unit_vectors(latitude_deg, longitude_deg)
        points.move(crew_nos, places)
        changed = before == np.isnan(places[:, 0])
        if changed.any():
            for row, was_placed in zip(crew_nos[changed].tolist(), before[changed].tolist(), strict=True):
                self._placed[row] = not was_placed
                standing = self._crews.standings[row]
                if standing >= FREE:
                    self._stand(row, NOWHERE)
                elif standing == NOWHERE:
                    self._stand(row, self._homes[row])

    def choose(self, demands: Sequence[Demand], by_road_max: int = ROAD_DEMANDS_MAX) -> list[Choice]:
        """One choice a demand, in the order given, all decided together.

        More urgent priorities choose first; among demands of one priority as many as can be are served, at the least total
        distance, or at the least total driving time where there are roads (`routing.road_ranking`), which are looked at for the
        `by_road_max` most urgent demands. No crew is chosen twice.
        The index itself is not changed. A demand for which no crew is left, or whose place is not finite, gets None at infinite
        distance; for the first few of a call the nearest capable crews are named, with the reasons why not even they.

        Complexity: one query of a tree a capability, whatever the number of crews; O(1) a demand where nobody is eligible.
        """
        self._compared_by_road = 0
        choices: list[Choice] = []
        live: list[int] = []
        counts: list[int] = []
        nobody: list[int] = []
        homes, tally = self._crews.homes, self._crews.tally
        demands = [
            replace(demand, territory=home_of(demand.territory, True)) if demand.silent else demand for demand in demands
        ]
        for index, demand in enumerate(demands):
            choices.append(Choice(demand.key, None, inf, AssignReason.NO_CREW, ()))
            if isfinite(demand.latitude_deg) and isfinite(demand.longitude_deg):
                count = tally.count(demand.capability, homes.serving(demand.territory))
                if count:
                    live.append(index)
                    counts.append(count)
                else:
                    nobody.append(index)
        if live:
            wanted = [demands[index] for index in live]
            priorities = [demand.priority for demand in wanted]
            candidates = Candidates(wanted, counts, self._crews)
            roads = None
            if self._travel is not None and by_road_max:
                roads = RoadRanking(wanted, candidates, self._crews.points, self._travel, by_road_max)
                self._compared_by_road = len(roads)
            if roads is None:
                grants = assign(priorities, candidates.first(), candidates.rank)
            else:
                grants = assign(priorities, roads.first(), roads.rank)
            explained = candidates.explain(grants, by_road=roads is not None)
            for place, (index, grant, passed_over) in enumerate(zip(live, grants, explained, strict=True)):
                if grant is None:
                    nobody.append(index)
                    continue
                if roads is not None:
                    choices[index] = roads.choice(place, grant, passed_over)
                    continue
                alone = candidates.is_nearest(place, grant)
                reason = AssignReason.NEAREST_CAPABLE if alone else AssignReason.BEST_FOR_ALL
                choices[index] = Choice(demands[index].key, CrewNo(grant.row), grant.cost, reason, passed_over)
        for index in sorted(nobody)[:NOBODY_TOLD_MAX]:
            nearest = name_nearest(demands[index], NOBODY_CREWS_MAX, self._crews)
            choices[index] = Choice(demands[index].key, None, inf, AssignReason.NO_CREW, nearest)
        return choices

    def travel_s(self, crew_no: CrewNo, latitude_deg: float, longitude_deg: float) -> float | None:
        """Seconds by road from where a crew is; None where no road is known, or where nobody knows where it is.

        Raises:
            IndexError: the number is unknown.
        """
        self._check(crew_no)
        if self._travel is None or not self._placed[crew_no]:
            return None
        there = np.array([unit_vector(latitude_deg, longitude_deg)])
        if not self._travel.have_roads(there)[0]:
            return None
        here = self._crews.points.places(np.array([crew_no]))
        return float(self._travel.drives_s(here, [1], there, [inf])[0])

    def _check(self, crew_no: int) -> None:
        if not 0 <= crew_no < len(self._capabilities):
            raise IndexError(f"crew {crew_no} is unknown: there are {len(self._capabilities)}")

    def _stand(self, crew_no: int, standing: int) -> None:
        """Changes a crew's standing."""
        crews = self._crews
        before = crews.standings.item(crew_no)
        if standing != before:
            crews.standings[crew_no] = standing
            if before >= FREE or standing >= FREE:
                crews.tally.change(self._capabilities[crew_no], before, standing)
