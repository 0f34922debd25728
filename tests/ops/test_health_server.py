"""The endpoint on a real socket: what it answers, while the deciding thread is held, and whatever its peers do."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from typing import NamedTuple

import pytest
import trio
import uvloop

from core import limits
from core.bridge import host
from ops import health_server
from ops.exposition import registry_of, render
from ops.health import State
from ops.health_server import ANSWERS_AT_ONCE, HealthServer
from ops.instruments import Instruments
from ops.pulse import HOST, TRIO

LOCALHOST = "127.0.0.1"
PATIENCE_S = 30.0


class Answer(NamedTuple):
    """What came back."""

    status: int
    content_type: str
    body: bytes

    @property
    def reasons(self) -> list[str]:
        return [no["reason"] for no in json.loads(self.body)["reasons"]]


def server_of(instruments: Instruments, port: int = 0) -> HealthServer:
    registry = registry_of(instruments)
    health = instruments.health
    return HealthServer(LOCALHOST, port, health.live, health.ready, lambda accept: render(registry, accept))


@contextmanager
def answering(instruments: Instruments, port: int = 0) -> Iterator[HealthServer]:
    server = server_of(instruments, port)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def is_bound(server: HealthServer) -> bool:
    return server.address is not None


def port_of(server: HealthServer) -> int:
    assert server.address is not None
    return server.address[1]


def ask(server: HealthServer, path: str, method: str = "GET") -> Answer:
    connection = HTTPConnection(LOCALHOST, port_of(server), timeout=PATIENCE_S)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers.get("Content-Type", ""), answer.read())
    finally:
        connection.close()


def active() -> Instruments:
    instruments = Instruments()
    instruments.health.became(State.ACTIVE)
    return instruments


def test_answers_when_the_process_is_active() -> None:
    with answering(active()) as server:
        for path in ("/livez", "/readyz", "/readyz?verbose"):
            answer = ask(server, path)
            assert (answer.status, answer.content_type) == (200, "application/json")
            assert json.loads(answer.body) == {"ok": True, "state": "active", "epoch": 0, "reasons": []}
        page = ask(server, "/metrics")
        assert (page.status, page.content_type.partition(";")[0]) == (200, "text/plain")
        assert b"\njedel_ready 1.0\n" in page.body


def test_standby_lives_and_is_not_ready() -> None:
    instruments = Instruments()
    instruments.health.became(State.STANDBY)
    with answering(instruments) as server:
        assert ask(server, "/livez").status == 200
        ready = ask(server, "/readyz")
        assert (ready.status, ready.reasons) == (503, ["standby"])
        assert b'\njedel_hindrance{reason="standby"} 1.0\n' in ask(server, "/metrics").body


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/metrics/", 404),
        ("POST", "/metrics", 405),
        ("HEAD", "/readyz", 200),
        ("BREW", "/livez", 405),
    ],
)
def test_other_requests_are_refused_and_harm_nothing(method: str, path: str, status: int) -> None:
    with answering(active()) as server:
        answer = ask(server, path, method)
        assert answer.status == status
        assert bool(answer.body) is (method != "HEAD")
        assert ask(server, "/livez").status == 200


@pytest.mark.parametrize(
    "said", [b"", b"\n", b"rubbish\r\n\r\n", b"\x16\x03\x01\x02\x00", b"GET /livez HTTP/9.9\r\n\r\n", b"GET " + b"x" * 70_000]
)
def test_rubbish_is_answered_or_cut_and_harms_nothing(said: bytes) -> None:
    with answering(active()) as server:
        for _ in range(ANSWERS_AT_ONCE + 1):
            with socket.create_connection((LOCALHOST, port_of(server))) as peer:
                peer.sendall(said)
                peer.shutdown(socket.SHUT_WR)
        assert ask(server, "/livez").status == 200


def test_peers_that_say_nothing_are_cut_when_somebody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health_server, "PEER_TIMEOUT_S", 0.2)
    # As with a peer that sends a byte now and then: no single read takes too long.
    monkeypatch.setattr(health_server._Handler, "timeout", None)
    with answering(active()) as server:
        silent = [socket.create_connection((LOCALHOST, port_of(server)), PATIENCE_S) for _ in range(ANSWERS_AT_ONCE + 3)]
        for peer in silent[::2]:
            peer.sendall(b"GET /livez HTTP/1.0\r\nX: ")
        assert ask(server, "/livez").status == 200
        for peer in silent[:ANSWERS_AT_ONCE]:
            assert peer.recv(1) == b""
        for peer in silent:
            peer.close()


def test_address_that_is_taken_is_waited_for() -> None:
    first = server_of(active())
    first.start()
    port = port_of(first)
    standby = server_of(Instruments(), port)
    standby.start()
    try:
        assert not is_bound(standby)
        first.stop()
        while not is_bound(standby):
            time.sleep(0.01)
        assert (port_of(standby), ask(standby, "/readyz").status) == (port, 503)
    finally:
        standby.stop()


def test_process_that_ends_while_it_waits_for_the_address_ends() -> None:
    with answering(active()) as first:
        waiting = server_of(Instruments(), port_of(first))
        waiting.start()
        waiting.stop()
        assert ask(first, "/livez").status == 200


def test_address_that_can_never_be_bound_is_told_at_once() -> None:
    # TEST-NET-1 (RFC 5737): no machine has it.
    server = HealthServer("192.0.2.1", 0, active().health.live, active().health.ready, lambda _: (b"", ""))
    with pytest.raises(OSError, match="assign"):
        server.start()


def in_the_loops(instruments: Instruments, work: Callable[[], None]) -> None:
    """Runs `work` on the deciding thread when both loops have begun to beat, and waits until they beat again."""
    beats = instruments.pulse.beats

    async def beaten(before: dict[str, float]) -> None:
        while True:
            if all(beats.get(loop, 0.0) > before.get(loop, 0.0) for loop in (HOST, TRIO)):
                return
            await trio.sleep(0.01)

    async def main() -> None:
        with trio.fail_after(PATIENCE_S):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(instruments.pulse.run)
                await beaten({})
                work()
                await beaten(dict(beats))
                nursery.cancel_scope.cancel()

    host(main, uvloop.new_event_loop)


def test_health_answers_while_the_deciding_thread_is_held() -> None:
    instruments = active()
    with answering(instruments) as server:
        answers: list[Answer] = []
        # The thread of both loops waits here for each answer: whoever gave it needed neither loop.
        in_the_loops(instruments, lambda: answers.extend(ask(server, path) for path in ("/livez", "/readyz", "/metrics")))
        assert [answer.status for answer in answers] == [200, 200, 200]


def test_loop_that_stands_still_is_told_until_it_turns_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LOOP_STUCK_S", 0.5)
    instruments = active()
    with answering(instruments) as server:
        held: list[Answer] = []

        def hold() -> None:
            # Busy, as a decision that never ends is.
            while instruments.health.live().ok:
                pass
            held.append(ask(server, "/livez"))

        in_the_loops(instruments, hold)
        assert held[0].status == 503
        assert set(held[0].reasons) == {"loop_stuck"}
        # When the loops have ended in order, nothing is stuck.
        assert ask(server, "/livez").status == 200
        lags = {loop: buckets.total for loop, buckets in instruments.pulse.lags.items()}
        assert min(lags.values()) > 0.3
