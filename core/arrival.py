"""When a crew is expected where it is sent: by road where the index could tell, else from the straight line (OCC-4).

Place in the flow: after assign. `expected_s` is what a term on arrival, a dispatcher's screen or a forecast asks; nothing here
decides who goes.

Sources: `DETOUR_FACTOR` is the median of fastest way by straight line over pairs of junctions 0.2–4 km apart in the Almaty
extract (1.38–1.41), and near the 1.417 that Boscoe, Henry and Zdeb found for drives to hospital in the United States (A
Nationwide Comparison of Driving Distance Versus Straight-Line Distance to Hospitals, The Professional Geographer 64, 2012).
With `DETOUR_SPEED_MPS` that makes 8.9 m/s as the crow flies; of 4,383 drives of fire units from their station in San
Francisco's CAD of 2020 the median is 6.6 m/s over 1.3 km, 9.3 over 2.6 km and 11.7 over 5.1 km.
"""

from __future__ import annotations

from typing import Final

from core.facts import Explanation

DETOUR_FACTOR: Final = 1.4
"""A way by road is so many times its straight line."""
DETOUR_SPEED_MPS: Final = 12.5
"""What is driven along it on average: 45 km/h."""


def straight_line_s(distance_m: float) -> float:
    """Seconds that a drive over a straight line of so many metres is expected to take where no map knows better."""
    return distance_m * (DETOUR_FACTOR / DETOUR_SPEED_MPS)


def expected_s(explanation: Explanation) -> float:
    """Seconds from setting out until a crew chosen for these reasons is expected on scene."""
    return straight_line_s(explanation.distance_m) if explanation.travel_s is None else explanation.travel_s
