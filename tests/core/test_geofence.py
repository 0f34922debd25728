"""The geofence: who has arrived by what its positions say, and who has not."""

from __future__ import annotations

from math import inf, nan
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.geofence import APPROACH, Arrival, ArrivalReason, Fixes, GeofenceRules, Places, arrivals
from core.great_circle import METRES_PER_DEGREE
from core.instant import SECOND_US, Micros

NOW_US = Micros(1_777_000_000 * SECOND_US)
RULES = GeofenceRules()
LATITUDE_DEG, LONGITUDE_DEG = 43.25, 76.90
Seen = tuple[float, float, float]
"""Seconds from the beginning, metres north of the place, speed (NaN: unknown)."""


def follow(
    seen: list[Seen], *, place_accuracy_m: float = 10.0, accuracy_m: float = 10.0, ahead_s: float = 0.0
) -> list[tuple[float, Arrival]]:
    """One crew's positions, one a batch: when it arrived, in seconds, and how that was told."""
    known = np.zeros(1, APPROACH)
    told = []
    for at_s, north_m, speed_mps in seen:
        now_us = Micros(NOW_US + round(at_s * SECOND_US))
        fix = Fixes(
            np.array([LATITUDE_DEG + north_m / METRES_PER_DEGREE]),
            np.array([LONGITUDE_DEG]),
            np.array([accuracy_m]),
            np.array([speed_mps]),
            np.array([now_us + round(ahead_s * SECOND_US)], np.int64),
        )
        place = Places(np.array([LATITUDE_DEG]), np.array([LONGITUDE_DEG]), np.array([place_accuracy_m]))
        known, found = arrivals(RULES, known, place, fix, now_us)
        told += [(at_s, one) for one in found]
    return told


def drive(speed_mps: float, from_m: float, to_m: float, step_s: float = 5.0, *, is_told: bool = True) -> list[Seen]:
    """At one speed along a street."""
    count = int(abs(to_m - from_m) / (speed_mps * step_s)) + 1
    way = 1 if to_m > from_m else -1
    said = speed_mps if is_told else nan
    return [(step * step_s, from_m + way * step * speed_mps * step_s, said) for step in range(count)]


def stop(after: list[Seen], seconds: float, at_m: float, speed_mps: float = 0.0, step_s: float = 5.0) -> list[Seen]:
    """What came before, and then standing there."""
    began_s = after[-1][0] if after else -step_s
    return after + [(began_s + (step + 1) * step_s, at_m, speed_mps) for step in range(int(seconds / step_s))]


def test_crew_that_drives_up_and_stops_has_arrived_with_evidence() -> None:
    ((at_s, arrival),) = follow(stop(drive(14.0, -1400, -20), 120, -20))
    assert arrival.reason is ArrivalReason.SLOW
    assert arrival.distance_m == pytest.approx(20, rel=1e-3)
    assert arrival.radius_m == 75.0
    assert (arrival.at_us - arrival.since_us) == 20 * SECOND_US
    assert at_s <= 120.0


@pytest.mark.parametrize("speed_kmh", [25, 40, 60, 90])
@pytest.mark.parametrize("is_told", [True, False])
@pytest.mark.parametrize("vague_m", [0.0, 100.0, 5_000.0])
@pytest.mark.parametrize("step_s", [1.0, 5.0, 15.0])
def test_drive_by_is_no_arrival(speed_kmh: float, is_told: bool, vague_m: float, step_s: float) -> None:
    seen = drive(speed_kmh / 3.6, -2000, 2000, step_s, is_told=is_told)
    assert follow(seen, place_accuracy_m=vague_m) == []


def test_crew_without_speed_arrives_by_staying() -> None:
    ((at_s, arrival),) = follow(stop([], 300, 30, nan))
    assert (at_s, arrival.reason) == (60.0, ArrivalReason.DWELL)


def test_crew_that_stops_outside_has_not_arrived() -> None:
    assert follow(stop([], 600, 90)) == []
    assert len(follow(stop([], 600, 90), place_accuracy_m=60.0)) == 1


@pytest.mark.parametrize("place_accuracy_m", [5_000.0, inf])
def test_vague_place_is_not_reached_from_afar(place_accuracy_m: float) -> None:
    assert follow(stop([], 600, 250), place_accuracy_m=place_accuracy_m) == []


def test_place_that_is_not_known_is_never_reached() -> None:
    known, fix_us = np.zeros(1, APPROACH), np.array([NOW_US], np.int64)
    nowhere, here, zero = np.array([nan]), np.array([LATITUDE_DEG]), np.zeros(1)
    for _ in range(50):
        fix_us = fix_us + 5 * SECOND_US
        fix = Fixes(here, here, zero, zero, fix_us)
        known, found = arrivals(RULES, known, Places(nowhere, nowhere, nowhere), fix, Micros(int(fix_us[0])))
        assert found == []


@pytest.mark.parametrize("seed", range(5))
def test_receiver_jitter_gives_one_arrival(seed: int) -> None:
    rng = np.random.default_rng(seed)
    seen = [(5.0 * step, float(north_m), nan) for step, north_m in enumerate(rng.normal(55.0, 20.0, 400))]
    assert len(follow(seen, accuracy_m=20.0)) == 1


def test_jump_of_five_kilometres_and_back_is_neither_arrival_nor_departure() -> None:
    driving = drive(14.0, -5000, -3000)
    driving[5] = (driving[5][0], 0.0, 0.0)
    assert follow(driving) == []
    there = stop([], 600, 0)
    there[60] = (there[60][0], 5000.0, 0.0)
    assert len(follow(there)) == 1
    staying = stop([], 60, 0, nan)
    staying[6] = (staying[6][0], 5000.0, nan)
    assert len(follow([*staying, (60.0, 0.0, nan)])) == 1


def test_position_from_the_future_makes_no_time_pass() -> None:
    assert follow([(0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (2.0, 0.0, nan)], ahead_s=200.0) == []
    assert len(follow(stop([], 120, 0), ahead_s=200.0)) == 1


def test_clock_that_was_ahead_and_is_put_right_costs_no_arrival() -> None:
    known = np.zeros(1, APPROACH)
    place = Places(np.array([LATITUDE_DEG]), np.array([LONGITUDE_DEG]), np.zeros(1))
    told = []
    for step in range(8):
        now_us = Micros(NOW_US + step * 5 * SECOND_US)
        at_us = np.array([now_us + (250 * SECOND_US if step < 2 else 0)], np.int64)
        fix = Fixes(place.latitude_deg, place.longitude_deg, np.zeros(1), np.zeros(1), at_us)
        known, found = arrivals(RULES, known, place, fix, now_us)
        told += found
    (arrival,) = told
    assert arrival.since_us == NOW_US
    assert arrival.at_us == NOW_US + 15 * SECOND_US


def test_stop_and_go_is_not_slow() -> None:
    seen = [(5.0 * step, 10.0, 0.0 if step % 3 == 0 else 8.0) for step in range(12)]
    assert follow(seen) == []


def test_late_and_repeated_positions_make_no_time_pass() -> None:
    known = np.zeros(1, APPROACH)
    place = Places(np.array([LATITUDE_DEG]), np.array([LONGITUDE_DEG]), np.zeros(1))
    for back_s in (0, 0, 0, 300, 100, 0):
        at_us = np.array([NOW_US - back_s * SECOND_US], np.int64)
        fix = Fixes(place.latitude_deg, place.longitude_deg, np.zeros(1), np.zeros(1), at_us)
        known, found = arrivals(RULES, known, place, fix, Micros(NOW_US + 600 * SECOND_US))
        assert found == []


def test_clock_that_jumps_ahead_makes_no_minute() -> None:
    assert follow([(0.0, 0.0, 0.0), (3600.0, 0.0, 0.0), (3605.0, 0.0, 0.0)]) == []


def test_crew_arrives_again_only_after_it_has_left() -> None:
    there = stop([], 600, 0)
    edge = stop(there, 300, 110)  # beyond the circle, not beyond the one that one leaves
    assert len(follow(stop(edge, 300, 0))) == 1
    away = stop(there, 300, 500)
    assert [at_s for at_s, _ in follow(stop(away, 300, 0))] == [15.0, 915.0]


def test_vague_position_says_nothing() -> None:
    assert follow(stop([], 600, 0), accuracy_m=RULES.accuracy_worst_m + 1) == []


STEPS = st.lists(
    st.tuples(
        st.sampled_from((1.0, 5.0, 20.0, 70.0, 130.0)),
        st.sampled_from((0.0, 60.0, 90.0, 130.0, 5_000.0)),
        st.sampled_from((0.0, 15.0, nan)),
        st.sampled_from((0.0, 100.0, 300.0)),
        st.sampled_from((0.0, 0.0, -60.0, 200.0)),
    ),
    max_size=40,
)


@settings(max_examples=200, deadline=None)
@given(st.lists(STEPS, min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_company_and_order_of_crews_change_nothing(crews: list[list[tuple[float, ...]]], rng: Random) -> None:
    length = min(map(len, crews))
    order = list(range(len(crews)))
    rng.shuffle(order)
    together = run([crew[:length] for crew in crews])
    apart = [run([crew[:length]])[0] for crew in crews]
    shuffled = run([crews[number][:length] for number in order])
    assert together == apart == [shuffled[order.index(number)] for number in range(len(crews))]


def run(crews: list[list[tuple[float, ...]]]) -> list[list[Arrival]]:
    """What is told of each crew; each goes by its own steps, and the centre's clock is beyond them all."""
    known = np.zeros(len(crews), APPROACH)
    count = len(crews)
    place = Places(np.full(count, LATITUDE_DEG), np.full(count, LONGITUDE_DEG), np.full(count, 10.0))
    told: list[list[Arrival]] = [[] for _ in crews]
    seen_us = np.full(count, NOW_US, np.int64)
    for step in range(len(crews[0])):
        rows = np.array([crew[step] for crew in crews])
        seen_us = seen_us + (rows[:, 0] * SECOND_US).astype(np.int64)
        fix = Fixes(
            LATITUDE_DEG + rows[:, 1] / METRES_PER_DEGREE,
            np.full(count, LONGITUDE_DEG),
            rows[:, 3],
            rows[:, 2],
            seen_us + (rows[:, 4] * SECOND_US).astype(np.int64),
        )
        known, found = arrivals(RULES, known, place, fix, Micros(NOW_US + 10_000 * SECOND_US))
        for one in found:
            told[one.row].append(Arrival(0, one.reason, one.distance_m, one.radius_m, one.since_us, one.at_us))
    return told
