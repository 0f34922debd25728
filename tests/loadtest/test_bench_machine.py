"""What a run says of where it was made, checked on this machine and on a repository made for it."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

from loadtest.bench.machine import commit_name, fsync_ms, look, server_binary, versions


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    done = subprocess.run(["git", "-C", str(folder), *identity, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_look_tells_of_this_machine(tmp_path: Path) -> None:
    run = look(tmp_path, "18.1")
    assert run.machine.cores == len(os.sched_getaffinity(0))
    assert run.machine.cpu
    assert 0.0 < run.machine.fsync_p50_ms <= run.machine.fsync_p99_ms
    assert run.versions["PostgreSQL"] == "18.1"
    assert run.versions["Python"] == platform.python_version()
    assert len(run.measured_on) == 10


def test_fsync_is_timed_once_an_append(tmp_path: Path) -> None:
    assert len(fsync_ms(tmp_path, 5)) == 5
    assert list(tmp_path.iterdir()) == []


def test_versions_name_what_decides_speed() -> None:
    assert {"Python", "PostgreSQL", "asyncpg", "msgspec", "uvloop", "fastapi", "nats-server"} <= versions("18").keys()


def test_server_is_found_beside_the_interpreter_before_the_path() -> None:
    assert server_binary("nats-server") == str(Path(sys.executable).parent / "nats-server")
    assert server_binary("no-such-server") is None


def test_commit_tells_of_changes_but_not_of_the_results_themselves(tmp_path: Path) -> None:
    assert commit_name(tmp_path) == ""
    git(tmp_path, "init", "-q")
    (tmp_path / "loadtest").mkdir()
    for name in ("loadtest/RESULTS.md", "code.py"):
        (tmp_path / name).write_text("1", encoding="utf-8")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "one")
    name = git(tmp_path, "rev-parse", "--short=10", "HEAD")
    (tmp_path / "loadtest/RESULTS.md").write_text("2", encoding="utf-8")
    assert commit_name(tmp_path) == name
    (tmp_path / "code.py").write_text("2", encoding="utf-8")
    assert commit_name(tmp_path) == f"{name}+"
