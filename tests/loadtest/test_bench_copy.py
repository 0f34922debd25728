"""The benchmark of storage runs and names everything it measured."""

from __future__ import annotations

import pytest

from loadtest.bench_copy import run


@pytest.mark.end_to_end
def test_run_measures_everything_when_quick() -> None:
    records = run(quick=True)
    assert [record["name"] for record in records] == [
        "copy_rows",
        "copy_cpu",
        "commit_call",
        "commit_calls_1000",
        "update_incidents_50",
        "recovery",
    ]
    for record in records:
        assert record["value"] > 0 and record["baseline_value"] > 0
        assert record["ratio"] == pytest.approx(record["value"] / record["baseline_value"])
