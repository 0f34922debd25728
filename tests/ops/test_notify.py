"""What systemd hears of a real process: on a socket of its kind, from the start to the end."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from ops.notify import Notifier
from tests.end_to_end.service import PATIENCE_S, Service


@contextmanager
def heard_at(address: str) -> Iterator[socket.socket]:
    """A socket such as systemd listens on."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(address)
        listening.settimeout(PATIENCE_S)
        yield listening


@pytest.mark.parametrize("path", ["{folder}/notify", "@jedel-test-{pid}"], ids=["file", "abstract"])
def test_tell_reaches_the_socket_that_systemd_names(tmp_path: Path, path: str) -> None:
    named = path.format(folder=tmp_path, pid=os.getpid())
    with heard_at(named.replace("@", "\0")) as listening:
        Notifier({"NOTIFY_SOCKET": named}).tell("READY=1", "STATUS=active")
        assert listening.recv(1024) == b"READY=1\nSTATUS=active"


@pytest.mark.parametrize("environment", [{}, {"NOTIFY_SOCKET": "/nowhere/notify"}], ids=["not started by it", "gone"])
def test_tell_does_no_harm_when_nobody_listens(environment: Mapping[str, str]) -> None:
    Notifier(environment).tell("READY=1")


@pytest.mark.end_to_end
def test_process_says_that_it_is_ready_lives_and_stops(tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def until_said(listening: socket.socket, wanted: str) -> list[str]:
        said: list[str] = []
        while wanted not in said:
            said += listening.recv(1024).decode().splitlines()
        return said

    def start(service: Service, name: str) -> None:
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / name))
        monkeypatch.setenv("WATCHDOG_USEC", "100000")
        service.start()

    with (
        Service(tmp_path, database) as service,
        heard_at(str(tmp_path / "first")) as first,
        heard_at(str(tmp_path / "second")) as second,
    ):
        start(service, "first")
        said = until_said(first, "STATUS=active, epoch 1")
        assert said.index("STATUS=recovering") < said.index("READY=1")
        until_said(first, "WATCHDOG=1")
        start(service, "second")
        assert "READY=1" in until_said(second, "STATUS=standby")
        until_said(second, "WATCHDOG=1")
        os.kill(asyncio.run(service.ready()), signal.SIGTERM)
        until_said(first, "STOPPING=1")
        until_said(second, "STATUS=active, epoch 2")
