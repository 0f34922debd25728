"""Candidates found by looking and by comparing are the same, in the same order, however rare or crowded they are."""

from __future__ import annotations

import numpy as np
import pytest

from core.ports import Demand
from core.vocabulary import AssignReason, CrewNo
from routing.candidates import FEW_DEMANDS, MANY, Candidates, Crews
from routing.eligibility import FREE, HINDERED
from routing.geodesy import chords_squared, unit_vector, unit_vectors
from routing.moving_points import FEW, MovingPoints

NOT_FREE = HINDERED[AssignReason.NOT_FREE]


def crews_with(
    places_deg: np.ndarray[tuple[int, int], np.dtype[np.float64]], free: list[bool], build_toil: int, few_demands: int
) -> Crews:
    """Patrol crews without a territory, all alike, some free."""
    crews = Crews(MovingPoints(build_toil=build_toil), few_demands)
    crews.standings = np.where(free, FREE, NOT_FREE)
    for row in range(len(places_deg)):
        crews.points.append()
        crews.points.enlist(row, ["patrol"])
        crews.tally.change(["patrol"], NOT_FREE, crews.standings.item(row))
    crews.points.move(np.arange(len(places_deg)), unit_vectors(places_deg[:, 0], places_deg[:, 1]))
    return crews


def candidates_for(crews: Crews, demands: list[Demand]) -> Candidates:
    return Candidates(demands, [crews.tally.count("patrol", [FREE])] * len(demands), crews)


@pytest.mark.parametrize("build_toil", [0, 10**9], ids=["a tree", "no tree"])
@pytest.mark.parametrize("count", [100, 3_000])
@pytest.mark.parametrize("free_share", [0.003, 0.05, 0.9])
@pytest.mark.parametrize("want", [1, 5, 40])
def test_rank_equals_a_scan(build_toil: int, count: int, free_share: float, want: int) -> None:
    rng = np.random.default_rng(int(free_share * 1000) + want)
    places = np.column_stack((rng.uniform(43, 43.4, count), rng.uniform(76.7, 77.1, count)))
    free = (rng.random(count) < free_share).tolist()
    free[7] = True
    check_rank(places, free, build_toil, want, rng)


@pytest.mark.parametrize("busy_around", [200, 1_500])
def test_rank_equals_a_scan_when_everybody_near_is_busy(busy_around: int) -> None:
    rng = np.random.default_rng(busy_around)
    count = busy_around + MANY + 500
    places = np.column_stack((rng.uniform(43, 43.4, count), rng.uniform(76.7, 77.1, count)))
    apart = np.hypot(places[:, 0] - 43.2, places[:, 1] - 76.9)
    free = (apart > np.partition(apart, busy_around)[busy_around]).tolist()
    assert sum(free) > MANY > FEW
    check_rank(places, free, 0, 1, rng)


def check_rank(
    places: np.ndarray[tuple[int, int], np.dtype[np.float64]],
    free: list[bool],
    build_toil: int,
    want: int,
    rng: np.random.Generator,
) -> None:
    for few_demands in (0, FEW_DEMANDS):
        check_rank_of(crews_with(places, free, build_toil, few_demands), places, free, want, rng)


def check_rank_of(
    crews: Crews,
    places: np.ndarray[tuple[int, int], np.dtype[np.float64]],
    free: list[bool],
    want: int,
    rng: np.random.Generator,
) -> None:
    eligible = [row for row in range(len(places)) if free[row]]
    demands = [
        Demand(key, 43.2 + rng.normal(0, 0.001), 76.9 + rng.normal(0, 0.001), "patrol", "", 1, frozenset(excluded))
        for key, excluded in enumerate(([], [CrewNo(eligible[0])], [CrewNo(row) for row in eligible]))
    ]
    candidates = candidates_for(crews, demands)
    points = unit_vectors(places[:, 0], places[:, 1])
    for demand, ranked in zip(demands, candidates.rank(range(3), want), strict=True):
        apart = chords_squared(points, np.array(unit_vector(demand.latitude_deg, demand.longitude_deg)))
        expected = sorted((row for row in eligible if row not in demand.excluded), key=lambda row: (apart[row], row))
        assert len(ranked.rows) >= min(want, len(expected))
        assert list(ranked.rows) == expected[: len(ranked.rows)]
        if ranked.complete:
            assert len(ranked.rows) == len(expected)
        assert ranked.costs == sorted(ranked.costs)
