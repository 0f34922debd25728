"""Positions at which a crew cannot be: a receiver that jumps, two telephones under one call sign."""

from __future__ import annotations

import msgspec
import pytest

from core.events import Position
from core.instant import SECOND_US
from core.plausible import PlausibleRules
from tests.core.town import QUIET, Town

DOUBTING = msgspec.structs.replace(QUIET, plausible=PlausibleRules(speed_mps=100.0, jump_m=1_000.0))
HOME, FAR, FARTHER = 76.80, 76.90, 77.20
"""Eight kilometres from home to far, at this latitude."""


def drive(*longitudes: float, interval_s: float = 5.0) -> tuple[Town, list[float], list[str]]:
    """A crew that reports from these places. Where the centre believes it to be after each, and what is told."""
    town = Town(rules=DOUBTING)
    town.status("P-1", "free", capabilities=("patrol",))
    seen: list[float] = []
    told: list[str] = []
    for longitude_deg in longitudes:
        town.now_us += int(interval_s * SECOND_US)
        event = Position(seq=town.number("g"), at=town.at, crew="P-1", latitude_deg=43.2, longitude_deg=longitude_deg)
        decisions = town.say(event, source="g")
        seen.append(town.engine.state.last_positions["P-1"].longitude_deg)
        told += [notice.term for notice in decisions.notices]
    return town, seen, told


@pytest.mark.parametrize(
    ("longitudes", "seen"),
    [
        ((HOME, 76.805, 76.81), [HOME, 76.805, 76.81]),
        ((HOME, FAR, HOME), [HOME, HOME, HOME]),
        ((HOME, FAR, FAR, HOME), [HOME, HOME, HOME, HOME]),
        ((HOME, FAR, FAR, FAR), [HOME, HOME, HOME, FAR]),
        ((HOME, FAR, FARTHER, FAR, FARTHER), [HOME] * 5),
    ],
)
def test_position_when_nobody_could_be_there_counts_only_if_the_next_ones_agree(
    longitudes: list[float], seen: list[float]
) -> None:
    assert drive(*longitudes)[1:] == (seen, [])


def test_position_when_there_was_time_to_drive_is_believed() -> None:
    assert drive(HOME, FAR, interval_s=120.0)[1] == [HOME, FAR]


def test_two_phones_under_one_call_sign_are_told_of_once_and_the_crew_stays_where_it_was() -> None:
    _, seen, told = drive(*(HOME, FAR) * 20)
    assert set(seen) == {HOME}
    assert told == ["two_positions"]
