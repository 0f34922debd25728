"""One batch of demands against the crews as they stand: the nearest eligible crews of each, and why nearer ones were not sent.

Place in the flow: assign. `rank` feeds `routing.assignment`; `explain` turns its grants into what a dispatcher reads.

Crews are found in one of two ways. A *look* asks a capability's k-d tree for its nearest crews, once for all demands, and
judges them afterwards. A *comparison* measures the distance to every eligible crew and no other: it is cheap where few are
eligible, and the last resort where a look met none. Both are exact and agree.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from itertools import compress
from math import inf
from typing import Final, NamedTuple

import numpy as np

from core.limits import PASSED_OVER_MAX
from core.ports import Demand, PassedOver
from core.vocabulary import AssignReason, CrewNo
from routing.assignment import Grant, Ranked
from routing.eligibility import Homes, Standings, Tally, why_not
from routing.geodesy import Flags, metres, metres_of, unit_vector
from routing.moving_points import MovingPoints
from routing.neighbours import Line, Lines, Rows, first

HOPE_MIN: Final = 6
"""Neighbours looked for at least: enough for two that want the same crew, and no dearer than one."""
HOPE_MAX: Final = 96
"""A look for more neighbours than this costs more than comparing the eligible crews, where these are so rare."""
MANY: Final = 2048
"""Comparing more than this costs more than a second, deeper look."""
DEEPER: Final = 6
"""How much deeper it is."""
LEEWAY: Final = 16
"""Neighbours beyond those wanted that a look takes at most, where all may be sent: of many, chance misses a smaller share."""
UNRANKED: Final = Ranked((), (), False)
FEW_DEMANDS: Final = 12
"""Demands of one capability that are judged one by one, without arrays."""
TOLD_MIN: Final = 4
"""Crews a demand is told at least: as many as `routing.assignment` asks for when one is not enough."""
KEPT: Final = 16
"""Candidates a comparison keeps for each demand, in case others want them too."""
CELLS: Final = 1 << 17
"""Pairs compared in one array (3 MiB of differences), so that they stay in the processor's cache."""


class Crews:
    """What the index knows of the crews. Shared, not copied: a batch reads it while nothing changes."""

    def __init__(self, points: MovingPoints, few_demands: int = FEW_DEMANDS) -> None:
        self.points = points
        self.few_demands = few_demands
        self.homes = Homes()
        self.tally = Tally()
        self.standings: Standings = np.zeros(64, dtype=np.intp)


def name_nearest(demand: Demand, most: int, crews: Crews) -> tuple[PassedOver, ...]:
    """The capable crews nearest to a demand that nobody was granted for, and why not they."""
    at = np.array([unit_vector(demand.latitude_deg, demand.longitude_deg)])
    (line,) = crews.points.nearest(demand.capability, at, most)
    return _tell(demand, line, min(most, len(line.rows)), crews)


def _tell(demand: Demand, line: Line, count: int, crews: Crews, granted: Set[int] | None = None) -> tuple[PassedOver, ...]:
    """Why not the first so many of a line, none of whom goes to the demand.

    Who may be sent goes elsewhere; where `granted` says who goes anywhere, the others were slower by road.
    """
    serving = crews.homes.serving(demand.territory)
    told = []
    for row, distance_m in zip(line.rows[:count], metres_of(line.chords_squared[:count]), strict=True):
        standing = crews.standings.item(row)
        reason = why_not(standing)
        if reason is None and standing not in serving:
            silent = crews.homes.is_silent(standing) and not demand.silent
            reason = AssignReason.STALE_POSITION if silent else AssignReason.OTHER_TERRITORY
        elif reason is None:
            elsewhere = granted is None or row in granted
            reason = AssignReason.TAKEN if elsewhere else AssignReason.SLOWER_BY_ROAD
            reason = AssignReason.EXCLUDED if row in demand.excluded else reason
        told.append(PassedOver(CrewNo(row), distance_m, reason))
    return tuple(told)


class _Look(NamedTuple):
    """What a look found for one demand: which line of it, and which of the crews on it may be sent."""

    lines: Lines
    eligible: Flags
    complete: Flags
    place: int

    def near(self) -> Line:
        """The eligible crews."""
        kept = np.flatnonzero(self.eligible[self.place])
        rows, chords_squared = self.lines.rows[self.place], self.lines.chords_squared[self.place]
        return Line(rows[kept].tolist(), chords_squared[kept].tolist(), bool(self.complete[self.place]))

    def seen(self) -> Line:
        """All capable crews."""
        return self.lines[self.place]


class Candidates:
    """Some demands, by index 0 upward. Lives while the batch is decided."""

    def __init__(self, demands: Sequence[Demand], counts: Sequence[int], crews: Crews) -> None:
        """`counts` says how many crews could be sent to each demand; the demands' places are finite."""
        self._demands = demands
        self._crews = crews
        self.at = np.array([unit_vector(demand.latitude_deg, demand.longitude_deg) for demand in demands])
        """Each demand's place as a unit vector."""
        self._counts = counts
        self._first: list[Grant | None] = [None] * len(demands)
        """The nearest eligible crew of each demand, where a look has met one."""
        self._nearest = [-1] * len(demands)
        """The nearest capable crew of each demand, eligible or not; -1 where none has been met."""
        self._seen: list[Line | None] = [None] * len(demands)
        """The nearest capable crews of each demand, eligible or not, where a look for few has told them."""
        self._looks: list[_Look | None] = [None] * len(demands)
        """The same, where a look for many has."""
        self._near: list[Line | None] = [None] * len(demands)
        """The nearest eligible crews of each demand, as far as anybody has asked for more than the first."""
        self._ranked: list[Ranked] = [UNRANKED] * len(demands)
        """What was told of each demand last."""
        self._eligible: dict[tuple[str, str], Rows] = {}
        self._admitted: dict[str, Flags] = {}
        """Standings that may be sent to each territory."""

    def first(self, want: int = 1) -> list[Grant | None]:
        """The nearest eligible crew of each demand, None where there is none; `want` more will be asked for at once."""
        self._rank_by_look(list(range(len(self._demands))), want, 1)
        missing = [demand for demand, grant in enumerate(self._first) if grant is None]
        for demand, ranked in zip(missing, self.rank(missing, 1), strict=True):
            if ranked.rows:
                self._first[demand] = Grant(ranked.rows[0], ranked.costs[0])
        return list(self._first)

    def rank(self, demands: Sequence[int], want: int) -> list[Ranked]:
        """For each demand its `want` nearest eligible crews or more, or all if there are fewer (`routing.assignment.Rank`)."""
        short = [demand for demand in demands if self._is_short(demand, want)]
        for stretch in (1, DEEPER):
            if short:
                self._rank_by_look(short, want, stretch)
                short = [demand for demand in short if self._is_short(demand, want)]
        if short:
            self._rank_by_comparison(short, want)
            for demand in short:
                self._is_short(demand, want)
        return [self._ranked[demand] for demand in demands]

    def explain(self, grants: Sequence[Grant | None], *, by_road: bool = False) -> list[tuple[PassedOver, ...]]:
        """For each demand the capable crews nearer than the one granted, and why not they; nothing without a grant.

        Where they were ranked by road, who could have gone and is not granted to anybody would have been slower.
        """
        granted = {grant.row for grant in grants if grant is not None} if by_road else None
        told: list[tuple[PassedOver, ...]] = [()] * len(grants)
        unseen: dict[str, list[int]] = {}
        for demand, grant in enumerate(grants):
            if grant is not None and grant.row != self._nearest[demand]:
                line = self._seen_of(demand)
                if line is not None and (grant.row in line.rows or line.complete or len(line.rows) >= PASSED_OVER_MAX):
                    told[demand] = self._passed_over(demand, grant.row, line, granted)
                else:
                    unseen.setdefault(self._demands[demand].capability, []).append(demand)
        for capability, alike in unseen.items():
            lines = self._crews.points.nearest(capability, self.at[alike], PASSED_OVER_MAX)
            for demand, line in zip(alike, lines, strict=True):
                grant = grants[demand]
                assert grant is not None, "only granted demands are unseen"
                told[demand] = self._passed_over(demand, grant.row, line, granted)
        return told

    def _seen_of(self, demand: int) -> Line | None:
        look = self._looks[demand]
        return self._seen[demand] if look is None else look.seen()

    def is_nearest(self, demand: int, grant: Grant) -> bool:
        """Whether no eligible crew is nearer to the demand than the one it was granted."""
        first = self._first[demand]
        return first is None or first.cost >= grant.cost

    def _is_short(self, demand: int, want: int) -> bool:
        """Whether more must be known of the demand; if not, `_ranked` tells enough."""
        ranked = self._ranked[demand]
        if ranked.complete or len(ranked.rows) >= want:
            return False
        line = self._near[demand]
        look = self._looks[demand]
        if line is None and look is not None:
            line = self._near[demand] = look.near()
        if line is None or (len(line.rows) < want and not line.complete):
            return True
        # What is not asked for is not turned into metres.
        told = max(want, TOLD_MIN)
        chords_squared = line.chords_squared[:told]
        self._ranked[demand] = Ranked(line.rows[:told], metres_of(chords_squared), line.complete and len(line.rows) <= told)
        return False

    def _passed_over(self, demand: int, chosen: int, line: Line, granted: Set[int] | None) -> tuple[PassedOver, ...]:
        nearer = line.rows.index(chosen) if chosen in line.rows else len(line.rows)
        return _tell(self._demands[demand], line, min(nearer, PASSED_OVER_MAX), self._crews, granted)

    def _rank_by_look(self, demands: list[int], want: int, stretch: int) -> None:
        """Ranks by one look a capability; demands whose eligible crews are rare may get fewer than wanted.

        A second look, `stretch` times as deep, is for those whose eligible crews are too many to be compared.
        """
        by_capability: dict[str, list[int]] = {}
        for demand in demands:
            by_capability.setdefault(self._demands[demand].capability, []).append(demand)
        points = self._crews.points
        for capability, alike in by_capability.items():
            # The share of eligible crews decides how deep to look: with four times the expected rank, a look misses in one of
            # fifty where crews are mixed evenly.
            depth = min(2 * want + 2, want + LEEWAY) * len(points.members(capability)) * stretch
            looked = []
            most = HOPE_MIN
            for demand in alike:
                hope = depth // self._counts[demand] + 1
                if hope <= HOPE_MAX * stretch and (stretch == 1 or self._counts[demand] > MANY):
                    most = max(most, hope)
                    looked.append(demand)
                elif self._looks[demand] is None and self._near[demand] is None:
                    looked.append(demand)
            if len(looked) > self._crews.few_demands:
                self._judge(looked, points.look(capability, self.at[looked], most))
            elif looked:
                for demand, line in zip(looked, points.look_for_few(capability, self.at[looked], most), strict=True):
                    self._judge_one(demand, line)

    def _judge(self, demands: list[int], lines: Lines) -> None:
        """Says which crews on the demands' lines may be sent, and which is the nearest of each."""
        territories = [self._demands[demand].territory for demand in demands]
        numbers = {territory: number for number, territory in enumerate(dict.fromkeys(territories))}
        admitted = np.array([self._admits(territory) for territory in numbers])
        number = np.array([numbers[territory] for territory in territories])
        eligible = admitted[number[:, None], self._crews.standings.take(lines.rows)]
        # Behind a line the chords are infinite.
        eligible &= lines.chords_squared < inf
        counts = np.array([self._counts[demand] for demand in demands])
        complete = lines.complete | (np.count_nonzero(eligible, axis=1) == counts)
        for place, demand in enumerate(demands):
            if excluded := self._demands[demand].excluded:
                eligible[place] &= ~np.isin(lines.rows[place], np.fromiter(excluded, np.int64, len(excluded)))
        everyone = np.arange(len(demands))
        first = eligible.argmax(axis=1)
        met = eligible[everyone, first].tolist()
        rows = lines.rows[everyone, first].tolist()
        distances_m = metres(lines.chords_squared[everyone, first]).tolist()
        nearest = np.where(lines.counts > 0, lines.rows[:, 0], -1).tolist()
        for place, demand in enumerate(demands):
            self._near[demand] = self._seen[demand] = None
            self._looks[demand] = _Look(lines, eligible, complete, place)
            self._nearest[demand] = nearest[place]
            if met[place]:
                self._first[demand] = Grant(rows[place], distances_m[place])

    def _judge_one(self, demand: int, line: Line) -> None:
        """As `_judge`, without the calls of numpy that pay only for many."""
        serving = self._crews.homes.serving(self._demands[demand].territory)
        standing_of = self._crews.standings.item
        eligible = [standing_of(row) in serving for row in line.rows]
        complete = line.complete or sum(eligible) == self._counts[demand]
        if excluded := self._demands[demand].excluded:
            eligible = [may and row not in excluded for may, row in zip(eligible, line.rows, strict=True)]
        near = Line(list(compress(line.rows, eligible)), list(compress(line.chords_squared, eligible)), complete)
        self._near[demand] = near
        self._seen[demand], self._looks[demand] = line, None
        self._nearest[demand] = line.rows[0] if line.rows else -1
        if near.rows:
            self._first[demand] = Grant(near.rows[0], metres_of(near.chords_squared[:1])[0])

    def _admits(self, territory: str) -> Flags:
        admitted = self._admitted.get(territory)
        if admitted is None:
            admitted = self._admitted[territory] = self._crews.homes.admitted(territory)
        return admitted

    def _rank_by_comparison(self, demands: list[int], want: int) -> None:
        kinds: dict[tuple[str, str], list[int]] = {}
        for demand in demands:
            kinds.setdefault((self._demands[demand].capability, self._demands[demand].territory), []).append(demand)
        for kind, alike in kinds.items():
            rows = self._eligible.get(kind)
            if rows is None:
                able = self._crews.points.members(kind[0])
                rows = able[self._admits(kind[1])[self._crews.standings[able]]]
                self._eligible[kind] = rows
            step = max(1, CELLS // len(rows))
            for start in range(0, len(alike), step):
                self._compare(alike[start : start + step], rows, max(want, KEPT))

    def _compare(self, demands: list[int], rows: Rows, keep: int) -> None:
        """Ranks demands of one kind among its eligible rows."""
        chords_squared = self._crews.points.chords_squared(self.at[demands], rows)
        for apart, demand in zip(chords_squared, demands, strict=True):
            left = rows
            if excluded := self._demands[demand].excluded:
                kept = ~np.isin(rows, np.fromiter(excluded, np.int64, len(excluded)))
                left, apart = rows[kept], apart[kept]
            self._near[demand] = first(left, apart, keep)
