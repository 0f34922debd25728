"""What a running service spends: its threads' processor time as the kernel counts it, and what they are at, by py-spy.

The two are measured in different rounds, because being looked at costs time.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from loadtest.processes import thread_cpu_s, usage_of
from loadtest.profiling.areas import area_of

RATE_PER_S: Final = 200
"""Looks a second: each stops the service for a fraction of a millisecond."""
_LONGEST_S: Final = 3_600


class SamplingError(Exception):
    """py-spy cannot look at the service; the text says why."""


class Spent(msgspec.Struct, frozen=True):
    """Processor time in seconds."""

    deciding_s: float
    """Of the thread that decides, the process's first."""
    others_s: float
    """Of its other threads: the writer, for the most part."""
    database_s: float

    def since(self, before: Spent) -> Spent:
        """What was spent after an earlier look."""
        return Spent(self.deciding_s - before.deciding_s, self.others_s - before.others_s, self.database_s - before.database_s)

    def __add__(self, more: Spent) -> Spent:
        return Spent(self.deciding_s + more.deciding_s, self.others_s + more.others_s, self.database_s + more.database_s)


def spent(pid: int, postmaster_pid: int) -> Spent:
    """What a service and its database have spent so far. Raises `OSError` when either is gone."""
    family_cpu_s = usage_of(postmaster_pid).family_cpu_s
    threads = thread_cpu_s(pid)
    deciding_s = threads.pop(pid)
    return Spent(deciding_s, sum(threads.values()), family_cpu_s)


@contextmanager
def sampled(pid: int, file: Path) -> Iterator[None]:
    """Has py-spy look at who holds a process's interpreter while the block lasts, and write what it saw into a file.

    Raises:
        SamplingError: it may not, or cannot.
    """
    spy = subprocess.Popen(
        [
            *(str(Path(sys.executable).with_name("py-spy")), "record", "--pid", str(pid), "--gil", "--nonblocking"),
            *("--rate", str(RATE_PER_S), "--duration", str(_LONGEST_S), "--format", "raw", "--output", str(file)),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield
    finally:
        spy.send_signal(signal.SIGINT)
        _, said = spy.communicate(timeout=60.0)
    if not file.exists():
        raise SamplingError(f"py-spy has seen nothing of process {pid}: {said.strip()}")


def shares(raw: str) -> Counter[str]:
    """Looks by the name of the area that was at work, of py-spy's raw form: a line a stack, `frame;frame;… count`."""
    seen: Counter[str] = Counter()
    for line in raw.splitlines():
        stack, _, count = line.rpartition(" ")
        if stack:
            seen[area_of(stack.split(";")).name] += int(count)
    return seen
