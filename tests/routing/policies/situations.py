"""Hand-made situations for the policies' tests: crews and calls on a line of longitude, a second a metre."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from routing.policies.situation import Situation, UnderWay

METRES_A_DEGREE = 111_195.0


def situation(
    calls_m: Sequence[float],
    crews_m: Sequence[float],
    *,
    waited_s: Sequence[float] | None = None,
    priorities: Sequence[int] | None = None,
    free_in_s: Sequence[float] | None = None,
    bound_for: Sequence[int] | None = None,
    forbidden: Sequence[tuple[int, int]] = (),
    freed: Sequence[int] = (),
    under_way: Sequence[tuple[float, int, int]] = (),
) -> Situation:
    """Calls and crews by how far north they are; a crew that is bound for something is busy and may be diverted.

    `under_way` are (metres north, its crew, its priority) of calls that have a crew under way; `freed` are free crews.
    """
    calls, crews = np.array(calls_m, dtype=np.float64), np.array(crews_m, dtype=np.float64)
    apart = np.abs(calls[:, None] - crews[None, :])
    for call, crew in forbidden:
        apart[call, crew] = np.inf
    bound = np.array(bound_for or [0] * len(crews), dtype=np.int64)
    free = np.array(free_in_s or [0.0] * len(crews), dtype=np.float64)
    places_m = np.array([at_m for at_m, _, _ in under_way], dtype=np.float64)
    taken = np.array([crew for _, crew, _ in under_way], dtype=np.int64)
    bound[taken] = [priority for _, _, priority in under_way]
    free[(bound > 0) & (free == 0)] = np.inf
    ways_s = np.abs(places_m[:, None] - crews[None, :])
    return Situation(
        waited_s=np.array(waited_s or [0.0] * len(calls), dtype=np.float64),
        priorities=np.array(priorities or [3] * len(calls), dtype=np.int64),
        travel_s=apart,
        distance_m=apart,
        free_in_s=free,
        latitude_deg=crews / METRES_A_DEGREE,
        longitude_deg=np.zeros(len(crews)),
        bound_for=bound,
        divert_s=np.where(bound[None, :] > 0, apart, np.inf),
        freed=np.isin(np.arange(len(crews)), freed),
        under_way=UnderWay(
            taken,
            np.array([priority for _, _, priority in under_way], dtype=np.int64),
            ways_s[np.arange(len(taken)), taken],
            np.where(free[None, :] == 0.0, ways_s, np.inf),
        ),
    )
