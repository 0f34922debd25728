"""The incident: its tables of moves, what each fact does, which facts cannot be, bounded views, and folding."""

from __future__ import annotations

import msgspec
import pytest

from core import limits
from core.decisions import LogEntry
from core.facts import (
    Absorbed,
    AssignmentEnded,
    AssignmentMoved,
    CategoryReason,
    Closed,
    CorrelateReason,
    CrewAssigned,
    EventJoined,
    EventsLeft,
    Evidence,
    Explanation,
    Fact,
    Joined,
    MergedInto,
    Noted,
    Opened,
    PrioritySet,
    Queued,
    Recategorised,
    TermFired,
)
from core.incident import (
    ACTIVE,
    ASSIGNMENT_MOVES,
    FINAL,
    MOVES,
    REFUSED,
    IllegalMoveError,
    Incident,
    apply,
    encode_fact,
    encode_incident,
    fold,
    renew,
)
from core.instant import Micros
from core.vocabulary import (
    AssignmentId,
    AssignmentState,
    AssignReason,
    CategoryCode,
    IncidentId,
    IncidentState,
    LocationSource,
    TermKind,
)
from tests.core.town import Town

A = AssignmentState
S = IncidentState
WHY = Explanation(AssignReason.NEAREST_CAPABLE, 120.0, ())


def place(source: LocationSource = LocationSource.GIVEN, latitude_deg: float = 43.0, accuracy_m: float = 10.0) -> Evidence:
    return Evidence(source, latitude_deg, 76.0, accuracy_m)


def joined(event: str = "s/1", *evidence: Evidence) -> Joined:
    return Joined(event=event, kind="call", reason=CorrelateReason.FIRST, evidence=evidence)


def opened(needs: tuple[str, ...] = ("patrol",)) -> Opened:
    code = CategoryCode("assault")
    return Opened(code, CategoryReason.WORDS, 2, "kz/town", "desk:kz/town", needs, Micros(3_600), joined("s/1", place()))


def assigned(number: int = 1, capability: str = "patrol") -> CrewAssigned:
    return CrewAssigned(AssignmentId(number), f"P-{number}", capability, WHY, Micros(60))


def moved(to: AssignmentState, number: int = 1, due_us: int | None = None) -> AssignmentMoved:
    return AssignmentMoved(AssignmentId(number), to, None if due_us is None else Micros(due_us))


def ended(to: AssignmentState, number: int = 1) -> AssignmentEnded:
    return AssignmentEnded(AssignmentId(number), to, "")


def queued(capability: str = "patrol") -> Queued:
    return Queued(capability, Micros(30), ())


def incident(*facts: Fact, needs: tuple[str, ...] = ("patrol",)) -> Incident:
    new = Incident(incident_id=IncidentId(1), opened_us=Micros(0), updated_us=Micros(0), told_us=Micros(0))
    for at_us, fact in enumerate((opened(needs), *facts)):
        apply(new, fact, Micros(at_us), "engine")
    return new


def test_moves_when_read_name_every_state_and_the_final_ones_have_none() -> None:
    assert set(MOVES) == set(IncidentState)
    assert {state for state, targets in MOVES.items() if not targets} == FINAL == {S.CLOSED, S.MERGED}
    for state, targets in MOVES.items():
        assert state not in targets
        assert state in FINAL or targets >= FINAL, f"an open incident can always end, {state} cannot"
    reached = set().union(*MOVES.values()) | {S.OPENED}
    assert reached == set(IncidentState)


def test_assignment_moves_when_read_end_where_they_are_final() -> None:
    assert set(ASSIGNMENT_MOVES) == set(AssignmentState)
    assert {state for state, targets in ASSIGNMENT_MOVES.items() if not targets} == REFUSED | {A.CLEARED}
    assert set(ASSIGNMENT_MOVES) - ACTIVE == REFUSED | {A.CLEARED}
    for state in ACTIVE:
        assert A.WITHDRAWN in ASSIGNMENT_MOVES[state], "a dispatcher can withdraw a crew at any time"


STEPS_TO: dict[AssignmentState, tuple[Fact, ...]] = {
    A.OFFERED: (),
    A.ACCEPTED: (moved(A.ACCEPTED),),
    A.EN_ROUTE: (moved(A.EN_ROUTE),),
    A.ON_SCENE: (moved(A.ON_SCENE),),
    A.CLEARED: (moved(A.ON_SCENE), moved(A.CLEARED)),
    A.DECLINED: (ended(A.DECLINED),),
    A.EXPIRED: (ended(A.EXPIRED),),
    A.WITHDRAWN: (ended(A.WITHDRAWN),),
}
"""Assignment state → facts that lead there."""


@pytest.mark.parametrize("state", AssignmentState)
@pytest.mark.parametrize("to", [to for to in AssignmentState if to is not A.OFFERED])
def test_assignment_when_moved_obeys_the_table(state: AssignmentState, to: AssignmentState) -> None:
    known = incident(assigned(), *STEPS_TO[state])
    assert known.assignments[0].state is state
    fact = ended(to) if to in REFUSED else moved(to)
    if to in ASSIGNMENT_MOVES[state]:
        apply(known, fact, Micros(9), "engine")
        assert known.assignments[0].state is to
        assert (known.active("P-1") is not None) is (to in ACTIVE)
    else:
        with pytest.raises(IllegalMoveError, match=f"assignment 1 is {state.value}, not to {to.value}"):
            apply(known, fact, Micros(9), "engine")


@pytest.mark.parametrize(
    ("needs", "facts", "state"),
    [
        (("patrol",), (), S.OPENED),
        (("patrol",), (queued(),), S.QUEUED),
        (("patrol",), (queued(), assigned()), S.ASSIGNED),
        (("patrol",), (assigned(), moved(A.ACCEPTED)), S.ASSIGNED),
        (("patrol",), (assigned(), moved(A.EN_ROUTE)), S.EN_ROUTE),
        (("patrol",), (assigned(), moved(A.ON_SCENE)), S.ON_SCENE),
        (("patrol",), (assigned(), moved(A.ON_SCENE), moved(A.CLEARED)), S.CLEARED),
        (("patrol",), (assigned(), ended(A.DECLINED)), S.QUEUED),
        ((), (assigned(), ended(A.WITHDRAWN)), S.OPENED),
        (("patrol",) * 2, (assigned(1), assigned(2), moved(A.ON_SCENE, 2), moved(A.EN_ROUTE, 1)), S.ON_SCENE),
        (("patrol",) * 2, (assigned(1), moved(A.ON_SCENE), moved(A.CLEARED)), S.QUEUED),
        (("patrol",) * 2, (assigned(1), assigned(2), moved(A.ON_SCENE, 2), moved(A.CLEARED, 2)), S.ASSIGNED),
        (("patrol",), (assigned(), Closed("x")), None),
        (("patrol",), (Closed("false alarm"),), S.CLOSED),
        (("patrol",), (MergedInto(IncidentId(2)),), S.MERGED),
    ],
)
def test_state_when_facts_follow(needs: tuple[str, ...], facts: tuple[Fact, ...], state: IncidentState | None) -> None:
    if state is None:
        with pytest.raises(IllegalMoveError, match="crews are still on it"):
            incident(*facts, needs=needs)
    else:
        assert incident(*facts, needs=needs).state is state


@pytest.mark.parametrize("end", [Closed("over"), MergedInto(IncidentId(2))])
@pytest.mark.parametrize("fact", [queued(), assigned(), Noted("x"), PrioritySet(1), Closed("again")])
def test_apply_when_incident_is_final_tells_the_story(end: Fact, fact: Fact) -> None:
    known = incident(end)
    with pytest.raises(IllegalMoveError, match=f"incident 1 is {known.state.value}: {type(fact).__name__} cannot follow"):
        apply(known, fact, Micros(9), "engine")
    assert (known.version, known.terms, known.closed_us) == (2, [], 1)


def kinds(known: Incident) -> list[tuple[str, int | None]]:
    return [(term.kind.value, term.assignment_id) for term in known.terms]


@pytest.mark.parametrize(
    ("facts", "terms"),
    [
        ((), [("review", None)]),
        ((queued(),), [("review", None), ("crew", None)]),
        ((queued(), queued()), [("review", None), ("crew", None)]),
        ((queued(), assigned()), [("review", None), ("accept", 1)]),
        ((assigned(), moved(A.ACCEPTED, due_us=900)), [("review", None), ("on_scene", 1)]),
        ((assigned(), moved(A.ACCEPTED, due_us=900), moved(A.EN_ROUTE)), [("review", None), ("on_scene", 1)]),
        ((assigned(), moved(A.EN_ROUTE, due_us=900)), [("review", None), ("on_scene", 1)]),
        ((assigned(), moved(A.ACCEPTED, due_us=900), moved(A.ON_SCENE)), [("review", None)]),
        ((assigned(), ended(A.EXPIRED)), [("review", None)]),
        ((queued(), TermFired(TermKind.CREW, None, Micros(30), "shift_lead", None)), [("review", None)]),
        ((TermFired(TermKind.REVIEW, None, Micros(3_600), "shift_lead", Micros(7_200)),), [("review", None)]),
    ],
)
def test_terms_when_facts_follow(facts: tuple[Fact, ...], terms: list[tuple[str, int | None]]) -> None:
    assert kinds(incident(*facts)) == terms


def test_terms_when_one_need_of_two_is_met_still_wait_for_the_other() -> None:
    assert kinds(incident(queued(), assigned(), needs=("patrol", "fire"))) == [("review", None), ("crew", None), ("accept", 1)]


@pytest.mark.parametrize(
    ("needs", "facts", "unmet"),
    [
        (("fire", "fire", "ambulance"), (), ["fire", "fire", "ambulance"]),
        (("fire", "fire", "ambulance"), (assigned(1, "fire"),), ["fire", "ambulance"]),
        (("fire", "fire"), (assigned(1, "fire"), assigned(2, "fire"), assigned(3, "fire")), []),
        (("fire",), (assigned(1, "patrol"),), ["fire"]),
        (("fire",), (assigned(1, "fire"), moved(A.ON_SCENE), moved(A.CLEARED)), []),
        (("fire",), (assigned(1, "fire"), ended(A.EXPIRED)), ["fire"]),
    ],
)
def test_unmet_when_crews_are_sent(needs: tuple[str, ...], facts: tuple[Fact, ...], unmet: list[str]) -> None:
    assert incident(*facts, needs=needs).unmet() == unmet


def test_place_when_better_evidence_joins_is_the_best_of_all() -> None:
    known = incident()
    pieces = [
        (place(LocationSource.CELL, 44.0, 3_000.0), 43.0),
        (place(LocationSource.SUBSCRIBER, 45.0), 43.0),
        (place(LocationSource.DEVICE_FIX, 46.0, 20.0), 46.0),
        (place(LocationSource.DEVICE_FIX, 47.0, 900.0), 46.0),
        (place(LocationSource.DEVICE_FIX, 48.0, 30.0), 48.0),
    ]
    for number, (piece, latitude_deg) in enumerate(pieces):
        apply(known, EventJoined(joined(f"s/{number}", piece), f"t{number}"), Micros(9), "source:s")
        assert known.place is not None
        assert known.place.latitude_deg == latitude_deg
        assert known.territory == f"t{number}"
    assert known.event_count == 6


def test_events_left_when_best_place_goes_with_them() -> None:
    known = incident(EventJoined(joined("s/2", place(LocationSource.DEVICE_FIX, 44.0)), "kz/a"))
    apply(known, EventsLeft(("s/2",), IncidentId(2), "kz/b"), Micros(9), "operator:a")
    assert known.place == place()
    assert (known.event_count, [one.event for one in known.told], known.territory) == (1, ["s/1"], "kz/b")


def test_absorbed_when_merged_keeps_the_other_number() -> None:
    known = incident(Absorbed(IncidentId(7), (joined("s/2"), joined("s/3")), "kz/c"))
    assert (known.absorbed, known.event_count, known.territory) == ([7], 3, "kz/c")


def test_view_when_events_notes_and_refusals_pour_in_is_bounded() -> None:
    facts: list[Fact] = [EventJoined(joined(f"s/{number}"), "") for number in range(2, limits.VIEW_EVENTS_MAX + 12)]
    facts += [Noted(f"note {number}") for number in range(limits.VIEW_NOTES_MAX + 5)]
    for number in range(1, limits.VIEW_REFUSALS_MAX + 11):
        facts += [assigned(number), ended(A.DECLINED, number)]
    known = incident(*facts)
    assert len(known.told) == limits.VIEW_EVENTS_MAX
    assert (known.told[0].event, known.told[1].event) == ("s/1", f"s/{13}")
    assert known.event_count == limits.VIEW_EVENTS_MAX + 11
    assert len(known.notes) == limits.VIEW_NOTES_MAX
    assert known.notes[-1].words == f"note {limits.VIEW_NOTES_MAX + 4}"
    assert len(known.assignments) == limits.VIEW_REFUSALS_MAX
    assert known.assignments[-1].assignment_id == limits.VIEW_REFUSALS_MAX + 10


def test_recategorised_when_needs_are_more_waits_again() -> None:
    known = incident(assigned(), moved(A.ON_SCENE), moved(A.CLEARED))
    wider = Recategorised(CategoryCode("fire"), CategoryReason.WORDS, 1, ("fire", "patrol"))
    apply(known, wider, Micros(9), "source:s")
    assert (known.state, known.category, known.priority, known.unmet()) == (S.QUEUED, "fire", 1, ["fire"])


def entries(*facts: Fact, versions: list[int] | None = None) -> list[LogEntry]:
    numbers = versions or list(range(1, len(facts) + 1))
    return [
        LogEntry(IncidentId(1), number, Micros(at_us), "fact", "engine", "", encode_fact(fact))
        for at_us, (number, fact) in enumerate(zip(numbers, facts, strict=True))
    ]


def test_fold_when_log_is_whole_gives_the_view() -> None:
    facts: tuple[Fact, ...] = (queued(), assigned(), moved(A.ACCEPTED, due_us=900), Noted("x"), moved(A.ON_SCENE))
    assert fold(entries(opened(), *facts)) == encode_incident(incident(*facts))


@pytest.mark.parametrize(
    ("log", "told"),
    [
        ([], "without a log"),
        (entries(opened(), Noted("x"), versions=[1, 3]), "version 3 follows 1"),
        (entries(opened(), Closed("x"), Noted("y")), "cannot follow"),
        (entries(opened(), moved(A.ACCEPTED)), "assignment 1 is absent"),
    ],
)
def test_fold_when_log_is_not_the_engines(log: list[LogEntry], told: str) -> None:
    with pytest.raises(IllegalMoveError, match=told):
        fold(log)


def test_view_of_an_earlier_version_renewed_is_the_fold_of_its_log() -> None:
    town = Town()
    number = town.call("fight")
    view = msgspec.json.decode(town.committed.incidents[number].view)
    for new in ("scenario", "quiet", "informed"):
        del view[new]
    log = []
    for entry in town.committed.entries(number):
        body = msgspec.json.decode(entry.body)
        body.pop("scenario", None)
        body.pop("wave_due_us", None)
        log.append(msgspec.structs.replace(entry, body=msgspec.json.encode(body)))
    old = msgspec.json.encode(view)
    assert old != fold(log)
    assert renew(old) == fold(log)
