"""What storage gives back at start: enough to go on as if the process had never died (invariants 3, 6, 7).

Only committed state is in here. The engine decodes the views; nothing is guessed from the clock.
"""

from __future__ import annotations

import msgspec

from core.decisions import CommandAnswer, CrewChange, IncidentChange, PositionRow
from core.instant import Micros
from core.patrol import PatrolState
from core.scenario import Scenario
from core.vocabulary import Mode


class EarlierCall(msgspec.Struct, frozen=True, gc=False):
    """A call of the last hours, to recognise a number that calls again (OCC-1, CITY-11)."""

    phone: str
    at_us: Micros
    incident_id: int


class Device(msgspec.Struct, frozen=True, gc=False):
    """Where a camera, panel, button or sensor is registered to stand."""

    device_id: str
    latitude_deg: float
    longitude_deg: float
    address: str


class Recovered(msgspec.Struct, frozen=True, gc=False):
    """The centre's committed state."""

    batch_no: int
    """Number of the last committed batch, 0 in a new database."""
    high_water: dict[str, int]
    """Source → last committed `seq`."""
    next_incident_id: int
    next_assignment_id: int
    incidents: list[IncidentChange]
    """Open incidents, in order of id; `created` is False."""
    crews: list[CrewChange]
    positions: list[PositionRow]
    """Last stored position of each crew that has one."""
    earlier_calls: list[EarlierCall]
    answers: list[CommandAnswer]
    """Answers of the last hours' commands, oldest first."""
    devices: list[Device]
    last_us: Micros = Micros(0)
    """The centre's time of the last committed batch, 0 in a new database."""
    mode: Mode = Mode.DAILY
    scenarios: list[Scenario] = []
    """Every version that incidents may go by."""
    patrols: list[PatrolState] = []
    """Crews' patrols, in order of crew."""


EMPTY = Recovered(
    batch_no=0,
    high_water={},
    next_incident_id=1,
    next_assignment_id=1,
    incidents=[],
    crews=[],
    positions=[],
    earlier_calls=[],
    answers=[],
    devices=[],
)
