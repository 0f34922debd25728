"""What a long run comes to, on courses that are made up, and a short one through a real service."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from loadtest.board import Board
from loadtest.flatness import Verdict
from loadtest.ledger import Ledger
from loadtest.soak import Course, Interval, Meter, Played, Sample, climbed, descended, draw, is_carried, judged


def course(leak_mb_s: float = 0.0, slower_ms_s: float = 0.0, seconds: int = 1_000) -> Course:
    """A run whose memory first doubles while everything warms up, and then goes on as it is told."""
    times = [float(at_s) for at_s in range(0, seconds, 5)]
    intervals = [
        Interval(
            at_s=at_s,
            ack_p50_ms=5.0,
            ack_p99_ms=20.0 + slower_ms_s * at_s,
            seen_p50_ms=6.0,
            seen_p99_ms=25.0,
            under_way=7,
            open_incidents=40,
            queued_incidents=2,
            sent=int(at_s) * 1_000,
        )
        for at_s in times
    ]
    samples = [
        Sample(at_s, 200.0 * min(1.0, 0.5 + at_s / 400) + max(0.0, at_s - 200) * leak_mb_s + at_s % 3 / 10, at_s)
        for at_s in times
    ]
    return Course(float(seconds), 2.0, 3.0, Played(intervals, 0, seconds * 1_000, seconds * 20), samples)


@pytest.mark.parametrize(
    ("lost", "ack_p99_ms", "queued", "carried"),
    [(0, 20.0, 2, True), (1, 20.0, 2, False), (0, 501.0, 2, False), (0, 20.0, 11, False)],
)
def test_load_is_carried_while_nothing_is_lost_late_or_left_waiting(
    lost: int, ack_p99_ms: float, queued: int, carried: bool
) -> None:
    intervals = [
        msgspec.structs.replace(one, ack_p99_ms=ack_p99_ms, queued_incidents=queued)
        for one in course(seconds=20).played.intervals
    ]
    assert is_carried(Played(intervals, lost, 20_000, 400)) is carried


@pytest.mark.parametrize(
    ("most", "found", "tried"),
    [
        # What a machine carries at most, the step of the ladder that is found, and those that were played.
        (0.9, 0.5, [1.0]),
        (1.0, 1.0, [1.0, 1.5]),
        (3.4, 3.375, [1.0, 1.5, 2.25, 3.375, 5.0625]),
        (
            999.0,
            57.665,
            [1.0, 1.5, 2.25, 3.375, 5.0625, 7.59375, 11.390625, 17.0859375, 25.62890625, 38.443359375, 57.6650390625],
        ),
    ],
)
def test_ladder_is_climbed_up_to_what_is_carried(most: float, found: float, tried: list[float]) -> None:
    played: list[float] = []

    def carries(times: float) -> bool:
        played.append(times)
        return times <= most

    assert climbed(carries) == pytest.approx(found, abs=1e-3)
    assert played == tried


@pytest.mark.parametrize(
    ("times", "most", "found", "tried"),
    [
        (10.0, 10.0, 10.0, [10.0]),
        (10.0, 7.0, 6.4, [10.0, 8.0, 6.4]),
        (1.0, 0.1, 0.5, [1.0, 0.8, 0.64, 0.512]),
        (0.5, 0.1, 0.5, []),
    ],
)
def test_what_a_longer_run_does_not_bear_is_taken_back_step_by_step(
    times: float, most: float, found: float, tried: list[float]
) -> None:
    played: list[float] = []

    def carries(lower: float) -> bool:
        played.append(lower)
        return lower <= most

    assert descended(carries, times) == pytest.approx(found)
    assert played == pytest.approx(tried)


def test_growth_while_it_warms_up_is_no_leak() -> None:
    rows, memory = judged(course())
    assert memory.verdict(4.0) is Verdict.FLAT
    assert [row.name for row in rows] == ["soak_memory", "soak_memory_growth", "soak_ack_p99", "soak_call_to_client_p99"]
    assert rows[0].ratio == pytest.approx(1.0, abs=0.01)
    assert rows[1].remark.startswith("flat: ")
    assert "20.0 of them calls" in rows[0].remark


def test_leak_is_told_with_its_size_an_hour() -> None:
    rows, memory = judged(course(leak_mb_s=0.02))
    assert memory.verdict(4.0) is Verdict.GROWS
    assert rows[1].value == pytest.approx(72.0, rel=0.05)
    assert rows[1].remark.startswith("grows by 7")
    assert rows[1].spread[0] <= rows[1].value <= rows[1].spread[1]


def test_latency_that_rises_is_told() -> None:
    rows, _ = judged(course(slower_ms_s=0.3))
    assert rows[2].remark.startswith("grows by ")
    assert rows[2].ratio > 1.5
    assert rows[3].remark.startswith("flat: ")


def test_run_of_seconds_is_refused() -> None:
    with pytest.raises(ValueError, match="too few"):
        judged(course(seconds=20))


def test_run_is_drawn_the_same_each_time(tmp_path: Path) -> None:
    for name in ("one.svg", "other.svg"):
        draw(course(), tmp_path / "soak" / name)
    one, other = ((tmp_path / "soak" / name).read_text(encoding="utf-8") for name in ("one.svg", "other.svg"))
    assert one == other
    assert "memory, MB" in one or "<path" in one


def test_meter_takes_each_interval_out_of_the_account() -> None:
    ledger, meter = Ledger(), Meter(5.0)
    for elapsed_s, took_us in ((1.0, 1_000), (5.0, 1_000), (7.0, 90_000), (10.0, 90_000)):
        ledger.send("cameras", int(elapsed_s), int(elapsed_s), (), 0)
        ledger.acknowledge("cameras", int(elapsed_s), took_us)
        meter(ledger, Board(), elapsed_s)
    assert [round(one.ack_p99_ms) for one in meter.intervals] == [1, 90]
    assert [one.sent for one in meter.intervals] == [2, 4]


def test_course_is_kept_whole() -> None:
    made = course(seconds=100)
    assert msgspec.json.decode(msgspec.json.encode(made), type=Course) == made
