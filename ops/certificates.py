"""The certificate the listeners show, from the files the configuration names."""

from __future__ import annotations

import ssl

from ops.config import Listen
from ops.layers import ConfigError


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
