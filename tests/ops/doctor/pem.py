"""Certificates for tests, made by openssl when they are needed, so that their dates are what a test wants today."""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ops.config import Listen

_CA = """\
[ca]
default_ca = one
[one]
database = {folder}/index.txt
new_certs_dir = {folder}
serial = {folder}/serial
default_md = sha256
policy = any
copy_extensions = copy
[any]
commonName = supplied
"""


def openssl(*arguments: str) -> None:
    """Runs openssl; a machine without it fails the test, and says what is missing."""
    program = shutil.which("openssl")
    assert program is not None, "install openssl: apt-get install openssl"
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def certificate(folder: Path, days: int, *, names: str = "DNS:localhost", begun_days: int = 400) -> Listen:
    """A certificate signed by itself that was valid from `begun_days` ago and is for `days` more (negative: no more)."""
    folder.mkdir()
    key, request, file, config = (str(folder / name) for name in ("key.pem", "request.pem", "cert.pem", "ca.cnf"))
    Path(config).write_text(_CA.format(folder=folder))
    (folder / "index.txt").touch()
    (folder / "serial").write_text("01\n")
    extension = ["-addext", f"subjectAltName={names}"] if names else []
    new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key]
    openssl("req", "-new", *new_key, "-subj", "/CN=centre", *extension, "-out", request)
    first, last = (f"{datetime.now(UTC) + timedelta(days=one, hours=1):%Y%m%d%H%M%SZ}" for one in (-begun_days, days))
    dates = ["-startdate", first, "-enddate", last]
    openssl("ca", "-batch", "-selfsign", "-config", config, *dates, "-keyfile", key, "-in", request, "-out", file, "-notext")
    return Listen(tls_certificate=file, tls_key=key)
