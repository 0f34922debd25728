"""What is counted of committed batches: the engine's own decisions in, numbers out."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.commands import Close, Merge
from core.decisions import Decisions
from core.events import PlateRead, Rejected
from core.facts import CategoryReason, CorrelateReason, EventJoined, Opened, StepDone
from core.identify import NumberKind
from core.instant import SECOND_US
from core.vocabulary import AssignReason, CrewState, IncidentState, LocationSource, RejectCode, Stage, TermKind
from ops import metrics
from ops.acknowledged import Urgency
from ops.measure import CALLER, CATEGORY, CREW, INCIDENT, PLACE, UNTIL, Measure, Stopwatch
from ops.needs import waiting_in
from tests.core.town import ACCEPT_S, DONE, EASTERN, ELSEWHERE, START_US, Town, chunk


def measured(town: Town, measure: Measure | None = None) -> Measure:
    """Everything that a town has committed, counted."""
    counted = measure or Measure()
    for decisions in town.committed.decisions:
        counted.committed(decisions, refused_of(decisions), decisions.now_us)
    town.committed.decisions.clear()
    return counted


def refused_of(decisions: Decisions) -> dict[str, list[Rejected]]:
    found: dict[str, list[Rejected]] = {}
    for taken in decisions.taken:
        refused = [item for item in taken.chunk.items[taken.skip :] if isinstance(item, Rejected)]
        refused += taken.rejected.values()
        if refused:
            found.setdefault(taken.chunk.source, []).extend(refused)
    return found


def responses(measure: Measure) -> dict[tuple[str, int], tuple[int, float]]:
    """(until, priority) → how many, and seconds in all."""
    return {(UNTIL[step], priority): (sum(one.counts), one.total) for (step, priority), one in measure.responses.items()}


def open_by_walking(town: Town) -> Counter[tuple[IncidentState, int]]:
    return Counter((incident.state, incident.priority) for incident in town.engine.state.incidents.values())


def open_as_counted(measure: Measure) -> Counter[tuple[IncidentState, int]]:
    return Counter({(state, priority): count for state, priority, count in measure.open_incidents()})


def test_call_is_counted_by_each_stage_and_by_each_reason() -> None:
    town = Town()
    town.crew("P-1", "patrol")
    town.call("fight", phone="+77010000001")
    town.call("fight")
    measure = measured(town)
    assert measure.decisions == {
        CALLER: {NumberKind.UNKNOWN: 1, NumberKind.WITHHELD: 1},
        PLACE: {LocationSource.DEVICE_FIX: 2},
        CATEGORY: {CategoryReason.WORDS: 1},
        INCIDENT: {CorrelateReason.FIRST: 1, CorrelateReason.NEAR_SAME_CATEGORY: 1},
        CREW: {AssignReason.NEAREST_CAPABLE: 1},
    }
    assert (measure.facts[Opened], measure.facts[EventJoined]) == (1, 1)
    handled = measure.handled()
    assert [handled[stage] for stage in (Stage.DECODE, Stage.IDENTIFY, Stage.LOCATE, Stage.CORRELATE, Stage.ASSIGN)] == [
        3,
        2,
        2,
        2,
        1,
    ]
    assert handled[Stage.PERSIST] == 3


def test_what_a_stage_could_not_do_is_an_error_of_that_stage() -> None:
    town = Town()
    town.call("fight", fix=None)
    town.status("P-9", "en_route")
    town.handle(chunk("s", Rejected(town.number(), RejectCode.INVALID_FIELD, "$.at", "is wrong")))
    failed = measured(town).failed()
    assert {key: count for key, count in failed.items() if count} == {
        (Stage.LOCATE, "no_place"): 1,
        (Stage.ASSIGN, "no_crew"): 1,
        (Stage.CORRELATE, "unknown_crew"): 1,
        (Stage.DECODE, "invalid_field"): 1,
    }


def test_first_crew_counts_for_each_step_of_the_response_and_the_later_ones_do_not() -> None:
    town = Town()
    town.crew("P-1", "patrol")
    town.crew("P-2", "patrol", fix=ELSEWHERE)
    incident = town.call("fight")
    priority = town.incident(incident).priority
    town.now_us += 5 * SECOND_US
    town.status("P-1", "declined", incident=incident)
    town.now_us += 7 * SECOND_US
    town.status("P-2", "accepted")
    town.now_us += 60 * SECOND_US
    town.status("P-2", "on_scene")
    assert responses(measured(town)) == {
        ("assigned", priority): (1, 0.0),
        ("accepted", priority): (1, 12.0),
        ("on_scene", priority): (1, 72.0),
    }


def test_crew_that_is_on_scene_without_having_said_more_has_accepted_too() -> None:
    town = Town()
    town.crew("P-1", "patrol")
    town.call("fight")
    town.now_us += 10 * SECOND_US
    town.status("P-1", "on_scene")
    assert {until: each for (until, _), each in responses(measured(town)).items()} == {
        "assigned": (1, 0.0),
        "accepted": (1, 10.0),
        "on_scene": (1, 10.0),
    }


@pytest.mark.parametrize("before", ["queued", "assigned", "accepted", "en_route"])
def test_response_of_a_recovered_incident_goes_on_where_it_was(before: str) -> None:
    town = Town()
    if before != "queued":
        town.crew("P-1", "patrol")
    incident = town.call("fight")
    if before not in ("queued", "assigned"):
        town.status("P-1", before)
    measure = measured(town)
    known = responses(measure)
    recovered = town.committed.recovered()
    later = Town(recovered=recovered, now_us=town.now_us + 10 * SECOND_US)
    later._seqs = dict(recovered.high_water)
    measure.recovered(recovered)
    later.crew("P-2", "patrol", fix=ELSEWHERE)
    if before != "queued":
        later.status("P-1", "on_scene", incident=incident)
    after = responses(measured(later, measure))
    new = {until: count - known.get((until, priority), (0, 0.0))[0] for (until, priority), (count, _) in after.items()}
    expected = {
        "queued": {"assigned": 1},
        "assigned": {"assigned": 0, "accepted": 1, "on_scene": 1},
        "accepted": {"assigned": 0, "accepted": 0, "on_scene": 1},
        "en_route": {"assigned": 0, "accepted": 0, "on_scene": 1},
    }
    assert new == expected[before]


def test_term_that_fires_late_is_counted_with_what_was_done_and_how_late() -> None:
    town = Town()
    town.crew("P-1", "patrol")
    town.call("fight")
    town.wait(ACCEPT_S + 3)
    measure = measured(town)
    assert measure.terms == {(TermKind.ACCEPT, StepDone.TOLD): 1, (TermKind.ACCEPT, StepDone.NEXT_CREW): 1}
    assert measure.lateness.total == pytest.approx(6.0)


def test_terms_running_are_as_many_as_the_incidents_have() -> None:
    town = Town()
    town.crew("P-1", "patrol")
    first, second = town.call("fight"), town.call("fire", fix=EASTERN)
    town.status("P-1", "en_route")
    town.wait(ACCEPT_S + 1)

    def running(of: Town) -> bool:
        return len(of.engine.state.running) == sum(len(one.terms) for one in of.engine.state.incidents.values())

    assert running(town)
    assert len(town.engine.state.running) > 2
    assert running(Town(recovered=town.committed.recovered()))
    town.status("P-1", "cleared", incident=first)
    assert town.order(Close(command_id="c", incident=first, result="over")) == DONE
    assert town.order(Close(command_id="d", incident=second, result="over")) == DONE
    assert len(town.engine.state.running) == 0


STEPS = st.lists(
    st.sampled_from(["call", "call east", "fire", "crew", "accept", "on_scene", "clear", "close", "merge", "wait", "restart"]),
    max_size=25,
)


@given(STEPS)
def test_gauges_are_what_a_walk_would_count_whatever_happens(steps: list[str]) -> None:
    town, measure = Town(), Measure()
    crews = 0
    for number, step in enumerate(steps):
        incidents = sorted(town.engine.state.incidents)
        match step:
            case "call":
                town.call("fight")
            case "call east":
                town.call("fight", fix=EASTERN)
            case "fire":
                town.call("fire", fix=ELSEWHERE)
            case "crew":
                crews += 1
                town.crew(f"P-{crews}", "patrol")
            case "accept" | "on_scene" | "clear":
                for crew in list(town.engine.state.crews):
                    town.status(crew, {"accept": "accepted", "clear": "cleared"}.get(step, step))
            case "close":
                for incident in incidents[:1]:
                    town.order(Close(command_id=f"close-{number}", incident=incident, result="over"))
            case "merge":
                for one, other in pairwise(incidents[:2]):
                    town.order(Merge(command_id=f"merge-{number}", incident=one, into=other))
            case "wait":
                town.wait(ACCEPT_S)
            case _:
                measured(town, measure)
                recovered = town.committed.recovered()
                seqs, committed = town._seqs, town.committed
                town = Town(recovered=recovered, now_us=town.now_us)
                town._seqs, town.committed = seqs, committed
                measure.recovered(recovered, waiting_in(town.engine.state))
        measured(town, measure)
        assert open_as_counted(measure) == open_by_walking(town)
        waiting = [incident for incident in town.engine.state.incidents.values() if incident.unmet()]
        assert len(measure.needs) == len(waiting)
        priorities = {priority for priority, since_us in enumerate(measure.needs.oldest_us) if since_us is not None}
        assert priorities == {incident.priority for incident in waiting}
        assert {state: count for state, count in measure.crews.items() if count} == Counter(town.states().values())
    assert measure.crews.keys() == set(CrewState)


def reads(source: str, count: int, first: int = 1) -> Decisions:
    town = Town()
    town._seqs[source] = first - 1
    events = [PlateRead(seq=town.number(source), at=town.at, camera="c", plate="1") for _ in range(count)]
    return town.say(*events, source=source)


def test_events_of_a_source_are_counted_once_however_often_they_come() -> None:
    town = Town()
    first = [PlateRead(seq=number, at=town.at, camera="c", plate="1") for number in range(1, 6)]
    town.say(*first, source="cameras")
    town.say(*first[2:], PlateRead(seq=6, at=town.at, camera="c", plate="2"), source="cameras")
    measure = Measure()
    for decisions in town.committed.decisions:
        measure.committed(decisions, {}, START_US + 2 * SECOND_US)
    tally = measure.sources["cameras"]
    assert (tally.events, tally.lag_s, tally.last_seen_us) == (6, 2.0, START_US + 2 * SECOND_US)
    buckets = measure.acknowledged.buckets[Urgency.OTHER]
    assert sum(buckets.counts) == 6
    assert buckets.total == pytest.approx(12.0)
    assert (sum(measure.commit_events.counts), measure.commit_events.total) == (2, 6.0)


def test_late_call_is_seen_among_any_number_of_events_in_time() -> None:
    town = Town()
    town.call("fight")
    (of_call,) = town.committed.decisions
    measure = Measure()
    measure.committed(of_call, {}, START_US + SECOND_US)
    measure.committed(reads("cameras", 5_000), {}, START_US)
    call, other = (measure.acknowledged.buckets[urgency] for urgency in (Urgency.CALL, Urgency.OTHER))
    assert (sum(call.counts), call.total) == (1, 1.0)
    assert (sum(other.counts), other.total) == (5_000, 0.0)


def test_need_waits_from_the_commit_without_a_crew_until_one_is_found() -> None:
    town = Town()
    incident = town.call("fight")
    began_us = town.now_us
    priority = town.incident(incident).priority
    measure = measured(town)
    assert measure.needs.oldest_us[priority] == began_us
    town.wait(20)
    assert measured(town, measure).needs.oldest_us[priority] == began_us
    town.crew("P-1", "patrol")
    assert measured(town, measure).needs.oldest_us[priority] is None
    # The crew does not go after all: a need of the same incident waits anew.
    town.now_us += SECOND_US
    town.status("P-1", "declined", incident=incident)
    assert measured(town, measure).needs.oldest_us[priority] == town.now_us
    assert town.order(Close(command_id="c", incident=incident, result="over")) == DONE
    assert len(measured(town, measure).needs) == 0


def test_sources_beyond_the_bound_share_one_tally_and_configured_ones_come_first() -> None:
    measure = Measure(["panel", "panel", "telephone"])
    for number in range(metrics.SOURCES_NAMED + 50):
        measure.committed(reads(f"any-{number}", 1), {}, START_US)
    measure.committed(reads("telephone", 3), {}, START_US)
    assert len(measure.sources) == metrics.SOURCES_NAMED
    assert measure.sources["telephone"].events == 3
    assert measure.others is not None
    assert measure.others.events == 52
    assert measure.sources_seen == metrics.SOURCES_NAMED + 51


def test_batch_without_events_is_no_batch_of_zero_events() -> None:
    town = Town()
    town.call("fight")
    measure = measured(town)
    town.wait(3600)
    assert town.committed.decisions
    measured(town, measure)
    assert sum(measure.commit_events.counts) == 1


def test_everything_that_facts_are_counted_by_is_handed_over_with_the_log() -> None:
    town = Town()
    town.crew("P-1", "patrol")
    town.call("fight")
    last = town.committed.decisions[-1]
    assert [type(fact).__struct_config__.tag for fact in last.facts] == [entry.fact for entry in last.log]
    assert [msgspec.json.encode(fact) for fact in last.facts] == [entry.body for entry in last.log]


def test_what_is_left_out_counts_for_no_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    clock_s = iter([10.0, 11.0, 11.5, 12.0, 15.0, 15.25, 16.0])
    monkeypatch.setattr("ops.measure.perf_counter", lambda: next(clock_s))
    measure = Measure()
    stopwatch = Stopwatch(measure.durations)
    stopwatch(None)
    stopwatch(Stage.TERMS)  # 1 s
    stopwatch.leave_out()  # 0.5 s of something else
    stopwatch(Stage.LOCATE)  # 0.5 s
    stopwatch.leave_out()  # 3 s
    stopwatch(Stage.CORRELATE)  # 0.25 s
    stopwatch(Stage.DECIDE)  # 6 s since the beginning, 3.5 of them left out
    stages = (Stage.TERMS, Stage.LOCATE, Stage.CORRELATE, Stage.DECIDE)
    assert [measure.durations[stage].total for stage in stages] == [1.0, 0.5, 0.25, 2.5]
