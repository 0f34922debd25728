"""Plan against fact: each span of time that one has and the other lacks, by its kind."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.roster.fact import DeviationKind, Mark, deviations, state_at
from core.vocabulary import CrewId
from tests.core.roster.samples import DAY, HOUR_US, at, shift

DAY_WINDOW = (at(0), at(24))


def mark(hour: float, state: str, crew: str = "A-1") -> Mark:
    return Mark(CrewId(crew), at(hour), state, "kz/almaty", None)


def told(
    planned: list[tuple[float, float]], marks: list[Mark], now: float = 48, tolerance_h: float = 0.1
) -> list[tuple[str, float, float]]:
    found = deviations([shift("A-1", *span) for span in planned], marks, DAY_WINDOW, at(now), int(tolerance_h * HOUR_US))
    return [(one.kind.value, (one.from_us - DAY) / HOUR_US, (one.until_us - DAY) / HOUR_US) for one in found]


@pytest.mark.parametrize(
    ("planned", "marks", "expected"),
    [
        ([(8, 20)], [mark(8, "free"), mark(20, "off_duty")], []),
        ([(8, 20)], [mark(-9, "off_duty")], [("absent", 8, 20)]),
        ([(8, 20)], [], [("absent", 8, 20)]),
        ([(8, 20)], [mark(9, "free"), mark(20, "off_duty")], [("late_start", 8, 9)]),
        ([(8, 20)], [mark(8, "free"), mark(19, "off_duty")], [("early_end", 19, 20)]),
        (
            [(8, 20)],
            [mark(8, "free"), mark(12, "off_duty"), mark(13, "busy"), mark(20, "off_duty")],
            [("left_meanwhile", 12, 13)],
        ),
        ([(8, 20)], [mark(7, "free"), mark(21, "off_duty")], [("not_planned", 7, 8), ("not_planned", 20, 21)]),
        ([], [mark(7, "free"), mark(9, "assigned"), mark(10, "off_duty")], [("not_planned", 7, 10)]),
        # Out of service is on duty, with something broken.
        ([(8, 20)], [mark(8, "free"), mark(12, "out_of_service"), mark(20, "off_duty")], []),
        # A change in the middle of the shift is no deviation.
        ([(8, 14), (14, 20)], [mark(8, "free"), mark(20, "off_duty")], []),
        # A night that began yesterday, and one that goes on tomorrow: told on the day on which it deviates.
        ([(-4, 8)], [mark(-3, "free"), mark(7, "off_duty")], [("early_end", 7, 8)]),
        ([(20, 32)], [mark(21, "free"), mark(30, "off_duty")], [("late_start", 20, 21)]),
        # Six minutes are the tolerance.
        ([(8, 20)], [mark(8.1, "free"), mark(20.1, "off_duty")], []),
    ],
)
def test_deviation_is_told_by_its_kind(
    planned: list[tuple[float, float]], marks: list[Mark], expected: list[tuple[str, float, float]]
) -> None:
    assert told(planned, marks) == expected


@pytest.mark.parametrize(
    ("now", "marks", "expected"),
    [
        (7, [], []),
        (12, [mark(8, "free")], []),
        (12, [], [("absent", 8, 12)]),
        (12, [mark(10, "free")], [("late_start", 8, 10)]),
        (12, [mark(8, "free"), mark(11, "off_duty")], [("early_end", 11, 12)]),
    ],
)
def test_what_is_still_to_come_is_no_deviation(now: float, marks: list[Mark], expected: list[tuple[str, float, float]]) -> None:
    assert told([(8, 20)], marks, now) == expected


@given(
    st.lists(st.tuples(st.integers(0, 11), st.integers(1, 6)), max_size=4),
    st.lists(st.tuples(st.integers(0, 23), st.sampled_from(["free", "off_duty", "busy"])), max_size=8),
)
def test_deviations_are_the_hours_in_which_plan_and_fact_differ(
    spans: list[tuple[int, int]], steps: list[tuple[int, str]]
) -> None:
    steps.sort(key=lambda step: step[0])
    planned = [(2 * begin, min(24, 2 * begin + length)) for begin, length in spans]
    found = told(list(planned), [mark(hour, state) for hour, state in steps], now=24, tolerance_h=0)
    plan = {hour for begin, end in planned for hour in range(begin, end)}
    fact, state = set(), "off_duty"
    for hour in range(24):
        state = next((one for when, one in reversed(steps) if when == hour), state)
        if state != "off_duty":
            fact.add(hour)
    told_missing = {hour for kind, begin, end in found if kind != "not_planned" for hour in range(int(begin), int(end))}
    told_extra = {hour for kind, begin, end in found if kind == "not_planned" for hour in range(int(begin), int(end))}
    assert (told_missing, told_extra) == (plan - fact, fact - plan)


def test_state_at_is_each_crew_s_last_mark() -> None:
    marks = [mark(1, "free"), mark(2, "busy", "A-2"), mark(3, "off_duty")]
    assert {crew: one.state for crew, one in state_at(marks, at(2)).items()} == {"A-1": "free", "A-2": "busy"}
    assert {crew: one.state for crew, one in state_at(marks, at(3)).items()} == {"A-1": "off_duty", "A-2": "busy"}


def test_every_kind_can_be_told() -> None:
    assert {kind.value for kind in DeviationKind} == {"absent", "late_start", "early_end", "left_meanwhile", "not_planned"}
