"""Whether a crew can be where its newest position says (CITY-12): two telephones under one call sign, and receivers that jump.

Place in the flow: a position has come in, and before it moves its crew. A position to which nobody could have driven since the
last one is doubtful and moves nothing. Where doubtful ones go on and agree with one another, the crew was wrong before, and
they win; where they alternate with believable ones, somebody else reports under the crew's call sign, and the shift lead is
told, once until an hour has passed without.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

import msgspec

from core.great_circle import distance_m
from core.instant import SECOND_US, Micros

AGREEING: Final = 3
"""Doubtful positions in a row that agree with one another and then are believed: 15 to 45 s of a crew's reports."""
ALTERNATING: Final = 3
"""Times that a believable position follows a doubtful one before two are said to report."""
FORGET_US: Final = 3600 * SECOND_US


class PlausibleRules(msgspec.Struct, frozen=True):
    """What is too far."""

    speed_mps: float = 100.0
    """Faster than any crew, a helicopter included. 0: everything is believed, for a clock that is run faster than life."""
    jump_m: float = 1_000.0
    """A shorter way is believed however fast: receivers scatter among high houses."""


class Doubt(msgspec.Struct):
    """What is doubtful about a crew's positions."""

    at_us: Micros
    latitude_deg: float
    longitude_deg: float
    agreeing: int = 1
    """Doubtful positions in a row."""
    alternated: int = 0
    told: bool = False


class Judgement(Enum):
    """What becomes of a position."""

    BELIEVED = "believed"
    DOUBTED = "doubted"
    TWO_REPORT = "two_report"
    """Doubted, and somebody must be told that two report under one call sign."""


def judge(
    rules: PlausibleRules,
    last: tuple[Micros, float, float],
    doubt: Doubt | None,
    new: tuple[Micros, float, float],
) -> tuple[Judgement, Doubt | None]:
    """Judges one position.

    Args:
        rules: what is too far.
        last: instant, latitude and longitude in degrees of the last believed position.
        doubt: what was doubtful until now.
        new: as `last`, of the position in hand; not earlier than `last`.

    Returns:
        The judgement, and what is doubtful from now on.
    """
    if not rules.speed_mps or _reachable(rules, last, new):
        if doubt is None:
            return Judgement.BELIEVED, None
        if new[0] - doubt.at_us > FORGET_US:
            return Judgement.BELIEVED, None
        if doubt.agreeing:
            doubt.agreeing = 0
            doubt.alternated += 1
        return Judgement.BELIEVED, doubt
    if doubt is None:
        return Judgement.DOUBTED, Doubt(*new)
    agrees = _reachable(rules, (doubt.at_us, doubt.latitude_deg, doubt.longitude_deg), new)
    doubt.agreeing = doubt.agreeing + 1 if agrees else 1
    doubt.at_us, doubt.latitude_deg, doubt.longitude_deg = new
    if doubt.agreeing >= AGREEING:
        return Judgement.BELIEVED, None
    if doubt.alternated >= ALTERNATING and not doubt.told:
        doubt.told = True
        return Judgement.TWO_REPORT, doubt
    return Judgement.DOUBTED, doubt


def _reachable(rules: PlausibleRules, start: tuple[Micros, float, float], end: tuple[Micros, float, float]) -> bool:
    moved_m = distance_m(start[1], start[2], end[1], end[2])
    return moved_m <= rules.jump_m or moved_m <= rules.speed_mps * max(end[0] - start[0], SECOND_US) / SECOND_US
