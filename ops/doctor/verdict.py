"""What a check finds: how bad it is, what is wrong, and what to do about it.

Place in the flow: the result of every check of `jedel doctor`. Rule: whoever reads a warning or a fault at night must know the
next step, so each has a remedy: a command, a key of the configuration, or a setting of PostgreSQL or of the kernel.
"""

from __future__ import annotations

import msgspec

from core.vocabulary import Word


class Grade(Word):
    """How bad a finding is."""

    OK = "ok"
    WARNING = "warning"
    """The centre works; it may not when something else goes wrong, or it does less than it could."""
    FAULT = "fault"
    """The centre does not work, or may lose what it has acknowledged."""


class Verdict(msgspec.Struct, frozen=True):
    """One finding of a check."""

    grade: Grade
    text: str
    remedy: str = ""
    """What to do; empty only where nothing is to be done."""


def ok(text: str) -> Verdict:
    """All is well."""
    return Verdict(Grade.OK, text)


def warning(text: str, remedy: str) -> Verdict:
    """The centre works, and somebody should look at this by day."""
    return Verdict(Grade.WARNING, text, remedy)


def fault(text: str, remedy: str) -> Verdict:
    """Somebody has to do something now."""
    return Verdict(Grade.FAULT, text, remedy)


def found_or(found: list[Verdict], otherwise: str) -> list[Verdict]:
    """What was found, or that all is well."""
    return found or [ok(otherwise)]
