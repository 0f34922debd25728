"""A dispatch client with jedel's own library: it reconnects, resumes, and repeats commands that have no answer.

.venv/bin/python ops/examples/dispatch_client.py [URL [TOKEN]]
"""

# ruff: noqa: T201

from __future__ import annotations

import asyncio
import sys
from uuid import uuid4

from core.commands import AddNote
from core.incident import decode_incident
from protocols.dispatch.client import DispatchClient, DispatchError
from protocols.dispatch.message import Filter

URL, TOKEN = (sys.argv[1:] + ["ws://127.0.0.1:7113/dispatch/v1", "trial-dispatcher"][len(sys.argv) - 1 :])[:2]


async def main() -> None:
    """Notes on the first fire that somebody has looked at it, and shows the fires until that is told."""
    async with DispatchClient(URL, TOKEN, name="first-try") as client:
        async for update in client.subscribe("fires", Filter(categories=("fire",)), max_per_s=5):
            for incident in map(decode_incident, update.incidents.values()):
                print("incident", incident.incident_id, "version", incident.version, incident.state.value)
                if incident.notes:
                    print(incident.notes[-1].operator, "noted:", incident.notes[-1].words)
                    return
                note = AddNote(command_id=str(uuid4()), incident=incident.incident_id, words="Seen.")
                answer = await client.command(note)
                print("answer", answer.done, answer.text)


try:
    asyncio.run(main())
except (DispatchError, ValueError) as error:
    sys.exit(str(error))
