"""The roster in the live centre: what crews serve as by the plan, and what is noticed where plan and fact part."""

from __future__ import annotations

import msgspec
import pytest

from core.commands import HandOver
from core.decisions import Decisions
from core.instant import SECOND_US, Micros
from core.roster.model import Roster, Shift
from core.state import Batch
from core.vocabulary import CrewId, CrewState, RejectCode
from tests.core.town import DONE, EASTERN, SPOT, START_US, Town, code_of
from tests.simulation.places import EAST, WEST

HOUR = 3600


def shift(crew: str, from_s: int, until_s: int, *capabilities: str, territory: str = "") -> Shift:
    """A shift in seconds from the town's start."""
    return Shift(
        crew=CrewId(crew),
        from_us=Micros(START_US + from_s * SECOND_US),
        until_us=Micros(START_US + until_s * SECOND_US),
        territory=territory,
        capabilities=capabilities,
    )


def load(town: Town, *shifts: Shift) -> Decisions | None:
    """Hands the town a roster."""
    decisions = town.engine.handle(Batch([], [], {}, roster=Roster(shifts=tuple(shifts))), Micros(town.now_us))
    if decisions is not None:
        town.committed.take(decisions)
    return decisions


def noticed(decisions: Decisions | None) -> list[tuple[str, str]]:
    return [] if decisions is None else [(one.term, one.crew) for one in decisions.notices]


def test_crew_that_does_not_come_is_told_of_once_ten_minutes_after_its_duty_began() -> None:
    town = Town()
    town.crew("P-9", "patrol")
    load(town, shift("P-1", 100, HOUR, "patrol"), shift("P-2", 100, HOUR, "patrol"))
    town.wait(100)
    town.status("P-2", "free")
    assert noticed(town.wait(599)) == []
    assert noticed(town.wait(1)) == [("duty_not_begun", "P-1")]
    assert noticed(town.wait(600)) == []


def test_crew_whose_duty_is_over_is_told_of_and_finishes_what_it_does() -> None:
    town = Town()
    town.crew("P-1", "patrol")
    town.crew("P-2", "patrol", fix=EASTERN)
    load(town, shift("P-1", -HOUR, 50), shift("P-2", -HOUR, 50))
    incident = town.call("fight")
    town.status("P-1", "on_scene")
    town.status("P-2", "off_duty")
    decisions = town.wait(50)
    assert noticed(decisions) == [("duty_over", "P-1")]
    assert town.states()["P-1"] is CrewState.ON_SCENE
    assert town.crews_on(incident) == ["P-1"]


def test_plan_gives_a_crew_its_capabilities_and_territory_when_its_shift_begins() -> None:
    town = Town()
    town.crew("P-1", "patrol", territory=WEST)
    load(town, shift("P-1", 60, HOUR, "rescue", "patrol", territory=EAST), shift("P-1", HOUR, 2 * HOUR, territory=EAST))
    crew = town.engine.state.crews[CrewId("P-1")]
    assert (crew.capabilities, crew.territory) == (("patrol",), WEST)
    town.wait(60)
    assert (crew.capabilities, crew.territory) == (("rescue", "patrol"), EAST)
    assert town.crews_on(town.call("fight", fix=SPOT)) == [], "it serves the east now"
    town.status("P-1", "free", capabilities=("patrol",))
    assert crew.capabilities == ("rescue", "patrol"), "the plan counts, where it says something"
    town.wait(HOUR)
    town.status("P-1", "free", capabilities=("patrol",))
    assert list(crew.capabilities) == ["patrol"], "a shift that leaves it open leaves it to the terminal"


def test_crew_that_only_the_plan_knows_comes_on_duty_by_its_word() -> None:
    town = Town()
    assert code_of(town.status("P-1", "free", fix=SPOT)) is RejectCode.UNKNOWN_CREW
    load(town, shift("P-1", -60, HOUR, "patrol"))
    assert town.states() == {}, "nobody is on duty by the plan alone"
    assert town.status("P-1", "free", fix=SPOT) is None
    assert town.crews_on(town.call("fight")) == ["P-1"]


@pytest.mark.parametrize(("down_s", "expected"), [(10, []), (700, [("duty_not_begun", "P-2"), ("duty_over", "P-1")])])
def test_what_passed_while_the_centre_was_down_is_noticed_once_after_the_restart(
    down_s: int, expected: list[tuple[str, str]]
) -> None:
    shifts = (shift("P-1", -HOUR, 60), shift("P-2", 0, HOUR, "patrol"))
    town = Town()
    town.crew("P-1", "patrol")
    town.crew("P-9", "patrol")
    load(town, *shifts)
    town.wait(30)
    town.status("P-9", "busy")
    again = Town(recovered=town.committed.recovered())
    again.now_us = town.now_us + down_s * SECOND_US
    assert sorted(noticed(load(again, *shifts))) == expected
    assert noticed(again.wait(1)) == []


def test_roster_that_is_changed_in_the_middle_of_a_shift_counts_from_then() -> None:
    town = Town()
    town.crew("P-1", "patrol")
    first = shift("P-1", -60, HOUR, "patrol")
    load(town, first)
    decisions = load(town, msgspec.structs.replace(first, capabilities=("patrol", "rescue")))
    assert noticed(decisions) == []
    assert town.engine.state.crews[CrewId("P-1")].capabilities == ("patrol", "rescue")


def test_hand_over_gives_the_open_incidents_of_a_territory_to_another_person() -> None:
    town = Town()
    west, east = town.call("fight"), town.call("burglar", fix=EASTERN)
    assert town.order(HandOver(command_id="h", territory=WEST, to="Aigul S."), "operator:lead") == DONE
    assert town.incident(west).owner == "person:Aigul S."
    assert town.incident(east).owner == f"desk:{EAST}"
    decisions = town.committed.decisions[-1]
    assert [entry.fact for entry in decisions.log] == ["owner_set"]
    assert [(one.fact, one.actor) for one in decisions.centre_log] == [("shift_handed_over", "operator:lead")]


def test_first_roster_reaches_crews_that_are_on_duty_already() -> None:
    town = Town()
    crew = town.crew("P-1", "patrol", territory=WEST)
    town.wait(3 * HOUR)
    assert noticed(load(town, shift("P-1", -HOUR, 9 * HOUR, "fire", territory=EAST))) == []
    assert (crew.territory, crew.capabilities) == (EAST, ("fire",))


def test_what_passed_while_the_centre_was_down_is_noticed_also_when_the_roster_comes_after_the_first_batch() -> None:
    town = Town()
    town.crew("P-1", "patrol")
    shifts = (shift("P-1", -HOUR, 100),)
    load(town, *shifts)
    again = Town(recovered=town.committed.recovered())
    again.now_us = town.now_us + 130 * SECOND_US
    again.handle()
    assert noticed(load(again, *shifts)) == [("duty_over", "P-1")]
