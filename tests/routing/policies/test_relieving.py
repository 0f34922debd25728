from __future__ import annotations

from typing import NamedTuple

import pytest

from core.vocabulary import AssignReason
from routing.policies.nearest import Nearest
from routing.policies.relieving import Relieving
from routing.policies.situation import Sending, Situation
from tests.routing.policies.situations import situation

RELIEF = AssignReason.RELIEF


class Case(NamedTuple):
    name: str
    asked: Situation
    relieves: list[tuple[int, int]]
    """Row of what is under way, and the crew that takes over."""
    sent: tuple[tuple[int, int], ...] = ()
    """Call that waited, and its crew."""


CASES = [
    Case("it_gains_enough", situation([], [500, 100], freed=[1], under_way=[(0, 0, 3)]), [(0, 1)]),
    Case("it_gains_as_much_as_is_asked", situation([], [220, 100], freed=[1], under_way=[(0, 0, 3)]), [(0, 1)]),
    Case("it_gains_too_little", situation([], [219, 100], freed=[1], under_way=[(0, 0, 3)]), []),
    Case("it_was_free_before", situation([], [500, 100], under_way=[(0, 0, 3)]), []),
    Case("nobody_is_under_way", situation([], [500, 100], freed=[1]), []),
    Case("it_is_busy", situation([], [500, 100], free_in_s=[0, 9], freed=[1], under_way=[(0, 0, 3)]), []),
    Case(
        "it_is_sent_to_what_waits",
        situation([300], [500, 100], freed=[1], under_way=[(0, 0, 3)]),
        [],
        sent=((0, 1),),
    ),
    Case(
        "one_frees_for_two_of_one_priority_serves_the_greater_gain",
        situation([], [500, 600, 100], freed=[2], under_way=[(0, 0, 3), (0, 1, 3)]),
        [(1, 2)],
    ),
    Case(
        "one_frees_for_two_serves_the_more_urgent",
        situation([], [500, 600, 100], freed=[2], under_way=[(0, 0, 2), (0, 1, 3)]),
        [(0, 2)],
    ),
    Case(
        "two_free_for_two_serve_both",
        situation([], [500, 600, 100, 110], freed=[2, 3], under_way=[(0, 0, 3), (0, 1, 3)]),
        [(1, 2), (0, 3)],
    ),
    Case(
        "two_free_for_one_the_nearer_serves",
        situation([], [500, 110, 100], freed=[1, 2], under_way=[(0, 0, 3)]),
        [(0, 2)],
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_decide_when(case: Case) -> None:
    sendings = Relieving(Nearest(by_time=True), 120.0).decide(case.asked)
    sent = [(one.call, one.crew) for one in sendings if not one.relieves]
    assert (sent, sendings[len(sent) :]) == (list(case.sent), [Sending(*pair, RELIEF, relieves=True) for pair in case.relieves])
