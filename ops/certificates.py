"""The certificate the listeners show, from the files the configuration names, and what it says of itself.

What a certificate says is heard by a handshake in memory, with the certificate itself as what is trusted: so OpenSSL reads it
as a peer would, and no socket is opened. Source: RFC 5280 (4.1.2.5 validity), RFC 6125 (names).
"""

from __future__ import annotations

import ssl
from typing import Final

import msgspec
import structlog

from core.instant import SECOND_US, Micros
from ops.config import Listen
from ops.layers import ConfigError

_WHENEVER: Final = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME of OpenSSL, for which Python has no name: a certificate out of its time says its dates as well."""

_log = structlog.get_logger("certificates")


class Shown(msgspec.Struct, frozen=True):
    """What a certificate says of itself."""

    until_us: Micros
    names: tuple[str, ...]


def tls_context(listen: Listen) -> ssl.SSLContext | None:
    """What the listeners speak TLS with (1.2 or newer), or None for plain connections.

    Raises:
        ConfigError: a file cannot be read, is no PEM, or the key is not the certificate's.
    """
    if not listen.tls_certificate:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    # Said here, since what Python's own default is depends on how the system has built it.
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(listen.tls_certificate, listen.tls_key)
    except ssl.SSLError as error:
        raise ConfigError([f"listen.tls_certificate = {listen.tls_certificate!r}: {error.reason or error}"]) from error
    except OSError as error:
        # It does not say which of the two.
        files = f"{listen.tls_certificate!r} and {listen.tls_key!r}"
        raise ConfigError([f"listen.tls_certificate and listen.tls_key = {files}: {error.strerror}"]) from error
    return context


def until_us(server: ssl.SSLContext | None, listen: Listen) -> Micros | None:
    """When the certificate that the listeners show expires, or has expired; None without TLS.

    Also None, and logged, where it cannot be found out: whoever cannot be told of an end must still be served until then.
    """
    if server is None:
        return None
    try:
        return shown_by(server, listen.tls_certificate, whenever=True).until_us
    except (OSError, ValueError, KeyError) as error:
        _log.warning("the certificate's end is not known", certificate=listen.tls_certificate, reason=str(error))
        return None


def shown_by(server: ssl.SSLContext, file: str, *, whenever: bool = False) -> Shown:
    """What a server's certificate says.

    Args:
        server: what the listeners speak TLS with.
        file: the certificate in it.
        whenever: whether one that has expired, or is not valid yet, may say it too.

    Raises:
        ssl.SSLError: OpenSSL does not hold it to be valid, an `SSLCertVerificationError`, or cannot use it.
        OSError: the file cannot be read any more.
    """
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    # The leaf alone is enough: its signer is often nobody that this machine knows.
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if whenever:
        client.verify_flags |= _WHENEVER
    client.load_verify_locations(cafile=file)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(to_client, to_server)
    theirs = server.wrap_bio(to_server, to_client, server_side=True)
    for side in (ours, theirs, ours):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    found = ours.getpeercert() or {}
    until_s = ssl.cert_time_to_seconds(str(found["notAfter"]))
    named = found.get("subjectAltName", ())
    return Shown(Micros(until_s * SECOND_US), tuple(str(entry[1]) for entry in named))
