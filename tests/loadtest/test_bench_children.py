"""Processes of a benchmark's own: what comes back of them, and that none outlives who started it."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from loadtest.bench.children import apart

PROJECT = Path(__file__).parents[2]
WAITING = """
import signal, time
from loadtest.bench.children import apart
from tests.loadtest.test_bench_children import wait_for_ever
if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    apart(wait_for_ever)
"""


def wait_for_ever() -> None:
    """Says which process it is, and stays."""
    sys.stdout.write("waiting\n")
    sys.stdout.flush()
    signal.pause()


def test_what_a_function_returns_or_raises_comes_back() -> None:
    assert apart(divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        apart(divmod, 7, 0)


def test_who_is_told_to_end_does_not_wait_for_its_children(tmp_path: Path) -> None:
    script = tmp_path / "waiting.py"
    script.write_text(WAITING, encoding="utf-8")
    with subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={"PYTHONPATH": str(PROJECT)}
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"waiting\n"
        process.terminate()
        # The pipe ends when the last process that could write into it has ended: the child as well.
        assert process.stdout.read() == b""
        assert process.wait() != 0
