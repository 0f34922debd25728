"""The crew: who can be sent, and which moves its life allows (OCC-4, CITY-12).

A crew may hold several assignments. One of them is active, the one it works on now: `assignment_id` names it, and the crew's
state follows it (`STATE_OF`). The others are held, in the order in which they come up; each keeps its own state, and what
happens to one never changes another. A crew's row in the crew index and its state here always agree: `hindrance` and `signal`
are what the index is told.
"""

from __future__ import annotations

from typing import Final

import msgspec

from core.instant import Micros
from core.vocabulary import AssignmentId, AssignmentState, AssignReason, CrewId, CrewState, IncidentId, Signal

_S = CrewState
MOVES: Final[dict[CrewState, frozenset[CrewState]]] = {
    _S.OFF_DUTY: frozenset({_S.FREE, _S.BUSY, _S.OUT_OF_SERVICE}),
    _S.FREE: frozenset({_S.ASSIGNED, _S.RETURNING, _S.BUSY, _S.OFF_DUTY, _S.OUT_OF_SERVICE}),
    _S.ASSIGNED: frozenset({_S.EN_ROUTE, _S.ON_SCENE, _S.FREE, _S.BUSY, _S.OFF_DUTY, _S.OUT_OF_SERVICE}),
    _S.EN_ROUTE: frozenset({_S.ASSIGNED, _S.ON_SCENE, _S.FREE, _S.BUSY, _S.OFF_DUTY, _S.OUT_OF_SERVICE}),
    _S.ON_SCENE: frozenset({_S.ASSIGNED, _S.EN_ROUTE, _S.FREE, _S.RETURNING, _S.BUSY, _S.OFF_DUTY, _S.OUT_OF_SERVICE}),
    _S.RETURNING: frozenset({_S.ASSIGNED, _S.FREE, _S.BUSY, _S.OFF_DUTY, _S.OUT_OF_SERVICE}),
    _S.BUSY: frozenset({_S.FREE, _S.RETURNING, _S.OFF_DUTY, _S.OUT_OF_SERVICE}),
    _S.OUT_OF_SERVICE: frozenset({_S.FREE, _S.BUSY, _S.OFF_DUTY}),
}
"""Legal changes of a crew's state. Only an available crew is assigned, so off duty is never called; a working one comes back to
`assigned` or `en_route` when another of its assignments becomes the active one."""

AVAILABLE: Final = frozenset({_S.FREE, _S.RETURNING})
"""States in which the crew can be sent."""
WORKING: Final = frozenset({_S.ASSIGNED, _S.EN_ROUTE, _S.ON_SCENE})
"""States in which the crew has an active assignment, and no other state has."""
UNDER_WAY: Final = frozenset({_S.ASSIGNED, _S.EN_ROUTE})
"""States in which the crew may be on its way somewhere."""
OFF: Final = frozenset({_S.OFF_DUTY, _S.OUT_OF_SERVICE})
"""States in which nobody listens for the crew's positions."""

_A = AssignmentState
STATE_OF: Final[dict[AssignmentState, CrewState]] = {
    _A.OFFERED: _S.ASSIGNED,
    _A.ACCEPTED: _S.ASSIGNED,
    _A.EN_ROUTE: _S.EN_ROUTE,
    _A.ON_SCENE: _S.ON_SCENE,
    _A.CLEARED: _S.FREE,
    _A.DECLINED: _S.FREE,
    _A.WITHDRAWN: _S.FREE,
    _A.EXPIRED: _S.BUSY,
}
"""The crew's state by that of its active assignment; the last four where it holds no other. A crew that did not answer is not
asked again before it reports itself free."""


class Task(msgspec.Struct, frozen=True, gc=False):
    """One assignment as its crew carries it."""

    incident_id: IncidentId
    assignment_id: AssignmentId


class Crew(msgspec.Struct, kw_only=True, gc=False):
    """A responding unit. Its JSON is the view that clients get and that storage keeps."""

    crew_id: CrewId
    state: CrewState = _S.OFF_DUTY
    capabilities: tuple[str, ...] = ()
    territory: str = ""
    outside: bool = False
    incident_id: IncidentId | None = None
    assignment_id: AssignmentId | None = None
    held: tuple[Task, ...] = ()
    """Assignments that wait for this crew, in the order in which they become the active one; none without an active one."""
    signal: Signal = Signal.NONE
    updated_us: Micros

    @property
    def active(self) -> Task | None:
        """The assignment it works on, or None."""
        if self.incident_id is None or self.assignment_id is None:
            return None
        return Task(self.incident_id, self.assignment_id)

    @property
    def is_silent(self) -> bool:
        """Whether nobody knows where it is now."""
        return self.signal is Signal.STALE or self.signal is Signal.LOST

    @property
    def hindrance(self) -> AssignReason | None:
        """Why it cannot be sent now, or None when it can."""
        if self.state in AVAILABLE:
            return None
        if self.state in OFF:
            return AssignReason.OFF_DUTY
        return AssignReason.NOT_FREE


encode_crew = msgspec.json.Encoder().encode
decode_crew = msgspec.json.Decoder(Crew).decode
