"""What the doctor's tests look at: configurations that are made here, on a clock that may be wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import msgspec

from core.instant import Micros
from ops.clock import now_us
from ops.config import Config, Database
from ops.doctor.verdict import Verdict
from ops.doctor.world import World
from ops.layers import Effective

PEOPLE = """
time_zone = "Asia/Almaty"
[[people]]
id = "aida"
name = "Aida"
roles = ["shift_lead", "duty_officer"]
territories = ["kz/almaty"]
languages = ["kk"]
channels = ["dispatch", "sms:+77010000001"]
duty = ["mon-sun 08:00-20:00"]
"""
"""A file with one person, on duty by day."""


def world(
    config: Config | None = None, dsn: str = "", data_dir: Path = Path("/nowhere"), *, ahead_us: int = 0, asks: bool = False
) -> World:
    """A world on a database, with a clock that may be ahead of this machine's."""
    given = config or Config()
    placed = msgspec.structs.replace(given, database=Database(dsn=dsn, data_dir=str(data_dir)))
    return World(Effective(placed, {}), dsn, None, asks, lambda: Micros(now_us() + ahead_us))


def look(check: Callable[[World], Awaitable[list[Verdict]]], at: World) -> list[str]:
    """A check's verdicts as `grade: text → remedy`."""

    async def main() -> list[Verdict]:
        return await check(at)

    return said(asyncio.run(main()))


def said(verdicts: Sequence[Verdict]) -> list[str]:
    """Verdicts as `grade: text → remedy`."""
    return [f"{one.grade.value}: {one.text}" + (f" → {one.remedy}" if one.remedy else "") for one in verdicts]


def has(lines: Sequence[str], *parts: str) -> bool:
    """Whether one of the lines has all of the parts."""
    return any(all(part in line for part in parts) for line in lines)
