"""A listener's certificate is there, or the error names the files."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from ops.certificates import tls_context
from ops.config import Listen
from ops.layers import ConfigError


def test_no_certificate_is_no_tls() -> None:
    assert tls_context(Listen()) is None


def test_certificate_and_key_make_a_context_of_tls_1_2_or_newer() -> None:
    # A certificate of this test alone, with its key behind it in the same file.
    file = str(Path(__file__).with_name("localhost.pem"))
    context = tls_context(Listen(tls_certificate=file, tls_key=file))
    assert context is not None
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    assert context.verify_mode is ssl.CERT_NONE  # peers show a token, not a certificate


def test_files_that_are_missing_or_no_certificate_are_named(tmp_path: Path) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    listen = Listen(tls_certificate=str(certificate), tls_key=str(key))
    with pytest.raises(ConfigError, match=r"cert\.pem.*No such file"):
        tls_context(listen)
    certificate.write_text("none\n")
    key.write_text("none\n")
    with pytest.raises(ConfigError, match=r"cert\.pem"):
        tls_context(listen)
