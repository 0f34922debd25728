"""The page of results: what a partial run keeps, what it replaces, and what a reader is told."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from loadtest.bench.__main__ import BENCHMARKS
from loadtest.bench.contents import CONTENTS
from loadtest.bench.machine import Machine, Run
from loadtest.bench.record import Record, record
from loadtest.bench.results import Results, headline, merged, page, read, stamped, write

MACHINE = Machine(cpu="Abacus", cores=2, memory_gb=8.0, kernel="Linux 6.1", fsync_p50_ms=0.4, fsync_p99_ms=3.0)


def run(day: int, commit: str) -> Run:
    return Run(measured_on=f"2026-01-{day:02d}", commit=commit, machine=MACHINE, versions={"Python": f"3.11.{day}"})


FIRST, SECOND = run(1, "aaaa"), run(2, "bbbb")


def row(name: str, value: float, benchmark: str, of: Run) -> Record:
    return stamped([record(name, [value, value + 1.0, value + 2.0], "1/s", "theirs", [1.0, 2.0, 3.0])], benchmark, of)[0]


def test_partial_run_keeps_other_rows_with_their_own_day_and_commit(tmp_path: Path) -> None:
    write(FIRST, [row("ingest_sensor", 10.0, "ingest_sensor", FIRST), row("ingest_call", 20.0, "ingest_call", FIRST)], tmp_path)
    write(SECOND, [row("ingest_call", 30.0, "ingest_call", SECOND)], tmp_path)
    kept = read(tmp_path)
    assert [(one.name, one.value, one.measured_on, one.commit) for one in kept.rows] == [
        ("ingest_sensor", 11.0, "2026-01-01", "aaaa"),
        ("ingest_call", 31.0, "2026-01-02", "bbbb"),
    ]
    assert kept.runs == [FIRST, SECOND]
    assert (tmp_path / "RESULTS.md").read_text(encoding="utf-8") == page(kept)


def test_benchmark_run_again_replaces_all_its_rows_and_forgets_a_run_without_rows() -> None:
    old = Results([FIRST], [row("growth_open_1000", 1.0, "growth", FIRST), row("growth_old_name", 1.0, "growth", FIRST)])
    now = merged(old, SECOND, [row("growth_open_1000", 2.0, "growth", SECOND)])
    assert [(one.name, one.commit) for one in now.rows] == [("growth_open_1000", "bbbb")]
    assert now.runs == [SECOND]


def test_rows_stand_in_the_order_of_the_page_whatever_was_run_first() -> None:
    late_first = merged(Results([], []), FIRST, [row("terms 10", 1.0, "terms", FIRST)])
    both = merged(late_first, FIRST, [row("ingest_sensor", 1.0, "ingest_sensor", FIRST)])
    assert [one.benchmark for one in both.rows] == ["ingest_sensor", "terms"]


def test_page_tells_machine_versions_medians_spreads_and_ratio() -> None:
    told = page(Results([FIRST], [row("ingest_call", 10.0, "ingest_call", FIRST)]))
    assert "| 2026-01-01 aaaa | 2 × Abacus | 8 GB | Linux 6.1 | 0.4 / 3 ms |" in told
    assert "2026-01-01 aaaa: Python 3.11.1." in told
    assert "| ingest_call | 11 | 1/s | 10 to 12 | theirs | 2 | 1 to 3 | 5.5 | 2026-01-01 aaaa |  |" in told
    assert CONTENTS["ingest_call"].measured in told


def test_page_computes_the_ratio_itself_and_keeps_cells_whole() -> None:
    odd = msgspec.structs.replace(row("assign_100", 10.0, "assign", FIRST), ratio=0.18, remark="a | b")
    assert "| 5.5 | 2026-01-01 aaaa | a \\| b |" in page(Results([FIRST], [odd]))


def test_headline_has_the_measured_rows_of_the_readme_in_its_order() -> None:
    rows = [
        row("recovery_1000000", 40.0, "recovery", FIRST),
        row("terms 10", 1.0, "terms", FIRST),
        row("ingest_call", 10.0, "ingest_call", FIRST),
    ]
    lines = headline(Results([FIRST], rows)).splitlines()
    assert lines[2:] == ["| ingest_call | 11 1/s | theirs | 2 | 5.5 |", "| recovery_1000000 | 41 1/s | theirs | 2 | 20.5 |"]


def test_results_that_cannot_be_read_are_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text("[]", encoding="utf-8")
    with pytest.raises(ValueError, match=r"results\.json"):
        write(FIRST, [], tmp_path)
    assert (tmp_path / "results.json").read_text(encoding="utf-8") == "[]"


@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_benchmark_has_its_part_of_the_page(name: str) -> None:
    assert name in CONTENTS
