"""The comparison of policies as its command runs it: a golden run on the simulated city, and a slice of real days."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from ops.cad import read_cad
from ops.cli import main
from ops.policy_comparison import BASELINE, LATE_S, Report, compare, halves
from tests.ops.test_cad import text

GOLDEN = {
    ("simulated city, patrol", 1.0, "nearest_free"): "44 194.6 0.0000",
    ("simulated city, patrol", 4.0, "nearest_free"): "169 206.1 0.0355",
    ("simulated city, patrol", 4.0, "relieving"): "169 203.0 0.0355",
    ("simulated city, patrol", 4.0, "matching"): "169 204.7 0.0355",
    ("simulated city, patrol", 4.0, "matching_soon"): "169 200.0 0.0237",
    ("simulated city, patrol", 4.0, "cover"): "169 204.2 0.0355",
}
"""(setting, load, policy) → calls, mean and late share of the quick run: what changes them changes what was published."""


def test_command_when_quick_writes_the_same_table_every_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tables = []
    for number in range(2):
        json, svg = tmp_path / f"{number}.json", tmp_path / f"{number}.svg"
        workers = str(1 + number)
        assert main(["compare-policies", "--quick", "--workers", workers, "--json", str(json), "--svg", str(svg)]) == 0
        tables.append((capsys.readouterr().out, json.read_bytes(), svg.read_bytes()))
    assert tables[0] == tables[1]
    report = msgspec.json.decode(tables[0][1], type=Report)
    found = {
        (row.setting, row.load, row.policy): f"{row.calls} {row.mean_s.value:.1f} {row.late_share.value:.4f}"
        for row in report.rows
    }
    assert {key: found.get(key) for key in GOLDEN} == GOLDEN


def test_command_when_the_file_is_no_records_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "cad.csv").write_text("a,b\n1,2\n")
    assert main(["compare-policies", "--cad", str(tmp_path / "cad.csv")]) == 1
    assert "lacks the columns" in capsys.readouterr().err


def test_command_when_the_records_are_of_one_day_says_what_is_needed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "cad.csv").write_text(text({}))
    assert main(["compare-policies", "--cad", str(tmp_path / "cad.csv")]) == 1
    assert "at least 2 are needed" in capsys.readouterr().err


@pytest.mark.real
def test_compare_when_played_on_real_days_has_a_hindsight_and_no_worse_mean(real_data: Path) -> None:
    cad = read_cad(real_data / "cad-san-francisco-2020.csv.gz")
    known, reported = halves(cad)
    assert (list(known), list(reported)) == (list(range(7)), list(range(7, 14)))
    report = compare(cad, quick=True, seeds=1, seed=100, workers=2)
    assert report.late_s == LATE_S
    real = [row for row in report.rows if row.setting.startswith("San Francisco")]
    assert {row.policy for row in real} >= {BASELINE, "nearest_waiting", "relieving", "matching_soon"}
    for row in real:
        assert row.calls > 20
        assert row.hindsight_late_share is not None
        assert row.mean_gap is None or row.mean_gap.value >= 1.0
        if row.policy in ("nearest_waiting", "relieving"):
            assert row.mean_to_nearest.value <= 1.01
