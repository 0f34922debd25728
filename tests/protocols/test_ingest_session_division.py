"""However a source's bytes are divided into reads, and whatever they are: the same comes of them."""

from __future__ import annotations

from itertools import pairwise

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from protocols.ingest.frame import frame_body
from protocols.ingest.message import (
    Ack,
    Framing,
    FromCentre,
)
from protocols.ingest.session import IngestSession
from protocols.ingest.state import (
    SessionState,
)
from tests.protocols.ingest_corpus import BAD, GOOD
from tests.protocols.ingest_talk import chunks, plate, said, streaming
from tests.protocols.small_centre import NOW_US


def outcome(stream: bytes, places: list[int], framing: Framing) -> tuple[list[object], list[bytes], list[FromCentre]]:
    """Items, raws and frames said for a stream divided at the given places."""
    session, _ = streaming(framing=framing.value)
    bounds = [0, *sorted(place % (len(stream) + 1) for place in places), len(stream)]
    out = [each for start, stop in pairwise(bounds) for each in session.receive_data(stream[start:stop], NOW_US)]
    taken = chunks(out)
    for chunk in taken:
        assert len(chunk.items) == len(chunk.raws)
        numbers = [item.seq for item in chunk.items if item.seq is not None]
        assert numbers == sorted(set(numbers))
        assert all(b"\0" not in raw and raw.decode() is not None for raw in chunk.raws)
    acks_aside: list[FromCentre] = [each for each in said(out, framing) if not isinstance(each, Ack)]
    return [item for chunk in taken for item in chunk.items], [raw for chunk in taken for raw in chunk.raws], acks_aside


FRAMES = st.lists(
    st.one_of(
        st.sampled_from([case.frame for case in GOOD + BAD if len(case.frame) < 5000 and b"goodbye" not in case.frame]),
        st.integers(1, 6).map(lambda seq: plate(seq).strip()),
    ),
    max_size=8,
)


@given(FRAMES, st.lists(st.integers(0), max_size=8))
def test_lines_give_the_same_when_divided_anywhere(frames: list[bytes], places: list[int]) -> None:
    stream = b"".join(frame + b"\n" for frame in frames)
    assert outcome(stream, places, Framing.NDJSON) == outcome(stream, [], Framing.NDJSON)


@given(FRAMES, st.lists(st.integers(0), max_size=8))
def test_bodies_give_the_same_when_divided_anywhere(frames: list[bytes], places: list[int]) -> None:
    bodies = []
    for frame in frames:
        try:
            bodies.append(msgspec.msgpack.encode(msgspec.json.decode(frame)))
        except (msgspec.MsgspecError, UnicodeDecodeError, OverflowError):
            bodies.append(frame)
    stream = b"".join(map(frame_body, bodies))
    assert outcome(stream, places, Framing.MSGPACK) == outcome(stream, [], Framing.MSGPACK)


@given(st.sampled_from(Framing), st.binary(max_size=400), st.lists(st.integers(0), max_size=5))
def test_any_bytes_give_events_or_rejects_or_a_goodbye(framing: Framing, stream: bytes, places: list[int]) -> None:
    outcome(stream, places, framing)
    fresh = IngestSession(NOW_US)
    fresh.receive_data(stream, NOW_US)
    assert fresh.state in (SessionState.AWAITING_HELLO, SessionState.CLOSED)


def test_stream_gives_the_same_when_fed_byte_by_byte_and_with_trailing_bytes() -> None:
    stream = b"".join(plate(seq) for seq in range(1, 6)) + b"noise\n" + plate(7)
    whole = outcome(stream, [], Framing.NDJSON)
    assert outcome(stream, list(range(len(stream))), Framing.NDJSON) == whole
    assert outcome(stream + plate(8)[:-1], [], Framing.NDJSON) == whole
