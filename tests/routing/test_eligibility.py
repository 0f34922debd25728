"""Who may be sent: territories on a path, profiles judged, and the sets of free crews."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.vocabulary import AssignReason
from routing.eligibility import (
    CODES,
    FREE,
    KINDS_MAX,
    LACKS_CAPABILITY,
    OTHER_TERRITORY,
    FreeCrews,
    Kind,
    Profile,
    Profiles,
    homes_serving,
    judge,
    reason_of,
)

FIRE_CITY = Profile(frozenset({"fire", "rescue"}), "kz/almaty")


@pytest.mark.parametrize(
    ("territory", "homes"),
    [
        ("", ("",)),
        ("kz", ("", "kz")),
        ("kz/almaty", ("", "kz", "kz/almaty")),
        ("kz/almaty/medeu", ("", "kz", "kz/almaty", "kz/almaty/medeu")),
    ],
)
def test_homes_serving_are_everywhere_and_the_path(territory: str, homes: tuple[str, ...]) -> None:
    assert homes_serving(territory) == homes


@pytest.mark.parametrize(
    ("profile", "kind", "code"),
    [
        (FIRE_CITY, Kind("fire", "kz/almaty"), FREE),
        (FIRE_CITY, Kind("rescue", "kz/almaty/medeu"), FREE),
        (FIRE_CITY, Kind("patrol", "kz/almaty"), LACKS_CAPABILITY),
        (FIRE_CITY, Kind("patrol", "kz/astana"), LACKS_CAPABILITY),
        (FIRE_CITY, Kind("fire", "kz/almaty2"), OTHER_TERRITORY),  # a longer name is not a place below
        (FIRE_CITY, Kind("fire", "kz"), OTHER_TERRITORY),
        (FIRE_CITY, Kind("fire", ""), OTHER_TERRITORY),
        (Profile(frozenset({"fire"}), ""), Kind("fire", "kz/astana"), FREE),
        (Profile(frozenset({"fire"}), ""), Kind("fire", ""), FREE),
    ],
)
def test_judge(profile: Profile, kind: Kind, code: int) -> None:
    assert judge(profile, kind) == code
    profiles = Profiles()
    number = profiles.number(profile)
    assert profiles.verdicts(kind)[number] == code


def test_every_reason_has_a_code_that_is_not_free() -> None:
    assert {reason_of(CODES[reason]) for reason in AssignReason} == set(AssignReason)
    assert FREE not in CODES.values()


def test_profile_is_numbered_once_and_judged_when_it_comes_after_the_kind() -> None:
    profiles = Profiles()
    assert profiles.number(FIRE_CITY) == 0
    assert profiles.verdicts(Kind("patrol", "")).tolist() == [LACKS_CAPABILITY]
    patrol = Profile(frozenset({"patrol"}), "")
    assert profiles.number(patrol) == 1
    assert profiles.number(Profile(frozenset({"rescue", "fire"}), "kz/almaty")) == 0
    assert len(profiles) == 2
    assert profiles[1] == patrol
    assert profiles.verdicts(Kind("patrol", "")).tolist() == [LACKS_CAPABILITY, FREE]


def test_verdicts_are_right_when_more_kinds_are_asked_than_remembered() -> None:
    profiles = Profiles()
    profiles.number(FIRE_CITY)
    for number in range(KINDS_MAX + 2):
        assert profiles.verdicts(Kind("fire", f"kz/{number}")).tolist() == [OTHER_TERRITORY]
    assert profiles.verdicts(Kind("fire", "kz/almaty")).tolist() == [FREE]


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 20), st.sampled_from(["", "k", "k/a", "k/b"]))))
def test_free_crews_equal_sets(moves: list[tuple[bool, int, str]]) -> None:
    free = FreeCrews()
    expected: dict[str, set[int]] = {}
    for comes, row, home in moves:
        profile = Profile(frozenset({"a", "b"}), home)
        if comes:
            free.add(row, profile)
            expected.setdefault(home, set()).add(row)
        else:
            free.discard(row, profile)
            expected.get(home, set()).discard(row)
    assert bool(free) == any(expected.values())
    for territory in ("", "k", "k/a", "k/a/x", "q"):
        rows = sorted(row for home in homes_serving(territory) for row in expected.get(home, set()))
        assert np.sort(free.eligible(Kind("a", territory))).tolist() == rows
        assert free.count(Kind("b", territory)) == len(rows)
        assert free.count(Kind("c", territory)) == 0
        assert free.eligible(Kind("c", territory)).tolist() == []
