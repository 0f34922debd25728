"""A source with jedel's own client: it keeps what is not acknowledged, reconnects, and sends it again.

.venv/bin/python ops/examples/source_client.py [URL [TOKEN]]

URL: tcp://HOST:PORT, tls://HOST:PORT, or a WebSocket, ws://HOST:PORT/ingest/v1 or wss://HOST:PORT/ingest/v1.
"""

# ruff: noqa: T201

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime

from core.events import Alarm, Fix
from protocols.ingest.client import IngestClient
from protocols.ingest.client_session import IngestRefusedError

URL, TOKEN = (sys.argv[1:] + ["tcp://127.0.0.1:7111", "trial-source"][len(sys.argv) - 1 :])[:2]


async def main() -> None:
    """One alarm, committed."""
    try:
        source = IngestClient(URL, source="panels", token=TOKEN, on_error=print)
    except ValueError as error:
        sys.exit(f"URL: {error}")
    async with source as client:
        place = Fix(latitude_deg=43.2410, longitude_deg=76.9410, accuracy_m=5)
        # The client gives the events their numbers.
        await client.push([Alarm(seq=1, at=datetime.now(UTC), device="panel-17", alarm="fire", fix=place)])
        await client.flush()
        print("committed up to seq", client.acked_seq)


try:
    asyncio.run(main())
except IngestRefusedError as error:
    sys.exit(str(error))
