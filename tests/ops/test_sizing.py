"""`jedel size`: what costs and a city's figures come to, and that the costs in the product are such as can be measured."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.cli import main
from ops.commands.sizing import written
from ops.sizing import ASSUMED, LOAD_MAX, City, Coefficients, Cost, Figure, coefficients_of, size

NOTHING = Cost(*(Figure(0.0) for _ in Cost.__struct_fields__))
CALLS_ALONE = Coefficients(
    machine="a machine",
    measured_on="2026-11-27",
    version="0.1.0",
    call=Cost(Figure(200.0, 20.0), Figure(100.0, 10.0), Figure(4_000.0), Figure(5_000.0), Figure(300.0)),
    report=NOTHING,
    read=Cost(Figure(4.0), Figure(2.0), Figure(250.0), Figure(200.0), Figure(130.0)),
    position=NOTHING,
    shown_call_us=Figure(5.0),
    shown_position_us=Figure(0.0),
    centre_bytes=Figure(2.0**28),
    call_bytes=Figure(8_192.0),
    crew_bytes=Figure(0.0),
    client_bytes=Figure(0.0),
    check=1.0,
)


def city(**figures: float) -> City:
    return msgspec.structs.replace(ASSUMED, **figures)


def test_the_worst_hour_decides_the_cores() -> None:
    # A call a second on a mean day, a hundred in the storm.
    need = size(city(calls_a_day=86_400, worst_calls_times=100), CALLS_ALONE)
    assert need.worst.calls == pytest.approx(100.0)
    assert msgspec.structs.astuple(need.deciding) == pytest.approx((0.02, 0.002))
    assert msgspec.structs.astuple(need.database) == pytest.approx((0.01, 0.001))
    assert (need.centres, need.cores) == (1, 3)


def test_clients_cost_what_they_watch() -> None:
    quiet = size(city(calls_a_day=86_400), CALLS_ALONE)
    watched = size(city(calls_a_day=86_400, clients=80, shown_share=0.125), CALLS_ALONE)
    # Ten calls a second, 5 us each, to ten clients' worth of watching.
    assert watched.deciding.value - quiet.deciding.value == pytest.approx(10 * 5e-6 * 10)
    assert (quiet.showing.value, watched.showing.value) == pytest.approx((0.0, 10 * 5e-6 * 10))


def test_the_mean_day_decides_the_disk_and_calls_are_kept_longer_than_events() -> None:
    need = size(city(calls_a_day=1_000, cameras=10, reads_a_camera_a_day=1_000), CALLS_ALONE)
    assert need.disk_bytes_a_day.value == pytest.approx(1_000 * 4_000 + 10_000 * 250)
    assert need.disk_bytes.value == pytest.approx(1_095 * 1_000 * 4_000 + 30 * 10_000 * 250)


def test_what_does_not_fit_one_core_is_divided_with_the_error_on_the_safe_side() -> None:
    # 3,500 calls a second of 200 ± 20 us: 0.70 ± 0.07 of a core.
    need = size(city(calls_a_day=3_500 * 86_400, worst_calls_times=1), CALLS_ALONE)
    assert need.deciding.value == pytest.approx(LOAD_MAX)
    assert need.centres == 2


def test_a_faster_machine_needs_less_time_and_the_same_disk() -> None:
    slow, fast = (size(city(calls_a_day=864_000), CALLS_ALONE, speed) for speed in (1.0, 2.0))
    assert fast.deciding.value == pytest.approx(slow.deciding.value / 2)
    assert fast.disk_bytes == slow.disk_bytes


def test_what_a_mix_took_beyond_its_parts_is_planned_with() -> None:
    dear = msgspec.structs.replace(CALLS_ALONE, check=1.5)
    cheap = msgspec.structs.replace(CALLS_ALONE, check=0.5)
    alone, mixed, less = (size(city(calls_a_day=864_000), known).deciding.value for known in (CALLS_ALONE, dear, cheap))
    assert (mixed, less) == pytest.approx((1.5 * alone, alone))


def test_memory_is_what_machines_are_sold_with() -> None:
    # 10 calls a second, open for two hours, of 8 KiB: 562 MiB, on 256 MiB of a centre; twice that and PostgreSQL's 2 GiB.
    need = size(city(calls_a_day=86_400), CALLS_ALONE)
    assert need.memory_bytes.value == pytest.approx(2**28 + 72_000 * 8_192)
    assert need.memory_gib == 4


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.integers(0, 1_000_000))
def test_more_of_anything_never_needs_less(calls: float, more: float, cameras: int) -> None:
    less, greater = (size(city(calls_a_day=each, cameras=cameras), CALLS_ALONE) for each in (calls, calls + more))
    assert less.deciding.most <= greater.deciding.most + 1e-9
    assert less.disk_bytes.most <= greater.disk_bytes.most + 1e-3
    assert less.centres <= greater.centres and less.memory_gib <= greater.memory_gib


@pytest.mark.parametrize(
    ("figures", "speed", "said"),
    [
        ({"calls_a_day": -1}, 1.0, "calls_a_day: -1 must be at least 0"),
        ({"position_every_s": 0}, 1.0, "position_every_s: 0 must be above 0"),
        ({}, 0.0, "speed: 0.0 must be above 0"),
    ],
)
def test_a_figure_that_cannot_be_is_named(figures: dict[str, float], speed: float, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        size(city(**figures), CALLS_ALONE, speed)


def test_own_coefficients_are_measured_ones() -> None:
    own = coefficients_of()
    for cost in (own.call, own.report, own.read, own.position):
        assert cost.centre_us.value > 0 and cost.wire_bytes.value > 0
        assert cost.centre_us.error < cost.centre_us.value
    assert own.call.centre_us.value > own.read.centre_us.value
    assert own.centre_bytes.value > 2**20
    # The parts foretell the whole within a third.
    assert 0.66 < own.check < 1.5


def test_a_file_without_coefficients_is_refused_by_name(tmp_path: Path) -> None:
    file = tmp_path / "costs.json"
    file.write_text('{"machine": 7}', encoding="utf-8")
    with pytest.raises(ValueError, match=r"costs\.json: .*machine"):
        coefficients_of(file)


@pytest.mark.parametrize(
    ("value", "error", "said"),
    [
        (0.53, 0.04, "0.53 ± 0.04"),
        (12.5, 1.04, "12.5 ± 1.0"),
        (1_234.0, 56.7, "1,234 ± 57"),
        # An error that is not seen is none, and a value below its error is no value.
        (199.0, 0.4, "199"),
        (0.22, 0.001, "0.22"),
        (0.0074, 0.0097, "at most 0.0171"),
        (0.0, 0.0, "0"),
    ],
)
def test_figure_is_written_with_the_digits_that_mean_something(value: float, error: float, said: str) -> None:
    assert written(Figure(value * 2.0, error * 2.0), 2.0) == said


def test_size_says_what_a_city_needs(capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--calls-a-day", "2500", "--cameras", "53000", "--crews", "600", "--clients", "200"]
    assert main(["size", *flags]) == 0
    said = capsys.readouterr().out
    assert "worst hour: 0.29 calls" in said and "one centre carries it" in said and "machine: " in said
    assert main(["size", *flags, "--reads-a-camera-a-day", "1000000"]) == 1
    assert "centres of the vertical" in capsys.readouterr().out
    assert main(["size", *flags, "--speed", "0"]) == 2
    assert "speed: 0.0 must be above 0" in capsys.readouterr().err
    assert main(["size", *flags[2:]]) == 2
    assert capsys.readouterr().err == "jedel: --calls-a-day is missing: jedel size --help says what it is\n"
    assert main(["size", *flags, "--json"]) == 0
    told = msgspec.json.decode(capsys.readouterr().out)
    assert told["city"]["cameras"] == 53_000 and told["need"]["centres"] == 1
