"""Mail against a real SMTP server: what arrives, over TLS and with a login, and what each reply means."""

from __future__ import annotations

import asyncio
import ssl

import pytest

from adapters.channels.mail import Mail, MailServer
from core.delivery import DeliveryFault
from tests.adapters.mail_server import PASSWORD, PEM, USER, Server
from tests.adapters.sending import Try, closed_port, message, port_that_hangs

TO = "aida@example.kz"


def plain(port: int) -> MailServer:
    return MailServer("127.0.0.1", port, "jedel@centre.example.kz", "none")


def trusting() -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(PEM))
    context.check_hostname = False
    return context


def test_send_hands_a_mail_over_that_reads_as_it_was_written() -> None:
    async def main() -> None:
        async with Server().served() as server:
            one = Try()
            assert await one.of(Mail(plain(server.port)), TO) == "kept as 4711"
            assert one.handed == 1
        (mail,) = server.mail
        assert mail["Subject"] == message().subject
        assert mail.get_content().replace("\r\n", "\n") == message().text
        assert (mail["From"], mail["To"]) == ("jedel@centre.example.kz", TO)
        assert mail["Message-ID"] == f"<{message().message_id}@centre.example.kz>"
        assert mail["Date"] == "Wed, 01 May 2024 10:00:00 +0000"
        assert (mail["Auto-Submitted"], mail["Importance"]) == ("auto-generated", "high")

    asyncio.run(main())


def test_send_logs_in_over_starttls_when_that_is_configured() -> None:
    async def main() -> None:
        async with Server().served(tls=True, login=True) as server:
            configured = MailServer("127.0.0.1", server.port, "jedel@centre.example.kz", "starttls", USER, PASSWORD)
            assert await Try().of(Mail(configured, tls=trusting()), TO) == "kept as 4711"
            # A certificate that nobody has vouched for is refused before anything is said.
            one = Try()
            assert await one.of(Mail(configured), TO) is DeliveryFault.UNREACHABLE
            assert one.handed == 0

    asyncio.run(main())


def test_wrong_password_is_final_and_said_before_anything_is_handed_over() -> None:
    async def main() -> None:
        async with Server().served(tls=True, login=True) as server:
            configured = MailServer("127.0.0.1", server.port, "jedel@centre.example.kz", "starttls", USER, "wrong")
            one = Try()
            assert await one.of(Mail(configured, tls=trusting()), TO) is DeliveryFault.LOGIN_REFUSED
            assert one.handed == 0

    asyncio.run(main())


def test_server_without_starttls_is_sent_nothing_when_it_is_configured() -> None:
    async def main() -> None:
        async with Server().served() as server:
            configured = MailServer("127.0.0.1", server.port, "jedel@centre.example.kz", "starttls", USER, PASSWORD)
            one = Try()
            assert await one.of(Mail(configured), TO) is DeliveryFault.LOGIN_REFUSED
            assert one.handed == 0 and server.mail == []

    asyncio.run(main())


@pytest.mark.parametrize(
    ("server", "fault"),
    [
        (Server(rcpt="450 greylisted, come again"), DeliveryFault.SERVER_BUSY),
        (Server(rcpt="550 no such user"), DeliveryFault.ADDRESS_REFUSED),
        (Server(data="452 out of space"), DeliveryFault.SERVER_BUSY),
        (Server(data="554 spam"), DeliveryFault.MESSAGE_REFUSED),
        (Server(gone=True), DeliveryFault.IN_DOUBT),
    ],
)
def test_reply_says_what_follows(server: Server, fault: DeliveryFault) -> None:
    async def main() -> None:
        async with server.served():
            assert await Try().of(Mail(plain(server.port)), TO) is fault

    asyncio.run(main())


def test_nothing_is_handed_over_when_nobody_answers() -> None:
    async def main() -> None:
        one = Try()
        assert await one.of(Mail(plain(closed_port())), TO) is DeliveryFault.UNREACHABLE
        async with port_that_hangs() as port:
            assert await one.of(Mail(plain(port), timeout_s=0.05), TO) is DeliveryFault.TOO_SLOW
        assert one.handed == 0

    asyncio.run(main())
