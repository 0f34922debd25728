from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from core.vocabulary import AssignReason
from routing.policies.nearest import Nearest
from routing.policies.situation import Situation
from tests.routing.policies.situations import situation

PLACES = st.integers(0, 50).map(float)


def brute_force(asked: Situation) -> list[tuple[int, int]]:
    """Call by call, the nearest crew that is free and left."""
    order = sorted(range(len(asked.waited_s)), key=lambda call: (asked.priorities[call], -asked.waited_s[call], call))
    left = [crew for crew in range(len(asked.free_in_s)) if asked.free_in_s[crew] == 0]
    pairs = []
    for call in order:
        able = [crew for crew in left if np.isfinite(asked.distance_m[call, crew])]
        if able:
            crew = min(able, key=lambda crew: (asked.distance_m[call, crew], crew))
            left.remove(crew)
            pairs.append((call, crew))
    return pairs


@given(st.data())
def test_decide_when_anything_waits_equals_brute_force(data: st.DataObject) -> None:
    calls, crews = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 8))
    asked = situation(
        data.draw(st.lists(PLACES, min_size=calls, max_size=calls)),
        data.draw(st.lists(PLACES, min_size=crews, max_size=crews)),
        waited_s=data.draw(st.lists(st.integers(0, 5).map(float), min_size=calls, max_size=calls)),
        priorities=data.draw(st.lists(st.integers(1, 4), min_size=calls, max_size=calls)),
        free_in_s=data.draw(st.lists(st.sampled_from((0.0, 0.0, 60.0)), min_size=crews, max_size=crews)),
        forbidden=data.draw(st.lists(st.tuples(st.integers(0, calls - 1), st.integers(0, crews - 1)), max_size=5)),
    )
    for by_time in (False, True):
        found = [(sending.call, sending.crew) for sending in Nearest(by_time=by_time).decide(asked)]
        assert found == brute_force(asked)


def test_decide_when_two_want_one_crew_says_that_the_second_has_not_its_nearest() -> None:
    sendings = Nearest(by_time=False).decide(situation([0, 10], [1, 500]))
    assert [(one.call, one.crew, one.reason) for one in sendings] == [
        (0, 0, AssignReason.NEAREST_CAPABLE),
        (1, 1, AssignReason.BEST_FOR_ALL),
    ]
