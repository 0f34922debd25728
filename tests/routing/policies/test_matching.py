from __future__ import annotations

from typing import NamedTuple

import pytest

from core.limits import QUEUE_OVERDUE_S
from core.vocabulary import AssignReason
from routing.policies.matching import Matching, NearestWaiting
from routing.policies.situation import Situation
from tests.routing.policies.situations import situation


class Case(NamedTuple):
    name: str
    asked: Situation
    soon_s: float
    sent: list[tuple[int, int]]


CASES = [
    Case("nearest_when_alone", situation([100], [0, 300]), 0.0, [(0, 0)]),
    # Greedily call 0 takes crew 0, and call 1 goes 400 s; together 100 + 100 are better than 0 + 400.
    Case("least_total_when_two_want_one_crew", situation([0, 300], [100, -100], priorities=[3, 3]), 0.0, [(0, 1), (1, 0)]),
    Case("urgent_chooses_first", situation([0, 300], [100, -500], priorities=[2, 1]), 0.0, [(0, 1), (1, 0)]),
    Case("one_that_can_be_in_time_before_one_that_is_late", situation([0, 0], [10], waited_s=[600, 100]), 0.0, [(1, 0)]),
    Case("overdue_before_all_others", situation([0, 0], [10], waited_s=[QUEUE_OVERDUE_S + 1, 100]), 0.0, [(0, 0)]),
    Case("overdue_does_not_pass_the_more_urgent", situation([0, 0], [10], waited_s=[1e4, 0], priorities=[3, 2]), 0.0, [(1, 0)]),
    Case("waits_for_who_is_soon_free_and_near", situation([0], [400, 10], free_in_s=[0.0, 60.0]), 300.0, []),
    Case("does_not_wait_when_told_not_to", situation([0], [400, 10], free_in_s=[0.0, 60.0]), 0.0, [(0, 0)]),
    Case("does_not_wait_longer_than_the_way", situation([0], [100, 10], free_in_s=[0.0, 200.0]), 300.0, [(0, 0)]),
    Case("does_not_wait_when_it_would_be_late", situation([0], [470, 10], free_in_s=[0.0, 475.0]), 900.0, [(0, 0)]),
    Case("nobody_where_nobody_may_go", situation([0], [10], forbidden=[(0, 0)]), 0.0, []),
    Case("as_many_as_can_be", situation([0, 5], [1, 900], forbidden=[(0, 1)]), 0.0, [(0, 0), (1, 1)]),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_decide_when(case: Case) -> None:
    sendings = Matching(480.0, case.soon_s).decide(case.asked)
    assert sorted((sending.call, sending.crew) for sending in sendings) == case.sent


def test_decide_when_the_nearest_goes_elsewhere_says_best_for_all() -> None:
    reasons = {one.call: one.reason for one in Matching(480.0).decide(situation([0, 300], [90, -100]))}
    assert reasons == {0: AssignReason.BEST_FOR_ALL, 1: AssignReason.NEAREST_CAPABLE}


QUEUES = [
    Case("nearest_of_those_that_wait", situation([500, 0], [10], waited_s=[9, 5]), 8, [(1, 0)]),
    Case("looks_no_further_than_told", situation([500, 400, 0], [10], waited_s=[9, 8, 7]), 2, [(1, 0)]),
    Case("first_come_when_it_looks_at_one", situation([500, 0], [10], waited_s=[9, 5]), 1, [(0, 0)]),
    Case("urgent_first_however_far", situation([500, 0], [10], priorities=[1, 2]), 8, [(0, 0)]),
    Case("overdue_first", situation([500, 0], [10], waited_s=[QUEUE_OVERDUE_S + 1, 5]), 8, [(0, 0)]),
    Case("busy_crews_are_none", situation([0], [400, 10], free_in_s=[0.0, 60.0]), 8, [(0, 0)]),
]


@pytest.mark.parametrize("case", QUEUES, ids=lambda case: case.name)
def test_decide_in_the_queue_when(case: Case) -> None:
    sendings = NearestWaiting(int(case.soon_s)).decide(case.asked)
    assert sorted((sending.call, sending.crew) for sending in sendings) == case.sent
