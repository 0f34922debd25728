"""What processes have used, as the kernel counts it in /proc (Linux)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import msgspec

_TICKS_A_S: Final = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
# Fields of /proc/PID/stat behind the name, which may hold spaces: proc(5) numbers the first of them 3.
_PARENT, _USER, _CHILDREN_USER, _RESIDENT = 4 - 3, 14 - 3, 16 - 3, 24 - 3


class Usage(msgspec.Struct, frozen=True):
    """Of one process, since it began."""

    cpu_s: float
    """Its own processor time, user's and system's."""
    family_cpu_s: float
    """With that of its children, of those that have ended too."""
    resident_bytes: int


def usage_of(pid: int) -> Usage:
    """What a process has used. Raises `OSError` when it is gone."""
    own = _stat(Path(f"/proc/{pid}/stat"))
    cpu_s = _seconds(own, _USER)
    family_cpu_s = cpu_s + _seconds(own, _CHILDREN_USER)
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            other = _stat(path)
        except (FileNotFoundError, ProcessLookupError):
            # It has ended meanwhile, and counts to its parent's children.
            continue
        if int(other[_PARENT]) == pid:
            family_cpu_s += _seconds(other, _USER)
    return Usage(cpu_s, family_cpu_s, int(own[_RESIDENT]) * _PAGE_BYTES)


def thread_cpu_s(pid: int) -> dict[int, float]:
    """Processor time of each thread of a process, by its id; the first thread's is the process's. Raises `OSError`."""
    threads: dict[int, float] = {}
    for path in Path(f"/proc/{pid}/task").glob("[0-9]*/stat"):
        try:
            threads[int(path.parent.name)] = _seconds(_stat(path), _USER)
        except (FileNotFoundError, ProcessLookupError):
            continue
    return threads


def _stat(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()


def _seconds(stat: list[str], first: int) -> float:
    """User's and system's time together: the two stand beside each other."""
    return (int(stat[first]) + int(stat[first + 1])) / _TICKS_A_S
