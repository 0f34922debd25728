"""The report's arithmetic and its files."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.bench.record import Record, markdown, percentile, record, rounded, save


def test_record_compares_medians_and_tells_the_spread() -> None:
    made = record("x", [30.0, 10.0, 20.0], "1/s", "theirs", [5.0, 4.0, 100.0])
    assert (made.value, made.baseline_value, made.ratio, made.spread) == (20.0, 5.0, 4.0, (10.0, 30.0))


@pytest.mark.parametrize(("ours", "theirs"), [([], [1.0]), ([1.0], [])])
def test_record_is_refused_when_nothing_was_measured(ours: list[float], theirs: list[float]) -> None:
    with pytest.raises(ValueError, match="nothing was measured"):
        record("x", ours, "s", "theirs", theirs)


@pytest.mark.parametrize(
    ("share", "expected"), [(0.5, 50.0), (0.99, 99.0), (1.0, 100.0), (0.0, 1.0), (0.005, 1.0), (0.011, 2.0)]
)
def test_percentile_is_the_smallest_value_that_the_share_does_not_exceed(share: float, expected: float) -> None:
    assert percentile([float(value) for value in range(100, 0, -1)], share) == expected


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0, 1))
def test_percentile_leaves_the_share_at_or_below(values: list[float], share: float) -> None:
    found = percentile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values) - 1e-6


@pytest.mark.parametrize(("value", "expected"), [(123456.0, 123500.0), (0.00123456, 0.001235), (0.0, 0.0)])
def test_rounded_keeps_four_digits(value: float, expected: float) -> None:
    assert rounded(value) == expected


def test_save_keeps_what_an_earlier_run_measured_under_other_names(tmp_path: Path) -> None:
    save([record("a", [1.0], "s", "b", [1.0]), record("c", [1.0], "s", "b", [1.0])], tmp_path)
    save([record("c", [2.0], "s", "b", [1.0])], tmp_path)
    kept = msgspec.json.decode((tmp_path / "bench.json").read_bytes(), type=list[Record])
    assert [(one.name, one.value) for one in kept] == [("a", 1.0), ("c", 2.0)]
    assert (tmp_path / "bench.md").read_text(encoding="utf-8") == markdown(kept)


def test_json_has_the_fields_that_programs_read(tmp_path: Path) -> None:
    save([record("a", [1.0], "s", "b", [2.0])], tmp_path)
    (one,) = msgspec.json.decode((tmp_path / "bench.json").read_bytes())
    assert {"name", "value", "unit", "baseline", "baseline_value", "ratio"} <= one.keys()


def test_save_overwrites_a_file_that_is_no_report(tmp_path: Path) -> None:
    (tmp_path / "bench.json").write_text("{}", encoding="utf-8")
    save([record("a", [1.0], "s", "b", [2.0])], tmp_path)
    assert len(msgspec.json.decode((tmp_path / "bench.json").read_bytes())) == 1


def test_markdown_has_a_row_a_record() -> None:
    lines = markdown([record("a", [1234567.0], "1/s", "b", [1.0])]).splitlines()
    assert len(lines) == 3
    assert lines[2].startswith("| a | 1,235,000 | 1/s | b | 1 |")
