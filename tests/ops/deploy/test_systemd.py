"""The unit: good to systemd's own checks, as little exposed as a service with sockets can be, and true to the process."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from ops.life import DRAIN_COMMIT_S, DRAIN_TELL_S, DRAIN_TIMEOUT_S
from tests.end_to_end.loads import PROJECT

pytestmark = pytest.mark.program("systemd-analyze")

UNIT: Final = PROJECT / "ops/deploy/systemd/jedel.service"
EXPOSURE_MAX: Final = 15
"""In tenths, of 100: systemd calls up to 19 OK. What is left is that it has a network and Unix sockets."""


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit with a program that is there: whether it is, is checked too."""
    copy = tmp_path / UNIT.name
    copy.write_text(UNIT.read_text(encoding="utf-8").replace("/opt/jedel/bin/jedel", sys.executable), encoding="utf-8")
    return copy


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, check=False)


def test_unit_is_good_to_systemd(unit: Path) -> None:
    done = analyze("verify", "--man=no", unit)
    assert (done.returncode, done.stderr) == (0, "")


def test_unit_with_a_wrong_line_is_not(unit: Path) -> None:
    unit.write_text(unit.read_text().replace("ProtectSystem=strict", "ProtectSystm=strict"))
    assert "ProtectSystm" in analyze("verify", "--man=no", unit).stderr


def test_unit_is_hardened(unit: Path) -> None:
    done = analyze("security", "--offline=true", f"--threshold={EXPOSURE_MAX}", "--no-pager", unit)
    assert done.returncode == 0, done.stdout
    unit.write_text(unit.read_text().replace("SystemCallFilter=@system-service\n", ""))
    assert analyze("security", "--offline=true", f"--threshold={EXPOSURE_MAX}", "--no-pager", unit).returncode != 0


def test_unit_waits_longer_than_the_longest_drain() -> None:
    (stop_s,) = re.findall(r"^TimeoutStopSec=(\d+)$", UNIT.read_text(), re.MULTILINE)
    assert int(stop_s) > DRAIN_TIMEOUT_S + DRAIN_COMMIT_S + DRAIN_TELL_S + 10
