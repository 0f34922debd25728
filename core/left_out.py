"""What a process does without, because the engine has failed on it, and how that is told (`core.quarantine`).

Place in the flow: the first batch of a life. The life before has ended of a fault, and what it failed on is left out of this
one (`core.vocabulary.Part`); calls are served all the same. That nobody watches it any more is told to the shift lead: to
dispatch clients in every life that does without, by the other channels once a fault, whose telling has the same key in each.
"""

from __future__ import annotations

import msgspec

from core.decisions import Notice
from core.informing import EXPIRES_US, SHIFT_LEAD
from core.instant import Micros
from core.state import CentreState
from core.telling import Happened, Telling
from core.vocabulary import PRIORITY_HIGHEST, IncidentId, Occasion, Part


class LeftOut(msgspec.Struct, frozen=True):
    """One thing that is left out: a part, or a part of what is done for one incident."""

    at_us: Micros
    """When the engine failed on it."""
    part: Part
    incident_id: IncidentId | None = None
    """The incident that it is left out for; None for all of the centre."""
    is_refused: bool = False
    """The part is done: only what was to come into force is not gone by, and what was in force before stays."""


def tell_left_out(state: CentreState, left_out: LeftOut) -> None:
    """Tells the shift lead of one thing that is left out. An incident that has ended meanwhile needs nothing.

    Args:
        state: the centre, in the first batch of its life.
        left_out: what it does without.
    """
    territory, incident_id, part = state.rules.territory, left_out.incident_id, left_out.part.value
    if incident_id is not None:
        incident = state.incidents.get(incident_id)
        if incident is None:
            return
        territory = incident.territory
        happened, text = Happened.INCIDENT_LEFT_OUT, f"the centre does without {part} for incident {incident_id}: watch it"
    elif left_out.is_refused:
        happened, text = Happened.NEWS_REFUSED, f"new {part} not taken: what was before stays"
    else:
        happened, text = Happened.PART_LEFT_OUT, f"the centre does without {part} until it is restarted"
    text = f"{text} (the engine has failed on it; its makers must see the log)"
    state.notices.append(Notice(incident_id, state.now_us, SHIFT_LEAD, Occasion.LEFT_OUT.value, territory, text))
    what = {"part": part, "incident": incident_id, "refused": left_out.is_refused, "failed_us": left_out.at_us}
    state.log_centre(Occasion.LEFT_OUT, "engine", "fault", what)
    about = "centre" if incident_id is None else f"incident/{incident_id}"
    state.tellings.append(
        Telling(
            key=f"{about}/left_out/{part}/{left_out.at_us}",
            to=SHIFT_LEAD,
            territory=territory,
            incident_id=incident_id,
            template=happened,
            values={"part": part},
            at_us=state.now_us,
            expires_us=Micros(state.now_us + EXPIRES_US),
            priority=PRIORITY_HIGHEST,
        )
    )
