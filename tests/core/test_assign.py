"""Assignment: the nearest capable crew, contention by priority, the queue, territories, and other crews left alone."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

import numpy as np
import numpy.typing as npt
import pytest

from core.arrival import expected_s
from core.commands import ChangePriority, Reassign
from core.events import Call, CrewStatus, Fix
from core.limits import QUEUE_LOOK, QUEUE_OVERDUE_S
from core.vocabulary import AssignReason, CrewState
from routing.geodesy import Floats, degrees_of
from tests.core.town import EASTERN, ELSEWHERE, SPOT, Town
from tests.simulation.places import EAST, SPOTS, WEST


def test_assign_when_crews_are_free_sends_the_nearest_and_says_why() -> None:
    town = Town()
    town.crew("A-1", "ambulance")
    town.crew("P-1", "patrol", fix=Fix(43.201, 76.8))
    town.crew("P-2", "patrol", fix=ELSEWHERE)
    town.status("P-1", "busy")
    incident = town.call("fight")
    assert town.crews_on(incident) == ["P-2"]
    explanation = town.assignment("P-2").explanation
    assert explanation.reason is AssignReason.NEAREST_CAPABLE
    assert explanation.distance_m == pytest.approx(3_925, rel=0.01)
    assert [(one.crew, one.reason) for one in explanation.passed_over] == [("P-1", AssignReason.NOT_FREE)]
    assert town.states() == {"A-1": CrewState.FREE, "P-1": CrewState.BUSY, "P-2": CrewState.ASSIGNED}


class Uphill:
    """Driving times of a town whose northern crews are slow: a second a metre, a minute a metre from the north."""

    def have_roads(self, places: Floats) -> list[bool]:
        return [True] * len(places)

    def drives_s(
        self,
        origins: Floats,
        counts: Sequence[int],
        destinations: Floats,
        within_s: Sequence[float],
        who: npt.NDArray[np.int64] | None = None,
    ) -> Floats:
        north_m = (degrees_of(origins)[0] - degrees_of(np.repeat(destinations, counts, axis=0))[0]) * 111_195.0
        seconds = np.abs(np.where(north_m > 0, 60.0 * north_m, north_m))
        return np.where(seconds <= np.repeat(within_s, counts), seconds, inf)


def test_assign_when_roads_are_known_sends_the_fastest_and_says_when_it_is_expected() -> None:
    town = Town(travel=Uphill())
    town.crew("P-1", "patrol", fix=Fix(SPOTS[0].latitude_deg + 0.001, SPOTS[0].longitude_deg))
    town.crew("P-2", "patrol", fix=Fix(SPOTS[0].latitude_deg - 0.01, SPOTS[0].longitude_deg))
    incident = town.call("fight", SPOTS[0])
    assert town.crews_on(incident) == ["P-2"]
    explanation = town.assignment("P-2").explanation
    assert explanation.reason is AssignReason.FASTEST_BY_ROAD
    assert explanation.travel_s == expected_s(explanation) == pytest.approx(1_112, abs=1.0)
    (nearer,) = explanation.passed_over
    assert (nearer.crew, nearer.reason) == ("P-1", AssignReason.SLOWER_BY_ROAD)
    assert nearer.travel_s == pytest.approx(6_672, abs=6.0)  # nobody was there soon, so all were timed


def test_assign_when_a_dispatcher_names_the_crew_says_when_it_is_expected() -> None:
    town = Town(travel=Uphill())
    incident = town.call("fight", SPOTS[0])
    town.crew("A-1", "ambulance", fix=Fix(SPOTS[0].latitude_deg - 0.01, SPOTS[0].longitude_deg))
    assert town.order(Reassign(command_id="r", incident=incident, to="A-1")) == (True, "")
    explanation = town.assignment("A-1").explanation
    assert explanation.reason is AssignReason.ORDERED
    assert explanation.travel_s == pytest.approx(1_112, abs=1.0)


def test_assign_when_incidents_of_a_batch_contend_serves_the_most_urgent() -> None:
    town = Town()
    town.crew("P-1", "patrol")
    calls = [("burglar", SPOTS[0]), ("shooting", SPOTS[3]), ("fight", SPOTS[1])]
    town.say(*(Call(seq=town.number(), at=town.at, words=words, fix=fix) for words, fix in calls))
    assert [town.crews_on(number) for number in (1, 2, 3)] == [[], ["P-1"], []]


def test_queue_when_a_crew_frees_serves_the_most_urgent_then_the_oldest() -> None:
    town = Town()
    numbers = []
    for words, fix in (("burglar", SPOTS[0]), ("fight", SPOTS[2]), ("fight", SPOTS[7]), ("shooting", SPOTS[4])):
        numbers.append(town.call(words, fix))
        town.wait(1)
    burglary, first_fight, second_fight, weapon = numbers
    town.crew("P-1", "patrol")
    served = []
    for _ in range(5):
        incident = town.engine.state.crews["P-1"].incident_id  # type: ignore[index]
        assert incident is not None
        served.append(incident)
        town.status("P-1", "on_scene")
        town.status("P-1", "cleared")
    assert served == [weapon, weapon, first_fight, second_fight, burglary]
    assert town.states() == {"P-1": CrewState.FREE}
    assert town.engine.state.queued == {weapon: ["ambulance"]}


@pytest.mark.parametrize(
    ("queue_look", "waited_s", "second_words", "served_first"),
    [
        (1, 10, "fight", "far"),
        (QUEUE_LOOK, 10, "fight", "near"),
        (QUEUE_LOOK, QUEUE_OVERDUE_S + 1, "fight", "far"),
        (QUEUE_LOOK, 10, "burglar", "far"),
    ],
    ids=["first come", "the nearer of those that wait", "the older when overdue", "the more urgent however far"],
)
def test_queue_when_a_crew_frees_and_several_wait(queue_look: int, waited_s: int, second_words: str, served_first: str) -> None:
    town = Town(queue_look=queue_look)
    far = town.call("fight", fix=ELSEWHERE)
    town.wait(waited_s)
    near = town.call(second_words, fix=SPOT)
    town.crew("P-1", "patrol", fix=SPOT)
    assert town.crews_on({"far": far, "near": near}[served_first]) == ["P-1"]
    left = {"far": near, "near": far}[served_first]
    assert town.engine.state.queued == {left: ["patrol"]}
    town.status("P-1", "on_scene")
    town.status("P-1", "cleared")
    assert town.crews_on(left) == ["P-1"]
    assert town.engine.state.queued == {}


def test_queue_when_longer_than_what_a_freed_crew_looks_at_serves_all_of_it() -> None:
    town = Town(queue_look=2)
    waiting = [town.call("fight", fix=SPOTS[number]) for number in (0, 2, 4, 6, 8)]
    town.crew("P-1", "patrol")
    served = []
    for _ in waiting:
        incident = town.engine.state.crews["P-1"].incident_id  # type: ignore[index]
        assert incident is not None
        served.append(incident)
        town.status("P-1", "on_scene")
        town.status("P-1", "cleared")
    assert sorted(served) == sorted(waiting)
    assert town.engine.state.queued == {}


def test_queue_when_new_needs_come_with_the_freed_crew_lets_the_urgent_first() -> None:
    # Of equally urgent ones the nearer: priority first, then the distance.
    for words, gets_it in (("shooting", "new"), ("fight", "new"), ("burglar", "waiting")):
        town = Town()
        town.crew("P-1", "patrol")
        town.call("fire", fix=SPOTS[9])
        done = town.call("fight")
        town.status("P-1", "on_scene")
        waiting = town.call("fight", fix=EASTERN)
        cleared = CrewStatus(seq=town.number(), at=town.at, crew="P-1", status="cleared")
        new = town.say(cleared, Call(seq=town.number(), at=town.at, words=words, fix=ELSEWHERE)).taken[0].incidents[1]
        assert town.crews_on(done) == []
        assert town.crews_on({"new": new, "waiting": waiting}[gets_it]) == ["P-1"]


@pytest.mark.parametrize(
    ("territory", "outside", "goes"),
    [
        ("", False, True),
        (WEST, False, True),
        ("kz/town", False, True),
        (EAST, False, False),
        (EAST, True, True),
        ("kz/t", False, False),
    ],
)
def test_territory_when_incident_is_in_the_west(territory: str, outside: bool, goes: bool) -> None:
    town = Town()
    town.crew("P-1", "patrol", territory=territory, outside=outside)
    assert town.crews_on(town.call("fight")) == (["P-1"] if goes else [])
    later = Town()
    incident = later.call("fight")
    later.crew("P-1", "patrol", territory=territory, outside=outside)
    assert later.crews_on(incident) == (["P-1"] if goes else [])


def test_queue_when_priority_has_changed_counts_each_need_once() -> None:
    town = Town()
    incident = town.call("shooting")
    for number, priority in enumerate((9, 1, 5, 5)):
        town.order(ChangePriority(command_id=str(number), incident=incident, priority=priority))
    for number in range(4):
        town.crew(f"P-{number}", "patrol")
    assert town.crews_on(incident) == ["P-0", "P-1"]
    assert town.engine.state.queued == {incident: ["ambulance"]}


def test_assign_when_incident_has_no_place_waits_for_one_and_says_so_once() -> None:
    town = Town()
    town.crew("P-1", "patrol")
    incident = town.call("fight", fix=None, phone="87010000005")
    assert town.committed.facts(incident) == ["opened", "queued"]
    assert town.committed.entries(incident)[-1].cause == "no_place"
    for _ in range(5):
        town.wait(12)
    assert town.committed.facts(incident).count("queued") == 1
    assert town.call("fight", phone="87010000005") == incident
    assert town.crews_on(incident) == ["P-1"]


def test_assign_when_other_crews_work_touches_none_of_them() -> None:
    town = Town()
    for number in range(4):
        town.crew(f"P-{number}", "patrol", fix=SPOTS[2 * number])
    for number in range(4):
        town.call("fight", fix=SPOTS[2 * number])
    before = {crew: change for crew, change in town.committed.crews.items() if crew != "P-0"}
    town.status("P-0", "on_scene")
    town.status("P-0", "cleared")
    town.call("fire", fix=SPOTS[1])
    after = {crew: change for crew, change in town.committed.crews.items() if crew != "P-0"}
    assert after == before


def test_assign_when_crew_frees_in_the_batch_of_its_own_incidents_end_goes_on() -> None:
    town = Town()
    town.crew("P-1", "patrol")
    first = town.call("fight")
    town.status("P-1", "declined")
    assert town.crews_on(first) == []
    second = town.call("fight", fix=EASTERN)
    assert town.crews_on(second) == ["P-1"]
