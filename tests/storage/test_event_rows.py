"""A batch's events as rows: what is stored, and that both forms of a row are the same."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from core.decisions import Taken
from core.events import (
    Alarm,
    AnyEvent,
    Call,
    CallUpdate,
    Chunk,
    CrewStatus,
    PlateRead,
    Position,
    Rejected,
    SensorReading,
    VideoEvent,
)
from core.vocabulary import IncidentId, RejectCode
from storage import tables
from storage.copy_binary import HEADER, TRAILER, Row
from storage.event_rows import PIECE_EVENTS, event_rows, pack_events, rejected_rows, subject_of
from tests.storage import samples

START = datetime(2000, 1, 1, tzinfo=UTC)
AT = st.integers(0, 100 * 365 * 86_400 * 10**6).map(lambda us: START + timedelta(microseconds=us))
KEY = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
SEQ = st.integers(1, 2**62)
PLATE: st.SearchStrategy[AnyEvent | Rejected] = st.builds(PlateRead, seq=SEQ, at=AT, camera=KEY, plate=KEY)
EVENT: st.SearchStrategy[AnyEvent | Rejected] = st.one_of(
    PLATE,
    st.builds(Call, seq=SEQ, at=AT, phone=KEY, call_id=KEY),
    st.builds(CallUpdate, seq=SEQ, at=AT, call_id=KEY),
    st.builds(Alarm, seq=SEQ, at=AT, device=KEY, alarm=st.just("fire")),
    st.builds(SensorReading, seq=SEQ, at=AT, device=KEY, quantity=KEY, value=st.just(1.0)),
    st.builds(VideoEvent, seq=SEQ, at=AT, camera=KEY, analytic=KEY),
    st.builds(Position, seq=SEQ, at=AT, crew=KEY, latitude_deg=st.just(1.0), longitude_deg=st.just(2.0)),
    st.builds(CrewStatus, seq=SEQ, at=AT, crew=KEY, status=st.just("free")),
    st.builds(Rejected, seq=st.none() | SEQ, code=st.just(RejectCode.MALFORMED), field=KEY, text=KEY),
)
REFUSED = Rejected(1, RejectCode.UNKNOWN_CREW, "$.crew", "unknown")


@st.composite
def any_taken(draw: st.DrawFn) -> Taken:
    kinds = draw(st.sampled_from([EVENT, PLATE]))
    items = draw(st.lists(kinds, max_size=12))
    numbers = st.integers(0, 11)
    chunk = Chunk(draw(KEY), samples.NOW, items, [draw(st.binary(max_size=30)) for _ in items], 0, urgent=False)
    return Taken(
        chunk,
        draw(st.integers(0, len(items))),
        draw(st.dictionaries(numbers, st.integers(1, 2**62).map(IncidentId), max_size=3)),
        draw(st.dictionaries(numbers.filter(lambda number: number < len(items)), st.just(REFUSED), max_size=2))
        if items
        else {},
    )


def packed(taken: list[Taken]) -> bytes:
    return b"".join((HEADER, *pack_events(taken), TRAILER))


def fields_of(data: bytes) -> list[tuple[bytes | None, ...]]:
    """The rows of a COPY input, each as the bytes of its fields."""
    rows = []
    at = len(HEADER)
    assert data.startswith(HEADER)
    while (count := int.from_bytes(data[at : at + 2], "big", signed=True)) != -1:
        at += 2
        row: list[bytes | None] = []
        for _ in range(count):
            length = int.from_bytes(data[at : at + 4], "big", signed=True)
            at += 4
            row.append(None if length == -1 else data[at : at + length])
            at += max(length, 0)
        rows.append(tuple(row))
    assert data[at:] == TRAILER
    return sorted(rows, key=repr)


@settings(max_examples=60, deadline=None)
@given(st.lists(any_taken(), max_size=3))
def test_pack_events_gives_the_bytes_of_the_tuples(taken: list[Taken]) -> None:
    assert fields_of(packed(taken)) == fields_of(tables.EVENT.encode(event_rows(taken)))


@settings(max_examples=60, deadline=None)
@given(st.lists(any_taken(), max_size=3))
def test_every_new_item_is_stored_once_or_is_a_position(taken: list[Taken]) -> None:
    for one in taken:
        new = len(one.chunk.items) - one.skip
        positions = sum(
            type(item) is Position and number not in one.rejected and number >= one.skip
            for number, item in enumerate(one.chunk.items)
        )
        assert len(event_rows([one])) + len(rejected_rows([one], 1)) + positions == new


def test_pack_events_makes_one_piece_of_so_many_events() -> None:
    raws = [samples.plate(seq) for seq in range(1, 2 * PIECE_EVENTS + 2)]
    chunk = samples.taken(raws)
    assert len(list(pack_events([chunk]))) == 3
    assert packed([chunk]) == tables.EVENT.encode(event_rows([chunk]))


def test_pack_events_keeps_the_microsecond_when_instants_go_through_doubles() -> None:
    start = datetime(2026, 7, 3, 12, 59, 59, 999_000, tzinfo=UTC)
    items: list[AnyEvent | Rejected] = [
        PlateRead(seq=n + 1, at=start + timedelta(microseconds=n), camera="c", plate="p") for n in range(2_000)
    ]
    one = Taken(Chunk("s", samples.NOW, items, [b"{}"] * len(items), 1, urgent=False), 0, {}, {})
    assert packed([one]) == tables.EVENT.encode(event_rows([one]))


def test_subject_of_says_what_an_event_is_about() -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    cases: list[tuple[AnyEvent, str]] = [
        (Call(seq=1, at=at, phone="102", call_id="x"), "102"),
        (Call(seq=1, at=at, call_id="x"), "x"),
        (CallUpdate(seq=1, at=at, call_id="x"), "x"),
        (Alarm(seq=1, at=at, device="d", alarm="fire"), "d"),
        (SensorReading(seq=1, at=at, device="d", quantity="q", value=1.0), "d"),
        (PlateRead(seq=1, at=at, camera="c", plate="p"), "p"),
        (VideoEvent(seq=1, at=at, camera="c", analytic="smoke"), "c"),
        (CrewStatus(seq=1, at=at, crew="A-1", status="free"), "A-1"),
    ]
    for event, subject in cases:
        assert subject_of(event) == subject


def test_rejected_rows_keep_the_bytes_of_what_the_codec_and_the_engine_refused() -> None:
    malformed = Rejected(None, RejectCode.MALFORMED, "$", "not JSON")
    chunk = samples.taken(
        [b"\xff", samples.plate(1), samples.position(2)], rejected={2: REFUSED}, refused_by_codec={0: malformed}
    )
    rows: list[Row] = rejected_rows([chunk], 9)
    assert rows == [
        (samples.NOW, "cams", None, 9, "malformed", "$", "not JSON", b"\xff"),
        (samples.NOW, "cams", 1, 9, "unknown_crew", "$.crew", "unknown", samples.position(2)),
    ]
