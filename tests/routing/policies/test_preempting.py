from __future__ import annotations

from typing import NamedTuple

import pytest

from core.vocabulary import AssignReason
from routing.policies.nearest import Nearest
from routing.policies.preempting import Preempting
from routing.policies.situation import Situation
from tests.routing.policies.situations import situation


class Case(NamedTuple):
    name: str
    asked: Situation
    sent: list[tuple[int, int, AssignReason]]


CASES = [
    Case("nobody_is_free", situation([0], [100], priorities=[1], bound_for=[3]), [(0, 0, AssignReason.DIVERTED)]),
    Case("the_free_one_is_late", situation([0], [600, 100], priorities=[1], bound_for=[0, 3]), [(0, 1, AssignReason.DIVERTED)]),
    Case(
        "the_free_one_is_in_time",
        situation([0], [400, 100], priorities=[1], bound_for=[0, 3]),
        [(0, 0, AssignReason.NEAREST_CAPABLE)],
    ),
    Case("the_call_is_not_urgent", situation([0], [100], priorities=[3], bound_for=[5]), []),
    Case("the_other_is_as_urgent", situation([0], [100], priorities=[2], bound_for=[2]), []),
    Case("it_would_be_late_as_well", situation([0], [500], priorities=[1], bound_for=[5]), []),
    Case("two_could_come", situation([0], [50, 100], priorities=[1], bound_for=[3, 5]), [(0, 1, AssignReason.DIVERTED)]),
    Case("two_need_one_crew", situation([0, 10], [50], priorities=[2, 1], bound_for=[3]), [(1, 0, AssignReason.DIVERTED)]),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_decide_when(case: Case) -> None:
    sendings = Preempting(Nearest(by_time=True), 480.0).decide(case.asked)
    assert [(one.call, one.crew, one.reason) for one in sendings] == case.sent
