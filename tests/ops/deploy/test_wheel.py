"""The wheel and the sdist: built as for a release, complete, and running where there is no project."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import sysconfig
import tarfile
import time
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.end_to_end.loads import PROJECT
from tests.end_to_end.service import PATIENCE_S

pytestmark = pytest.mark.end_to_end

with (PROJECT / "pyproject.toml").open("rb") as _file:
    PYPROJECT: Final = tomllib.load(_file)
PACKAGES: Final = PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
NO_PROJECT: Final = {
    name: value for name, value in os.environ.items() if name != "PYTHONPATH" and not name.startswith("JEDEL_")
}


def files_of_the_project() -> set[str]:
    """Every file of the packages, code and data."""
    return {
        str(path.relative_to(PROJECT))
        for package in PACKAGES
        for path in (PROJECT / package).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the sdist; the wheel is made from the sdist, as `python -m build` does."""
    folder = tmp_path_factory.mktemp("dist")
    # The backend is pinned beside everything else; where it is not installed, it is fetched from the package registry.
    isolation = ["--no-isolation"] if importlib.util.find_spec("hatchling") else []
    done = subprocess.run(
        [sys.executable, "-m", "build", *isolation, "--outdir", folder, PROJECT],
        cwd=folder,
        env=NO_PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of programs of a fresh environment with the wheel in it; its dependencies are those of this environment."""
    # Where the tests run as root, the embedded PostgreSQL does not, and it has to come in.
    folder = tmp_path_factory.mktemp("installed")
    for path in (folder, folder.parent):
        path.chmod(0o755)
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    (wheel,) = built.glob("*.whl")
    programs = folder / "venv/bin"
    install = ["-m", "pip", "install", "--quiet", "--no-index", "--no-deps"]
    subprocess.run([programs / "python", *install, wheel], cwd=folder, env=NO_PROJECT, check=True)
    purelib = folder / f"venv/lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
    # A folder that a .pth file names is searched, but its own .pth files are not read: this project's installation stays out.
    (purelib / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    yield programs


def jedel(programs: Path, *arguments: str) -> str:
    done = subprocess.run(
        [programs / "jedel", *arguments], cwd=programs, env=NO_PROJECT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_wheel_holds_every_file_of_the_packages(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        inside = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert inside == files_of_the_project()
    for needed in (
        "core/categories.toml",
        "core/scenarios/fire.toml",
        "storage/migrations/0001_centre.sql",
        "ops/example.toml",
    ):
        assert needed in inside


def test_sdist_holds_what_tests_and_documents_are_made_of(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
    wanted = files_of_the_project() | {"README.md", "LICENSE", "Makefile", "requirements.lock", "tests/conftest.py"}
    assert wanted - inside == set()


def test_dependencies_are_named_once_and_pinned() -> None:
    # Two lines for one package are two truths of what it may be.
    names = [re_name(line) for line in PYPROJECT["project"]["dependencies"]]
    assert len(names) == len(set(names))
    pinned = {re_name(line) for line in (PROJECT / "requirements.lock").read_text().splitlines() if "==" in line}
    assert set(names) - pinned == set()


def re_name(requirement: str) -> str:
    return requirement.partition("==")[0].partition(">=")[0].strip().lower()


def test_wheel_is_imported_from_where_it_is_installed(installed: Path) -> None:
    places = "import core, ops, storage, loadtest; print(*{m.__file__ for m in (core, ops, storage, loadtest)}, sep='\\n')"
    done = subprocess.run(
        [installed / "python", "-c", places], cwd="/", env=NO_PROJECT, capture_output=True, text=True, check=True
    )
    assert [line for line in done.stdout.split() if not Path(line).is_relative_to(installed.parent)] == []


def test_installed_commands_work_without_the_project(installed: Path) -> None:
    assert jedel(installed, "--version").strip() == PYPROJECT["project"]["version"]
    assert 'prune_at = "03:30"  # default' in jedel(installed, "config", "show")
    assert "fire" in jedel(installed, "scenarios", "show", "fire", "--language", "kk")


def test_installed_service_gets_ready_on_a_database_of_its_own_and_stops(installed: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    anywhere = [f"--{name}=127.0.0.1:0" for name in ("ingest-tcp", "ingest-ws", "dispatch")]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [installed / "jedel", "serve", "--data-dir", tmp_path / "data", *anywhere],
            cwd="/",
            env=NO_PROJECT,
            stdout=log,
            stderr=log,
        )
    try:
        waited_until_s = time.monotonic() + PATIENCE_S
        while not (tmp_path / "data/serve.json").exists():
            assert process.poll() is None, (tmp_path / "log").read_text()
            assert time.monotonic() < waited_until_s, (tmp_path / "log").read_text()
            time.sleep(0.05)  # another process sets no event of ours
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    told = (tmp_path / "log").read_text()
    assert '"event": "stopped"' in told
    assert not (tmp_path / "data/serve.json").exists()
    assert not (tmp_path / "data/postgresql/postmaster.pid").exists()
    assert jedel(installed, "verify", "--data-dir", str(tmp_path / "data")).startswith("verify: 0 incidents")
