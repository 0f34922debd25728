"""Relief: who takes over from whom, and what becomes of two crews that are sent for one need."""

from __future__ import annotations

from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
import pytest

from core.arrival import expected_s
from core.commands import ChangePriority, Close, Merge, Split
from core.events import CrewStatus, Fix
from core.limits import RELIEF_LOOKS, RELIEF_MIN_S
from core.terms import TermLengths
from core.vocabulary import AssignmentState, AssignReason, CrewState
from tests.core.relief_town import (
    BARELY,
    BESIDE,
    FAR,
    LISTENING,
    NEAR,
    RELIEVING,
    STILL_FAR,
    A,
    Do,
    S,
    all_of,
    at,
    check_whole,
    far_town,
    half_a_minute,
    nothing,
    reassign,
    says,
    stands,
    told,
)
from tests.core.test_assign import Uphill
from tests.core.town import ACCEPT_S, DONE, EASTERN, ELSEWHERE, QUIET, SPOT, Town
from tests.simulation.places import EAST, SPOTS, WEST


class Case(NamedTuple):
    name: str
    before: Do
    """Before the nearer crew frees."""
    relieves: bool
    where: Fix | None = SPOT
    """Where the nearer crew frees; None where it was last heard of."""


CASES = [
    Case("offered", nothing, True),
    Case("accepted", says(FAR, "accepted"), True),
    Case("en_route", says(FAR, "en_route"), True),
    Case("on_scene", says(FAR, "on_scene"), False),
    Case("there_by_its_positions", all_of(says(FAR, "en_route"), stands(FAR, SPOT), at(FAR, Fix(43.209, 76.812))), False),
    Case("come_near_meanwhile", all_of(says(FAR, "en_route"), at(FAR, Fix(43.205, 76.805, 5.0))), False),
    Case("gains_too_little", at(FAR, STILL_FAR), False, Fix(43.2085, 76.805, 5.0)),
    Case("gains_barely_enough", all_of(says(FAR, "en_route"), half_a_minute, at(FAR, ELSEWHERE)), True, BARELY),
    Case("may_have_come_nearer_since_it_was_heard", all_of(says(FAR, "en_route"), half_a_minute), False, BARELY),
    Case(
        "is_left_by_one_that_may_have_driven_away",
        all_of(says(FAR, "en_route"), at(NEAR, BARELY), half_a_minute, at(FAR, ELSEWHERE)),
        False,
        None,
    ),
    Case("gains_enough_from_afar", nothing, True, Fix(43.2085, 76.817, 5.0)),
    Case("named_by_a_dispatcher", all_of(says(FAR, "declined"), reassign(to=FAR)), False),
    Case("held", lambda town, _: reassign(to=FAR)(town, town.call("burglar", fix=EASTERN)), False),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_crew_that_frees_relieves_who_is(case: Case) -> None:
    town, incident = far_town()
    case.before(town, incident)
    before = told(town, incident)[FAR]
    town.status(NEAR, "free", fix=case.where)
    assert told(town, incident).get(NEAR) == (A.OFFERED if case.relieves else None)
    assert told(town, incident)[FAR] is before, "nobody loses a crew for a promise"
    check_whole(town)


class Candidate(NamedTuple):
    name: str
    relieves: bool
    capabilities: tuple[str, ...] = ("patrol",)
    territory: str = ""
    outside: bool = False
    fix: Fix | None = SPOT


@pytest.mark.parametrize(
    "one",
    [
        Candidate("it_can", True),
        Candidate("it_can_more", True, ("rescue", "patrol")),
        Candidate("it_cannot_do_that", False, ("ambulance",)),
        Candidate("its_own_territory", True, territory=WEST),
        Candidate("the_territory_above", True, territory="kz/town"),
        Candidate("another_territory", False, territory=EAST),
        Candidate("it_serves_outside", True, territory=EAST, outside=True),
        Candidate("nobody_knows_where_it_is", False, fix=None),
    ],
    ids=lambda one: one.name,
)
def test_new_crew_relieves_when(one: Candidate) -> None:
    town, incident = far_town()
    fields = {"capabilities": one.capabilities, "territory": one.territory, "outside": one.outside, "fix": one.fix}
    town.status("N-1", "free", **fields)
    assert told(town, incident).get("N-1") == (A.OFFERED if one.relieves else None)


def test_relief_names_whom_it_relieves_and_what_both_have_to_drive() -> None:
    town, incident = far_town()
    town.status(NEAR, "free")
    relief, relieved = town.assignment(NEAR), town.assignment(FAR)
    assert relief.explanation.reason is AssignReason.RELIEF
    assert relief.relieves is not None
    assert (relief.relieves.assignment_id, relief.relieves.crew) == (relieved.assignment_id, FAR)
    assert relief.relieves.left_s == pytest.approx(expected_s(relieved.explanation), abs=0.1)
    assert relief.relieves.left_s - expected_s(relief.explanation) >= RELIEF_MIN_S
    assert relief.expected_us == town.now_us
    assert town.committed.entries(incident)[-1].cause == "crew_freed"
    assert town.crews_on(incident) == [FAR, NEAR], "both crews are told of it"


def test_relief_when_roads_are_known_goes_by_them() -> None:
    # From the north a minute a metre, otherwise a second: by straight line the northern crew would be there first.
    town = Town(rules=RELIEVING, travel=Uphill())
    place = SPOTS[0]
    south = Fix(place.latitude_deg - 0.01, place.longitude_deg)
    town.crew(FAR, "patrol", fix=south)
    incident = town.call("fight", place)
    town.crew("P-3", "patrol", fix=Fix(place.latitude_deg + 0.001, place.longitude_deg))
    assert told(town, incident) == {FAR: A.OFFERED}
    town.crew(NEAR, "patrol", fix=Fix(place.latitude_deg - 0.001, place.longitude_deg))
    relief = town.assignment(NEAR)
    assert relief.relieves is not None
    assert relief.relieves.left_s == pytest.approx(1_112, abs=1.0)
    assert relief.explanation.travel_s == pytest.approx(111.2, abs=1.0)


@pytest.mark.parametrize("crew", [FAR, NEAR])
def test_relief_when_a_crew_is_not_heard_leaves_it_alone(crew: str) -> None:
    town, incident = far_town(rules=LISTENING)
    town.status(FAR, "en_route")
    for _ in range(4):
        town.wait(40)
        at(NEAR if crew is FAR else FAR, SPOT if crew is FAR else ELSEWHERE)(town, incident)
    town.status(NEAR, "free")
    assert told(town, incident) == {FAR: A.EN_ROUTE}


@pytest.mark.parametrize(("pace", "relieves"), [(1.0, True), (10.0, False)])
def test_relief_when_days_are_replayed_faster_reckons_how_far_crews_have_come(pace: float, relieves: bool) -> None:
    town, incident = far_town(rules=msgspec.structs.replace(RELIEVING, terms=TermLengths(pace=pace)))
    town.wait(1.9)
    town.status(NEAR, "free", fix=BARELY)
    assert (NEAR in told(town, incident)) is relieves


def test_relief_when_the_policy_is_another_is_never_offered() -> None:
    town, incident = far_town(rules=QUIET)
    town.status(NEAR, "free")
    assert told(town, incident) == {FAR: A.OFFERED}


class Course(NamedTuple):
    name: str
    then: Do
    far: AssignmentState | None
    near: AssignmentState | None
    crews: tuple[CrewState, CrewState]
    """Of the far and the near one."""
    stage: str = "en_route"
    """What the far crew said before."""


COURSES = [
    Course("accepts", says(NEAR, "accepted"), A.WITHDRAWN, A.ACCEPTED, (S.FREE, S.ASSIGNED)),
    Course("sets_out", says(NEAR, "en_route"), A.WITHDRAWN, A.EN_ROUTE, (S.FREE, S.EN_ROUTE)),
    Course("is_there", says(NEAR, "on_scene"), A.WITHDRAWN, A.ON_SCENE, (S.FREE, S.ON_SCENE)),
    Course("accepts_from_an_offered_one", says(NEAR, "accepted"), A.WITHDRAWN, A.ACCEPTED, (S.FREE, S.ASSIGNED), ""),
    Course("declines", says(NEAR, "declined"), A.EN_ROUTE, A.DECLINED, (S.EN_ROUTE, S.FREE)),
    Course("does_not_answer", lambda town, _: town.wait(ACCEPT_S + 1), A.EN_ROUTE, A.EXPIRED, (S.EN_ROUTE, S.BUSY)),
    Course("goes_off_duty", says(NEAR, "off_duty"), A.EN_ROUTE, A.WITHDRAWN, (S.EN_ROUTE, S.OFF_DUTY)),
    Course("is_late", says(FAR, "on_scene"), A.ON_SCENE, A.WITHDRAWN, (S.ON_SCENE, S.FREE)),
    Course("is_late_by_a_whole_task", says(FAR, "cleared"), A.CLEARED, A.WITHDRAWN, (S.FREE, S.FREE)),
    Course("is_late_by_positions", stands(FAR, SPOT), A.EN_ROUTE, A.WITHDRAWN, (S.EN_ROUTE, S.FREE)),
    Course(
        "accepts_when_the_other_is_nearer",
        all_of(at(FAR, SPOT), at(NEAR, STILL_FAR), says(NEAR, "accepted")),
        A.EN_ROUTE,
        A.WITHDRAWN,
        (S.EN_ROUTE, S.FREE),
    ),
    Course(
        "accepts_when_the_other_may_be_nearer",
        all_of(at(FAR, Fix(43.2091, 76.8182)), at(NEAR, STILL_FAR), lambda town, _: town.wait(15), says(NEAR, "accepted")),
        A.EN_ROUTE,
        A.WITHDRAWN,
        (S.EN_ROUTE, S.FREE),
    ),
    Course(
        "is_there_when_the_other_is_nearer",
        all_of(at(FAR, SPOT), at(NEAR, STILL_FAR), says(NEAR, "on_scene")),
        A.WITHDRAWN,
        A.ON_SCENE,
        (S.FREE, S.ON_SCENE),
    ),
    Course("is_alone_when_the_other_declines", says(FAR, "declined"), A.DECLINED, A.OFFERED, (S.FREE, S.ASSIGNED)),
    Course(
        "is_alone_when_the_other_breaks_down",
        says(FAR, "out_of_service"),
        A.WITHDRAWN,
        A.OFFERED,
        (S.OUT_OF_SERVICE, S.ASSIGNED),
    ),
    Course(
        "accepts_when_the_other_has_gone",
        all_of(says(FAR, "declined"), says(NEAR, "accepted")),
        A.DECLINED,
        A.ACCEPTED,
        (S.FREE, S.ASSIGNED),
    ),
    Course("is_alone_when_a_dispatcher_withdraws_the_other", reassign(FAR), A.WITHDRAWN, A.OFFERED, (S.FREE, S.ASSIGNED)),
    Course("is_withdrawn_by_a_dispatcher", reassign(NEAR), A.EN_ROUTE, A.WITHDRAWN, (S.EN_ROUTE, S.FREE)),
    Course(
        "is_not_needed_when_a_dispatcher_names_another",
        all_of(lambda town, _: town.crew("P-3", "patrol", fix=EASTERN), reassign(FAR, "P-3", "free")),
        A.WITHDRAWN,
        A.WITHDRAWN,
        (S.FREE, S.FREE),
    ),
    Course(
        "is_called_away_first",
        lambda town, _: reassign(to=NEAR)(town, town.call("burglar", fix=EASTERN)),
        A.EN_ROUTE,
        A.OFFERED,
        (S.EN_ROUTE, S.ASSIGNED),
    ),
    Course(
        "is_closed",
        lambda town, incident: town.order(Close(command_id="x", incident=incident, result="over")),
        None,
        None,
        (S.FREE, S.FREE),
    ),
]


@pytest.mark.parametrize("course", COURSES, ids=lambda course: course.name)
def test_relief_and_relieved_when_it(course: Course) -> None:
    town, incident = far_town()
    if course.stage:
        town.status(FAR, course.stage)
    town.status(NEAR, "free")
    assert told(town, incident)[NEAR] is A.OFFERED
    course.then(town, incident)
    assert (town.states()[FAR], town.states()[NEAR]) == course.crews
    if course.far is not None and course.near is not None:
        found = told(town, incident)
        assert (found[FAR], found[NEAR]) == (course.far, course.near)
        assert town.incident(incident).unmet() == [], "nobody else is looked for"
    check_whole(town)


def test_relief_when_the_incident_is_merged_is_let_go_and_reckoned_anew() -> None:
    town, incident = far_town()
    town.status(FAR, "en_route")
    town.status(NEAR, "free")
    into = town.call("help", fix=EASTERN)
    assert town.order(Merge(command_id="m", incident=incident, into=into)) == DONE
    assert [entry.fact for entry in town.committed.entries(incident)][-3:] == ["assignment_ended"] * 2 + ["merged_into"]
    assert told(town, into) == {FAR: A.EN_ROUTE, NEAR: A.OFFERED}
    relief = town.assignment(NEAR).relieves
    assert relief is not None
    assert relief.assignment_id == town.assignment(FAR).assignment_id
    check_whole(town)


def test_relief_when_the_incident_takes_in_another_or_is_split_goes_on() -> None:
    town, incident = far_town()
    town.call("fight")
    town.status(FAR, "en_route")
    town.status(NEAR, "free")
    other = town.call("help", fix=Fix(EASTERN.latitude_deg, EASTERN.longitude_deg, 500.0))
    assert town.order(Merge(command_id="m", incident=other, into=incident)) == DONE
    assert town.order(Split(command_id="s", incident=incident, events=(town.incident(incident).told[1].event,))) == DONE
    found = told(town, incident)
    assert (found[FAR], found[NEAR]) == (A.EN_ROUTE, A.OFFERED)
    town.status(NEAR, "accepted")
    found = told(town, incident)
    assert (found[FAR], found[NEAR]) == (A.WITHDRAWN, A.ACCEPTED)
    check_whole(town)


def test_relief_comes_after_what_waits() -> None:
    town, incident = far_town()
    waits = town.call("burglar", fix=EASTERN)
    town.status(NEAR, "free")
    assert (told(town, waits), told(town, incident)) == ({NEAR: A.OFFERED}, {FAR: A.OFFERED})


def test_relieved_crew_serves_in_the_same_batch_what_waits() -> None:
    town, incident = far_town()
    town.status(NEAR, "free")
    waits = town.call("burglar", fix=EASTERN)
    assert told(town, waits) == {}
    town.status(NEAR, "accepted")
    assert (told(town, incident)[FAR], told(town, waits)) == (A.WITHDRAWN, {FAR: A.OFFERED})


def test_relieved_crew_may_be_wanted_again_where_it_was_relieved() -> None:
    town, _ = far_town()
    town.status(NEAR, "free")
    town.status(NEAR, "accepted")
    town.status(NEAR, "out_of_service")
    assert town.assignment(FAR).state is A.OFFERED
    assert town.assignment(FAR).relieves is None


def test_relief_is_not_relieved_before_it_has_taken_over() -> None:
    town, incident = far_town()
    town.status(NEAR, "free", fix=Fix(43.2085, 76.817, 5.0))
    town.crew("P-3", "patrol", fix=SPOT)
    assert told(town, incident) == {FAR: A.OFFERED, NEAR: A.OFFERED}
    town.status(NEAR, "accepted")
    town.crew("P-4", "patrol", fix=SPOT)
    assert told(town, incident) == {FAR: A.WITHDRAWN, NEAR: A.ACCEPTED, "P-4": A.OFFERED}


def test_relief_when_the_centre_has_started_anew_is_offered_and_taken_as_before() -> None:
    town, incident = far_town()
    again = Town(rules=RELIEVING, recovered=town.committed.recovered(), now_us=town.now_us)
    again.say(CrewStatus(seq=1, at=town.at, crew=NEAR, status="free", fix=SPOT), source="t")
    assert told(again, incident) == {FAR: A.OFFERED, NEAR: A.OFFERED}
    town.status(NEAR, "free", fix=SPOT)
    third = Town(rules=RELIEVING, recovered=town.committed.recovered(), now_us=town.now_us)
    third.say(CrewStatus(seq=1, at=town.at, crew=NEAR, status="accepted"), source="t")
    assert told(third, incident) == {FAR: A.WITHDRAWN, NEAR: A.ACCEPTED}


def test_crew_relieves_at_one_incident_once() -> None:
    town, incident = far_town()
    town.status(NEAR, "free")
    town.status(NEAR, "declined")
    town.status(NEAR, "busy")
    town.status(NEAR, "free")
    assert [one.crew for one in town.incident(incident).assignments] == [FAR, NEAR]
    third = town.crew("P-3", "patrol", fix=SPOT)
    assert third.state is S.ASSIGNED, "another may"
    fourth = town.crew("P-4", "patrol", fix=SPOT)
    assert fourth.state is S.FREE, "a crew has one relief at a time"


@pytest.mark.parametrize(
    ("urgent", "relieved"),
    [(None, "far"), ("near", "near")],
    ids=["of one priority the greater gain", "the more urgent however little it gains"],
)
def test_crew_that_could_relieve_two_relieves(urgent: str | None, relieved: str) -> None:
    town = Town(rules=RELIEVING)
    town.crew("P-1", "patrol", fix=Fix(43.2, 76.835, 5.0))
    near = town.call("fight", fix=Fix(43.2, 76.815, 5.0))
    town.crew("P-2", "patrol", fix=Fix(43.2, 76.85, 5.0))
    far = town.call("burglar", fix=Fix(43.2, 76.801, 5.0))
    assert (town.crews_on(near), town.crews_on(far)) == (["P-1"], ["P-2"])
    for number, incident in enumerate((near, far)):
        priority = 1 if incident == {"near": near, "far": far, None: 0}[urgent] else 5
        town.order(ChangePriority(command_id=str(number), incident=incident, priority=priority))
    town.crew("P-3", "patrol", fix=Fix(43.2, 76.811, 5.0))
    assert "P-3" in told(town, {"near": near, "far": far}[relieved])


def test_crews_that_free_together_relieve_one_each() -> None:
    town = Town(rules=RELIEVING)
    incidents = []
    for number in range(2):
        town.crew(f"P-{number}", "patrol", fix=Fix(43.2, 76.85 + 0.001 * number, 5.0))
        incidents.append(town.call(("fight", "burglar")[number], fix=Fix(43.2, 76.80 + 0.01 * number, 5.0)))
    events = [
        CrewStatus(seq=town.number("t"), at=town.at, crew=f"N-{number}", status="free", capabilities=("patrol",), fix=SPOT)
        for number in range(3)
    ]
    town.say(*events, source="t")
    assert [sorted(town.crews_on(incident)) for incident in incidents] == [["N-0", "P-0"], ["N-1", "P-1"]]
    assert town.states()["N-2"] is S.FREE


class Counting(Uphill):
    """Counts how often the roads are asked."""

    asked = 0

    def have_roads(self, places: npt.NDArray[np.float64]) -> list[bool]:
        self.asked += 1
        return super().have_roads(places)


def town_of_many_under_way(roads: Counting) -> Town:
    town = Town(rules=RELIEVING, travel=roads)
    for number in range(2 * RELIEF_LOOKS):
        lon_deg = 76.75 + 0.01 * number
        town.crew(f"P-{number}", "patrol", fix=Fix(43.10, lon_deg, 5.0))
        town.call("fight", fix=Fix(43.195, lon_deg, 5.0))
    assert len(town.engine.state.incidents) == 2 * RELIEF_LOOKS
    roads.asked = 0
    return town


def test_relief_when_many_could_be_relieved_asks_the_roads_for_a_few() -> None:
    roads = Counting()
    town = town_of_many_under_way(roads)
    town.wait(1)
    # Nearer to all of them by straight line, and to none by road.
    town.crew("N-1", "patrol", fix=SPOT)
    assert town.states()["N-1"] is S.FREE
    assert roads.asked == 2 * RELIEF_LOOKS


def test_relief_when_the_calls_have_used_up_what_may_be_asked_of_the_roads_waits_for_the_next_crew() -> None:
    roads = Counting()
    town = town_of_many_under_way(roads)
    town.crew("N-1", "patrol", fix=SPOT)
    assert roads.asked == 0
    town.wait(1)
    town.crew("N-2", "patrol", fix=SPOT)
    assert roads.asked == 2 * RELIEF_LOOKS


def test_relief_when_it_comes_after_something_else_takes_nobody_off_the_call() -> None:
    town, incident = far_town()
    town.status(FAR, "en_route")
    town.status(NEAR, "free")
    reassign(to=NEAR)(town, town.call("burglar", fix=EASTERN))
    town.status(NEAR, "accepted", incident=incident)
    assert told(town, incident) == {FAR: A.EN_ROUTE, NEAR: A.WITHDRAWN}
    check_whole(town)


def test_relieved_when_it_has_turned_to_something_else_is_not_nearer_wherever_it_passes() -> None:
    town, incident = far_town()
    town.status(FAR, "en_route")
    town.status(NEAR, "free", fix=STILL_FAR)
    reassign(to=FAR)(town, town.call("burglar", fix=EASTERN))
    at(FAR, BESIDE)(town, incident)
    town.status(NEAR, "accepted")
    assert told(town, incident) == {FAR: A.WITHDRAWN, NEAR: A.ACCEPTED}
    check_whole(town)


def test_relief_when_a_dispatcher_names_another_crew_has_not_refused() -> None:
    town, incident = far_town()
    town.status(FAR, "en_route")
    town.status(NEAR, "free")
    town.crew("P-3", "patrol", fix=EASTERN)
    town.crew("P-4", "patrol", fix=EASTERN)
    reassign(FAR, "P-3")(town, incident)
    town.status("P-3", "declined")
    assert town.incident(incident).assignments[-1].crew == NEAR
