from __future__ import annotations

import numpy as np
import pytest

from core.vocabulary import AssignReason
from loadtest.policy_trial.period import cut
from loadtest.policy_trial.play import Play
from loadtest.policy_trial.world import World
from routing.policies.matching import Matching
from routing.policies.nearest import Nearest
from routing.policies.preempting import Preempting
from routing.policies.relieving import Relieving
from routing.policies.situation import Policy
from tests.loadtest.policy_trial.worlds import random_world, world

NEAREST = Nearest(by_time=True)


def responses(played: World, policy: Policy = NEAREST) -> list[float]:
    return [round(value, 3) for value in Play(played, policy, 0.0).run().response_s.tolist()]


def test_response_is_turnout_and_way() -> None:
    assert responses(world([(0, 30, 10)], [0, 100], turnout_s=5.0)) == [35.0]


def test_call_when_all_are_busy_waits_for_who_frees() -> None:
    # Free again at 0 + 30 + 10 where the first call was, 20 m from the second, which came at 15.
    assert responses(world([(0, 30, 10), (15, 50, 10)], [0])) == [30.0, 40.0 - 15.0 + 20.0]


def test_crew_on_its_way_home_is_sent_from_where_it_is() -> None:
    # Free at 80 at 70 m; at 110 it is at 40 m, and the call is at 45 m.
    assert responses(world([(0, 70, 10), (110, 45, 10)], [0])) == [70.0, 5.0]


def test_crew_is_sent_only_in_its_shift() -> None:
    assert responses(world([(0, 30, 10)], [0], duty=((50.0, 500.0),))) == [80.0]


def test_crew_that_is_called_back_comes_from_the_middle_of_its_way() -> None:
    # The crew has come 20 of 60 m; the urgent call is 10 m behind it, and the first one is served afterwards.
    played = Play(world([(0, 60, 5), (20, 10, 5)], [0], priorities=[5, 1]), Preempting(NEAREST, 100.0), 0.0)
    outcome = played.run()
    assert outcome.response_s.tolist() == pytest.approx([20 + 10 + 5 + 50, 10.0])
    assert outcome.reasons[AssignReason.DIVERTED] == 1


def test_crew_that_frees_nearer_takes_over_and_the_other_is_free_where_it_is() -> None:
    # Both work until the third call comes; crew 1, which frees first, is 200 m away, crew 0 frees beside it a second later. At
    # that moment crew 1 has come one metre; on its way back it is sent to the call that comes half a second later.
    calls = [(0, 0, 30), (0, 200, 29), (15, 0, 10), (30.5, 180, 10)]
    played = world(calls, [0, 200])
    assert responses(played, Relieving(NEAREST, 60.0)) == [0.0, 0.0, 30.0 - 15.0, 19.5]
    outcome = Play(played, Relieving(NEAREST, 60.0), 0.0).run()
    assert (outcome.reasons[AssignReason.RELIEF], outcome.crew.tolist()) == (1, [0, 1, 0, 1])
    assert responses(played)[2] == 29.0 - 15.0 + 200.0, "without it the nearer one goes nowhere"


def test_crew_that_takes_over_turns_out_first() -> None:
    played = world([(0, 0, 30), (0, 200, 29), (15, 0, 10)], [0, 200], turnout_s=5.0)
    # Free at 5 + 29 = 34 and 5 + 30 = 35; at 35 the far one has still to turn out for 4 s.
    assert responses(played, Relieving(NEAREST, 60.0)) == [5.0, 5.0, 35.0 + 5.0 - 15.0]


def test_cut_goes_on_with_the_crews_and_the_calls_of_the_moment() -> None:
    whole = world([(0, 30, 100), (10, 50, 10), (120, 0, 10)], [0])
    period = cut(whole, 60.0, 200.0, 100.0)
    assert period.calls.at_s.tolist() == [-50.0, 60.0]
    assert responses(period) == responses(whole)[1:]


@pytest.mark.parametrize("seed", range(5))
def test_policies_when_played_serve_every_call_once_at_a_time(seed: int) -> None:
    played = random_world(seed, 40, 4)
    preempting = Preempting(Matching(100.0, 60.0), 100.0)
    for policy in (NEAREST, Matching(100.0, 60.0), preempting, Relieving(NEAREST, 30.0), Relieving(preempting, 30.0)):
        outcome = Play(played, policy, 0.0).run()
        assert np.isfinite(outcome.response_s).all()
        arrives = played.calls.at_s + outcome.response_s
        for crew in range(4):
            own = np.flatnonzero(outcome.crew == crew)
            own = own[np.argsort(arrives[own])]
            # Nobody arrives anywhere before the work at the call before is done.
            assert (arrives[own[1:]] >= (arrives + played.calls.work_s)[own[:-1]] - 1e-6).all()
