"""`jedel push`, `jedel watch`, `jedel order`: a source, a client and a command by hand, against a running centre.

They speak the same protocols as everybody, over the network, and need neither the database nor the configuration.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated
from uuid import uuid4

from cyclopts import Parameter
from cyclopts.types import PositiveInt

Token = Annotated[str, Parameter(help="the token that the centre's configuration has for it")]
DispatchUrl = Annotated[str, Parameter(help="ws://HOST:PORT/dispatch/v1 or wss://…")]
DISPATCH_URL = "ws://127.0.0.1:7113/dispatch/v1"


def push(
    file: Annotated[Path, Parameter(help="events, one JSON object a line; a seq or at that is missing is filled in")],
    /,
    *,
    token: Token,
    source: Annotated[str, Parameter(help="the source's name; its events are counted under it")] = "push",
    url: Annotated[str, Parameter(help="tcp://HOST:PORT or tls://HOST:PORT")] = "tcp://127.0.0.1:7111",
) -> int:
    """Sends a file of events as a source, shows every error, and waits until all is committed; status 1 if any was refused."""
    from ops.clock import now_us
    from ops.push import push as send

    with file.open("rb") as opened:
        pushed = asyncio.run(send(url, source, token, opened, now_us=now_us, tell=print))
    print(f"push: sent={pushed.sent} refused={pushed.refused} acked_seq={pushed.acked_seq}")
    return 1 if pushed.refused else 0


def watch(
    *,
    token: Token,
    url: DispatchUrl = DISPATCH_URL,
    territory: Annotated[str, Parameter(help="only this territory and below, for example kz/almaty")] = "",
    json: Annotated[bool, Parameter(negative=(), help="whole views as JSON, one a line")] = False,
    lines: Annotated[
        PositiveInt | None, Parameter(help="ends after so many lines; else it goes on until it is stopped")
    ] = None,
) -> None:
    """Shows crews, incidents and notices as they are, and then as they change."""
    from ops.watch import watch as look
    from protocols.dispatch.message import Filter

    async def run() -> None:
        left = lines
        shown = look(url, token, Filter(territories=(territory,) if territory else None), as_json=json)
        try:
            async for line in shown:
                print(line, flush=True)
                if left is not None:
                    left -= 1
                    if not left:
                        break
        finally:
            await shown.aclose()

    print(f"watching {url}", file=sys.stderr)
    asyncio.run(run())


def order(
    command: Annotated[str, Parameter(help="accept, decline, en_route, on_scene, clear, close, reassign, add_note, …")],
    /,
    *fields: Annotated[str, Parameter(help="FIELD=VALUE, for example incident=7; JSON where a field is an object or a list")],
    token: Token,
    url: DispatchUrl = DISPATCH_URL,
) -> int:
    """Gives one command of the dispatch protocol and says what became of it; status 1 if it was not done."""
    import msgspec

    from core.commands import AnyCommand
    from protocols.dispatch.client import DispatchClient
    from protocols.dispatch.message import Answer

    try:
        body = {"command": command, "command_id": str(uuid4()), **dict(_field(each) for each in fields)}
        # Not strict: what stands on a command line is text, also where the command has a number.
        asked: AnyCommand = msgspec.convert(body, AnyCommand, strict=False)
    except (msgspec.MsgspecError, ValueError) as error:
        print(f"jedel: order {command}: {error}", file=sys.stderr)
        return 2

    async def run() -> Answer:
        async with DispatchClient(url, token, name="jedel order") as client:
            return await client.command(asked)

    answer = asyncio.run(run())
    about = "" if answer.incident is None else f" incident {answer.incident}"
    print(f"done:{about}" if answer.done else f"not done:{about} {answer.reason}: {answer.text}")
    return 0 if answer.done else 1


def _field(text: str) -> tuple[str, object]:
    import msgspec

    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"{text!r} is not FIELD=VALUE")
    return name, msgspec.json.decode(value) if value[:1] in ("{", "[") else value
