"""Frames out of any division of a stream into reads."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.ingest.frame import LengthReader, LineReader, frame_body, frame_line

LIMIT = 64


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """`data` divided at the given places, which may lie anywhere."""
    bounds = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:stop] for start, stop in pairwise(bounds)]


def read(reader: LineReader | LengthReader, parts: list[bytes]) -> list[bytes]:
    return [frame for part in parts for frame in reader.feed(part)]


LINES = [
    (b"a\nb\n", [b"a", b"b"]),
    (b"a\r\nb\r\n", [b"a", b"b"]),
    (b"\n\r\n\na\n\n", [b"a"]),
    (b"a\nrest", [b"a"]),
    (b"a\r\r\n", [b"a\r"]),
    (b"a\rb\n", [b"a\rb"]),
    (b" \n", [b" "]),
    (b"x" * LIMIT + b"\n", [b"x" * LIMIT]),
    (b"", []),
]


@pytest.mark.parametrize(("stream", "frames"), LINES)
def test_lines_are_the_same_when_fed_whole_and_byte_by_byte(stream: bytes, frames: list[bytes]) -> None:
    assert read(LineReader(LIMIT), [stream]) == frames
    assert read(LineReader(LIMIT), cut(stream, list(range(len(stream))))) == frames


@given(st.lists(st.binary(max_size=LIMIT).map(lambda line: line.replace(b"\n", b"").rstrip(b"\r"))), st.lists(st.integers(0)))
def test_lines_are_the_same_when_divided_anywhere(lines: list[bytes], places: list[int]) -> None:
    stream = b"".join(map(frame_line, lines))
    assert read(LineReader(LIMIT), cut(stream, places)) == [line for line in lines if line]


@given(st.lists(st.binary(max_size=LIMIT)), st.lists(st.integers(0)), st.binary(max_size=3))
def test_bodies_are_the_same_when_divided_anywhere(bodies: list[bytes], places: list[int], trailing: bytes) -> None:
    stream = b"".join(map(frame_body, bodies)) + trailing
    assert read(LengthReader(LIMIT), cut(stream, places)) == bodies


def test_message_end_ends_a_line_when_it_is_not_empty() -> None:
    reader = LineReader(LIMIT)
    assert reader.feed(b"a", ends_message=True) == [b"a"]
    assert reader.feed(b"b") == []
    assert reader.feed(b"c", ends_message=True) == [b"bc"]
    assert reader.feed(b"d\r\n", ends_message=True) == [b"d"]
    assert reader.feed(b"", ends_message=True) == []


@pytest.mark.parametrize("step", [1, 7, 1000])
def test_long_line_ends_the_stream_when_it_exceeds_the_limit(step: int) -> None:
    stream = b"good\n" + b"x" * (LIMIT + 1) + b"\nlater\n"
    reader = LineReader(LIMIT)
    assert read(reader, [stream[start : start + step] for start in range(0, len(stream), step)]) == [b"good"]
    assert reader.too_large


def test_long_line_is_refused_when_its_end_has_not_come() -> None:
    reader = LineReader(LIMIT)
    assert reader.feed(b"x" * LIMIT) == []
    assert not reader.too_large
    assert reader.feed(b"x") == []
    assert reader.too_large


@pytest.mark.parametrize("size", [LIMIT + 1, 1 << 30, (1 << 32) - 1])
def test_long_body_is_refused_when_only_its_length_has_come(size: int) -> None:
    reader = LengthReader(LIMIT)
    assert reader.feed(frame_body(b"good") + size.to_bytes(4, "big")) == [b"good"]
    assert reader.too_large
    assert reader.feed(frame_body(b"later")) == []


def test_large_body_costs_linear_time_when_it_comes_byte_by_byte() -> None:
    body = bytes(200_000)
    stream = frame_body(body)
    reader = LengthReader(len(body))
    assert read(reader, [stream[index : index + 1] for index in range(len(stream))]) == [body]
