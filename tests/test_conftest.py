"""The suite's own rules: what `tests/conftest.py` promises, shown on small sessions run as a user runs them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]

RUNS = "def test_runs():\n    assert True\n"
SILENT = """\
import pytest

@pytest.mark.skip(reason="later")
def test_marked():
    pass

def test_leaving():
    pytest.skip("later")

@pytest.mark.xfail
def test_broken():
    assert False

@pytest.mark.xfail(strict=False)
def test_mended():
    assert True
"""
SILENT_MODULE = "import pytest\n\npytest.importorskip('no_such_module_anywhere')\n"
SAID = (
    "test_marked was skipped",
    "test_leaving was skipped",
    "test_broken is marked xfail",
    "test_mended is marked xfail",
    "test_module.py was skipped as a whole",
)
NO_TEST = "VALUE = 1\n"


def run(folder: Path, *arguments: str, real_data: str = "") -> subprocess.CompletedProcess[str]:
    """A pytest session of its own over `folder`, with this suite's conftest and nothing else of it."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    plugins = ["-p", "tests.conftest", "-p", "no:cacheprovider"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *plugins, "-c", os.devnull, "--rootdir", str(folder), *arguments, str(folder)],
        cwd=PROJECT,
        env=environment | {"REAL_DATA": real_data, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("workers", [(), ("-p", "xdist", "-n", "1")], ids=["alone", "xdist"])
def test_session_fails_when_a_test_does_not_run(tmp_path: Path, workers: tuple[str, ...]) -> None:
    (tmp_path / "test_good.py").write_text(RUNS)
    (tmp_path / "test_silent.py").write_text(SILENT)
    (tmp_path / "test_module.py").write_text(SILENT_MODULE)
    session = run(tmp_path, *workers)
    assert session.returncode == 1, session.stdout + session.stderr
    assert [said for said in SAID if said not in session.stdout] == []


def test_session_fails_when_one_test_is_skipped(tmp_path: Path) -> None:
    (tmp_path / "test_silent.py").write_text(RUNS + "\nimport pytest\n\ndef test_leaving():\n    pytest.skip('later')\n")
    assert run(tmp_path).returncode == 1


def test_session_fails_when_nothing_is_collected(tmp_path: Path) -> None:
    (tmp_path / "test_empty.py").write_text(NO_TEST)
    assert run(tmp_path).returncode != 0


def test_session_passes_when_every_test_ran(tmp_path: Path) -> None:
    (tmp_path / "test_good.py").write_text(RUNS)
    session = run(tmp_path)
    assert session.returncode == 0, session.stdout + session.stderr


def test_real_tests_name_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "test_real.py").write_text(
        "import pytest\n\n@pytest.mark.real\ndef test_real(real_data):\n    assert real_data\n"
    )
    absent = run(tmp_path, "-m", "real", real_data=str(tmp_path / "nowhere"))
    assert absent.returncode != 0
    assert "nowhere" in absent.stderr and "does not exist" in absent.stderr

    data = tmp_path / "data"
    data.mkdir()
    (data / "almaty.osm.pbf").touch()
    partial = run(tmp_path, "-m", "real", real_data=str(data))
    assert partial.returncode != 0
    assert "calls-montgomery.csv" in partial.stderr and "almaty" not in partial.stderr
