"""A file of events pushed: what a line lacks is filled in, all else goes as it stands, and every answer is told."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.instant import Micros
from ops.push import LINE_MAX_BYTES, Pushed, PushError, completed, push
from ops.push_wire import FRAME_BYTES, Wire, connector
from protocols.ingest.codec import encode
from protocols.ingest.message import PROTOCOL, Ack, Framing, Welcome, WelcomeLimits
from protocols.ingest.state import SessionLimits
from tests.protocols.small_centre import NOW_US, TOKEN, SmallCentre

AT = "2026-05-09T10:30:00+00:00"
PLATE = b'{"kind":"plate","camera":"c7","plate":"123ABC02"}'


@pytest.mark.parametrize(
    ("line", "sent", "seq"),
    [
        (b'{"kind":"a"}', b'{"kind":"a","seq":7,"at":"%s"}' % AT.encode(), 7),
        (b'{"kind":"a","seq":9}', b'{"kind":"a","seq":9,"at":"%s"}' % AT.encode(), 9),
        (b'{"kind":"a","at":"x"}', b'{"kind":"a","at":"x","seq":7}', 7),
        # Nothing is lacking: not a byte is changed.
        (b'{ "seq": 9, "at": "x", "value": 1.50 }', b'{ "seq": 9, "at": "x", "value": 1.50 }', 9),
        # Mistakes are for the centre to name.
        (b'{"kind":"a","seq":"nine"}', b'{"kind":"a","seq":"nine"}', None),
        (b"[1]", b"[1]", None),
        (b"no JSON", b"no JSON", None),
        (b"\xff", b"\xff", None),
    ],
)
def test_line_gets_what_it_lacks_and_nothing_else(line: bytes, sent: bytes, seq: int | None) -> None:
    assert completed(line, 7, AT) == (sent, seq)


def pushed(
    file: Path,
    *,
    token: str = TOKEN,
    high_water: dict[str, int] | None = None,
    way: str = "tcp",
    session_limits: SessionLimits | None = None,
) -> tuple[Pushed, list[str], SmallCentre]:
    """What came of a file, the lines told, and the centre that took it."""
    told: list[str] = []

    async def run() -> tuple[Pushed, SmallCentre]:
        centre = SmallCentre(high_water=high_water, session_limits=session_limits)
        start = centre.hub.start_tcp if way == "tcp" else centre.hub.start_ws
        host, port = await start("127.0.0.1", 0)
        try:
            with file.open("rb") as opened:
                result = await push(
                    connector(f"{way}://{host}:{port}"), "panel", token, opened, now_us=lambda: Micros(NOW_US), tell=told.append
                )
        finally:
            centre.hub.close()
        return result, centre

    result, centre = asyncio.run(run())
    return result, told, centre


@pytest.mark.parametrize("way", ["tcp", "ws"])
def test_every_line_is_committed_or_told_of(tmp_path: Path, way: str) -> None:
    file = tmp_path / "events.ndjson"
    file.write_bytes(b"\n".join([PLATE, b'{"kind":"plate","camera":"c7"}', b"no JSON", b"", PLATE]))
    result, told, centre = pushed(file, high_water={"panel": 4}, way=way)
    assert result == Pushed(sent=4, refused=2, acked_seq=7)
    assert centre.seqs["panel"] == [5, 7]
    assert told[0] == "welcome: panel goes on from seq 5"
    assert told[1] == "error: seq 6: invalid_field $.plate: Object missing required field `plate`"
    assert told[2].startswith("error: without a seq: malformed $: ")


@pytest.mark.parametrize("way", ["tcp", "ws"])
def test_file_longer_than_the_window_goes_whole(tmp_path: Path, way: str) -> None:
    file = tmp_path / "events.ndjson"
    file.write_bytes((PLATE + b"\n") * 40_000)
    result, _, centre = pushed(file, way=way)
    assert result == Pushed(sent=40_000, refused=0, acked_seq=40_000)
    assert centre.seqs["panel"] == list(range(1, 40_001))


def test_refused_source_is_told_why(tmp_path: Path) -> None:
    file = tmp_path / "events.ndjson"
    file.write_bytes(PLATE)
    with pytest.raises(PushError, match=r"^goodbye unauthorized: "):
        pushed(file, token="wrong")


def test_stream_that_cannot_go_on_tells_why(tmp_path: Path) -> None:
    file = tmp_path / "events.ndjson"
    file.write_bytes(PLATE + b'\n{"kind":"plate","camera":"c7","plate":"1","seq":9}\n')
    with pytest.raises(PushError, match="goodbye seq_gap: "):
        pushed(file)


@pytest.mark.parametrize("way", ["tcp", "ws"])
def test_nothing_is_lost_or_doubled_when_the_centre_dies_and_another_follows(tmp_path: Path, way: str) -> None:
    file = tmp_path / "events.ndjson"
    file.write_bytes(b"".join(PLATE + b"\n" if number % 50 else b"no JSON\n" for number in range(20_000)))
    told: list[str] = []

    async def run() -> tuple[Pushed, list[int]]:
        first = SmallCentre()
        host, port = await (first.hub.start_tcp if way == "tcp" else first.hub.start_ws)("127.0.0.1", 0)
        connect = connector(f"{way}://{host}:{port}")
        second: list[SmallCentre] = []

        def tell(line: str) -> None:
            told.append(line)
            if line.startswith("error") and not second:
                # It goes without a word, and what it had not committed goes with it.
                first.paused = True
                first.hub.close()
                second.append(SmallCentre(high_water=dict(first.high_water)))
                start = second[0].hub.start_tcp if way == "tcp" else second[0].hub.start_ws
                starting.append(asyncio.create_task(start(host, port)))

        starting: list[asyncio.Task[tuple[str, int]]] = []
        with file.open("rb") as opened:
            result = await push(connect, "panel", TOKEN, opened, now_us=lambda: Micros(NOW_US), tell=tell)
        second[0].hub.close()
        return result, first.seqs.get("panel", []) + second[0].seqs["panel"]

    result, seqs = asyncio.run(run())
    assert (result.sent, result.acked_seq) == (20_000, 19_600)
    assert seqs == list(range(1, 19_601))
    assert [line.partition(":")[0] for line in told if not line.startswith("error")] == ["welcome", "broken", "welcome"]


def test_endless_line_is_not_read_into_memory(tmp_path: Path) -> None:
    file = tmp_path / "events.ndjson"
    file.write_bytes(b"x" * (LINE_MAX_BYTES + 2))
    with pytest.raises(PushError, match="a line is longer than"):
        pushed(file)


@pytest.mark.parametrize(
    "url",
    [
        "tcp://127.0.0.1",
        "127.0.0.1:7111",
        "http://127.0.0.1:7112",
        "tcp://127.0.0.1:port",
        "tcp://127.0.0.1:7111/ingest/v1",
        "ws://127.0.0.1:7113/dispatch/v1",
    ],
)
def test_url_is_refused_when_it_is_none_of_ours(url: str) -> None:
    with pytest.raises(ValueError, match=r"is not tcp://HOST:PORT, tls://HOST:PORT, ws://HOST:PORT or wss://HOST:PORT$"):
        connector(url)


@pytest.mark.parametrize("way", ["tcp", "ws"])
def test_line_longer_than_a_frame_arrives_whole(tmp_path: Path, way: str) -> None:
    file = tmp_path / "events.ndjson"
    file.write_bytes(PLATE[:-1] + b',"model":"' + b"x" * FRAME_BYTES + b'"}\n' + PLATE)
    result, told, centre = pushed(file, way=way)
    assert result == Pushed(sent=2, refused=0, acked_seq=2)
    assert told == ["welcome: panel goes on from seq 1"]
    assert centre.seqs["panel"] == [1, 2]


def test_centre_that_is_not_there_is_told_of() -> None:
    async def run() -> None:
        with pytest.raises(OSError, match=r"127\.0\.0\.1"):
            await connector("ws://127.0.0.1:1")()

    asyncio.run(run())


@pytest.mark.parametrize("way", ["tcp", "ws"])
@pytest.mark.parametrize("frame_max_bytes", [1024, FRAME_BYTES * 2])
def test_file_goes_whole_to_a_centre_that_takes_short_frames(tmp_path: Path, way: str, frame_max_bytes: int) -> None:
    file = tmp_path / "events.ndjson"
    file.write_bytes((PLATE + b"\n") * 3_000)
    result, told, _ = pushed(file, way=way, session_limits=SessionLimits(frame_max_bytes=frame_max_bytes))
    assert result == Pushed(sent=3_000, refused=0, acked_seq=3_000)
    assert told == ["welcome: panel goes on from seq 1"]


class _Closing:
    """A connection by which a centre says something, and then goes without a word."""

    def __init__(self, committed_seq: int, acked_seq: int) -> None:
        limits = WelcomeLimits(
            frame_max_bytes=FRAME_BYTES, window_events=9, window_bytes=9_999, idle_timeout_s=9.0, events_per_s=None
        )
        welcome = Welcome(protocol=PROTOCOL, session="s", committed_seq=committed_seq, limits=limits)
        self._said = [encode(Framing.NDJSON, [welcome, *([Ack(acked_seq)] if acked_seq > committed_seq else [])]), b""]

    async def read(self) -> bytes:
        return self._said.pop(0)

    async def write(self, data: bytes) -> None:
        pass

    def limit(self, frame_max_bytes: int) -> None:
        pass

    def close(self) -> None:
        pass


CLOSED = "the centre takes nothing more, connection after connection: the centre has closed the connection"


@pytest.mark.parametrize(
    ("acked", "connections", "why"),
    [
        # What each connection brings, None where there is none; how many of them are tried, with two pauses.
        ([0] * 9, 3, f"{CLOSED}; acknowledged up to seq 0"),
        ([1] * 9, 3, f"{CLOSED}; acknowledged up to seq 1"),
        ([0, 0, 1, 1, 2, 2, 2, 2, 2], 7, f"{CLOSED}; acknowledged up to seq 2"),
        ([0, None, None, 0], 3, "the centre is gone; acknowledged up to seq 0"),
        ([0, None, 0, 0], 3, f"{CLOSED}; acknowledged up to seq 0"),
        ([0, None, 1, None, None, 1], 5, "the centre is gone; acknowledged up to seq 1"),
    ],
)
def test_centre_that_takes_nothing_more_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, acked: list[int | None], connections: int, why: str
) -> None:
    monkeypatch.setattr("ops.push.RETRY_PAUSES_S", (0.0, 0.0))
    file = tmp_path / "events.ndjson"
    file.write_bytes((PLATE + b"\n") * 3)
    tried: list[int | None] = []
    answers: Iterator[int | None] = iter(acked)

    async def connect() -> Wire:
        tried.append(next(answers))
        if tried[-1] is None:
            raise ConnectionRefusedError
        known = max((seq for seq in tried[:-1] if seq is not None), default=0)
        return _Closing(known, tried[-1])

    async def run() -> None:
        with file.open("rb") as opened:
            await push(connect, "panel", TOKEN, opened, now_us=lambda: Micros(NOW_US), tell=lambda line: None)

    with pytest.raises(PushError) as told:
        asyncio.run(run())
    assert (len(tried), str(told.value)) == (connections, why)


def test_what_closes_before_its_welcome_is_said_to_be_perhaps_no_centre(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops.push.RETRY_PAUSES_S", ())
    file = tmp_path / "events.ndjson"
    file.write_bytes(PLATE + b"\n")
    told: list[str] = []

    async def run() -> None:
        server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()
        async with server:
            with file.open("rb") as opened, pytest.raises(PushError, match="perhaps something else listens there"):
                url = f"tcp://{host}:{port}"
                await push(connector(url), "panel", TOKEN, opened, now_us=lambda: Micros(NOW_US), tell=told.append)

    asyncio.run(run())
    assert told[0].startswith("broken: ")
