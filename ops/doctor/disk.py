"""The disk: how much room there is and for how long, and how fast it confirms a write.

Place in the flow: a check of `jedel doctor`. Every acknowledgement waits for a write that the disk has confirmed. What is
written to measure it is a file without a name, which is gone when it is closed.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Final

from core.instant import SECOND_US
from ops.doctor.verdict import Verdict, fault, ok, warning
from ops.doctor.world import World, aside
from ops.room import is_here
from storage.condition import read_server

FREE_MIN_BYTES: Final = 2 * 1024**3
"""Beside PostgreSQL's own WAL: below it the next import or the next day may not fit."""
LATENCY_WARNING_S: Final = 0.02
LATENCY_FAULT_S: Final = 0.2
"""A commit waits for one such write: 20 ms are the whole latency that a call has otherwise, 200 ms are a failing disk."""
WATCHED_MIN_S: Final = 3600.0
"""A server that has just been started has written more than it will."""
_TRIES: Final = 9
_BLOCK: Final = b"\0" * 8192
_DAY_S: Final = 86_400


async def check_local(world: World) -> list[Verdict]:
    """Room and speed of the disk under the centre's own folder."""
    folder = world.data_dir
    if not folder.is_dir():
        return [ok(f"{folder}: not made yet")]
    usage = shutil.disk_usage(folder)
    found = [judge_free(str(folder), usage.free, usage.total)]
    try:
        found.append(judge_latency(str(folder), await aside(lambda: sync_latency_s(folder))))
    except OSError as error:
        found.append(
            fault(f"{folder}: nothing can be written: {error.strerror}", f"df {folder}; mount | grep ro, ; who owns it?")
        )
    return found


def judge_free(folder: str, free: int, total: int) -> Verdict:
    """Whether there is room under a folder."""
    text = f"{folder}: {free / 1024**3:.1f} GiB free of {total / 1024**3:.1f}"
    if free < FREE_MIN_BYTES // 4:
        return fault(text, "make room: jedel prune drops the days that section storage no longer keeps")
    if free < FREE_MIN_BYTES:
        return warning(text, "make room: jedel prune drops the days that section storage no longer keeps")
    return ok(text)


def sync_latency_s(folder: Path) -> float:
    """Seconds that the disk takes to confirm 8 KB written behind others, the median of some. Raises `OSError`."""
    taken: list[float] = []
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        for _ in range(_TRIES):
            file.write(_BLOCK)
            began_s = time.perf_counter()
            os.fdatasync(file.fileno())
            taken.append(time.perf_counter() - began_s)
    return median(taken)


def judge_latency(folder: str, latency_s: float) -> Verdict:
    """Whether the disk confirms a write fast enough for calls to wait for it."""
    text = f"{folder}: the disk confirms a write in {latency_s * 1000:.2f} ms"
    if latency_s > LATENCY_FAULT_S:
        return fault(text, "every acknowledgement waits for one: another disk, or see what else writes (iostat -x 1)")
    if latency_s > LATENCY_WARNING_S:
        return warning(text, "every acknowledgement waits for one: a disk with power-loss protection confirms in under 1 ms")
    return ok(text)


async def check_growth(world: World) -> list[Verdict]:
    """How fast the database writes, and for how long there is room where its folder is on this machine."""
    async with world.database() as connection:
        server = await read_server(connection)
    folder = Path(server.settings.get("data_directory") or "/nonexistent")
    try:
        # Only the path is known: on another machine there is none of that name, or it is not this server's.
        free = shutil.disk_usage(folder).free if is_here(server.major, folder) else None
    except OSError:
        free = None
    wal_max_bytes = int(server.settings.get("max_wal_size", "1024")) * 1024**2
    watched_s = (world.now_us() - server.wal_since_us) / SECOND_US
    per_s = server.wal_bytes / watched_s if watched_s >= WATCHED_MIN_S else None
    return [judge_growth(per_s, free, wal_max_bytes)]


def judge_growth(wal_bytes_per_s: float | None, free: int | None, wal_max_bytes: int) -> Verdict:
    """For how long the database's disk has room.

    Args:
        wal_bytes_per_s: what it writes ahead in a second, in the mean of its life; the tables grow by less. None where it has
            not lived for long enough to say.
        free: bytes on its disk, None where that cannot be seen from here.
        wal_max_bytes: `max_wal_size`: what WAL takes between checkpoints even if nothing else is written.
    """
    a_day = 0.0 if wal_bytes_per_s is None else wal_bytes_per_s * _DAY_S
    text = f"the database writes {a_day / 1024**3:.2f} GiB of WAL a day"
    if wal_bytes_per_s is None:
        text = "the database has not run for long enough to say how much WAL it writes a day"
    if free is None:
        return ok(f"{text}; how much room its disk has cannot be seen from here")
    if free < wal_max_bytes:
        return fault(
            f"{text}, and {free / 1024**3:.1f} GiB are free; max_wal_size alone is {wal_max_bytes / 1024**3:.1f}",
            "make room, or lower max_wal_size; jedel prune drops old days",
        )
    if not a_day:
        return ok(f"{text}; {free / 1024**3:.1f} GiB are free")
    days = (free - wal_max_bytes) / a_day
    room = f"{text}; there is room for {'years' if days > 999 else f'{days:.0f} days'} if all of it stayed"
    if days < 7:
        return warning(room, "make room, shorten section storage, and call jedel prune daily")
    return ok(room)
