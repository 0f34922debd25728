"""What happens in the simulated city, how often, and how it is told of.

Place in the flow: outside it; `loadtest.traffic` draws from these tables. Rules: categories are the centre's own; weights and
means are chosen so that the mix looks like a city's evening, none is measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from core.events import AnyEvent
from loadtest.cadastre import Point
from loadtest.words import Language

Stream = Literal["telephone", "alarms", "cameras", "sensors"]
STREAMS: Final[tuple[Stream, ...]] = ("telephone", "alarms", "cameras", "sensors")


class Rates(msgspec.Struct, frozen=True):
    """How often things happen, a second in the whole city."""

    happenings: float = 0.5
    """People call about them; a fire or an accident is told of by several."""
    panels: float = 0.05
    """Alarm panels and buttons that nobody calls about."""
    plates: float = 20.0
    readings: float = 10.0
    analytics: float = 0.03
    """Video analytics that nobody calls about."""


class Happening(msgspec.Struct, frozen=True):
    """What really happened, where and when."""

    category: str
    place: Point
    house: int | None
    """Index in `City.houses`, None for a crossing."""
    crossing: int
    at_us: int
    subscriber: int
    """The subscriber who lives there and calls first; meaningless on a crossing."""


class Sent(msgspec.Struct, frozen=True):
    """One event and the stream it belongs to."""

    stream: Stream
    event: AnyEvent


class Kind(msgspec.Struct, frozen=True):
    """One category's habits."""

    weight: float
    callers: float
    """Mean number of callers after the first."""
    outdoors: float
    """Share that happens on a crossing."""
    analytic: str = ""
    alarm: str = ""


KINDS: Final[Mapping[str, Kind]] = {
    "medical": Kind(weight=30, callers=0.1, outdoors=0.1),
    "accident": Kind(weight=16, callers=2.0, outdoors=1.0, analytic="collision"),
    "assault": Kind(weight=12, callers=0.8, outdoors=0.5, analytic="fight", alarm="button"),
    "disorder": Kind(weight=12, callers=0.6, outdoors=0.2),
    "fire": Kind(weight=10, callers=2.5, outdoors=0.0, analytic="smoke", alarm="fire"),
    "burglary": Kind(weight=6, callers=0.0, outdoors=0.0, alarm="panel"),
    "gas": Kind(weight=6, callers=0.7, outdoors=0.0, alarm="gas"),
    "cardiac": Kind(weight=5, callers=0.2, outdoors=0.2),
    "utility": Kind(weight=2, callers=1.0, outdoors=0.3),
    "weapon": Kind(weight=1, callers=1.0, outdoors=0.5),
}

CALLER_DELAY_S: Final = 15.0
"""Mean time between a happening and each further call about it."""
LANGUAGES: Final[tuple[Language, ...]] = ("ru", "ru", "ru", "ru", "ru", "kk", "kk", "kk", "kk", "en")
EVERYDAY: Final[Mapping[str, tuple[str, float, float, str]]] = {
    "gas": ("methane_percent", 0.0, 0.3, "%"),
    "water": ("water_level_cm", 90.0, 210.0, "cm"),
    "fire": ("temperature_c", 14.0, 34.0, "C"),
}
"""Kind of device → quantity, lowest and highest everyday value, unit."""
