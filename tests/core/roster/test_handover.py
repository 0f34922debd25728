"""The act of handover, from what the engine knows."""

from __future__ import annotations

from core.facts import CategoryReason, CorrelateReason, CrewAssigned, Explanation, Joined, Opened
from core.incident import Incident, apply
from core.instant import Micros
from core.roster.fact import Mark
from core.roster.handover import Act, CrewOn, RunningTerm, crews_out, decode_act, encode_act, open_incident
from core.roster.model import Person, roster_of
from core.vocabulary import AssignmentId, AssignReason, CategoryCode, CrewId, IncidentId
from tests.core.roster.samples import at, shift


def incident() -> Incident:
    """An incident with a crew on its way to it."""
    made = Incident(incident_id=IncidentId(7), opened_us=at(8), updated_us=at(8), told_us=at(8))
    joined = Joined("tel/1", "call", CorrelateReason.FIRST)
    opened = Opened(CategoryCode("fire"), CategoryReason.WORDS, 2, "kz/almaty", "aida", ("fire",), at(12), joined)
    apply(made, opened, at(8), "source:tel")
    explained = Explanation(AssignReason.NEAREST_CAPABLE, 10.0, ())
    apply(made, CrewAssigned(AssignmentId(1), "F-1", "fire", explained, at(9)), at(8), "engine")
    return made


def test_open_incident_has_owner_crews_and_the_terms_that_run_in_order() -> None:
    told = open_incident(incident())
    assert (told.incident_id, told.version, told.state, told.category, told.priority) == (7, 2, "assigned", "fire", 2)
    assert (told.owner, told.territory, told.opened_us) == ("aida", "kz/almaty", at(8))
    assert told.crews == (CrewOn("F-1", "offered"),)
    assert told.terms == (RunningTerm("accept", at(9), "F-1"), RunningTerm("review", at(12), ""))


def test_crews_out_are_those_that_are_not_simply_free_on_their_shift() -> None:
    marks = [
        Mark(CrewId(crew), at(8), state, "kz", on)
        for crew, state, on in (
            ("B-1", "en_route", 7),
            ("A-1", "free", None),
            ("A-2", "free", None),
            ("A-3", "off_duty", None),
            ("A-4", "out_of_service", None),
        )
    ]
    roster = roster_of([shift("A-1", 8, 20), shift("A-4", 8, 20), shift("A-2", 0, 8), shift("B-1", 8, 19)], [])
    out = crews_out(marks, roster, at(10))
    assert [(one.crew, one.state, one.incident_id, one.planned_until_us) for one in out] == [
        ("A-2", "free", None, None),  # its shift is over, and it is still there
        ("A-4", "out_of_service", None, at(20)),
        ("B-1", "en_route", 7, at(19)),
    ]


def test_act_is_kept_and_read_back_as_it_was() -> None:
    roster = roster_of([shift("F-1", 8, 20)], [])
    marks = [Mark(CrewId("F-1"), Micros(at(8)), "assigned", "kz", 7)]
    act = Act(
        at_us=at(10),
        territory="kz",
        from_person=Person("Ахметов", "17"),
        to_person=Person("Серік"),
        batch_no=3,
        incidents=(open_incident(incident()),),
        incident_count=1,
        crews_out=crews_out(marks, roster, at(10)),
        notices=(),
        notice_count=0,
    )
    assert decode_act(encode_act(act)) == act
