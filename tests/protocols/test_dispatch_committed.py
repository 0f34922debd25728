"""What is remembered for clients that resume: how far back, and how its bounds shorten the window."""

from __future__ import annotations

from protocols.dispatch.committed import Committed, HeldIncident, HeldNotice
from tests.protocols.dispatch_world import batch, crew, incident, notice, position


def committed(window: int = 100, closed_bytes: int = 100_000, notices_max: int = 100) -> Committed:
    return Committed(window, closed_bytes, notices_max)


def test_since_gives_each_item_once_in_the_order_of_its_last_change() -> None:
    state = committed()
    for batch_no, numbers in ((1, (1, 2, 3)), (2, (2,)), (3, (1, 4))):
        state.advance(batch(batch_no))
        for number in numbers:
            state.put_incident(incident(number, batch_no, created=batch_no == 1, closed=(number, batch_no) == (2, 2)))
    state.put_crew(crew("P-1"))
    state.put_position(position("P-1"))

    def numbers_since(cursor: int) -> list[int]:
        return [held.change.incident_id for held in state.since(cursor) if isinstance(held, HeldIncident)]

    assert numbers_since(0) == [3, 1, 4, 2]
    assert numbers_since(1) == [1, 4, 2]
    assert numbers_since(2) == [1, 4]
    assert len(state.since(2)) == 4
    assert state.since(3) == []


def test_closed_incidents_beyond_their_bound_shorten_the_window() -> None:
    state = committed(closed_bytes=3 * len(incident(1, closed=True).view))
    for batch_no in range(1, 6):
        state.advance(batch(batch_no))
        for version in (1, 2):
            # What is told of one that is closed already, a late note say, weighs no more than the first telling.
            state.put_incident(incident(batch_no, version, closed=True))
        state.forget()
    assert list(state.closed) == [3, 4, 5]
    # Whoever stands before batch 2 may hold what is forgotten; who stands at it has been told.
    assert state.window_start == 2


def test_notices_beyond_their_bound_shorten_the_window() -> None:
    state = committed(notices_max=2)
    for batch_no in range(1, 5):
        state.advance(batch(batch_no))
        state.put_incident(incident(1, batch_no))
        state.put_notice(notice(1, f"{batch_no}"))
        state.forget()
    assert state.window_start == 2
    assert [held.batch_no for held in state.since(2) if isinstance(held, HeldNotice)] == [3, 4]


def test_notice_about_an_unknown_incident_is_about_nothing() -> None:
    assert committed().put_notice(notice(9)) is None


def test_incident_that_was_forgotten_counts_as_held_by_everybody() -> None:
    state = committed()
    state.advance(batch(7))
    late, before = state.put_incident(incident(1, 9, created=False, closed=True))
    new, _ = state.put_incident(incident(2))
    assert before is None
    assert (late.first_batch, new.first_batch) == (0, 7)


def test_latest_position_is_encoded_anew() -> None:
    state = committed()
    held, before = state.put_position(position("P-1", 43.0))
    assert (before, b"43.0" in held.json) == (None, True)
    again, before = state.put_position(position("P-1", 44.0))
    assert again is held
    assert before is not None
    assert b"44.0" in held.json
