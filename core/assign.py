"""Assign: the best crew for every need that wants one, all needs of a batch decided together (OCC-4).

All new needs go to the crew index as one question. A need without a crew waits in priority order; the moment a crew frees,
the most urgent needs it may serve are asked for again, and new needs of the same batch contend with what waits: the more
urgent first. Of one priority the `CrewIndex.queue_look` oldest contend for a freed crew and the nearest of them gets it; a
need that has waited `QUEUE_OVERDUE_S` contends with no younger one. Assigning changes the chosen crew and nothing else.
"""

from __future__ import annotations

from enum import Enum

import msgspec

from core.arrival import expected_s
from core.crew import AVAILABLE, Crew, Task
from core.facts import CrewAssigned, Explanation, PassedOver, Queued, Relief
from core.incident import REFUSED, Incident
from core.informing import inform
from core.instant import SECOND_US, Micros
from core.limits import QUEUE_OVERDUE_S
from core.ports import Choice, Demand
from core.progress import hold
from core.state import CentreState
from core.vocabulary import (
    PRIORITY_HIGHEST,
    PRIORITY_LOWEST,
    AssignmentId,
    AssignReason,
    CrewId,
    CrewNo,
    CrewState,
    IncidentId,
    TermKind,
)


class Asked(Enum):
    """How a need came to be asked for."""

    NEW = "need"
    RETRIED = "retried"
    """It is in the queue; this time crews that refused may be asked again."""
    FREED = "crew_freed"
    """It was taken from the queue for a crew that freed."""


_Need = tuple[IncidentId, str, Asked]


def assign_crews(state: CentreState) -> list[CrewId]:
    """Decides all needs of the batch in hand, and empties the queue as far as freed crews reach.

    Returns the crews that freed and are still free: nothing that waits is for them.
    """
    freed = list(state.freed)
    needs = _new_needs(state)
    contending = state.freed and state.queued
    for incident, capability in _decide_with_queue(state, needs) if contending else _decide(state, needs):
        state.queue(incident, capability)
    state.retried.clear()
    state.freed.clear()  # whatever still waits, these crews cannot serve it
    return [crew_id for crew_id in freed if state.crews[crew_id].state in AVAILABLE]


def _decide_with_queue(state: CentreState, needs: list[_Need]) -> list[tuple[Incident, str]]:
    """Lets what waits and what is new contend for the freed crews, one priority after the other. Returns as `_decide` does."""

    unserved: list[tuple[Incident, str]] = []
    for priority in range(PRIORITY_HIGHEST, PRIORITY_LOWEST + 1):
        asked = [need for need in needs if state.incidents[need[0]].priority == priority]
        while asked := asked + _pop_for_freed(state, priority):
            unserved += _decide(state, asked)
            asked = []
    return unserved


def _new_needs(state: CentreState) -> list[_Need]:
    needs: list[_Need] = []
    for incident_id in state.wanted:
        incident = state.incidents.get(incident_id)
        if incident is None:
            continue
        queued = list(state.queued.get(incident_id, ()))
        for capability in incident.unmet():
            if capability not in queued:
                needs.append((incident_id, capability, Asked.NEW))
                continue
            queued.remove(capability)
            if incident_id in state.retried:
                # Out of the queue while it is asked for, or a freed crew would find it there as well.
                state.unqueue(incident_id, capability)
                needs.append((incident_id, capability, Asked.RETRIED))
    state.wanted.clear()
    return needs


def assign(
    state: CentreState,
    incident: Incident,
    capability: str,
    crew_no: CrewNo,
    explanation: Explanation,
    actor: str,
    cause: str,
    *,
    after: bool = False,
    expected_us: Micros | None = None,
    relieves: Relief | None = None,
) -> None:
    """Sends one crew: the fact, the assignment and the crew change together (invariant 5).

    A crew that works on another assignment turns to this one and holds the other, or comes to this one `after` all it has. It
    is expected on scene as it was before, where `expected_us` says so, or else as it can be there from now. With `relieves` it
    is to take over from another crew, and meets no further need.
    """
    assignment_id = state.next_assignment_id
    state.next_assignment_id = AssignmentId(assignment_id + 1)
    crew = state.crews[state.crew_ids[crew_no]]
    accept_due_us = state.plan_of(incident).due_us(TermKind.ACCEPT, state.now_us, state.mode)
    active = crew.active
    after = after and active is not None
    if active is not None and not after:
        hold(state, active, True, actor, cause)
    if expected_us is None:
        expected_us = _expected_us(state, crew, explanation)
    fact = CrewAssigned(assignment_id, crew.crew_id, capability, explanation, accept_due_us, after, expected_us, relieves)
    state.record(incident, fact, actor, cause)
    queued = state.queued.get(incident.incident_id)
    if queued is not None and queued.count(capability) > incident.unmet().count(capability):
        state.unqueue(incident.incident_id, capability)
    task = Task(incident.incident_id, assignment_id)
    if after:
        state.set_held(crew, (*crew.held, task))
    else:
        if active is not None:
            state.set_held(crew, (active, *crew.held))
        state.set_crew_state(crew, CrewState.ASSIGNED, task)
    state.touch_assignment(incident, incident.assignments[-1], created=True)
    if len(incident.assignments) == 1:
        inform(state, incident, "assigned", actor, cause, crew.crew_id)


def _pop_for_freed(state: CentreState, lowest_priority: int) -> list[_Need]:
    """The queue's most urgent needs for each free crew, down to a priority: as many as the policy looks at.

    A crew is struck off when nothing at all waits for it, or when it is nowhere.
    """
    heads: list[_Need] = []
    for crew_id in list(state.freed):
        crew = state.crews[crew_id]

        def serves(territory: str, own: str = crew.territory, outside: bool = crew.outside) -> bool:
            return outside or not own or territory == own or territory.startswith(own + "/")

        can_go = crew.state in AVAILABLE and crew_id in state.last_positions
        looked_at = 0
        while can_go and looked_at < state.crew_index.queue_look:
            popped = state.waiting.pop(crew.capabilities, serves, lowest_priority)
            if popped is None:
                break
            looked_at += 1
            state.unqueue(*popped)
            heads.append((*popped, Asked.FREED))
            if state.now_us - state.incidents[popped[0]].opened_us > QUEUE_OVERDUE_S * SECOND_US:
                break
        if not looked_at and (not can_go or lowest_priority >= PRIORITY_LOWEST):
            del state.freed[crew_id]
    return heads


def _decide(state: CentreState, needs: list[_Need]) -> list[tuple[Incident, str]]:
    """Asks the crew index once for these needs and sends the crews it chose, and once more for those that found nobody who is
    heard: a crew whose position is old is better than none.

    Returns the needs that are left without one: they belong in the queue, and a new one's incident has been told.
    """
    if state.one_by_one and len(needs) > 1:
        return [left for need in needs for left in _decide(state, [need])]
    state.asking = tuple(incident_id for incident_id, _, _ in needs)
    asked: list[tuple[Incident, str, Asked]] = []
    demands: list[Demand] = []
    unserved: list[tuple[Incident, str]] = []
    for incident_id, capability, how in needs:
        incident = state.incidents[incident_id]
        if incident.place is None or incident_id in state.by_hand:
            # Nobody can be sent nowhere: the owner must find out the place, and the crew term sees that it happens.
            if how is Asked.NEW:
                _tell_queued(state, incident, capability, (), "no_place" if incident.place is None else "by_hand")
            unserved.append((incident, capability))
            continue
        demands.append(
            Demand(
                len(asked),
                incident.place.latitude_deg,
                incident.place.longitude_deg,
                capability,
                incident.territory,
                incident.priority,
                _excluded(state, incident),
            )
        )
        asked.append((incident, capability, how))
    for key, choice in _send(state, demands, asked).items() if demands else ():
        incident, capability, how = asked[key]
        if how is Asked.NEW:
            _tell_queued(state, incident, capability, _passed_over(state, choice), "no_crew")
        unserved.append((incident, capability))
    state.asking = ()
    return unserved


def _send(state: CentreState, demands: list[Demand], asked: list[tuple[Incident, str, Asked]]) -> dict[int, Choice]:
    """Sends whom the crew index chooses. Returns what found nobody, by the demand's key."""
    nobody: dict[int, Choice] = {}
    for choice in _choose(state, demands):
        if choice.crew_no is None:
            nobody[choice.key] = choice
            continue
        incident, capability, how = asked[choice.key]
        explanation = _explanation(state, choice, choice.reason)
        assign(state, incident, capability, choice.crew_no, explanation, "engine", how.value)
    if nobody and state.silent:
        again = [msgspec.structs.replace(demand, silent=True) for demand in demands if demand.key in nobody]
        for choice in _choose(state, again):
            if choice.crew_no is not None:
                del nobody[choice.key]
                incident, capability, how = asked[choice.key]
                explanation = _explanation(state, choice, AssignReason.LAST_KNOWN_POSITION)
                assign(state, incident, capability, choice.crew_no, explanation, "engine", how.value)
    return nobody


def _choose(state: CentreState, demands: list[Demand]) -> list[Choice]:
    choices = state.crew_index.choose(demands, max(0, int(state.roads.left(state.now_us))))
    state.roads.spend(state.crew_index.compared_by_road, state.now_us)
    return choices


def _expected_us(state: CentreState, crew: Crew, explanation: Explanation) -> Micros | None:
    """When a crew will be there if it sets out at once, to the second."""
    if crew.crew_id not in state.last_positions:
        return None
    return Micros(state.now_us + round(expected_s(explanation)) * SECOND_US)


def _explanation(state: CentreState, choice: Choice, reason: AssignReason) -> Explanation:
    return Explanation(reason, round(choice.distance_m, 1), _passed_over(state, choice), rounded(choice.travel_s))


def _tell_queued(
    state: CentreState, incident: Incident, capability: str, passed_over: tuple[PassedOver, ...], cause: str
) -> None:
    plan = state.plan_of(incident)
    due_us = plan.due_us(TermKind.CREW, state.now_us, state.mode)
    length_us = plan.length_us(TermKind.CREW, state.mode)
    state.record(incident, Queued(capability, due_us, passed_over, length_us), "engine", cause)


def _excluded(state: CentreState, incident: Incident) -> frozenset[CrewNo]:
    if not incident.assignments or incident.incident_id in state.retried:
        return frozenset()
    return frozenset(
        state.crew_nos[assignment.crew]  # type: ignore[index]  # the log keeps call signs as plain text
        for assignment in incident.assignments
        # Who was relieved, or came second to whom it was to relieve, has refused nothing and may be wanted yet.
        if assignment.state in REFUSED and assignment.served_by is None
    )


def _passed_over(state: CentreState, choice: Choice) -> tuple[PassedOver, ...]:
    return tuple(
        PassedOver(state.crew_ids[nearer.crew_no], round(nearer.distance_m, 1), nearer.reason, rounded(nearer.travel_s))
        for nearer in choice.passed_over
    )


def rounded(travel_s: float | None) -> float | None:
    """A driving time as an explanation keeps it, to a tenth of a second."""
    return None if travel_s is None else round(travel_s, 1)
