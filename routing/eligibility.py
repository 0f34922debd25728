"""Who may be sent: crews' profiles judged for a kind of demand, and the free crews of each kind.

Place in the flow: assign, before any distance is looked at. A demand's *kind* is its capability and territory; a crew's
*profile* is what it can do and where it serves. There are few of either, so a profile is judged once for a kind and a look-up
judges a crew. Free crews are kept in one set for each capability and home, so a kind's eligible crews are the union of the few
sets on its territory's path: counting them costs a handful of look-ups, however many crews there are.

Rules: a territory serves itself and everything below it in the path; a crew with territory `""`, or one allowed outside, is at
home everywhere. Requirements: OCC-4, CITY-16.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from core.vocabulary import AssignReason
from routing.neighbours import Rows

Codes = npt.NDArray[np.uint8]
"""Why crews may not be sent, as indices into `REASONS`; 0 where nothing hinders."""

REASONS: Final = tuple(AssignReason)
CODES: Final = {reason: code for code, reason in enumerate(REASONS, start=1)}
FREE: Final = 0
LACKS_CAPABILITY: Final = CODES[AssignReason.LACKS_CAPABILITY]
OTHER_TERRITORY: Final = CODES[AssignReason.OTHER_TERRITORY]
KINDS_MAX: Final = 4096
"""Kinds whose verdicts are remembered; the memory is emptied beyond it, for territories may be edited for ever."""


def reason_of(code: int) -> AssignReason:
    """The reason a code other than `FREE` stands for."""
    return REASONS[code - 1]


class Profile(NamedTuple):
    """What a crew can do and where it serves."""

    capabilities: frozenset[str]
    home: str
    """The territory it serves, `""` for everywhere."""


class Kind(NamedTuple):
    """What a demand asks of a crew besides being near."""

    capability: str
    territory: str


@lru_cache(maxsize=KINDS_MAX)
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


def judge(profile: Profile, kind: Kind) -> int:
    """`FREE` where the profile serves the kind, else the code of why not."""
    if kind.capability not in profile.capabilities:
        return LACKS_CAPABILITY
    return FREE if profile.home in homes_serving(kind.territory) else OTHER_TERRITORY


class Profiles:
    """Profiles by number, and their verdicts for the kinds asked for so far."""

    def __init__(self) -> None:
        self._profiles: list[Profile] = []
        self._numbers: dict[Profile, int] = {}
        self._verdicts: dict[Kind, Codes] = {}

    def __len__(self) -> int:
        return len(self._profiles)

    def __getitem__(self, number: int) -> Profile:
        return self._profiles[number]

    def number(self, profile: Profile) -> int:
        """The profile's number, a new one where it is new."""
        number = self._numbers.get(profile)
        if number is None:
            number = self._numbers[profile] = len(self._profiles)
            self._profiles.append(profile)
            self._verdicts.clear()
        return number

    def verdicts(self, kind: Kind) -> Codes:
        """One code a profile, shape (profiles,)."""
        verdicts = self._verdicts.get(kind)
        if verdicts is None:
            if len(self._verdicts) >= KINDS_MAX:
                self._verdicts.clear()
            verdicts = np.fromiter((judge(profile, kind) for profile in self._profiles), np.uint8, len(self._profiles))
            self._verdicts[kind] = verdicts
        return verdicts


class _RowSet:
    """A set of rows that is also an array. Every operation is amortised O(1)."""

    def __init__(self) -> None:
        self._rows: Rows = np.empty(8, dtype=np.int64)
        self._slots: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._slots)

    @property
    def rows(self) -> Rows:
        return self._rows[: len(self._slots)]

    def add(self, row: int) -> None:
        slot = self._slots.setdefault(row, len(self._slots))
        if slot == len(self._rows):
            self._rows = np.resize(self._rows, 2 * slot)
        self._rows[slot] = row

    def discard(self, row: int) -> None:
        slot = self._slots.pop(row, None)
        if slot is None or slot == len(self._slots):
            return
        # The last one takes the gap.
        last = int(self._rows[len(self._slots)])
        self._rows[slot] = last
        self._slots[last] = slot


class FreeCrews:
    """Rows of the crews that are free and have a place, by capability and home."""

    def __init__(self) -> None:
        self._sets: dict[tuple[str, str], _RowSet] = {}

    def add(self, row: int, profile: Profile) -> None:
        """The crew can be sent from now on."""
        for capability in profile.capabilities:
            key = (capability, profile.home)
            rows = self._sets.get(key)
            if rows is None:
                rows = self._sets[key] = _RowSet()
            rows.add(row)

    def discard(self, row: int, profile: Profile) -> None:
        """The crew cannot be sent any more."""
        for capability in profile.capabilities:
            key = (capability, profile.home)
            rows = self._sets.get(key)
            if rows is not None:
                rows.discard(row)
                if not rows:
                    del self._sets[key]

    def __bool__(self) -> bool:
        return bool(self._sets)

    def eligible(self, kind: Kind) -> Rows:
        """Rows of all crews that could be sent to a demand of the kind, in no order. O(their number)."""
        parts = self._serving(kind)
        return np.concatenate([part.rows for part in parts]) if parts else np.empty(0, dtype=np.int64)

    def count(self, kind: Kind) -> int:
        """How many crews could be sent to a demand of the kind. O(depth of its territory)."""
        return sum(map(len, self._serving(kind)))

    def _serving(self, kind: Kind) -> list[_RowSet]:
        homes = homes_serving(kind.territory)
        return [rows for home in homes if (rows := self._sets.get((kind.capability, home))) is not None]
