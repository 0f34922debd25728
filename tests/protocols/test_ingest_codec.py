"""Messages out of frames: the corpus, the equality of the quick and the careful way, encode then decode."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.events import Call, Event, Fix, PlateRead, Rejected, SensorReading
from core.limits import JSON_DEPTH_MAX
from core.vocabulary import RejectCode
from protocols.ingest.codec import (
    UnreadableHelloError,
    decode_bodies,
    decode_from_centre,
    decode_hello,
    decode_lines,
    encode,
    storable,
)
from protocols.ingest.frame import LengthReader, LineReader
from protocols.ingest.message import (
    Ack,
    EventError,
    Framing,
    FromCentre,
    Goodbye,
    GoodbyeReason,
    Heartbeat,
    SourceGoodbye,
    Welcome,
    WelcomeLimits,
)
from tests.protocols.ingest_corpus import BAD, BAD_BODIES, GOOD, Case, deep, text

LATEST = datetime(2026, 5, 9, 10, 35, tzinfo=UTC)
PLATE = text(kind="plate", camera="c", plate="p", seq=2)


def check(case: Case, item: object) -> None:
    if case.kind == "event":
        assert isinstance(item, Event)
        assert item.seq == case.seq
    elif case.kind == "control":
        assert isinstance(item, Heartbeat | SourceGoodbye)
    else:
        assert isinstance(item, Rejected)
        assert (item.code.value, item.seq, item.field) == (case.kind, case.seq, case.field)
        assert item.text


@pytest.mark.parametrize("case", GOOD + BAD, ids=lambda case: case.name)
def test_line_becomes_what_the_corpus_says_when_alone_and_among_others(case: Case) -> None:
    [alone] = decode_lines([case.frame], LATEST)
    check(case, alone)
    before, among, after = decode_lines([PLATE, case.frame, PLATE], LATEST)
    assert among == alone
    assert isinstance(before, PlateRead)
    assert before == after


@pytest.mark.parametrize("case", BAD_BODIES, ids=lambda case: case.name)
def test_body_becomes_what_the_corpus_says_when_bad(case: Case) -> None:
    plate = msgspec.msgpack.encode(json.loads(PLATE))
    [alone], _ = decode_bodies([case.frame], LATEST)
    check(case, alone)
    (before, among, after), lines = decode_bodies([plate, case.frame, plate], LATEST)
    assert among == alone
    assert isinstance(before, PlateRead)
    assert before == after
    assert json.loads(lines[0]) == json.loads(PLATE)
    assert storable(lines[1]) == lines[1]


@pytest.mark.parametrize("case", [case for case in GOOD if case.name != "as deep as allowed"], ids=lambda case: case.name)
def test_body_becomes_the_same_as_its_line_when_good(case: Case) -> None:
    tree = json.loads(case.frame)
    [item], [line] = decode_bodies([msgspec.msgpack.encode(tree)], LATEST)
    assert [item] == decode_lines([case.frame], LATEST)
    assert json.loads(line) == tree


def test_time_of_a_body_is_read_when_it_is_a_timestamp() -> None:
    at = datetime(2026, 5, 9, 10, 0, 0, 250_000, tzinfo=UTC)
    [item], [line] = decode_bodies([msgspec.msgpack.encode({"kind": "call", "seq": 1, "at": at})], LATEST)
    assert item == Call(seq=1, at=at)
    assert json.loads(line)["at"] == "2026-05-09T10:00:00.250000Z"


def test_shallow_lines_are_not_counted_through_when_they_cannot_be_deep() -> None:
    # The shortest event that is one level too deep; the quick way must look at it.
    [item] = decode_lines([deep(JSON_DEPTH_MAX + 1)], LATEST)
    assert isinstance(item, Rejected)


def test_field_without_nul_is_accepted_when_only_its_text_looks_like_one() -> None:
    [item] = decode_lines([text(kind="call", words="\\u0000")], LATEST)
    assert isinstance(item, Call)
    assert item.words == "\\u0000"


@given(st.lists(st.binary(max_size=80)))
def test_any_lines_give_items_when_they_are_any_bytes(lines: list[bytes]) -> None:
    assert len(decode_lines(lines, LATEST)) == len(lines)
    items, texts = decode_bodies(lines, LATEST)
    assert len(items) == len(texts) == len(lines)
    assert all(storable(line) == line for line in texts)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text() | st.binary(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4) | st.integers(0, 9), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["kind", "seq", "at", "words", "fix", "x", "codes", "value"]), JSON))
def test_bodies_are_read_alike_when_quick_and_when_careful(fields: dict[str, object]) -> None:
    body = msgspec.msgpack.encode({"kind": "call", "seq": 1, "at": "2026-05-09T10:00:00Z", **fields})
    [alone], [line] = decode_bodies([body], LATEST)
    (among, broken), (same_line, _) = decode_bodies([body, b"\xc1"], LATEST)
    assert (among, same_line) == (alone, line)
    assert isinstance(broken, Rejected)
    if not isinstance(alone, Rejected):
        assert decode_lines([line], LATEST) == [alone]


@given(st.binary(max_size=40))
def test_stored_text_is_utf8_without_nul_when_raw_is_anything(raw: bytes) -> None:
    kept = storable(raw)
    assert "\0" not in kept.decode()
    assert storable(kept) == kept


HELLOS = [
    (b"", "$"),
    (b"\xff", "not valid UTF-8"),
    (b"[" * 2000, "nested deeper"),
    (b'{"kind":"hello"}', "$.protocol"),
    (b'{"kind":"hello","protocol":"p","token":"t","source":""}', "$.source"),
    # `a/b` with call `c` would be `a` with call `b/c`; a NUL would come back from PostgreSQL as another source.
    (b'{"kind":"hello","protocol":"p","token":"t","source":"a/b"}', "$.source"),
    (rb'{"kind":"hello","protocol":"p","token":"t","source":"a\u0000"}', "$.source"),
    (rb'{"kind":"hello","protocol":"p","token":"t","source":"a\n"}', "$.source"),
    (b'{"kind":"hello","protocol":"p","token":"t","source":"s","framing":"xml"}', "$.framing"),
    (b'{"kind":"hello","protocol":"p","token":"t","source":"s","first_seq":0}', "$.first_seq"),
    (b'{"kind":"call","protocol":"p","token":"t","source":"s"}', "$.kind"),
]


@pytest.mark.parametrize(("line", "text_part"), HELLOS)
def test_hello_is_refused_with_the_field_when_it_is_wrong(line: bytes, text_part: str) -> None:
    with pytest.raises(UnreadableHelloError) as caught:
        decode_hello(line)
    assert text_part in str(caught.value)


TEXT = st.text(max_size=20)
FROM_CENTRE: st.SearchStrategy[FromCentre] = st.one_of(
    st.builds(Ack, st.integers(0, 2**62)),
    st.just(Heartbeat()),
    st.builds(EventError, seq=st.none() | st.integers(1, 2**62), code=st.sampled_from(RejectCode), field=TEXT, text=TEXT),
    st.builds(Goodbye, reason=st.sampled_from(GoodbyeReason), text=TEXT, expected_seq=st.none() | st.integers(1, 2**62)),
    st.builds(
        Welcome,
        protocol=TEXT,
        session=TEXT,
        committed_seq=st.integers(0, 2**62),
        limits=st.builds(
            WelcomeLimits,
            frame_max_bytes=st.integers(1, 2**31),
            window_events=st.integers(1, 2**31),
            window_bytes=st.integers(1, 2**31),
            idle_timeout_s=st.floats(0, 1e6),
            events_per_s=st.none() | st.floats(0, 1e6),
        ),
    ),
)


@given(st.sampled_from(Framing), st.lists(FROM_CENTRE, max_size=5))
def test_centre_messages_come_back_when_encoded_and_decoded(framing: Framing, messages: list[FromCentre]) -> None:
    reader = LineReader(1 << 20) if framing is Framing.NDJSON else LengthReader(1 << 20)
    frames = reader.feed(encode(framing, messages))
    assert [decode_from_centre(framing, frame) for frame in frames] == messages


MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2026, 5, 9), timezones=st.just(UTC))  # noqa: DTZ001
WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
EVENTS = st.one_of(
    st.builds(
        Call,
        seq=st.integers(1, 2**62),
        at=MOMENTS,
        words=WORDS,
        fix=st.none() | st.builds(Fix, latitude_deg=st.floats(-90, 90), longitude_deg=st.floats(-180, 180)),
    ),
    st.builds(
        SensorReading,
        seq=st.integers(1, 2**62),
        at=MOMENTS,
        device=st.just("d"),
        quantity=st.just("q"),
        value=st.floats(allow_nan=False, allow_infinity=False),
    ),
)


@given(st.sampled_from(Framing), st.lists(EVENTS, max_size=5))
def test_events_come_back_when_encoded_and_decoded(framing: Framing, events: list[Call | SensorReading]) -> None:
    stream = encode(framing, events)
    latest = datetime(2026, 5, 9, tzinfo=UTC) + timedelta(days=1)
    if framing is Framing.NDJSON:
        assert decode_lines(LineReader(1 << 20).feed(stream), latest) == events
    else:
        assert decode_bodies(LengthReader(1 << 20).feed(stream), latest)[0] == events
