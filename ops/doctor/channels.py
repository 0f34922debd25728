"""The servers that messages to people are handed to: there, and taking our login. Nothing is sent.

Place in the flow: a check of `jedel doctor`, made only where it is asked for (`--channels`): the servers belong to others, and
an operator may count logins. `jedel outbox test` sends a real message.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Final
from urllib.parse import urlsplit

from adapters.channels.channel import SendError
from core.delivery import DeliveryFault
from core.people import People
from core.people_file import PeopleError
from core.telling import Channel
from ops.doctor.verdict import Verdict, fault, ok, warning
from ops.doctor.world import World
from ops.telling import mail_of, people_of, sms_of

RECEIVERS_MAX: Final = 50
"""Receivers of webhooks that are connected to: a duty list has fewer hosts."""
CONNECT_S: Final = 5.0
_REMEDIES: Final = {
    DeliveryFault.LOGIN_REFUSED: "correct user and password in section channels",
    DeliveryFault.UNREACHABLE: "is host and port in section channels right, and does a firewall let this machine out?",
    DeliveryFault.TOO_SLOW: "is host and port in section channels right, and does a firewall let this machine out?",
    DeliveryFault.SERVER_BUSY: "the server wants to be asked later; ask whoever runs it if it goes on",
}


async def check(world: World) -> list[Verdict]:
    """Each configured channel, and each host that webhooks go to."""
    if not world.asks_channels:
        return [ok("mail, SMS and webhooks were not tried; jedel doctor --channels does it")]
    channels = world.config.channels
    found: list[Verdict] = []
    mail = mail_of(channels)
    if mail is not None:
        found.append(await _said(f"mail {channels.mail_server}", mail.greet()))
    sms = sms_of(channels, world.now_us)
    if sms is not None:
        try:
            found.append(await _said(f"SMS {channels.sms_server}", sms.greet()))
        finally:
            await sms.close()
    try:
        people = people_of(world.config).now()
    except PeopleError:
        people = People()  # the check of the people says what is wrong
    for host, port, secure in receivers(people):
        found.append(await _reach(host, port, secure=secure))
    return found or [ok("no mail, SMS or webhook is configured")]


async def _said(name: str, greeting: Awaitable[None]) -> Verdict:
    try:
        await greeting
    except SendError as error:
        return fault(f"{name}: {error}", _REMEDIES.get(error.fault, "see what the server says"))
    return ok(f"{name}: there, and takes our login")


def receivers(people: People) -> list[tuple[str, int, bool]]:
    """Host, port and whether TLS is spoken, of everybody's webhooks, each once."""
    found: dict[tuple[str, int, bool], None] = {}
    for person_id in people.ids():
        person = people.get(person_id)
        for way in person.ways if person is not None else ():
            if way.channel is Channel.WEBHOOK:
                url = urlsplit(way.address)
                secure = url.scheme == "https"
                found[url.hostname or "", url.port or (443 if secure else 80), secure] = None
    return list(found)[:RECEIVERS_MAX]


async def _reach(host: str, port: int, *, secure: bool) -> Verdict:
    name = f"webhooks to {host}:{port}"
    try:
        async with asyncio.timeout(CONNECT_S):
            _, writer = await asyncio.open_connection(host, port, ssl=secure or None)
            writer.close()
    except OSError as error:
        why = str(error) or type(error).__name__
        return warning(f"{name}: {why}", "is the receiver up, and does a firewall let this machine out?")
    return ok(f"{name}: there")
