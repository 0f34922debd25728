"""Has a crew arrived? What its positions say about the place it was sent to, for all crews under way at once (OCC-4).

Place in the flow: beside `core.crew_reports`; a crew's own word counts as before, and this stands beside it as evidence. Pure:
what is known of each approach comes in as a row of `APPROACH` and goes out as another one. Rules:

- The circle about the place is as wide as the place and the position are vague, within bounds: nobody has arrived from afar,
  and nobody has to stand on a pin.
- Inside is not arrived: the crew must be slow there for a while, or still be inside after a minute. Who drives straight through
  at 24 km/h or faster is out of it by then (`GeofenceRules.dwell_us`). A red light beside the place looks like an arrival to
  both; that is why the crew's own word is kept.
- It has left only beyond a wider circle, and by two positions in a row: a receiver that jumps away and back has not left.
- Times are those of the positions, none later than now; a gap longer than `silence_us` says nothing, so a clock that jumps
  ahead makes no minute, and neither does a position that is repeated or comes late. A clock that is set back is not believed.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from core.great_circle import distances_m
from core.instant import SECOND_US, Micros
from core.vocabulary import Word

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Approaches = npt.NDArray[np.void]
"""Rows of `APPROACH`."""


class ArrivalReason(Word):
    """What says that a crew has arrived."""

    SLOW = "slow"
    """It walks or stands there."""
    DWELL = "dwell"
    """It has been there for a while, at whatever speed."""


class GeofenceRules(msgspec.Struct, frozen=True):
    """Thresholds, in metres and microseconds."""

    reach_m: float = 50.0
    """Where crews leave their vehicles: across the street, before the next gate."""
    radius_least_m: float = 75.0
    radius_most_m: float = 200.0
    """Bounds of reach, place's and position's accuracy together; the upper one is what `dwell_us` is reckoned by."""
    leave_factor: float = 1.5
    """The circle that one leaves is so much wider than the one that one enters, beyond a receiver's noise."""
    leave_positions: int = 2
    slow_mps: float = 2.0
    """Walking pace; slower than this nobody drives on."""
    slow_us: int = 15 * SECOND_US
    """Slow for so long, over two positions or more: a turn into a yard is shorter."""
    dwell_us: int = 60 * SECOND_US
    """The widest circle (400 m across) is crossed in this at 6.7 m/s; slower than that a crew is looking for the place."""
    silence_us: int = 120 * SECOND_US
    accuracy_worst_m: float = 200.0
    """A vaguer position says nothing about a place."""


APPROACH: Final = np.dtype(
    [
        ("seen_us", np.int64),  # the last position's time; 0: none yet
        ("inside_since_us", np.int64),  # 0: it is not inside
        ("inside_count", np.int32),
        ("slow_since_us", np.int64),  # 0: it is not slow
        ("outside_count", np.int32),
        ("arrived", np.bool_),
    ]
)
"""What is known of one crew on its way to one place; all zero at its beginning."""


class Places(NamedTuple):
    """Where each crew is to go; each column float64 `(n,)`, NaN for a place that is not known."""

    latitude_deg: Floats
    longitude_deg: Floats
    accuracy_m: Floats


class Fixes(NamedTuple):
    """Where each crew was; each column `(n,)`."""

    latitude_deg: Floats
    longitude_deg: Floats
    accuracy_m: Floats
    """0 for unknown."""
    speed_mps: Floats
    """NaN for unknown."""
    at_us: Ints
    """By the device's clock."""


class Arrival(msgspec.Struct, frozen=True, gc=False):
    """A crew's positions say that it has arrived."""

    row: int
    """Which of the rows that were asked about."""
    reason: ArrivalReason
    distance_m: float
    """From the place, at the position that told."""
    radius_m: float
    """Of the circle that it is in."""
    since_us: Micros
    """When it came into the circle."""
    at_us: Micros
    """When the position was taken that told."""


def arrivals(
    rules: GeofenceRules, approaches: Approaches, places: Places, fixes: Fixes, now_us: Micros
) -> tuple[Approaches, list[Arrival]]:
    """Takes a position of each of these crews.

    Args:
        rules: the thresholds.
        approaches: what was known of each, `(n,)` of `APPROACH`; not changed.
        places: where each is to go.
        fixes: where each was.
        now_us: the centre's time; a position of the future counts as of now.

    Returns:
        What is known now, and those that have arrived by this position, in order of their rows. A crew arrives once, and again
        only after it has left.
    """
    known = approaches.copy()
    at_us = np.minimum(fixes.at_us, now_us)
    distance_m = distances_m(places.latitude_deg, places.longitude_deg, fixes.latitude_deg, fixes.longitude_deg)
    # A NaN, of the place or of the position, is news of nothing.
    is_news = (at_us > known["seen_us"]) & (fixes.accuracy_m <= rules.accuracy_worst_m) & np.isfinite(distance_m)
    vague_m = np.nan_to_num(places.accuracy_m, posinf=rules.radius_most_m) + fixes.accuracy_m
    radius_m = np.clip(rules.reach_m + vague_m, rules.radius_least_m, rules.radius_most_m)

    is_broken = is_news & (at_us - known["seen_us"] > rules.silence_us)
    _forget(known, is_broken)
    known["seen_us"] = np.where(is_news, at_us, known["seen_us"])

    outside = is_news & (distance_m > radius_m * rules.leave_factor)
    known["outside_count"] = np.where(outside, known["outside_count"] + 1, np.where(is_news, 0, known["outside_count"]))
    has_left = outside & (known["outside_count"] >= rules.leave_positions)
    _forget(known, has_left)
    known["arrived"] &= ~has_left

    inside = is_news & (distance_m <= radius_m)
    enters = inside & (known["inside_since_us"] == 0)
    known["inside_since_us"] = np.where(enters, at_us, known["inside_since_us"])
    known["inside_count"] += inside
    slow = inside & (fixes.speed_mps <= rules.slow_mps)
    starts = slow & (known["slow_since_us"] == 0)
    slow_since_us = np.where(starts, at_us, known["slow_since_us"])
    known["slow_since_us"] = np.where(is_news & ~slow, 0, slow_since_us)

    by_slow = slow & (at_us - known["slow_since_us"] >= rules.slow_us)
    by_dwell = inside & (known["inside_count"] >= 3) & (at_us - known["inside_since_us"] >= rules.dwell_us)
    arrives = (by_slow | by_dwell) & ~known["arrived"]
    known["arrived"] |= arrives
    found = [
        Arrival(
            row=row,
            reason=ArrivalReason.SLOW if by_slow[row] else ArrivalReason.DWELL,
            distance_m=float(distance_m[row]),
            radius_m=float(radius_m[row]),
            since_us=Micros(int(known["inside_since_us"][row])),
            at_us=Micros(int(at_us[row])),
        )
        for row in np.flatnonzero(arrives).tolist()
    ]
    return known, found


def _forget(known: Approaches, who: Flags) -> None:
    """Counts anew for some; who has arrived has arrived."""
    for column in ("inside_since_us", "inside_count", "slow_since_us"):
        known[column] = np.where(who, 0, known[column])
