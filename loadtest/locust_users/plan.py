"""What a load run plays: how often things happen, how that changes over the run, who is connected and when everybody is cut.

Place in the flow: before it; shapes and users read it. Rules: what people do (calls, alarms, analytics) is given as it happens
in a city and may be compressed, so that a day fits into a run; what devices do (plates, readings, positions) goes by the clock.
Every figure names its source in `PLANS`; one without a source says that it is an assumption.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Final

import msgspec

from loadtest.happening import KINDS, Rates

DAY_S: Final = 86_400.0
CALLS_A_HAPPENING: Final = sum(kind.weight * (1.0 + kind.callers) for kind in KINDS.values()) / sum(
    kind.weight for kind in KINDS.values()
)
"""Calls about one happening of the simulated city, in the mean; updates and repeated calls come on top."""

Profile = tuple[tuple[float, float], ...]
"""(share of the run, multiplier) in rising order of the share, from 0.0 to 1.0; between two points the multiplier is linear."""
FLAT: Final[Profile] = ((0.0, 1.0), (1.0, 1.0))

SAN_FRANCISCO_HOURS: Final = (
    0.67, 0.61, 0.59, 0.57, 0.48, 0.39, 0.53, 0.71, 0.80, 1.02, 1.27, 1.35,
    1.46, 1.44, 1.32, 1.36, 1.48, 1.32, 1.40, 1.33, 1.35, 0.99, 0.79, 0.78,
)  # fmt: skip
"""Calls of each hour of the day against the mean hour: 5,292 calls of San Francisco's Fire Department, 7 to 20 April 2020."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of load."""

    title: str
    window_s: float | None = None
    """How much of the city's time is played in the run; None: as much as the run lasts."""
    calls_s: float
    """Calls a second of the city's time."""
    alarms_s: float
    """Panels and buttons that nobody calls about, likewise."""
    analytics_s: float
    """Video analytics that nobody calls about, likewise."""
    plates_s: float
    """Plate reads a second of the clock."""
    readings_s: float
    """Sensor readings a second of the clock."""
    people: Profile = FLAT
    """Over the run, of calls, alarms and analytics."""
    plates: Profile = FLAT
    readings: Profile = FLAT
    cuts: tuple[float, ...] = ()
    """Shares of the run at which every connection is cut and comes back at once."""
    crews: int = 300
    pace: float = 60.0
    """How much faster than the clock the crews live."""
    users: Mapping[str, int] = {}
    """User class → how many; `USERS` where it is not said."""

    def compression(self, seconds: float) -> float:
        """How much faster than the city people act in a run of `seconds`."""
        return 1.0 if self.window_s is None else self.window_s / seconds

    def rates(self, seconds: float, times: float) -> Rates:
        """What happens a second of the run where every multiplier is 1.

        Args:
            seconds: how long the run is.
            times: everything so many times as often.
        """
        people = self.compression(seconds) * times
        return Rates(
            happenings=self.calls_s / CALLS_A_HAPPENING * people,
            panels=self.alarms_s * people,
            plates=self.plates_s * times,
            readings=self.readings_s * times,
            analytics=self.analytics_s * people,
        )


class Timeline:
    """A profile over a run as a clock that runs faster where more happens: what is spread evenly over it comes as often as the
    profile says.

    Args:
        profile: see `Profile`.
        seconds: how long the run is.

    Raises `ValueError` for a profile that is none.
    """

    def __init__(self, profile: Profile, seconds: float) -> None:
        shares = [share for share, _ in profile]
        if len(profile) < 2 or shares[0] != 0.0 or shares[-1] != 1.0 or any(b <= a for a, b in pairwise(shares)):
            raise ValueError(f"a profile rises from share 0 to share 1, not {shares}")
        if any(multiplier < 0 for _, multiplier in profile):
            raise ValueError("a multiplier is not negative")
        self.seconds = seconds
        self._points = [(share * seconds, multiplier) for share, multiplier in profile]

    def multiplier(self, at_s: float) -> float:
        """How many times as often as usual things happen at an instant of the run."""
        for (start_s, before), (end_s, after) in pairwise(self._points):
            if at_s <= end_s:
                return before + (after - before) * (max(at_s, 0.0) - start_s) / (end_s - start_s)
        return self._points[-1][1]

    def passed_s(self, at_s: float) -> float:
        """How far this clock has gone at an instant of the run: the multiplier summed over the time until then."""
        total_s = 0.0
        for (start_s, before), (end_s, _) in pairwise(self._points):
            if at_s <= start_s:
                break
            until_s = min(at_s, end_s)
            total_s += (until_s - start_s) * (before + self.multiplier(until_s)) / 2
        return total_s


USERS: Final[Mapping[str, int]] = {
    "TelephonePlatform": 2,
    "AlarmReceiver": 1,
    "CameraSystem": 2,
    "SmartCity": 2,
    "CrewTerminals": 1,
    "DispatchClient": 8,
}
"""User class → how many of it. The numbers are of all workers together; a class shares its rates equally among its users."""

_ASTANA_CALLS_S: Final = 2_055 / DAY_S
"""Astana's 112 takes 2,055 calls a day."""

PLANS: Final[Mapping[str, Plan]] = {
    "day": Plan(
        title="A normal city day",
        # A whole day in the run: 30 s are 2,880 times the city's pace, 68 calls a second in the mean.
        window_s=DAY_S,
        calls_s=_ASTANA_CALLS_S,
        alarms_s=_ASTANA_CALLS_S * 0.1,  # assumption: one alarm that nobody calls about for ten calls
        analytics_s=_ASTANA_CALLS_S * 0.05,  # assumption
        plates_s=1_000.0,  # assumption: the country's 5,000 plate readers, one read in five seconds each
        readings_s=300.0,  # assumption
        people=tuple((hour / 24, SAN_FRANCISCO_HOURS[hour % 24]) for hour in range(25)),
        pace=240.0,
    ),
    "new_year": Plan(
        title="New Year's night, 20:00 to 04:00",
        window_s=8 * 3_600.0,
        calls_s=_ASTANA_CALLS_S,
        alarms_s=_ASTANA_CALLS_S * 0.3,  # assumption: fireworks set off panels
        analytics_s=_ASTANA_CALLS_S * 0.1,  # assumption
        plates_s=1_000.0,
        readings_s=300.0,
        # Assumption, within the ten times that a storm or unrest is known to bring: six times after midnight (share 0.5), and
        # still more than an evening's at four in the morning; half of the cars stand still at midnight.
        people=((0.0, 1.3), (0.25, 1.5), (0.47, 2.0), (0.51, 6.0), (0.63, 4.0), (0.75, 3.0), (1.0, 1.5)),
        plates=((0.0, 1.0), (0.45, 0.5), (0.55, 0.5), (0.7, 1.0), (1.0, 0.4)),
        pace=120.0,
    ),
    "earthquake": Plan(
        title="An earthquake: calls × 50 within a minute while sensors storm",
        # Assumption: twenty times the 17.6 thousand calls a day of the whole country, so that × 50 are 200 calls a second. The
        # rise takes a tenth of the run: the minute in a run of ten.
        calls_s=4.0,
        alarms_s=0.4,
        analytics_s=0.2,
        plates_s=1_000.0,
        readings_s=500.0,
        people=((0.0, 1.0), (0.3, 1.0), (0.4, 50.0), (0.7, 50.0), (1.0, 10.0)),
        # Assumption: every meter that reports each half minute reports each second and a half; cars stop.
        readings=((0.0, 1.0), (0.3, 1.0), (0.32, 20.0), (0.7, 20.0), (1.0, 5.0)),
        plates=((0.0, 1.0), (0.3, 1.0), (0.4, 0.3), (1.0, 0.3)),
    ),
    "reconnect": Plan(
        title="Everybody's connection is cut at once, twice",
        calls_s=20.0,
        alarms_s=2.0,
        analytics_s=1.0,
        plates_s=2_000.0,
        readings_s=1_000.0,
        cuts=(0.4, 0.7),
        users={
            **USERS,
            "DispatchClient": 40,
        },  # assumption: the desks, cars and boards of a city's centre that are open at once
    ),
}
"""Name of a shape → what it plays. Sources: calls a day of Astana and of the country, the ten times of a storm, the number of
cameras and readers and how often crews report are the figures of the field that the project was begun with (112 services of
Kazakhstan, first quarter of 2023); the hours are San Francisco's open data."""
