"""The Dockerfile: held by its own linter, and by what it promises of the process that it runs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

from ops.config import Config, Listen, split_address
from tests.end_to_end.loads import PROJECT

DOCKERFILE: Final = PROJECT / "ops/deploy/Dockerfile"


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions and their arguments, continued lines joined."""
    text = re.sub(r"^\s*#.*\n", "", DOCKERFILE.read_text(encoding="utf-8"), flags=re.MULTILINE).replace("\\\n", " ")
    return [(line.split()[0], " ".join(line.split()[1:])) for line in text.splitlines() if line.strip()]


def last(instruction: str) -> str:
    return next(argument for name, argument in reversed(instructions()) if name == instruction)


def test_dockerfile_is_good_to_its_linter() -> None:
    linter = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([linter, "--failure-threshold", "style", DOCKERFILE], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


def test_image_is_pinned_and_its_user_is_nobody_special() -> None:
    bases = [argument.split()[0] for name, argument in instructions() if name == "FROM"]
    assert [base for base in bases if not re.fullmatch(r"python:\d+\.\d+\.\d+-slim-\w+", base)] == []
    assert re.fullmatch(r"\d+:\d+", last("USER"))
    assert not last("USER").startswith("0")


def test_every_file_that_the_builder_copies_is_let_in() -> None:
    let_in = {line[1:] for line in (PROJECT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert [name for name in let_in if not (PROJECT / name).exists()] == []
    # What the wheel is built from, by pyproject.toml, and what pins its dependencies.
    assert {"core", "protocols", "routing", "storage", "adapters", "ops", "loadtest", "pyproject.toml", "README.md"} <= let_in
    assert {"LICENSE", "requirements.lock"} <= let_in


def test_ports_are_those_of_the_configuration() -> None:
    exposed = {int(port) for port in last("EXPOSE").split()}
    listen = Config().listen
    configured = {split_address(getattr(listen, key))[1] for key in Listen.__struct_fields__ if not key.startswith("tls_")}
    assert configured <= exposed
    variables = dict(pair.split("=", 1) for pair in last("ENV").split())
    addresses = {value for name, value in variables.items() if name.startswith("JEDEL_LISTEN_")}
    assert addresses == {f"0.0.0.0:{port}" for port in exposed}


def test_health_check_is_a_program_that_compiles() -> None:
    command = json.loads(last("HEALTHCHECK").partition("CMD ")[2])
    assert command[:2] == ["python", "-c"]
    compile(command[2], "HEALTHCHECK", "exec")
    assert "/livez" in command[2]
