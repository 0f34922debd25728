"""The structs: their defaults hold their own rules, and rules over several values name the key to blame."""

from __future__ import annotations

import msgspec
import pytest

from ops.config import Channels, ClientEntry, Config, Database, Listen, SourceEntry, mask_dsn, problems, split_address

DIGEST = "0" * 64


def test_defaults_are_valid_and_stay_on_this_machine() -> None:
    config = Config()
    assert list(problems(config)) == []
    assert msgspec.convert(msgspec.to_builtins(config), Config) == config
    assert {
        split_address(address)[0] for address in (config.listen.ingest_tcp, config.listen.ingest_ws, config.listen.dispatch)
    } == {"127.0.0.1"}


@pytest.mark.parametrize(
    ("config", "key", "allowed"),
    [
        (Config(listen=Listen(ingest_tcp="a:65536")), "listen.ingest_tcp", "at most 65535"),
        (Config(listen=Listen(ingest_tcp="a:1", dispatch="a:1")), "listen.dispatch", "ingest_tcp has this address already"),
        (Config(listen=Listen(tls_certificate="c.pem")), "listen.tls_certificate", "needs tls_key"),
        (Config(listen=Listen(tls_key="k.pem")), "listen.tls_key", "needs tls_certificate"),
        (Config(channels=Channels(mail_server="a:25")), "channels.mail_server", "needs mail_from"),
        (Config(channels=Channels(mail_user="a")), "channels.mail_user", "needs mail_password"),
        (Config(channels=Channels(sms_server="a:1", sms_from="J")), "channels.sms_server", "needs sms_system_id"),
        (Config(channels=Channels(sms_server="a:1", sms_system_id="i")), "channels.sms_server", "needs sms_from"),
        (
            Config(channels=Channels(mail_server="a:65536", mail_from="a@b")),
            "channels.mail_server",
            "at most 65535",
        ),
        (Config(sources=(SourceEntry(id="a"),)), "sources[0]", "one of token and token_sha256"),
        (Config(sources=(SourceEntry(id="a", token="x", token_sha256=DIGEST),)), "sources[0]", "one of token and token_sha256"),
        (
            Config(sources=(SourceEntry(id="a", token="x"), SourceEntry(id="a", token="y"))),
            "sources[1].id",
            "has an entry already",
        ),
        (
            Config(clients=(ClientEntry(operator="a", role="crew", token="x"),)),
            "clients[0].crew",
            "needs the crew it acts for",
        ),
        (
            Config(clients=(ClientEntry(operator="a", role="observer", crew="P-1", token="x"),)),
            "clients[0].crew",
            "acts for no crew",
        ),
        (
            Config(
                clients=(
                    ClientEntry(operator="a", role="observer", token="x"),
                    ClientEntry(operator="b", role="dispatcher", token="x"),
                )
            ),
            "clients[1]",
            "token of its own",
        ),
    ],
)
def test_rule_over_several_values_names_the_key(config: Config, key: str, allowed: str) -> None:
    (problem,) = problems(config)
    assert problem.key == key
    assert allowed in problem.allowed


def test_any_free_port_may_stand_twice() -> None:
    assert list(problems(Config(listen=Listen(ingest_tcp="a:0", ingest_ws="a:0", dispatch="a:0")))) == []


@pytest.mark.parametrize(
    ("address", "expected"),
    [("127.0.0.1:7111", ("127.0.0.1", 7111)), ("[::1]:80", ("::1", 80)), ("centre.example:1", ("centre.example", 1))],
)
def test_address_splits_into_host_and_port(address: str, expected: tuple[str, int]) -> None:
    assert split_address(address) == expected


@pytest.mark.parametrize(
    ("dsn", "expected"),
    [
        ("", ""),
        ("postgresql://host/db", "postgresql://host/db"),
        ("postgresql://user@host/db", "postgresql://user@host/db"),
        ("postgresql://user:secret@host:5432/db", "postgresql://user:***@host:5432/db"),
        ("postgresql://user:se@cret@host/db", "postgresql://user:***@host/db"),
        ("postgresql://host/db?user=u&password=secret&x=1", "postgresql://host/db?user=u&password=***&x=1"),
    ],
)
def test_dsn_shows_no_password(dsn: str, expected: str) -> None:
    assert mask_dsn(dsn) == expected


def test_representation_shows_no_secret() -> None:
    shown = repr(
        Config(
            database=Database(dsn="postgresql://u:hidden-1@h/d"),
            channels=Channels(webhook_secret="hidden-4", mail_password="hidden-5", sms_password="hidden-6"),
            sources=(SourceEntry(id="a", token="hidden-2"),),
            clients=(ClientEntry(operator="b", role="observer", token="hidden-3"),),
        )
    )
    assert "hidden" not in shown
    assert "id='a'" in shown and "operator='b'" in shown
