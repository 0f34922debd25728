"""Escalations: every step at its moment and once, stopped by what ends it; modes, waves, and versions that incidents keep."""

from __future__ import annotations

import msgspec
import pytest

from core.commands import Acknowledge, ChangePriority, Close, CreateIncident, Reassign, SetMode
from core.decisions import Decisions
from core.escalation import Plan
from core.events import CallUpdate
from core.facts import StepDone
from core.incident import decode_fact
from core.instant import SECOND_US
from core.scenario import ByMode, Chain, CrewNeed, Informed, LevelAbove, Scenario, ScenarioSet, Step
from core.state import Batch
from core.telling import Happened
from core.terms import TermLengths
from core.vocabulary import CategoryCode, CrewState, Mode, TermKind
from tests.core.town import DONE, EASTERN, ELSEWHERE, QUIET, SPOT, Town
from tests.simulation.places import CATEGORIES, PLAIN, scenarios


def chain(within_s: float, *steps: Step, **more: object) -> Chain:
    return Chain(within_s=ByMode.same(within_s), steps=steps, **more)  # type: ignore[arg-type]


def tell(after_s: float, to: str, **more: float) -> Step:
    return Step(after_s=after_s, do="tell", to=to, **more)  # type: ignore[arg-type]


NEXT = Step(after_s=0, do="next_crew")


def town(**changes: object) -> Town:
    """A town whose scenarios differ from the plain ones in some fields."""
    return Town(scenarios=scenarios(msgspec.structs.replace(PLAIN, **changes)))


def told(decisions: Decisions | None) -> list[tuple[str, str]]:
    return [] if decisions is None else [(notice.term, notice.to) for notice in decisions.notices]


def course(town: Town, seconds: int) -> list[tuple[int, str, str]]:
    """Who is told of what in each of the coming seconds."""
    return [(second, *one) for second in range(1, seconds + 1) for one in told(town.wait(1))]


def test_chain_when_unrolled_has_every_repetition_at_its_moment() -> None:
    plan = Plan(
        msgspec.structs.replace(
            PLAIN,
            crew=chain(10, tell(0, "shift_lead", repeat_s=30, repeats=2), tell(30, "duty_officer"), tell(45, "level_above")),
        ),
        TermLengths(pace=10),
    )
    moments = plan.moments(TermKind.CREW)
    assert [(one.after_us / SECOND_US, one.step.to, one.repeat) for one in moments] == [
        (0.0, "shift_lead", 0),
        (3.0, "shift_lead", 1),
        (3.0, "duty_officer", 0),
        (4.5, "level_above", 0),
        (6.0, "shift_lead", 2),
    ]


def test_crew_chain_tells_step_by_step_until_a_crew_is_found() -> None:
    steps = (
        NEXT,
        tell(0, "shift_lead", repeat_s=5, repeats=3),
        tell(7, "duty_officer"),
        Step(after_s=12, do="ask_level_above"),
    )
    here = town(crew=chain(10, *steps))
    incident = here.call("fight")
    assert course(here, 20) == [
        (10, "crew", "shift_lead"),
        (15, "crew", "shift_lead"),
        (17, "crew", "duty_officer"),
        (20, "crew", "shift_lead"),
    ]
    here.crew("P-1", "patrol")
    assert here.crews_on(incident) == ["P-1"]
    assert [one for one in course(here, 15) if one[1] == "crew"] == [], "a crew is found: nothing more is told"


def test_crew_chain_when_nobody_helps_goes_to_its_end_and_asks_the_level_above() -> None:
    here = town(
        crew=chain(10, tell(0, "shift_lead"), Step(after_s=12, do="ask_level_above")), level_above=LevelAbove(missing_s=30)
    )
    incident = here.call("fight")
    assert course(here, 60) == [(10, "crew", "shift_lead"), (22, "crew", "level_above"), (30, "crew", "level_above")]
    keys = [one.key for decisions in here.committed.decisions for one in decisions.tellings]
    assert len(keys) == len(set(keys)) == 3
    assert all(key.startswith(f"incident/{incident}/crew/") for key in keys)


LENGTHS = ByMode(daily=10, heightened=20, emergency=45)


@pytest.mark.parametrize("changed", ["", "emergency", "daily"], ids=lambda mode: f"then_{mode or 'unchanged'}")
@pytest.mark.parametrize("restarts", [False, True], ids=["one_life", "restart"])
@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("daily", [(10, "shift_lead"), (22, "duty_officer"), (30, "level_above")]),
        ("heightened", [(20, "shift_lead"), (30, "level_above"), (32, "duty_officer")]),
        # Longer than a crew may be missing: the level above is asked before anything has passed.
        ("emergency", [(30, "level_above"), (45, "shift_lead"), (57, "duty_officer")]),
    ],
)
def test_missing_crew_is_reckoned_from_its_asking_in_each_mode(
    mode: str, expected: list[tuple[int, str]], restarts: bool, changed: str
) -> None:
    crew = Chain(within_s=LENGTHS, steps=(tell(0, "shift_lead"), tell(12, "duty_officer")))
    here = town(crew=crew, level_above=LevelAbove(missing_s=30))
    here.order(SetMode(command_id="m", mode=mode, ground="order 7"))  # type: ignore[arg-type]
    here.call("fight")
    heard = course(here, 5)
    if changed:
        here.order(SetMode(command_id="n", mode=changed, ground="order 8"))  # type: ignore[arg-type]
    if restarts:
        newer = msgspec.structs.replace(PLAIN, version=9)
        again = Town(scenarios=scenarios(newer), recovered=here.committed.recovered(), now_us=here.now_us)
        assert again.engine.state.mode is Mode(changed or mode)
        here = again
    heard += [(second + 5, *one) for second, *one in course(here, 90)]  # type: ignore[misc]
    assert [(second, to) for second, term, to in heard if term == "crew"] == expected


@pytest.mark.parametrize("lengths", [TermLengths(no_crew_us=20 * SECOND_US), TermLengths(pace=2.0)], ids=["set", "pace"])
def test_missing_crew_is_reckoned_from_its_asking_whatever_the_centre_sets(lengths: TermLengths) -> None:
    base = msgspec.structs.replace(PLAIN, level_above=LevelAbove(missing_s=30))
    here = Town(scenarios=scenarios(base), rules=msgspec.structs.replace(QUIET, terms=lengths))
    here.call("fight")
    heard = [second for second, term, to in course(here, 40) if (term, to) == ("crew", "level_above")]
    assert heard == [round(30 / lengths.pace)]


@pytest.mark.parametrize(("stop", "expected"), [(("met",), []), (("acknowledged",), []), ((), [])])
def test_term_that_has_not_passed_ends_with_the_crew_although_the_level_above_was_asked(
    stop: tuple[str, ...], expected: list[tuple[int, str, str]]
) -> None:
    here = town(crew=chain(45, tell(0, "shift_lead"), stop=stop), level_above=LevelAbove(missing_s=30))
    incident = here.call("fight")
    assert course(here, 40) == [(30, "crew", "level_above")]
    here.order(Acknowledge(command_id="a", incident=incident))
    assert any(term.kind is TermKind.CREW for term in here.incident(incident).terms), "nothing has passed yet"
    here.crew("P-1", "patrol")
    assert [one for one in course(here, 19) if one[1] == "crew"] == expected


def test_crew_term_when_the_incident_turns_out_to_be_something_else_counts_from_the_same_asking() -> None:
    slow = msgspec.structs.replace(
        PLAIN, version=2, crew=chain(40, tell(0, "shift_lead")), level_above=LevelAbove(missing_s=50)
    )
    every = [slow.serving(CategoryCode(code), CATEGORIES[code].needs) for code in CATEGORIES]
    quick = msgspec.structs.replace(PLAIN, crew=chain(10, tell(0, "shift_lead")), level_above=LevelAbove(missing_s=25))
    every = [quick.serving(one.code, one.needs) if one.code == "fire" else one for one in every]
    here = Town(scenarios=ScenarioSet(every, CATEGORIES, {}))
    here.call("help", call_id="x")
    here.wait(5)
    here.say(CallUpdate(seq=here.number(), at=here.at, call_id="x", words="fire"))
    heard = [(second + 5, to) for second, term, to in course(here, 60) if term == "crew"]
    assert heard == [(40, "level_above"), (40, "shift_lead")], "the term itself runs as it began; what is late comes at once"


def test_accept_chain_goes_on_over_the_next_crew_and_ends_when_one_accepts() -> None:
    here = town(accept=chain(20, NEXT, tell(0, "shift_lead"), tell(12, "duty_officer"), tell(30, "level_above")))
    here.crew("P-1", "patrol")
    here.crew("P-2", "patrol", fix=ELSEWHERE)
    incident = here.call("fight")
    assert course(here, 35) == [(20, "accept", "shift_lead"), (32, "accept", "duty_officer")]
    assert here.crews_on(incident) == ["P-2"]
    here.status("P-2", "accepted")
    assert course(here, 40) == []


def test_accept_chain_when_it_tells_before_it_looks_further_ends_with_the_crew_s_answer() -> None:
    here = town(accept=chain(20, tell(0, "shift_lead"), Step(after_s=10, do="next_crew"), tell(20, "duty_officer")))
    here.crew("P-1", "patrol")
    here.call("fight")
    assert course(here, 25) == [(20, "accept", "shift_lead")]
    here.status("P-1", "accepted")
    assert (course(here, 30), here.states()) == ([], {"P-1": CrewState.ASSIGNED})


def test_on_scene_chain_may_send_another_crew_and_the_late_one_goes_on() -> None:
    here = town(on_scene=chain(45, tell(0, "shift_lead"), Step(after_s=10, do="next_crew"), tell(20, "duty_officer")))
    here.crew("P-1", "patrol")
    incident = here.call("fight")
    here.status("P-1", "en_route")
    here.crew("P-2", "patrol", fix=EASTERN)
    assert course(here, 54) == [(45, "on_scene", "shift_lead")]
    here.wait(1)
    assert sorted(here.crews_on(incident)) == ["P-1", "P-2"]
    assert here.incident(incident).needs == ("patrol", "patrol")
    here.status("P-1", "on_scene")
    here.status("P-2", "accepted")
    assert course(here, 40) == []


@pytest.mark.parametrize(("term", "stopped"), [("", True), ("crew", True), ("on_scene", False)])
def test_acknowledge_really_stops_what_has_passed(term: str, stopped: bool) -> None:
    here = town(crew=chain(10, tell(0, "shift_lead", repeat_s=5, repeats=9)))
    incident = here.call("fight")
    here.wait(10)
    command = Acknowledge(command_id="a", incident=incident, term=term)  # type: ignore[arg-type]
    assert here.order(command) == DONE
    heard = [one for one in course(here, 40) if one[1] == "crew"]
    assert heard == ([] if stopped else [(second, "crew", "shift_lead") for second in range(5, 41, 5)])
    assert here.committed.facts(incident).count("acknowledged") == 1
    assert here.incident(incident).terms, "an open incident always has a term"


def test_acknowledge_before_anything_has_passed_stops_nothing() -> None:
    here = town()
    incident = here.call("fight")
    assert here.order(Acknowledge(command_id="a", incident=incident)) == DONE
    assert course(here, 10) == [(10, "crew", "shift_lead")]
    assert here.order(Acknowledge(command_id="b", incident=99)) == (False, "unknown_incident")


def test_acknowledge_of_a_review_lets_it_begin_anew() -> None:
    here = town(review=chain(100, tell(0, "shift_lead"), tell(50, "duty_officer")))
    incident = here.call("question")
    here.wait(100)
    assert here.order(Acknowledge(command_id="a", incident=incident)) == DONE
    assert course(here, 120) == [(100, "review", "shift_lead")]


@pytest.mark.parametrize(
    ("stop", "expected"),
    [
        (("acknowledged", "met"), []),
        (("met",), []),
        (("acknowledged",), [(10, "on_scene", "duty_officer")]),
    ],
)
def test_chain_that_is_not_stopped_by_what_it_waits_for_is_told_all_the_same(
    stop: tuple[str, ...], expected: list[tuple[int, str, str]]
) -> None:
    here = town(on_scene=chain(45, tell(0, "shift_lead"), tell(10, "duty_officer"), stop=stop))
    here.crew("P-1", "patrol")
    incident = here.call("fight")
    here.status("P-1", "accepted")
    here.wait(45)
    here.status("P-1", "on_scene")
    assert course(here, 20) == expected
    assert here.order(Close(command_id="c", incident=incident, result="over")) == DONE


def test_quiet_time_keeps_the_same_recipient_from_being_told_twice() -> None:
    here = town(accept=chain(20, NEXT, tell(0, "shift_lead"), tell(1, "duty_officer"), quiet_s=30))
    for number in range(4):
        here.crew(f"P-{number}", "patrol", fix=ELSEWHERE)
    incident = here.call("fight")
    assert course(here, 70) == [
        (20, "accept", "shift_lead"),
        (21, "accept", "duty_officer"),
        (60, "accept", "shift_lead"),
        (61, "accept", "duty_officer"),
    ]
    steps = [decode_fact(entry.body) for entry in here.committed.entries(incident) if entry.fact == "term_fired"]
    assert sum(one.step is StepDone.QUIET for one in steps) == 2


def test_steps_that_passed_while_the_centre_was_down_come_once_in_order_after_the_restart() -> None:
    changes = {
        "crew": chain(10, tell(0, "shift_lead", repeat_s=10, repeats=2), tell(15, "duty_officer"), tell(500, "level_above"))
    }
    here = town(**changes)
    here.call("fight")
    here.wait(10)
    base = msgspec.structs.replace(PLAIN, version=9, crew=chain(10, tell(0, "person:nobody")))
    again = Town(scenarios=scenarios(base), recovered=here.committed.recovered())
    again.now_us = here.now_us + 60 * SECOND_US
    assert told(again.handle()) == [("crew", "shift_lead"), ("crew", "duty_officer"), ("crew", "shift_lead")]
    assert told(again.wait(1)) == []
    assert ("crew", "level_above") in told(again.wait(439)), "by the version that the incident began with, at its own moment"


def test_wave_asks_for_more_crews_at_its_moment_unless_the_incident_is_over() -> None:
    later = (CrewNeed("ambulance", after_s=60), CrewNeed("rescue", number=2, after_s=90))
    here = Town(scenarios=scenarios(PLAIN, later))
    incident = here.call("fight")
    here.wait(60)
    assert here.incident(incident).needs == ("patrol", "ambulance")
    over = here.call("burglar", fix=EASTERN)
    here.order(Close(command_id="c", incident=over, result="nothing"))
    here.wait(30)
    assert here.incident(incident).needs == ("patrol", "ambulance", "rescue", "rescue")
    here.wait(100)
    assert here.incident(incident).needs == ("patrol", "ambulance", "rescue", "rescue")
    assert "needs_raised" not in here.committed.facts(over)


def test_informed_are_told_once_as_the_incident_goes_on() -> None:
    informed = tuple(Informed("duty_officer", when) for when in ("opened", "assigned", "on_scene", "closed"))
    here = town(informed=informed, level_above=LevelAbove(priority=1))
    here.crew("P-1", "patrol")
    here.crew("P-2", "patrol", fix=ELSEWHERE)
    here.crew("A-1", "ambulance")
    incident = here.call("shooting")
    for crew in ("P-1", "P-2", "A-1"):
        here.status(crew, "on_scene")
        here.status(crew, "cleared")
    here.order(Close(command_id="c", incident=incident, result="two detained"))
    tellings = [one for decisions in here.committed.decisions for one in decisions.tellings]
    assert [(one.template, one.to) for one in tellings] == [
        (Happened.INCIDENT_OPENED, "duty_officer"),
        (Happened.INCIDENT_OPENED, "level_above"),
        (Happened.TASK_GIVEN, "duty_officer"),
        (Happened.ON_SCENE, "duty_officer"),
        (Happened.INCIDENT_CLOSED, "duty_officer"),
    ]
    assert tellings[-1].values["result"] == "two detained"


def test_mode_when_set_rules_the_terms_that_begin_and_is_written_down_with_its_ground() -> None:
    by_mode = Chain(within_s=ByMode(daily=30, heightened=20, emergency=5), steps=(tell(0, "shift_lead"),))
    here = town(crew=by_mode)
    before = here.call("fight")
    assert here.order(SetMode(command_id="m", mode="emergency", ground="order 138"), "operator:lead") == DONE
    decisions = here.committed.decisions[-1]
    (entry,) = decisions.centre_log
    assert (entry.fact, entry.actor, entry.cause) == ("mode_set", "operator:lead", "command:m")
    assert msgspec.json.decode(entry.body) == {"mode": "emergency", "before": "daily", "ground": "order 138"}
    assert [(one.term, one.incident_id) for one in decisions.notices] == [("mode_set", None)]
    assert [one.template for one in decisions.tellings] == [Happened.MODE_CHANGED]
    after = here.call("fight", fix=EASTERN)
    assert [(one.incident_id, one.term) for one in (here.wait(5) or decisions).notices] == [(after, "crew")]
    assert [(one.incident_id, one.term) for one in (here.wait(25) or decisions).notices] == [(before, "crew")]
    again = Town(recovered=here.committed.recovered())
    assert again.engine.state.mode is Mode.EMERGENCY


def test_mode_when_set_again_changes_nothing_but_the_log() -> None:
    here = Town()
    here.order(SetMode(command_id="m", mode="daily", ground="as usual"))
    decisions = here.committed.decisions[-1]
    assert (len(decisions.centre_log), decisions.notices, decisions.tellings) == (1, [], [])


def test_scenarios_when_loaded_rule_new_incidents_and_open_ones_keep_theirs() -> None:
    here = Town()
    before = here.call("fight")
    changed = msgspec.structs.replace(PLAIN, version=2, crew=chain(3, tell(0, "duty_officer")))
    decisions = here.engine.handle(Batch([], [], {}, scenarios=scenarios(changed)), here.now_us)  # type: ignore[arg-type]
    assert decisions is not None
    here.committed.take(decisions)
    assert [(one.term, one.text.split(",")[0]) for one in decisions.notices] == [
        ("scenarios_loaded", "new scenarios: weapon@2")
    ]
    after = here.call("fight", fix=EASTERN)
    assert (here.incident(before).scenario, here.incident(after).scenario) == ("assault@1", "assault@2")
    assert course(here, 12) == [(3, "crew", "duty_officer"), (10, "crew", "shift_lead")]
    keys = {row.key for decided in here.committed.decisions for row in decided.scenarios}
    assert {"assault@1", "assault@2"} <= keys
    again: list[Scenario] = here.committed.recovered().scenarios
    assert {one.key for one in again} == keys


def test_recategorised_incident_goes_by_the_scenario_of_what_it_turned_out_to_be() -> None:
    here = Town(scenarios=scenarios(PLAIN, (CrewNeed("rescue", after_s=60),)))
    incident = here.call("help", phone="87010001122")
    assert here.incident(incident).scenario == "other@1"
    here.wait(50)
    here.call("fire", phone="87010001122")
    assert here.incident(incident).scenario == "fire@1"
    here.wait(10)
    assert "rescue" not in here.incident(incident).needs, "the new scenario's waves count from when it came to rule"
    here.wait(50)
    assert here.incident(incident).needs == ("fire", "ambulance", "rescue")


def test_withdrawn_crew_ends_the_chain_of_its_arrival() -> None:
    here = town(on_scene=chain(45, tell(0, "shift_lead", repeat_s=5, repeats=9), stop=("acknowledged",)))
    here.crew("P-1", "patrol")
    incident = here.call("fight")
    here.status("P-1", "accepted")
    here.wait(45)
    assert here.order(Reassign(command_id="r", incident=incident, crew="P-1")) == DONE
    assert [one for one in course(here, 30) if one[1] == "on_scene"] == []


@pytest.mark.parametrize("how", ["update", "create", "priority"])
def test_level_above_is_told_once_of_an_incident_that_becomes_urgent(how: str) -> None:
    here = town(level_above=LevelAbove(priority=1))
    if how == "create":
        command = CreateIncident(command_id="c", words="help", place=SPOT, priority=1)
        assert here.order(command) == DONE
    else:
        incident = here.call("help", call_id="x")
        assert here.committed.decisions[-1].tellings == []
        if how == "update":
            here.say(CallUpdate(seq=here.number(), at=here.at, call_id="x", words="shooting"))
        else:
            here.order(ChangePriority(command_id="p", incident=incident, priority=1))
            here.order(ChangePriority(command_id="q", incident=incident, priority=1))
    tellings = [one for decisions in here.committed.decisions for one in decisions.tellings]
    assert [(one.template, one.to) for one in tellings] == [(Happened.INCIDENT_OPENED, "level_above")]
