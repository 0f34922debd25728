"""The city's events: in order, numbered, the same however the time is cut, and with everything that real traffic has."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from core.events import Alarm, Call, CallUpdate, PlateRead, SensorReading, VideoEvent, check
from core.instant import SECOND_US, to_datetime, to_micros
from loadtest.cadastre import Point
from loadtest.city import City
from loadtest.crews import distance_m
from loadtest.happening import Rates, Sent
from loadtest.traffic import Traffic

CITY = City(3, districts=3, streets=16, crews=5, cameras=60, subscribers=2_000)
START_US = 1_700_000_000 * SECOND_US
BUSY = Rates(happenings=2.0, panels=0.5, plates=5.0, readings=5.0, analytics=0.3)


def run(seconds: int, seed: int = 1, rates: Rates = BUSY) -> tuple[Traffic, list[Sent]]:
    traffic = Traffic(CITY, rates, seed, START_US)
    return traffic, traffic.events_until(START_US + seconds * SECOND_US)


@settings(max_examples=20)
@given(cuts=st.lists(st.integers(0, 60 * SECOND_US), max_size=20).map(sorted))
def test_events_are_the_same_however_the_time_is_cut(cuts: list[int]) -> None:
    traffic = Traffic(CITY, BUSY, 7, START_US)
    cut: list[Sent] = []
    for offset_us in cuts:
        cut += traffic.events_until(START_US + offset_us)
    cut += traffic.events_until(START_US + 60 * SECOND_US)
    assert cut == run(60, seed=7)[1]


def test_events_come_in_order_and_each_stream_counts_by_one() -> None:
    _, sent = run(300)
    assert [one.event.at for one in sent] == sorted(one.event.at for one in sent)
    streams: defaultdict[str, list[int]] = defaultdict(list)
    for one in sent:
        streams[one.stream].append(one.event.seq)
    assert set(streams) == {"telephone", "alarms", "cameras", "sensors"}
    assert all(seqs == list(range(1, len(seqs) + 1)) for seqs in streams.values())


def test_stream_goes_on_from_the_number_given() -> None:
    sent = Traffic(CITY, BUSY, 1, START_US, {"cameras": 1_000}).events_until(START_US + 10 * SECOND_US)
    assert [one.event.seq for one in sent if one.stream == "cameras"][:3] == [1_000, 1_001, 1_002]
    assert next(one.event.seq for one in sent if one.stream == "telephone") == 1


def test_every_event_is_acceptable() -> None:
    _, sent = run(300)
    latest = to_datetime(START_US) + timedelta(seconds=300)
    assert [fault for one in sent if (fault := check(one.event, latest)) is not None] == []


def test_arrivals_are_as_many_as_the_rates_say() -> None:
    traffic, sent = run(600)
    kinds = Counter(type(one.event) for one in sent)
    # Six standard deviations of a Poisson count either way.
    for found, expected in ((len(traffic.happenings), 1_200), (kinds[PlateRead], 3_000)):
        assert abs(found - expected) < 6 * expected**0.5
    assert kinds[SensorReading] >= 2_600
    assert kinds[Alarm] > 200
    assert kinds[VideoEvent] > 100


def test_one_rate_leaves_another_arrivals_alone() -> None:
    _, sent = run(60, rates=Rates(happenings=0.0, panels=0.0, plates=5.0, readings=0.0, analytics=0.0))
    assert {one.stream for one in sent} == {"cameras"}


def test_calls_locate_themselves_in_every_way_there_is() -> None:
    _, sent = run(900)
    calls = [one.event for one in sent if type(one.event) is Call]
    ways = Counter("fix" if call.fix else "given" if call.given else "address" if call.address else "phone" for call in calls)
    assert min(ways[way] for way in ("fix", "given", "address", "phone")) > len(calls) * 0.02
    assert 0.01 < sum(1 for call in calls if not call.phone) / len(calls) < 0.12
    assert Counter(call.language for call in calls).keys() >= {"kk", "ru", "en"}


def test_several_tell_of_one_happening() -> None:
    traffic, sent = run(900)
    told = Counter(traffic.truth[one.stream, one.event.seq] for one in sent if (one.stream, one.event.seq) in traffic.truth)
    assert max(told.values()) >= 4
    assert len(told) == len(traffic.happenings)
    streams: defaultdict[int, set[str]] = defaultdict(set)
    for (stream, _), happening in traffic.truth.items():
        streams[happening].add(stream)
    assert any({"telephone", "alarms"} <= seen for seen in streams.values())


def test_fixes_lie_where_it_happens() -> None:
    traffic, sent = run(300)
    for one in sent:
        if type(one.event) is Call and one.event.fix is not None:
            happening = traffic.happenings[traffic.truth["telephone", one.event.seq]]
            fix = one.event.fix
            off_m = distance_m(Point(fix.latitude_deg, fix.longitude_deg), happening.place)
            assert off_m < 6 * fix.accuracy_m


def test_numbers_call_again() -> None:
    _, sent = run(900)
    phones = Counter(one.event.phone for one in sent if type(one.event) is Call and len(one.event.phone) > 9)
    assert max(phones.values()) >= 2


def test_update_follows_its_call() -> None:
    _, sent = run(300)
    called: dict[str, int] = {}
    updates = 0
    for one in sent:
        if type(one.event) is Call:
            called[one.event.call_id] = to_micros(one.event.at)
        elif type(one.event) is CallUpdate:
            updates += 1
            assert called[one.event.call_id] < to_micros(one.event.at)
    assert updates > 20
