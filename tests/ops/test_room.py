"""Room on disks and in the database: what is seen, what may not be known, and that a fault costs nothing but the figure."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from ops.clock import now_us
from ops.room import ASK_S, LOOK_S, MISSED_S, Disk, Folder, Room, ask, disk_of, is_here
from storage.condition import Space, Wal
from storage.errors import StorageError, StorageReason
from tests.database import execute

SPACE = Space(major=18, database_bytes=7, folder=None, wal=Wal(5, None))
AWAY = StorageError(StorageReason.UNREACHABLE, "the database is away")
ELSEWHERE = Path("/proc")
"""A folder of another file system, on every Linux."""


@pytest.mark.parametrize("folder", ["", "not/yet"])
def test_disk_is_that_of_the_folder_or_of_the_one_that_it_would_be_made_in(tmp_path: Path, folder: str) -> None:
    disk = disk_of(tmp_path / folder)
    assert (disk.device, disk.size_bytes) == (tmp_path.stat().st_dev, shutil.disk_usage(tmp_path).total)
    assert 0 < disk.free_bytes < disk.size_bytes
    assert not (tmp_path / "not").exists()


def test_disk_of_a_folder_that_is_named_from_here_is_found() -> None:
    assert disk_of(Path("not-yet")).device == Path().stat().st_dev


@pytest.mark.parametrize(
    ("written", "here"), [(b"18\n", True), (b"17\n", False), (b"", False), (b"\xff", False), (None, False)]
)
def test_server_s_folder_is_one_with_its_version_in_it(tmp_path: Path, written: bytes | None, here: bool) -> None:
    if written is not None:
        (tmp_path / "PG_VERSION").write_bytes(written)
    assert is_here(18, tmp_path) is here


def server_in(folder: Path, wal: Path) -> Room:
    """The room of a process that knows of a server's folder on this machine."""
    folder.mkdir()
    (folder / "PG_VERSION").write_text("18\n")
    (folder / "pg_wal").symlink_to(wal)
    room = Room()
    room.space = Space(major=18, database_bytes=7, folder=str(folder), wal=None)
    return room


def test_each_disk_is_named_once_as_the_first_folder_on_it(tmp_path: Path) -> None:
    assert list(Room().look(tmp_path)) == [Folder.DATA]
    assert list(server_in(tmp_path / "a", tmp_path).look(tmp_path)) == [Folder.DATA]
    found = server_in(tmp_path / "b", ELSEWHERE).look(tmp_path)
    assert {folder: disk.device for folder, disk in found.items()} == {
        Folder.DATA: tmp_path.stat().st_dev,
        Folder.WAL: ELSEWHERE.stat().st_dev,
    }
    assert list(server_in(tmp_path / "c", ELSEWHERE).look(ELSEWHERE)) == [Folder.DATA, Folder.DATABASE]


def test_folder_that_cannot_be_looked_at_is_left_out_and_logged_once(tmp_path: Path) -> None:
    room = server_in(tmp_path / "a", tmp_path)
    unreadable = tmp_path / ("x" * 300)
    with capture_logs() as logs:
        assert list(room.look(unreadable)) == [Folder.DATABASE]
        assert list(room.look(unreadable)) == [Folder.DATABASE]
        assert list(room.look(tmp_path)) == [Folder.DATA]
    assert [(line["event"], line["folder"]) for line in logs] == [("a disk's room is not known", "data")]


async def test_disk_that_does_not_answer_is_shown_no_longer_until_it_does(autojump_clock: MockClock) -> None:
    room = Room()
    before, after = ({Folder.DATA: Disk(device=1, free_bytes=free, size_bytes=9)} for free in (3, 2))
    looks = [(0.0, before), (MISSED_S - 1.0, before), (9 * MISSED_S, after), (9 * MISSED_S, before)]

    async def look() -> dict[Folder, Disk]:
        took_s, found = looks.pop(0)
        await trio.sleep(took_s)
        return found

    async def shown(at_s: float) -> dict[Folder, Disk]:
        await trio.sleep_until(began_s + at_s)
        return room.disks

    began_s = trio.current_time()
    hangs_s = 2 * LOOK_S + MISSED_S - 1.0
    """When the third look begins."""
    with capture_logs() as logs:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(room.follow_disks, look)
            assert await shown(1.0) == before
            assert await shown(hangs_s + MISSED_S - 1.0) == before
            assert logs == []
            assert await shown(hangs_s + MISSED_S + 1.0) == {}
            assert await shown(hangs_s + 9 * MISSED_S - 1.0) == {}
            assert [line["event"] for line in logs] == ["a disk does not answer"]
            assert await shown(hangs_s + 9 * MISSED_S + 1.0) == after
            nursery.cancel_scope.cancel()


async def test_why_the_database_s_size_is_not_known_is_logged_when_it_changes(autojump_clock: MockClock) -> None:
    room = Room()
    failed = StorageError(StorageReason.INTERNAL, "a fault")
    ours = ValueError("a fault of ours")
    answers: list[Space | Exception] = [AWAY, AWAY, failed, failed, ours, ours, AWAY, SPACE, AWAY, AWAY]

    async def answer() -> Space:
        told = answers.pop(0)
        if isinstance(told, Exception):
            raise told
        return told

    with capture_logs() as logs, trio.move_on_after(9.5 * ASK_S):
        await room.follow(answer)
    assert answers == []
    assert [line.get("reason", "ours") for line in logs] == [
        "unreachable",
        failed.reason.value,
        "ours",
        "unreachable",
        "unreachable",
    ]


async def test_database_that_cannot_be_asked_costs_the_figure_and_is_asked_again(autojump_clock: MockClock) -> None:
    room = Room()
    answers: list[Space | Exception] = [AWAY, SPACE, ValueError("a fault of ours"), SPACE]
    asked: list[tuple[float, Space | None]] = []

    async def answer() -> Space:
        asked.append((trio.current_time(), room.space))
        told = answers.pop(0)
        if isinstance(told, Exception):
            raise told
        return told

    with trio.move_on_after(3.5 * ASK_S):
        await room.follow(answer)
    assert asked == [(0.0, None), (ASK_S, None), (2 * ASK_S, SPACE), (3 * ASK_S, None)]
    assert answers == []
    # A process that is no longer the active one does not go on showing what it saw last.
    assert room.space is None


def test_what_the_database_takes_is_known(database: str) -> None:
    space = asyncio.run(ask(database))
    assert space.database_bytes > 1_000_000
    assert space.folder is not None
    assert is_here(space.major, Path(space.folder))
    assert space.wal is not None
    assert space.wal.kept_bytes >= 16 * 1024**2
    assert space.wal.oldest_us is not None
    assert 1_600_000_000_000_000 < space.wal.oldest_us < now_us() + 60_000_000


def test_role_that_may_not_know_the_server_is_told_of_the_database_alone(database: str) -> None:
    role = f"stranger_{urlsplit(database).path.removeprefix('/')}"
    asyncio.run(execute(database, f"CREATE ROLE {role} LOGIN"))
    try:
        space = asyncio.run(ask(database.replace("postgres@", f"{role}@", 1)))
        assert space.database_bytes > 1_000_000
        assert (space.folder, space.wal) == (None, None)
    finally:
        asyncio.run(execute(database, f"DROP OWNED BY {role}", f"DROP ROLE {role}"))


def test_database_that_does_not_answer_is_one_of_storage_s_errors() -> None:
    with pytest.raises(StorageError) as told:
        asyncio.run(ask("postgresql://nobody@127.0.0.1:1/nothing"))
    assert told.value.reason is StorageReason.UNREACHABLE
