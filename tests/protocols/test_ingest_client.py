"""Both ends together: a client that is cut at every byte of its stream, in either direction, loses and doubles nothing."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.events import AnyEvent, Call, PlateRead
from core.instant import to_datetime
from protocols.ingest.client import IngestClient
from protocols.ingest.client_session import ClientSession, IngestRefusedError
from protocols.ingest.codec import encode
from protocols.ingest.frame import LengthReader
from protocols.ingest.message import Ack, Framing, Goodbye, GoodbyeReason, Welcome, WelcomeLimits
from tests.protocols.raw_source import plates, run
from tests.protocols.small_centre import NOW_US, TOKEN, SmallCentre

NOW = to_datetime(NOW_US)
LIMITS = WelcomeLimits(frame_max_bytes=1000, window_events=10, window_bytes=10_000, idle_timeout_s=60.0, events_per_s=None)


class Wire:
    """A wire in memory: what the centre writes is kept until it is delivered."""

    def __init__(self) -> None:
        self.written = bytearray()

    def write(self, data: bytes) -> None:
        self.written += data

    def close(self, reason: GoodbyeReason) -> None: ...

    def abort(self) -> None: ...

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


class StillCentre(SmallCentre):
    """A centre that commits when it is told to; it needs no loop."""

    def wake(self) -> None: ...


def converse(centre: StillCentre, client: ClientSession, up_max: int, down_max: int) -> tuple[int, int]:
    """One connection that is cut after so many bytes from the client, or from the centre. Returns how many went."""
    wire = Wire()
    connection = centre.hub.open(wire)
    up = down = 0
    outgoing = client.connect()
    while outgoing and up < up_max and down < down_max:
        part = outgoing[: up_max - up]
        connection.received(part)
        up += len(part)
        centre.run()
        answer, wire.written = bytes(wire.written[: down_max - down]), bytearray()
        client.receive_data(answer)
        down += len(answer)
        outgoing = outgoing[len(part) :] or client.data_to_send()
    connection.lost()
    client.disconnected()
    return up, down


def events() -> Sequence[AnyEvent]:
    return [Call(seq=1, at=NOW, words="өрт"), *plates(3)]


def ended(centre: StillCentre, client: ClientSession) -> bool:
    return client.unacknowledged == 0 and centre.seqs["cam"] == [1, 2, 3, 4] and centre.rejected == []


@pytest.mark.parametrize("framing", Framing)
@pytest.mark.parametrize("cut_up", [True, False], ids=["client to centre", "centre to client"])
def test_nothing_is_lost_or_doubled_when_the_connection_is_cut_at_every_byte(framing: Framing, cut_up: bool) -> None:
    def source() -> ClientSession:
        client = ClientSession("cam", TOKEN, framing=framing, next_seq=1)
        client.offer(events())
        return client

    sent, received = converse(StillCentre(), source(), 1 << 20, 1 << 20)
    total = sent if cut_up else received
    assert total > 100
    for place in range(total + 1):
        centre, client = StillCentre(), source()
        converse(centre, client, place if cut_up else 1 << 20, 1 << 20 if cut_up else place)
        converse(centre, client, 1 << 20, 1 << 20)
        assert ended(centre, client), place


@given(st.sampled_from(Framing), st.lists(st.tuples(st.integers(0, 900), st.integers(0, 900)), max_size=6))
def test_nothing_is_lost_or_doubled_when_connections_are_cut_again_and_again(
    framing: Framing, cuts: list[tuple[int, int]]
) -> None:
    centre = StillCentre()
    client = ClientSession("cam", TOKEN, framing=framing, next_seq=1)
    client.offer(events())
    for up_max, down_max in [*cuts, (1 << 20, 1 << 20)]:
        converse(centre, client, up_max, down_max)
    assert ended(centre, client)


@pytest.mark.parametrize("framing", Framing)
@pytest.mark.parametrize("scheme", ["tcp", "ws"])
def test_client_resumes_by_itself_when_real_connections_are_cut(scheme: str, framing: Framing) -> None:
    async def scenario() -> None:
        centre = SmallCentre()
        start = centre.hub.start_tcp if scheme == "tcp" else centre.hub.start_ws
        host, port = await start("127.0.0.1", 0)
        rng = random.Random(7)
        client = IngestClient(f"{scheme}://{host}:{port}", source="cam", token=TOKEN, framing=framing, rng=rng)
        await client.start()
        for _ in range(8):
            client.offer(plates(500))
            for _ in range(rng.randrange(8)):
                await asyncio.sleep(0)
            client.cut()
        await client.close()
        assert centre.seqs["cam"] == list(range(1, 4001))
        assert client.counters["connections"] > 1
        await centre.hub.drain()

    run(scenario)


def test_client_waits_when_too_much_is_unacknowledged() -> None:
    async def scenario() -> None:
        centre = SmallCentre()
        centre.paused = True
        host, port = await centre.hub.start_tcp("127.0.0.1", 0)
        acks: list[int] = []
        url = f"tcp://{host}:{port}"
        client = IngestClient(url, source="cam", token=TOKEN, pending_max=100, on_ack=acks.append)
        await client.start()
        await client.push(plates(100))
        waiting = asyncio.create_task(client.push(plates(1)))
        for _ in range(50):
            await asyncio.sleep(0)
        assert not waiting.done()
        centre.paused = False
        centre.wake()
        assert await waiting == 101
        await client.close()
        assert acks[-1] == 101
        await centre.hub.drain()

    run(scenario)


def test_client_finds_the_centre_again_when_it_was_away() -> None:
    async def scenario() -> None:
        first = SmallCentre()
        host, port = await first.hub.start_tcp("127.0.0.1", 0)
        client = IngestClient(f"tcp://{host}:{port}", source="cam", token=TOKEN)
        await client.start()
        await client.push(plates(10))
        await client.flush()
        assert await first.hub.drain()
        client.offer(plates(10))
        second = SmallCentre(high_water=first.high_water)
        await second.hub.start_tcp(host, port)
        await client.close()
        assert first.seqs["cam"] + second.seqs["cam"] == list(range(1, 21))
        await second.hub.drain()

    run(scenario)


def test_client_leaves_a_centre_that_has_fallen_silent() -> None:
    async def scenario() -> None:
        impatient = msgspec.structs.replace(LIMITS, idle_timeout_s=0.15)
        greeted: asyncio.Queue[None] = asyncio.Queue()

        async def greet_and_say_no_more(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readline()
            greeting = Welcome(protocol="jedel-ingest/1", session="s", committed_seq=0, limits=impatient)
            writer.write(encode(Framing.NDJSON, [greeting]))
            greeted.put_nowait(None)
            await reader.read()
            writer.close()

        server = await asyncio.start_server(greet_and_say_no_more, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()
        client = IngestClient(f"tcp://{host}:{port}", source="cam", token=TOKEN)
        await client.start()
        client.offer(plates(1))
        for _ in range(2):
            await greeted.get()
        await client.abort()
        assert client.counters["silences"] >= 1
        server.close()
        await server.wait_closed()

    run(scenario)


def test_client_comes_back_when_the_connection_breaks_in_the_websocket_handshake() -> None:
    async def scenario() -> None:
        centre = SmallCentre()
        cut_off = 0

        async def cut_off_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal cut_off
            await reader.readuntil(b"\r\n\r\n")
            cut_off += 1
            writer.close()
            proxy.close()
            await centre.hub.start_ws(*address)

        proxy = await asyncio.start_server(cut_off_once, "127.0.0.1", 0)
        address = proxy.sockets[0].getsockname()
        client = IngestClient(f"ws://{address[0]}:{address[1]}", source="cam", token=TOKEN)
        await client.start()
        client.offer(plates(3))
        await client.close()
        assert (cut_off, centre.seqs["cam"]) == (1, [1, 2, 3])
        await centre.hub.drain()

    run(scenario)


def test_client_comes_back_after_a_failure_that_nobody_foresaw() -> None:
    class Unlucky(IngestClient):
        async def _connect(self) -> None:
            if not self.counters["surprises"]:
                raise EOFError("the peer went away in the middle of a handshake")
            await super()._connect()

    async def scenario() -> None:
        centre = SmallCentre()
        host, port = await centre.hub.start_tcp("127.0.0.1", 0)
        client = Unlucky(f"tcp://{host}:{port}", source="cam", token=TOKEN)
        await client.start()
        client.offer(plates(3))
        await client.close()
        assert centre.seqs["cam"] == [1, 2, 3]
        assert isinstance(client.last_failure, EOFError)
        await centre.hub.drain()

    run(scenario)


# The client's session alone.


def welcome(committed_seq: int) -> bytes:
    return encode(Framing.NDJSON, [Welcome(protocol="jedel-ingest/1", session="s", committed_seq=committed_seq, limits=LIMITS)])


def test_events_are_sent_again_from_where_the_centre_asks() -> None:
    client = ClientSession("cam", TOKEN, next_seq=1)
    client.offer(plates(4))
    assert client.data_to_send() == b""
    client.connect()
    client.receive_data(welcome(0))
    assert client.data_to_send().count(b"\n") == 4
    assert client.receive_data(encode(Framing.NDJSON, [Ack(1)])) == [Ack(1)]
    client.disconnected()
    client.connect()
    client.receive_data(welcome(2))
    assert (client.acked_seq, client.unacknowledged) == (2, 2)
    assert b'"seq":3,' in client.data_to_send().splitlines()[0]


def test_events_keep_their_order_when_the_connection_breaks_with_some_sent_and_some_not() -> None:
    client = ClientSession("cam", TOKEN, next_seq=1)
    client.offer(plates(5000))
    client.connect()
    client.receive_data(welcome(0))
    sent = client.data_to_send().count(b"\n")
    assert 0 < sent < 5000
    client.disconnected()
    client.connect()
    client.receive_data(welcome(0))
    lines = b"".join(iter(client.data_to_send, b"")).splitlines()
    assert [msgspec.json.decode(line)["seq"] for line in lines] == list(range(1, 5001))


def test_numbering_goes_on_where_the_centre_stands_when_the_source_keeps_no_count() -> None:
    client = ClientSession("cam", TOKEN)
    with pytest.raises(RuntimeError):
        client.offer(plates(1))
    client.connect()
    client.receive_data(welcome(41))
    assert client.offer(plates(2)) == 43


def test_session_ends_when_the_centre_asks_for_what_the_source_no_longer_has() -> None:
    client = ClientSession("cam", TOKEN, next_seq=10)
    assert b'"first_seq":null' in client.connect()
    with pytest.raises(IngestRefusedError) as refused:
        client.receive_data(welcome(4))
    assert refused.value.reason == "seq_gap"


def test_lost_events_are_declared_when_the_source_is_told_to() -> None:
    client = ClientSession("cam", TOKEN, next_seq=10, declare_lost=True)
    assert b'"first_seq":10' in client.connect()
    client.receive_data(welcome(4))
    assert client.offer(plates(1)) == 10
    assert client.data_to_send().count(b"\n") == 1


def test_event_is_refused_at_once_when_it_is_larger_than_a_frame() -> None:
    client = ClientSession("cam", TOKEN)
    client.connect()
    client.receive_data(welcome(0))
    with pytest.raises(ValueError, match="the centre takes 1000"):
        client.offer([*plates(1), Call(seq=2, at=NOW, words="x" * 2000), *plates(1)])
    assert client.unacknowledged == 1
    assert client.offer(plates(1)) == 2


def test_goodbye_is_read_when_it_comes_as_json_in_place_of_a_msgpack_welcome() -> None:
    client = ClientSession("cam", TOKEN, framing=Framing.MSGPACK)
    client.connect()
    goodbye = Goodbye(reason=GoodbyeReason.TOO_MANY_CONNECTIONS, text="full")
    assert client.receive_data(encode(Framing.NDJSON, [goodbye])) == [goodbye]


def test_large_backlog_is_sent_in_pieces_without_being_lost() -> None:
    client = ClientSession("cam", TOKEN, framing=Framing.MSGPACK, next_seq=1)
    client.offer(plates(5000))
    client.connect()
    client.receive_data(encode(Framing.MSGPACK, [Welcome(protocol="p", session="s", committed_seq=0, limits=LIMITS)]))
    reader = LengthReader(1000)
    pieces = list(iter(client.data_to_send, b""))
    assert len(pieces) > 1
    numbers = [msgspec.msgpack.decode(body)["seq"] for piece in pieces for body in reader.feed(piece)]
    assert numbers == list(range(1, 5001))


@pytest.mark.parametrize("url", ["http://localhost:1", "tcp://localhost", "tcp://:5", "localhost:5"])
def test_url_is_refused_when_it_is_none_of_ours(url: str) -> None:
    with pytest.raises(ValueError, match="is not tcp"):
        IngestClient(url, source="cam", token=TOKEN)


def test_plates_keep_their_given_seq_when_it_is_the_next_one() -> None:
    client = ClientSession("cam", TOKEN, next_seq=5)
    event = PlateRead(seq=5, at=NOW, camera="c", plate="p")
    assert client.offer([event]) == 5
