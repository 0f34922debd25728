"""The engine as a whole: any events and orders leave the invariants standing, the log folding into the views, and an engine
that recovers deciding what the live one decides, byte by byte.
"""

from __future__ import annotations

from datetime import timedelta

import msgspec
from hypothesis import given, settings, target
from hypothesis import strategies as st

from core import commands
from core.commands import AnyCommand, Order
from core.crew import STATE_OF, WORKING
from core.decisions import Decisions
from core.engine import Engine
from core.events import (
    Alarm,
    AnyEvent,
    Call,
    CallUpdate,
    CrewStatus,
    Fix,
    Position,
    Rejected,
    SensorReading,
    VideoEvent,
)
from core.incident import ACTIVE, Incident, apply, decode_fact, fold
from core.instant import SECOND_US, Micros, to_datetime
from core.signal import SignalRules
from core.state import Batch, CentreRules
from core.vocabulary import CrewId, IncidentId, RejectCode
from routing.crew_index import CrewTree
from tests.core.town import CREW_S, PLAIN_SCENARIOS, SPOT, START_US, Committed, Town, chunk
from tests.simulation.places import CATEGORIES, CREWS, DEVICE_IDS, PHONES, RULES, SPOTS, WORDS, AddressTable, Halves
from tests.simulation.relief_checker import ReliefChecker

KEEP_ALL: CentreRules = msgspec.structs.replace(RULES, position_interval_us=0, signal=SignalRules(stale_us=0))
"""Every position is kept, so that recovery knows each crew's place to the last metre, and no crew falls silent: after a start
each has its time anew."""

AT = to_datetime(START_US)
SPOTTED = st.sampled_from((*SPOTS, None))
CREW = st.sampled_from([profile.crew for profile in CREWS])
NUMBER = st.integers(1, 8)
CALL_ID = st.sampled_from(("a", "b", "c", "d", "e"))


def event(kind: type, **fields: st.SearchStrategy[object]) -> st.SearchStrategy[AnyEvent]:
    return st.builds(kind, seq=st.just(1), at=st.just(AT), **fields)


WORD = st.sampled_from(WORDS)
EVENTS = st.one_of(
    event(Call, words=WORD, phone=st.sampled_from(PHONES), call_id=CALL_ID, fix=SPOTTED),
    event(Call, words=WORD, phone=st.sampled_from(PHONES), call_id=CALL_ID, fix=SPOTTED),
    event(CallUpdate, words=WORD, call_id=CALL_ID, fix=SPOTTED),
    event(Alarm, device=st.sampled_from(DEVICE_IDS), alarm=st.sampled_from(("panel", "button", "fire")), fix=SPOTTED),
    event(VideoEvent, camera=st.sampled_from(DEVICE_IDS), analytic=st.sampled_from(("smoke", "fight")), fix=SPOTTED),
    event(SensorReading, device=st.just("dev-1"), quantity=st.just("methane_percent"), value=st.sampled_from((0.5, 2.0))),
    event(
        CrewStatus,
        crew=CREW,
        status=st.sampled_from(
            (
                "off_duty",
                "free",
                "free",
                "accepted",
                "declined",
                "en_route",
                "on_scene",
                "cleared",
                "returning",
                "busy",
                "off_duty",
            )
        ),
        incident=st.none() | NUMBER,
    ),
    event(
        Position,
        crew=CREW,
        latitude_deg=st.floats(43.1901, 43.2299).map(lambda x: round(x, 7)),
        longitude_deg=st.floats(76.79, 77.0),
    ),
)
ID = {"command_id": st.uuids().map(str)}
COMMANDS: st.SearchStrategy[AnyCommand] = st.one_of(
    *(
        st.builds(kind, incident=NUMBER, crew=CREW, **ID)
        for kind in (commands.Accept, commands.Decline, commands.EnRoute, commands.OnScene, commands.Clear)
    ),
    st.builds(commands.Close, incident=NUMBER, result=st.just("over"), **ID),
    st.builds(
        commands.Reassign,
        incident=NUMBER,
        crew=CREW | st.just(""),
        to=CREW | st.just(""),
        when=st.sampled_from(("free", "next", "now")),
        **ID,
    ),
    st.builds(commands.AddNote, incident=NUMBER, words=st.just("note"), **ID),
    st.builds(commands.CreateIncident, words=WORD, place=SPOTTED, priority=st.none() | st.integers(1, 9), **ID),
    st.builds(commands.Merge, incident=NUMBER, into=NUMBER, **ID),
    st.builds(commands.Merge, incident=NUMBER, into=NUMBER, **ID),
    st.builds(
        commands.Split, incident=NUMBER, events=st.lists(NUMBER.map("s/{}".format), min_size=1, max_size=3).map(tuple), **ID
    ),
    st.builds(commands.ChangePriority, incident=NUMBER, priority=st.integers(1, 9), **ID),
)
STEPS = st.lists(
    st.tuples(st.sampled_from((0.0, 0.5, 5.0, 21.0, 60.0)), st.lists(EVENTS, max_size=4), st.lists(COMMANDS, max_size=2)),
    min_size=1,
    max_size=14,
)
Step = tuple[float, list[AnyEvent], list[AnyCommand]]


def start() -> Town:
    """A town with all its crews on duty, each somewhere else."""
    town = Town(rules=KEEP_ALL)
    for number, crew in enumerate(sorted(CREWS, key=lambda profile: profile.crew)):
        fix = Fix(43.2 + 0.0031 * number, 76.81 + 0.0257 * number, 5.0)
        town.crew(crew.crew, *crew.capabilities, fix=fix, territory=crew.territory, outside=crew.outside)
    return town


def batches(steps: list[Step], now_us: int) -> list[tuple[Batch, Micros]]:
    """The steps as batches: events numbered through, times rising."""
    seq = 0
    made = []
    for wait_s, events, orders in steps:
        now_us += int(wait_s * SECOND_US) + 1
        numbered: list[AnyEvent | Rejected] = []
        for one in events:
            seq += 1
            # Positions of one instant would leave open which is the latest.
            at = to_datetime(now_us) + timedelta(microseconds=seq)
            numbered.append(msgspec.structs.replace(one, seq=seq, at=at))
        made.append(
            (
                Batch([chunk("s", *numbered)] if numbered else [], [Order("operator:a", one) for one in orders], {}),
                Micros(now_us),
            )
        )
    return made


def encoded(decisions: Decisions | None) -> bytes:
    return msgspec.json.encode(decisions)


def check(engine: Engine, committed: Committed, decisions: Decisions | None) -> None:
    """The invariants that hold after every batch."""
    state = engine.state
    working: dict[str, set[int]] = {}
    assert len(state.running) == sum(len(incident.terms) for incident in state.incidents.values()), "6: ended terms are gone"
    for incident in state.incidents.values():
        assert incident.owner, "6: every open incident has an owner"
        assert incident.terms, "6: and a next term"
        assert engine.next_due_us is not None
        assert engine.next_due_us <= min(term.due_us for term in incident.terms), "6: somebody looks when it is due"
        assert sorted(state.queued.get(incident.incident_id, ())) == sorted(incident.unmet()), "every unmet need waits, once"
        for assignment in incident.assignments:
            if assignment.state in ACTIVE:
                working.setdefault(assignment.crew, set()).add(assignment.assignment_id)
                crew = state.crews[CrewId(assignment.crew)]
                active = crew.assignment_id == assignment.assignment_id
                assert active is not assignment.held, "5: of a crew's assignments one is active, the others are held"
                assert not active or crew.state is STATE_OF[assignment.state], "5: the crew's state is its active assignment's"
    for crew in state.crews.values():
        tasks = {task.assignment_id for task in (crew.active, *crew.held) if task is not None}
        assert working.get(crew.crew_id, set()) == tasks, "5: a crew and its incidents agree on what it is to do"
        assert (crew.active is not None) is (crew.state in WORKING), "5: a crew is on at most one active assignment"
    if decisions is None:
        return
    for change in decisions.incidents:
        assert fold(committed.entries(change.incident_id)) == change.view, "7: the log gives the view"
    told_of = {entry.incident_id for entry in decisions.log}
    assert {change.incident_id for change in decisions.assignments} <= told_of
    for changed in decisions.crews:
        assert changed.view == msgspec.json.encode(state.crews[changed.crew_id])


@given(STEPS)
@settings(max_examples=60)
def test_handle_when_anything_happens_keeps_the_invariants(steps: list[Step]) -> None:
    town = start()
    for batch, now_us in batches(steps, town.now_us):
        before = {change.assignment_id: change for change in town.committed.assignments.values()}
        decisions = town.engine.handle(batch, now_us)
        if decisions is not None:
            town.committed.take(decisions)
            touched = {change.assignment_id for change in decisions.assignments}
            facts = {
                msgspec.json.decode(entry.body)["assignment_id"]
                for entry in decisions.log
                if entry.fact in ("crew_assigned", "assignment_moved", "assignment_ended", "assignment_held")
            }
            assert touched == facts, "an assignment changes by a fact of its own, never by another's"
            for number in before.keys() - touched:
                assert town.committed.assignments[number] == before[number]
        check(town.engine, town.committed, decisions)


NEARBY = st.lists(
    st.tuples(
        st.sampled_from((0.0, 5.0, 21.0)),
        st.lists(
            st.one_of(
                event(Call, words=st.sampled_from(("fight", "fire", "pain")), fix=st.sampled_from(SPOTS)),
                *(
                    event(CrewStatus, crew=st.sampled_from(("P-1", "P-2", "P-3", "A-1", "F-1")), status=status, fix=SPOTTED)
                    for status in (
                        st.just("free"),
                        st.just("free"),
                        st.sampled_from(("accepted", "en_route", "on_scene", "cleared")),
                        st.sampled_from(("declined", "busy", "off_duty")),
                    )
                ),
            ),
            min_size=1,
            max_size=3,
        ),
        st.lists(COMMANDS, max_size=1),
    ),
    min_size=4,
    max_size=14,
)
"""Crews that come and go beside incidents to which others are on their way."""


@given(NEARBY)
@settings(max_examples=60)
def test_handle_when_crews_relieve_each_other_never_takes_one_for_a_promise(steps: list[Step]) -> None:
    town, checker = start(), ReliefChecker()
    incidents: dict[IncidentId, Incident] = {}
    for crew in ("P-1", "P-2", "A-2", "F-1"):
        town.status(crew, "busy")
    # The others come from far away.
    first: Step = (0.0, [Call(seq=1, at=AT, words=words, fix=SPOTS[0]) for words in ("fight", "pain", "fire")], [])
    steps = [first, *steps]
    for batch, now_us in batches(steps, town.now_us):
        decisions = town.engine.handle(batch, now_us)
        if decisions is not None:
            town.committed.take(decisions)
            for entry in decisions.log:
                made = Incident(
                    incident_id=entry.incident_id, opened_us=entry.at_us, updated_us=entry.at_us, told_us=entry.at_us
                )
                incident, fact = incidents.setdefault(entry.incident_id, made), decode_fact(entry.body)
                assert checker.fault(entry, incident, fact) == ""
                apply(incident, fact, entry.at_us, entry.actor)
                assert checker.fault_after(incident, fact) == ""
            assert {checker.fault_between(incident) for incident in incidents.values()} <= {""}
        check(town.engine, town.committed, decisions)
    target(float(checker.offered + checker.taken_over + checker.spared + checker.refused))


@given(STEPS, st.integers(0, 13))
@settings(max_examples=60)
def test_handle_when_engine_has_recovered_decides_the_same(steps: list[Step], crash: int) -> None:
    town = start()
    made = batches(steps, town.now_us)
    for batch, now_us in made[:crash]:
        decisions = town.engine.handle(batch, now_us)
        if decisions is not None:
            town.committed.take(decisions)
    recovered = msgspec.structs.replace(
        town.committed.recovered(),
        earlier_calls=[call for calls in town.engine.state.earlier._calls.values() for call in calls],
    )
    again = Engine(KEEP_ALL, CATEGORIES, PLAIN_SCENARIOS, AddressTable(), Halves(), CrewTree(), recovered)
    for batch, now_us in made[crash:]:
        assert encoded(again.handle(batch, now_us)) == encoded(town.engine.handle(batch, now_us))


@given(STEPS)
@settings(max_examples=20)
def test_handle_when_batches_are_the_same_decides_the_same(steps: list[Step]) -> None:
    first, second = start(), start()
    for batch, now_us in batches(steps, first.now_us):
        assert encoded(first.engine.handle(batch, now_us)) == encoded(second.engine.handle(batch, now_us))


def test_handle_when_events_are_repeated_takes_them_once() -> None:
    town = Town()
    calls = [Call(seq=seq, at=town.at, words="fight", fix=spot) for seq, spot in enumerate(SPOTS[:4], start=1)]
    town.handle(chunk("s", *calls[:3]))
    again = town.handle(chunk("s", *calls))
    assert again is not None
    assert (again.taken[0].skip, again.high_water, len(again.incidents)) == (3, {"s": 4}, 1)
    whole = town.handle(chunk("s", *calls))
    assert whole is not None
    assert (whole.taken[0].skip, whole.log, whole.incidents) == (4, [], [])


def test_handle_when_the_same_chunk_comes_twice_in_a_batch_takes_it_once() -> None:
    town = Town()
    call = chunk("s", Call(seq=1, at=town.at, words="fight", fix=SPOT))
    decisions = town.handle(call, call)
    assert decisions is not None
    assert [taken.skip for taken in decisions.taken] == [0, 1]
    assert len(decisions.incidents) == 1


def test_handle_when_an_unnumbered_fault_follows_old_events_answers_it() -> None:
    town = Town()
    town.call()
    fault = Rejected(None, RejectCode.MALFORMED, "$", "not JSON")
    decisions = town.handle(chunk("s", Call(seq=1, at=town.at), fault))
    assert decisions is not None
    assert decisions.taken[0].skip == 1


def test_handle_when_nothing_happens_decides_nothing() -> None:
    town = Town()
    assert town.handle() is None
    town.call()
    assert town.wait(1) is None
    assert town.engine.state.batch_no == 1


def test_handle_when_clock_goes_back_keeps_its_time() -> None:
    town = Town()
    town.call()
    later = town.wait(CREW_S)
    assert later is not None
    town.now_us -= 3_600 * SECOND_US
    number = town.call(fix=SPOTS[7])
    assert town.committed.entries(number)[0].at_us == later.now_us


def test_recover_when_clock_was_set_back_goes_on_from_the_last_instant() -> None:
    town = Town()
    number = town.call()
    again = Town(recovered=town.committed.recovered())
    again.now_us -= 60 * SECOND_US
    again.order(commands.AddNote(command_id="n", incident=number, words="x"))
    assert again.committed.log[-1].at_us == START_US
    assert again.engine.state.incidents[IncidentId(number)].updated_us == START_US
