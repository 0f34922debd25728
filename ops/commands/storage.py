"""`jedel verify`, `jedel prune`: what is stored agrees with itself, and goes when its time is over (invariants 3, 5, 7)."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

from ops.clock import now_us
from ops.commands.configured import AS_GIVEN, Configured, connected

if TYPE_CHECKING:
    from storage.verify import Finding


def verify(*, configured: Configured = AS_GIVEN) -> int:
    """Replays every incident's log and proves that it gives the stored incidents; status 1 and a line for each thing wrong."""
    from core.incident import fold, renew
    from storage import verify as checks

    config = configured.read()

    async def run() -> tuple[list[Finding], int, int]:
        async with connected(config.database) as connection:
            findings = await checks.verify(connection, fold, renew)
            incidents = await connection.fetchval("SELECT count(*) FROM incident")
            entries = await connection.fetchval("SELECT count(*) FROM incident_log")
            return findings, incidents, entries

    findings, incidents, entries = asyncio.run(run())
    for finding in findings:
        print(f"{finding.check.value} {finding.subject}: {finding.text}", file=sys.stderr)
    print(f"verify: {incidents} incidents and {entries} log entries, {len(findings) or 'nothing'} wrong")
    return 1 if findings else 0


def prune(*, configured: Configured = AS_GIVEN) -> int:
    """Drops the days older than section storage of the configuration says, and vacuums those that are over, beside a running
    service, which does so by itself every night; status 1 where a table that somebody reads (a dump) was in the way."""
    from ops.rules import retention
    from storage import partitions

    config = configured.read()

    async def run() -> partitions.Pruned:
        async with connected(config.database) as connection:
            pruned = await partitions.prune(connection, now_us(), retention(config))
            await partitions.vacuum_past(connection, now_us())
            return pruned

    pruned = asyncio.run(run())
    dropped = pruned.dropped
    print(f"prune: {len(dropped)} partitions dropped{': ' if dropped else ''}{', '.join(dropped)}")
    if pruned.held is not None:
        print(f"prune: {pruned.held} is in use, a dump perhaps; the rest is left for the next time", file=sys.stderr)
    return 1 if pruned.held is not None else 0
