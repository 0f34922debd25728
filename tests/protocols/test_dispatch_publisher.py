"""The publisher: who is told what, once, in order, from any cursor, and at what cost in memory and encodings."""

from __future__ import annotations

import json
from typing import NamedTuple

import msgspec
import pytest

from protocols.dispatch.message import Changes, Filter, Snapshot, Subscribe
from protocols.dispatch.mirror import Mirror
from protocols.dispatch.publisher import Publisher
from protocols.dispatch.subscription import Client
from tests.protocols.dispatch_world import (
    CITY,
    DISPATCHER,
    MEDEU,
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


def test_snapshot_gives_what_matches_and_is_open() -> None:
    publisher = Publisher()
    publisher.publish(
        batch(1, [incident(1), incident(2, closed=True), incident(3, territory="kz/astana")], crews=[crew("P-1")])
    )
    watcher = Watcher(publisher, Filter(territories=(CITY,)))
    (snapshot,) = watcher.drain()
    assert isinstance(snapshot, Snapshot)
    assert (snapshot.reset, snapshot.more, snapshot.cursor) == (True, False, 1)
    assert numbers(snapshot.incidents) == [1]
    assert list(watcher.mirror.crews) == ["P-1"]


def test_snapshot_comes_when_there_is_nothing() -> None:
    (snapshot,) = Watcher(Publisher()).drain()
    assert snapshot == Snapshot(subscription="map", cursor=0, reset=True)


def test_changes_conflate_to_the_newest_state() -> None:
    publisher = Publisher()
    watcher = Watcher(publisher)
    watcher.drain()
    for version in range(1, 6):
        publisher.publish(batch(version, [incident(1, version), *([incident(2)] if version == 3 else [])]))
    assert publisher.conflated == 4
    (message,) = watcher.drain()
    assert changes(message).cursor == 5
    assert watcher.mirror.versions == {1: 5, 2: 1}
    assert len(message.incidents) == 2
    assert watcher.drain() == []


def test_closed_incident_is_told_once_with_its_final_view() -> None:
    publisher = Publisher()
    watcher = Watcher(publisher)
    publisher.publish(batch(1, [incident(1)]))
    watcher.drain()
    publisher.publish(batch(2, [incident(1, 2, closed=True)]))
    (message,) = watcher.drain()
    final = changes(message)
    assert json.loads(bytes(final.incidents[0]))["state"] == "closed"
    assert final.removed == (1,)
    assert watcher.mirror.incidents == {}


def test_incident_that_ceases_to_match_is_taken_out_unseen() -> None:
    publisher = Publisher()
    watcher = Watcher(publisher, Filter(priorities=2))
    publisher.publish(batch(1, [incident(1, priority=1), incident(2, priority=5)]))
    watcher.drain()
    publisher.publish(batch(2, [incident(1, 2, priority=3)]))
    (message,) = watcher.drain()
    assert (changes(message).removed, message.incidents) == ((1,), ())


def test_incident_opened_and_gone_between_two_looks_is_not_told() -> None:
    publisher = Publisher()
    watcher = Watcher(publisher, Filter(priorities=2))
    watcher.drain()
    publisher.publish(batch(1, [incident(1, priority=1)]))
    publisher.publish(batch(2, [incident(1, 2, priority=3)]))
    (message,) = watcher.drain()
    assert message == Changes(subscription="map", cursor=2)


class Selected(NamedTuple):
    what: str
    selection: Filter
    client: Client
    expected: set[int]


WORLD = [
    incident(1, territory=MEDEU, category="fire", priority=1, place=(43.24, 76.95), crews=("P-1",)),
    incident(2, territory=CITY, category="theft", priority=4, place=(43.20, 76.80)),
    incident(3, territory="kz/almatyobl", category="fire", priority=4, place=(10.0, 179.5), crews=("P-2", "P-3")),
    incident(4, territory="", category="other", priority=9, place=None),
    incident(5, territory="kz/astana", category="fire", priority=2, place=(10.0, -179.5)),
]
IN_CITY = Client(operator="d", role="dispatcher", territory=CITY)
CREW = Client(operator="p2", role="crew", territory=CITY, crew="P-2")
SELECTED = [
    Selected("everything", Filter(), DISPATCHER, {1, 2, 3, 4, 5}),
    Selected("root is everything", Filter(territories=("",)), DISPATCHER, {1, 2, 3, 4, 5}),
    Selected("a territory and below, not a namesake", Filter(territories=(CITY,)), DISPATCHER, {1, 2}),
    Selected("two territories", Filter(territories=(MEDEU, "kz/astana")), DISPATCHER, {1, 5}),
    Selected("nested territories", Filter(territories=(MEDEU, CITY)), DISPATCHER, {1, 2}),
    Selected("the client's limit", Filter(), IN_CITY, {1, 2}),
    Selected("wider than the client's limit", Filter(territories=("kz",)), IN_CITY, {1, 2}),
    Selected("narrower than the client's limit", Filter(territories=(MEDEU,)), IN_CITY, {1}),
    Selected("a box", Filter(box=(76.9, 43.2, 77.0, 43.3)), DISPATCHER, {1}),
    Selected("a box's borders", Filter(box=(76.80, 43.20, 76.95, 43.24)), DISPATCHER, {1, 2}),
    Selected("a box over the antimeridian", Filter(box=(179.0, 0.0, -179.0, 20.0)), DISPATCHER, {3, 5}),
    Selected("categories", Filter(categories=("theft", "other")), DISPATCHER, {2, 4}),
    Selected("crews", Filter(crews=("P-3", "P-9")), DISPATCHER, {3}),
    Selected("crews within the client's limit", Filter(crews=("P-1", "P-3")), IN_CITY, {1}),
    Selected("its own, outside its limit too", Filter(own=True), CREW, {3}),
    Selected("priorities", Filter(priorities=2), DISPATCHER, {1, 5}),
    Selected("all fields together", Filter(territories=("kz",), categories=("fire",), priorities=2), DISPATCHER, {1, 5}),
]


@pytest.mark.parametrize("case", SELECTED, ids=lambda case: case.what)
def test_filter_selects(case: Selected) -> None:
    # Once by the snapshot and once by the index of changes.
    publisher = Publisher()
    before = Watcher(publisher, case.selection, client=case.client)
    before.drain()
    publisher.publish(batch(1, WORLD))
    before.drain()
    after = Watcher(publisher, case.selection, client=case.client)
    after.drain()
    assert set(before.mirror.incidents) == case.expected
    assert set(after.mirror.incidents) == case.expected


def test_crews_are_those_that_serve_the_territory() -> None:
    publisher = Publisher()
    watcher = Watcher(publisher, Filter(territories=(MEDEU,)))
    watcher.drain()
    publisher.publish(
        batch(
            1, crews=[crew("D-1", territory=MEDEU), crew("C-1", territory=CITY), crew("B-1", territory="kz/almaty/bostandyk")]
        )
    )
    watcher.drain()
    assert set(watcher.mirror.crews) == {"D-1", "C-1"}
    publisher.publish(batch(2, crews=[crew("D-1", territory="kz/astana"), crew("B-1", territory="")]))
    watcher.drain()
    assert set(watcher.mirror.crews) == {"C-1", "B-1"}
    late = Watcher(publisher, Filter(territories=(MEDEU,)))
    late.drain()
    assert late.mirror.crews == watcher.mirror.crews


def test_positions_follow_a_crew_out_of_the_box_once() -> None:
    publisher = Publisher()
    publisher.publish(batch(1, crews=[crew("P-1"), crew("P-2")]))
    watcher = Watcher(publisher, Filter(box=(76.9, 43.2, 77.0, 43.3)), positions=True)
    silent = Watcher(publisher, Filter(box=(76.9, 43.2, 77.0, 43.3)))
    watcher.drain()
    silent.drain()
    told = []
    for batch_no, longitude_deg in enumerate([76.95, 76.99, 77.20, 77.30], start=2):
        publisher.publish(
            batch(batch_no, positions=[position("P-1", 43.24, longitude_deg, batch_no), position("P-2", 40.0, 70.0)])
        )
        told.append([(row.crew_id, row.longitude_deg) for message in watcher.drain() for row in message.positions])
    assert told == [[("P-1", 76.95)], [("P-1", 76.99)], [("P-1", 77.20)], []]
    assert silent.drain() == []


def test_notices_reach_the_shift_lead_of_the_territory_alone() -> None:
    publisher = Publisher()
    lead = Watcher(publisher, client=SHIFT_LEAD)
    elsewhere = Watcher(publisher, Filter(territories=("kz/astana",)), client=SHIFT_LEAD)
    dispatcher = Watcher(publisher)
    for one in (lead, elsewhere, dispatcher):
        one.drain()
    publisher.publish(batch(1, [incident(1)], notices=[notice(1, "first"), notice(1, "second")]))
    assert [one.text for one in changes(lead.take()).notices] == ["first", "second"]
    assert elsewhere.take() is None
    assert changes(dispatcher.take()).notices == ()


def test_equal_filters_share_one_encoding() -> None:
    publisher = Publisher()
    same = [Watcher(publisher, Filter(territories=(CITY,), categories=("fire", "gas"))) for _ in range(50)]
    same += [Watcher(publisher, Filter(territories=(CITY,), categories=("gas", "fire"))) for _ in range(50)]
    for one in same:
        one.drain()
    before = publisher.encodings
    publisher.publish(batch(1, [incident(1), incident(2)]))
    frames = {id(publisher.take(one.subscription)) for one in same}
    assert len(frames) == 1
    assert publisher.encodings == before + 1


def test_members_who_joined_at_different_batches_share_one_encoding() -> None:
    publisher = Publisher()
    watchers = []
    for batch_no in range(1, 6):
        publisher.publish(batch(batch_no))
        watchers.append(Watcher(publisher))
        watchers[-1].drain()
    publisher.publish(batch(6, [incident(1)]))
    assert len({id(publisher.take(one.subscription)) for one in watchers}) == 1


def test_shared_message_is_right_for_members_at_different_places() -> None:
    publisher = Publisher()
    fast, slow = Watcher(publisher), Watcher(publisher)
    fast.drain()
    slow.drain()
    publisher.publish(batch(1, [incident(1)]))
    fast.drain()
    publisher.publish(batch(2, [incident(2)]))
    assert numbers(changes(fast.take()).incidents) == [2]
    assert numbers(changes(slow.take()).incidents) == [1, 2]
    late = Watcher(publisher)
    late.drain()
    publisher.publish(batch(3, [incident(1, 2)]))
    assert [changes(one.take()).cursor for one in (fast, slow, late)] == [3, 3, 3]
    assert fast.mirror.versions == slow.mirror.versions == late.mirror.versions == {1: 2, 2: 1}


def test_log_is_empty_when_nobody_is_behind() -> None:
    publisher = Publisher()
    watchers = [Watcher(publisher), Watcher(publisher)]
    for one in watchers:
        one.drain()
    publisher.publish(batch(1, [incident(1)], crews=[crew("P-1")]))
    audience = watchers[0].subscription.audience
    watchers[0].drain()
    assert len(audience.incidents) == 1
    watchers[1].drain()
    assert (len(audience.incidents), len(audience.crews), len(audience.frames)) == (0, 0, 0)


def test_client_that_never_reads_lapses_at_the_bound_and_holds_no_more() -> None:
    publisher = Publisher(pending_max=100)
    dead, quick = Watcher(publisher), Watcher(publisher)
    dead.drain()
    quick.drain()
    audience = dead.subscription.audience
    for batch_no in range(1, 101):
        publisher.publish(batch(batch_no, [incident(batch_no * 2), incident(batch_no * 2 + 1)]))
        quick.drain()
        assert len(audience.incidents) <= 102
        # Conflated to the bound it is still served; one batch further it is not.
        assert dead.subscription.lapsed == (batch_no > 51)
    assert dead.take() is None
    assert len(quick.mirror.incidents) == 200
    publisher.unsubscribe(dead.subscription)
    assert len(audience.incidents) == 0


def test_client_lapses_only_when_it_lacks_what_is_dropped() -> None:
    publisher = Publisher(pending_max=2)
    behind, further_behind = Watcher(publisher), Watcher(publisher)
    behind.drain()
    further_behind.drain()
    publisher.publish(batch(1, [incident(1), incident(2)]))
    behind.drain()
    for number in (3, 4):
        publisher.publish(batch(number - 1, [incident(number)]))
    assert (behind.subscription.lapsed, further_behind.subscription.lapsed) == (False, True)
    behind.drain()
    assert set(behind.mirror.incidents) == {1, 2, 3, 4}


def test_same_incidents_changing_again_and_again_make_nobody_lapse() -> None:
    publisher = Publisher(pending_max=10)
    slow = Watcher(publisher)
    slow.drain()
    for batch_no in range(1, 501):
        publisher.publish(batch(batch_no, [incident(n, batch_no, created=batch_no == 1) for n in range(10)]))
    assert not slow.subscription.lapsed
    slow.drain()
    assert slow.mirror.versions == dict.fromkeys(range(10), 500)


def test_snapshot_comes_in_bounded_parts_and_changes_meanwhile_come_after_it() -> None:
    publisher = Publisher(part_bytes=2_000, step=7)
    publisher.publish(batch(1, [incident(n, padding=400) for n in range(100)]))
    watcher = Watcher(publisher)
    parts = [watcher.take() for _ in range(3)]
    publisher.publish(batch(2, [incident(99, 2), incident(0, 2), incident(50, 2, closed=True), incident(100)]))
    messages = [one for one in parts if one is not None] + watcher.drain()
    snapshots = [one for one in messages if isinstance(one, Snapshot)]
    assert [one.reset for one in snapshots] == [True] + [False] * (len(snapshots) - 1)
    assert [one.more for one in snapshots] == [True] * (len(snapshots) - 1) + [False]
    assert all(sum(map(len, one.incidents)) < 2_000 + 600 for one in snapshots)
    told = [number for one in snapshots for number in numbers(one.incidents)]
    # Those that changed before their turn come once, with the changes.
    assert sorted(told) == [n for n in range(99) if n != 50]
    assert snapshots[-1].cursor == 1
    assert watcher.mirror.versions == {n: 2 if n in (0, 99) else 1 for n in range(101) if n != 50}


def test_snapshot_broken_off_leaves_no_cursor() -> None:
    publisher = Publisher(part_bytes=2_000)
    publisher.publish(batch(1, [incident(n, padding=400) for n in range(100)]))
    watcher = Watcher(publisher)
    watcher.take()
    assert (watcher.mirror.cursor, watcher.mirror.complete) == (None, False)


def test_backlog_too_long_for_one_message_comes_in_parts() -> None:
    publisher = Publisher(part_bytes=2_000, changes_bytes=10_000)
    watcher = Watcher(publisher)
    watcher.drain()
    publisher.publish(batch(1, [incident(n, padding=400) for n in range(100)]))
    first = changes(watcher.take())
    assert (first.more, first.cursor) == (True, 0)
    publisher.publish(batch(2, [incident(n, 2) for n in range(0, 100, 10)]))
    rest = watcher.drain()
    assert [one.cursor for one in rest] == [0] * (len(rest) - 2) + [1, 2]
    assert watcher.mirror.versions == {n: 2 if n % 10 == 0 else 1 for n in range(100)}
    told = [number for one in [first, *rest] for number in numbers(one.incidents)]
    # Told twice at most where the first version had gone out before it changed.
    assert len(told) == 100 + len(numbers(first.incidents)[::10])


def test_beat_moves_the_cursor_of_a_client_with_nothing_to_be_told() -> None:
    publisher = Publisher()
    watcher = Watcher(publisher, Filter(territories=("kz/astana",)))
    assert publisher.beat(watcher.subscription) is None, "its snapshot is still to come"
    watcher.drain()
    assert publisher.beat(watcher.subscription) is None
    publisher.publish(batch(1, [incident(1)]))
    frame = publisher.beat(watcher.subscription)
    assert frame is not None
    assert frame[14:] == b'{"kind":"changes","subscription":"map","cursor":1}'
    assert publisher.beat(watcher.subscription) is None


def test_batches_and_versions_never_go_back() -> None:
    publisher = Publisher()
    publisher.publish(batch(2, [incident(1, 3)]))
    with pytest.raises(ValueError, match="batch 2 after batch 2"):
        publisher.publish(batch(2))
    with pytest.raises(ValueError, match="incident 1: version 2 after 3"):
        publisher.publish(batch(3, [incident(1, 2)]))


def test_subscription_id_is_sent_as_json() -> None:
    publisher = Publisher()
    watcher = Watcher(publisher, name='қала "1"\\')
    (snapshot,) = watcher.drain()
    assert snapshot.subscription == 'қала "1"\\'


def test_audience_without_members_is_forgotten() -> None:
    publisher = Publisher()
    watchers = [Watcher(publisher, Filter(territories=(f"kz/{n % 5}",))) for n in range(10)]
    watchers += [Watcher(publisher, Filter(crews=(f"P-{n}",))) for n in range(10)]
    assert len(publisher._audiences) == 15
    for one in watchers:
        publisher.unsubscribe(one.subscription)
    assert len(publisher._audiences) == 0
    assert publisher.publish(batch(1, [incident(1, crews=("P-1",), territory="kz/1")])) == []


def test_mirror_takes_a_version_it_holds_as_a_repeat() -> None:
    mirror = Mirror()
    publisher = Publisher()
    publisher.publish(batch(1, [incident(1, 5)]))
    Watcher(publisher, mirror=mirror).drain()
    mirror.take()
    for version in (4, 5):
        mirror.apply(Changes(subscription="map", cursor=1, incidents=(msgspec.Raw(incident(1, version).view),)))
    assert mirror.versions == {1: 5}
    assert not mirror.take()


def test_subscribe_request_survives_the_wire() -> None:
    request = Subscribe(id="a", filter=Filter(box=(1.0, 2.0, 3.0, 4.0), own=True), positions=True, max_per_s=2.0, cursor=3)
    assert msgspec.json.decode(msgspec.json.encode(request), type=Subscribe) == request
