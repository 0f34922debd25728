"""A mail server for tests: real SMTP over a socket, with STARTTLS and a login, that keeps mail and replies as it is told to."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

PEM = Path(__file__).parents[1] / "ops/localhost.pem"
USER, PASSWORD = "centre", "secret"


class Server:
    """A mail server's handler: keeps mail, and replies as it is told to."""

    def __init__(self, *, rcpt: str = "", data: str = "", gone: bool = False) -> None:
        self.mail: list[EmailMessage] = []
        self._rcpt = rcpt
        self._data = data
        self._gone = gone
        self.port = 0

    async def handle_RCPT(self, server: SMTP, _s: Session, envelope: Envelope, address: str, _o: list[str]) -> str:
        if self._rcpt:
            return self._rcpt
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, _: Session, envelope: Envelope) -> str:
        assert isinstance(envelope.content, bytes)
        if self._gone:
            assert isinstance(server.transport, asyncio.Transport)
            server.transport.abort()
        if self._data:
            return self._data
        found = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(found, EmailMessage)
        self.mail.append(found)
        return "250 kept as 4711"

    @asynccontextmanager
    async def served(self, *, tls: bool = False, login: bool = False) -> AsyncIterator[Server]:
        loop = asyncio.get_running_loop()
        ended: list[asyncio.Future[None]] = []

        def make() -> SMTP:
            ended.append(loop.create_future())
            return Connection(ended[-1], self, tls=tls, login=login)

        server = await loop.create_server(make, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            await asyncio.gather(*ended)


class Connection(SMTP):
    """A connection of the server that says when it is over."""

    def __init__(self, ended: asyncio.Future[None], handler: Server, *, tls: bool, login: bool) -> None:
        context = None
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(PEM)
        super().__init__(
            handler,
            hostname="mail.example.kz",
            tls_context=context,
            require_starttls=tls,
            auth_required=login,
            auth_require_tls=tls,
            authenticator=_authenticate if login else None,
        )
        self._ended = ended

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        if not self._ended.done():
            self._ended.set_result(None)


def _authenticate(_server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, said: object) -> AuthResult:
    assert isinstance(said, LoginPassword)
    return AuthResult(success=said == LoginPassword(USER.encode(), PASSWORD.encode()), handled=False)
