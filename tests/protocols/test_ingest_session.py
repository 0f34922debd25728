"""The session's rules: hello, sequence, window, rate, clocks, and that any division of any bytes is handled."""

from __future__ import annotations

from typing import NamedTuple

import msgspec
import pytest

from core.events import Rejected
from core.vocabulary import RejectCode
from protocols.ingest.message import (
    PROTOCOL,
    Ack,
    EventError,
    Goodbye,
    GoodbyeReason,
    Heartbeat,
    Welcome,
)
from protocols.ingest.session import IngestSession
from protocols.ingest.state import (
    MOVES,
    Close,
    Happening,
    Hold,
    PauseReading,
    ResumeReading,
    Send,
    SessionLimits,
    SessionState,
)
from tests.protocols.ingest_talk import AT, after, chunks, hello, plate, said, seqs, streaming, without_last_seq
from tests.protocols.small_centre import NOW_US

# Hello.


def test_welcome_tells_committed_seq_and_limits_when_the_hello_is_good() -> None:
    session, out = streaming(committed=41)
    [welcome] = said(out)
    assert isinstance(welcome, Welcome)
    assert (welcome.protocol, welcome.session, welcome.committed_seq) == (PROTOCOL, "cam/1", 41)
    assert welcome.limits.window_events == SessionLimits().window_events
    assert session.state is SessionState.STREAMING
    assert (session.source, session.last_seq) == ("cam", 41)


REFUSED_HELLOS = [
    (b"GET / HTTP/1.1\r\n", GoodbyeReason.BAD_HELLO),
    (b"\n", GoodbyeReason.BAD_HELLO),
    (hello(source=""), GoodbyeReason.BAD_HELLO),
    (hello(protocol="jedel-ingest/2"), GoodbyeReason.UNSUPPORTED_PROTOCOL),
    (b"x" * 4097, GoodbyeReason.BAD_HELLO),
    (hello(version="v" * 5000), GoodbyeReason.BAD_HELLO),
    (plate(1), GoodbyeReason.BAD_HELLO),
]


@pytest.mark.parametrize("step", [1, 1 << 20])
@pytest.mark.parametrize(("stream", "reason"), REFUSED_HELLOS)
def test_hello_is_refused_when_it_is_wrong(stream: bytes, reason: GoodbyeReason, step: int) -> None:
    session = IngestSession(NOW_US)
    out = [each for start in range(0, len(stream), step) for each in session.receive_data(stream[start : start + step], NOW_US)]
    [goodbye] = said(out)
    assert isinstance(goodbye, Goodbye)
    assert goodbye.reason is reason
    assert out[-1] == Close(reason)
    assert session.state is SessionState.CLOSED
    assert session.receive_data(hello(), NOW_US) == []


def test_goodbye_is_a_json_line_when_the_hello_asked_for_msgpack_and_is_refused() -> None:
    session = IngestSession(NOW_US)
    session.receive_data(hello(framing="msgpack"), NOW_US)
    [goodbye] = said(session.refuse(GoodbyeReason.UNAUTHORIZED, "no", NOW_US))
    assert isinstance(goodbye, Goodbye)


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_events_are_taken_when_they_come_with_the_hello(end: bytes) -> None:
    session = IngestSession(NOW_US)
    session.receive_data(hello().strip() + end + plate(1) + plate(2), NOW_US)
    assert seqs(session.welcome("s", 0, NOW_US)) == [1, 2]


def test_hello_and_event_are_taken_when_websocket_messages_end_them() -> None:
    session = IngestSession(NOW_US)
    session.receive_data(hello().strip(), NOW_US, ends_message=True)
    session.welcome("s", 0, NOW_US)
    assert seqs(session.receive_data(plate(1).strip(), NOW_US, ends_message=True)) == [1]
    together = IngestSession(NOW_US)
    together.receive_data(hello() + plate(1).strip(), NOW_US, ends_message=True)
    assert seqs(together.welcome("s", 0, NOW_US)) == [1]


# Sequence.


class SeqCase(NamedTuple):
    """Frames sent after a welcome with committed seq 10: `N` an event, `!N` an invalid one, `x` a malformed frame."""

    name: str
    frames: str
    taken: list[int | None]
    goodbye: GoodbyeReason | None = None
    expected: int | None = None


SEQ_CASES = [
    SeqCase("rising", "11 12 13", [11, 12, 13]),
    SeqCase("repeated before", "9 10 11", [11]),
    SeqCase("repeated behind", "11 12 11 12 13", [11, 12, 13]),
    SeqCase("only repeats", "1 2 3", []),
    SeqCase("gap at once", "12", [], GoodbyeReason.SEQ_GAP, 11),
    SeqCase("gap later", "11 13 14", [11], GoodbyeReason.SEQ_GAP, 12),
    SeqCase("noise", "11 x 12", [11, None, 12]),
    SeqCase("broken event", "11 x 13", [11, None, 13]),
    SeqCase("one of two broken", "11 x x 13", [11, None, None, 13]),
    SeqCase("two broken", "11 x x 14", [11, None, None, 14]),
    SeqCase("more skipped than malformed", "11 x x 15", [11, None, None], GoodbyeReason.SEQ_GAP, 12),
    SeqCase("a good frame ends the run", "x 11 13", [None, 11], GoodbyeReason.SEQ_GAP, 12),
    SeqCase("a repeat ends the run", "11 x 11 13", [11, None], GoodbyeReason.SEQ_GAP, 12),
    SeqCase("heartbeat does not end the run", "x h 12", [None, 12]),
    SeqCase("invalid event keeps its seq", "11 !12 13", [11, 12, 13]),
    SeqCase("invalid event repeated", "11 !11 !3 12", [11, 12]),
    SeqCase("invalid event skips", "!13", [], GoodbyeReason.SEQ_GAP, 11),
    SeqCase("invalid event ends the run", "x !12 14", [None, 12], GoodbyeReason.SEQ_GAP, 13),
    SeqCase("too many malformed", "x x x x 11", [None, None, None], GoodbyeReason.TOO_MANY_MALFORMED),
    SeqCase("nothing after a goodbye", "11 bye 12", [11]),
]


def render(word: str) -> bytes:
    if word == "x":
        return b"noise\n"
    if word == "h":
        return b'{"kind":"heartbeat"}\n'
    if word == "bye":
        return b'{"kind":"goodbye"}\n'
    if word.startswith("!"):
        return plate(int(word[1:]), confidence=2)
    return plate(int(word))


@pytest.mark.parametrize("apart", [False, True], ids=["one read", "a read a frame"])
@pytest.mark.parametrize("case", SEQ_CASES, ids=lambda case: case.name)
def test_sequence_is_kept_as_the_table_says(case: SeqCase, apart: bool) -> None:
    session, _ = streaming(committed=10, session_limits=SessionLimits(malformed_run_max=3))
    frames = [render(word) for word in case.frames.split()]
    reads = frames if apart else [b"".join(frames)]
    out = [each for read in reads for each in session.receive_data(read, NOW_US)]
    assert seqs(out) == case.taken
    goodbyes = [each for each in said(out) if isinstance(each, Goodbye)]
    if case.goodbye is None:
        assert goodbyes == []
        known = [seq for seq in case.taken if seq is not None]
        assert session.last_seq == max([10, *known])
    else:
        [goodbye] = goodbyes
        assert (goodbye.reason, goodbye.expected_seq) == (case.goodbye, case.expected)
        assert out[-1] == Close(case.goodbye)


def test_repeats_are_acknowledged_again_when_a_read_holds_nothing_else() -> None:
    session, _ = streaming(committed=10)
    assert said(session.receive_data(plate(9) + plate(10), NOW_US)) == [Ack(10)]


def test_lost_events_are_declared_when_the_hello_says_so() -> None:
    session, out = streaming(committed=10, first_seq=50)
    [chunk] = chunks(out)
    [lost] = chunk.items
    assert isinstance(lost, Rejected)
    assert (lost.seq, lost.code, chunk.last_seq) == (49, RejectCode.SEQ_DECLARED_LOST, 49)
    assert "11 to 49" in lost.text
    assert b"token" not in chunk.raws[0]
    assert seqs(session.receive_data(plate(50), NOW_US)) == [50]


@pytest.mark.parametrize("first_seq", [1, 10, 11])
def test_nothing_is_declared_lost_when_the_source_still_has_it_all(first_seq: int) -> None:
    session, out = streaming(committed=10, first_seq=first_seq)
    assert chunks(out) == []
    assert session.last_seq == 10


def test_sequence_goes_on_behind_what_an_earlier_connection_brought_when_that_is_committed() -> None:
    session, _ = streaming(committed=10)
    session.receive_data(plate(11), NOW_US)
    assert said(session.committed(20, [], NOW_US)) == [Ack(20)]
    assert seqs(session.receive_data(plate(12) + plate(21), NOW_US)) == [21]


# Acknowledgement, window, rate.


def test_errors_come_right_before_the_ack_when_events_were_rejected() -> None:
    session, _ = streaming()
    session.receive_data(plate(1) + plate(2, confidence=7) + b"noise\n", NOW_US)
    rejected = [
        Rejected(seq=2, code=RejectCode.INVALID_FIELD, field="$.confidence", text="t"),
        Rejected(seq=None, code=RejectCode.MALFORMED, field="$", text="u"),
    ]
    assert said(session.committed(2, rejected, NOW_US)) == [
        EventError(seq=2, code=RejectCode.INVALID_FIELD, field="$.confidence", text="t"),
        EventError(seq=None, code=RejectCode.MALFORMED, field="$", text="u"),
        Ack(2),
    ]


def test_chunk_says_whether_it_is_urgent_when_it_holds_a_call() -> None:
    session, _ = streaming()
    call = msgspec.json.encode({"kind": "call", "seq": 2, "at": AT}) + b"\n"
    [calm] = chunks(session.receive_data(plate(1), NOW_US))
    [urgent] = chunks(session.receive_data(call, NOW_US))
    [mixed] = chunks(session.receive_data(b"noise\n" + call.replace(b"2,", b"3,"), NOW_US))
    assert [calm.urgent, urgent.urgent, mixed.urgent] == [False, True, True]


@pytest.mark.parametrize("bounds", [SessionLimits(window_events=3), SessionLimits(window_bytes=len(plate(1)) * 2)])
def test_reading_stops_when_the_window_is_full_and_goes_on_when_it_is_committed(bounds: SessionLimits) -> None:
    session, _ = streaming(session_limits=bounds)
    assert PauseReading() not in session.receive_data(plate(1) + plate(2), NOW_US)
    assert PauseReading() in session.receive_data(plate(3), NOW_US)
    assert session.unacknowledged_events == 3
    out = session.committed(2, [], NOW_US)
    assert out[-1] == ResumeReading()
    assert session.unacknowledged_events == 1


def test_reading_goes_on_only_when_every_reason_is_gone() -> None:
    session, _ = streaming(session_limits=SessionLimits(window_events=1))
    assert session.hold(Hold.INLET, NOW_US) == [PauseReading()]
    assert PauseReading() not in session.receive_data(plate(1), NOW_US)
    assert ResumeReading() not in session.committed(1, [], NOW_US)
    assert session.release(Hold.INLET, NOW_US) == [ResumeReading()]
    assert session.release(Hold.INLET, NOW_US) == []


def test_source_is_slowed_and_not_dropped_when_it_exceeds_its_rate() -> None:
    session, _ = streaming(session_limits=SessionLimits(events_per_s=2.0))
    out = session.receive_data(b"".join(plate(seq) for seq in range(1, 7)), NOW_US)
    assert seqs(out) == [1, 2, 3, 4, 5, 6]
    assert out[-1] == PauseReading()
    wake_us = session.wake_us
    assert wake_us is not None
    assert after(1.99) < wake_us < after(2.01)
    assert session.tick(after(1.9)) == []
    assert session.tick(wake_us) == [ResumeReading()]
    assert session.wake_us is None


# Clocks.


def test_connection_is_closed_when_no_hello_comes_in_time() -> None:
    session = IngestSession(NOW_US)
    session.receive_data(b'{"kind":', after(9))
    assert session.tick(after(9.9)) == []
    out = session.tick(after(10.1))
    assert out[-1] == Close(GoodbyeReason.HELLO_TIMEOUT)


def test_heartbeat_is_sent_when_nothing_else_was() -> None:
    session, _ = streaming()
    assert session.tick(after(19.9)) == []
    assert said(session.tick(after(20))) == [Heartbeat()]
    assert session.tick(after(39)) == []


def test_idle_source_is_let_go_when_not_even_a_heartbeat_comes() -> None:
    session, _ = streaming()
    assert session.receive_data(b'{"kind":"heartbeat"}\n', after(50)) == []
    assert Close(GoodbyeReason.IDLE_TIMEOUT) not in session.tick(after(109))
    assert session.tick(after(111))[-1] == Close(GoodbyeReason.IDLE_TIMEOUT)


def test_silence_is_forgiven_when_the_centre_did_not_listen() -> None:
    session, _ = streaming()
    session.hold(Hold.INLET, after(1))
    assert Close(GoodbyeReason.IDLE_TIMEOUT) not in session.tick(after(100))
    session.release(Hold.INLET, after(101))
    assert Close(GoodbyeReason.IDLE_TIMEOUT) not in session.tick(after(160))
    assert session.tick(after(162))[-1] == Close(GoodbyeReason.IDLE_TIMEOUT)


def test_peer_is_cut_when_it_never_reads() -> None:
    session, _ = streaming()
    assert session.hold(Hold.WRITE, after(1)) == [PauseReading()]
    assert session.tick(after(60)) == []
    assert session.tick(after(62)) == [Close(GoodbyeReason.NOT_READING, at_once=True)]


def test_peer_is_kept_when_it_reads_again() -> None:
    session, _ = streaming()
    session.hold(Hold.WRITE, after(1))
    assert session.release(Hold.WRITE, after(50)) == [ResumeReading()]
    assert session.tick(after(62))[-1:] == [Send(b'{"kind":"heartbeat"}\n')]


# The end.


def test_session_drains_when_the_centre_shuts_down() -> None:
    session, _ = streaming()
    session.receive_data(plate(1), NOW_US)
    assert session.drain(GoodbyeReason.DRAINING, NOW_US) == []
    assert session.state is SessionState.DRAINING
    assert session.receive_data(plate(2), NOW_US) == []
    out = session.committed(1, [], NOW_US)
    frames = said(out)
    assert frames[0] == Ack(1)
    assert isinstance(frames[1], Goodbye)
    assert frames[1].reason is GoodbyeReason.DRAINING
    assert out[-1] == Close(GoodbyeReason.DRAINING)


@pytest.mark.parametrize("eof", [False, True], ids=["goodbye", "end of stream"])
def test_source_gets_its_last_acks_when_it_leaves(eof: bool) -> None:
    session, _ = streaming()
    stream = plate(1) + (plate(2)[:20] if eof else b'{"kind":"goodbye"}\n')
    assert seqs(session.receive_data(stream, NOW_US)) == [1]
    if eof:
        assert session.receive_eof(NOW_US) == []
    out = session.committed(1, [], NOW_US)
    assert without_last_seq(said(out)) == ["Ack", "Goodbye"]
    assert out[-1] == Close(GoodbyeReason.FINISHED)


def test_oversized_frame_ends_the_stream_when_those_before_it_are_taken() -> None:
    session, _ = streaming(session_limits=SessionLimits(frame_max_bytes=200))
    out = session.receive_data(plate(1) + b"x" * 201, NOW_US)
    assert seqs(out) == [1]
    assert out[-1] == Close(GoodbyeReason.FRAME_TOO_LARGE)
    binary, _ = streaming(framing="msgpack")
    assert binary.receive_data((1 << 30).to_bytes(4, "big"), NOW_US)[-1] == Close(GoodbyeReason.FRAME_TOO_LARGE)


CALLS = [
    ("drain", lambda session: session.drain(GoodbyeReason.DRAINING, NOW_US), Happening.CENTRE_DRAINS),
    ("eof", lambda session: session.receive_eof(NOW_US), Happening.SOURCE_LEFT),
    ("refuse", lambda session: session.refuse(GoodbyeReason.SUPERSEDED, "", NOW_US), Happening.REFUSED),
    ("disconnected", lambda session: session.disconnected(), Happening.DISCONNECTED),
]


@pytest.mark.parametrize("state", SessionState)
@pytest.mark.parametrize(("name", "call", "happening"), CALLS, ids=[call[0] for call in CALLS])
def test_state_moves_as_the_table_says_when_something_is_in_flight(state, name, call, happening) -> None:  # type: ignore[no-untyped-def]
    session = IngestSession(NOW_US)
    if state is not SessionState.AWAITING_HELLO:
        session, _ = streaming()
        session.receive_data(plate(1), NOW_US)
    if state is SessionState.DRAINING:
        session.drain(GoodbyeReason.DRAINING, NOW_US)
    if state is SessionState.CLOSED:
        session.disconnected()
    assert session.state is state
    out = call(session)
    expected = MOVES[state].get(happening, state)
    if state is SessionState.AWAITING_HELLO and name == "drain":
        assert isinstance(out[-1], Close)
    assert session.state is expected


def test_nothing_happens_in_a_final_state() -> None:
    assert MOVES[SessionState.CLOSED] == {}
    session, _ = streaming()
    session.disconnected()
    assert session.receive_data(plate(1), NOW_US) == []
    assert session.committed(1, [], NOW_US) == []
    assert session.tick(after(1000)) == []
    assert session.welcome("s", 0, NOW_US) == []


# Any division, any bytes.
