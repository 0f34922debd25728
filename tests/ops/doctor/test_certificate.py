"""Certificates that peers would refuse, today or soon, made for each test by openssl."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from ops.config import Config, Listen
from ops.doctor import certificate as checks
from tests.ops.doctor.pem import certificate
from tests.ops.doctor.worlds import has, look, world

DAY_US = 86_400_000_000


def lines_of(listen: Listen, *, ahead_us: int = 0) -> list[str]:
    return look(checks.check, world(Config(listen=listen), ahead_us=ahead_us))


def test_no_certificate_is_plain() -> None:
    assert has(lines_of(Listen()), "ok:", "connections are plain")


def test_valid_certificate_is_told_with_its_days_and_names(tmp_path: Path) -> None:
    listen = certificate(tmp_path / "a", 90, names="DNS:*.example.kz,DNS:localhost,IP:127.0.0.1")
    assert lines_of(listen) == [
        f"ok: {listen.tls_certificate}: valid for 90 more days, with its key",
        "ok: peers connect by *.example.kz, localhost, 127.0.0.1",
    ]


def test_certificate_that_expires_soon_is_a_warning_and_then_a_fault(tmp_path: Path) -> None:
    listen = certificate(tmp_path / "a", 10, names="IP:127.0.0.1")
    assert has(lines_of(listen), "warning:", "expires in 10 days", "order a new one")
    assert has(lines_of(listen, ahead_us=11 * DAY_US), "fault:", "has expired")


@pytest.mark.parametrize(("days", "begun_days", "text"), [(-3, 400, "has expired"), (30, -20, "is not valid yet")])
def test_certificate_out_of_its_time_is_a_fault(tmp_path: Path, days: int, begun_days: int, text: str) -> None:
    listen = certificate(tmp_path / "a", days, names="IP:127.0.0.1", begun_days=begun_days)
    assert has(lines_of(listen), f"fault: {listen.tls_certificate}: {text}", "order a new one")


def test_certificate_with_another_one_s_key_is_a_fault(tmp_path: Path) -> None:
    listen = certificate(tmp_path / "a", 90)
    other = certificate(tmp_path / "b", 90)
    mixed = msgspec.structs.replace(listen, tls_key=other.tls_key)
    assert has(lines_of(mixed), "fault: listen.tls_certificate", "the key must be the certificate's")


def test_certificate_that_cannot_be_read_is_a_fault(tmp_path: Path) -> None:
    gone = str(tmp_path / "gone.pem")
    assert has(lines_of(Listen(tls_certificate=gone, tls_key=gone)), "fault:", "gone.pem", "No such file")


def test_certificate_for_other_names_is_a_warning(tmp_path: Path) -> None:
    listen = certificate(tmp_path / "a", 90, names="DNS:centre.example.kz")
    outside = msgspec.structs.replace(
        listen, ingest_tcp="0.0.0.0:7111", ingest_ws="other.example.kz:7112", dispatch="centre.example.kz:7113"
    )
    lines = lines_of(outside)
    assert has(lines, "warning: listen.ingest_ws is at other.example.kz, and the certificate is for centre.example.kz")
    assert len(lines) == 2


def test_certificate_without_names_is_a_warning(tmp_path: Path) -> None:
    assert has(lines_of(certificate(tmp_path / "a", 90, names="")), "warning:", "names no host")
