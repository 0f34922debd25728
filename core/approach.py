"""Crews on their way: what their positions say of their arrival, beside what they say themselves (OCC-4).

Place in the flow: a batch's positions have been believed. All crews under way are asked about at once (`core.geofence`). An
arrival is a fact of the incident with its evidence; the crew's state and its terms follow its own word alone, for a red light
beside the place looks like an arrival too. Whoever is told that a crew is late is told what its positions say.
"""

from __future__ import annotations

from math import nan
from typing import NamedTuple

import numpy as np

from core.crew import UNDER_WAY, Crew
from core.events import Fix, Position
from core.facts import ArrivalLeft, ArrivalSeen
from core.geofence import APPROACH, Fixes, GeofenceRules, Places, arrivals
from core.incident import Assignment, Incident
from core.instant import Micros
from core.progress import spare_relief
from core.state import CentreState
from core.vocabulary import AssignmentState

RULES = GeofenceRules()
_UNDER_WAY = frozenset({AssignmentState.ACCEPTED, AssignmentState.EN_ROUTE})


class Seen(NamedTuple):
    """A believed position of a crew."""

    crew: Crew
    at_us: Micros
    fix: Fix | Position


def is_under_way(crew: Crew) -> bool:
    """Whether a crew may be on its way somewhere; what its assignment says is looked at later."""
    return crew.state in UNDER_WAY


def note_arrivals(state: CentreState, seen: list[Seen]) -> None:
    """Records which of these crews have arrived by their positions.

    Args:
        state: the centre.
        seen: crews that may be under way, each once.
    """
    under_way: list[tuple[Seen, Incident, Assignment]] = []
    for one in seen:
        task = _task(state, one.crew)
        if task is not None:
            under_way.append((one, *task))
    if not under_way:
        return
    known = np.zeros(len(under_way), APPROACH)
    for row, (_, _, assignment) in enumerate(under_way):
        held = state.approaches.get(assignment.crew)
        if held is not None and held[0] == assignment.assignment_id:
            known[row] = held[1]
    places = [incident.place for _, incident, _ in under_way]
    known, found = arrivals(
        RULES,
        known,
        Places(
            np.array([nan if place is None else place.latitude_deg for place in places]),
            np.array([nan if place is None else place.longitude_deg for place in places]),
            np.array([nan if place is None else place.accuracy_m for place in places]),
        ),
        _fixes([one for one, _, _ in under_way]),
        state.now_us,
    )
    for row, (one, incident, assignment) in enumerate(under_way):
        state.approaches[assignment.crew] = (assignment.assignment_id, known[row])
        if assignment.seen_us is not None and known[row]["outside_count"] >= RULES.leave_positions:
            state.record(incident, ArrivalLeft(assignment.assignment_id), f"crew:{one.crew.crew_id}", "position")
            state.touch_assignment(incident, assignment)
    for arrival in found:
        one, incident, assignment = under_way[arrival.row]
        if assignment.seen_us is not None:
            # Seen by a life of the centre before this one.
            continue
        fact = ArrivalSeen(assignment.assignment_id, arrival.reason, round(arrival.distance_m, 1), arrival.since_us)
        state.record(incident, fact, f"crew:{one.crew.crew_id}", "position")
        state.touch_assignment(incident, assignment)
        # Should it not be there after all, it is still on its way.
        spare_relief(state, incident, assignment)


def _task(state: CentreState, crew: Crew) -> tuple[Incident, Assignment] | None:
    if crew.incident_id is None:
        return None
    incident = state.incidents[crew.incident_id]
    assignment = incident.active(crew.crew_id)
    if assignment is None or assignment.state not in _UNDER_WAY:
        return None
    return incident, assignment


def _fixes(seen: list[Seen]) -> Fixes:
    speeds = [one.fix.speed_mps if isinstance(one.fix, Position) else None for one in seen]
    return Fixes(
        np.array([one.fix.latitude_deg for one in seen]),
        np.array([one.fix.longitude_deg for one in seen]),
        np.array([one.fix.accuracy_m for one in seen]),
        np.array([nan if speed_mps is None else speed_mps for speed_mps in speeds]),
        np.array([one.at_us for one in seen], np.int64),
    )
