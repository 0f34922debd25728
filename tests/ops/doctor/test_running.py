"""Ports, the service of the folder, its health and the lock, with real sockets, processes and locks."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from ops.config import Config, Listen
from ops.doctor import running
from ops.ready_file import READY_FILE
from storage.lock import LockUser, acquire
from tests.adapters.sending import closed_port
from tests.ops.doctor.worlds import has, look, said, world
from tests.storage.test_lock import waits

FREE = Listen(ingest_tcp="127.0.0.1:0", ingest_ws="127.0.0.1:0", dispatch="127.0.0.1:0")


@contextmanager
def listening() -> Iterator[int]:
    """A port that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def ready(folder: Path, pid: int, port: int, **more: object) -> None:
    """What a service of the folder would have written."""
    address = ["127.0.0.1", port]
    body = {"pid": pid, "ingest_tcp": address, "ingest_ws": address, "dispatch": address, **more}
    (folder / READY_FILE).write_text(json.dumps(body))


@contextmanager
def dead_process() -> Iterator[int]:
    """Number of a process that has ended, and that nobody else has meanwhile: it is not waited for before the end."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    yield process.pid


@contextmanager
def health(status: int, text: str) -> Iterator[int]:
    """A service's health, as another person's process answers it."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == running.HEALTH_PATH else 404)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_request(self, *_: object) -> None:
            return

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def test_port_that_is_free_or_any_is_fine() -> None:
    lines = look(
        running.check_ports, world(Config(listen=Listen(ingest_tcp=f"127.0.0.1:{closed_port()}", dispatch="127.0.0.1:0")))
    )
    assert has(lines, "ok: listen.ingest_tcp", "free")
    assert has(lines, "ok: listen.dispatch", "any free port")


def test_port_of_somebody_else_is_a_fault_and_our_own_is_not(tmp_path: Path) -> None:
    with listening() as port:
        at = world(Config(listen=Listen(ingest_tcp=f"127.0.0.1:{port}", ingest_ws="127.0.0.1:0")), data_dir=tmp_path)
        taken = ("fault: listen.ingest_tcp", "another process listens there", f"ss -ltnp 'sport = :{port}'")
        assert has(look(running.check_ports, at), *taken)
        ready(tmp_path, os.getpid(), port)
        assert has(look(running.check_ports, at), "ok: listen.ingest_tcp", "our own service listens there")
        with dead_process() as pid:
            ready(tmp_path, pid, port)
            assert has(look(running.check_ports, at), *taken)


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("192.0.2.1:7111", ("fault:", "this machine has no such address", "ip -br address")),
        ("no-such-host.invalid:7111", ("fault:", "correct the name in listen.ingest_tcp")),
    ],
)
def test_address_that_is_not_this_machine_s_is_a_fault(address: str, parts: tuple[str, ...]) -> None:
    listen = Listen(ingest_tcp=address, ingest_ws="127.0.0.1:0", dispatch="127.0.0.1:0")
    assert has(look(running.check_ports, world(Config(listen=listen))), *parts)


def test_service_that_does_not_run_is_a_warning(tmp_path: Path) -> None:
    assert has(look(running.check_service, world(data_dir=tmp_path)), "warning: no service of", "jedel serve")
    with dead_process() as pid:
        ready(tmp_path, pid, 1)
        assert has(look(running.check_service, world(data_dir=tmp_path)), f"warning: process {pid} was active and is gone")
    (tmp_path / READY_FILE).write_text("{")
    assert has(look(running.check_service, world(data_dir=tmp_path)), "warning:", READY_FILE, "remove it")


def test_service_that_listens_is_fine_and_one_that_does_not_is_a_fault(tmp_path: Path) -> None:
    with listening() as port:
        ready(tmp_path, os.getpid(), port)
        lines = look(running.check_service, world(Config(listen=FREE), data_dir=tmp_path))
        assert lines[0] == f"ok: process {os.getpid()} is active and listens"
    lines = look(running.check_service, world(Config(listen=FREE), data_dir=tmp_path))
    assert has(lines, "fault:", f"says it listens for dispatch at 127.0.0.1:{port}", "restart it")


@pytest.mark.parametrize(
    ("status", "text", "parts"),
    [
        (200, "ready", ("ok:", "/readyz: ready")),
        (503, "the database does not answer", ("fault:", "/readyz: 503 the database does not answer", "its log says why")),
    ],
)
def test_health_of_the_service_is_asked_for(tmp_path: Path, status: int, text: str, parts: tuple[str, ...]) -> None:
    with listening() as port, health(status, text) as health_port:
        ready(tmp_path, os.getpid(), port, health=["127.0.0.1", health_port])
        assert has(look(running.check_service, world(Config(listen=FREE), data_dir=tmp_path)), *parts)


def test_health_address_that_another_process_has_is_a_warning() -> None:
    with listening() as port:
        assert has(
            said([running.try_port("health", "127.0.0.1", port)]), "warning: listen.health", "a listen.health of its own"
        )


def test_service_without_an_answer_about_its_health_is_a_fault(tmp_path: Path) -> None:
    with listening() as port:
        ready(tmp_path, os.getpid(), port, health=["127.0.0.1", closed_port()])
        lines = look(running.check_service, world(Config(listen=FREE), data_dir=tmp_path))
    assert has(lines, "fault:", "/readyz", "refused")


def test_lock_says_who_is_active_and_whether_somebody_stands_by(database: str) -> None:
    at = world(dsn=database)

    async def main() -> None:
        assert has(said(await running.check_lock(at)), "warning: no process of this centre is active", "jedel serve")
        first = await acquire(database, at.config.centre.name)
        assert has(said(await running.check_lock(at)), "warning: active", "nobody stands by", "another machine")
        task = asyncio.create_task(acquire(database, at.config.centre.name))
        await waits(database)
        assert has(said(await running.check_lock(at)), "ok: active", "1 stand by")
        await first.release()
        await (await task).release()

    asyncio.run(main())


def test_service_of_another_centre_is_named_by_both_checks(tmp_path: Path, database: str) -> None:
    """So that nobody reads of one process that it runs and that it does not."""
    at = world(Config(listen=FREE), dsn=database, data_dir=tmp_path)
    name = at.config.centre.name
    cases: list[tuple[dict[str, object], str]] = [
        ({"centre": "trial", "dsn": database}, f"process {os.getpid()} of centre 'trial'"),
        ({"centre": name, "dsn": "postgresql://elsewhere"}, f"process {os.getpid()} on another database"),
        ({"centre": name, "dsn": database}, ""),
        ({}, ""),
    ]
    with listening() as port:
        for more, other in cases:
            ready(tmp_path, os.getpid(), port, **more)
            service, lock = look(running.check_service, at), look(running.check_lock, at)
            assert has(service, f"ok: process {os.getpid()} is active and listens")
            if other:
                assert has(service, f"warning: {other} is what runs here, and centre {name!r} is", "--config FILE")
                assert has(
                    lock, f"warning: no process of centre {name!r} is active in its database, and {other} is", "--config"
                )
            else:
                assert not has(service, "--config FILE")
                assert has(lock, "warning: no process of this centre is active", "jedel serve")
    with dead_process() as pid:
        ready(tmp_path, pid, port, centre="trial")
        assert has(look(running.check_lock, at), "warning: no process of this centre is active", "jedel serve")


def test_lock_names_the_machine_of_the_active_process() -> None:
    assert "10.0.0.7" in running.judge_lock([LockUser(True, "10.0.0.7"), LockUser(False, "")]).text
