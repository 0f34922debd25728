"""`jedel push`, `jedel watch`, `jedel order`: a source, a client and a command by hand, against a running centre.

They speak the same protocols as everybody, over the network, and need neither the database nor the configuration.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated
from uuid import uuid4

from cyclopts import Parameter
from cyclopts.types import PositiveInt

Token = Annotated[str, Parameter(help="the token that the centre's configuration has for it")]
DispatchUrl = Annotated[str, Parameter(help="ws://HOST:PORT/dispatch/v1 or wss://…")]
DISPATCH_URL = "ws://127.0.0.1:7113/dispatch/v1"
DISPATCH_URLS = "ws://HOST:PORT/dispatch/v1 or wss://HOST:PORT/dispatch/v1"


def push(
    file: Annotated[Path, Parameter(help="events, one JSON object a line; a seq or at that is missing is filled in")],
    /,
    *,
    token: Token,
    source: Annotated[str, Parameter(help="the source's name; its events are counted under it")] = "push",
    url: Annotated[str, Parameter(help="tcp://HOST:PORT, tls://…, ws://… or wss://…")] = "tcp://127.0.0.1:7111",
) -> int:
    """Sends a file of events as a source, shows every error, and waits until all is committed; status 1 if any was refused."""
    from ops.clock import now_us
    from ops.push import PushError
    from ops.push import push as send
    from ops.push_wire import connector

    try:
        connect = connector(url)
    except ValueError as error:
        return _wrong_url(str(error))
    with file.open("rb") as opened:
        try:
            pushed = asyncio.run(send(connect, source, token, opened, now_us=now_us, tell=print))
        except OSError as error:
            raise PushError(f"no connection to {url}: {error}; is a centre running there?") from error
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
) -> int:
    """Shows crews, incidents and notices as they are, and then as they change."""
    from ops.watch import watch as look
    from protocols.dispatch.client import is_url
    from protocols.dispatch.message import Filter

    async def run() -> None:
        left = lines
        selection = Filter(territories=(territory,) if territory else None)
        shown = look(url, token, selection, as_json=json, on_connection=connection_told(url))
        try:
            async for line in shown:
                print(line, flush=True)
                if left is not None:
                    left -= 1
                    if not left:
                        break
        finally:
            await shown.aclose()

    if not is_url(url):
        return _wrong_url(f"{url!r} is not {DISPATCH_URLS}")
    print(f"watching {url}", file=sys.stderr)
    asyncio.run(run())
    return 0


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
    from protocols.dispatch.client import DispatchClient, is_url
    from protocols.dispatch.message import Answer

    if not is_url(url):
        return _wrong_url(f"{url!r} is not {DISPATCH_URLS}")
    try:
        body = {"command": command, "command_id": str(uuid4()), **dict(_field(each) for each in fields)}
        # Not strict: what stands on a command line is text, also where the command has a number.
        asked: AnyCommand = msgspec.convert(body, AnyCommand, strict=False)
    except (msgspec.MsgspecError, ValueError) as error:
        if command not in _commands():
            print(f"jedel: order: {command!r} is no command; there are {', '.join(_commands())}", file=sys.stderr)
            return 2
        print(f"jedel: order {command}: {error}", file=sys.stderr)
        return 2

    async def run() -> Answer:
        async with DispatchClient(url, token, name="jedel order", on_connection=connection_told(url)) as client:
            return await client.command(asked)

    answer = asyncio.run(run())
    about = command if answer.incident is None else f"incident {answer.incident}"
    print(f"done: {about}" if answer.done else f"not done: {about} {answer.reason}: {answer.text}")
    return 0 if answer.done else 1


def connection_told(url: str) -> Callable[[bool, str], None]:
    """Gives what says on standard error when there is no centre to talk to, and when there is one again."""
    was_away = False

    def tell(is_up: bool, why: str) -> None:
        nonlocal was_away
        if not is_up:
            print(f"no connection to {url} ({why}); trying again", file=sys.stderr, flush=True)
        elif was_away:
            print("connected", file=sys.stderr, flush=True)
        was_away = not is_up

    return tell


def _wrong_url(text: str) -> int:
    print(f"jedel: --url: {text}", file=sys.stderr)
    return 2


def _commands() -> list[str]:
    from typing import get_args

    from core.commands import AnyCommand

    return sorted(str(kind.__struct_config__.tag) for kind in get_args(AnyCommand))


def _field(text: str) -> tuple[str, object]:
    import msgspec

    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"{text!r} is not FIELD=VALUE")
    return name, msgspec.json.decode(value) if value[:1] in ("{", "[") else value
