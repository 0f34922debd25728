"""What holds for the whole suite: nothing is skipped in silence, and real files are there or named.

A session with a skipped, xfailed or unexpectedly passing test fails, as does one that collected nothing: a test that does not
run is a promise nobody keeps. Tests marked `real` get the folder of real files from the fixture `real_data`. Tests marked
`program` run a program of the system. CI installs it, and they fail there without it; elsewhere the session says that it leaves
them out.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes says how busy the machine is, and nothing of the code. CI draws the same examples every time; a
# failure found elsewhere is printed with what reproduces it.
settings.register_profile(
    "suite", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize="CI" in os.environ, print_blob=True
)
settings.load_profile("suite")

REAL_FILES = ("almaty.osm.pbf", "cad-san-francisco-2020.csv.gz", "calls-montgomery.csv")
"""What `make test-real` reads in REAL_DATA."""


PROGRAMS = {"prometheus": "prometheus", "promtool": "prometheus", "redis-server": "redis-server", "systemd-analyze": "systemd"}
"""Program that a test may need → Debian's package of it."""


class NothingInSilence:
    """Counts the reports of a session and fails it for every test that did not run to its end."""

    def __init__(self) -> None:
        self._ran = 0
        self._silent: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if hasattr(report, "wasxfail"):
            self._silent.append(f"{report.nodeid} is marked xfail")
        elif report.skipped:
            self._silent.append(f"{report.nodeid} was skipped")
        elif report.when == "call":
            self._ran += 1

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.skipped:
            self._silent.append(f"{report.nodeid} was skipped as a whole")

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        # An outcome that is bad already stays what it is; listing tests runs none.
        if session.exitstatus != pytest.ExitCode.OK or session.config.option.collectonly:
            return
        if self._silent or not self._ran:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for program in _absent():
            terminalreporter.write_line(
                f"NOT RUN: tests that need {program}; CI runs them. apt-get install {PROGRAMS[program]}", yellow=True
            )
        for line in self._silent:
            terminalreporter.write_line(f"FAILED: {line}; a test runs or is deleted", red=True)


@pytest.hookimpl(tryfirst=True)  # before pytest's own temporary folders read the option
def pytest_configure(config: pytest.Config) -> None:
    # Under xdist the workers' reports all come to the controller, which alone decides, and so do its folders.
    if hasattr(config, "workerinput"):
        return
    if config.option.markexpr == "real":
        # A worker of xdist that finds them missing is not heard.
        _require_real_files()
    config.pluginmanager.register(NothingInSilence(), "nothing-in-silence")
    if config.option.basetemp is None:
        # Every session of a user shares one folder by default, and each closes it to other users when it starts. For root the
        # databases run as such another user: a second session would lock the first one's out.
        folder = tempfile.mkdtemp(prefix="jedel-test-")
        config.option.basetemp = folder
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))


def _absent() -> set[str]:
    """Programs that this machine lacks, and for whose lack tests are left out."""
    return set() if "CI" in os.environ else {program for program in PROGRAMS if shutil.which(program) is None}


def _programs_of(item: pytest.Item) -> set[str]:
    return {str(name) for marker in item.iter_markers("program") for name in marker.args}


def pytest_runtest_setup(item: pytest.Item) -> None:
    for program in _programs_of(item):
        if shutil.which(program) is None:
            pytest.fail(f"needs {program}: apt-get install {PROGRAMS[program]}")


def _real_folder() -> Path:
    return Path(os.environ.get("REAL_DATA", "../shared/data"))


@pytest.hookimpl(trylast=True)  # after -m and -k have deselected
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    absent = _absent()
    left_out = [item for item in items if absent & _programs_of(item)]
    if left_out:
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)
    if any(item.get_closest_marker("real") for item in items):
        _require_real_files()


def _require_real_files() -> None:
    folder = _real_folder()
    if not folder.is_dir():
        raise pytest.UsageError(f"tests marked `real` need the folder REAL_DATA={folder}, and it does not exist")
    missing = [name for name in REAL_FILES if not (folder / name).is_file()]
    if missing:
        raise pytest.UsageError(f"tests marked `real` need in REAL_DATA={folder}: {', '.join(missing)}")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real files, checked at collection to hold all of `REAL_FILES`."""
    return _real_folder()
