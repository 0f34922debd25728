"""A disk without room, or one that is slow to confirm, is told before the centre stands still for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops.doctor import disk
from tests.ops.doctor.worlds import has, look, said, world

GIB = 1024**3


def test_disk_of_the_data_folder_is_measured_and_nothing_stays_on_it(tmp_path: Path) -> None:
    room, speed = look(disk.check_local, world(data_dir=tmp_path))
    assert "GiB free of" in room
    assert "the disk confirms a write in" in speed
    assert list(tmp_path.iterdir()) == []


def test_folder_that_cannot_be_written_is_a_fault() -> None:
    lines = look(disk.check_local, world(data_dir=Path("/proc/self")))
    assert has(lines, "fault: /proc/self: nothing can be written")


@pytest.mark.parametrize(("free", "grade"), [(100 * GIB, "ok"), (GIB, "warning"), (GIB // 4, "fault"), (0, "fault")])
def test_room_is_judged(free: int, grade: str) -> None:
    assert disk.judge_free("/data", free, 200 * GIB).grade.value == grade


@pytest.mark.parametrize(("latency_s", "grade"), [(0.0005, "ok"), (0.05, "warning"), (0.5, "fault")])
def test_latency_is_judged(latency_s: float, grade: str) -> None:
    assert disk.judge_latency("/data", latency_s).grade.value == grade


@pytest.mark.parametrize(
    ("gib_a_day", "free_gib", "parts"),
    [
        (1.0, 100, ("ok:", "1.00 GiB of WAL a day", "room for 96 days")),
        (20.0, 100, ("warning:", "room for 5 days", "jedel prune")),
        (1.0, 3, ("fault:", "3.0 GiB are free", "max_wal_size alone is 4.0")),
        (0.001, 100, ("ok:", "room for years")),
        (1.0, None, ("ok:", "cannot be seen from here")),
        (None, 100, ("ok:", "not run for long enough", "100.0 GiB are free")),
    ],
)
def test_growth_is_judged(gib_a_day: float | None, free_gib: int | None, parts: tuple[str, ...]) -> None:
    per_s = None if gib_a_day is None else gib_a_day * GIB / 86_400
    verdict = disk.judge_growth(per_s, None if free_gib is None else free_gib * GIB, 4 * GIB)
    assert has(said([verdict]), *parts)


def test_database_of_this_machine_is_found_on_its_disk(database: str) -> None:
    (line,) = look(disk.check_growth, world(dsn=database))
    assert "WAL" in line
    assert "cannot be seen" not in line
