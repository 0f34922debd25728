"""A lane over real sockets, in threads as in greenlets: what a broken connection left open is sent again, and once."""

from __future__ import annotations

import socket
import threading
import time
from datetime import UTC, datetime

import msgspec
import pytest

from core.events import PlateRead
from loadtest.locust_users.account import Recorder, SourceAccount
from loadtest.locust_users.lane import Lane, LaneError, now_us
from loadtest.locust_users.teller import Due
from loadtest.locust_users.wire import TcpWire
from protocols.ingest.message import PROTOCOL, Ack, Framing, Goodbye, GoodbyeReason, Welcome, WelcomeLimits

LIMITS = WelcomeLimits(frame_max_bytes=65_536, window_events=100, window_bytes=65_536, idle_timeout_s=60.0, events_per_s=None)


class _Seq(msgspec.Struct):
    seq: int


class Centre:
    """Takes connections one after another. Of each it reads so many events, commits them and acknowledges some; it hangs up
    where it has left any open, and else waits for the source to do so."""

    def __init__(self, *connections: tuple[int, int]) -> None:
        """Each connection: events read, and how many of all events so far are acknowledged."""
        self._server = socket.create_server(("127.0.0.1", 0))
        self.address: tuple[str, int] = self._server.getsockname()
        self.committed: list[int] = []
        self._thread = threading.Thread(target=self._serve, args=(connections,))
        self._thread.start()

    def _serve(self, connections: tuple[tuple[int, int], ...]) -> None:
        with self._server:
            for events, acknowledged in connections:
                connection, _ = self._server.accept()
                with connection, connection.makefile("rb") as lines:
                    lines.readline()
                    self._say(
                        connection, Welcome(protocol=PROTOCOL, session="s", committed_seq=len(self.committed), limits=LIMITS)
                    )
                    self.committed += [msgspec.json.decode(lines.readline(), type=_Seq).seq for _ in range(events)]
                    if acknowledged:
                        self._say(connection, Ack(acknowledged))
                    if acknowledged == len(self.committed):
                        lines.read()

    def _say(self, connection: socket.socket, message: Welcome | Ack) -> None:
        connection.sendall(msgspec.json.encode(message) + b"\n")

    def join(self) -> None:
        self._thread.join()


def lane_to(address: tuple[str, int], welcomes: list[float]) -> Lane:
    account = SourceAccount("t-w0-cameras", Recorder(now_us(), 60.0), lambda what, ms, times: None)
    return Lane(account, "token", Framing.NDJSON, lambda: TcpWire(address), welcomes.append)


def plates(count: int) -> list[Due]:
    at_us = now_us()
    return [Due(at_us, PlateRead(seq=1, at=datetime.now(UTC), camera="c", plate="123ABC02")) for _ in range(count)]


def test_a_lane_sends_again_what_a_broken_connection_left_open() -> None:
    # Five are committed before the first break and two of them acknowledged; the second brings the rest.
    centre = Centre((5, 2), (3, 8))
    welcomes: list[float] = []
    lane = lane_to(centre.address, welcomes)
    lane.connect()
    lane.push(plates(5))
    lane.push(plates(3))
    assert lane.settle(time.monotonic() + 30.0)
    lane.leave()
    centre.join()
    ledger = lane.account.ledger()
    assert (ledger.sent, ledger.acked, ledger.cuts) == (8, 8, 1)
    assert centre.committed == [1, 2, 3, 4, 5, 6, 7, 8]
    assert len(welcomes) == 2


def test_a_lane_that_is_cut_comes_back_by_itself() -> None:
    centre = Centre((1, 1), (2, 3))
    lane = lane_to(centre.address, [])
    lane.connect()
    lane.push(plates(1))
    assert lane.settle(time.monotonic() + 30.0)
    lane.cut()
    lane.push(plates(2))
    assert lane.settle(time.monotonic() + 30.0)
    lane.leave()
    centre.join()
    assert (lane.account.ledger().acked, lane.account.ledger().cuts) == (3, 1)


def test_a_lane_says_what_the_centre_refuses_it_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def refuse() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(4_096)
                connection.sendall(msgspec.json.encode(Goodbye(reason=GoodbyeReason.UNAUTHORIZED, text="not yours")) + b"\n")

        thread = threading.Thread(target=refuse)
        thread.start()
        lane = lane_to(server.getsockname(), [])
        with pytest.raises(LaneError, match="unauthorized: not yours"):
            lane.connect()
        thread.join()
