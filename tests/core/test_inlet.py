"""The inlet: a source's order is kept, urgent sources go first and in turn, and the room is counted."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from core.commands import AddNote, Order
from core.events import Call, Chunk, PlateRead
from core.inlet import Inlet
from core.instant import Micros, to_datetime
from core.limits import URGENT_WEIGHT
from tests.core.town import START_US

AT = to_datetime(START_US)


def piece(source: str, seq: int, *, urgent: bool = False, items: int = 1) -> Chunk:
    event = Call(seq=seq, at=AT) if urgent else PlateRead(seq=seq, at=AT, camera="c", plate="A1")
    return Chunk(source, Micros(START_US), [event] * items, [b"x" * 10] * items, seq, urgent)


def taken(inlet: Inlet, max_events: int) -> list[tuple[str, int]]:
    return [(one.source, one.last_seq) for one in inlet.take(max_events)[0]]


def test_take_when_a_call_waits_behind_reads_takes_its_source_up_to_it_first() -> None:
    inlet = Inlet()
    for one in (piece("a", 1), piece("b", 1), piece("b", 2, urgent=True), piece("b", 3), piece("a", 2)):
        inlet.offer(one)
    assert taken(inlet, 2) == [("b", 1), ("b", 2)]
    assert taken(inlet, 9) == [("a", 1), ("a", 2), ("b", 3)]
    assert not inlet


def test_take_when_one_source_has_endless_calls_serves_the_other_in_turn() -> None:
    inlet = Inlet()
    for seq in range(1, 4):
        inlet.offer(piece("a", seq, urgent=True))
    inlet.offer(piece("b", 1, urgent=True))
    assert [taken(inlet, 1) for _ in range(4)] == [[("a", 1)], [("b", 1)], [("a", 2)], [("a", 3)]]


def test_take_when_sources_are_not_urgent_serves_them_in_turn() -> None:
    inlet = Inlet()
    for seq in range(1, 3):
        inlet.offer(piece("a", seq))
        inlet.offer(piece("b", seq))
    assert [taken(inlet, 1) for _ in range(4)] == [[("a", 1)], [("b", 1)], [("a", 2)], [("b", 2)]]


def test_take_when_calls_wait_takes_fewer_of_them_than_of_reads() -> None:
    inlet = Inlet()
    for seq in range(1, 5):
        inlet.offer(piece("calls", seq, urgent=True, items=10))
        inlet.offer(piece("reads", seq, items=10))
    assert taken(inlet, 20 * URGENT_WEIGHT) == [("calls", 1), ("calls", 2)]
    assert taken(inlet, 20 * URGENT_WEIGHT + 20) == [("calls", 3), ("calls", 4), ("reads", 1), ("reads", 2)]


def test_has_room_when_bytes_wait_counts_them() -> None:
    inlet = Inlet(capacity_bytes=20)
    inlet.offer(piece("a", 1))
    assert (inlet.has_room, inlet.held_bytes) == (True, 10)
    inlet.offer(piece("b", 1))
    assert (inlet.has_room, inlet.held_of("a")) == (False, 10)
    inlet.forget("a")
    assert (inlet.has_room, inlet.held_bytes) == (True, 10)
    inlet.take()
    assert (inlet.held_bytes, bool(inlet)) == (0, False)


def test_take_when_orders_wait_gives_all_of_them_once() -> None:
    inlet = Inlet()
    order = Order("operator:a", AddNote(command_id="1", incident=1, words="x"))
    inlet.order(order)
    assert inlet
    assert inlet.take() == ([], [order])
    assert not inlet


OFFER = st.tuples(st.sampled_from("abc"), st.booleans(), st.integers(1, 3))


@given(st.lists(st.one_of(OFFER, st.integers(1, 6)), max_size=40))
def test_take_when_offered_anything_keeps_each_sources_order_and_every_chunk(steps: list[tuple[str, bool, int] | int]) -> None:
    inlet, seqs = Inlet(), {"a": 0, "b": 0, "c": 0}
    got: dict[str, list[int]] = {"a": [], "b": [], "c": []}
    waiting: list[Chunk] = []
    for step in [*steps, 1_000]:
        if isinstance(step, int):
            urgent = {one.source for one in waiting if one.urgent}
            chunks, _ = inlet.take(step)
            budget = step
            for one in chunks:
                assert budget > 0, "no more than the last whole chunk"
                budget -= len(one.items)
                got[one.source].append(one.last_seq)
                waiting.remove(one)
            if any(one.urgent for one in waiting):
                assert {one.source for one in chunks} <= urgent, "calls are not left behind for anything else"
        else:
            source, is_urgent, items = step
            seqs[source] += 1
            one = piece(source, seqs[source], urgent=is_urgent, items=items)
            inlet.offer(one)
            waiting.append(one)
        assert inlet.held_bytes == sum(10 * len(one.items) for one in waiting)
    assert got == {source: list(range(1, last + 1)) for source, last in seqs.items()}
