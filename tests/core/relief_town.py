"""Two crews and one incident, of which one may relieve the other, and what may happen to them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from core.commands import Reassign
from core.events import Fix, Position
from core.incident import encode_incident, fold
from core.instant import SECOND_US
from core.signal import SignalRules
from core.vocabulary import AssignmentState, CrewState, IncidentId
from tests.core.town import ELSEWHERE, QUIET, SPOT, Town
from tests.simulation.places import RULES

A, S = AssignmentState, CrewState


FAR, NEAR = "P-1", "P-2"


RELIEVING: Final = msgspec.structs.replace(QUIET, is_relieving=True)


LISTENING: Final = msgspec.structs.replace(RULES, signal=SignalRules(stale_us=100 * SECOND_US, lost_us=300 * SECOND_US))


Do = Callable[[Town, IncidentId], object]


def nothing(town: Town, incident: IncidentId) -> None:
    del town, incident


def far_town(**fields: object) -> tuple[Town, IncidentId]:
    """A crew four kilometres away is on its way; a nearer one is busy."""
    town = Town(**{"rules": RELIEVING, **fields})  # type: ignore[arg-type]
    town.crew(FAR, "patrol", fix=ELSEWHERE)
    town.crew(NEAR, "patrol", fix=SPOT)
    town.status(NEAR, "busy")
    incident = town.call("fight")
    assert town.crews_on(incident) == [FAR]
    return town, incident


def says(crew: str, *statuses: str) -> Do:
    return lambda town, _: [town.status(crew, status) for status in statuses]


def at(crew: str, fix: Fix, speed_mps: float | None = None) -> Do:
    def move(town: Town, incident: IncidentId) -> None:
        del incident
        place = {"latitude_deg": fix.latitude_deg, "longitude_deg": fix.longitude_deg, "accuracy_m": 5.0}
        town.say(Position(seq=town.number("gps"), at=town.at, crew=crew, speed_mps=speed_mps, **place), source="gps")

    return move


def stands(crew: str, fix: Fix) -> Do:
    """Stands at a place for as long as it takes to be seen there."""

    def stand(town: Town, incident: IncidentId) -> None:
        for _ in range(4):
            at(crew, fix, 0.0)(town, incident)
            town.wait(6)
        assert town.assignment(crew).seen_us is not None

    return stand


def all_of(*doings: Do) -> Do:
    return lambda town, incident: [do(town, incident) for do in doings]


def reassign(crew: str = "", to: str = "", when: str = "now") -> Do:
    return lambda town, incident: town.order(
        Reassign(command_id=town.command_id, incident=incident, crew=crew, to=to, when=when)  # type: ignore[arg-type]
    )


def told(town: Town, incident: int) -> dict[str, AssignmentState]:
    return {one.crew: one.state for one in town.incident(incident).assignments}


def check_whole(town: Town) -> None:
    """Every log gives its view, and a recovered engine has the same incidents and the same queue."""
    for number, change in town.committed.incidents.items():
        assert fold(town.committed.entries(number)) == change.view
    again = Town(rules=RELIEVING, recovered=town.committed.recovered()).engine.state
    live = town.engine.state
    assert {number: encode_incident(one) for number, one in again.incidents.items()} == {
        number: encode_incident(one) for number, one in live.incidents.items()
    }
    assert again.queued == live.queued == {n: list(i.unmet()) for n, i in live.incidents.items() if i.unmet()}


STILL_FAR: Final = Fix(43.2085, 76.817, 10.0)
"""Nearer than `ELSEWHERE` by a hundred seconds and more, from `SPOT`, and not by what is asked for."""


BESIDE: Final = Fix(43.2010, 76.8010, 5.0)
"""Beside `SPOT`."""


BARELY: Final = Fix(43.2139, 76.8277, 5.0)
"""Nearer than `ELSEWHERE` by 135 seconds."""


def half_a_minute(town: Town, incident: IncidentId) -> None:
    del incident
    town.wait(30)
