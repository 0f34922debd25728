"""A machine, or a container, that is smaller than the configuration promises."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from ops.config import Config, Limits
from ops.doctor import machine
from tests.ops.doctor.worlds import has, said

FEW = "import resource, sys; resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256)); from ops.cli import main; sys.exit(main())"


def test_process_with_few_descriptors_is_told_and_the_status_is_1(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-c",
        FEW,
        "doctor",
        "--json",
        "--data-dir",
        str(tmp_path),
        "--set",
        "listen.ingest_tcp=127.0.0.1:0",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    found = [one for one in json.loads(done.stdout)["findings"] if one["check"] == "machine" and one["grade"] == "fault"]
    assert has([f"{one['text']} → {one['remedy']}" for one in found], "at most 256 file descriptors", "LimitNOFILE=")


@pytest.mark.parametrize(
    ("soft", "hard", "parts"),
    [
        (1024, 4096, ("ok: file descriptors: 2000 wanted, 4096 allowed",)),
        (1024, resource.RLIM_INFINITY, ("ok:", "any number allowed")),
        (1024, 1999, ("fault: at most 1999", "LimitNOFILE=2000")),
    ],
)
def test_descriptors_are_judged(soft: int, hard: int, parts: tuple[str, ...]) -> None:
    assert has(said([machine.judge_descriptors(soft, hard, 2000)]), *parts)


def test_memory_is_what_the_control_group_leaves(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 9000000 kB\nMemAvailable: 8000000 kB\n")
    assert machine.available_bytes(meminfo, tmp_path) == 8_000_000 * 1024
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("400\n")
    assert machine.available_bytes(meminfo, tmp_path) == 600
    (tmp_path / "memory.max").write_text("max\n")
    assert machine.available_bytes(meminfo, tmp_path) == 8_000_000 * 1024
    assert machine.available_bytes(tmp_path / "none", tmp_path) is None


def test_memory_below_a_full_inlet_is_told() -> None:
    config = Config(limits=Limits(inlet_bytes=4 * 1024**3))
    assert has(said([machine.judge_memory(3 * 1024**3, config)]), "warning: 3.0 GiB", "5.0 GiB", "limits.inlet_bytes")
    assert has(said([machine.judge_memory(6 * 1024**3, config)]), "ok: 6.0 GiB")
    assert has(said([machine.judge_memory(None, config)]), "ok:", "cannot be seen")


def test_cores_are_what_the_control_group_allows(tmp_path: Path) -> None:
    assert machine.cores(tmp_path) >= 1
    (tmp_path / "cpu.max").write_text("50000 100000\n")
    assert machine.cores(tmp_path) == 0.5
    assert has(said([machine.judge_cores(0.5)]), "warning: 0.5 cores", "two cores or more")
    assert has(said([machine.judge_cores(2)]), "ok: 2 cores")


def test_short_queues_of_the_kernel_are_told(tmp_path: Path) -> None:
    for name, value in (("core/somaxconn", "128"), ("ipv4/tcp_max_syn_backlog", "4096")):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(f"{value}\n")
    (line,) = said(list(machine.judge_kernel(tmp_path, Config())))
    assert has([line], "warning: net.core.somaxconn = 128", "sysctl -w net.core.somaxconn=1024")
    assert said(list(machine.judge_kernel(tmp_path / "none", Config()))) == []
