"""Relief: a crew that frees and is nearer takes over from one that is still far away (OCC-4).

Place in the flow: after assign, with the crews that freed in the batch and that nothing waits for. Rules:

- Only who has not arrived is relieved, by its word or by its positions; nobody whom a dispatcher named, who works on something
  else meanwhile, whose position is old, or who has a relief already.
- The nearer crew must be there `RELIEF_MIN_S` earlier, both ways reckoned alike from where the crews were last (`core.way`), as
  if the one had been driving there since, and the other away. It must have the capability, serve the territory, and not have
  been on this incident before.
- The more urgent incident first, then the greater gain; a crew is offered one task.
- Nobody loses a crew for a promise: the offer is an assignment that names whom it relieves, which goes on until the relief
  accepts (`core.progress`). Declined, expired or withdrawn, the offer has changed nothing, and nobody else is looked for.
- An incident that crews cannot be found for is left alone (`core.quarantine`), and where the engine fails on this, the centre
  does without it alone.

Work is bounded: `RELIEF_CREWS` that freed and the `RELIEF_TASKS` newest tasks under way are compared by straight line,
`RELIEF_LOOKS` pairs by road, out of the same allowance as the needs of the batch, which come first: in a storm nobody is
relieved.
"""

from __future__ import annotations

from heapq import nlargest
from itertools import islice
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from core.arrival import expected_s, straight_line_s
from core.assign import Asked, assign, rounded
from core.crew import AVAILABLE, Crew
from core.facts import Evidence, Explanation, Relief
from core.great_circle import distances_m
from core.incident import Assignment, Incident
from core.limits import RELIEF_CREWS, RELIEF_LOOKS, RELIEF_MIN_S, RELIEF_TASKS
from core.state import CentreState
from core.vocabulary import AssignmentState, AssignReason, CrewId
from core.way import way_of

Floats = npt.NDArray[np.float64]

_A: Final = AssignmentState
_RELIEVED: Final = frozenset({_A.OFFERED, _A.ACCEPTED, _A.EN_ROUTE})
_ROADS: Final = 2
"""Looks at roads that a pair takes: of who is under way, and of who would be there before."""
_ROUGH_S: Final = RELIEF_MIN_S / 2
"""What a pair must gain by straight line to be looked at by road."""


class _Task(NamedTuple):
    """An assignment whose crew is under way."""

    incident: Incident
    assignment: Assignment
    place: Evidence


def relieve(state: CentreState, freed: list[CrewId]) -> None:
    """Offers these crews, which are free, the tasks of crews that they would be there before.

    Args:
        state: the centre, with everything else of the batch decided.
        freed: crews that became free in this batch, the first to be thought of first.
    """
    if not state.rules.is_relieving or not freed or not state.under_way or state.roads.left(state.now_us) < _ROADS:
        return
    crews = list(islice((crew for crew_id in freed if _may_go(state, crew := state.crews[crew_id])), RELIEF_CREWS))
    if not crews:
        return
    # By number and not as they are remembered: a recovered engine remembers them otherwise, and must decide the same.
    latest = nlargest(RELIEF_TASKS, state.under_way, key=lambda crew_id: state.crews[crew_id].assignment_id or 0)
    tasks = [task for crew_id in latest if (task := _task(state, crew_id)) is not None]
    if tasks:
        _offer(state, crews, tasks)


def _may_go(state: CentreState, crew: Crew) -> bool:
    return crew.state in AVAILABLE and not crew.is_silent and crew.crew_id in state.last_positions


def _task(state: CentreState, crew_id: CrewId) -> _Task | None:
    """What a crew under way goes to, where it may be relieved."""
    crew = state.crews[crew_id]
    if crew.incident_id is None or crew.is_silent or crew_id not in state.last_positions or crew.incident_id in state.by_hand:
        return None
    incident = state.incidents[crew.incident_id]
    assignment = incident.active(crew_id)
    if assignment is None or incident.place is None or assignment.state not in _RELIEVED:
        return None
    if assignment.seen_us is not None or assignment.explanation.reason is AssignReason.ORDERED:
        return None
    if incident.relief_of(assignment) is not None or incident.relieved(assignment) is not None:
        return None
    return _Task(incident, assignment, incident.place)


def _offer(state: CentreState, crews: list[Crew], tasks: list[_Task]) -> None:
    looks = RELIEF_LOOKS
    taken: set[str] = set()
    for crew_at, task_at in _pairs(state, crews, tasks):
        crew, (incident, assignment, place) = crews[crew_at], tasks[task_at]
        if crew.crew_id in taken or assignment.crew in taken or not _may_serve(crew, incident):
            continue
        if not looks or state.roads.left(state.now_us) < _ROADS:
            return
        looks -= 1
        left, own = way_of(state, assignment.crew, place), way_of(state, crew.crew_id, place)
        # Where no map has roads a look at them costs nothing.
        state.roads.spend(sum(way is not None and way.travel_s is not None for way in (left, own)), state.now_us)
        if left is None or own is None:
            continue
        relief = Relief(assignment.assignment_id, assignment.crew, round(left.least_s, 1))
        explanation = Explanation(AssignReason.RELIEF, round(own.distance_m, 1), (), rounded(own.travel_s))
        # By the figures that are written down, and at their worst.
        if relief.left_s - expected_s(explanation) - own.age_s < RELIEF_MIN_S:
            continue
        taken |= {crew.crew_id, assignment.crew}
        crew_no = state.crew_nos[crew.crew_id]
        assign(state, incident, assignment.capability, crew_no, explanation, "engine", Asked.FREED.value, relieves=relief)


def _pairs(state: CentreState, crews: list[Crew], tasks: list[_Task]) -> list[tuple[int, int]]:
    """Crews and tasks, by index, of which the crew has the capability and may be nearer: the most urgent first, then the
    greatest gain by straight line."""
    to = [task.place for task in tasks]
    to_deg = np.array([place.latitude_deg for place in to]), np.array([place.longitude_deg for place in to])
    left_s = straight_line_s(1.0) * distances_m(*_where(state, [task.assignment.crew for task in tasks]), *to_deg)
    priorities = np.array([task.incident.priority for task in tasks])
    wanted = np.array([task.assignment.capability for task in tasks])
    found: list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Floats]] = []
    for number, (latitude_deg, longitude_deg) in enumerate(zip(*_where(state, [crew.crew_id for crew in crews]), strict=True)):
        here = np.full(len(tasks), latitude_deg), np.full(len(tasks), longitude_deg)
        gain_s = left_s - straight_line_s(1.0) * distances_m(*here, *to_deg)
        rows = np.flatnonzero((gain_s >= _ROUGH_S) & np.isin(wanted, crews[number].capabilities))
        found.append((np.full(len(rows), number), rows, gain_s[rows]))
    numbers, rows, gain_s = (np.concatenate(column) for column in zip(*found, strict=True))
    order = np.lexsort((numbers, rows, -gain_s, priorities[rows]))
    return list(zip(numbers[order].tolist(), rows[order].tolist(), strict=True))


def _where(state: CentreState, crew_ids: list[CrewId] | list[str]) -> tuple[Floats, Floats]:
    last = [state.last_positions[crew_id] for crew_id in crew_ids]
    return np.array([one.latitude_deg for one in last]), np.array([one.longitude_deg for one in last])


def _may_serve(crew: Crew, incident: Incident) -> bool:
    own, territory = crew.territory, incident.territory
    if not (crew.outside or not own or territory == own or territory.startswith(own + "/")):
        return False
    return all(assignment.crew != crew.crew_id for assignment in incident.assignments)
