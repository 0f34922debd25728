"""What a driven run plays: sources that say something at given instants, and crews that act on their assignments.

Place in the flow: before it (events) and after it (assignments). `CityScript` plays the simulated city; `ops.replay` plays
recorded days. Rules: the driver owns the time; events of one source come numbered by one from where the centre stands.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from core.events import AnyEvent
from loadtest.board import Offered
from loadtest.city import City
from loadtest.crews import Fleet, Habits
from loadtest.happening import STREAMS, Rates
from loadtest.traffic import Traffic

CREWS: Final = "crews"
"""The source that speaks for the crews' terminals."""


class Script(Protocol):
    """See the module."""

    def events_until(self, until_us: int) -> Mapping[str, Sequence[AnyEvent]]:
        """Source → what it says up to `until_us` and has not said before."""

    def offer(self, offered: Offered, now_us: int) -> None:
        """The centre has assigned a crew."""

    def withdraw(self, crew: str, incident: int, now_us: int) -> None:
        """The centre has taken an assignment back."""


class CityScript:
    """The simulated city's traffic and crews.

    Args:
        city: the city.
        rates: how often things happen.
        seed: of what happens.
        start_us: when it begins.
        next_seq: source → number of its first event; the sources are `SOURCES`.
        pace: how much faster than the clock the crews live.
        habits: how the crews behave.
    """

    SOURCES: Final = (*STREAMS, CREWS)

    def __init__(
        self,
        city: City,
        rates: Rates,
        seed: int,
        start_us: int,
        next_seq: Mapping[str, int],
        pace: float = 1.0,
        habits: Habits | None = None,
    ) -> None:
        self.traffic = Traffic(city, rates, seed, start_us, {stream: next_seq[stream] for stream in STREAMS})
        self.fleet = Fleet(city, seed, start_us, pace, habits, next_seq[CREWS])

    def events_until(self, until_us: int) -> dict[str, list[AnyEvent]]:
        """Source → what it says up to `until_us` and has not said before."""
        events: dict[str, list[AnyEvent]] = {}
        reports = self.fleet.events_until(until_us)
        if reports:
            events[CREWS] = reports
        for sent in self.traffic.events_until(until_us):
            events.setdefault(sent.stream, []).append(sent.event)
        return events

    def offer(self, offered: Offered, now_us: int) -> None:
        """The centre has assigned a crew. A crew that is not of this city is somebody else's to drive."""
        if offered.crew in self.fleet.crews:
            self.fleet.offer(offered.crew, offered.incident.incident_id, offered.incident.place, now_us)

    def withdraw(self, crew: str, incident: int, now_us: int) -> None:
        """The centre has taken an assignment back."""
        if crew in self.fleet.crews:
            self.fleet.withdraw(crew, incident, now_us)
