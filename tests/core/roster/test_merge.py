"""An import and a change among what was planned before: all of it or nothing, and nothing planned is lost by chance."""

from __future__ import annotations

import pytest
from hypothesis import given

from core.roster.change import Change, ChangeError
from core.roster.merge import Names, apply_change, merge, span_of_shifts
from core.roster.model import Person, Place, Roster, Shift, roster_of
from core.roster.table import Origin, Table, Tables, place_table, read_tables, shift_table
from tests.core.roster.samples import ALMATY, at, rosters, shift

NAMES = Names(frozenset({"patrol", "fire", "ambulance"}), frozenset(), "kz")


def file_of(*shifts: Shift, places: tuple[Place, ...] = ()) -> Tables:
    origins = [Origin("duty.csv", number) for number in range(2, 2 + max(len(shifts), len(places)))]
    return Tables(shifts=list(zip(shifts, origins, strict=False)), places=list(zip(places, origins, strict=False)))


def plan(*shifts: Shift, places: tuple[Place, ...] = ()) -> Roster:
    return roster_of(list(shifts), list(places))


def crews_of(roster: Roster) -> list[tuple[str, int]]:
    return [(one.crew, round((one.from_us - at(0)) / 3_600_000_000)) for one in roster.shifts]


@pytest.mark.parametrize(
    ("replace", "kept"),
    [
        (False, [("A-1", 8), ("A-2", 8), ("A-3", 12), ("A-4", 7), ("A-5", 8), ("A-6", 21)]),
        (True, [("A-1", 8), ("A-2", 8), ("A-4", 7), ("A-5", 8), ("A-6", 21)]),
    ],
)
def test_merge_keeps_what_a_file_does_not_speak_of(replace: bool, kept: list[tuple[str, int]]) -> None:
    before = plan(
        shift("A-1", 8, 19),
        shift("A-3", 12, 13),  # of the file's territory, and between its first and last beginning
        shift("A-4", 7, 20),  # began before
        shift("A-5", 8, 20, territory="kz/astana"),
        shift("A-6", 21, 22),  # begins after
    )
    after, errors = merge(
        before, file_of(shift("A-1", 8, 20), shift("A-2", 8, 20), shift("A-1", 20, 21)), NAMES, ALMATY, replace=replace
    )
    assert errors == []
    assert sorted(crews_of(after)) == sorted([*kept, ("A-1", 20)])
    assert next(one for one in after.shifts if one.crew == "A-1").until_us == at(20)


def test_merge_tells_of_every_fault_in_order_of_rows() -> None:
    before = plan(shift("A-9", 8, 20, "Иванов"))
    _, errors = merge(
        before,
        file_of(shift("A-1", 8, 20, "Иванов"), shift("A-2", post="?"), shift("A-3", capabilities=("flying",))),
        NAMES,
        ALMATY,
        replace=False,
    )
    assert [(error.row, error.field) for error in errors] == [(2, "name"), (3, "post"), (4, "capabilities")]


def test_merge_knows_the_posts_of_the_same_import_and_keeps_the_first_spelling() -> None:
    found = file_of(shift(post="АРБАТ", territory=""), places=(Place("post", "арбат", "kz/almaty/medeu"),))
    after, errors = merge(plan(places=(Place("post", "Арбат", "kz"),)), found, NAMES, ALMATY, replace=False)
    assert errors == []
    assert after.places == (Place("post", "Арбат", "kz/almaty/medeu"),)
    assert (after.shifts[0].post, after.shifts[0].territory) == ("Арбат", "kz/almaty/medeu")


@given(rosters())
def test_roster_exported_and_imported_is_the_same_whether_into_nothing_or_into_itself(roster: Roster) -> None:
    tables = [
        Table(name, list(enumerate(rows, 1)))
        for name, rows in (("shifts", shift_table(roster, ALMATY, "kk")), ("posts", place_table(roster, "kk")))
    ]
    for before in (Roster(), roster):
        for replace in (False, True):
            found = read_tables(tables, ALMATY)
            if found.shifts or found.places:
                assert merge(before, found, NAMES, ALMATY, replace=replace) == (roster, [])


def test_span_of_shifts_is_that_of_the_whole_file() -> None:
    assert span_of_shifts(file_of(shift("A-1", 8, 20), shift("A-2", 2, 9))) == (at(2), at(20))
    assert span_of_shifts(file_of()) is None


BEFORE = plan(
    shift("A-1", 8, 20, "Ахметов/17", "Иванов/18", post="Арбат", vehicles=("1",)),
    shift("A-2", 8, 20, "Серік/19", vehicles=("2",)),
    places=(Place("post", "Арбат", "kz/almaty"), Place("route", "№ 5", "kz/almaty")),
)


def changed(change: Change, crew: str = "a-1") -> tuple[Roster, list[str]]:
    after, errors = apply_change(BEFORE, crew, change, NAMES, ALMATY)
    return after, [str(error) for error in errors]


def test_change_cuts_the_shift_in_two_and_leaves_the_past_alone() -> None:
    after, errors = changed(
        Change(at_us=at(14), route="№ 5", vehicles=("3", "4"), leave=("18",), join=(Person("Жаңа", "20"),), means=("радио",))
    )
    assert errors == []
    first, second = (one for one in after.shifts if one.crew == "A-1")
    assert (first.from_us, first.until_us) == (at(8), at(14))
    assert (first.post, first.vehicles, [one.badge for one in first.people]) == ("Арбат", ("1",), ["17", "18"])
    assert (second.from_us, second.until_us) == (at(14), at(20))
    assert (second.post, second.route, second.vehicles, second.means) == ("", "№ 5", ("3", "4"), ("радио",))
    assert [one.badge for one in second.people] == ["17", "20"]
    assert [one for one in after.shifts if one.crew == "A-2"] == [BEFORE.shifts[1]]


@pytest.mark.parametrize(("end", "spans"), [(14, [(8, 14)]), (22, [(8, 14), (14, 22)])])
def test_change_of_the_end_shortens_or_prolongs(end: int, spans: list[tuple[int, int]]) -> None:
    after, _ = changed(Change(at_us=at(14), until_us=at(end)))
    assert [(one.from_us, one.until_us) for one in after.shifts if one.crew == "A-1"] == [(at(a), at(b)) for a, b in spans]


def test_change_at_the_beginning_takes_the_shift_s_place() -> None:
    after, _ = changed(Change(at_us=at(8), vehicles=()))
    assert [(one.from_us, one.vehicles) for one in after.shifts if one.crew == "A-1"] == [(at(8), ())]


@pytest.mark.parametrize(
    ("change", "crew", "said"),
    [
        (Change(at_us=at(20), vehicles=()), "A-1", "crew A-1 has no shift at 2026-11-27 20:00"),
        (Change(at_us=at(9), vehicles=()), "A-7", "crew A-7 has no shift at 2026-11-27 09:00"),
        (Change(at_us=at(9), vehicles=("1",)), "A-1", "nothing changes"),
        (Change(at_us=at(9), until_us=at(8.5)), "A-1", "cannot end before the change"),
        (Change(at_us=at(8), until_us=at(8)), "A-1", "cannot end as it begins"),
        (
            Change(at_us=at(9), leave=("Петров",)),
            "A-1",
            "'Петров' is not one person of crew A-1: there are Ахметов 17, Ив",
        ),
        (Change(at_us=at(9), leave=("ов",)), "A-1", "'ов' is not one person"),
        (Change(at_us=at(9), join=(Person("Другой", "17"),)), "A-1", "'Другой' is in crew A-1 already"),
    ],
)
def test_change_that_makes_no_sense_says_why(change: Change, crew: str, said: str) -> None:
    with pytest.raises(ChangeError, match=said.replace("(", r"\(")):
        changed(change, crew)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            Change(at_us=at(9), vehicles=("2",)),
            "crew A-1: vehicles = '2': must be in one shift at a time: the plan so far has it",
        ),
        (Change(at_us=at(9), join=(Person("Серік", "19"),)), "crew A-1: name = 'Серік': must be in one shift at a time"),
        (Change(at_us=at(9), post="?"), "crew A-1: post = '?': must be a known post: Арбат"),
        (Change(at_us=at(9), capabilities=("flying",)), "crew A-1: capabilities = 'flying': must be a capability"),
    ],
)
def test_change_is_checked_as_an_import_is(change: Change, said: str) -> None:
    errors = changed(change)[1]
    assert errors
    assert errors[0].startswith(said)
