"""`jedel certificate` on a real database: every form, the check of a certificate, and what cannot be certified."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from core.course import Course
from ops.cli import main
from tests.ops.test_storage import execute, store_incident


def certify(database: str, *arguments: str) -> int:
    return main(["certificate", "1", "--dsn", database, *arguments])


def test_certificate_goes_to_standard_output_in_kazakh_when_nothing_else_is_said(
    database: str, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    store_incident(database)
    assert certify(database) == 0
    page = capfdbinary.readouterr().out.decode()
    assert page.startswith("<!doctype html>")
    assert "Оқиғаның өңделуі туралы анықтама. Оқиға № 1" in page


def test_certificate_is_written_in_every_form_with_one_digest_that_can_be_checked(
    database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store_incident(database)
    digests = set()
    for form, beginning in (("html", b"<!doctype html>"), ("pdf", b"%PDF-"), ("json", b"{")):
        out = tmp_path / f"certificate.{form}"
        assert certify(database, "--format", form, "--language", "ru", "--out", str(out)) == 0
        assert out.read_bytes().startswith(beginning)
        digests.add(capsys.readouterr().out.split()[-1])
    course = msgspec.json.decode((tmp_path / "certificate.json").read_bytes(), type=Course)
    assert digests == {course.sha256}
    assert certify(database, "--check", course.sha256.upper()) == 0
    assert "the one certified" in capsys.readouterr().out
    execute(database, "UPDATE incident_log SET actor = 'operator:other' WHERE version = 2")
    assert certify(database, "--check", course.sha256) == 1
    assert "another one" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("SELECT 1", "incident 2 is not known"),
        ("DELETE FROM incident_log WHERE version = 1", "its log is damaged"),
        ("UPDATE incident_log SET body = '{}' WHERE version = 2", "its log is damaged"),
    ],
)
def test_what_cannot_be_certified_is_one_line_and_status_1(
    database: str, damage: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    store_incident(database)
    execute(database, damage)
    number = "2" if "not known" in said else "1"
    assert main(["certificate", number, "--dsn", database]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("jedel: incident")
    assert said in line
