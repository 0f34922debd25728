"""What the documents name exists: paths, modules, names, make targets, commands with their options, configuration keys, links.

A name in backticks is a claim. `claim_of` says what kind of claim a text makes; a text that makes none (a value, a word of a
protocol, a placeholder) is left alone. Nothing is imported but the command line itself: names are read from the syntax trees.
"""

from __future__ import annotations

import ast
import builtins
import re
import typing
from functools import cache
from pathlib import Path

import msgspec
import pytest
from cyclopts import App

from ops.cli import app
from ops.config import Config
from ops.layers import FILE_VARIABLE, PREFIX, load

PROJECT = Path(__file__).parents[1]
PACKAGES = ("core", "protocols", "routing", "storage", "adapters", "ops", "loadtest", "tests")
NAMING = [
    PROJECT / name
    for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "GLOSSARY.md", "ops/RUNBOOKS.md", "ops/METRICS.md")
]
"""Documents whose names must exist; in the others only links are checked."""
DOCUMENTS = sorted([*PROJECT.glob("*.md"), *(file for package in PACKAGES for file in (PROJECT / package).rglob("*.md"))])

FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
PLACEHOLDER = re.compile(r"[<>{}…]|\.\.\.|NNNN|\bFILE\b")
MADE = ("build", "jedel-data", ".venv", "dist")
"""What the project makes, and a clean checkout lacks."""


def id_of(file: Path) -> str:
    return str(file.relative_to(PROJECT))


@cache
def modules() -> dict[str, set[str]]:
    """Dotted module → names in it, members of its classes as `Class.member`."""
    found: dict[str, set[str]] = {}
    for package in PACKAGES:
        for file in (PROJECT / package).rglob("*.py"):
            dotted = ".".join(file.relative_to(PROJECT).with_suffix("").parts).removesuffix(".__init__")
            found[dotted] = set(names_in(ast.parse(file.read_text(encoding="utf-8")).body, ""))
    return found


def names_in(body: list[ast.stmt], prefix: str) -> list[str]:
    names: list[str] = []
    for node in body:
        match node:
            case ast.ClassDef():
                names += [f"{prefix}{node.name}", *names_in(node.body, f"{prefix}{node.name}.")]
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                names.append(f"{prefix}{node.name}")
            case ast.AnnAssign(target=ast.Name(name)):
                names.append(f"{prefix}{name}")
            case ast.Assign():
                names += [f"{prefix}{target.id}" for target in node.targets if isinstance(target, ast.Name)]
            case _:
                pass
    return names


@cache
def words() -> frozenset[str]:
    """Every word of the source, its SQL and its settings: where a bare name must occur."""
    files = [PROJECT / "Makefile", PROJECT / "pyproject.toml"]
    for package in PACKAGES:
        files += [file for ending in ("py", "sql", "toml") for file in (PROJECT / package).rglob(f"*.{ending}")]
    files.remove(Path(__file__))  # its own examples prove nothing
    return frozenset(word for file in files for word in re.findall(r"\w+", file.read_text(encoding="utf-8")))


@cache
def targets() -> frozenset[str]:
    return frozenset(re.findall(r"^([a-z][\w-]*):", (PROJECT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


@cache
def commands() -> dict[tuple[str, ...], frozenset[str]]:
    """Words after `jedel` → options that the command takes."""
    found: dict[tuple[str, ...], frozenset[str]] = {}
    waiting: list[tuple[tuple[str, ...], App]] = [((), app)]
    while waiting:
        path, parent = waiting.pop()
        options = {flag for flag in parent if flag.startswith("-")}
        if parent.default_command:
            options |= {name for argument in parent.assemble_argument_collection() for name in argument.names}
        found[path] = frozenset(options)
        waiting += [((*path, name), parent[name]) for name in parent if not name.startswith("-")]
    return found


@cache
def keys() -> frozenset[str]:
    """Configuration keys, dotted."""
    found: set[str] = set()
    for section in msgspec.structs.fields(Config):
        found.add(section.name)
        struct = section.type if isinstance(section.type, type) else section.type.__args__[0]
        found |= {f"{section.name}.{field.name}" for field in msgspec.structs.fields(struct)}
    return frozenset(found)


def is_dotted_name(text: str) -> bool:
    """Whether a module, or a name in one, is what the text says."""
    if text in modules() or text in keys():
        return True
    parts = text.split(".")
    return any(".".join(parts[cut:]) in modules().get(".".join(parts[:cut]), ()) for cut in range(1, len(parts)))


def is_path(text: str, folder: Path) -> bool:
    path, _, inside = text.partition("::")
    if path.split("/")[0] in MADE:
        return True
    for base in (PROJECT, folder):
        if any(base.glob(path.rstrip("/"))):
            return not inside or inside in modules().get(".".join(Path(path).with_suffix("").parts), ())
    return False


def fault_of_command(line: str) -> str | None:
    """What a line of shell that calls `make` or `jedel` names and does not exist."""
    parts = [part for part in line.split(" #")[0].split() if not re.fullmatch(r"[A-Z_]+=\S*", part)]
    program = parts[0].rpartition("/")[2] if parts else ""
    if program == "make":
        named = [part for part in parts[1:] if not part.startswith("-")]
        return next((f"make target {target}" for target in named if target not in targets()), None)
    if program == "jedel":
        path: tuple[str, ...] = ()
        rest = parts[1:]
        while rest and (*path, rest[0]) in commands():
            path = (*path, rest.pop(0))
        if rest and not rest[0].startswith("-") and any(known[: len(path)] == path and known != path for known in commands()):
            return f"command jedel {' '.join((*path, rest[0]))}"
        for option in (part.partition("=")[0] for part in rest if part.startswith("-")):
            if option not in commands()[path] | commands()[()]:
                return f"option {option} of jedel {' '.join(path)}"
    return None


def fault_of(text: str, folder: Path) -> str | None:
    """What a text in backticks claims to exist and does not; None when all is well or nothing is claimed."""
    if text.split()[0].rpartition("/")[2] in ("make", "jedel") and "." not in text.split()[0][1:]:
        return fault_of_command(text)
    if PLACEHOLDER.search(text) or " " in text:
        return None
    name = text.removesuffix("()")
    variable = name.partition("=")[0]
    first = re.split(r"[/.:]", name)[0]
    faulty = False
    if re.fullmatch(r"--[a-z][a-z-]*(=\S+)?", text):
        faulty = not any(variable in options for options in commands().values())
    elif variable.startswith(PREFIX):
        known = {f"{PREFIX}{key.replace('.', '_').upper()}" for key in keys()} | {FILE_VARIABLE}
        faulty = variable not in known
    elif "/" in name and "//" not in name and (first in (*PACKAGES, *MADE) or re.search(r"\.(py|md|toml|sql|lock)$", name)):
        faulty = not is_path(name, folder)
    elif re.fullmatch(r"[\w-]+\.(py|md|sql|lock)", name):  # a bare .toml may be the reader's own
        faulty = not is_path(name, folder) and not any(list((PROJECT / package).rglob(name)) for package in PACKAGES)
    elif re.fullmatch(r"\w+(\.\w+)+", name) and (first in PACKAGES or first in keys()):
        faulty = not is_dotted_name(name)
    elif re.fullmatch(r"[A-Z][A-Za-z0-9]*[a-z][A-Za-z0-9]*", name) or text.endswith("()"):
        known_to_python = hasattr(builtins, name) or hasattr(typing, name)
        faulty = not known_to_python and not any(
            name in names or any(inner.endswith(f".{name}") for inner in names) for names in modules().values()
        )
    elif re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)+|[A-Z0-9]+(_[A-Z0-9]+)+", variable):
        faulty = variable not in words()
    return f"`{text}`" if faulty else None


def anchors_of(file: Path) -> set[str]:
    """The anchors of a document's headings, as the usual forges make them."""
    text = FENCE.sub("", file.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+\s+(.*?)\s*$", text, re.MULTILINE)
    return {re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", heading.lower())) for heading in headings}


@pytest.mark.parametrize("file", NAMING, ids=id_of)
def test_names_in_backticks_exist(file: Path) -> None:
    text = FENCE.sub("", file.read_text(encoding="utf-8"))
    faults = [fault_of(found, file.parent) for found in INLINE.findall(text)]
    assert [fault for fault in faults if fault] == []


@pytest.mark.parametrize("file", NAMING, ids=id_of)
def test_commands_in_blocks_exist(file: Path) -> None:
    blocks = [
        body for language, body in FENCE.findall(file.read_text(encoding="utf-8")) if language in ("", "sh", "console", "bash")
    ]
    lines = [line.strip().removeprefix("$ ") for body in blocks for line in body.replace("\\\n", " ").splitlines()]
    faults = [fault_of_command(line) for line in lines]
    assert [fault for fault in faults if fault] == []


@pytest.mark.parametrize("file", NAMING, ids=id_of)
def test_configuration_in_blocks_is_good(file: Path, tmp_path: Path) -> None:
    for language, body in FENCE.findall(file.read_text(encoding="utf-8")):
        if language == "toml":
            example = tmp_path / "example.toml"
            example.write_text(body, encoding="utf-8")
            load(example, {}, {})


@pytest.mark.parametrize("file", DOCUMENTS, ids=id_of)
def test_relative_links_lead_somewhere(file: Path) -> None:
    faults: list[str] = []
    for target in LINK.findall(FENCE.sub("", file.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        led = (file.parent / path).resolve() if path else file
        lost = anchor and led.suffix == ".md" and led.exists() and anchor not in anchors_of(led)
        if lost or not led.exists() or not led.is_relative_to(PROJECT):
            faults.append(target)
    assert faults == []


def test_documents_are_there() -> None:
    wanted = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE")
    assert [name for name in wanted if not (PROJECT / name).is_file()] == []


@pytest.mark.parametrize(
    "text",
    [
        "make nothing",
        "make test nothing",
        "jedel bogus",
        "jedel config bogus",
        "jedel config show --bogus",
        ".venv/bin/jedel bogus",
        "--bogus",
        "JEDEL_TERMS_ACEPT_S",
        "core/nowhere.py",
        "nowhere.py",
        "tests/nowhere/",
        "tests/test_documents.py::test_nothing",
        "core.nowhere",
        "core.inlet.Outlet",
        "core.inlet.Inlet.refuse",
        "terms.acept_s",
        "NoSuchThing",
        "no_such_function()",
        "no_such_word_anywhere",
        "NO_SUCH_WORD_ANYWHERE=5",
    ],
)
def test_claim_is_refused_when_it_is_wrong(text: str) -> None:
    assert fault_of(text, PROJECT) is not None


@pytest.mark.parametrize(
    "text",
    [
        "make test",
        "make check WORKERS=4",
        "jedel config show",
        "jedel config show --set terms.accept_s=90",
        "jedel --help",
        ".venv/bin/jedel subscribers import subscribers.csv --mode merge",
        "--data-dir",
        "JEDEL_TERMS_ACCEPT_S",
        "JEDEL_CONFIG",
        "core/inlet.py",
        "core/",
        "tests/*/test_*.py",
        "storage/migrations/NNNN_name.sql",
        "tests/test_documents.py::test_documents_are_there",
        "core.inlet",
        "core.inlet.Inlet.offer",
        "terms.accept_s",
        "storage.event_days",
        "Inlet",
        "centre_rules()",
        "rejected_event",
        "REAL_DATA",
        "kz/almaty",
        "127.0.0.1:7111",
        "build/bench.json",
        "pip install",
        "*",
    ],
)
def test_claim_is_accepted_when_it_is_true_or_none(text: str) -> None:
    assert fault_of(text, PROJECT) is None
