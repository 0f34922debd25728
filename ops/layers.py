"""How a configuration comes about: defaults, then a TOML file, then the environment, then flags; the later wins, key by key.

Every value is validated where it was written, so an error names the file (or variable, or flag), the key, the value and what is
allowed, and all errors are told at once. An unknown key is an error with the nearest known one suggested: a misspelt key that
is silently ignored is a term that silently is not watched. The origin of every value is kept for `jedel config show`.

Variables are `JEDEL_SECTION_KEY`, for example `JEDEL_TERMS_ACCEPT_S`; flags are `--set SECTION.KEY=VALUE` or a flag of their
own. Tables in arrays (`sources`, `clients`) stand only in the file.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec

from core.toml_reading import allowed, near
from ops.config import MASK, SECRETS, ClientEntry, Config, SourceEntry, mask_dsn, problems

PREFIX: Final = "JEDEL_"
FILE_VARIABLE: Final = "JEDEL_CONFIG"
"""Names the file where no `--config` does."""
DEFAULT: Final = "default"

_SECTIONS: Final = {
    field.name: field.type for field in msgspec.structs.fields(Config) if field.name not in ("sources", "clients")
}
_ARRAYS: Final[dict[str, type[msgspec.Struct]]] = {"sources": SourceEntry, "clients": ClientEntry}
_SHOWN_MAX: Final = 80
"""Characters of a wrong value that an error repeats."""


class ConfigError(Exception):
    """The configuration cannot be used. `lines` are its faults, each with origin, key, value and what is allowed."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


class Effective(msgspec.Struct, frozen=True):
    """A valid configuration, and where each of its values came from (`terms.accept_s` → `jedel.toml`)."""

    config: Config
    origins: dict[str, str]


class _Value(msgspec.Struct, frozen=True):
    """A validated value on its way into the configuration, with who said it."""

    value: object
    origin: str
    shown: str
    """How an error names origin and key: `jedel.toml: terms.accept_s`, `JEDEL_TERMS_ACCEPT_S`, `--set terms.accept_s`."""


def load(file: Path | None, environment: Mapping[str, str], flags: Mapping[str, str]) -> Effective:
    """The effective configuration.

    Args:
        file: a TOML file; None for the one that `JEDEL_CONFIG` names, or for none.
        environment: the process's variables; those with the prefix are read, an unknown one of them is an error.
        flags: dotted key → text, as given on the command line.

    Raises:
        ConfigError: with every fault found.
    """
    faults: list[str] = []
    values: dict[str, _Value] = {}
    if file is None and environment.get(FILE_VARIABLE):
        file = Path(environment[FILE_VARIABLE])
    if file is not None:
        _read_file(file, values, faults)
    _read_environment(environment, values, faults)
    for key, text in flags.items():
        _take(key, text, "flag", f"--set {key}", values, faults, textual=True)
    if faults:
        raise ConfigError(faults)
    config = _assemble(values)
    faults = [_fault(_shown_of(one.key, values), one.key, one.value, one.allowed) for one in problems(config)]
    if faults:
        raise ConfigError(faults)
    return Effective(config, {key: values[key].origin if key in values else DEFAULT for key in (*_scalar_keys(), *_ARRAYS)})


def _read_file(file: Path, values: dict[str, _Value], faults: list[str]) -> None:
    try:
        tree = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        faults.append(f"{file}: cannot be read: {error.strerror}")
        return
    except UnicodeDecodeError:
        faults.append(f"{file}: is not UTF-8 text")
        return
    except tomllib.TOMLDecodeError as error:
        faults.append(f"{file}: is not TOML: {error}")
        return
    for section, body in tree.items():
        if section in _ARRAYS:
            _take_array(section, body, file, values, faults)
        elif section not in _SECTIONS:
            faults.append(_unknown(f"{file}: {section}", "section", section, [*_SECTIONS, *_ARRAYS]))
        elif not isinstance(body, dict):
            faults.append(_fault(f"{file}: {section}", section, body, f"must be a table: [{section}]"))
        else:
            for key, value in body.items():
                _take(f"{section}.{key}", value, str(file), f"{file}: {section}.{key}", values, faults)


def _take_array(section: str, body: object, file: Path, values: dict[str, _Value], faults: list[str]) -> None:
    """Takes `[[sources]]` or `[[clients]]`, checking each table key by key."""
    struct = _ARRAYS[section]
    if not isinstance(body, list) or not all(isinstance(entry, dict) for entry in body):
        faults.append(_fault(f"{file}: {section}", section, body, f"must be tables: [[{section}]]"))
        return
    fields = {field.name: field for field in msgspec.structs.fields(struct)}
    entries: list[object] = []
    for number, entry in enumerate(body):
        shown = f"{file}: {section}[{number}]"
        sound = len(faults)
        for key, value in entry.items():
            if key not in fields:
                faults.append(_unknown(f"{shown}.{key}", "key", key, list(fields)))
            elif (wrong := _invalid(value, fields[key].type, textual=False)) is not None:
                faults.append(_fault(f"{shown}.{key}", key, value, wrong))
        faults.extend(f"{shown}.{name}: is missing" for name, field in fields.items() if field.required and name not in entry)
        if len(faults) == sound:
            entries.append(entry)
    values[section] = _Value(entries, str(file), f"{file}: {section}")


def _read_environment(environment: Mapping[str, str], values: dict[str, _Value], faults: list[str]) -> None:
    variables = {f"{PREFIX}{key.replace('.', '_').upper()}": key for key in _scalar_keys()}
    for name in sorted(environment):
        if not name.startswith(PREFIX) or name == FILE_VARIABLE:
            continue
        if name in variables:
            _take(variables[name], environment[name], name, name, values, faults, textual=True)
        else:
            faults.append(_unknown(name, "variable", name, [*variables, FILE_VARIABLE]))


def _take(
    key: str, value: object, origin: str, shown: str, values: dict[str, _Value], faults: list[str], *, textual: bool = False
) -> None:
    """Takes one value of a plain section, or says what is wrong with it. `textual` reads text as what it spells (`"60"`)."""
    section, _, name = key.partition(".")
    if section not in _SECTIONS:
        faults.append(_unknown(shown, "key", key, list(_scalar_keys())))
        return
    fields = {field.name: field.type for field in msgspec.structs.fields(_SECTIONS[section])}
    if name not in fields:
        faults.append(_unknown(shown, "key", name, list(fields)))
        return
    wrong = _invalid(value, fields[name], textual=textual)
    if wrong is not None:
        faults.append(_fault(shown, name, value, wrong))
        return
    values[key] = _Value(msgspec.convert(value, fields[name], strict=not textual), origin, shown)


def _invalid(value: object, kind: object, *, textual: bool) -> str | None:
    """What would be allowed, if the value is not; else None."""
    try:
        msgspec.convert(value, kind, strict=not textual)
    except msgspec.ValidationError:
        return f"must be {allowed(kind)}"
    return None


def _unknown(shown: str, noun: str, name: str, known: list[str]) -> str:
    return f"{shown}: unknown {noun}; {near(name, known)}"


def _fault(shown: str, key: str, value: object, wanted: str) -> str:
    return f"{shown} = {_repeat(key, value)}: {wanted}"


def _repeat(key: str, value: object) -> str:
    """A wrong value as an error may repeat it: no secret, and not at any length."""
    name = key.rpartition(".")[2]
    if name in SECRETS:
        return MASK
    text = repr(mask_dsn(value) if name == "dsn" and isinstance(value, str) else value)
    return text if len(text) <= _SHOWN_MAX else text[: _SHOWN_MAX - 1] + "…"


def _shown_of(key: str, values: dict[str, _Value]) -> str:
    """How to name the origin of a value, or of an entry of an array, that breaks a rule together with others."""
    head, bracket, rest = key.partition("[")
    if key in values:
        return values[key].shown
    if head in values:
        return values[head].shown + bracket + rest
    return key


def _assemble(values: dict[str, _Value]) -> Config:
    tree: dict[str, object] = {}
    bodies: dict[str, dict[str, object]] = {section: {} for section in _SECTIONS}
    for key, value in values.items():
        section, dot, name = key.partition(".")
        if dot:
            bodies[section][name] = value.value
        else:
            tree[section] = value.value
    return msgspec.convert(tree | bodies, Config)


def _scalar_keys() -> Iterator[str]:
    for section, struct in _SECTIONS.items():
        for field in msgspec.structs.fields(struct):
            yield f"{section}.{field.name}"
