"""What is read for a context on a real PostgreSQL: by each relation, of the reader's territory alone, within its bounds."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from core import limits
from core.context import Context, Past, Relation, Scope, context_of
from core.decisions import IncidentChange
from core.great_circle import METRES_PER_DEGREE
from core.instant import Micros
from storage import past
from storage.context import read_past, read_subject
from storage.session import connect
from tests.storage.past_days import HERE, NOW, Days, addresses, incident

ONE, OTHER = "+77010000001", "+77010000002"
SUBJECT = 1000
SCOPE = Scope()


def look(dsn: str, subject: IncidentChange, *before: IncidentChange, territory: str = "", scope: Scope = SCOPE) -> Past:
    """Commits a past, and reads what may belong to the subject's context."""

    async def main() -> Past:
        connection = await connect(dsn, "test")
        try:
            async with Days(dsn) as days:
                await days.commit(*before, subject)
            opened: dict[int, int] = {one.incident_id: one.opened_us for one in (*before, subject)}
            await past.fill(connection, opened, addresses)
            known = await read_subject(connection, subject.incident_id)
            assert known is not None
            return await read_past(connection, known, scope, territory, now_us=NOW, through_us=Micros(NOW - 1))
        finally:
            await connection.close()

    return asyncio.run(main())


def context(found: Past) -> Context:
    return context_of(found, SCOPE)


def listed(found: Context) -> dict[Relation, list[int]]:
    return {relation: [one.incident_id for one in getattr(found, relation.value).listed] for relation in Relation}


def away(metres: float) -> tuple[float, float]:
    return HERE[0] + metres / METRES_PER_DEGREE, HERE[1]


def test_each_relation_finds_its_own_newest_first(database: str) -> None:
    subject = incident(SUBJECT, days_ago=0, text="5/10", phones=(ONE, OTHER))
    far = away(900)
    found = look(
        database,
        subject,
        incident(1, days_ago=900, text="5/10", at=far, phones=(ONE,), result="hoax"),
        incident(2, days_ago=800, text="5/10", at=far, result="worked"),
        incident(3, days_ago=700, at=None, phones=(OTHER,), result="worked"),
        incident(4, days_ago=29, at=away(200)),
        incident(5, days_ago=364, at=away(450), text="5", category="accident"),
        incident(6, days_ago=31, at=away(200), text="5/12"),
        incident(7, days_ago=5, at=(50.0, 70.0), phones=("+77019999999",), text="6/10"),
    )
    assert (found.computed_us, found.through_us, found.reached) == (NOW, NOW - 1, frozenset())
    assert {one.incident_id for one in found.found} == {1, 2, 3, 4, 5}
    shown = context(found)
    assert listed(shown) == {
        Relation.SAME_ADDRESS: [2, 1],
        Relation.SAME_NUMBER: [3, 1],
        Relation.NEARBY: [4],
        Relation.SAME_ROAD: [5],
    }
    assert [(one.phone, one.incidents, one.false_calls) for one in shown.numbers] == [(ONE, 1, 1), (OTHER, 1, 0)]


def test_later_incidents_and_the_incident_itself_are_not_found(database: str) -> None:
    subject = incident(SUBJECT, days_ago=1, text="5/10", phones=(ONE,))
    same = incident(SUBJECT + 1, days_ago=1, text="5/10", phones=(ONE,))
    found = look(database, subject, same, incident(SUBJECT + 2, days_ago=0, text="5/10", phones=(ONE,)))
    assert found.found == ()


@pytest.mark.parametrize(
    ("territory", "seen"),
    [
        ("", {1, 2, 3, 4}),
        ("kz/almaty", {1, 2}),
        ("kz/almaty/medeu", {1}),
        ("kz/astana", {3}),
        ("kz/alma", set()),
    ],
)
def test_reader_sees_earlier_incidents_of_its_territory_alone(database: str, territory: str, seen: set[int]) -> None:
    """Of every relation, the callers' history included."""
    near = away(10)
    fields = {"days_ago": 5.0, "text": "5/10", "at": near, "phones": (ONE,), "category": "accident"}
    subject = incident(SUBJECT, days_ago=0, text="5/10", phones=(ONE,))
    before = [
        incident(number, territory=where, result="hoax", **fields)  # type: ignore[arg-type]  # a table of fields
        for number, where in enumerate(("kz/almaty/medeu", "kz/almaty", "kz/astana", ""), 1)
    ]
    shown = context(look(database, subject, *before, territory=territory))
    assert [set(numbers) for numbers in listed(shown).values()] == [seen] * 4
    assert [(one.incidents, one.false_calls) for one in shown.numbers] == [(len(seen), len(seen))]


def test_reading_is_bounded_and_says_what_reached_its_bound(database: str) -> None:
    many = limits.CONTEXT_READ + 50
    before = [incident(number, days_ago=20 - number / many, phones=(ONE,), result="hoax") for number in range(1, many + 1)]
    found = look(database, incident(many + 1, days_ago=0, phones=(ONE,)), *before)
    assert found.reached == {Relation.SAME_NUMBER, Relation.NEARBY}
    # The newest are those that were read.
    assert {one.incident_id for one in found.found} == set(range(51, many + 1))
    shown = context(found)
    assert (shown.nearby.total, shown.nearby.more, shown.same_address.more) == (limits.CONTEXT_READ, True, False)
    assert (shown.numbers[0].false_calls, shown.numbers[0].more) == (limits.CONTEXT_READ, True)


def test_scope_is_the_centres(database: str) -> None:
    before = [
        incident(1, days_ago=9, at=away(700)),
        incident(2, days_ago=11, at=away(700)),
        incident(3, days_ago=9, at=away(900), category="crash", text="5"),
    ]
    scope = msgspec.structs.replace(
        SCOPE, near_m=800.0, near_days=10, road_m=1000.0, road_days=10, road_categories=("x", "crash")
    )
    found = look(database, incident(SUBJECT, days_ago=0, text="5"), *before, scope=scope)
    shown = listed(context_of(found, scope))
    assert (shown[Relation.NEARBY], shown[Relation.SAME_ROAD]) == ([1], [3])


def test_subject_without_anything_finds_nothing(database: str) -> None:
    found = look(database, incident(SUBJECT, days_ago=0, at=None), incident(1, phones=(ONE,), text="5/10"))
    assert found.found == ()


def test_unknown_subject_is_none(database: str) -> None:
    async def main() -> None:
        connection = await connect(database, "test")
        try:
            assert await read_subject(connection, 7) is None
        finally:
            await connection.close()

    asyncio.run(main())
