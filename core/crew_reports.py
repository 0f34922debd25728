"""What crews' terminals say: states, profiles and positions (OCC-4, CITY-12).

A crew becomes known by the first status that gives its capabilities. A position of something that is not a crew is a device's:
it is kept and shown, and waits for the day the crew becomes known. Positions are moved in the crew index once a batch, the
latest of each crew winning.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from core.crew import WORKING, Crew
from core.decisions import PositionRow
from core.events import CrewStatus, Fix, Position, Rejected
from core.instant import Micros
from core.progress import move, report
from core.state import CentreState, LastPosition
from core.vocabulary import AssignmentState, CrewId, CrewState, IncidentId, RejectCode

_REPORTED: Final = {
    "accepted": AssignmentState.ACCEPTED,
    "declined": AssignmentState.DECLINED,
    "en_route": AssignmentState.EN_ROUTE,
    "on_scene": AssignmentState.ON_SCENE,
    "cleared": AssignmentState.CLEARED,
}
_OWN: Final = {
    "free": CrewState.FREE,
    "off_duty": CrewState.OFF_DUTY,
    "busy": CrewState.BUSY,
    "out_of_service": CrewState.OUT_OF_SERVICE,
}
Moved = dict[str, tuple[Micros, Fix | Position]]
"""Crew or device → when it was where, the latest of a batch."""
_DEVICES_FOLLOWED_MAX: Final = 250_000
"""Last positions remembered; beyond it a new device is stored and not remembered."""


def take_status(state: CentreState, source: str, event: CrewStatus) -> IncidentId | Rejected | None:
    """Takes one status: the incident it concerns, why it is refused, or None for a status of the crew itself."""
    crew_id = CrewId(event.crew)
    crew = state.crews.get(crew_id)
    if crew is None:
        if event.capabilities is None:
            text = "this crew is not known; its first status must give its capabilities"
            return Rejected(event.seq, RejectCode.UNKNOWN_CREW, "$.capabilities", text)
        crew = Crew(crew_id=crew_id, updated_us=state.now_us)
    actor, cause = f"crew:{crew_id}", f"event:{source}/{event.seq}"
    working_on = crew.incident_id
    reported = _REPORTED.get(event.status)
    # The status before the profile: what is refused changes nothing at all.
    if reported is not None:
        named = IncidentId(event.incident) if event.incident is not None else None
        refusal = report(state, crew, named, reported, actor, cause, event.words)
        if refusal is not None:
            return Rejected(event.seq, RejectCode.ILLEGAL_MOVE, "$.status", refusal.text)
        _take_profile(state, crew, event)
        return working_on
    wanted = _OWN[event.status]
    if wanted is CrewState.FREE and crew.state in WORKING:
        text = f"the crew is {crew.state.value} at incident {working_on}; report cleared or declined first"
        return Rejected(event.seq, RejectCode.ILLEGAL_MOVE, "$.status", text)
    _take_profile(state, crew, event)
    _take_own(state, crew, wanted, event.words or f"crew reports {event.status}", actor, cause)
    return working_on


def note_latest(moved: Moved, crew: str, at_us: Micros, fix: Fix | Position) -> None:
    """Adds a position to those of the batch; an older one than it has changes nothing."""
    known = moved.get(crew)
    if known is None or at_us >= known[0]:
        moved[crew] = (at_us, fix)


def note_positions(state: CentreState, latest: Moved) -> None:
    """Moves crews and devices to their latest positions; an older one than is known changes nothing.

    Args:
        state: the centre.
        latest: crew or device → instant and position.
    """
    rows: list[int] = []
    latitudes: list[float] = []
    longitudes: list[float] = []
    interval_us = state.rules.position_interval_us
    for key, (at_us, fix) in latest.items():
        last = state.last_positions.get(key)
        if last is None:
            last = LastPosition(at_us, fix.latitude_deg, fix.longitude_deg, 0)
            if len(state.last_positions) < _DEVICES_FOLLOWED_MAX or key in state.crew_nos:
                state.last_positions[key] = last
            crew = state.crews.get(CrewId(key))
            if crew is not None and crew.hindrance is None:
                state.freed[crew.crew_id] = None
        elif at_us < last.at_us:
            continue
        else:
            last.at_us, last.latitude_deg, last.longitude_deg = at_us, fix.latitude_deg, fix.longitude_deg
        speed_mps, course_deg = (fix.speed_mps, fix.course_deg) if isinstance(fix, Position) else (None, None)
        row = PositionRow(CrewId(key), at_us, fix.latitude_deg, fix.longitude_deg, fix.accuracy_m, speed_mps, course_deg)
        state.live_positions.append(row)
        if at_us - last.kept_us >= interval_us:
            last.kept_us = at_us
            state.kept_positions.append(row)
        crew_no = state.crew_nos.get(CrewId(key))
        if crew_no is not None:
            rows.append(crew_no)
            latitudes.append(fix.latitude_deg)
            longitudes.append(fix.longitude_deg)
    if rows:
        state.crew_index.move(np.array(rows, np.int64), np.array(latitudes), np.array(longitudes))


def _take_profile(state: CentreState, crew: Crew, event: CrewStatus) -> None:
    is_new = crew.crew_id not in state.crews
    profile = (crew.capabilities, crew.territory, crew.outside)
    if event.capabilities is not None:
        crew.capabilities = event.capabilities
    if event.territory is not None:
        crew.territory = event.territory
    if event.outside is not None:
        crew.outside = event.outside
    if not is_new and profile == (crew.capabilities, crew.territory, crew.outside):
        return
    crew.updated_us = state.now_us
    crew_no = state.know_crew(crew)
    state.changed_crews[crew.crew_id] = crew
    if crew.state is CrewState.FREE:
        state.freed[crew.crew_id] = None
    last = state.last_positions.get(crew.crew_id)
    if is_new and last is not None:
        state.crew_index.move(np.array([crew_no], np.int64), np.array([last.latitude_deg]), np.array([last.longitude_deg]))


def _take_own(state: CentreState, crew: Crew, wanted: CrewState, words: str, actor: str, cause: str) -> None:
    if crew.state in WORKING:
        assert crew.incident_id is not None  # WORKING means having an assignment
        incident = state.incidents[crew.incident_id]
        assignment = incident.active(crew.crew_id)
        assert assignment is not None  # invariant 5
        ended = AssignmentState.CLEARED if assignment.state is AssignmentState.ON_SCENE else AssignmentState.WITHDRAWN
        move(state, incident, assignment, ended, actor, cause, words)
    if crew.state is not wanted:
        state.set_crew_state(crew, wanted, None)
