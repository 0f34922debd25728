"""Correlation: each reason, the windows and radii, and the grid against comparing with every open incident."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import limits
from core.category import Category, Names
from core.correlate import ACCURACY_SHARE_MAX_M, CorrelateRules, OpenIncidents
from core.facts import CorrelateReason, Evidence, Joined
from core.great_circle import METRES_PER_DEGREE, distance_m
from core.identify import Caller, NumberKind
from core.incident import Incident
from core.instant import SECOND_US, Micros
from core.vocabulary import CategoryCode, IncidentId, LocationSource

NOW_US = Micros(1_000_000 * SECOND_US)
PHONE = "+77010000001"


def category(code: str = "fire", radius_m: float = 200.0, window_s: float = 1_800.0) -> Category:
    return Category(code=code, name=Names(code, code, code), priority=2, radius_m=radius_m, window_s=window_s)


FIRE = category()


def place(
    latitude_deg: float, longitude_deg: float, accuracy_m: float = 0.0, source: LocationSource = LocationSource.GIVEN
) -> Evidence:
    return Evidence(source, latitude_deg, longitude_deg, accuracy_m)


def told(call: str = "", phone: str = "", device: str = "") -> Joined:
    caller = Caller(number_kind=NumberKind.UNKNOWN, e164=phone) if phone else None
    return Joined(event="s/1", kind="call", reason=CorrelateReason.FIRST, call=call, device=device, caller=caller)


def incident(number: int, where: Evidence | None, *joined: Joined, age_s: float = 0.0, code: str = "fire") -> Incident:
    at_us = Micros(NOW_US - int(age_s * SECOND_US))
    new = Incident(
        incident_id=IncidentId(number),
        opened_us=at_us,
        updated_us=at_us,
        told_us=at_us,
        category=CategoryCode(code),
        place=where,
    )
    new.told = list(joined) or [told()]
    return new


def register(*incidents: Incident, of: Category = FIRE) -> OpenIncidents:
    known = OpenIncidents(CorrelateRules())
    for one in incidents:
        for joined in one.told:
            known.note(one, joined, of)
    return known


HERE = place(43.2, 76.9)
FAR = place(43.3, 76.9)


@pytest.mark.parametrize(
    ("known", "asked", "found"),
    [
        (incident(1, HERE, told(phone=PHONE)), (HERE, PHONE, ""), CorrelateReason.SAME_NUMBER),
        (incident(1, HERE, told(phone=PHONE), age_s=7_200), (None, PHONE, ""), CorrelateReason.SAME_NUMBER),
        (incident(1, HERE, told(phone=PHONE), age_s=7_201), (None, PHONE, ""), None),
        (incident(1, None, told(phone=PHONE)), (FAR, PHONE, ""), CorrelateReason.SAME_NUMBER),
        (incident(1, HERE, told(phone=PHONE)), (FAR, PHONE, ""), None),
        (
            incident(1, HERE, told(phone=PHONE)),
            (place(43.3, 76.9, source=LocationSource.SUBSCRIBER), PHONE, ""),
            CorrelateReason.SAME_NUMBER,
        ),
        (incident(1, None, told(device="d")), (None, "", "d"), CorrelateReason.SAME_DEVICE),
        (incident(1, None, told(device="d"), age_s=1_801), (None, "", "d"), None),
        (incident(1, HERE), (place(43.2017, 76.9), "", ""), CorrelateReason.NEAR_SAME_CATEGORY),
        (incident(1, HERE), (place(43.2019, 76.9), "", ""), None),
        (incident(1, HERE), (place(43.2019, 76.9, 100.0), "", ""), CorrelateReason.NEAR_SAME_CATEGORY),
        (incident(1, HERE), (place(43.2046, 76.9, 9_000.0), "", ""), None),
        (incident(1, HERE, age_s=1_801), (HERE, "", ""), None),
        (incident(1, None), (HERE, "", ""), None),
    ],
)
def test_find_when_one_incident_is_open(
    known: Incident, asked: tuple[Evidence | None, str, str], found: CorrelateReason | None
) -> None:
    answer = register(known).find(FIRE, *asked, NOW_US)
    assert answer == (None if found is None else (known, found))


def test_find_when_category_differs_needs_more_than_nearness() -> None:
    assert register(incident(1, HERE)).find(category("gas"), HERE, "", "", NOW_US) is None


def test_find_when_a_number_tells_of_two_incidents_takes_the_one_it_fits() -> None:
    first, second = incident(1, HERE, told(phone=PHONE)), incident(2, FAR, told(phone=PHONE))
    known = register(first, second)
    assert known.find(category("gas"), HERE, PHONE, "", NOW_US) == (first, CorrelateReason.SAME_NUMBER)
    assert known.find(category("gas"), FAR, PHONE, "", NOW_US) == (second, CorrelateReason.SAME_NUMBER)
    assert known.find(category("gas"), None, PHONE, "", NOW_US) == (second, CorrelateReason.SAME_NUMBER)
    known.forget(second)
    assert known.find(category("gas"), None, PHONE, "", NOW_US) == (first, CorrelateReason.SAME_NUMBER)


def test_note_when_place_or_category_changes_moves_the_incident() -> None:
    one = incident(1, HERE)
    known = register(one)
    one.place = FAR
    known.note(one, told(), FIRE)
    assert known.find(FIRE, HERE, "", "", NOW_US) is None
    assert known.find(FIRE, FAR, "", "", NOW_US) is not None
    known.note(one, told(), category("gas"))
    assert known.find(FIRE, FAR, "", "", NOW_US) is None
    one.place = None
    known.place(one, FIRE)
    assert known.find(category("gas"), FAR, "", "", NOW_US) is None


def test_release_when_an_event_is_told_no_more_lets_go_of_its_keys_only() -> None:
    gone = told(call="s/1", phone=PHONE, device="d")
    one = incident(1, None, gone, told(call="s/2", phone=PHONE))
    known = register(one)
    one.told = one.told[1:]
    known.release(one, [gone])
    assert known.by_call("s/1") is None
    assert known.by_call("s/2") is one
    assert known.find(FIRE, None, PHONE, "", NOW_US) == (one, CorrelateReason.SAME_NUMBER)
    assert known.find(FIRE, None, "", "d", NOW_US) is None


POINT = st.tuples(st.floats(-0.02, 0.02), st.floats(-0.03, 0.03), st.sampled_from((0.0, 50.0, 299.0, 300.0, 8_000.0)))
RADII = st.sampled_from((60.0, 150.0, 500.0))
LATITUDES = st.sampled_from((43.25, 0.0, -0.5, 0.5, -43.2, 60.5, 75.0, -80.0))


@given(LATITUDES, RADII, st.lists(POINT, max_size=40), st.lists(POINT, min_size=1, max_size=5), st.booleans())
def test_find_near_when_compared_with_all_is_the_nearest(
    latitude_deg: float,
    radius_m: float,
    points: list[tuple[float, float, float]],
    asked: list[tuple[float, float, float]],
    on_borders: bool,
) -> None:
    of = category(radius_m=radius_m)
    size_deg = 2.02 * (radius_m + ACCURACY_SHARE_MAX_M) / METRES_PER_DEGREE

    def at(point: tuple[float, float, float]) -> Evidence:
        north, east, accuracy_m = point
        base_deg = round(latitude_deg / size_deg) * size_deg if on_borders else latitude_deg
        north = round(north / (size_deg / 2)) * (size_deg / 2) if on_borders else north
        return place(base_deg + north, 76.9 + east, accuracy_m)

    incidents = [incident(number, at(point)) for number, point in enumerate(points, start=1)]
    known = register(*incidents, of=of)
    for point in asked:
        here = at(point)
        fitting = []
        for one in incidents:
            assert one.place is not None
            apart_m = distance_m(here.latitude_deg, here.longitude_deg, one.place.latitude_deg, one.place.longitude_deg)
            if apart_m <= radius_m + min(max(here.accuracy_m, one.place.accuracy_m), ACCURACY_SHARE_MAX_M):
                fitting.append((apart_m, -one.incident_id))
        found = known.find(of, here, "", "", NOW_US)
        assert (None if found is None else -found[0].incident_id) == (min(fitting)[1] if fitting else None)


def test_find_when_a_cell_is_crowded_looks_at_the_ones_opened_last() -> None:
    crowd = [incident(number, HERE) for number in range(1, limits.CORRELATE_SCAN_MAX + 3)]
    crowd[0].place = place(43.2001, 76.9)
    known = register(*crowd)
    assert known.find(FIRE, HERE, "", "", NOW_US) == (crowd[-1], CorrelateReason.NEAR_SAME_CATEGORY)
    for one in crowd[2:]:
        one.told_us = Micros(0)
    assert known.find(FIRE, HERE, "", "", NOW_US) is None
    for one in crowd[2:]:
        known.forget(one)
    assert known.find(FIRE, HERE, "", "", NOW_US) == (crowd[1], CorrelateReason.NEAR_SAME_CATEGORY)


KEYED = st.tuples(st.integers(1, 6), st.sampled_from(("a", "b")), st.booleans())


@given(st.lists(KEYED, max_size=30))
def test_find_by_key_when_known_in_another_order_finds_the_same(steps: list[tuple[int, str, bool]]) -> None:
    live = OpenIncidents(CorrelateRules())
    incidents = {number: incident(number, None) for number in range(1, 7)}
    for one in incidents.values():
        one.told = []
    for number, call, ends in steps:
        if number not in incidents:
            continue
        if ends:
            live.forget(incidents.pop(number))
        else:
            incidents[number].told.append(told(call=call))
            live.note(incidents[number], incidents[number].told[-1], FIRE)
    again = register(*(one for one in incidents.values() if one.told))
    for call in ("a", "b"):
        holders = [number for number, one in incidents.items() if any(joined.call == call for joined in one.told)]
        expected = incidents[max(holders)] if holders else None
        assert live.by_call(call) is again.by_call(call) is expected
