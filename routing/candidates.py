"""One batch of demands against the crews as they stand: the nearest eligible crews of each, and why nearer ones were not sent.

Place in the flow: assign. `rank` feeds `routing.assignment`; `explain` turns its grants into what a dispatcher reads.

Crews are found in one of two ways. A *look* asks the k-d tree for the nearest crews of all sorts, once for all demands, and
judges them afterwards: it also holds the explanation. A *comparison* measures the distance to every eligible crew and no
other: it is cheap where few are eligible, and the last resort where a look met none of many. Both are exact and agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from core.limits import PASSED_OVER_MAX
from core.ports import Demand, PassedOver
from core.vocabulary import AssignReason, CrewNo
from routing.assignment import Grant, Ranked
from routing.eligibility import FREE, Codes, FreeCrews, Kind, Profiles, reason_of
from routing.geodesy import Floats, metres, unit_vectors
from routing.moving_points import LOOK_MAX, MovingPoints, Rows, first

FEW: Final = 256
"""So few eligible crews are compared one by one, before the tree is asked anything."""
KEPT: Final = 16
"""Candidates a comparison keeps for each demand, in case others want them too."""
CELLS: Final = 1 << 17
"""Pairs compared in one array (3 MiB of differences), so that they stay in the processor's cache."""
_NOBODY: Final = Ranked([], [], True)


class Crews:
    """What the index knows of the crews, as columns by row. Shared, not copied: a batch reads it while nothing changes."""

    def __init__(self, points: MovingPoints) -> None:
        self.points = points
        self.profiles = Profiles()
        self.free = FreeCrews()
        self.hindrances: Codes = np.zeros(64, dtype=np.uint8)
        self.profile_numbers: Rows = np.zeros(64, dtype=np.int64)


class _Look:
    """What one look at the tree saw for some demands: each line the nearest crews of all sorts, judged."""

    def __init__(self, rows: Rows, chord_squared: Floats, certain: npt.NDArray[np.intp], codes: Codes) -> None:
        known = np.arange(rows.shape[1]) < certain[:, None]
        self._eligible = (codes == FREE) & known
        self._rows = rows
        self._chord_squared = chord_squared
        self.certain: list[int] = certain.tolist()
        # The part that is explained.
        self.nearest: list[list[int]] = rows[:, :PASSED_OVER_MAX].tolist()
        self.codes: list[list[int]] = codes[:, :PASSED_OVER_MAX].tolist()
        self.distances_m: list[list[float]] = metres(chord_squared[:, :PASSED_OVER_MAX]).tolist()

    def eligible(self) -> list[tuple[list[int], list[float]]]:
        """Rows and metres of the eligible crews seen, a pair of lists a line, nearest first."""
        rows = self._rows[self._eligible].tolist()
        distances_m = metres(self._chord_squared[self._eligible]).tolist()
        ends = np.cumsum(np.count_nonzero(self._eligible, axis=1)).tolist()
        starts = [0, *ends[:-1]]
        return [(rows[start:end], distances_m[start:end]) for start, end in zip(starts, ends, strict=True)]


class Candidates:
    """The demands of one batch that have any eligible crew, by index 0 upward. Lives while the batch is decided."""

    def __init__(self, demands: Sequence[Demand], crews: Crews) -> None:
        self._demands = demands
        self._crews = crews
        self._at = unit_vectors(
            np.array([demand.latitude_deg for demand in demands]), np.array([demand.longitude_deg for demand in demands])
        )
        self._kinds: dict[Kind, int] = {}
        self._kind_of = [
            self._kinds.setdefault(Kind(demand.capability, demand.territory), len(self._kinds)) for demand in demands
        ]
        self._counts = [crews.free.count(kind) for kind in self._kinds]
        self._verdicts = np.stack([crews.profiles.verdicts(kind) for kind in self._kinds])
        self._eligible: dict[int, Rows] = {}
        self._ranked: list[Ranked | None] = [None] * len(demands)
        self._looks: list[tuple[_Look, int] | None] = [None] * len(demands)

    def rank(self, demands: Sequence[int], want: int) -> list[Ranked]:
        """For each demand its `want` nearest eligible crews or more, or all if there are fewer (`routing.assignment.Rank`)."""
        few: list[int] = []
        many: list[int] = []
        for demand in demands:
            ranked = self._ranked[demand]
            if ranked is None or (len(ranked.rows) < want and not ranked.complete):
                (few if self._counts[self._kind_of[demand]] <= FEW else many).append(demand)
        if many:
            few += self._rank_by_look(many, want)
        if few:
            self._rank_by_comparison(few, want)
        return [self._ranked[demand] or _NOBODY for demand in demands]

    def explain(self, grants: Sequence[Grant | None]) -> list[tuple[PassedOver, ...]]:
        """For each demand the crews nearer than the one granted, nearest first, and why not they; nothing without a grant."""
        unseen = [demand for demand, grant in enumerate(grants) if grant is not None and self._looks[demand] is None]
        if unseen:
            self._look(unseen, PASSED_OVER_MAX)
        return [() if grant is None else self._passed_over(demand, grant.row) for demand, grant in enumerate(grants)]

    def is_nearest(self, demand: int, row: int) -> bool:
        """Whether no eligible crew is nearer to the demand than the row it was granted."""
        ranked = self._ranked[demand]
        return ranked is not None and ranked.rows[0] == row

    def _passed_over(self, demand: int, chosen: int) -> tuple[PassedOver, ...]:
        seen = self._looks[demand]
        if seen is None or seen[0].nearest[seen[1]][0] == chosen:
            return ()
        look, line = seen
        excluded = self._demands[demand].excluded
        passed = []
        columns = zip(look.nearest[line], look.codes[line], look.distances_m[line], strict=True)
        for (row, code, distance_m), _ in zip(columns, range(look.certain[line]), strict=False):
            if row == chosen:
                break
            kept_from = AssignReason.EXCLUDED if row in excluded else AssignReason.TAKEN
            passed.append(PassedOver(CrewNo(row), distance_m, kept_from if code == FREE else reason_of(code)))
        return tuple(passed)

    def _rank_by_look(self, demands: list[int], want: int) -> list[int]:
        """Ranks by one look at the tree; returns the demands for which it did not go far enough."""
        scarcity = self._crews.points.placed / min(self._counts[self._kind_of[demand]] for demand in demands)
        # With four times the expected rank, a look misses in one of fifty where crews are mixed evenly.
        hope = int((4 if want == 1 else 2) * want * scarcity) + PASSED_OVER_MAX
        if hope > LOOK_MAX and want > 1:
            return demands
        look = self._look(demands, min(hope, LOOK_MAX // 4))
        short = []
        for demand, (rows, distances_m) in zip(demands, look.eligible(), strict=True):
            if excluded := self._demands[demand].excluded:
                left = [at for at, row in enumerate(rows) if row not in excluded]
                rows, distances_m = [rows[at] for at in left], [distances_m[at] for at in left]
            self._ranked[demand] = Ranked(rows, distances_m, False)
            if len(rows) < want:
                short.append(demand)
        return short

    def _look(self, demands: list[int], hope: int) -> _Look:
        crews = self._crews
        near = crews.points.nearest(self._at[demands], PASSED_OVER_MAX, hope)
        hindrances = crews.hindrances[near.rows]
        kinds = np.array([self._kind_of[demand] for demand in demands])
        codes = np.where(hindrances, hindrances, self._verdicts[kinds[:, None], crews.profile_numbers[near.rows]])
        look = _Look(near.rows, near.chord_squared, near.certain, codes)
        for line, demand in enumerate(demands):
            self._looks[demand] = look, line
        return look

    def _rank_by_comparison(self, demands: list[int], want: int) -> None:
        by_kind: dict[int, list[int]] = {}
        for demand in demands:
            by_kind.setdefault(self._kind_of[demand], []).append(demand)
        for number, alike in by_kind.items():
            rows = self._eligible.get(number)
            if rows is None:
                rows = self._eligible[number] = self._crews.free.eligible(list(self._kinds)[number])
            step = max(1, CELLS // len(rows))
            for start in range(0, len(alike), step):
                self._compare(alike[start : start + step], rows, max(want, KEPT))

    def _compare(self, demands: list[int], rows: Rows, keep: int) -> None:
        """Ranks demands of one kind among its eligible rows, given in ascending order."""
        chord_squared = self._crews.points.chords_squared(self._at[demands], rows)
        if len(rows) <= FEW:
            # Stable over ascending rows: ties fall to the lower.
            order = np.argsort(chord_squared, axis=1, kind="stable")
        for line, demand in enumerate(demands):
            if excluded := self._demands[demand].excluded:
                left = np.flatnonzero(~np.isin(rows, np.fromiter(excluded, np.int64, len(excluded))))
                best, found = first(rows[left], chord_squared[line, left], keep)
                whole = len(left)
            elif len(rows) <= FEW:
                columns = order[line, :keep]
                best, found = rows[columns], chord_squared[line, columns]
                whole = len(rows)
            else:
                best, found = first(rows, chord_squared[line], keep)
                whole = len(rows)
            self._ranked[demand] = Ranked(best.tolist(), metres(found).tolist(), len(best) == whole)
