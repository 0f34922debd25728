"""A token stands for one source or one client, and for nobody else."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.authenticator import Authenticator
from ops.config import ClientEntry, Config, SourceEntry
from protocols.dispatch.subscription import Client

CONFIG = Config(
    sources=(
        SourceEntry(id="panel", token="panel-token"),
        SourceEntry(id="camera", token_sha256=sha256(b"camera-token").hexdigest()),
        SourceEntry(id="*", token="any-token"),
    ),
    clients=(
        ClientEntry(operator="aida", role="dispatcher", territory="kz/almaty", token="aida-token"),
        ClientEntry(operator="p1", role="crew", crew="P-1", token_sha256=sha256(b"p1-token").hexdigest()),
    ),
)


@pytest.mark.parametrize(
    ("token", "source", "expected"),
    [
        ("panel-token", "panel", True),
        ("camera-token", "camera", True),
        ("camera-token", "panel", False),
        ("panel-token", "camera", False),
        ("panel-token", "other", False),
        ("any-token", "other", True),
        ("any-token", "panel", False),  # an entry of its own is not opened by the wildcard
        ("any-token", "*", False),
        ("", "panel", False),
        ("PANEL-TOKEN", "panel", False),
        (sha256(b"camera-token").hexdigest(), "camera", False),  # a digest is no token
        ("aida-token", "panel", False),
        ("\ud800", "panel", False),
    ],
)
def test_source_is_known_by_its_own_token(token: str, source: str, expected: bool) -> None:
    assert Authenticator.of(CONFIG).authenticate_source(token, source) is expected


def test_unlisted_source_is_refused_without_a_wildcard() -> None:
    authenticator = Authenticator(CONFIG.sources[:2], ())
    assert not authenticator.authenticate_source("any-token", "other")
    assert not authenticator.authenticate_source("", "other")


def test_client_is_known_by_its_token_alone() -> None:
    authenticator = Authenticator.of(CONFIG)
    assert authenticator.authenticate_client("aida-token") == Client(operator="aida", role="dispatcher", territory="kz/almaty")
    assert authenticator.authenticate_client("p1-token") == Client(operator="p1", role="crew", crew="P-1")
    assert authenticator.authenticate_client("panel-token") is None
    assert authenticator.authenticate_client("") is None


@given(st.text())
def test_no_other_text_is_a_token(token: str) -> None:
    authenticator = Authenticator.of(CONFIG)
    if token not in ("aida-token", "p1-token"):
        assert authenticator.authenticate_client(token) is None
    if token != "any-token":
        assert not authenticator.authenticate_source(token, "other")
