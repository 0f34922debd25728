"""Crews on their way: arrivals by position beside the crew's own word, and what whoever is told of a late crew learns."""

from __future__ import annotations

import pytest

from core.arrival import expected_s
from core.events import Position
from core.instant import SECOND_US
from core.vocabulary import CrewState
from tests.core.town import ELSEWHERE, ON_SCENE_S, SPOT, Town

FAR = (ELSEWHERE.latitude_deg, ELSEWHERE.longitude_deg)
NEAR = (SPOT.latitude_deg + 0.0002, SPOT.longitude_deg)
"""22 m from the place."""


def sent(stage: str = "en_route") -> tuple[Town, int]:
    """A crew four kilometres away that is sent to the spot."""
    town = Town()
    town.crew("P-1", "patrol", fix=ELSEWHERE)
    incident = town.call("fight")
    if stage != "offered":
        town.status("P-1", stage)
    return town, incident


def drive(town: Town, *places: tuple[float, float], speed_mps: float = 0.0, interval_s: float = 5.0) -> None:
    for latitude_deg, longitude_deg in places:
        town.now_us += int(interval_s * SECOND_US)
        number = town.number("gps")
        position = Position(
            seq=number, at=town.at, crew="P-1", latitude_deg=latitude_deg, longitude_deg=longitude_deg, speed_mps=speed_mps
        )
        town.say(position, source="gps")


@pytest.mark.parametrize("stage", ["accepted", "en_route"])
def test_crew_that_stops_at_the_place_is_seen_there_and_its_own_word_still_counts(stage: str) -> None:
    town, incident = sent(stage)
    drive(town, FAR, *[NEAR] * 5)
    assignment = town.assignment("P-1")
    assert assignment.seen_us == town.now_us - 20 * SECOND_US
    assert (assignment.on_scene_us, town.states()["P-1"] is CrewState.ON_SCENE) == (None, False)
    assert town.committed.facts(incident).count("arrival_seen") == 1
    drive(town, *[NEAR] * 20)
    assert town.committed.facts(incident).count("arrival_seen") == 1, "it arrives once"
    town.status("P-1", "on_scene")
    assert town.assignment("P-1").on_scene_us == town.now_us


@pytest.mark.parametrize(
    ("stage", "places", "speed_mps"),
    [
        ("offered", [NEAR] * 9, 0.0),
        ("on_scene", [NEAR] * 9, 0.0),
        ("en_route", [FAR] * 9, 0.0),
        ("en_route", [NEAR, FAR], 16.0),
    ],
)
def test_crew_that_is_not_on_its_way_or_drives_by_is_not_seen_there(
    stage: str, places: list[tuple[float, float]], speed_mps: float
) -> None:
    town, incident = sent(stage)
    drive(town, *places, speed_mps=speed_mps)
    assert "arrival_seen" not in town.committed.facts(incident)


def test_next_assignment_of_a_crew_begins_with_nothing_seen() -> None:
    town, _ = sent()
    drive(town, *[NEAR] * 5)
    town.status("P-1", "cleared")
    second = town.call("fight", fix=ELSEWHERE)
    town.status("P-1", "en_route")
    drive(town, NEAR, NEAR)
    assert "arrival_seen" not in town.committed.facts(second)


def test_whoever_is_told_of_a_late_crew_is_told_that_its_positions_say_it_is_there() -> None:
    town, incident = sent()
    drive(town, *[NEAR] * 5)
    decisions = town.wait(ON_SCENE_S - 25)
    assert decisions is not None
    text = f"crew P-1 has not reported on scene at incident {incident}; by its positions it is there for {ON_SCENE_S - 5:.0f} s"
    assert [notice.text for notice in decisions.notices] == [text]


def test_assignment_says_when_its_crew_is_expected() -> None:
    town, _ = sent("offered")
    assignment = town.assignment("P-1")
    assert assignment.expected_us == assignment.offered_us + round(expected_s(assignment.explanation)) * SECOND_US
    assert 300 < expected_s(assignment.explanation) < 600


def test_crew_that_stopped_at_a_red_light_and_drives_on_is_seen_to_leave() -> None:
    town, incident = sent()
    drive(town, *[NEAR] * 5)
    assert town.assignment("P-1").seen_us is not None
    drive(town, *[FAR] * 3, speed_mps=15.0)
    assert town.assignment("P-1").seen_us is None
    assert town.committed.facts(incident).count("arrival_left") == 1
    decisions = town.wait(ON_SCENE_S)
    assert decisions is not None
    assert [notice.text for notice in decisions.notices] == [f"crew P-1 is not on scene at incident {incident}"]
