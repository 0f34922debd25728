"""`jedel outbox`: who was told, who was not and why; once more, no more, and a test (CITY-5)."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter
from cyclopts.types import PositiveInt

from ops.clock import now_us
from ops.commands.configured import AS_GIVEN, Configured, connected

if TYPE_CHECKING:
    from adapters.channels.channel import Sender
    from adapters.messages.writer import MessageWriter
    from core.people import Person
    from core.telling import Channel
    from storage.outbox_view import OutboxLine

app = App(name="outbox", help="What people are told: who was, who was not, and why.")
Prefix = Annotated[str, Parameter(help="a telling's key, or its first steps: incident/17 for all of incident 17")]


@app.command
def show(
    prefix: Prefix = "",
    /,
    *,
    failed: Annotated[bool, Parameter(negative=(), help="only those with something that did not go through")] = False,
    limit: Annotated[PositiveInt, Parameter(help="at most so many, the newest first")] = 50,
    configured: Configured = AS_GIVEN,
) -> None:
    """Shows tellings and, below each, how each person was told by each channel."""
    from storage.outbox_view import read_outbox

    config = configured.read()

    async def run() -> list[OutboxLine]:
        async with connected(config.database) as connection:
            return await read_outbox(connection, prefix, failed=failed, limit=limit)

    for line in asyncio.run(run()):
        print("\n".join(as_text(line)))


@app.command
def retry(prefix: Prefix, /, *, configured: Configured = AS_GIVEN) -> int:
    """Has what failed, expired or is in doubt tried again by the running service; status 1 if there is nothing to try."""
    from storage import outbox_view

    config = configured.read()

    async def run() -> int:
        async with connected(config.database) as connection:
            return await outbox_view.retry(connection, prefix, now_us())

    count = asyncio.run(run())
    print(f"outbox: {count} to be tried again")
    return 0 if count else 1


@app.command
def cancel(prefix: Prefix, /, *, configured: Configured = AS_GIVEN) -> int:
    """Ends what is not sent yet; status 1 if there was nothing to end."""
    from storage import outbox_view

    config = configured.read()

    async def run() -> int:
        async with connected(config.database) as connection:
            return await outbox_view.cancel(connection, prefix, now_us())

    count = asyncio.run(run())
    print(f"outbox: {count} ended")
    return 0 if count else 1


@app.command
def test(
    person: Annotated[str, Parameter(help="somebody's id in the file of people")], /, *, configured: Configured = AS_GIVEN
) -> int:
    """Sends somebody a test message by each of their channels at once, past duty times; status 1 if one does not go through."""
    from adapters.messages.writer import MessageWriter
    from core.category import load_categories
    from ops.telling import people_of, senders_of

    config = configured.read()
    found = people_of(config).now().get(person)
    if found is None:
        print(f"jedel: {config.centre.people or 'centre.people'}: there is no person {person}", file=sys.stderr)
        return 1
    senders = senders_of(config.channels, now_us)
    writer = MessageWriter(load_categories(), config.centre.name)
    outcomes = asyncio.run(_try_each(found, senders, writer))
    for line, _ in outcomes:
        print(line)
    return 0 if all(sound for _, sound in outcomes) else 1


async def _try_each(person: Person, senders: dict[Channel, Sender], writer: MessageWriter) -> list[tuple[str, bool]]:
    """A line for each of a person's channels, and whether it went through."""
    from secrets import token_hex

    from adapters.channels.channel import Message, SendError
    from adapters.messages.writer import language_of
    from core.instant import SECOND_US, Micros
    from core.telling import Channel, Happened, Telling

    at_us = now_us()
    about = {"person": person.name or person.person_id}
    telling = Telling(
        f"test/{token_hex(8)}", f"person:{person.person_id}", "", None, Happened.TEST, about, at_us,
        Micros(at_us + 600 * SECOND_US), 5,
    )  # fmt: skip
    written = writer.write(telling, language_of(person))

    async def hand() -> None:
        return

    async def attempt(channel: Channel, address: str) -> tuple[str, bool]:
        name = f"{person.person_id} {channel.value}"
        if channel is Channel.DISPATCH:
            return f"{name}: told by the dispatch client's own notices", True
        sender = senders.get(channel)
        if sender is None:
            return f"{name}: not_configured: section channels names no server", False
        message = Message(
            token_hex(16), telling, person.person_id, written.language, written.subject, written.text, written.short
        )
        try:
            receipt = await sender.send(address, message, hand)
        except SendError as error:
            return f"{name}: {error}", False
        return f"{name}: sent ({receipt})", True

    try:
        return [await attempt(way.channel, way.address) for way in person.ways]
    finally:
        for sender in senders.values():
            await sender.close()


def as_text(line: OutboxLine) -> list[str]:
    """A telling as lines: itself, who was told, who was passed over."""
    from core.instant import Micros, to_datetime

    at = to_datetime(Micros(line.at_us)).strftime("%Y-%m-%d %H:%M:%S")
    lines = [
        f"{line.key} {line.state}: {line.template} to {line.to} {line.territory or '-'}, priority {line.priority}, {at} UTC"
    ]
    for one in line.deliveries:
        parts = [f"    {one.person} {one.channel} {one.state}"]
        if one.tries:
            parts.append(f"tries {one.tries}")
        if one.receipt:
            parts.append(f"receipt {one.receipt}")
        if one.fault:
            parts.append(f"{one.fault} {one.detail}".rstrip())
        lines.append(", ".join(parts))
    lines += [f"    not {over.person or 'anybody'} ({over.territory or '-'}): {over.reason.value}" for over in line.passed_over]
    return lines
