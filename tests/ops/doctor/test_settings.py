"""A configuration that is valid may still be dangerous, and the doctor says how, and which key to set."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops.config import Channels, ClientEntry, Config, Context, Database, Listen, SourceEntry, Storage, Terms
from ops.doctor import settings
from tests.ops.doctor.worlds import has, said

EVERYWHERE = Listen(ingest_tcp="0.0.0.0:7111", dispatch="[::]:7113")
GOOD = "0123456789abcdef0123456789abcdef"
README_SECRET = "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8"


def source(token: str, source_id: str = "panel") -> SourceEntry:
    return SourceEntry(id=source_id, token=token)


def client(token: str) -> ClientEntry:
    return ClientEntry(operator="aida", role="dispatcher", token=token)


CASES: list[tuple[Config, tuple[str, ...]]] = [
    (Config(), ("warning: sources: nobody may push events", "[[sources]]")),
    (Config(), ("warning: clients: nobody may connect", "[[clients]]")),
    (Config(sources=(source("trial-source"),)), ("warning: sources[0] (panel)", "this machine only", "openssl rand")),
    (Config(listen=EVERYWHERE, sources=(source("trial-source"),)), ("fault: sources[0] (panel)", "everybody knows")),
    (
        Config(listen=EVERYWHERE, sources=(SourceEntry(id="panel", token_sha256=README_SECRET),)),
        ("fault: sources[0] (panel)", "everybody knows"),
    ),
    (Config(listen=EVERYWHERE, clients=(client("change-me"),)), ("fault: clients[0] (aida)", "everybody knows")),
    (Config(listen=EVERYWHERE, sources=(source("short"),)), ("warning: sources[0] (panel)", "fewer than 16 characters")),
    (Config(listen=EVERYWHERE, sources=(source(GOOD, "*"),)), ('warning: sources: the token of id = "*"', "of its own")),
    (Config(listen=EVERYWHERE), ("warning: listen.dispatch, listen.ingest_tcp", "without TLS", "listen.tls_certificate")),
    (Config(channels=Channels(webhook_secret="change-me")), ("fault: channels.webhook_secret", "tell it to the receivers")),
    (Config(terms=Terms(pace=60)), ("warning: terms.pace = 60", "set terms.pace = 1")),
    (Config(database=Database(dsn="postgresql://j:x@db.example/jedel")), ("warning: database.dsn", "sslmode=verify-full")),
    (Config(storage=Storage(incident_days=30), context=Context(road_days=365)), ("warning: storage.incident_days = 30",)),
]


@pytest.mark.parametrize(("config", "parts"), CASES)
def test_danger_is_told_with_its_key_and_what_to_do(config: Config, parts: tuple[str, ...]) -> None:
    lines = said(list(settings.dangers(config)))
    assert has(lines, *parts), lines


def test_safe_configuration_has_nothing_to_tell() -> None:
    config = Config(
        listen=Listen(ingest_tcp="0.0.0.0:7111", tls_certificate="c.pem", tls_key="k.pem"),
        database=Database(dsn="postgresql://jedel:x@[::1]:5432/jedel"),
        sources=(source(GOOD),),
        clients=(client(GOOD),),
    )
    assert said(list(settings.dangers(config))) == []


@pytest.mark.parametrize(
    ("address", "is_loopback"),
    [
        ("127.0.0.1:1", True),
        ("127.8.8.8:1", True),
        ("[::1]:1", True),
        ("localhost:1", True),
        ("0.0.0.0:1", False),
        ("[::]:1", False),
        ("10.0.0.1:1", False),
        ("centre.example:1", False),
    ],
)
def test_loopback_is_what_this_machine_alone_can_reach(address: str, is_loopback: bool) -> None:
    assert settings.is_loopback(address) is is_loopback


def test_file_with_secrets_that_everybody_can_read_is_told(tmp_path: Path) -> None:
    file = tmp_path / "jedel.toml"
    file.touch()
    file.chmod(0o644)
    assert has(said(list(settings.file_dangers(file, Config(sources=(source(GOOD),))))), "warning:", f"chmod 640 {file}")
    assert said(list(settings.file_dangers(file, Config()))) == []
    file.chmod(0o640)
    assert said(list(settings.file_dangers(file, Config(sources=(source(GOOD),))))) == []
