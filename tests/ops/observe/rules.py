"""The alerts and runbooks as the tests read them."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import msgspec

OPS = Path(__file__).parents[3] / "ops"
RULES = OPS / "deploy" / "prometheus" / "jedel.rules.yml"
CONFIGURATION = OPS / "deploy" / "prometheus" / "prometheus.yml"
RUNBOOKS = OPS / "RUNBOOKS.md"
METRIC = re.compile(r"(?<![:\w])((?:jedel|process)_\w+|up)(?=[{\[)\s])")
"""A metric in PromQL; what follows a colon is a recorded one, and a label has none of these behind it."""


class Alert(msgspec.Struct, frozen=True, rename={"stays": "for"}):
    """One alert of the rules."""

    alert: str
    expr: str
    labels: dict[str, str]
    annotations: dict[str, str]
    stays: str = ""


class _Group(msgspec.Struct):
    name: str
    rules: list[dict[str, object]]


class _Rules(msgspec.Struct):
    groups: list[_Group]


_GROUPS = msgspec.yaml.decode(RULES.read_bytes(), type=_Rules).groups
GROUPS = [group.name for group in _GROUPS]
ALERTS = [msgspec.convert(rule, Alert) for group in _GROUPS for rule in group.rules if "alert" in rule]
"""In the order of the file."""


@cache
def runbooks() -> dict[str, str]:
    """Alert → its section of the runbooks."""
    parts = re.split(r"^### (Jedel\w+)$", RUNBOOKS.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))
