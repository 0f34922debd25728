"""What a crew has still to drive to an incident: by road where a map has roads, else by straight line (OCC-4).

Place in the flow: where somebody asks of one crew and one place; needs are matched with crews by the crew index, all at once.
Rules: the same figure for every crew that is compared, so nobody seems nearer by being reckoned otherwise; setting out and
traffic are in none of them. A position is as old as it is: since then the crew may have come so much nearer, or gone away.
"""

from __future__ import annotations

from math import isfinite
from typing import NamedTuple

from core.arrival import straight_line_s
from core.facts import Evidence
from core.great_circle import distance_m
from core.instant import SECOND_US
from core.state import CentreState
from core.vocabulary import CrewId


class Way(NamedTuple):
    """From where a crew was last to a place."""

    distance_m: float
    """In a straight line."""
    travel_s: float | None
    """By road; None where no road is known."""
    age_s: float
    """Of the position, in the seconds that drives are reckoned in."""

    @property
    def lasts_s(self) -> float:
        """What the drive from there is expected to take."""
        return straight_line_s(self.distance_m) if self.travel_s is None else self.travel_s

    @property
    def least_s(self) -> float:
        """What is left of it, where the crew has been driving there ever since."""
        return max(0.0, self.lasts_s - self.age_s)

    @property
    def most_s(self) -> float:
        """What it comes to, where the crew has been driving away ever since."""
        return self.lasts_s + self.age_s


def way_of(state: CentreState, crew_id: str, place: Evidence) -> Way | None:
    """A crew's way to a place; None where nobody knows where it is, or no road leads from there. A search of the roads."""
    last = state.last_positions.get(crew_id)
    crew_no = state.crew_nos.get(CrewId(crew_id))
    if last is None or crew_no is None:
        return None
    travel_s = state.crew_index.travel_s(crew_no, place.latitude_deg, place.longitude_deg)
    if travel_s is not None and not isfinite(travel_s):
        return None
    apart_m = distance_m(last.latitude_deg, last.longitude_deg, place.latitude_deg, place.longitude_deg)
    # Where days are replayed faster than the clock, crews drive faster as well.
    age_s = max(0, state.now_us - last.at_us) / SECOND_US * state.rules.terms.pace
    return Way(apart_m, travel_s, age_s)
