"""The assign benchmark measures what it says: crews drive within the city, competitors are given the same and do the same."""

from __future__ import annotations

from collections import deque

import numpy as np
import pytest

from loadtest.bench_assign import (
    BUSY_SHARE,
    DEMANDS,
    HALF_SIDE_DEG,
    LATITUDE_DEG,
    LONGITUDE_DEG,
    METRES_A_DEGREE,
    MOVES,
    SIZES,
    SPEED_MPS,
    TICK_S,
    City,
    Competitor,
    Jedel,
    LinearScan,
    compared,
    drive,
)


@pytest.mark.parametrize("size", SIZES[:3])
def test_every_crew_drives_at_the_speed_said_and_stays_in_the_city(size: int) -> None:
    city = City(size)
    began = city.places.copy()
    reports = np.zeros(size, dtype=int)
    for _ in range(-(-size // MOVES)):
        reports[city.drive()] += 1
    assert (reports == 1).all()
    gone_m = np.hypot(*((city.places - began) * METRES_A_DEGREE).T)
    assert gone_m == pytest.approx(SPEED_MPS * TICK_S * max(1.0, size / MOVES))
    for _ in range(500):
        city.drive()
    step_deg = gone_m.max() / min(METRES_A_DEGREE)
    assert (np.abs(city.places - (LATITUDE_DEG, LONGITUDE_DEG)) < np.array(HALF_SIDE_DEG) + 2 * step_deg).all()


@pytest.mark.parametrize("competitor", [Jedel, LinearScan])
def test_crews_are_chosen_once_and_freed_in_turn(competitor: type[Jedel] | type[LinearScan]) -> None:
    city = City(500)
    busy: deque[int] = deque()
    chooser: Competitor = competitor(city)
    timing = drive(city, chooser, busy, 30)
    assert len(set(busy)) == len(busy)
    assert BUSY_SHARE * city.size < len(busy) <= BUSY_SHARE * city.size + DEMANDS
    assert timing.all_us == timing.choose_us + timing.move_us > 0.0


@pytest.mark.parametrize("demands", [1, DEMANDS])
def test_city_asks_as_many_demands_a_tick_as_it_was_told(demands: int) -> None:
    city = City(200, demands=demands)
    assert [demand.key for demand in city.demands()] == list(range(demands))
    busy: deque[int] = deque()
    drive(city, Jedel(city), busy, 3)
    assert 0 < len(busy) <= 3 * demands


def test_scan_and_index_choose_the_same_crew_when_territories_do_not_matter() -> None:
    one, other = City(2_000), City(2_000)
    one.territories[:] = ""
    other.territories[:] = ""
    index, scan = Jedel(one), LinearScan(other)
    for _ in range(20):
        rows, same_rows = one.drive(), other.drive()
        index.move(rows, one.places[rows])
        scan.move(same_rows, other.places[same_rows])
        demands, same_demands = one.demands(), other.demands()
        assert demands == same_demands
        chosen, scanned = index.choose(demands[:1]), scan.choose(same_demands[:1])
        assert chosen == scanned
        index.release(chosen)
        scan.release(scanned)


def test_ratio_is_value_by_baseline_as_of_every_other_benchmark() -> None:
    record = compared("assign_1", [30.0, 20.0, 10.0], "scan", [80.0])
    assert (record["value"], record["baseline_value"], record["ratio"], record["spread"]) == (20.0, 80.0, 0.25, [10.0, 30.0])
