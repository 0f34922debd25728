"""A number with the noun that it counts, as a line for a person has it."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """`1 source`, `2 sources`; a noun whose plural is its singular and an s."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
