"""A crew whose incident turns out to be another one is awaited there as it was: no longer, not anew, and late only once."""

from __future__ import annotations

import msgspec
import pytest

from core.commands import Acknowledge, Merge, Reassign
from core.incident import fold
from core.instant import SECOND_US
from core.scenario import Chain, Scenario, ScenarioSet, Step
from core.vocabulary import CategoryCode, IncidentId, TermKind
from tests.core.town import ACCEPT_S, DONE, ELSEWHERE, ON_SCENE_S, Town
from tests.simulation.places import CATEGORIES, PLAIN, scenarios

CREW = "P-1"


def tell(after_s: float, to: str = "shift_lead") -> Step:
    return Step(after_s=after_s, do="tell", to=to)


def chain(base: Chain, *steps: Step) -> Chain:
    return msgspec.structs.replace(base, steps=steps)


LONG = msgspec.structs.replace(
    PLAIN,
    accept=chain(PLAIN.accept, tell(0), tell(15)),
    on_scene=chain(PLAIN.on_scene, tell(0), tell(20), tell(40, "duty_officer")),
)


def town_with_two(base: Scenario = LONG, *, other: Scenario | None = None) -> tuple[Town, IncidentId, IncidentId]:
    """A crew is offered the first of two incidents, whose other one goes by another scenario where one is given."""
    made = scenarios(base)
    if other is not None:
        theirs = other.serving(CategoryCode("assault"), CATEGORIES["assault"].needs)
        made = ScenarioSet([theirs if one.code == "assault" else one for one in made], CATEGORIES, {})
    town = Town(scenarios=made)
    town.crew(CREW, "patrol")
    first = town.call("burglar")
    assert town.crews_on(first) == [CREW]
    return town, first, town.call("fight", fix=ELSEWHERE)


def heard(town: Town, seconds: int, term: str = "on_scene") -> list[tuple[int, str]]:
    """Who is told that this crew is late, in each of the coming seconds."""
    return [
        (second, notice.to)
        for second in range(1, seconds + 1)
        for notice in getattr(town.wait(1), "notices", [])
        if (notice.term, notice.crew) == (term, CREW)
    ]


def merge(town: Town, first: IncidentId, second: IncidentId) -> None:
    assert town.order(Merge(command_id="m", incident=first, into=second)) == DONE
    assert town.crews_on(second) == [CREW]
    assert fold(town.committed.entries(second)) == town.committed.incidents[second].view


@pytest.mark.parametrize("restarts", [False, True], ids=["one_life", "restart"])
@pytest.mark.parametrize(
    ("waited_s", "expected"),
    [
        (10, [(35, "shift_lead"), (55, "shift_lead"), (75, "duty_officer")]),
        (44, [(1, "shift_lead"), (21, "shift_lead"), (41, "duty_officer")]),
        (45, [(20, "shift_lead"), (40, "duty_officer")]),
        (70, [(15, "duty_officer")]),
        (90, []),
    ],
    ids=["in_time", "in_the_last_second", "late", "told_twice", "told_to_the_end"],
)
@pytest.mark.parametrize("report", ["accepted", "en_route"])
def test_crew_is_late_when_it_would_have_been_and_is_told_of_once(
    report: str, waited_s: int, expected: list[tuple[int, str]], restarts: bool
) -> None:
    town, first, second = town_with_two()
    town.status(CREW, report)
    town.wait(waited_s)
    expected_us = town.assignment(CREW).expected_us
    merge(town, first, second)
    assert town.assignment(CREW).expected_us == expected_us is not None
    if restarts:
        again = Town(scenarios=scenarios(LONG), recovered=town.committed.recovered(), now_us=town.now_us)
        again.committed, town = town.committed, again
    assert heard(town, 120) == expected


@pytest.mark.parametrize(
    ("waited_s", "expected"),
    [(5, [(15, "shift_lead"), (30, "shift_lead")]), (20, [(15, "shift_lead")]), (36, [])],
)
def test_crew_that_has_not_accepted_has_no_more_time_for_it(waited_s: int, expected: list[tuple[int, str]]) -> None:
    town, first, second = town_with_two()
    town.wait(waited_s)
    merge(town, first, second)
    assert heard(town, 60, "accept") == expected


def test_crew_that_accepts_after_the_merger_has_its_whole_way() -> None:
    town, first, second = town_with_two()
    town.wait(5)
    merge(town, first, second)
    town.status(CREW, "accepted")
    assert heard(town, 60)[0] == (round(ON_SCENE_S), "shift_lead")


def test_acknowledged_lateness_is_not_told_again() -> None:
    town, first, second = town_with_two()
    town.status(CREW, "en_route")
    town.wait(45)
    assert town.order(Acknowledge(command_id="a", incident=first)) == DONE
    merge(town, first, second)
    assert heard(town, 120) == []


def test_crew_on_scene_is_not_awaited() -> None:
    town, first, second = town_with_two()
    town.status(CREW, "on_scene")
    merge(town, first, second)
    assert not [term for term in town.incident(second).terms if term.assignment_id is not None]


@pytest.mark.parametrize(
    ("waited_s", "expected"),
    [
        # Not late: the time that is left, and then the other scenario's steps.
        (40, [(5, "duty_officer"), (15, "shift_lead"), (35, "level_above")]),
        # Late: what that scenario would have done by now is done with, of the rest each at its moment from the passing.
        (50, [(5, "shift_lead"), (25, "level_above")]),
        (70, [(5, "level_above")]),
        (90, []),
    ],
)
def test_crew_that_comes_to_another_scenario_goes_on_by_its_steps(waited_s: int, expected: list[tuple[int, str]]) -> None:
    other = chain(PLAIN.on_scene, tell(0, "duty_officer"), tell(10), tell(30, "level_above"))
    town, first, second = town_with_two(other=msgspec.structs.replace(PLAIN, on_scene=other))
    town.status(CREW, "en_route")
    town.wait(waited_s)
    merge(town, first, second)
    assert heard(town, 60) == expected


def test_held_crew_s_term_runs_on_where_it_is_held() -> None:
    town, first, second = town_with_two()
    town.status(CREW, "en_route")
    town.wait(30)
    third = town.call("pain")
    assert town.order(Reassign(command_id="r", incident=third, to=CREW, when="now")) == DONE
    merge(town, first, second)
    terms = [(term.kind, term.due_us) for term in town.incident(second).terms if term.assignment_id is not None]
    assert terms == [(TermKind.ON_SCENE, town.now_us + 15 * SECOND_US)]


def test_crew_that_was_offered_the_other_one_too_is_as_late_as_it_was() -> None:
    town, first, second = town_with_two()
    town.status(CREW, "en_route")
    assert town.order(Reassign(command_id="r", incident=second, to=CREW, when="next")) == DONE
    town.wait(round(ACCEPT_S) - 5)
    merge(town, first, second)
    assert heard(town, 60)[0] == (round(ON_SCENE_S - ACCEPT_S) + 5, "shift_lead")


def test_crew_that_was_there_and_was_called_away_is_awaited_anew() -> None:
    town, first, second = town_with_two()
    town.status(CREW, "on_scene")
    town.wait(60)
    third = town.call("pain")
    assert town.order(Reassign(command_id="r", incident=third, to=CREW, when="now")) == DONE
    merge(town, first, second)
    terms = [(term.kind, term.due_us) for term in town.incident(second).terms if term.assignment_id is not None]
    assert terms == [(TermKind.ON_SCENE, town.now_us + round(ON_SCENE_S) * SECOND_US)]
