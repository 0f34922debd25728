"""All patrols over any story: the plain rule says the same, and no restart tells anything twice."""

from __future__ import annotations

from random import Random
from typing import NamedTuple

import msgspec
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from core.instant import SECOND_US, Micros
from core.patrol import MOVES, PatrolFault, PatrolFinding
from core.patrol_watch import Patrols
from core.vocabulary import CrewNo
from loadtest.bench.plain_patrol import PlainCrew, PlainRoute
from routing.patrol_routes import RouteShapes
from tests.core.patrol_town import (
    CREWS,
    RULES,
    START_US,
    WIDTH_M,
    P,
    Town,
    checkpoint,
    place,
    street,
    timetable,
)


class Step(NamedTuple):
    """What one crew does at once."""

    passed_s: int
    off_m: int
    along_m: int
    accuracy_m: float
    ahead_s: int
    held: tuple[bool, bool] | None


STEP = st.builds(
    Step,
    passed_s=st.sampled_from((1, 5, 5, 5, 20, 61, 301, 700, 4_000)),
    off_m=st.sampled_from((0, 60, 85, 105, 130, 300, 300, 300, 5_000)),
    along_m=st.sampled_from((0, 0, 20, 100, 700)),
    accuracy_m=st.sampled_from((0.0, 25.0, 250.0)),
    ahead_s=st.sampled_from((0, 0, 0, 0, -3, -400, 200)),
    held=st.sampled_from((None,) * 12 + ((True, False), (False, True), (True, True), (False, False), (False, False))),
)


STORIES = st.lists(st.lists(STEP, min_size=2, max_size=2), max_size=60)


POINTED = street(timetable=timetable("08:00", "10:00", checkpoint("08:30", 700), checkpoint("09:10", 100)))


@settings(max_examples=300, deadline=None)
@given(STORIES, st.randoms(use_true_random=False))
def test_findings_are_those_of_the_plain_rule_in_whatever_order_crews_stand(stories: list[list[Step]], rng: Random) -> None:
    town = Town(POINTED, crews=2)
    plain = [PlainCrew(crew_id, PlainRoute(POINTED), RULES) for crew_id in CREWS[:2]]
    for crew in plain:
        crew.tick(START_US)
    now_us = START_US
    for steps in stories:
        now_us = Micros(now_us + steps[0].passed_s * SECOND_US)
        told = town.patrols.fire_due(now_us)
        for number, (crew, step) in enumerate(zip(plain, steps, strict=True)):
            crew.tick(now_us)
            if step.held is not None:
                crew.hold(step.held[0], step.held[1], now_us)
                told += town.patrols.hold(CrewNo(number), assigned=step.held[0], lost=step.held[1], now_us=now_us)
            crew.observe(*place(step.off_m, step.along_m), step.accuracy_m, now_us + step.ahead_s * SECOND_US, now_us)
        order = [0, 1]
        rng.shuffle(order)
        places = np.array([place(steps[number].off_m, steps[number].along_m) for number in order])
        told += town.patrols.observe(
            np.array(order, np.int64),
            places[:, 0],
            places[:, 1],
            np.array([steps[number].accuracy_m for number in order]),
            np.array([now_us + steps[number].ahead_s * SECOND_US for number in order], np.int64),
            now_us,
        )
        for number, crew in enumerate(plain):
            assert town.patrols.phase(CrewNo(number)) is crew.phase
            mine = [finding for finding in told if finding.crew_id == crew.crew_id]
            assert list(map(rounded, mine)) == list(map(rounded, crew.findings))
            crew.findings.clear()


def rounded(finding: PatrolFinding) -> PatrolFinding:
    """The two planes of a route differ in the last bits."""
    apart_m = None if finding.distance_m is None else round(finding.distance_m, 3)
    return msgspec.structs.replace(finding, distance_m=apart_m)


@settings(max_examples=200, deadline=None)
@given(STORIES, st.sets(st.integers(0, 59)))
def test_fault_begins_again_only_after_it_has_ended_over_any_restart(stories: list[list[Step]], restarts: set[int]) -> None:
    town = Town(POINTED)
    opened: set[PatrolFault] = set()
    missed: set[tuple[str, Micros]] = set()
    stored = {state.crew_id: state for state in town.patrols.changes()}
    for number, (step, _) in enumerate(stories):
        now_us = town.now_us = Micros(town.now_us + step.passed_s * SECOND_US)
        told: list[PatrolFinding] = []
        if number in restarts:
            town = Town.__new__(Town)
            town.routes, town.now_us = (POINTED,), now_us
            town.patrols = Patrols(town.routes, RouteShapes(town.routes))
            town.patrols.know(CrewNo(0), CREWS[0], now_us)
            told += town.patrols.restore(list(stored.values()), now_us)
        before = town.phase
        told += town.patrols.fire_due(now_us)
        assert (
            town.phase is before or town.phase in MOVES[before] or before is P.OFF_TIMETABLE or P.OFF_TIMETABLE in MOVES[before]
        )
        if step.held is not None:
            before = town.phase
            told += town.patrols.hold(CrewNo(0), assigned=step.held[0], lost=step.held[1], now_us=now_us)
            assert town.phase is before or town.phase in MOVES[before]
        before = town.phase
        told += town.seen_whole(step.off_m, step.along_m, accuracy_m=step.accuracy_m, at_s=step.ahead_s)
        assert town.phase is before or town.phase in MOVES[before]
        for finding in told:
            if finding.fault is PatrolFault.CHECKPOINT_MISSED:
                assert (finding.checkpoint, finding.since_us) not in missed
                missed.add((finding.checkpoint, finding.since_us))
            elif finding.ended is None:
                assert not opened
                opened.add(finding.fault)
            else:
                opened.remove(finding.fault)
            if finding.fault is PatrolFault.OFF_ROUTE and finding.ended is None:
                assert finding.distance_m is not None and finding.distance_m > WIDTH_M
        stored |= {state.crew_id: state for state in town.patrols.changes()}
        assert town.patrols.next_due_us is None or town.patrols.next_due_us > now_us
