"""`jedel prune`: lets go of the days whose time is over; what belongs to an open incident stays whole."""

from __future__ import annotations

import asyncio
import time

from core.instant import Micros
from ops.commands.configured import AS_GIVEN, Configured, connected


def prune(*, configured: Configured = AS_GIVEN) -> None:
    """Drops the days older than section storage of the configuration says, beside a running service."""
    from ops.rules import retention
    from storage import partitions

    config = configured.read()

    async def run() -> list[str]:
        async with connected(config.database) as connection:
            return await partitions.prune(connection, Micros(time.time_ns() // 1000), retention(config))

    dropped = asyncio.run(run())
    print(f"prune: {len(dropped)} partitions dropped{': ' if dropped else ''}{', '.join(dropped)}")
