"""What must hold of the engine's state after every batch, and of an engine that recovers from what is committed.

Invariants 5, 6 and 7 of ARCHITECTURE.md, and the queue's two promises: a free crew and a need that it may serve never stand
side by side, and a crew goes to the most urgent need that it may serve.
"""

from __future__ import annotations

from math import inf
from typing import Final, Protocol

import msgspec

from core.crew import AVAILABLE, STATE_OF, WORKING, Crew, Task, encode_crew
from core.decisions import Decisions
from core.engine import Engine
from core.facts import Evidence
from core.incident import ACTIVE, Incident, encode_incident
from core.instant import Micros
from core.limits import QUEUE_LOOK
from core.recovered import Recovered
from core.state import CentreState
from core.telling import Happened
from core.vocabulary import AssignmentState, LocationSource
from routing.crew_index import CrewTree
from tests.simulation.places import CATEGORIES, DEVICE_IDS, RULES, SCENARIOS, SPOTS, SUBSCRIBERS, AddressTable, Halves, patrols


class Require(Protocol):
    """`Checks.require`: raises unless it holds. The invariant's number, whether it holds, what to say."""

    def __call__(self, invariant: int, holds: bool, text: str, /, *values: object) -> None: ...


_PASSED: Final = frozenset({Happened.ACCEPT_PASSED, Happened.NO_CREW, Happened.NOT_ON_SCENE, Happened.REVIEW})
_RAISING: Final = frozenset({"opened", "recategorised", "needs_raised", "priority_set", "absorbed", "assignment_ended"})
"""Facts by which an incident may want a crew that it did not want before."""
_REFUSED: Final = frozenset({AssignmentState.DECLINED, AssignmentState.EXPIRED, AssignmentState.WITHDRAWN})


def check_decided(engine: Engine, decisions: Decisions | None, require: Require) -> None:
    """5, 6, and the queue: what must hold of the live state after every batch."""
    state = engine.state
    working: dict[str, list[Task]] = {}
    next_due_us = engine.next_due_us
    terms = sum(len(incident.terms) for incident in state.incidents.values())
    require(6, bool(state.muted) or len(state.running) == terms, "{} deadlines for {} terms", len(state.running), terms)
    looked_us = inf if next_due_us is None else next_due_us
    come_us = 0 if engine.has_more else state.now_us + 1
    for incident in state.incidents.values():
        number = incident.incident_id
        due_us = min([term.due_us for term in incident.terms], default=None)
        # Asked of every incident after every batch: what it would say is put together where it is wanted.
        if due_us is None or not incident.owner or due_us < looked_us or due_us < come_us:
            require(6, incident.owner != "", "incident {} has no owner", number)
            require(6, due_us is not None, "incident {} has no term", number)
            require(6, False, "incident {} is due at {}, looked at {} and now is {}", number, due_us, next_due_us, state.now_us)
        for assignment in incident.assignments:
            if assignment.state in ACTIVE:
                crew = state.crews.get(assignment.crew)  # type: ignore[call-overload]  # plain text in the log
                task = Task(number, assignment.assignment_id)
                known = crew is not None and task in (crew.held if assignment.held else (crew.active,))
                require(5, known, "crew {} is on incident {} and does not know: {}", assignment.crew, number, crew)
                working.setdefault(assignment.crew, []).append(task)
                if crew is not None and not assignment.held:
                    agrees = crew.state is STATE_OF[assignment.state]
                    require(
                        5, agrees, "crew {} is {}, its assignment {}", assignment.crew, crew.state.value, assignment.state.value
                    )
    for crew in state.crews.values():
        expected = {task for task in (crew.active, *crew.held) if task is not None}
        found = working.get(crew.crew_id, [])
        agrees = len(found) == len(expected) and set(found) == expected
        require(5, agrees, "crew {} has {}, its incidents say {}", crew.crew_id, expected, found)
        agrees = (crew.active is not None) == (crew.state in WORKING) and not (crew.held and crew.active is None)
        require(5, agrees, "crew {} is {} on {}, holding {}", crew.crew_id, crew.state.value, crew.active, crew.held)
    if decisions is not None:
        told = {
            (entry.incident_id, entry.version) for entry in decisions.log if entry.fact == "term_fired" and _told(entry.body)
        }
        steps = {(one.incident_id, int(one.key.rpartition("/")[2])) for one in decisions.tellings if one.template in _PASSED}
        require(6, told == steps, "the log says that {} were told, the outbox has {}", told, steps)
    if not engine.has_more:
        _check_queue(state, require)
    if decisions is not None:
        _check_order(state, decisions, require)


def check_recovered(engine: Engine, recovered: Recovered, require: Require) -> None:
    """7: an engine that recovers now equals the live one."""
    live = engine.state
    twin = Engine(
        RULES, CATEGORIES, SCENARIOS, AddressTable(), Halves(), CrewTree(queue_look=QUEUE_LOOK), recovered, patrols=patrols()
    )
    again = twin.state
    require(7, engine.patrols == twin.patrols, f"recovered patrols {twin.patrols}, live {engine.patrols}")
    numbers = (live.batch_no, live.next_incident_id, live.next_assignment_id)
    recovered_numbers = (again.batch_no, again.next_incident_id, again.next_assignment_id)
    require(7, numbers == recovered_numbers, f"recovered numbers {recovered_numbers}, live {numbers}")
    require(7, live.high_water == again.high_water, f"recovered {again.high_water}, live {live.high_water}")
    require(7, live.answers == again.answers, "recovered answers are not the live ones")
    require(7, _incidents(live) == _incidents(again), "recovered incidents are not the live ones")
    require(7, _crews(live) == _crews(again), "recovered crews are not the live ones")
    require(
        7,
        _found(live, live.now_us) == _found(again, live.now_us),
        "a recovered engine finds other incidents for the same events",
    )
    live_queue, queue = _queue(live), _queue(again)
    wanted = {number: sorted(unmet) for number, incident in live.incidents.items() if (unmet := incident.unmet())}
    require(7, live_queue == wanted, f"the queue is {live_queue}, wanted is {wanted}")
    differing = {number: (queue.get(number), live_queue.get(number)) for number in live_queue.keys() | queue.keys()}
    text = "incident: queue recovered, live: " + str({key: both for key, both in differing.items() if both[0] != both[1]})
    require(7, live_queue == queue, text)


def _told(body: bytes) -> bool:
    return bool(msgspec.json.decode(body)["told"])


def _check_queue(state: CentreState, require: Require) -> None:
    """A free crew and a need it may serve never stand side by side at the end of a batch."""
    free = [crew for crew in state.crews.values() if crew.state in AVAILABLE and crew.crew_id in state.last_positions]
    if not free:
        return
    for incident in state.incidents.values():
        for capability in incident.unmet():
            for crew in free:
                if _may_serve(state, crew, incident, capability):
                    text = "crew {} is free, incident {} wants {}"
                    require(6, False, text, crew.crew_id, incident.incident_id, capability)


def _check_order(state: CentreState, decisions: Decisions, require: Require) -> None:
    """A crew goes to the most urgent of the needs it may serve, of those that there were when it was sent."""
    places = _sent_by_engine(decisions)
    for change in decisions.assignments:
        incident = state.incidents.get(change.incident_id)
        crew = state.crews[change.crew_id]
        if not change.created or incident is None or change.state is not AssignmentState.OFFERED:
            continue
        assignment = incident.active(crew.crew_id)
        if assignment is None or assignment.assignment_id not in places:
            continue
        # A recovered engine matches what it has before anything new, and a term that passes after that asks for more.
        raised = {entry.incident_id for entry in decisions.log[places[assignment.assignment_id] :] if entry.fact in _RAISING}
        for other in state.incidents.values():
            more_urgent = other.priority < incident.priority and other.incident_id not in raised
            for capability in other.unmet() if more_urgent else ():
                passed = _may_serve(state, crew, other, capability)
                text = f"crew {crew.crew_id} goes to {incident.incident_id}, {other.incident_id} is more urgent"
                require(6, not passed, text)


def _sent_by_engine(decisions: Decisions) -> dict[int, int]:
    """Assignment → its place in the batch's log."""
    return {
        msgspec.json.decode(entry.body)["assignment_id"]: place
        for place, entry in enumerate(decisions.log)
        if entry.fact == "crew_assigned" and entry.actor == "engine"
    }


def _may_serve(state: CentreState, crew: Crew, incident: Incident, capability: str) -> bool:
    if capability not in crew.capabilities:
        return False
    own = crew.territory
    serves = crew.outside or not own or incident.territory == own or incident.territory.startswith(own + "/")
    refused = any(one.crew == crew.crew_id and one.state in _REFUSED and one.served_by is None for one in incident.assignments)
    free = crew.state in AVAILABLE or crew.incident_id is not None
    return free and serves and not refused and incident.place is not None


def _incidents(state: CentreState) -> dict[int, bytes]:
    return {number: encode_incident(incident) for number, incident in state.incidents.items()}


def _crews(state: CentreState) -> dict[str, bytes]:
    return {crew_id: encode_crew(crew) for crew_id, crew in state.crews.items()}


def _found(state: CentreState, now_us: Micros) -> list[tuple[object, object]]:
    """What correlation finds for all the numbers, devices, calls and places that there are."""
    code = CATEGORIES["assault"]
    probes: list[tuple[Evidence | None, str, str]] = [(None, phone, "") for phone in SUBSCRIBERS]
    probes += [(None, "", device) for device in DEVICE_IDS]
    found = [state.open.find(code, place, phone, device, now_us) for place, phone, device in probes]
    for spot in SPOTS:
        place = Evidence(LocationSource.GIVEN, spot.latitude_deg, spot.longitude_deg, spot.accuracy_m)
        found += [state.open.find(CATEGORIES[name], place, "", "", now_us) for name in ("fire", "weapon", "assault", "other")]
    calls = [state.open.by_call(f"{source}/c{number}") for source in ("phone-1", "phone-2") for number in range(12)]
    named = [(one[0].incident_id, one[1]) if one is not None else (None, None) for one in found]
    return [*named, *((one.incident_id if one is not None else None, "call") for one in calls)]


def _queue(state: CentreState) -> dict[int, list[str]]:
    """Needs in the queue."""
    return {number: sorted(needs) for number, needs in state.queued.items() if needs}
