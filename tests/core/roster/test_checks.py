"""What holds between shifts: overlaps, unknown names, call signs that look alike."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.roster.checks import PLANNED, Known, Sourced, check, settle
from core.roster.model import Place, Shift
from core.roster.table import Origin
from tests.core.roster.samples import ALMATY, HOUR_US, shift

KNOWN = Known(
    places=(Place("post", "Арбат", "kz/almaty/medeu"), Place("route", "№ 5", "")),
    capabilities=frozenset({"patrol", "fire"}),
    crews=frozenset({"B-1"}),
    territory="kz",
)


def rows(*shifts: Shift) -> list[Sourced]:
    return [(one, Origin("duty.csv", number)) for number, one in enumerate(shifts, 2)]


def said(shifts: list[Sourced]) -> list[str]:
    return [str(error) for error in check(shifts, KNOWN, ALMATY)]


@pytest.mark.parametrize(
    ("first", "second", "field", "value"),
    [
        (shift("A-1", 8, 20), shift("A-1", 19, 23), "crew", "A-1"),
        (shift("A-1", 8, 20), shift("A-1", 8, 9, post="Арбат"), "crew", "A-1"),
        (shift("A-1", 8, 20, "Иванов"), shift("A-2", 9, 10, "ИВАНОВ "), "name", "ИВАНОВ "),
        (shift("A-1", 8, 20, "Иванов/17"), shift("A-2", 0, 9, "Иванов И./17"), "name", "Иванов И."),
        (shift("A-1", 8, 20, vehicles=("123АВС02",)), shift("A-2", 10, 12, vehicles=("123ABC02",)), "vehicles", "123ABC02"),
    ],
)
def test_overlap_is_named_with_the_row_it_meets(first: Shift, second: Shift, field: str, value: str) -> None:
    for order in ((first, second), (second, first)):
        (error,) = check(rows(*order), KNOWN, ALMATY)
        assert error.field == field
        assert error.row in (2, 3)
        assert f"must be in one shift at a time: row {5 - error.row} has it in crew" in error.allowed
    (error,) = check([(first, PLANNED), (second, Origin("duty.csv", 7))], KNOWN, ALMATY)
    assert (error.row, error.value) == (7, value)
    assert "the plan so far has it in crew A-1 from 2026-11-27 08:00+05:00 until 2026-11-27 20:00+05:00" in error.allowed


@pytest.mark.parametrize(
    "shifts",
    [
        (shift("A-1", 8, 20), shift("A-1", 20, 32)),
        (shift("A-1", 8, 20, "Иванов", vehicles=("1",)), shift("A-2", 20, 32, "Иванов", vehicles=("1",))),
        (shift("A-1", 8, 20, "Иванов/17"), shift("A-2", 8, 20, "Иванов/18")),
        (shift("A-1", 8, 20), shift("A-2", 8, 20)),
    ],
)
def test_shifts_that_adjoin_or_are_of_different_people_are_good(shifts: tuple[Shift, ...]) -> None:
    assert said(rows(*shifts)) == []


def test_overlaps_of_what_was_planned_before_are_not_told_again() -> None:
    assert said([(shift("A-1", 8, 20), PLANNED), (shift("A-1", 9, 10), PLANNED), *rows(shift("A-2"))]) == []


def test_overlap_is_found_behind_a_short_shift_within_a_long_one() -> None:
    found = check(rows(shift("A-1", 0, 24, "И"), shift("A-2", 1, 2, "И"), shift("A-3", 20, 30, "И")), KNOWN, ALMATY)
    assert [error.row for error in found] == [3, 4]


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(1, 8)), max_size=8))
def test_overlap_is_found_exactly_when_two_shifts_of_a_crew_meet(spans: list[tuple[int, int]]) -> None:
    shifts = [shift("A-1", begin, begin + length) for begin, length in spans]
    meet = any(one.from_us < two.until_us and two.from_us < one.until_us for one, two in combinations(shifts, 2))
    assert bool(check(rows(*shifts), KNOWN, ALMATY)) == meet
    assert all(one.until_us - one.from_us >= HOUR_US for one in shifts)


@pytest.mark.parametrize(
    ("crew", "where"),
    [("b-1", "a crew known so far"), ("В-1", "a crew known so far"), ("B–1", "a crew known so far"), ("А-1", "row 2")],
)
def test_call_sign_that_only_a_computer_tells_apart_is_refused(crew: str, where: str) -> None:
    (error,) = said(rows(shift("A-1"), shift(crew, 20, 21)))
    assert error.startswith(f"duty.csv: row 3: crew = '{crew}': must differ from the call sign")
    assert where in error


def test_call_sign_known_so_far_is_good_in_its_own_spelling() -> None:
    assert said(rows(shift("B-1"), shift("B-1", 20, 22), shift("B-11"))) == []


def test_settle_takes_names_and_territories_from_the_known_places() -> None:
    found, errors = settle(
        rows(
            shift(post="арбат", territory=""),
            shift(post="АРБАТ", territory="kz/almaty/almaly"),
            shift(route="№ 5", territory=""),
        ),
        KNOWN,
    )
    assert errors == []
    assert [(one.place, one.territory) for one, _ in found] == [
        ("Арбат", "kz/almaty/medeu"),
        ("Арбат", "kz/almaty/almaly"),
        ("№ 5", "kz"),
    ]


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (shift(post="№ 5"), "post = '№ 5': must be a known post: Арбат"),
        (shift(route="6"), "route = '6': must be a known route: № 5"),
        (
            shift(capabilities=("patrol", "flying")),
            "capabilities = 'flying': must be a capability that a category needs: fire, patrol",
        ),
    ],
)
def test_settle_names_what_is_unknown_and_what_is_known(wrong: Shift, text: str) -> None:
    found, errors = settle(rows(wrong, shift("A-2")), KNOWN)
    assert [str(error) for error in errors] == [f"duty.csv: row 2: {text}"]
    assert [one.crew for one, _ in found] == ["A-2"]


def test_settle_says_what_to_do_when_no_post_is_known_yet() -> None:
    _, (error,) = settle(rows(shift(post="Арбат")), Known((), {"patrol"}, (), "kz"))
    assert "import a table of posts and routes first" in error.allowed
