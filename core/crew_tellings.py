"""Tellings about crews that no incident's term is about: not heard any more, not come on duty, two devices under one call sign.

Place in the flow: beside the notices to dispatch clients, in the batch that finds it out (CITY-5, OCC-4). Rules:
- One thing is told once: a loss is a change of the crew's stored signal, a duty is named by its beginning, and of two devices
  the shift lead hears once an hour at most, whatever restarts between.
- Many at once are one telling for each territory: that is no riddle about crews.
- When the reason is gone, or somebody has it in hand (`acknowledge_crew`), what has not been sent yet is withdrawn. That stands
  in the centre's log, so that a process that dies before it came to it leaves it to the next one (`storage.outbox`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Final

import msgspec

from core.decisions import Acknowledgement
from core.informing import EXPIRES_US, SHIFT_LEAD
from core.instant import SECOND_US, Micros
from core.state import CentreState
from core.telling import VALUES, Happened, Telling
from core.vocabulary import CrewId, IncidentId, Occasion

ALONE_MAX: Final = 10
"""Crews of one batch that are told of one by one."""
WORKING_PRIORITY: Final = 2
"""Of a crew that works on an incident: somebody may be in danger, at any hour."""
PRIORITY: Final = 4
_TOLD: Final = {
    Occasion.SIGNAL_LOST: Happened.SIGNAL_LOST,
    Occasion.DUTY_NOT_BEGUN: Happened.DUTY_NOT_BEGUN,
    Occasion.TWO_POSITIONS: Happened.TWO_POSITIONS,
}


class Concern(msgspec.Struct, frozen=True):
    """One crew that something is to be told of."""

    crew_id: CrewId
    territory: str
    incident_id: IncidentId | None
    """What it works on, or None."""
    once: str
    """Unique among what is ever told of this crew on this occasion."""


def tell_of_crews(state: CentreState, occasion: Occasion, concerns: Sequence[Concern], past_us: int) -> None:
    """Tells the shift lead of crews by every channel but the notices.

    Args:
        state: the centre.
        occasion: what has happened to all of them.
        concerns: the crews.
        past_us: for how long it has been so.
    """
    if len(concerns) <= ALONE_MAX:
        for one in concerns:
            priority = PRIORITY if one.incident_id is None else WORKING_PRIORITY
            key = f"{_crew_root(one.crew_id)}/{occasion.value}/{one.once}"
            _tell(state, occasion, key, one.territory, one.crew_id, past_us, priority, one.incident_id)
        return
    for territory, group in groupby(sorted(concerns, key=_by_territory), key=lambda one: one.territory):
        crews = list(group)
        works = any(one.incident_id is not None for one in crews)
        key = f"{_territory_root(territory)}/{occasion.value}/{state.now_us}/{state.batch_no + 1}"
        named = ", ".join(one.crew_id for one in crews[:ALONE_MAX])
        subject = named if len(crews) <= ALONE_MAX else f"{named} … ({len(crews)})"
        _tell(state, occasion, key, territory, subject, past_us, WORKING_PRIORITY if works else PRIORITY, None)


def withdraw(state: CentreState, crew_id: CrewId, occasion: Occasion | None, actor: str, cause: str) -> None:
    """Has a crew's tellings withdrawn that are not sent yet: of one occasion, or of all."""
    root = _crew_root(crew_id)
    _withdraw(state, root if occasion is None else f"{root}/{occasion.value}", actor, cause)


def withdraw_together(state: CentreState, territories: Iterable[str], occasion: Occasion, cause: str) -> None:
    """Has tellings of many crews withdrawn that are not sent yet, where it is so of none of them any more."""
    for territory in sorted(territories):
        _withdraw(state, f"{_territory_root(territory)}/{occasion.value}", "engine", cause)


def _withdraw(state: CentreState, prefix: str, actor: str, cause: str) -> None:
    state.acknowledged.append(Acknowledgement(prefix, state.now_us))
    state.log_centre(Occasion.TELLING_WITHDRAWN, actor, cause, {"prefix": prefix})


def _tell(
    state: CentreState,
    occasion: Occasion,
    key: str,
    territory: str,
    subject: str,
    past_us: int,
    priority: int,
    incident_id: IncidentId | None,
) -> None:
    happened = _TOLD[occasion]
    values = {"crew": subject, "minutes": str(max(1, round(past_us / (60 * SECOND_US))))}
    state.tellings.append(
        Telling(
            key=key,
            to=SHIFT_LEAD,
            territory=territory,
            incident_id=incident_id,
            template=happened,
            values={name: values[name] for name in VALUES[happened]},
            at_us=state.now_us,
            expires_us=Micros(state.now_us + EXPIRES_US),
            priority=priority,
        )
    )


def _crew_root(crew_id: CrewId) -> str:
    return f"crew/{_step(crew_id)}"


def _territory_root(territory: str) -> str:
    return f"crews/{_step(territory)}"


def _step(text: str) -> str:
    """A text as one step of a key: no call sign with a stroke in it lies below another one, and PostgreSQL holds no NUL."""
    return text.replace("%", "%25").replace("/", "%2F").replace("\0", "%00")


def _by_territory(concern: Concern) -> tuple[str, CrewId]:
    return concern.territory, concern.crew_id
