"""Findings as a person or a program reads them: a table on a terminal, lines elsewhere, JSON when asked.

Place in the flow: the last step of `jedel doctor`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from ops.counted import counted
from ops.doctor.examination import Finding
from ops.doctor.verdict import Grade

if TYPE_CHECKING:
    from rich.table import Table

_STYLES: Final = {Grade.OK: "green", Grade.WARNING: "yellow", Grade.FAULT: "bold red"}


def as_json(findings: Sequence[Finding]) -> str:
    """The findings as one JSON object: how many of each grade, and each finding."""
    counts = _counts(findings)
    body = {"faults": counts[Grade.FAULT], "warnings": counts[Grade.WARNING], "findings": findings}
    return msgspec.json.format(msgspec.json.encode(body), indent=2).decode()


def as_lines(findings: Sequence[Finding]) -> list[str]:
    """A line a finding, the remedy behind an arrow; and a summary."""
    rows = [f"{one.grade.value:<7}  {one.check:<13}  {one.text}{f' → {one.remedy}' if one.remedy else ''}" for one in findings]
    return [*rows, summary(findings)]


def as_table(findings: Sequence[Finding]) -> Table:
    """A table for a terminal."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table("", "check", "found", "what to do", box=SIMPLE_HEAD, caption=summary(findings), caption_justify="left")
    shown = ""
    for one in findings:
        style = _STYLES[one.grade]
        # As texts: a path in brackets is no markup.
        name = "" if one.check == shown else one.check
        table.add_row(Text(one.grade.value, style), Text(name), Text(one.text), Text(one.remedy))
        shown = one.check
    return table


def summary(findings: Sequence[Finding]) -> str:
    """How many faults and warnings, for the last line."""
    counts = _counts(findings)
    faults, warnings = counted(counts[Grade.FAULT], "fault"), counted(counts[Grade.WARNING], "warning")
    return f"doctor: {faults}, {warnings}, {counts[Grade.OK]} ok"


def status(findings: Sequence[Finding], *, strict: bool) -> int:
    """The exit status: 1 for a fault, and where it is strict for a warning too."""
    counts = _counts(findings)
    return int(bool(counts[Grade.FAULT] or (strict and counts[Grade.WARNING])))


def _counts(findings: Sequence[Finding]) -> Counter[Grade]:
    return Counter(one.grade for one in findings)
