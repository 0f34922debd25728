"""Other versions of jedel to upgrade from and to, each a tree of its own that `Service.start` runs a process of.

Rules: the version before is the real one, out of this project's own history: the last before a migration was added. A clone
without that history (a shallow one, an unpacked sdist) has none, and says so. The version after is today's with one migration
more, which nothing of today can live with; so today is always tried as the version that is upgraded from.
"""

from __future__ import annotations

import ast
import io
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Final

from storage.migrate import known

PROJECT: Final = Path(__file__).parents[2]
PACKAGES: Final = ("core", "protocols", "routing", "storage", "adapters", "ops", "loadtest")
_SERVICE: Final = "tests/end_to_end/service.py"


def _git(*arguments: str) -> bytes | None:
    """What git says, or None where it fails or is not there."""
    try:
        done = subprocess.run(["git", *arguments], cwd=PROJECT, capture_output=True, check=False)
    except FileNotFoundError:
        return None
    return done.stdout if done.returncode == 0 else None


def commit_before_the_last_migration() -> str | None:
    """The last commit of the main line before the newest migration was added; None where the history does not reach so far."""
    # By its file: one that was added later may have been taken back.
    newest = max(path.name for path in (PROJECT / "storage/migrations").glob("*.sql"))
    added = _git("log", "--first-parent", "-m", "-1", "--diff-filter=A", "--format=%H", "--", f"storage/migrations/{newest}")
    if not added or not added.strip():
        return None
    before = _git("rev-parse", "--verify", "--quiet", f"{added.decode().strip()}^1")
    return before.decode().strip() if before else None


def configuration_of(tree: Path) -> str:
    """What the version in a tree is configured by in tests such as these: each knows its own keys."""
    source = (tree / _SERVICE).read_text(encoding="utf-8")
    for node in ast.parse(source).body:
        match node:
            case ast.Assign(targets=[ast.Name("CONFIGURATION")], value=ast.Constant(str(text))):
                return text
    raise AssertionError(f"{tree / _SERVICE} has no configuration")


def write_commit(commit: str, folder: Path) -> Path:
    """The packages of a commit of this project, in a folder."""
    packed = _git("archive", "--format=tar", commit, *PACKAGES, _SERVICE)
    assert packed is not None, f"git archive {commit} failed"
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(folder, filter="data")
    return folder


def write_next(folder: Path) -> Path:
    """Today's packages, changed as a version may change them that nothing of today can work beside."""
    for package in PACKAGES:
        shutil.copytree(PROJECT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    number = len(known()) + 1
    migration = folder / f"storage/migrations/{number:04d}_next.sql"
    migration.write_text("ALTER FUNCTION commit_batch RENAME TO commit_batch_next;\n", encoding="utf-8")
    _replace(folder / "storage/writer.py", "SELECT commit_batch(", "SELECT commit_batch_next(")
    return folder


def _replace(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{file} reads otherwise than this test believes"
    file.write_text(text.replace(old, new), encoding="utf-8")
