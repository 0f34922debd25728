"""The crew index: positions, profiles and availability of all crews, and the choice among them. Fills `core.ports.CrewIndex`.

Place in the flow: locate → correlate → incident → **assign**. The engine tells it what changes and asks it once a batch.

Rules (CITY-16): eligible is who is free, has the capability, serves the territory and has a position. The nearest eligible
crew by great circle is chosen; demands decided together that want the same crew are solved together (`routing.assignment`).
Every choice names the nearer crews that were passed over. Answers are exact for the positions of this moment, whatever the
state of the k-d tree below (`routing.moving_points`), and the same calls always give the same answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, isfinite

import numpy as np
import numpy.typing as npt

from core.ports import Choice, Demand
from core.vocabulary import AssignReason, CrewNo
from routing.assignment import assign
from routing.candidates import Candidates, Crews
from routing.eligibility import CODES, FREE, Kind, Profile, Profiles
from routing.geodesy import unit_vectors
from routing.moving_points import MovingPoints
from routing.neighbours import Rows


class CrewTree:
    """All crews of a centre. Not thread-safe: it belongs to the engine.

    Invariant: `free` holds exactly the rows that nothing hinders and that have a place, each under its present profile.
    """

    def __init__(self, points: MovingPoints | None = None) -> None:
        self._crews = Crews(MovingPoints() if points is None else points)

    def __len__(self) -> int:
        return len(self._crews.points)

    @property
    def tree_builds(self) -> int:
        """How often the k-d tree has been built, for measurements."""
        return self._crews.points.builds

    @property
    def profiles(self) -> int:
        """How many profiles are remembered: no more than twice the crews, and a few."""
        return len(self._crews.profiles)

    def put(self, crew_no: CrewNo, capabilities: Sequence[str], territory: str, *, outside: bool) -> None:
        """Adds a crew (`crew_no` equal to the present size) or replaces its profile. A new crew is off duty, nowhere.

        Raises:
            IndexError: the number is neither known nor the next.
        """
        crews = self._crews
        size = len(crews.points)
        if not 0 <= crew_no <= size:
            raise IndexError(f"crew {crew_no} cannot be put: the next is {size}")
        number = crews.profiles.number(Profile(frozenset(capabilities), "" if outside else territory))
        if crew_no == size:
            if size == len(crews.hindrances):
                crews.hindrances = np.concatenate((crews.hindrances, np.zeros_like(crews.hindrances)))
                crews.profile_numbers = np.concatenate((crews.profile_numbers, np.zeros_like(crews.profile_numbers)))
            crews.points.append()
            crews.points.enlist(crew_no, (), crews.profiles[number].capabilities)
            crews.hindrances[crew_no] = CODES[AssignReason.OFF_DUTY]
            crews.profile_numbers[crew_no] = number
        elif number != crews.profile_numbers[crew_no]:
            listed = self._is_free(crew_no)
            if listed:
                crews.free.discard(crew_no, self._profile(crew_no))
            before, after = self._profile(crew_no).capabilities, crews.profiles[number].capabilities
            if before != after:
                crews.points.enlist(crew_no, before - after, after - before)
            crews.profile_numbers[crew_no] = number
            if listed:
                crews.free.add(crew_no, self._profile(crew_no))
        if len(crews.profiles) > 2 * len(crews.points) + 64:
            self._forget_profiles()

    def set_availability(self, crew_no: CrewNo, hindrance: AssignReason | None) -> None:
        """Marks a crew free (`None`) or not, with the reason a passed-over line will show. O(its capabilities)."""
        self._check(crew_no)
        crews = self._crews
        was_free = crews.hindrances[crew_no] == FREE
        crews.hindrances[crew_no] = FREE if hindrance is None else CODES[hindrance]
        if was_free == (hindrance is None) or not crews.points.is_row_placed(crew_no):
            return
        if was_free:
            crews.free.discard(crew_no, self._profile(crew_no))
        else:
            crews.free.add(crew_no, self._profile(crew_no))

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
            self._list_moved(crew_nos[changed], appeared=~before[changed])

    def choose(self, demands: Sequence[Demand]) -> list[Choice]:
        """One choice a demand, in the order given, all decided together.

        More urgent priorities choose first; among demands of one priority as many as can be are served, at the least total
        distance. No crew is chosen twice. The index itself is not changed. A demand for which no crew is left, or whose place
        is not finite, gets None at infinite distance; its choice passes over nobody.

        Complexity: one query of the tree for all demands, whatever the number of crews; O(1) a demand where nobody is eligible.
        """
        choices = [Choice(demand.key, None, inf, AssignReason.NO_CREW, ()) for demand in demands]
        if not self._crews.free:
            return choices
        counts: dict[Kind, int] = {}
        live = []
        kinds = []
        for index, demand in enumerate(demands):
            kind = Kind(demand.capability, demand.territory)
            count = counts.get(kind)
            if count is None:
                count = counts[kind] = self._crews.free.count(kind)
            if count and isfinite(demand.latitude_deg) and isfinite(demand.longitude_deg):
                live.append(index)
                kinds.append(kind)
        if not live:
            return choices
        asked = [demands[index] for index in live]
        candidates = Candidates(asked, kinds, counts, self._crews)
        grants = assign([demand.priority for demand in asked], candidates.rank)
        passed_over = candidates.explain(grants)
        for place, (index, grant) in enumerate(zip(live, grants, strict=True)):
            if grant is not None:
                alone = candidates.is_nearest(place, grant.row)
                reason = AssignReason.NEAREST_CAPABLE if alone else AssignReason.BEST_FOR_ALL
                choices[index] = Choice(demands[index].key, CrewNo(grant.row), grant.distance_m, reason, passed_over[place])
        return choices

    def _check(self, crew_no: int) -> None:
        if not 0 <= crew_no < len(self._crews.points):
            raise IndexError(f"crew {crew_no} is unknown: there are {len(self._crews.points)}")

    def _profile(self, crew_no: int) -> Profile:
        return self._crews.profiles[int(self._crews.profile_numbers[crew_no])]

    def _is_free(self, crew_no: int) -> bool:
        return bool(self._crews.hindrances[crew_no] == FREE) and self._crews.points.is_row_placed(crew_no)

    def _list_moved(self, rows: Rows, appeared: npt.NDArray[np.bool_]) -> None:
        """Lists those of the rows that have appeared as free, and takes off those that have gone, unless something hinders."""
        for row, came in zip(rows.tolist(), appeared.tolist(), strict=True):
            if self._crews.hindrances[row] != FREE:
                continue
            if came:
                self._crews.free.add(row, self._profile(row))
            else:
                self._crews.free.discard(row, self._profile(row))

    def _forget_profiles(self) -> None:
        """Numbers the profiles in use anew: crews change theirs for ever, and memory is bounded by the crews there are."""
        crews = self._crews
        fresh = Profiles()
        for crew_no in range(len(crews.points)):
            crews.profile_numbers[crew_no] = fresh.number(self._profile(crew_no))
        crews.profiles = fresh
