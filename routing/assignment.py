"""Who goes where when several demands are decided together: each priority at its least total distance, exactly.

Place in the flow: the heart of assign. It knows rows and metres only; `rank` tells it the nearest eligible crews of a demand.

Rules (CITY-16):
- A more urgent priority chooses first; what it takes is gone for the others.
- Within a priority as many demands as possible are served, and among all ways to do that the total distance is least.
- Where nobody else wants a demand's nearest crew, it gets it: with the nearest crew for everyone the total cannot be less.
- Demands that want the same crews form a *party*. Of n demands the other n - 1 can take at most n - 1 crews from under one, so
  its n nearest are all it needs (one that uses a farther crew has a nearer one untaken, and would be better off with it). A
  party is complete when no crew on its members' lists is on another party's; then the parties are independent, and solving each
  exactly solves all.
- Ties fall to the lower row. The answer depends on demands and distances alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

CELLS_MAX: Final = 1 << 20
"""Demands times crews of one party solved together (8 MiB, tens of milliseconds). A larger party is solved in the order of its
demands, as many at a time as fit: only then is the total not proved least."""


class Ranked(NamedTuple):
    """A demand's nearest eligible crews, nearest first, ties to the lower row."""

    rows: list[int]
    distances_m: list[float]
    complete: bool
    """Whether these are all eligible crews there are."""


Rank = Callable[[Sequence[int], int], list[Ranked]]
"""`rank(demands, want)`: for each demand, by its index, its `want` nearest or more, or all if there are fewer."""


class Grant(NamedTuple):
    """The crew a demand gets."""

    row: int
    distance_m: float


def assign(priorities: Sequence[int], rank: Rank) -> list[Grant | None]:
    """Grants each demand a crew, or None where none is left for it.

    Args:
        priorities: each demand's priority, 1 the most urgent.
        rank: the nearest eligible crews of demands, the same whenever asked.

    Returns:
        One grant a demand, in the order given; no row twice.
    """
    everyone = range(len(priorities))
    grants: list[Grant | None] = [
        Grant(ranked.rows[0], ranked.distances_m[0]) if ranked.rows else None for ranked in rank(everyone, 1)
    ]
    wanted = [grant.row for grant in grants if grant is not None]
    if len(set(wanted)) == len(wanted):
        return grants
    classes: dict[int, list[int]] = {}
    for demand in everyone:
        if grants[demand] is not None:
            classes.setdefault(priorities[demand], []).append(demand)
            grants[demand] = None
    taken: set[int] = set()
    for priority in sorted(classes):
        waiting = classes[priority]
        while waiting:
            waiting = _Round(waiting, rank, taken).settle(grants)
    return grants


class _Party:
    """Demands that want the same crews, in order, and their lists: as many crews each as there are members."""

    __slots__ = ("lists", "members")

    def __init__(self, members: list[int]) -> None:
        self.members = members
        self.lists: list[Ranked] = []


class _Round:
    """One priority's demands being split into independent parties.

    Invariant: `_holder` maps each row on a settled party's lists to that party, and no row to two.
    """

    def __init__(self, demands: list[int], rank: Rank, taken: set[int]) -> None:
        self._demands = demands
        self._rank = rank
        self._taken = taken
        self._holder: dict[int, _Party] = {}
        self._deferred: list[int] = []

    def settle(self, grants: list[Grant | None]) -> list[int]:
        """Writes the grants of this round and returns the demands that did not fit into it."""
        unsettled = self._gather()
        while unsettled:
            self._grow(unsettled.pop(), unsettled)
        # Parties in the order of their first demand; each is met once a row, so the dictionary keeps one of each.
        for party in {id(party): party for party in self._holder.values()}.values():
            for demand, grant in zip(party.members, _solve(party.lists), strict=True):
                grants[demand] = grant
        self._taken.update(grant.row for demand in self._demands if (grant := grants[demand]) is not None)
        return sorted(self._deferred)

    def _gather(self) -> list[_Party]:
        """Puts demands with one nearest crew into one party; those alone with theirs are settled, the others returned."""
        parties: dict[int, _Party] = {}
        for demand, ranked in zip(self._demands, self._untaken(self._demands, 1), strict=True):
            if not ranked.rows:
                continue
            party = parties.get(ranked.rows[0])
            if party is None:
                party = parties[ranked.rows[0]] = _Party([])
            party.members.append(demand)
            party.lists = [ranked]
        unsettled = []
        for row, party in parties.items():
            if len(party.members) == 1:
                self._holder[row] = party
            else:
                unsettled.append(party)
        return unsettled

    def _grow(self, party: _Party, unsettled: list[_Party]) -> None:
        """Lists as many crews for each member as there are members, and joins the parties met there."""
        members = sorted(party.members)
        while True:
            # One list tells how long they will be before all are made.
            longest = len(self._untaken(members[:1], len(members))[0].rows)
            if longest * len(members) <= CELLS_MAX:
                party.lists = self._untaken(members, len(members))
                rows = {row for ranked in party.lists for row in ranked.rows}
                if len(rows) * len(members) <= CELLS_MAX:
                    break
            self._deferred.extend(members[len(members) // 2 :])
            del members[len(members) // 2 :]
        party.members = members
        met = {id(other): other for row in rows if (other := self._holder.get(row)) is not None}
        if not met:
            self._holder.update(dict.fromkeys(rows, party))
            return
        for other in met.values():
            party.members.extend(other.members)
            for ranked in other.lists:
                for row in ranked.rows:
                    self._holder.pop(row, None)
        unsettled.append(party)

    def _untaken(self, demands: Sequence[int], want: int) -> list[Ranked]:
        """The `want` nearest of each demand that no more urgent one has taken."""
        lists: list[Ranked | None] = [None] * len(demands)
        missing = list(range(len(demands)))
        ask = want
        while missing:
            short = []
            for place, ranked in zip(missing, self._rank([demands[place] for place in missing], ask), strict=True):
                rows, distances_m, complete = ranked
                if self._taken and not self._taken.isdisjoint(rows):
                    left = [at for at, row in enumerate(rows) if row not in self._taken]
                    rows, distances_m = [rows[at] for at in left], [distances_m[at] for at in left]
                if len(rows) < want and not complete:
                    short.append(place)
                else:
                    lists[place] = Ranked(rows[:want], distances_m[:want], complete)
            missing = short
            ask *= 2
        return [ranked for ranked in lists if ranked is not None]


def _solve(lists: list[Ranked]) -> list[Grant | None]:
    """The best grants of one party: most members served, then least total distance, then lower rows."""
    if len(lists) == 1:
        return [Grant(lists[0].rows[0], lists[0].distances_m[0])]
    listed = np.concatenate([np.asarray(ranked.rows, dtype=np.int64) for ranked in lists])
    distances_m = np.concatenate([np.asarray(ranked.distances_m) for ranked in lists])
    lines = np.repeat(np.arange(len(lists)), [len(ranked.rows) for ranked in lists])
    crews, columns = np.unique(listed, return_inverse=True)
    # Going unserved costs more than every way of serving all, so no total distance can buy it.
    unserved_m = 1.0 + sum(ranked.distances_m[-1] for ranked in lists if ranked.rows)
    costs = np.full((len(lists), len(crews)), unserved_m)
    costs[lines, columns] = distances_m
    lines_chosen, columns_chosen = linear_sum_assignment(costs)
    places: list[int | None] = [None] * len(lists)
    used: set[int] = set()
    for line, row in zip(lines_chosen.tolist(), crews[columns_chosen].tolist(), strict=True):
        if costs[line, np.searchsorted(crews, row)] < unserved_m:
            places[line] = lists[line].rows.index(row)
            used.add(row)
    _prefer_lower(lists, places, used)
    return [
        None if place is None else Grant(ranked.rows[place], ranked.distances_m[place])
        for ranked, place in zip(lists, places, strict=True)
    ]


def _prefer_lower(lists: list[Ranked], places: list[int | None], used: set[int]) -> None:
    """Moves members to crews that stand before theirs and are left over: in a least total these can only be equally far."""
    changed = True
    while changed:
        changed = False
        for line, (ranked, place) in enumerate(zip(lists, places, strict=True)):
            if place is None:
                continue
            for before in range(place):
                if ranked.rows[before] not in used:
                    used.remove(ranked.rows[place])
                    used.add(ranked.rows[before])
                    places[line] = before
                    changed = True
                    break
