"""The crew: who can be sent, and which moves its life allows (OCC-4, CITY-12).

A crew's row in the crew index and its state here always agree: `hindrance` is what the index is told. A crew is on at most one
active assignment (invariant 5), the one that `assignment_id` names.
"""

from __future__ import annotations

from typing import Final

import msgspec

from core.instant import Micros
from core.vocabulary import AssignmentId, AssignReason, CrewId, CrewState, IncidentId

_S = CrewState
MOVES: Final[dict[CrewState, frozenset[CrewState]]] = {
    _S.OFF_DUTY: frozenset({_S.FREE, _S.BUSY, _S.OUT_OF_SERVICE}),
    _S.FREE: frozenset({_S.ASSIGNED, _S.BUSY, _S.OFF_DUTY, _S.OUT_OF_SERVICE}),
    _S.ASSIGNED: frozenset({_S.EN_ROUTE, _S.ON_SCENE, _S.FREE, _S.BUSY, _S.OFF_DUTY, _S.OUT_OF_SERVICE}),
    _S.EN_ROUTE: frozenset({_S.ON_SCENE, _S.FREE, _S.BUSY, _S.OFF_DUTY, _S.OUT_OF_SERVICE}),
    _S.ON_SCENE: frozenset({_S.FREE, _S.BUSY, _S.OFF_DUTY, _S.OUT_OF_SERVICE}),
    _S.BUSY: frozenset({_S.FREE, _S.OFF_DUTY, _S.OUT_OF_SERVICE}),
    _S.OUT_OF_SERVICE: frozenset({_S.FREE, _S.BUSY, _S.OFF_DUTY}),
}
"""Legal changes of a crew's state. Only a free crew is assigned, so off duty is never called."""

WORKING: Final = frozenset({_S.ASSIGNED, _S.EN_ROUTE, _S.ON_SCENE})
"""States in which the crew has an active assignment, and no other state has."""


class Crew(msgspec.Struct, kw_only=True, gc=False):
    """A responding unit. Its JSON is the view that clients get and that storage keeps."""

    crew_id: CrewId
    state: CrewState = _S.OFF_DUTY
    capabilities: tuple[str, ...] = ()
    territory: str = ""
    outside: bool = False
    incident_id: IncidentId | None = None
    assignment_id: AssignmentId | None = None
    updated_us: Micros

    @property
    def hindrance(self) -> AssignReason | None:
        """Why it cannot be sent now, or None when it can."""
        if self.state is _S.FREE:
            return None
        if self.state is _S.OFF_DUTY or self.state is _S.OUT_OF_SERVICE:
            return AssignReason.OFF_DUTY
        return AssignReason.NOT_FREE


encode_crew = msgspec.json.Encoder().encode
decode_crew = msgspec.json.Decoder(Crew).decode
