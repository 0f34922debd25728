"""Patrols: how a crew serves its route, as states, faults and the thresholds between them (OCC-5).

Place in the flow: beside assign; `core.patrol_rule` decides over a batch's crews, `core.patrol_watch` holds them. Rules:

- A crew is watched from the beginning of its route's shift until its end, and no longer.
- A fault is told once when it begins and once when it has ended, with the reason; until it has ended it does not begin again.
- What the centre itself has ordered is no fault: an assignment ends an open fault and suspends the patrol, and afterwards the
  crew has `grace_us` to come back.
- Durations run on the centre's time; a position's own time only says which of two is the newer.
- Silence proves nothing: a gap longer than `silence_us` breaks a run of positions off the route, and counts as no standing
  beyond that. Whether a silent crew is lost is for the crew's own state to say, and a lost crew is blamed for nothing new.
"""

from __future__ import annotations

from typing import Final, NewType, Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from core.instant import SECOND_US, Micros
from core.timetable import Timetable
from core.vocabulary import CrewId, Word

RouteId = NewType("RouteId", str)
"""A patrol route as its register names it."""


class PatrolPhase(Word):
    """How a crew stands to its route; the moves between them are `MOVES`."""

    OFF_TIMETABLE = "off_timetable"
    """No shift of a route of its runs."""
    EXPECTED = "expected"
    """Its shift runs, and it has not been on its route yet."""
    NOT_STARTED = "not_started"
    """It should have been on its route by now."""
    ON_ROUTE = "on_route"
    OFF_ROUTE = "off_route"
    STANDING = "standing"
    """On its route, and in one place for too long."""
    LOST = "lost"
    """It had begun, and its signal is lost."""
    SUSPENDED = "suspended"
    """It has an assignment."""
    RETURNING = "returning"
    """It had an assignment, and is on its way back."""


_P = PatrolPhase
MOVES: Final[dict[PatrolPhase, frozenset[PatrolPhase]]] = {
    _P.OFF_TIMETABLE: frozenset({_P.EXPECTED, _P.SUSPENDED}),
    _P.EXPECTED: frozenset({_P.NOT_STARTED, _P.ON_ROUTE, _P.SUSPENDED, _P.OFF_TIMETABLE}),
    _P.NOT_STARTED: frozenset({_P.ON_ROUTE, _P.SUSPENDED, _P.OFF_TIMETABLE}),
    _P.ON_ROUTE: frozenset({_P.OFF_ROUTE, _P.STANDING, _P.LOST, _P.SUSPENDED, _P.OFF_TIMETABLE}),
    _P.OFF_ROUTE: frozenset({_P.ON_ROUTE, _P.LOST, _P.SUSPENDED, _P.OFF_TIMETABLE}),
    _P.STANDING: frozenset({_P.ON_ROUTE, _P.OFF_ROUTE, _P.LOST, _P.SUSPENDED, _P.OFF_TIMETABLE}),
    _P.LOST: frozenset({_P.ON_ROUTE, _P.OFF_ROUTE, _P.STANDING, _P.RETURNING, _P.SUSPENDED, _P.OFF_TIMETABLE}),
    _P.SUSPENDED: frozenset({_P.EXPECTED, _P.RETURNING, _P.LOST, _P.OFF_TIMETABLE}),
    _P.RETURNING: frozenset({_P.ON_ROUTE, _P.OFF_ROUTE, _P.LOST, _P.SUSPENDED, _P.OFF_TIMETABLE}),
}
"""Legal changes of a crew's phase."""


class PatrolFault(Word):
    """What a shift lead is told of."""

    NOT_STARTED = "not_started"
    OFF_ROUTE = "off_route"
    STANDING = "standing"
    CHECKPOINT_MISSED = "checkpoint_missed"
    """Told once a checkpoint; there is nothing that could end it."""


class PatrolEnd(Word):
    """Why a fault has ended."""

    STARTED = "started"
    RETURNED = "returned"
    MOVED = "moved"
    EXCUSED = "excused"
    """The crew was given an assignment."""
    OFF_DUTY = "off_duty"
    """The crew is not on duty any more."""
    SHIFT_OVER = "shift_over"
    ROUTE_CHANGED = "route_changed"
    """The crew was put on another route, or its route is no more."""


class PatrolRules(msgspec.Struct, frozen=True):
    """Thresholds, in metres and microseconds."""

    off_us: int = 60 * SECOND_US
    """So long beyond width and accuracy is off the route: a car that passes a jam by the next block is back by then."""
    off_positions: int = 12
    """Or so many positions in a row: the same minute at one each five seconds."""
    return_factor: float = 0.8
    """Back is within this share of the width, so that a crew at the edge does not come and go with its receiver's noise."""
    return_positions: int = 2
    """So many in a row: a single one may be a reflection from a wall."""
    stand_m: float = 50.0
    """Nearer than this to where it stood, and its accuracy, a crew has not moved: along one house."""
    rare_us: int = 30 * SECOND_US
    """A move shows in two positions in a row, or in one that comes so long after the last: of a crew that goes to and fro every
    other one may be from where it began."""
    stand_us: int = 900 * SECOND_US
    """Standing so long is told; a check of documents takes five minutes. A route may have its own (`PatrolRoute.stand_s`)."""
    start_us: int = 600 * SECOND_US
    """From the shift's beginning until the crew must have been on its route: briefing and the way there."""
    grace_us: int = 900 * SECOND_US
    """From an assignment's end until the crew must be back: as long as a crew has to get to an incident."""
    silence_us: int = 300 * SECOND_US
    """A gap between positions that says nothing of what lies in it; terminals that stand report each few minutes."""
    settle_us: int = 60 * SECOND_US
    """After a restart nobody has not started before the sources had this long to connect and say where crews are."""
    accuracy_least_m: float = 10.0
    """Taken where a device claims to know better, or says nothing: between houses none does."""
    accuracy_worst_m: float = 200.0
    """A vaguer position says nothing about a route, and is passed over."""


class PatrolRoute(msgspec.Struct, frozen=True, kw_only=True):
    """A route or a patrolled area, in one version, as the register has it."""

    route_id: RouteId
    version: int = 1
    valid_from_us: Micros = Micros(0)
    valid_until_us: Micros | None = None
    """Shifts that begin at or after `valid_from_us` and before this are this version's; None: until another one."""
    name: str
    width_m: float
    """How far from the line, or outside the area, a crew may be."""
    timetable: Timetable
    crews: tuple[CrewId, ...] | None = None
    """Who walks it in every shift; None: the roster says who."""
    stand_s: int | None = None
    """Instead of `PatrolRules.stand_us`; 0: a crew may stand here as long as it likes (a post). None: the rule's."""
    wkb: bytes
    """LineString, MultiLineString, Polygon or MultiPolygon; longitude, then latitude, in degrees."""


class PatrolState(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """What must outlive the process of one crew's patrol: stored with the batch that changed it, one row a crew."""

    crew_id: CrewId
    route_id: RouteId
    version: int
    phase: PatrolPhase
    since_us: Micros
    """When it entered the phase."""
    from_us: Micros = Micros(0)
    until_us: Micros = Micros(0)
    """The shift it is watched in; 0 in `OFF_TIMETABLE`, whose route is the next one or, where there is none, the last."""
    fault: PatrolFault | None = None
    """What has been told and has not ended; LOST keeps it."""
    fault_since_us: Micros = Micros(0)
    started: bool = False
    """Whether it has been on its route in this shift."""
    start_by_us: Micros = Micros(0)
    grace_until_us: Micros = Micros(0)
    """0: it is not on its way back from an assignment."""
    checkpoint: int = 0
    """How many of the shift's checkpoints are done with."""
    anchor_latitude_deg: float | None = None
    anchor_longitude_deg: float | None = None
    """Where it stands, while `STANDING` is told."""


class PatrolFinding(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A fault that has begun, or (`ended` set) that has ended. For the shift lead."""

    crew_id: CrewId
    route_id: RouteId
    route: str
    """The route's name."""
    fault: PatrolFault
    ended: PatrolEnd | None = None
    at_us: Micros
    """When it was found."""
    since_us: Micros
    """Since when it has been so: the shift's beginning, the first position off the route, the standing's beginning, the hour of
    the checkpoint; an ended one's as it was told when it began."""
    distance_m: float | None = None
    """To the route, where a position told."""
    checkpoint: str = ""
    """Name of the one that was missed."""


def told_end(state: PatrolState, route: str, end: PatrolEnd, now_us: Micros) -> PatrolFinding | None:
    """The end of the fault that a stored state has open, or None. `route` is the route's name."""
    if state.fault is None:
        return None
    return PatrolFinding(
        crew_id=state.crew_id,
        route_id=state.route_id,
        route=route,
        fault=state.fault,
        ended=end,
        at_us=now_us,
        since_us=state.fault_since_us,
    )


def over(state: PatrolState, now_us: Micros) -> PatrolState:
    """What a stored state becomes when its route is no more."""
    return PatrolState(
        crew_id=state.crew_id,
        route_id=state.route_id,
        version=state.version,
        phase=PatrolPhase.OFF_TIMETABLE,
        since_us=now_us,
    )


encode_patrol = msgspec.json.Encoder().encode
decode_patrol = msgspec.json.Decoder(PatrolState).decode


class RouteDistances(Protocol):
    """The geometry of the routes, by their numbers; `routing.patrol_routes.RouteShapes` fills it."""

    def distances_m(
        self,
        route_nos: npt.NDArray[np.int64],
        latitude_deg: npt.NDArray[np.float64],
        longitude_deg: npt.NDArray[np.float64],
    ) -> npt.NDArray[np.float64]:
        """Metres from each place to its own route, 0 on the line or inside the area, NaN for no place. One call a batch."""
