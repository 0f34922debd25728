"""One batch of demands against the crews as they stand: the nearest eligible crews of each, and why nearer ones were not sent.

Place in the flow: assign. `rank` feeds `routing.assignment`; `explain` turns its grants into what a dispatcher reads.

Crews are found in one of two ways. A *look* asks the k-d trees for the nearest crews, those with the capability wanted and
those of all sorts, once for all demands, and judges them afterwards. A *comparison* measures the distance to every eligible
crew and no other: it is cheap where few are eligible, and the last resort where a look met none. Both are exact and agree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from core.limits import PASSED_OVER_MAX
from core.ports import Demand, PassedOver
from core.vocabulary import AssignReason, CrewNo
from routing.assignment import Grant, Ranked
from routing.eligibility import FREE, Codes, FreeCrews, Kind, Profiles, reason_of
from routing.geodesy import metres, unit_vectors
from routing.moving_points import EVERYONE, Ask, MovingPoints
from routing.neighbours import Near, Rows, first

HOPE_MAX: Final = 96
"""A look for more neighbours than this costs more than comparing the eligible crews, where these are so rare."""
FEW: Final = 256
"""So few eligible crews are sorted for all demands at once."""
MANY: Final = 2048
"""Comparing more than this costs more than a second, deeper look."""
DEEPER: Final = 6
"""How much deeper it is."""
KEPT: Final = 16
"""Candidates a comparison keeps for each demand, in case others want them too."""
CELLS: Final = 1 << 17
"""Pairs compared in one array (3 MiB of differences), so that they stay in the processor's cache."""


class Crews:
    """What the index knows of the crews, as columns by row. Shared, not copied: a batch reads it while nothing changes."""

    def __init__(self, points: MovingPoints) -> None:
        self.points = points
        self.profiles = Profiles()
        self.free = FreeCrews()
        self.hindrances: Codes = np.zeros(64, dtype=np.uint8)
        self.profile_numbers: Rows = np.zeros(64, dtype=np.int64)


class _Seen:
    """The nearest crews of all sorts that some demands have, judged: what explanations are made of."""

    __slots__ = ("certain", "codes", "distances_m", "rows")

    def __init__(self, near: Near, codes: Codes) -> None:
        self.rows: list[list[int]] = near.rows[:, :PASSED_OVER_MAX].tolist()
        self.codes: list[list[int]] = codes[:, :PASSED_OVER_MAX].tolist()
        self.distances_m: list[list[float]] = metres(near.chord_squared[:, :PASSED_OVER_MAX]).tolist()
        self.certain: list[int] = near.certain.tolist()


class Candidates:
    """Some demands that have eligible crews, by index 0 upward. Lives while the batch is decided."""

    def __init__(self, demands: Sequence[Demand], kinds: Sequence[Kind], counts: Mapping[Kind, int], crews: Crews) -> None:
        """`kinds` are the demands' kinds, one each; `counts` says how many crews could be sent to each kind, at least one."""
        self._demands = demands
        self._crews = crews
        self._at = unit_vectors(
            np.array([demand.latitude_deg for demand in demands]), np.array([demand.longitude_deg for demand in demands])
        )
        numbers: dict[Kind, int] = {}
        self._kind_of = [numbers.setdefault(kind, len(numbers)) for kind in kinds]
        self._kinds = list(numbers)
        self._counts = [counts[kind] for kind in self._kinds]
        self._verdicts = np.stack([crews.profiles.verdicts(kind) for kind in self._kinds])
        self._eligible: dict[int, Rows] = {}
        self._ranked: list[Ranked | None] = [None] * len(demands)
        self._seen: list[tuple[_Seen, int] | None] = [None] * len(demands)
        crews.points.settle(len(demands))

    def rank(self, demands: Sequence[int], want: int) -> list[Ranked]:
        """For each demand its `want` nearest eligible crews or more, or all if there are fewer (`routing.assignment.Rank`)."""
        short = [demand for demand in demands if self._is_short(demand, want)]
        for stretch in (1, DEEPER):
            if short:
                self._rank_by_look(short, want, stretch)
                short = [demand for demand in short if self._is_short(demand, want)]
        if short:
            self._rank_by_comparison(short, want)
        return [ranked for demand in demands if (ranked := self._ranked[demand]) is not None]

    def explain(self, grants: Sequence[Grant | None]) -> list[tuple[PassedOver, ...]]:
        """For each demand the crews nearer than the one granted, nearest first, and why not they; nothing without a grant."""
        unseen = [demand for demand, grant in enumerate(grants) if grant is not None and not self._shows(demand, grant.row)]
        if unseen:
            near = self._crews.points.nearest(self._at[unseen], PASSED_OVER_MAX)
            self._note(unseen, near, self._judge(unseen, near.rows))
        return [() if grant is None else self._passed_over(demand, grant.row) for demand, grant in enumerate(grants)]

    def is_nearest(self, demand: int, row: int) -> bool:
        """Whether no eligible crew is nearer to the demand than the row it was granted."""
        ranked = self._ranked[demand]
        return ranked is not None and ranked.rows[0] == row

    def _is_short(self, demand: int, want: int) -> bool:
        ranked = self._ranked[demand]
        return ranked is None or (len(ranked.rows) < want and not ranked.complete)

    def _shows(self, demand: int, chosen: int) -> bool:
        """Whether what was seen for the demand is enough to explain the choice."""
        noted = self._seen[demand]
        if noted is None:
            return False
        seen, line = noted
        certain = seen.certain[line]
        return certain >= min(PASSED_OVER_MAX, self._crews.points.placed) or chosen in seen.rows[line][:certain]

    def _passed_over(self, demand: int, chosen: int) -> tuple[PassedOver, ...]:
        noted = self._seen[demand]
        if noted is None:
            return ()
        seen, line = noted
        rows = seen.rows[line]
        if rows[0] == chosen:
            return ()
        excluded = self._demands[demand].excluded
        codes, distances_m = seen.codes[line], seen.distances_m[line]
        passed = []
        for column in range(min(seen.certain[line], len(rows))):
            row, code = rows[column], codes[column]
            if row == chosen:
                break
            kept_from = AssignReason.EXCLUDED if row in excluded else AssignReason.TAKEN
            passed.append(PassedOver(CrewNo(row), distances_m[column], kept_from if code == FREE else reason_of(code)))
        return tuple(passed)

    def _judge(self, demands: Sequence[int], rows: Rows) -> Codes:
        """What hinders each of the rows, shape (m, w), from going to its line's demand."""
        crews = self._crews
        kinds = np.array([self._kind_of[demand] for demand in demands])
        codes = self._verdicts[kinds[:, None], crews.profile_numbers[rows]]
        hindrances = crews.hindrances[rows]
        return np.where(hindrances, hindrances, codes)

    def _note(self, demands: Sequence[int], near: Near, codes: Codes) -> None:
        """Keeps what explanations are made of."""
        seen = _Seen(near, codes)
        for line, demand in enumerate(demands):
            self._seen[demand] = seen, line

    def _hope(self, demand: int, want: int) -> int:
        """How many crews with the capability must be seen to see `want` eligible ones, by their share of all."""
        kind = self._kind_of[demand]
        able = self._crews.points.members(self._kinds[kind].capability)
        # With four times the expected rank, a look misses in one of fifty where crews are mixed evenly.
        return int((2 * want + 2) * able / self._counts[kind]) + 1

    def _rank_by_look(self, demands: list[int], want: int, stretch: int) -> None:
        """Ranks by one look those demands whose eligible crews are not too rare; some may get fewer than wanted.

        A second look, `stretch` times as deep, is for those whose eligible crews are too many to be compared.
        """
        points = self._crews.points
        if points.are_few:
            self._look([demand for demand in demands if self._ranked[demand] is None], [], points.placed)
            return
        layers: dict[str, tuple[list[int], int]] = {}
        for demand in demands:
            hope = self._hope(demand, want) * stretch
            if hope <= HOPE_MAX * stretch and (stretch == 1 or self._counts[self._kind_of[demand]] > MANY):
                capability = self._kinds[self._kind_of[demand]].capability
                alike, most = layers.get(capability, ([], 0))
                alike.append(demand)
                layers[capability] = alike, max(most, hope)
        ordered = [demand for alike, _ in layers.values() for demand in alike]
        asks = [Ask(capability, len(alike), hope) for capability, (alike, hope) in layers.items()]
        self._look(ordered, asks, PASSED_OVER_MAX + 1)

    def _look(self, demands: list[int], asks: list[Ask], hope: int) -> None:
        """Looks in the layers asked and, for those not seen yet, in everyone's; ranks the demands by what is eligible there."""
        if not demands:
            return
        # Without layers everyone's is all that is looked in, and ranks and explains at once.
        unseen = [demand for demand in demands if self._seen[demand] is None] if asks else demands
        lines = demands + unseen if asks else demands
        if unseen:
            asks = [*asks, Ask(EVERYONE, len(unseen), hope)]
        near = self._crews.points.look(self._at[lines], asks)
        codes = self._judge(lines, near.rows)
        if unseen:
            start = len(lines) - len(unseen)
            self._note(unseen, Near(near.rows[start:], near.chord_squared[start:], near.certain[start:]), codes[start:])
        self._keep(demands, near, codes)

    def _keep(self, demands: list[int], near: Near, codes: Codes) -> None:
        """Ranks the demands by the eligible crews on their lines, which stand first."""
        count = len(demands)
        known = np.arange(near.rows.shape[1]) < near.certain[:count, None]
        eligible = (codes[:count] == FREE) & known
        rows_seen: list[int] = near.rows[:count][eligible].tolist()
        distances_seen_m: list[float] = metres(near.chord_squared[:count][eligible]).tolist()
        end = 0
        for demand, seen in zip(demands, np.count_nonzero(eligible, axis=1).tolist(), strict=True):
            start, end = end, end + seen
            rows, distances_m = rows_seen[start:end], distances_seen_m[start:end]
            complete = seen == self._counts[self._kind_of[demand]]
            if excluded := self._demands[demand].excluded:
                left = [at for at, row in enumerate(rows) if row not in excluded]
                rows, distances_m = [rows[at] for at in left], [distances_m[at] for at in left]
            self._ranked[demand] = Ranked(rows, distances_m, complete)

    def _rank_by_comparison(self, demands: list[int], want: int) -> None:
        by_kind: dict[int, list[int]] = {}
        for demand in demands:
            by_kind.setdefault(self._kind_of[demand], []).append(demand)
        for number, alike in by_kind.items():
            rows = self._eligible.get(number)
            if rows is None:
                rows = self._eligible[number] = self._crews.free.eligible(self._kinds[number])
            step = max(1, CELLS // len(rows))
            for start in range(0, len(alike), step):
                self._compare(alike[start : start + step], rows, max(want, KEPT))

    def _compare(self, demands: list[int], rows: Rows, keep: int) -> None:
        """Ranks demands of one kind among its eligible rows."""
        if len(rows) <= FEW:
            rows = np.sort(rows)
        chord_squared = self._crews.points.chords_squared(self._at[demands], rows)
        if len(rows) <= FEW:
            # Stable over ascending rows: ties fall to the lower.
            order = np.argsort(chord_squared, axis=1, kind="stable")
        for line, demand in enumerate(demands):
            whole = len(rows)
            if excluded := self._demands[demand].excluded:
                left = np.flatnonzero(~np.isin(rows, np.fromiter(excluded, np.int64, len(excluded))))
                best, found = first(rows[left], chord_squared[line, left], keep)
                whole = len(left)
            elif len(rows) <= FEW:
                columns = order[line, :keep]
                best, found = rows[columns], chord_squared[line, columns]
            else:
                best, found = first(rows, chord_squared[line], keep)
            self._ranked[demand] = Ranked(best.tolist(), metres(found).tolist(), len(best) == whole)
