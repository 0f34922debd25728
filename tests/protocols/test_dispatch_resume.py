"""Who comes back: what it has missed and nothing else, within the window."""

from __future__ import annotations

import pytest

from protocols.dispatch.message import Changes, Filter, Snapshot
from protocols.dispatch.publisher import Publisher
from tests.protocols.dispatch_world import (
    SHIFT_LEAD,
    Watcher,
    batch,
    changes,
    crew,
    incident,
    notice,
    numbers,
    position,
)


def test_notices_are_kept_for_a_shift_lead_who_resumes() -> None:
    publisher = Publisher()
    lead = Watcher(publisher, client=SHIFT_LEAD)
    publisher.publish(batch(1, [incident(1)]))
    lead.drain()
    publisher.unsubscribe(lead.subscription)
    publisher.publish(batch(2, [incident(1, 2)], notices=[notice(1)]))
    back = Watcher(publisher, client=SHIFT_LEAD, cursor=1)
    assert len(changes(back.take()).notices) == 1


def test_resume_tells_what_has_changed_since_and_nothing_else() -> None:
    publisher = Publisher()
    first = Watcher(publisher, Filter(priorities=5))
    publisher.publish(batch(1, [incident(n, priority=5) for n in range(1, 7)], crews=[crew("P-1"), crew("P-2")]))
    first.drain()
    publisher.unsubscribe(first.subscription)
    publisher.publish(
        batch(
            2,
            [
                incident(1, 2, priority=5),
                incident(2, 2, priority=5, closed=True),
                incident(3, 2, priority=9),
                incident(7, priority=5),
                incident(8, priority=9),
            ],
            crews=[crew("P-2", updated_us=2)],
        )
    )
    publisher.publish(batch(3, [incident(1, 3, priority=5)]))
    second = Watcher(publisher, Filter(priorities=5), cursor=first.mirror.cursor, mirror=first.mirror)
    (message,) = second.drain()
    resumed = changes(message)
    assert sorted(numbers(resumed.incidents)) == [1, 2, 7]
    assert sorted(resumed.removed) == [2, 3]
    assert len(resumed.crews) == 1
    assert second.mirror.versions == {1: 3, 4: 1, 5: 1, 6: 1, 7: 1}


def test_resume_with_nothing_missed_says_so() -> None:
    publisher = Publisher()
    publisher.publish(batch(1, [incident(1)]))
    assert Watcher(publisher, cursor=1).drain() == [Changes(subscription="map", cursor=1)]


@pytest.mark.parametrize(("cursor", "resumed"), [(40, False), (41, True), (51, True), (52, False)])
def test_resume_works_within_the_window(cursor: int, resumed: bool) -> None:
    publisher = Publisher(resume_batches=10)
    for batch_no in range(1, 52):
        publisher.publish(batch(batch_no, [incident(batch_no)]))
    assert publisher.window_start == 41
    (message,) = Watcher(publisher, cursor=cursor).drain()
    assert isinstance(message, Changes if resumed else Snapshot)
    assert len(message.incidents) == (51 - cursor if resumed else 51)


@pytest.mark.parametrize(("cursor", "resumed"), [(6, False), (7, True), (8, False)])
def test_resume_after_a_restart_works_from_the_last_batch_alone(cursor: int, resumed: bool) -> None:
    publisher = Publisher()
    publisher.restore(7, [incident(1, 4)], [crew("P-1")], [position("P-1")])
    watcher = Watcher(publisher, cursor=cursor, positions=True)
    (message,) = watcher.drain()
    assert isinstance(message, Changes if resumed else Snapshot)
    publisher.publish(batch(8, [incident(1, 5), incident(2)]))
    watcher.drain()
    assert watcher.mirror.versions == {1: 5, 2: 1}
    assert set(watcher.mirror.positions) == (set() if resumed else {"P-1"})


def test_closed_incidents_are_forgotten_behind_the_window() -> None:
    publisher = Publisher(resume_batches=3)
    publisher.publish(batch(1, [incident(1), incident(2)]))
    publisher.publish(batch(2, [incident(1, 2, closed=True)]))
    for batch_no in (3, 4):
        publisher.publish(batch(batch_no))
    assert publisher.incident(1) is not None
    publisher.publish(batch(5))
    assert publisher.incident(1) is None
    assert publisher.incident(2) is not None
