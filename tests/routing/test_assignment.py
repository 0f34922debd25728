"""Who goes where against every way of doing it: most served, least total, priority first, ties to the lower row."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from routing.assignment import CELLS_MAX, Grant, Rank, Ranked
from routing.assignment import assign as assign_ranked
from tests.routing.crew_oracle import least_total

Costs = Sequence[dict[int, float]]


def rank_of(costs: Costs, asked: list[int] | None = None) -> Rank:
    """Ranks by a table; `asked` notes the longest list given for each call."""
    lists = [sorted(line.items(), key=lambda item: (item[1], item[0])) for line in costs]

    def rank(demands: Sequence[int], want: int) -> list[Ranked]:
        if asked is not None:
            asked.append(want)
        return [
            Ranked([row for row, _ in line[:want]], [cost for _, cost in line[:want]], len(line) <= want)
            for line in (lists[demand] for demand in demands)
        ]

    return rank


def assign(priorities: Sequence[int], rank: Rank, cells_max: int = CELLS_MAX) -> list[Grant | None]:
    """Asks for everybody's nearest first, as the crew index does."""
    everyone = rank(range(len(priorities)), 1)
    first = [Grant(ranked.rows[0], ranked.costs[0]) if ranked.rows else None for ranked in everyone]
    return assign_ranked(priorities, first, rank, cells_max)


def rows_of(grants: Sequence[Grant | None]) -> list[int | None]:
    return [None if grant is None else grant.row for grant in grants]


@pytest.mark.parametrize(
    ("costs", "rows"),
    [
        ([], []),
        ([{}], [None]),
        ([{4: 1.0, 2: 2.0}], [4]),
        ([{1: 1.0}, {2: 1.0}], [1, 2]),
        # Both want 1: the one that loses less goes elsewhere.
        ([{1: 10.0, 2: 11.0}, {1: 12.0, 2: 100.0}], [2, 1]),
        # The nearest for the first would leave the second unserved.
        ([{1: 1.0, 2: 900.0}, {1: 5.0}], [2, 1]),
        # More demands than crews: the total is least with the nearer one served.
        ([{7: 5.0}, {7: 3.0}], [None, 7]),
        # A chain: each hands its nearest on.
        ([{1: 1.0, 2: 2.0}, {2: 1.0, 3: 2.0}, {1: 0.5, 3: 50.0}], [2, 3, 1]),
        # Equally far: the lower row.
        ([{3: 1.0, 2: 1.0, 9: 1.0}, {3: 1.0, 2: 1.0, 9: 1.0}], [2, 3]),
    ],
)
def test_assign(costs: Costs, rows: list[int | None]) -> None:
    grants = assign([1] * len(costs), rank_of(costs))
    assert sorted(map(str, rows_of(grants))) == sorted(map(str, rows))
    if len({tuple(sorted(line.items())) for line in costs}) == len(costs):
        assert rows_of(grants) == rows


def test_more_urgent_priority_chooses_first_though_the_total_is_worse() -> None:
    costs = [{1: 1.0, 2: 1000.0}, {1: 5.0, 2: 6.0}]
    assert rows_of(assign([2, 1], rank_of(costs))) == [2, 1]
    assert rows_of(assign([1, 1], rank_of(costs))) == [1, 2]


def test_less_urgent_goes_unserved_when_the_more_urgent_took_its_only_crew() -> None:
    assert rows_of(assign([5, 3], rank_of([{1: 1.0}, {1: 9.0}]))) == [None, 1]


def test_one_call_is_enough_when_nobody_wants_the_same() -> None:
    asked: list[int] = []
    costs = [{row: float(abs(row - demand)) for row in range(50)} for demand in range(50)]
    assert rows_of(assign([1] * 50, rank_of(costs, asked))) == list(range(50))
    assert asked == [1]


def test_lists_stay_short_when_contention_is_local() -> None:
    asked: list[int] = []
    places = [0.0, 0.1, 1000.0, 1000.1, 2000.0]
    costs = [{row: abs(row * 10.0 - place) for row in range(500)} for place in places]
    assert rows_of(assign([1] * 5, rank_of(costs, asked))) == [0, 1, 100, 101, 200]
    assert max(asked) == 4


TABLES = st.lists(
    st.dictionaries(st.integers(0, 7), st.integers(0, 12).map(float), max_size=8),
    max_size=6,
)


@settings(max_examples=300, deadline=None)
@given(TABLES, st.data())
def test_each_priority_has_most_served_and_least_total(costs: Costs, data: st.DataObject) -> None:
    priorities = data.draw(st.lists(st.integers(1, 2), min_size=len(costs), max_size=len(costs)))
    grants = assign(priorities, rank_of(costs))
    given_rows = [row for row in rows_of(grants) if row is not None]
    assert len(set(given_rows)) == len(given_rows)
    taken: set[int] = set()
    for priority in sorted(set(priorities)):
        members = [demand for demand, one in enumerate(priorities) if one == priority]
        left = [{row: cost for row, cost in costs[demand].items() if row not in taken} for demand in members]
        served, total = least_total(left)
        mine = [grant for demand in members if (grant := grants[demand]) is not None]
        assert len(mine) == served
        assert sum(grant.cost for grant in mine) == pytest.approx(total)
        for demand, line in zip(members, left, strict=True):
            grant = grants[demand]
            if grant is not None:
                assert line[grant.row] == grant.cost
                # Whoever is before it, nearer or as near and lower, is with somebody else.
                before = {row for row, cost in line.items() if (cost, row) < (grant.cost, grant.row)}
                assert before <= set(given_rows)
        taken.update(grant.row for grant in mine)


@pytest.mark.parametrize(("demands", "crews"), [(40, 60), (60, 60), (80, 50), (120, 1000)])
def test_total_is_least_when_many_contend(demands: int, crews: int) -> None:
    rng = np.random.default_rng(demands)
    at, stand = rng.normal(0, 1, (demands, 2)), rng.uniform(-3, 3, (crews, 2))
    matrix = np.hypot(*(at[:, None, :] - stand[None, :, :]).transpose(2, 0, 1)) * 1000
    grants = assign([1] * demands, rank_of([dict(enumerate(line.tolist())) for line in matrix]))
    mine = [grant.cost for grant in grants if grant is not None]
    assert len(mine) == min(demands, crews)
    assert sum(mine) == pytest.approx(matrix[linear_sum_assignment(matrix)].sum(), rel=1e-12)


def test_all_are_served_in_order_when_a_party_is_larger_than_fits() -> None:
    costs = [{row: abs(row - 3.0) + demand / 100 for row in range(30)} for demand in range(20)]
    grants = assign([1] * 20, rank_of(costs), cells_max=40)
    rows = [row for row in rows_of(grants) if row is not None]
    assert len(set(rows)) == 20
    # The first that fit together get the nearest; the total of all is not promised, that nobody is forgotten is.
    assert 3 in rows[:5]
