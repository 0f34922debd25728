"""Since when needs wait: beside a walk over all of them, and after a takeover."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.decisions import IncidentChange
from core.instant import SECOND_US, Micros
from core.vocabulary import PRIORITY_HIGHEST, PRIORITY_LOWEST, CategoryCode, IncidentId, IncidentState
from ops.needs import Needs, Waiting, waiting_in
from tests.core.town import EASTERN, START_US, Town

MANY = 5_000


def change(number: int, priority: int) -> IncidentChange:
    return IncidentChange(
        incident_id=IncidentId(number),
        version=1,
        created=False,
        opened_us=Micros(0),
        updated_us=Micros(0),
        closed_us=None,
        state=IncidentState.QUEUED,
        category=CategoryCode("fire"),
        priority=priority,
        territory="",
        latitude_deg=None,
        longitude_deg=None,
        crews=(),
        phone="",
        view=b"{}",
    )


CHANGES = st.tuples(st.integers(1, 6), st.integers(PRIORITY_HIGHEST, PRIORITY_LOWEST), st.booleans())


@given(st.lists(st.lists(CHANGES, max_size=4), max_size=40))
def test_oldest_of_each_priority_is_what_a_walk_finds(batches: list[list[tuple[int, int, bool]]]) -> None:
    needs = Needs()
    walked: dict[int, tuple[int, int]] = {}
    for now_us, batch in enumerate(batches):
        for number, priority, waits in batch:
            needs.note(change(number, priority), Micros(now_us), waits=waits)
            if waits:
                walked[number] = (priority, walked.get(number, (0, now_us))[1])
            else:
                walked.pop(number, None)
        needs.settle()
        assert len(needs) == len(walked)
        for priority, oldest_us in enumerate(needs.oldest_us):
            assert oldest_us == min((since_us for of, since_us in walked.values() if of == priority), default=None)


def test_what_waits_no_longer_takes_no_room_behind_one_that_waits_on() -> None:
    needs = Needs()
    needs.note(change(1, 1), Micros(0), waits=True)
    for number in range(2, MANY):
        needs.note(change(number, 1), Micros(number), waits=True)
        needs.note(change(number, 1), Micros(number), waits=False)
        needs.settle()
    assert needs.oldest_us[1] == 0
    assert len(needs) == 1
    assert sum(map(len, needs._heaps)) < MANY // 2


def test_need_waits_on_over_a_takeover() -> None:
    town = Town()
    incident = town.call("fight")
    began_us = town.now_us
    town.wait(1)
    later = town.call("fire", fix=EASTERN)
    recovered = Town(recovered=town.committed.recovered(), now_us=town.now_us + 100 * SECOND_US)
    state = recovered.engine.state
    assert sorted(waiting_in(state), key=lambda one: one.incident_id) == [
        Waiting(incident, town.incident(incident).priority, Micros(began_us)),
        Waiting(later, town.incident(later).priority, Micros(began_us + SECOND_US)),
    ]
    # A chain that has come to its end says nothing of it any more.
    for one in state.incidents.values():
        one.terms = []
    assert {one.since_us for one in waiting_in(state)} == {one.opened_us for one in state.incidents.values()}


@pytest.mark.parametrize("crews", [0, 1])
def test_nothing_waits_in_a_centre_that_has_a_crew_for_each_need(crews: int) -> None:
    town = Town()
    for number in range(crews):
        town.crew(f"P-{number}", "patrol")
    town.call("fight")
    waiting = list(waiting_in(Town(recovered=town.committed.recovered(), now_us=Micros(START_US)).engine.state))
    assert len(waiting) == 1 - crews
    assert [msgspec.structs.asdict(one)["priority"] for one in waiting] == [town.incident(1).priority] * (1 - crews)
