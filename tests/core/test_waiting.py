"""The queue of needs: the most urgent first, then the oldest, of what the crew may serve; against a plain list."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from core.vocabulary import IncidentId
from core.waiting import Waiting

TERRITORIES = ("kz", "kz/a", "kz/b", "kz/b/c")
NEED = st.tuples(st.sampled_from(("fire", "patrol")), st.sampled_from(TERRITORIES), st.integers(1, 4), st.integers(0, 3))
POP = st.tuples(st.sets(st.sampled_from(("fire", "patrol"))), st.sampled_from(TERRITORIES), st.integers(1, 4))


def serving(own: str) -> Callable[[str], bool]:
    return lambda territory: territory == own or territory.startswith(own + "/")


@given(st.lists(NEED, max_size=20), st.sets(st.integers(1, 20), max_size=5), st.lists(POP, max_size=25))
def test_pop_when_needs_wait_takes_the_one_a_plain_list_would(
    needs: list[tuple[str, str, int, int]], gone: set[int], pops: list[tuple[set[str], str, int]]
) -> None:
    waiting = Waiting(lambda incident_id, capability, priority: incident_id not in gone, sweep_min=2)
    plain = []
    for number, (capability, territory, priority, opened_us) in enumerate(needs, start=1):
        waiting.push(IncidentId(number), capability, territory, priority, opened_us)
        if number not in gone:
            plain.append((priority, opened_us, number, capability, territory))
    for capabilities, own, lowest in pops:
        fits = [one for one in plain if one[3] in capabilities and serving(own)(one[4]) and one[0] <= lowest]
        expected = min(fits, default=None)
        popped = waiting.pop(sorted(capabilities), serving(own), lowest)
        assert popped == (None if expected is None else (expected[2], expected[3]))
        if expected is not None:
            plain.remove(expected)


def test_pop_when_priority_has_changed_sees_the_new_entry_only() -> None:
    priorities = {1: 2, 2: 3}
    waiting = Waiting(lambda incident_id, capability, priority: priorities[incident_id] == priority)
    waiting.push(IncidentId(1), "fire", "", 5, 0)
    waiting.push(IncidentId(2), "fire", "", 3, 0)
    waiting.push(IncidentId(1), "fire", "", 2, 0)
    assert [waiting.pop(["fire"], lambda _: True) for _ in range(3)] == [(1, "fire"), (2, "fire"), None]


def test_push_when_nobody_ever_pops_keeps_no_more_than_twice_what_waits() -> None:
    """No crew has the capability, and the incidents are closed one after the other."""
    open_now: set[int] = set()
    waiting = Waiting(lambda incident_id, capability, priority: incident_id in open_now)
    most = 0
    for number in range(50_000):
        open_now.add(number)
        open_now.discard(number - 3_000)
        waiting.push(IncidentId(number), "divers", "kz", 2, number)
        most = max(most, len(waiting))
    assert most <= 6_001
    assert waiting.pop(["divers"], lambda _: True) == (47_000, "divers")


def test_push_when_the_same_needs_are_pushed_again_and_again_keeps_as_many_as_wait() -> None:
    """Two patrols are wanted by one incident, and asked for anew each time its term passes."""
    waiting = Waiting(lambda incident_id, capability, priority: 2, sweep_min=8)
    most = 0
    for _ in range(1_000):
        waiting.push(IncidentId(1), "patrol", "kz", 2, 5)
        most = max(most, len(waiting))
    assert most <= 8
    assert [waiting.pop(["patrol"], lambda _: True) for _ in range(2)] == [(1, "patrol")] * 2
