"""Whom a token stands for, said in a time that tells nothing of the tokens.

Place in the flow: a connection's hello. Only SHA-256 digests are kept and compared; every entry is compared to its end whatever
the others said, so neither which entry matched nor how nearly shows in the time. Guessing is bounded by the listeners: one
token a connection, and a limit on connections before their hello.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from hmac import compare_digest

from ops.config import ClientEntry, Config, SourceEntry
from protocols.dispatch.subscription import Client

WILDCARD = "*"


class Authenticator:
    """The configured tokens of sources and clients."""

    def __init__(self, sources: Iterable[SourceEntry], clients: Iterable[ClientEntry]) -> None:
        self._sources = {entry.id: bytes.fromhex(entry.digest()) for entry in sources}
        self._clients = [(bytes.fromhex(entry.digest()), _client_of(entry)) for entry in clients]

    @classmethod
    def of(cls, config: Config) -> Authenticator:
        """The authenticator of a configuration."""
        return cls(config.sources, config.clients)

    def authenticate_source(self, token: str, source: str) -> bool:
        """Whether the token lets its bearer speak for this source: its own entry decides, or the wildcard where it has none."""
        # The wildcard is an entry, never a source that somebody may claim to be.
        digest = self._sources.get(source, self._sources.get(WILDCARD)) if source != WILDCARD else None
        presented = _digest(token)
        return compare_digest(presented, digest if digest is not None else presented) and digest is not None

    def authenticate_client(self, token: str) -> Client | None:
        """Whom the token stands for, or None."""
        presented = _digest(token)
        found: Client | None = None
        for digest, client in self._clients:
            if compare_digest(presented, digest):
                found = client
        return found


def _digest(token: str) -> bytes:
    return sha256(token.encode("utf-8", "surrogatepass")).digest()


def _client_of(entry: ClientEntry) -> Client:
    return Client(operator=entry.operator, role=entry.role, territory=entry.territory, crew=entry.crew)
