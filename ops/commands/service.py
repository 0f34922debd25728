"""`jedel serve`: the centre itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

from ops.commands.configured import AS_GIVEN, Configured


@Parameter(name="*")
@dataclass(frozen=True)
class Listening:
    """Where peers connect, as flags of their own."""

    ingest_tcp: Annotated[str | None, Parameter(help="HOST:PORT for sources over TCP (listen.ingest_tcp)")] = None
    ingest_ws: Annotated[str | None, Parameter(help="HOST:PORT for sources over WebSocket (listen.ingest_ws)")] = None
    dispatch: Annotated[str | None, Parameter(help="HOST:PORT for dispatch clients (listen.dispatch)")] = None
    health: Annotated[str | None, Parameter(help="HOST:PORT for /livez, /readyz and /metrics (listen.health)")] = None


EVERYWHERE = Listening()
"""No flag given: the configuration's own addresses."""


def serve(*, configured: Configured = AS_GIVEN, listening: Listening = EVERYWHERE) -> int:
    """Runs the centre until SIGTERM or SIGINT, which drain it; as standby while another process of the centre is active."""
    addresses = {
        f"listen.{key}": address
        for key in ("ingest_tcp", "ingest_ws", "dispatch", "health")
        if (address := getattr(listening, key)) is not None
    }
    config = configured.load(addresses).config

    from ops import logs
    from ops.serve import run

    logs.configure(config.log.format, config.log.level)
    return run(config)
