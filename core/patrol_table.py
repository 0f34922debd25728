"""The table of patrols: one row a crew, in columns that `core.patrol_rule` computes with (OCC-5).

Phases and faults are numbers here, by their place in their enumerations; a fault of 0 is none. What of a row must outlive the
process is `PatrolState`; the rest is counted anew.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from core.instant import Micros
from core.patrol import PatrolEnd, PatrolFault, PatrolPhase, PatrolRoute, PatrolState
from core.timetable import DueCheckpoint
from core.vocabulary import CrewId

Crews = npt.NDArray[np.void]
"""Rows of `CREW`."""

NEVER: Final = 2**62
"""A deadline that does not come."""
NO_ROUTE: Final = -1

PHASES: Final = tuple(PatrolPhase)
FAULTS: Final[tuple[PatrolFault | None, ...]] = (None, *PatrolFault)
ENDS: Final[tuple[PatrolEnd | None, ...]] = (None, *PatrolEnd)
PHASE_NO: Final = {phase: number for number, phase in enumerate(PHASES)}
FAULT_NO: Final = {fault: number for number, fault in enumerate(FAULTS)}
END_NO: Final = {end: number for number, end in enumerate(ENDS)}

OFF_TIMETABLE: Final = PHASE_NO[PatrolPhase.OFF_TIMETABLE]
EXPECTED: Final = PHASE_NO[PatrolPhase.EXPECTED]
NOT_STARTED: Final = PHASE_NO[PatrolPhase.NOT_STARTED]
ON_ROUTE: Final = PHASE_NO[PatrolPhase.ON_ROUTE]
OFF_ROUTE: Final = PHASE_NO[PatrolPhase.OFF_ROUTE]
STANDING: Final = PHASE_NO[PatrolPhase.STANDING]
LOST: Final = PHASE_NO[PatrolPhase.LOST]
SUSPENDED: Final = PHASE_NO[PatrolPhase.SUSPENDED]
RETURNING: Final = PHASE_NO[PatrolPhase.RETURNING]

CREW: Final = np.dtype(
    [
        ("route", np.int64),  # NO_ROUTE: none
        ("phase", np.int8),
        ("fault", np.int8),
        ("assigned", np.bool_),
        ("lost", np.bool_),
        ("started", np.bool_),  # it has been on its route in this shift
        ("changed", np.bool_),  # something durable since it was last asked for
        ("moved_count", np.int8),
        ("inside_count", np.int32),
        ("outside_count", np.int32),
        ("checkpoint", np.int32),
        ("since_us", np.int64),
        ("from_us", np.int64),
        ("until_us", np.int64),
        ("fault_since_us", np.int64),
        ("start_by_us", np.int64),
        ("grace_until_us", np.int64),  # 0: it is not on its way back
        ("seen_at_us", np.int64),  # by the device's clock
        ("heard_us", np.int64),  # by the centre's
        ("outside_since_us", np.int64),
        ("anchor_lat", np.float64),
        ("anchor_lon", np.float64),
        ("stood_us", np.int64),
        ("stand_us", np.int64),  # 0: it may
        ("point_from_us", np.int64),
        ("point_until_us", np.int64),  # NEVER: there is none
        ("point_lat", np.float64),
        ("point_lon", np.float64),
        ("point_radius_m", np.float64),
        ("due_us", np.int64),
    ]
)
"""What is known of one crew's patrol."""


def blank(count: int) -> Crews:
    """Rows of crews that nothing is known of and that serve no route."""
    crews = np.zeros(count, CREW)
    crews["route"] = NO_ROUTE
    crews["anchor_lat"] = crews["anchor_lon"] = np.nan
    for column in ("from_us", "point_until_us", "due_us"):
        crews[column] = NEVER
    return crews


def state_of(crew: np.void, crew_id: CrewId, route: PatrolRoute) -> PatrolState:
    """What must be stored of a row."""
    is_off = crew["phase"] == OFF_TIMETABLE
    stands = crew["fault"] == FAULT_NO[PatrolFault.STANDING]
    return PatrolState(
        crew_id=crew_id,
        route_id=route.route_id,
        version=route.version,
        phase=PHASES[crew["phase"]],
        since_us=Micros(int(crew["since_us"])),
        from_us=Micros(0 if is_off else int(crew["from_us"])),
        until_us=Micros(0 if is_off else int(crew["until_us"])),
        fault=FAULTS[crew["fault"]],
        fault_since_us=Micros(int(crew["fault_since_us"])),
        started=bool(crew["started"]),
        start_by_us=Micros(int(crew["start_by_us"])),
        grace_until_us=Micros(int(crew["grace_until_us"])),
        checkpoint=int(crew["checkpoint"]),
        anchor_latitude_deg=float(crew["anchor_lat"]) if stands else None,
        anchor_longitude_deg=float(crew["anchor_lon"]) if stands else None,
    )


def take_back(crew: np.void, state: PatrolState) -> None:
    """Fills a blank row with what was stored of it, but for its route and checkpoint."""
    crew["phase"], crew["since_us"] = PHASE_NO[state.phase], state.since_us
    crew["fault"], crew["fault_since_us"] = FAULT_NO[state.fault], state.fault_since_us
    crew["from_us"], crew["until_us"] = state.from_us, state.until_us
    crew["started"], crew["start_by_us"] = state.started, state.start_by_us
    crew["grace_until_us"] = state.grace_until_us
    crew["assigned"], crew["lost"] = state.phase is PatrolPhase.SUSPENDED, state.phase is PatrolPhase.LOST
    if state.anchor_latitude_deg is not None and state.anchor_longitude_deg is not None:
        crew["anchor_lat"], crew["anchor_lon"] = state.anchor_latitude_deg, state.anchor_longitude_deg


def await_checkpoint(crew: np.void, points: tuple[DueCheckpoint, ...], number: int) -> None:
    """Has a row wait for a checkpoint of its shift, or for none where it has no more."""
    crew["checkpoint"], crew["changed"] = number, True
    crew["point_until_us"] = NEVER
    if number < len(points):
        due, checkpoint = points[number], points[number].checkpoint
        crew["point_from_us"], crew["point_until_us"] = due.from_us, due.until_us
        crew["point_lat"], crew["point_lon"] = checkpoint.latitude_deg, checkpoint.longitude_deg
        crew["point_radius_m"] = checkpoint.radius_m
