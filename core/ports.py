"""What the engine needs of the world's geometry and of the registers, as protocols that `routing` and `storage` fill.

Everything here is synchronous and in memory except where the shell has looked it up beforehand and hands it over with the
batch (`Subscriber`): the engine never waits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from core.vocabulary import AssignReason, CrewNo


class Subscriber(msgspec.Struct, frozen=True, gc=False):
    """What the telephone exchanges' subscriber base holds of a number (OCC-1)."""

    phone: str
    """E.164 digits with `+`."""
    name: str
    line: str
    """Kind of line: `landline`, `mobile`, `payphone`, `voip`, `m2m`."""
    address: str
    latitude_deg: float | None
    longitude_deg: float | None


class Match(msgspec.Struct, frozen=True, gc=False):
    """A place the gazetteer found for words. `score` is 0–100, 100 for an exact reading."""

    name: str
    latitude_deg: float
    longitude_deg: float
    accuracy_m: float
    """Half the extent of what was matched: about 15 for a house, the street's half length for a street alone."""
    score: float
    match: str
    """What was matched: `house`, `corner`, `street`, `place`."""


class Gazetteer(Protocol):
    """Addresses, corners, places and institutions of an imported map."""

    def search(self, words: str, limit: int = 5) -> list[Match]:
        """Places for an address or a name in words, best first; empty when nothing is near enough."""

    def nearest(self, latitude_deg: npt.NDArray[np.float64], longitude_deg: npt.NDArray[np.float64]) -> list[str]:
        """Address nearest to each point, for a person to read; `""` where none lies within 500 m. One call a batch."""


class Territories(Protocol):
    """The vertical's territories by polygon (CITY-13)."""

    def find(self, latitude_deg: npt.NDArray[np.float64], longitude_deg: npt.NDArray[np.float64]) -> list[str]:
        """Deepest territory that holds each point, `""` where none does. One call a batch."""


class TravelTimes(Protocol):
    """Expected driving times by road (OCC-4)."""

    def have_roads(self, places: npt.NDArray[np.float64]) -> list[bool]:
        """Whether a road leads near each place, a unit vector a row. Where none does, a drive takes what its line would."""

    def drives_s(
        self,
        origins: npt.NDArray[np.float64],
        counts: Sequence[int],
        destinations: npt.NDArray[np.float64],
        within_s: Sequence[float],
        who: npt.NDArray[np.int64] | None = None,
    ) -> npt.NDArray[np.float64]:
        """Seconds from each of many places to its destination, infinite where it takes longer than is asked for.

        All that a batch asks for together costs much less than one destination after the other, and the less is asked for, the
        less it costs. From a place with no road near it a drive takes what its straight line would.

        Args:
            origins: unit vectors, shape (n, 3): those for the first destination, then those for the second, and so on.
            counts: how many are for each destination; n together.
            destinations: unit vectors, shape (m, 3).
            within_s: of each destination; infinite for whatever it takes.
            who: numbers of those who stand at the origins, shape (n,), from 0 on and not many more than there are: who has not
                moved since the last time need not be looked up again. No answer depends on it.

        Returns:
            Seconds, shape (n,).
        """


class Demand(msgspec.Struct, frozen=True, gc=False):
    """One crew wanted for one incident."""

    key: int
    """The caller's own handle, given back in `Choice.key`."""
    latitude_deg: float
    longitude_deg: float
    capability: str
    territory: str
    priority: int
    """1 is the most urgent."""
    excluded: frozenset[CrewNo] = frozenset()
    silent: bool = False
    """Whether crews may be chosen whose position is old: asked where no crew that is heard can go."""


class PassedOver(msgspec.Struct, frozen=True, gc=False):
    """A nearer crew that has the capability and was not chosen, and why."""

    crew_no: CrewNo
    distance_m: float
    reason: AssignReason
    travel_s: float | None = None
    """By road, of those that could have gone; None where it was enough to know that the chosen crew is faster."""


class Choice(msgspec.Struct, frozen=True, gc=False):
    """The crew for one demand, or none (`crew_no` None, reason `NO_CREW`)."""

    key: int
    crew_no: CrewNo | None
    distance_m: float
    reason: AssignReason
    passed_over: tuple[PassedOver, ...]
    """Crews that have the capability, nearest first: those nearer than the chosen one, at most `limits.PASSED_OVER_MAX`.

    With `NO_CREW` the three nearest, for the first four such demands of a call; empty for the others, so that being asked
    costs next to nothing when hundreds find nobody. A `NO_CREW` demand without a finite place names nobody.
    """
    travel_s: float | None = None
    """Expected driving time by road; None where the straight line decided."""


class CrewIndex(Protocol):
    """Positions, capabilities and availability of all crews, and the choice among them.

    Rows are addressed by `CrewNo`, dense from 0. A territory serves itself and everything below it in the path
    (`kz/almaty` serves `kz/almaty/medeu`); a crew with territory `""` or `outside` set serves everywhere.
    """

    @property
    def queue_look(self) -> int:
        """How many of the oldest waiting needs of one priority contend for a crew that frees; with 1 the oldest gets it."""

    def put(self, crew_no: CrewNo, capabilities: Sequence[str], territory: str, *, outside: bool, silent: bool = False) -> None:
        """Adds a crew (`crew_no` equal to the present size) or replaces its profile. A new crew is off duty, nowhere.

        A `silent` crew, whose position is old, is chosen only for demands that allow it.
        """

    def set_availability(self, crew_no: CrewNo, hindrance: AssignReason | None) -> None:
        """Marks a crew free (`None`) or not, with the reason a passed-over line will show."""

    def move(
        self,
        crew_nos: npt.NDArray[np.int64],
        latitude_deg: npt.NDArray[np.float64],
        longitude_deg: npt.NDArray[np.float64],
    ) -> None:
        """Moves crews, one row each, no crew twice. Later choices see the new places exactly."""

    def choose(self, demands: Sequence[Demand], by_road_max: int) -> list[Choice]:
        """One choice a demand, in the order given, all decided together.

        More urgent priorities choose first; among demands of one priority the total distance is least, or the total time by
        road where roads are known, for the `by_road_max` most urgent of them. No crew is chosen twice. The index itself is not
        changed: the caller marks the chosen crews as taken with `set_availability`.
        """

    @property
    def compared_by_road(self) -> int:
        """Demands of the latest `choose` whose crews were compared by road: those that had roads, and crews to compare."""

    def travel_s(self, crew_no: CrewNo, latitude_deg: float, longitude_deg: float) -> float | None:
        """Seconds by road from where a crew is; None where no road is known, or where nobody knows where it is."""
