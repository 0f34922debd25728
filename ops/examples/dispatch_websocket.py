"""A dispatch client on a plain WebSocket: snapshot, changes, a command, and the cursor with which to resume.

It accepts the first assignment that is offered to a crew, and ends when that is answered and told.

.venv/bin/python ops/examples/dispatch_websocket.py [URL [TOKEN [CURSOR]]]
"""

# ruff: noqa: T201

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any
from uuid import uuid4

from picows import WSError, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

URL, TOKEN, CURSOR = (sys.argv[1:] + ["ws://127.0.0.1:7113/dispatch/v1", "trial-dispatcher", ""][len(sys.argv) - 1 :])[:3]
said: asyncio.Queue[dict[str, Any]] = asyncio.Queue()


class Wire(WSListener):
    """Puts every message of the centre into `said`, and a goodbye where the connection ends without one."""

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """A message has come."""
        if frame.msg_type == WSMsgType.TEXT:
            said.put_nowait(json.loads(frame.get_payload_as_utf8_text()))

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """No more will come."""
        said.put_nowait({"kind": "goodbye", "reason": "the connection is gone"})


async def heard() -> dict[str, Any]:
    """The next message; a goodbye ends the program. A client that is to live would come back, and resume."""
    message = await said.get()
    if message["kind"] == "goodbye":
        sys.exit(f"goodbye: {message['reason']} {message.get('text', '')}".strip())
    return message


async def main() -> None:
    """One conversation."""
    try:
        wire, _ = await ws_connect(Wire, URL)
    except (OSError, WSError) as error:
        sys.exit(f"{URL}: {error}")

    def send(**message: object) -> None:
        wire.send(WSMsgType.TEXT, json.dumps(message).encode())

    send(kind="hello", protocol="jedel-dispatch/1", token=TOKEN, client="first-try")
    welcome = await heard()
    print("welcome", welcome["operator"])
    send(kind="subscribe", id="all", cursor=int(CURSOR) if CURSOR else None)
    mirror: dict[int, dict[str, Any]] = {}
    asked, answered, cursor = "", False, None
    while not answered:
        message = await heard()
        if message["kind"] == "answer":
            print("answer", message["done"], message["text"])
            answered = True
        if message["kind"] not in ("snapshot", "changes"):
            continue
        if message.get("reset"):
            mirror.clear()
        for view in message.get("incidents", []):
            mirror[view["incident_id"]] = view
            print(message["kind"], "incident", view["incident_id"], "version", view["version"], view["state"])
            offered = [task["crew"] for task in view.get("assignments", []) if task["state"] == "offered"]
            if offered and not asked:
                asked = str(uuid4())  # the same id again, if no answer comes: it takes effect once
                command = {"command": "accept", "command_id": asked, "incident": view["incident_id"], "crew": offered[0]}
                send(kind="command", body=command)
        for number in message.get("removed", []):
            mirror.pop(number, None)
        if not message.get("more"):
            cursor = message["cursor"]
            if not asked:
                break  # nothing is offered to anybody
    send(kind="goodbye")
    await wire.wait_disconnected()
    print("resume with cursor", cursor)


asyncio.run(main())
