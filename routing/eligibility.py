"""Who may be sent: crews' standings, and how many free crews there are for a demand.

Place in the flow: assign, before any distance is looked at. A crew's *standing* is one number for all that decides whether it
may be sent besides its capabilities and its distance: the reason that hinders it, or, when it is free, its *home*, the
territory it serves. The free standings that serve a territory are the few homes on its path: judging is one look into a set.

Rules: a territory serves itself and everything below it in the path; a crew with territory `""`, or one allowed outside, is at
home everywhere. Requirements: OCC-4, CITY-16.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from core.vocabulary import AssignReason
from routing.geodesy import Flags

Standings = npt.NDArray[np.intp]

NOWHERE: Final = 0
"""The standing of a crew that nothing hinders but that has no place."""
REASONS: Final = tuple(AssignReason)
HINDERED: Final = {reason: standing for standing, reason in enumerate(REASONS, start=1)}
"""The standing of a crew that a reason hinders."""
FREE: Final = len(REASONS) + 1
"""The standing of a free crew that is at home everywhere; the other homes' follow."""
TERRITORIES_MAX: Final = 4096
"""Territories remembered; the memory is emptied beyond it, for territories may be edited for ever."""


_SILENT: Final = "?"
"""The home of silent crews that are at home everywhere; those of one territory live in it below."""


def home_of(territory: str, silent: bool) -> str:
    """The home of a crew that serves a territory, or where a demand there looks; that of silent crews lies apart."""
    if not silent:
        return territory
    return f"{_SILENT}/{territory}" if territory else _SILENT


def why_not(standing: int) -> AssignReason | None:
    """What hinders a crew of a standing wherever it is needed."""
    return REASONS[standing - 1] if NOWHERE < standing < FREE else None


@lru_cache(maxsize=TERRITORIES_MAX)
def homes_serving(territory: str) -> tuple[str, ...]:
    """The homes from which a territory is served: everywhere, and each territory on its path."""
    homes = [""]
    at = territory.find("/")
    while at >= 0:
        homes.append(territory[:at])
        at = territory.find("/", at + 1)
    if territory:
        homes.append(territory)
    return tuple(homes)


class Homes:
    """The homes of crews by number, and the territories' judgement of standings.

    Invariant: a home has a number while a crew lives there; numbers are used again, so there are no more than there are crews.
    """

    def __init__(self) -> None:
        self._standings: dict[str, int] = {"": FREE}
        self._names = [""]
        self._crews = [1]
        """How many crews live there; everywhere is never given up."""
        self._vacant: list[int] = []
        self._serving: dict[str, frozenset[int]] = {}

    def __len__(self) -> int:
        return len(self._names)

    def settle(self, home: str) -> int:
        """One more crew lives there. Returns its standing when it is free."""
        standing = self._standings.get(home)
        if standing is None:
            self._forget()
            if self._vacant:
                standing = self._vacant.pop()
                self._names[standing - FREE] = home
            else:
                standing = FREE + len(self._names)
                self._names.append(home)
                self._crews.append(0)
            self._standings[home] = standing
        self._crews[standing - FREE] += 1
        return standing

    def leave(self, standing: int) -> None:
        """One crew fewer lives at the home of that standing."""
        number = standing - FREE
        self._crews[number] -= 1
        if not self._crews[number]:
            del self._standings[self._names[number]]
            self._vacant.append(standing)
            self._forget()

    def serving(self, territory: str) -> frozenset[int]:
        """Standings of the free crews that serve a territory. O(depth of the territory), O(1) when asked again."""
        serving = self._serving.get(territory)
        if serving is None:
            if len(self._serving) >= TERRITORIES_MAX:
                self._serving.clear()
            known = self._standings
            serving = frozenset(known[home] for home in homes_serving(territory) if home in known)
            self._serving[territory] = serving
        return serving

    def is_silent(self, standing: int) -> bool:
        """Whether free crews of this standing are silent. `standing` is that of a free crew that has a place."""
        return standing >= FREE and self._names[standing - FREE].partition("/")[0] == _SILENT

    def admitted(self, territory: str) -> Flags:
        """Which standings, by their number, may be sent to a territory. O(homes)."""
        admitted = np.zeros(FREE + len(self._names), dtype=np.bool_)
        admitted[list(self.serving(territory))] = True
        return admitted

    def _forget(self) -> None:
        self._serving.clear()


class Tally:
    """How many crews of each free standing have each capability."""

    def __init__(self) -> None:
        self._counts: dict[str, dict[int, int]] = {}

    def change(self, capabilities: Iterable[str], before: int, after: int) -> None:
        """A crew with these capabilities goes from one standing to another."""
        if after >= FREE:
            for capability in capabilities:
                counts = self._counts.get(capability)
                if counts is None:
                    counts = self._counts[capability] = {}
                counts[after] = counts.get(after, 0) + 1
        if before >= FREE:
            for capability in capabilities:
                counts = self._counts[capability]
                if counts[before] > 1:
                    counts[before] -= 1
                else:
                    del counts[before]
                    if not counts:
                        del self._counts[capability]

    def count(self, capability: str, standings: Iterable[int]) -> int:
        """How many crews have the capability and one of the standings."""
        counts = self._counts.get(capability)
        if counts is None:
            return 0
        return sum([counts.get(standing, 0) for standing in standings])
