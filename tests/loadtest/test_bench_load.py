"""The load's own parts: what it sends, what it makes of acknowledgements, and that it dates them against a real listener."""

from __future__ import annotations

import socket
import threading
from datetime import UTC, datetime

import msgspec
import pytest

from core.events import PlateRead
from loadtest.bench.load import Lane, LoadError, Piece, Receipt, encode_events, latencies_ms, play

WELCOME = (
    b'{"kind":"welcome","protocol":"jedel-ingest/1","session":"s/1","committed_seq":4,"limits":{"frame_max_bytes":1,'
    b'"window_events":1,"window_bytes":1,"idle_timeout_s":1.0,"events_per_s":null}}\n'
)


def read(seq: int) -> PlateRead:
    return PlateRead(seq=seq, at=datetime(2026, 1, 1, tzinfo=UTC), camera="c", plate="123ABC02")


class Centre:
    """A listener for one connection that says what it is told to, once the hello and so many events have come."""

    def __init__(self, after_events: int, *answers: bytes) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.address: tuple[str, int] = self._server.getsockname()
        self.lines: list[bytes] = []
        self._thread = threading.Thread(target=self._serve, args=(after_events, answers))
        self._thread.start()

    def _serve(self, after_events: int, answers: tuple[bytes, ...]) -> None:
        connection, _ = self._server.accept()
        with self._server, connection, connection.makefile("rb") as lines:
            self.lines.append(lines.readline())
            connection.sendall(WELCOME)
            self.lines += [lines.readline() for _ in range(after_events)]
            for answer in answers:
                connection.sendall(answer)
            lines.read()

    def join(self) -> None:
        self._thread.join()


def test_events_are_one_line_each() -> None:
    lines = encode_events([read(1), read(2)]).splitlines()
    assert [msgspec.json.decode(line, type=PlateRead) for line in lines] == [read(1), read(2)]


def test_play_dates_acknowledgements_and_goes_on_from_the_committed_number() -> None:
    centre = Centre(3, b'{"kind":"ack","seq":', b'6}\n{"kind":"ack","seq":7}\n')
    lane = Lane(centre.address, "cameras", "token")
    assert lane.acked_seq == 4
    pieces = [
        Piece(1, "cameras", 6, encode_events([read(5), read(6)])),
        Piece(2, "cameras", 7, encode_events([read(7)])),
    ]
    receipt = play([lane], pieces)
    lane.close()
    centre.join()
    assert [seq for seq, _ in receipt.acked["cameras"]] == [6, 7]
    assert receipt.ended_ns() > receipt.started_ns
    assert msgspec.json.decode(centre.lines[0])["source"] == "cameras"
    assert b"".join(centre.lines[1:]) == pieces[0].data + pieces[1].data


def test_play_tells_of_refused_events() -> None:
    centre = Centre(
        1, b'{"kind":"error","seq":5,"code":"invalid_field","field":"$.plate","text":"no"}\n{"kind":"ack","seq":5}\n'
    )
    lane = Lane(centre.address, "cameras", "token")
    receipt = play([lane], [Piece(0, "cameras", 5, encode_events([read(5)]))])
    lane.close()
    centre.join()
    assert receipt.errors == ["cameras/5: invalid_field $.plate no"]


def test_play_gives_up_when_the_service_says_goodbye() -> None:
    centre = Centre(1, b'{"kind":"goodbye","reason":"draining","text":"bye"}\n')
    lane = Lane(centre.address, "cameras", "token")
    with pytest.raises(LoadError, match="draining"):
        play([lane], [Piece(0, "cameras", 5, encode_events([read(5)]))])
    lane.close()
    centre.join()


def test_latency_counts_from_the_instant_a_piece_was_due() -> None:
    pieces = [Piece(1_000_000, "a", 2, b""), Piece(2_000_000, "b", 1, b""), Piece(3_000_000, "a", 3, b"")]
    receipt = Receipt(
        started_ns=10_000_000,
        acked={"a": [(1, 11_500_000), (2, 12_000_000), (9, 18_000_000)], "b": [(1, 13_000_000)]},
        errors=[],
        late_ms=0.0,
    )
    assert latencies_ms(pieces, receipt, "a") == [1.0, 5.0]
    assert latencies_ms(pieces, receipt, "b") == [1.0]
