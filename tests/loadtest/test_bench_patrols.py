"""The patrol benchmark measures what it says: crews go along their routes and leave them, and both ways find the same."""

from __future__ import annotations

import numpy as np

from core.instant import SECOND_US
from core.patrol import PatrolFault
from core.vocabulary import CrewNo
from loadtest.bench.patrols import ROUND_S, START_US, Beats, observe, observe_plainly, plainly, tick, watched
from routing.patrol_routes import RouteShapes

CREWS = 60


def test_crews_when_they_go_on_keep_to_their_routes_but_for_some() -> None:
    beats = Beats(CREWS)
    shapes = RouteShapes(beats.routes)
    before, away = beats.go_on(), 0
    for _ in range(100):
        places = beats.go_on()
        apart_m = shapes.distances_m(np.arange(CREWS), places[:, 0], places[:, 1])
        away += int((apart_m > 80).sum())
        gone_m = np.hypot(*((places - before) * (111_195.0, 81_000.0)).T)
        assert np.median(gone_m) < 2.0 * 5.0 * ROUND_S
        before = places
    assert 0 < away < 0.3 * 100 * CREWS


def test_both_ways_when_given_the_same_positions_find_the_same() -> None:
    beats = Beats(CREWS)
    whole, ticking, crews = watched(beats), watched(beats), plainly(beats)
    faults: list[PatrolFault] = []
    for number in range(1, 150):
        places, now_us = beats.go_on(), START_US + number * ROUND_S * SECOND_US
        told = observe(whole, np.arange(CREWS), places, now_us)
        plain = observe_plainly(crews, places, now_us)
        tick(ticking, places, now_us)
        assert [(one.crew_id, one.fault, one.ended) for one in told] == [(one.crew_id, one.fault, one.ended) for one in plain]
        faults += [one.fault for one in told]
    assert faults.count(PatrolFault.OFF_ROUTE) > 10
    for row in range(CREWS):
        # By batches of 20 ms each crew's clock is another one, by less than a round.
        assert whole.phase(CrewNo(row)) is crews[row].phase
        assert ticking.phase(CrewNo(row)) is crews[row].phase
