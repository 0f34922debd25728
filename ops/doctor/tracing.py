"""Traces: whether what exports them is installed, and whether the collector is there. Nothing is sent.

Place in the flow: a check of `jedel doctor`. Without a collector the centre works; spans are missing.
"""

from __future__ import annotations

import asyncio
from typing import Final
from urllib.parse import urlsplit

from ops.doctor.verdict import Verdict, fault, ok, warning
from ops.doctor.world import World
from ops.traces import is_installed

CONNECT_S: Final = 3.0


async def check(world: World) -> list[Verdict]:
    """The extra and the collector."""
    endpoint = world.config.traces.endpoint
    if not endpoint:
        return [ok("traces.endpoint is not set: traces are kept with incidents, and exported nowhere")]
    if not is_installed():
        return [
            fault(
                "traces.endpoint is set, and OpenTelemetry is not installed",
                "pip install 'jedel[traces]', or clear traces.endpoint",
            )
        ]
    url = urlsplit(endpoint)
    try:
        host, port = url.hostname or "", url.port or (443 if url.scheme == "https" else 80)
    except ValueError as error:
        return [fault(f"traces.endpoint = {endpoint}: {error}", "correct traces.endpoint")]
    try:
        async with asyncio.timeout(CONNECT_S):
            _, writer = await asyncio.open_connection(host, port)
            writer.close()
    except OSError as error:
        why = str(error) or "no answer"
        return [
            warning(
                f"traces.endpoint = {endpoint}: {why}; spans are dropped", "start the collector, or correct traces.endpoint"
            )
        ]
    return [ok(f"traces.endpoint = {endpoint}: there")]
