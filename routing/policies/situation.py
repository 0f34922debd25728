"""What an assignment policy sees at the moment of a decision, and what it answers: arrays in, choices out.

Place in the flow: assign, as it is tried out and compared (`jedel compare-policies`); the running centre's own index
(`routing.crew_index`) asks the same questions of k-d trees. Rules: a policy is a pure function of the situation: it reads no
clock and draws nothing, and ties fall to the lower crew. It sends nobody who may not go (`travel_s` infinite), no crew twice,
and nobody to a call that is not in the situation. A call that has a crew under way is no call that waits: only a policy that
lets a nearer crew take over from it looks at those. Requirement: OCC-4.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from core.vocabulary import AssignReason

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


class UnderWay(NamedTuple):
    """The calls whose crew has not arrived, by row: what a nearer crew could take over. Ways are driving alone, as a centre
    knows them: nobody knows how long a crew will turn out."""

    crews: Integers
    """(rows,) the crew that each has."""
    priorities: Integers
    """(rows,) 1 is the most urgent."""
    left_s: Floats
    """(rows,) what its crew has still to drive, from where it is now."""
    way_s: Floats
    """(rows, crews) what each free crew would drive; infinite where it may not go and for every crew that is not free."""


class Situation(NamedTuple):
    """One moment: `calls` that wait for a crew and all `crews` of one kind of need, by row and column."""

    waited_s: Floats
    """(calls,) since each call could first have been answered."""
    priorities: Integers
    """(calls,) 1 is the most urgent."""
    travel_s: Floats
    """(calls, crews) from being sent until arrival, from where the crew is or will be free; infinite where it may not go."""
    distance_m: Floats
    """(calls, crews) the same as a straight line."""
    free_in_s: Floats
    """(crews,) 0 for a free crew; for a busy one when it is expected to be free; infinite for one that cannot be counted on."""
    latitude_deg: Floats
    """(crews,) where each crew is, or will be free."""
    longitude_deg: Floats
    bound_for: Integers
    """(crews,) priority of the call that a crew is on its way to and has not reached; 0 for every other crew."""
    divert_s: Floats
    """(calls, crews) as `travel_s`, for crews on their way, from where they are now; infinite for every other crew."""
    freed: Flags
    """(crews,) which crews have become free since the last decision."""
    under_way: UnderWay


class Sending(NamedTuple):
    """A crew sent to a call, and why."""

    call: int
    crew: int
    reason: AssignReason
    relieves: bool = False
    """Whether `call` is a row of `Situation.under_way`: the crew takes over from the one that is on its way there, which is
    free where it is."""


class Policy(Protocol):
    """A way to choose. `name` is the word in tables and settings."""

    @property
    def name(self) -> str:
        """One word, as the settings spell it."""

    def decide(self, situation: Situation) -> list[Sending]:
        """Who is sent now; calls that are not named wait on.

        A crew on its way may be named, if its `divert_s` is finite: then the call it was bound for waits again. Those that
        relieve come last, as they take what the others leave.
        """
