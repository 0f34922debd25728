"""Which earlier incidents belong to a context and why, what is counted, and which results mean a false call."""

from __future__ import annotations

from typing import NamedTuple

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import limits
from core.context import (
    ADDRESS_SPREAD_M,
    DAY_US,
    Context,
    Group,
    Outcome,
    Past,
    PastIncident,
    Relation,
    Scope,
    box_of,
    cell_of,
    cells_around,
    context_of,
    outcome_of,
)
from core.great_circle import METRES_PER_DEGREE, distance_m
from core.instant import Micros
from core.vocabulary import CategoryCode, IncidentId

NOW = Micros(1_770_000_000_000_000)
SCOPE = Scope(near_m=250.0, near_days=30, road_m=500.0, road_days=365, road_categories=("accident",))
ABAY, ABAY_10 = 5, 510
PHONE, OTHER_PHONE = 77010000001, 77010000002
SUBJECT = PastIncident(
    incident_id=IncidentId(1000),
    opened_us=NOW,
    category=CategoryCode("assault"),
    territory="kz/almaty",
    outcome=Outcome.OPEN,
    result="",
    latitude_deg=43.25,
    longitude_deg=76.95,
    address=ABAY_10,
    streets=(ABAY,),
    phones=(PHONE,),
)


def north(metres: float) -> float:
    """A latitude so far north of the subject's."""
    return 43.25 + metres / METRES_PER_DEGREE


def earlier(number: int = 1, **fields: object) -> PastIncident:
    """An incident ten days before the subject's that is no relation of it, with some fields changed."""
    unlike: dict[str, object] = {
        "incident_id": IncidentId(number),
        "opened_us": NOW - 10 * DAY_US,
        "outcome": Outcome.HANDLED,
        "result": "worked",
        "latitude_deg": 50.0,
        "address": None,
        "streets": (),
        "phones": (OTHER_PHONE,),
    }
    return msgspec.structs.replace(SUBJECT, **{**unlike, **fields})


def context(*found: PastIncident, subject: PastIncident = SUBJECT, reached: frozenset[Relation] = frozenset()) -> Context:
    return context_of(Past(subject, found, reached, NOW, NOW), SCOPE)


def groups(of: Context) -> dict[Relation, Group]:
    return {relation: getattr(of, relation.value) for relation in Relation}


def relations(found: Context) -> set[Relation]:
    return {relation for relation, group in groups(found).items() if group.total}


class Case(NamedTuple):
    of: str
    fields: dict[str, object]
    why: set[Relation]


CASES = [
    Case("nothing in common", {}, set()),
    Case("the same house", {"address": ABAY_10, "latitude_deg": north(ADDRESS_SPREAD_M - 1)}, {Relation.SAME_ADDRESS}),
    Case("that house in another town", {"address": ABAY_10, "latitude_deg": north(ADDRESS_SPREAD_M + 1)}, set()),
    Case("that house, nobody knows where", {"address": ABAY_10, "latitude_deg": None}, {Relation.SAME_ADDRESS}),
    Case("another house of the street", {"address": 511, "streets": (ABAY,)}, set()),
    Case("the number", {"phones": (OTHER_PHONE, PHONE)}, {Relation.SAME_NUMBER}),
    Case("near by", {"latitude_deg": north(249)}, {Relation.NEARBY}),
    Case("not so near by", {"latitude_deg": north(251)}, set()),
    Case("near by, long ago", {"latitude_deg": north(1), "opened_us": NOW - 31 * DAY_US}, set()),
    Case(
        "an accident on the street",
        {"category": "accident", "streets": (ABAY, 6), "latitude_deg": north(499)},
        {Relation.SAME_ROAD},
    ),
    Case("an accident too far up the street", {"category": "accident", "streets": (ABAY,), "latitude_deg": north(501)}, set()),
    Case("an accident on another street", {"category": "accident", "streets": (6,), "latitude_deg": north(400)}, set()),
    Case("no accident on the street", {"category": "fire", "streets": (ABAY,), "latitude_deg": north(400)}, set()),
    Case(
        "an accident on the street, long ago",
        {"category": "accident", "streets": (ABAY,), "latitude_deg": north(1), "opened_us": NOW - 366 * DAY_US},
        set(),
    ),
    Case(
        "everything",
        {"category": "accident", "streets": (ABAY,), "latitude_deg": 43.25, "address": ABAY_10, "phones": (PHONE,)},
        set(Relation),
    ),
    Case("everything, but later", {"incident_id": IncidentId(1001), "address": ABAY_10, "phones": (PHONE,)}, set()),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.of)
def test_earlier_incident_is_listed_for_each_relation_and_no_other(case: Case) -> None:
    found = context(msgspec.structs.replace(earlier(), **case.fields))
    assert relations(found) == case.why
    for group in groups(found).values():
        assert [set(one.why) for one in group.listed] == [case.why] * group.total


def test_entry_says_what_it_was_and_how_far() -> None:
    (one,) = context(earlier(7, latitude_deg=north(120), result="put out")).nearby.listed
    assert (one.incident_id, one.opened_us, one.category, one.outcome, one.result) == (
        7,
        NOW - 10 * DAY_US,
        "assault",
        Outcome.HANDLED,
        "put out",
    )
    assert one.distance_m == pytest.approx(120.0, abs=0.1)
    (one,) = context(earlier(7, address=ABAY_10, longitude_deg=None)).same_address.listed
    assert one.distance_m is None


def test_subject_without_anything_has_an_empty_context() -> None:
    bare = msgspec.structs.replace(SUBJECT, latitude_deg=None, longitude_deg=None, address=None, streets=(), phones=())
    found = context(earlier(1), earlier(2, phones=(), latitude_deg=None), subject=bare)
    assert relations(found) == set()
    assert found.numbers == ()


def test_list_is_newest_first_and_bounded_while_counts_go_on() -> None:
    ages = [*range(1, limits.CONTEXT_LISTED + 5), 30, 31, 365, 366]
    found = [earlier(number, phones=(PHONE,), opened_us=NOW - age * DAY_US) for number, age in enumerate(ages, 1)]
    group = context(*reversed(found)).same_number
    assert [one.opened_us for one in group.listed] == [NOW - age * DAY_US for age in ages[: limits.CONTEXT_LISTED]]
    assert (group.day, group.month, group.year, group.total) == (1, len(ages) - 3, len(ages) - 1, len(ages))
    assert group.more is False


def test_counts_are_at_least_so_many_when_reading_has_reached_its_bound() -> None:
    found = context(earlier(phones=(PHONE,)), reached=frozenset({Relation.SAME_NUMBER}))
    assert {relation for relation, group in groups(found).items() if group.more} == {Relation.SAME_NUMBER}
    assert [one.more for one in found.numbers] == [True]


def test_history_of_each_number_tells_its_false_calls() -> None:
    subject = msgspec.structs.replace(SUBJECT, phones=(PHONE, OTHER_PHONE))
    past = [
        earlier(1, phones=(PHONE,), outcome=Outcome.FALSE_CALL, opened_us=NOW - 40 * DAY_US),
        earlier(2, phones=(PHONE, OTHER_PHONE), outcome=Outcome.FALSE_CALL, opened_us=NOW - 30 * DAY_US),
        earlier(3, phones=(PHONE,), opened_us=NOW - 20 * DAY_US),
        earlier(4, phones=(OTHER_PHONE,), outcome=Outcome.OPEN),
    ]
    one, other = context(*past, subject=subject).numbers
    assert (one.phone, one.incidents, one.false_calls) == ("+77010000001", 3, 2)
    assert (one.first_us, one.last_us) == (NOW - 40 * DAY_US, NOW - 30 * DAY_US)
    assert (other.phone, other.incidents, other.false_calls, other.first_us) == ("+77010000002", 2, 1, NOW - 30 * DAY_US)


def test_only_the_first_numbers_are_looked_up() -> None:
    phones = tuple(range(77010000000, 77010000000 + limits.CONTEXT_NUMBERS + 1))
    subject = msgspec.structs.replace(SUBJECT, phones=phones)
    found = context(earlier(1, phones=phones[-1:]), earlier(2, phones=phones[-2:-1]), subject=subject)
    assert [one.incident_id for one in found.same_number.listed] == [2]
    assert [one.phone for one in found.numbers] == [f"+{phone}" for phone in phones[:-1]]


@pytest.mark.parametrize(
    ("result", "outcome"),
    [
        ("false_call", Outcome.FALSE_CALL),
        ("FALSE-CALL: nobody there", Outcome.FALSE_CALL),
        ("  False  call", Outcome.FALSE_CALL),
        ("Ложный вызов, по адресу никого", Outcome.FALSE_CALL),
        ("Жалған шақыру", Outcome.FALSE_CALL),
        ("hoax", Outcome.FALSE_CALL),
        ("worked", Outcome.HANDLED),
        ("не ложный вызов: задержан", Outcome.HANDLED),
        ("false alarm of the panel", Outcome.HANDLED),
        ("", Outcome.HANDLED),
    ],
)
def test_outcome_is_what_the_result_begins_with(result: str, outcome: Outcome) -> None:
    assert outcome_of(result, closed=True) is outcome
    assert outcome_of(result, closed=False) is Outcome.OPEN


@given(
    latitude_deg=st.floats(-80, 80),
    longitude_deg=st.floats(-179, 179),
    radius_m=st.floats(1, 2000),
    bearing=st.tuples(st.floats(-1, 1), st.floats(-1, 1)),
)
def test_cells_and_box_hold_whatever_is_within_the_radius(
    latitude_deg: float, longitude_deg: float, radius_m: float, bearing: tuple[float, float]
) -> None:
    south, west, north_deg, east = box_of(latitude_deg, longitude_deg, radius_m)
    there = (
        latitude_deg + bearing[0] * (north_deg - latitude_deg),
        longitude_deg + bearing[1] * (east - longitude_deg),
    )
    cells = cells_around(latitude_deg, longitude_deg, radius_m)
    assert len(set(cells)) == len(cells)
    assert cell_of(*there) in cells
    # The box itself holds the circle: just outside it nothing is near.
    for outside in ((south - 1e-6, longitude_deg), (north_deg + 1e-6, longitude_deg)):
        assert distance_m(latitude_deg, longitude_deg, *outside) > radius_m
    for outside in ((latitude_deg, west - 1e-3), (latitude_deg, east + 1e-3)):
        assert distance_m(latitude_deg, longitude_deg, *outside) > radius_m * 0.999
