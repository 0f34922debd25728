"""`jedel config`: what is in force and why, and whether a file may be used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import App, Parameter

from ops.commands.configured import AS_GIVEN, Configured
from ops.config import MASK, SECRETS, Config, mask_dsn
from ops.counted import counted
from ops.layers import Effective, load

app = App(name="config", help="Shows and checks the configuration.")


@app.command
def show(*, configured: Configured = AS_GIVEN) -> None:
    """Prints the effective configuration as TOML, each value with where it came from; secrets are masked."""
    print(as_toml(configured.load()), end="")


@app.command
def check(file: Annotated[Path, Parameter(help="the TOML file")], /) -> None:
    """Says whether a configuration file may be used, by itself: variables and flags are left out."""
    config = load(file, {}, {}).config
    print(f"{file}: good; {counted(len(config.sources), 'source')}, {counted(len(config.clients), 'client')}")


def as_toml(effective: Effective) -> str:
    """The configuration as a TOML file whose comments are the origins; with secrets masked it is for reading only."""
    lines: list[str] = []
    for section in msgspec.structs.fields(Config):
        body = getattr(effective.config, section.name)
        if isinstance(body, tuple):
            for entry in body:
                lines += ["", f"[[{section.name}]]  # {effective.origins[section.name]}"]
                # What is as it is when absent is left out, so that an entry reads as it was written.
                lines += [
                    f"{field.name} = {_literal(field.name, value)}"
                    for field in msgspec.structs.fields(entry)
                    if (value := getattr(entry, field.name)) != field.default
                ]
            continue
        lines += ["", f"[{section.name}]"]
        for field in msgspec.structs.fields(body):
            origin = effective.origins[f"{section.name}.{field.name}"]
            line = f"{field.name} = {_literal(field.name, getattr(body, field.name))}"
            lines.append(f"{line}  # {origin}")
    return "\n".join(lines[1:]) + "\n"


def _literal(name: str, value: object) -> str:
    if name in SECRETS:
        # That a secret is not set is none.
        value = MASK if value else ""
    elif name == "dsn":
        value = mask_dsn(str(value))
    # A JSON string, number or boolean is a TOML one.
    return json.dumps(value, ensure_ascii=False)
