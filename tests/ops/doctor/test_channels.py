"""Servers of the channels are greeted only where that is asked for, and what they say is told."""

from __future__ import annotations

import asyncio
from pathlib import Path

from core.people_file import read_people
from ops.config import Centre, Channels, Config
from ops.doctor import channels as checks
from tests.adapters.mail_server import Server
from tests.adapters.sending import closed_port
from tests.adapters.smsc import PASSWORD, SYSTEM_ID, smsc_of
from tests.ops.doctor.worlds import PEOPLE, has, look, said, world


def mail(port: int) -> Channels:
    return Channels(mail_server=f"127.0.0.1:{port}", mail_from="centre@example.kz", mail_security="none")


def sms(port: int, password: str = PASSWORD) -> Channels:
    return Channels(sms_server=f"127.0.0.1:{port}", sms_system_id=SYSTEM_ID, sms_password=password, sms_from="112")


def two_people(first: str, second: str) -> str:
    """A file of two people with a webhook each."""
    one = PEOPLE.replace('"dispatch", "sms:+77010000001"', f'"webhook:{first}"')
    zone, entry = one.split("[[people]]")
    return f"{zone}[[people]]{entry}[[people]]{entry}".replace('"aida"', '"botagoz"', 1).replace(first, second, 1)


def test_nothing_is_tried_without_the_flag() -> None:
    lines = look(checks.check, world(Config(channels=mail(closed_port()))))
    assert lines == ["ok: mail, SMS and webhooks were not tried; jedel doctor --channels does it"]


def test_mail_server_is_greeted_and_sent_nothing() -> None:
    async def main() -> None:
        async with Server().served() as server:
            lines = said(await checks.check(world(Config(channels=mail(server.port)), asks=True)))
            assert lines == [f"ok: mail 127.0.0.1:{server.port}: there, and takes our login"]
            assert server.mail == []

    asyncio.run(main())


def test_mail_server_that_is_not_there_or_has_no_tls_is_a_fault() -> None:
    lines = look(checks.check, world(Config(channels=mail(closed_port())), asks=True))
    assert has(lines, "fault: mail 127.0.0.1:", "unreachable", "host and port in section channels")

    async def main() -> None:
        async with Server().served() as server:
            wants_tls = Channels(mail_server=f"127.0.0.1:{server.port}", mail_from="centre@example.kz")
            lines = said(await checks.check(world(Config(channels=wants_tls), asks=True)))
            assert has(lines, "fault: mail", "login_refused", "correct user and password")

    asyncio.run(main())


def test_smsc_is_bound_to_and_a_wrong_password_is_a_fault() -> None:
    async def main() -> None:
        async with smsc_of() as smsc:
            lines = said(await checks.check(world(Config(channels=sms(smsc.port)), asks=True)))
            assert lines == [f"ok: SMS 127.0.0.1:{smsc.port}: there, and takes our login"]
            assert (smsc.submitted, smsc.unbinds) == ([], 1)
            lines = said(await checks.check(world(Config(channels=sms(smsc.port, "wrong")), asks=True)))
            assert has(lines, "fault: SMS", "login_refused", "correct user and password")

    asyncio.run(main())
    lines = look(checks.check, world(Config(channels=sms(closed_port())), asks=True))
    assert has(lines, "fault: SMS", "unreachable")


def test_receivers_of_webhooks_are_connected_to_once_each(tmp_path: Path) -> None:
    port = closed_port()
    file = tmp_path / "people.toml"
    file.write_text(two_people(f"http://127.0.0.1:{port}/a", f"http://127.0.0.1:{port}/b"))
    (line,) = look(checks.check, world(Config(centre=Centre(people=str(file))), asks=True))
    assert has([line], f"warning: webhooks to 127.0.0.1:{port}", "firewall")


def test_receivers_have_the_port_of_their_scheme() -> None:
    people = read_people(two_people("https://duty.example.kz/jedel", "http://duty.example.kz:8080/"), "people.toml")
    assert checks.receivers(people) == [("duty.example.kz", 8080, False), ("duty.example.kz", 443, True)]
