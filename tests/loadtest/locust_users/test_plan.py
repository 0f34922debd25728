"""Plans and their timelines: what is said to happen so often does, and a profile bends the time without losing any."""

from __future__ import annotations

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.locust_users.plan import CALLS_A_HAPPENING, FLAT, PLANS, SAN_FRANCISCO_HOURS, USERS, Profile, Timeline

PEAK_SHARE = 0.5
SECONDS = 40.0


def calls_in(shape: str, from_share: float, to_share: float) -> float:
    """Calls that a run of `SECONDS` plays between two shares of it."""
    plan = PLANS[shape]
    timeline = Timeline(plan.people, SECONDS)
    passed_s = timeline.passed_s(to_share * SECONDS) - timeline.passed_s(from_share * SECONDS)
    return plan.rates(SECONDS, 1.0).happenings * CALLS_A_HAPPENING * passed_s


def test_a_day_plays_the_calls_of_a_day_however_long_the_run_is() -> None:
    assert calls_in("day", 0.0, 1.0) == pytest.approx(2_055, rel=0.01)
    assert PLANS["day"].compression(SECONDS) == 86_400 / SECONDS


def test_a_day_is_as_busy_as_its_hours() -> None:
    assert sum(SAN_FRANCISCO_HOURS) / 24 == pytest.approx(1.0, abs=0.01)
    # Five in the morning is the quietest hour, four in the afternoon the busiest.
    assert calls_in("day", 5 / 24, 6 / 24) < calls_in("day", 16 / 24, 17 / 24) / 2


def test_an_earthquake_makes_fifty_times_the_calls_and_more_readings() -> None:
    plan = PLANS["earthquake"]
    before, after = calls_in("earthquake", 0.1, 0.2), calls_in("earthquake", 0.45, 0.55)
    assert after == pytest.approx(50 * before)
    assert before == pytest.approx(plan.calls_s * 0.1 * SECONDS)
    assert Timeline(plan.readings, SECONDS).multiplier(PEAK_SHARE * SECONDS) == 20.0
    assert Timeline(plan.plates, SECONDS).multiplier(PEAK_SHARE * SECONDS) < 1.0


def test_new_years_night_is_busiest_after_midnight_and_within_the_ten_times_of_a_storm() -> None:
    multiplier = Timeline(PLANS["new_year"].people, SECONDS).multiplier
    peak = max(range(101), key=lambda share: multiplier(share / 100 * SECONDS))
    assert 50 <= peak <= 60
    assert multiplier(peak / 100 * SECONDS) <= 10.0


def test_everybody_is_cut_while_the_reconnect_storm_lasts() -> None:
    assert PLANS["reconnect"].cuts
    assert all(0.0 < share < 1.0 for share in PLANS["reconnect"].cuts)


@pytest.mark.parametrize("shape", PLANS)
def test_every_plan_can_be_played_by_known_users(shape: str) -> None:
    plan = PLANS[shape]
    assert plan.users.keys() <= USERS.keys()
    for profile in (plan.people, plan.plates, plan.readings):
        assert Timeline(profile, SECONDS).passed_s(SECONDS) > 0


def test_times_is_so_many_times_as_much_of_everything() -> None:
    once, thrice = (msgspec.structs.asdict(PLANS["day"].rates(SECONDS, times)) for times in (1.0, 3.0))
    assert thrice == pytest.approx({name: value * 3 for name, value in once.items()})


@pytest.mark.parametrize(
    "profile",
    [
        (),
        ((0.0, 1.0),),
        ((0.1, 1.0), (1.0, 1.0)),
        ((0.0, 1.0), (0.9, 1.0)),
        ((0.0, 1.0), (0.0, 2.0), (1.0, 1.0)),
        ((0.0, -1.0), (1.0, 1.0)),
    ],
)
def test_what_is_no_profile_is_refused(profile: Profile) -> None:
    with pytest.raises(ValueError, match=r"profile|multiplier"):
        Timeline(profile, SECONDS)


@given(st.lists(st.floats(0.0, 60.0), min_size=2, max_size=12), st.floats(1.0, 500.0))
def test_a_timeline_never_goes_back_and_sums_its_multipliers(multipliers: list[float], seconds: float) -> None:
    profile = tuple((at / (len(multipliers) - 1), multiplier) for at, multiplier in enumerate(multipliers))
    timeline = Timeline(profile, seconds)
    instants = [share / 50 * seconds for share in range(51)]
    passed = [timeline.passed_s(at_s) for at_s in instants]
    assert all(a <= b + 1e-9 for a, b in pairwise(passed))
    # By the trapezoids of a profile that is linear between its points.
    area = sum((a + b) / 2 for a, b in pairwise(multipliers)) / (len(multipliers) - 1) * seconds
    assert passed[-1] == pytest.approx(area, rel=1e-6, abs=1e-6)


def test_a_flat_timeline_is_the_clock() -> None:
    assert [Timeline(FLAT, SECONDS).passed_s(at_s) for at_s in (0.0, 1.5, 40.0, 41.0)] == [0.0, 1.5, 40.0, 40.0]
