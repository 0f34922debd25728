"""A listener's certificate is there, or the error names the files."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from core.instant import SECOND_US
from ops.certificates import tls_context, until_us
from ops.clock import now_us
from ops.config import Listen
from ops.layers import ConfigError
from tests.ops.doctor.pem import certificate


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


@pytest.mark.parametrize(("days", "begun_days"), [(7, 400), (-3, 400), (30, -20)], ids=["valid", "expired", "not valid yet"])
def test_end_of_the_certificate_is_known_whether_or_not_it_is_valid(tmp_path: Path, days: int, begun_days: int) -> None:
    listen = certificate(tmp_path / "a", days, begun_days=begun_days)
    until = until_us(tls_context(listen), listen)
    assert until is not None
    # An hour more than the days, and openssl took some seconds of it.
    assert (until - now_us()) / SECOND_US == pytest.approx(days * 86_400 + 3_600, abs=600)


def test_end_that_cannot_be_found_out_stops_nobody(tmp_path: Path) -> None:
    assert until_us(None, Listen()) is None
    listen = certificate(tmp_path / "a", 7)
    context = tls_context(listen)
    Path(listen.tls_certificate).unlink()
    with capture_logs() as logs:
        assert until_us(context, listen) is None
    assert [line["event"] for line in logs] == ["the certificate's end is not known"]
