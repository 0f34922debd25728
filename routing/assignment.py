"""Who goes where when several demands are decided together: each priority at its least total cost, exactly.

Place in the flow: the heart of assign. It knows rows and what they cost only: metres, or seconds where roads are known; "near"
is what costs little. `rank` tells it the nearest eligible crews of a demand.

Rules (CITY-16):
- A more urgent priority chooses first; what it takes is gone for the others.
- Within a priority as many demands as possible are served, and among all ways to do that the total distance is least.
- Where nobody else wants a demand's nearest crew, it gets it: with the nearest crew for everyone the total cannot be less.
- Demands whose lists of nearest crews overlap form a *party*, which is solved exactly on those lists. A few members
  need no longer lists than there are members: of so many crews one is left for each, whatever the others get.
- The crews of a larger party get a *price*: what the party would pay more if the crew were gone. A demand whose crew costs it,
  distance and price together, no more than the last crew on its list cannot gain by crews beyond the list; the others' lists
  grow, until there are none. (This is linear programming's duality: the prices prove the total least over all crews.)
- Ties fall to the lower row. The answer depends on demands and distances alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf
from typing import Final, NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from routing.geodesy import Floats
from routing.neighbours import Rows

GROWTH: Final = 4
"""How many times as long a list becomes that is too short."""
TRIED_MAX: Final = 4
"""Members of a party whose ways to be served are simply all tried: a few dozen ways cost less than setting up the solver."""
CELLS_MAX: Final = 1 << 20
"""Demands times crews of one party solved together (8 MiB, tens of milliseconds). A larger party is solved in the order of its
demands, as many at a time as fit: only then is the total not proved least."""


class Ranked(NamedTuple):
    """A demand's nearest eligible crews, nearest first, ties to the lower row."""

    rows: Sequence[int]
    costs: Sequence[float]
    complete: bool
    """Whether these are all eligible crews there are."""


Rank = Callable[[Sequence[int], int], list[Ranked]]
"""`rank(demands, want)`: for each demand, by its index, its `want` nearest or more, or all if there are fewer."""


class Grant(NamedTuple):
    """The crew a demand gets."""

    row: int
    cost: float


def assign(
    priorities: Sequence[int], first: Sequence[Grant | None], rank: Rank, cells_max: int = CELLS_MAX
) -> list[Grant | None]:
    """Grants each demand a crew, or None where none is left for it.

    Args:
        priorities: each demand's priority, 1 the most urgent.
        first: each demand's nearest eligible crew, None where there is none.
        rank: the nearest eligible crews of demands, the same whenever asked.
        cells_max: demands times crews of the largest party solved together.

    Returns:
        One grant a demand, in the order given; no row twice.
    """
    grants = list(first)
    wanted = [grant.row for grant in grants if grant is not None]
    if len(set(wanted)) == len(wanted):
        return grants
    classes: dict[int, list[int]] = {}
    for demand, grant in enumerate(first):
        if grant is not None:
            classes.setdefault(priorities[demand], []).append(demand)
            grants[demand] = None
    taken: set[int] = set()
    for priority in sorted(classes):
        waiting = classes[priority]
        while waiting:
            waiting = _Round(waiting, first, rank, taken, cells_max).settle(grants)
    return grants


class _Round:
    """One priority's demands being settled."""

    def __init__(self, demands: list[int], first: Sequence[Grant | None], rank: Rank, taken: set[int], cells_max: int) -> None:
        self._demands = demands
        self._first = first
        self._rank = rank
        self._taken = taken
        self._cells_max = cells_max
        self._lists: dict[int, Ranked] = {}
        """The demands of this round that can be served at all, each with the crews it looks at."""
        self._holders: dict[int, list[int]] = {}
        """Crew → the demands that look at it."""
        self._deferred: list[int] = []

    def settle(self, grants: list[Grant | None]) -> list[int]:
        """Writes the grants of this round, takes their rows, and returns the demands that did not fit into it."""
        wanting = self._gather(grants)
        while wanting:
            self._extend(wanting)
            again: set[int] = set()
            # A party without a member whose list has grown is as it was.
            for party in self._parties(wanting):
                again |= self._solve(party, grants)
            wanting = again
        self._taken.update(grant.row for demand in self._lists if (grant := grants[demand]) is not None)
        return sorted(self._deferred)

    def _gather(self, grants: list[Grant | None]) -> set[int]:
        """Lists the nearest crew of each demand and grants it; returns the demands that share theirs."""
        bereft: list[int] = []
        for demand in self._demands:
            nearest = self._first[demand]
            if nearest is None or nearest.row in self._taken:
                bereft.append(demand)
            else:
                self._list(demand, Ranked((nearest.row,), (nearest.cost,), False))
                grants[demand] = nearest
        for demand, ranked in zip(bereft, self._untaken(bereft, 1), strict=True):
            if ranked.rows:
                self._list(demand, ranked)
                grants[demand] = Grant(ranked.rows[0], ranked.costs[0])
        return {demand for alike in self._holders.values() if len(alike) > 1 for demand in alike}

    def _extend(self, wanting: set[int]) -> None:
        by_length: dict[int, list[int]] = {}
        for demand in sorted(wanting):
            by_length.setdefault(len(self._lists[demand].rows), []).append(demand)
        for length, alike in by_length.items():
            for demand, ranked in zip(alike, self._untaken(alike, GROWTH * length), strict=True):
                self._list(demand, ranked)

    def _list(self, demand: int, ranked: Ranked) -> None:
        """Lets a demand look at these crews: those it looks at already come first among them."""
        known = self._lists.get(demand)
        for row in ranked.rows[0 if known is None else len(known.rows) :]:
            self._holders.setdefault(row, []).append(demand)
        self._lists[demand] = ranked

    def _parties(self, wanting: set[int]) -> list[list[int]]:
        """The demands that overlapping lists join to these, party by party, each in order."""
        parties: list[list[int]] = []
        met: set[int] = set()
        walked: set[int] = set()
        """Crews all of whose holders have been met."""
        for start in sorted(wanting):
            if start in met:
                continue
            met.add(start)
            party = [start]
            for demand in party:
                for row in self._lists[demand].rows:
                    if row not in walked:
                        walked.add(row)
                        for other in self._holders[row]:
                            if other not in met:
                                met.add(other)
                                party.append(other)
            parties.append(sorted(party))
        return parties

    def _solve(self, party: list[int], grants: list[Grant | None]) -> set[int]:
        """Grants the party its best on its lists; returns the members whose lists are too short to prove it best of all."""
        lists = [self._lists[demand] for demand in party]
        while len(party) * len({row for ranked in lists for row in ranked.rows}) > self._cells_max and len(party) > 1:
            half = len(party) // 2
            for demand in party[half:]:
                for row in self._lists.pop(demand).rows:
                    self._holders[row].remove(demand)
                grants[demand] = None
                self._deferred.append(demand)
            party, lists = party[:half], lists[:half]
        if len(party) <= TRIED_MAX:
            return self._try(party, lists, grants)
        solution = _Solution(lists)
        for demand, ranked, place in zip(party, lists, solution.places, strict=True):
            grants[demand] = None if place is None else Grant(ranked.rows[place], ranked.costs[place])
        worths = solution.worths()
        return {
            demand
            for demand, ranked, worth in zip(party, lists, worths, strict=True)
            if not ranked.complete and worth > ranked.costs[-1]
        }

    def _try(self, party: list[int], lists: list[Ranked], grants: list[Grant | None]) -> set[int]:
        """As `_solve`: of its nearest as many as there are members, one is always left for each, so none looks farther."""
        size = len(party)
        short = {demand for demand, ranked in zip(party, lists, strict=True) if not ranked.complete and len(ranked.rows) < size}
        if short:
            return short
        for demand, ranked, place in zip(party, lists, _best_places(lists), strict=True):
            grants[demand] = None if place is None else Grant(ranked.rows[place], ranked.costs[place])
        return set()

    def _untaken(self, demands: Sequence[int], want: int) -> list[Ranked]:
        """The `want` nearest of each demand that no more urgent one has taken; complete only where those are all."""
        lists: list[Ranked | None] = [None] * len(demands)
        missing = list(range(len(demands)))
        ask = want
        while missing:
            short = []
            for place, ranked in zip(missing, self._rank([demands[place] for place in missing], ask), strict=True):
                rows, costs, complete = ranked
                if self._taken and not self._taken.isdisjoint(rows):
                    left = [at for at, row in enumerate(rows) if row not in self._taken]
                    rows, costs = [rows[at] for at in left], [costs[at] for at in left]
                if len(rows) < want and not complete:
                    short.append(place)
                else:
                    lists[place] = Ranked(rows[:want], costs[:want], complete and len(rows) <= want)
            missing = short
            ask *= 2
        return [ranked for ranked in lists if ranked is not None]


def _best_places(lists: list[Ranked]) -> list[int | None]:
    """Where on its list the crew of each of a few members stands, None for who goes unserved, by trying all ways.

    A list too short for all to be served from it is complete. Ways come in the order of the lists, so the first of the best
    prefers the lower rows.
    """
    size = len(lists)
    unserved = 1.0 + sum([ranked.costs[-1] for ranked in lists])
    least = inf
    best: list[int | None] = []
    rows: list[int] = []
    places: list[int | None] = []

    def go_on(total: float) -> None:
        nonlocal least, best
        if len(places) == size:
            least, best = total, places.copy()
            return
        ranked = lists[len(places)]
        for place, row in enumerate(ranked.rows[:size]):
            together = total + ranked.costs[place]
            if together >= least:
                return
            if row not in rows:
                rows.append(row)
                places.append(place)
                go_on(together)
                rows.pop()
                places.pop()
        if len(ranked.rows) < size and total + unserved < least:
            places.append(None)
            go_on(total + unserved)
            places.pop()

    go_on(0.0)
    return best


class _Solution:
    """The best grants of one party on its lists: most members served, then least total distance, then lower rows.

    `places` says where on its list each member's crew stands, None for a member that goes unserved.
    """

    def __init__(self, lists: list[Ranked]) -> None:
        listed = np.concatenate([np.asarray(ranked.rows, dtype=np.int64) for ranked in lists])
        costs = np.concatenate([np.asarray(ranked.costs) for ranked in lists])
        lines = np.repeat(np.arange(len(lists)), [len(ranked.rows) for ranked in lists])
        crews, columns = np.unique(listed, return_inverse=True)
        # Going unserved costs more than every way of serving all, so no total distance can buy it.
        self._unserved = 1.0 + sum(ranked.costs[-1] for ranked in lists)
        self.costs: Floats = np.full((len(lists), len(crews)), self._unserved)
        self.places: list[int | None] = [None] * len(lists)
        self.costs[lines, columns] = costs
        self._columns = np.full(len(lists), -1)
        """The column of each line's crew, -1 for none."""
        lines, columns = linear_sum_assignment(self.costs)
        for line, column in zip(lines.tolist(), columns.tolist(), strict=True):
            if self.costs[line, column] < self._unserved:
                self._columns[line] = column
                self.places[line] = lists[line].rows.index(crews[column])
        self._prefer_lower(lists, crews)

    def _prefer_lower(self, lists: list[Ranked], crews: Rows) -> None:
        """Moves members to crews that stand before theirs and are left over: in a least total these can only be equally far."""
        used = set(crews[self._columns[self._columns >= 0]].tolist())
        changed = True
        while changed:
            changed = False
            for line, (ranked, place) in enumerate(zip(lists, self.places, strict=True)):
                before = next((at for at in range(place or 0) if ranked.rows[at] not in used), None)
                if place is not None and before is not None:
                    used.remove(ranked.rows[place])
                    used.add(ranked.rows[before])
                    self.places[line] = before
                    self._columns[line] = np.searchsorted(crews, ranked.rows[before])
                    changed = True

    def worths(self) -> list[float]:
        """What each member's crew costs it, distance and price together; for one unserved, more than any crew.

        A crew's price is the most that another member would save by having it, directly or by handing on its own: the least
        prices under which everybody has the best it can get. Complexity: O(cells) for each link of the longest such chain.
        """
        served = self._columns >= 0
        lines = np.flatnonzero(served)
        worths = np.full(len(self.costs), self._unserved)
        own = self.costs[lines, self._columns[lines]]
        prices = np.zeros(self.costs.shape[1])
        for _ in range(len(self.costs) + 1):
            worths[lines] = own + prices[self._columns[lines]]
            bids = (worths[:, None] - self.costs).max(axis=0)
            raised = np.maximum(prices, bids)
            if (raised <= prices).all():
                break
            prices = raised
        result: list[float] = worths.tolist()
        return result
