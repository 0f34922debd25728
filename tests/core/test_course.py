"""The course of an incident: what its certificate tells is what its log says, no more and no less."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.commands import AddNote, Close, Merge
from core.course import Course, TermEnd, course_of, digest
from core.facts import Noted
from core.identify import NumberKind
from core.incident import IllegalMoveError
from core.vocabulary import AssignmentState, IncidentState, TermKind
from tests.core.town import ACCEPT_S, CREW_S, EASTERN, ELSEWHERE, ON_SCENE_S, START_US, Town


def terms_of(course: Course) -> list[tuple[TermKind, str, TermEnd]]:
    return sorted(((term.kind, term.crew, term.end) for term in course.terms), key=lambda term: (term[0].value, term[1]))


def fight() -> tuple[Town, int]:
    """A fight told twice: the nearest crew lets its term pass, the next one goes, late, and the incident is closed."""
    town = Town()
    town.crew("P-1", "patrol")
    town.crew("P-2", "patrol", fix=ELSEWHERE)
    number = town.call("fight", phone="87010001122")
    town.call("fight")
    town.wait(ACCEPT_S)
    town.status("P-2", "accepted")
    town.wait(ON_SCENE_S)
    town.status("P-2", "on_scene")
    town.order(AddNote(command_id="n", incident=number, words="two injured"))
    town.status("P-2", "cleared")
    town.order(Close(command_id="c", incident=number, result="two detained"))
    return town, number


def test_course_tells_callers_crews_terms_and_result() -> None:
    town, number = fight()
    course = course_of(town.committed.entries(number))
    assert (course.incident_id, course.state, course.result) == (number, IncidentState.CLOSED, "two detained")
    assert (course.opened_us, course.closed_us) == (course.steps[0].at_us, course.steps[-1].at_us)
    assert course.opened_us >= START_US
    first, second = course.tellings
    assert first.joined.caller is not None
    assert (first.joined.caller.e164, first.joined.words, second.joined.words) == ("+77010001122", "fight", "fight")
    assert [(crew.crew, crew.state) for crew in course.crews] == [
        ("P-1", AssignmentState.EXPIRED),
        ("P-2", AssignmentState.CLEARED),
    ]
    assert terms_of(course) == [
        (TermKind.ACCEPT, "P-1", TermEnd.MISSED),
        (TermKind.ACCEPT, "P-2", TermEnd.KEPT),
        (TermKind.ON_SCENE, "P-2", TermEnd.MISSED),
        (TermKind.REVIEW, "", TermEnd.KEPT),
    ]
    assert [step.version for step in course.steps] == list(range(1, len(course.steps) + 1))
    assert any(step.fact == Noted("two injured") and step.actor == "operator:a" for step in course.steps)


def test_terms_of_an_incident_that_waits_run_on_and_end_when_it_is_served_or_merged() -> None:
    town = Town()
    waiting = town.call("fight")
    assert terms_of(course_of(town.committed.entries(waiting))) == [
        (TermKind.CREW, "", TermEnd.RUNNING),
        (TermKind.REVIEW, "", TermEnd.RUNNING),
    ]
    town.wait(CREW_S)
    town.crew("P-1", "patrol")
    other = town.call("fight", fix=EASTERN)
    town.crew("P-2", "patrol", fix=EASTERN)
    town.order(Merge(command_id="m", incident=other, into=waiting))
    assert terms_of(course_of(town.committed.entries(waiting)))[:2] == [
        (TermKind.ACCEPT, "P-1", TermEnd.RUNNING),
        (TermKind.ACCEPT, "P-2", TermEnd.RUNNING),
    ]
    assert terms_of(course_of(town.committed.entries(other))) == [
        (TermKind.ACCEPT, "P-2", TermEnd.VOID),
        (TermKind.CREW, "", TermEnd.KEPT),
        (TermKind.REVIEW, "", TermEnd.VOID),
    ]
    told = [telling.joined.event for telling in course_of(town.committed.entries(waiting)).tellings]
    assert len(told) == len(set(told)) == 2


def test_course_of_a_withheld_number_keeps_what_was_given() -> None:
    town = Town()
    number = town.call("fight", phone="anonymous")
    caller = course_of(town.committed.entries(number)).tellings[0].joined.caller
    assert caller is not None
    assert (caller.number_kind, caller.as_given) == (NumberKind.WITHHELD, "anonymous")


@given(st.data())
def test_digest_is_another_one_when_anything_in_the_log_is(data: st.DataObject) -> None:
    town, number = fight()
    log = town.committed.entries(number)
    at = data.draw(st.integers(0, len(log) - 1))
    field = data.draw(st.sampled_from(["version", "at_us", "fact", "actor", "cause", "body"]))
    value = getattr(log[at], field)
    other = value + 1 if isinstance(value, int) else value + type(value)(b" " if isinstance(value, bytes) else " ")
    changed = [*log[:at], msgspec.structs.replace(log[at], **{field: other}), *log[at + 1 :]]
    assert digest(changed) != digest(log) == course_of(log).sha256
    assert digest(log[:-1]) != digest(log)


def test_course_is_refused_when_the_log_has_a_gap_or_is_empty() -> None:
    town, number = fight()
    log = town.committed.entries(number)
    with pytest.raises(IllegalMoveError):
        course_of([log[0], *log[2:]])
    with pytest.raises(IllegalMoveError):
        course_of([])


def test_course_as_json_is_read_back_the_same() -> None:
    town, number = fight()
    course = course_of(town.committed.entries(number))
    assert msgspec.json.decode(msgspec.json.encode(course), type=Course) == course
