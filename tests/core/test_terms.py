"""Running terms: deadlines come up in order, once, only when they have come, and not when their terms have ended."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from core.incident import Incident
from core.incident_terms import Term
from core.instant import Micros
from core.terms import RunningTerms, due_terms
from core.vocabulary import AssignmentId, IncidentId, TermKind

DEADLINES = st.lists(st.tuples(st.integers(0, 50), st.integers(1, 5)))


@given(DEADLINES, DEADLINES, st.lists(st.integers(0, 99)))
def test_first_due_when_terms_began_and_ended_gives_what_still_runs_in_order(
    recovered: list[tuple[int, int]], started: list[tuple[int, int]], ended: list[int]
) -> None:
    running = RunningTerms()
    running.watch_many([(Micros(due_us), IncidentId(number)) for due_us, number in recovered])
    for due_us, number in started:
        running.watch(IncidentId(number), Micros(due_us))
    expected = sorted(recovered + started)
    for place in ended:
        if place < len(expected):
            due_us, number = expected.pop(place)
            running.forget(IncidentId(number), Micros(due_us))
    # A term that has ended holds no memory.
    assert len(running) == len(expected)
    assert running.next_due_us == (expected[0][0] if expected else None)
    for now_us in (10, 30, 50):
        came: list[tuple[int, int]] = []
        while (one := running.first_due(Micros(now_us))) is not None:
            came.append(one)
            running.forget(one[1], one[0])
        assert came == [one for one in expected if one[0] <= now_us]
        expected = [one for one in expected if one[0] > now_us]


def test_due_terms_when_some_have_passed_are_the_earliest_first() -> None:
    incident = Incident(incident_id=IncidentId(1), opened_us=Micros(0), updated_us=Micros(0), told_us=Micros(0))
    late, early = Term(TermKind.REVIEW, Micros(20)), Term(TermKind.ACCEPT, Micros(10), AssignmentId(1))
    incident.terms = [late, early, Term(TermKind.CREW, Micros(30))]
    assert due_terms(incident, Micros(20)) == [early, late]
    assert due_terms(incident, Micros(9)) == []
