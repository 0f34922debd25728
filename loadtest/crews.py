"""The simulated crews: they patrol or wait at their post, drive along the streets to what they are sent to, work there, and
clear.

Place in the flow: before it, as the crews' terminals (positions and states), and after it, because they act on the
assignments that the centre publishes; `loadtest.drive` carries both. Rules: the caller owns the time (`events_until(t)`); a
crew drives along streets at its kind's speed and is nowhere between two places by magic; it obeys only its newest assignment,
and forgets it when told that it was withdrawn. Some crews, by `Habits`, decline or do not answer, so that terms run out.
`pace` makes the crews live faster than the clock: a demo of half a minute then shows whole jobs. Requirements: OCC-4,
CITY-12.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Mapping
from heapq import heappop, heappush
from itertools import pairwise
from math import atan2, cos, degrees, radians
from random import Random
from typing import Final, Literal

import msgspec

from core.events import AnyEvent, CrewStatus, Fix, Position
from core.instant import SECOND_US, to_datetime
from loadtest.cadastre import CrewProfile, Point
from loadtest.city import METRES_A_DEGREE, City

SPEEDS_MPS: Final[Mapping[str, float]] = {"patrol": 14.0, "ambulance": 13.0, "fire": 11.0, "rescue": 11.0, "gas": 10.0}
"""On the way to an incident, by a crew's first capability; a crew's own speed lies within a fifth of it."""
CRUISE_SHARE: Final = 0.5
"""A patrol without a task drives at this share of its speed."""
GPS_NOISE_M: Final = 4.0

Doing = Literal["free", "offered", "en_route", "on_scene"]


class Habits(msgspec.Struct, frozen=True):
    """How crews behave; times are means, drawn from an exponential distribution on top of a tenth of the mean."""

    accept_s: float = 6.0
    turnout_s: float = 40.0
    work_s: float = 600.0
    decline_share: float = 0.02
    silent_share: float = 0.01
    """Offers that the crew does not react to at all."""
    back_s: float = 120.0
    """Until a crew from which a task was taken says that it is free: the centre sends nobody before who did not answer."""
    position_interval_s: float = 5.0


class Drive(msgspec.Struct, frozen=True):
    """A way through the city: where one is at any instant of it."""

    points: tuple[Point, ...]
    reached_us: tuple[int, ...]
    """When each point is reached; never falling."""
    speed_mps: float

    @property
    def ends_us(self) -> int:
        """When the last point is reached."""
        return self.reached_us[-1]

    def at(self, now_us: int) -> tuple[Point, float]:
        """Place and course (degrees clockwise from north) at an instant; outside the drive its first or last point."""
        leg = min(max(bisect_right(self.reached_us, now_us), 1), len(self.points) - 1)
        start, end = self.points[leg - 1], self.points[leg]
        lasts_us = self.reached_us[leg] - self.reached_us[leg - 1]
        share = min(max((now_us - self.reached_us[leg - 1]) / lasts_us, 0.0), 1.0) if lasts_us else 1.0
        north = end.latitude_deg - start.latitude_deg
        east = end.longitude_deg - start.longitude_deg
        course_deg = degrees(atan2(east * cos(radians(start.latitude_deg)), north)) % 360.0
        return Point(start.latitude_deg + north * share, start.longitude_deg + east * share), course_deg


def drive(points: list[Point], start_us: int, speed_mps: float, pace: float = 1.0) -> Drive:
    """A drive through one point or more at a constant speed, run `pace` times faster than the clock."""
    reached = [start_us]
    for start, end in pairwise(points):
        reached.append(reached[-1] + round(distance_m(start, end) / (speed_mps * pace) * SECOND_US))
    if len(points) == 1:
        return Drive(points=(points[0], points[0]), reached_us=(start_us, start_us), speed_mps=speed_mps)
    return Drive(points=tuple(points), reached_us=tuple(reached), speed_mps=speed_mps)


def distance_m(start: Point, end: Point) -> float:
    """Distance between two places of one city, where the earth is flat enough."""
    north_m = (end.latitude_deg - start.latitude_deg) * METRES_A_DEGREE
    east_m = (end.longitude_deg - start.longitude_deg) * METRES_A_DEGREE * cos(radians(start.latitude_deg))
    return float((north_m**2 + east_m**2) ** 0.5)


class Crew:
    """One crew's life."""

    __slots__ = ("doing", "incident", "moves", "profile", "rng", "speed_mps", "way")

    def __init__(self, profile: CrewProfile, rng: Random, speed_mps: float, way: Drive) -> None:
        self.profile = profile
        self.rng = rng
        """Its own, so that what one crew does changes nothing for the others."""
        self.speed_mps = speed_mps
        self.way = way
        self.doing: Doing = "free"
        self.incident: int | None = None
        self.moves = 0
        """Rises with every change of mind, so that steps planned before it are recognised as outdated."""


class Fleet:
    """All crews of a city; see the module's rules.

    Args:
        city: whose crews.
        seed: of everything drawn here.
        start_us: when the shift begins.
        pace: how much faster than the clock the crews live.
        habits: how they behave.
        next_seq: number of the first event.
    """

    def __init__(
        self, city: City, seed: int, start_us: int, pace: float = 1.0, habits: Habits | None = None, next_seq: int = 1
    ) -> None:
        self.crews: dict[str, Crew] = {}
        self._city = city
        self._noise = Random(f"crews/{seed}")
        self._pace = pace
        self._habits = habits or Habits()
        self._seq = next_seq - 1
        self._calendar: list[tuple[int, int, Callable[[int], AnyEvent | None]]] = []
        self._entries = 0
        interval_us = round(self._habits.position_interval_s * SECOND_US)
        for profile in city.crews:
            rng = Random(f"crews/{seed}/{profile.call_sign}")
            speed_mps = SPEEDS_MPS[profile.capabilities[0]] * rng.uniform(0.8, 1.2)
            crew = Crew(profile, rng, speed_mps, drive([city.crossings[profile.crossing]], start_us, speed_mps))
            self.crews[profile.call_sign] = crew
            self._plan(start_us, self._reporter(crew))
            # Terminals are switched on at different moments, so their reports are spread over the interval.
            self._plan(start_us + rng.randrange(1, max(2, interval_us)), self._positions(crew, interval_us))
            if profile.capabilities[0] == "patrol":
                self._plan(start_us, self._patrol(crew))

    def events_until(self, until_us: int) -> list[AnyEvent]:
        """All positions and states up to and including `until_us` that were not given before, oldest first."""
        events = []
        calendar = self._calendar
        while calendar and calendar[0][0] <= until_us:
            at_us, _, make = heappop(calendar)
            event = make(at_us)
            if event is not None:
                events.append(event)
        return events

    def offer(self, call_sign: str, incident: int, place: Point | None, now_us: int) -> None:
        """The centre has assigned the crew; a repeated offer of the same incident changes nothing.

        Raises `KeyError` for a crew that is not of this city.
        """
        crew = self.crews[call_sign]
        if crew.incident == incident:
            return
        habits = self._habits
        crew.moves += 1
        crew.incident = incident
        crew.doing = "offered"
        mood = crew.rng.random()
        if mood < habits.silent_share:
            return
        accept_us = now_us + self._lasting_us(crew, habits.accept_s)
        if mood < habits.silent_share + habits.decline_share:
            self._step(crew, accept_us, self._decline)
            return
        self._step(crew, accept_us, lambda crew, at_us: self._status(crew, "accepted", at_us))
        set_out_us = accept_us + self._lasting_us(crew, habits.turnout_s)
        self._step(crew, set_out_us, lambda crew, at_us: self._set_out(crew, place, at_us))

    def withdraw(self, call_sign: str, incident: int, now_us: int) -> None:
        """The assignment has ended without the crew's doing (withdrawn, expired, incident closed)."""
        crew = self.crews[call_sign]
        if crew.incident == incident:
            self._release(crew, now_us)
            back_us = now_us + self._lasting_us(crew, self._habits.back_s)
            self._step(crew, back_us, lambda crew, at_us: self._status(crew, "free", at_us))

    def doing(self) -> Counter[Doing]:
        """How many crews do what."""
        return Counter(crew.doing for crew in self.crews.values())

    def _plan(self, at_us: int, make: Callable[[int], AnyEvent | None]) -> None:
        self._entries += 1
        heappush(self._calendar, (at_us, self._entries, make))

    def _step(self, crew: Crew, at_us: int, make: Callable[[Crew, int], AnyEvent | None]) -> None:
        """Plans a step of the crew's present task; it does not happen if the crew has another one by then."""
        moves = crew.moves
        self._plan(at_us, lambda at_us: make(crew, at_us) if crew.moves == moves else None)

    def _lasting_us(self, crew: Crew, mean_s: float) -> int:
        drawn_s = 0.1 * mean_s + crew.rng.expovariate(1.0) * 0.9 * mean_s
        return max(1, round(min(drawn_s, 6 * mean_s) / self._pace * SECOND_US))

    def _number(self) -> int:
        self._seq += 1
        return self._seq

    def _reporter(self, crew: Crew) -> Callable[[int], AnyEvent]:
        """The first report of a shift: it tells the centre what the crew can do."""

        def report(at_us: int) -> AnyEvent:
            profile, (place, _) = crew.profile, crew.way.at(at_us)
            return CrewStatus(
                seq=self._number(),
                at=to_datetime(at_us),
                crew=profile.call_sign,
                status="free",
                capabilities=profile.capabilities,
                territory=profile.territory,
                outside=profile.outside,
                fix=Fix(round(place.latitude_deg, 6), round(place.longitude_deg, 6), GPS_NOISE_M),
            )

        return report

    def _positions(self, crew: Crew, interval_us: int) -> Callable[[int], AnyEvent]:
        def report(at_us: int) -> AnyEvent:
            self._plan(at_us + interval_us, report)
            rng = self._noise
            place, course_deg = crew.way.at(at_us)
            moving = at_us < crew.way.ends_us
            noise_deg = GPS_NOISE_M / METRES_A_DEGREE
            return Position(
                seq=self._number(),
                at=to_datetime(at_us),
                crew=crew.profile.call_sign,
                latitude_deg=round(place.latitude_deg + rng.uniform(-noise_deg, noise_deg), 6),
                longitude_deg=round(place.longitude_deg + rng.uniform(-noise_deg, noise_deg), 6),
                accuracy_m=GPS_NOISE_M,
                speed_mps=round(crew.way.speed_mps, 1) if moving else 0.0,
                course_deg=round(course_deg, 1) if moving else None,
            )

        return report

    def _patrol(self, crew: Crew) -> Callable[[int], AnyEvent | None]:
        """A patrol without a task drives from corner to corner of its own district."""
        moves = crew.moves

        def turn(at_us: int) -> AnyEvent | None:
            if crew.moves == moves:
                goal = crew.rng.randrange(len(self._city.crossings))
                if self._city.districts[self._city.district_of(goal)].territory != crew.profile.territory:
                    goal = crew.profile.crossing
                self._head_for(crew, self._city.crossings[goal], at_us, crew.speed_mps * CRUISE_SHARE)
                self._plan(max(crew.way.ends_us, at_us + SECOND_US), turn)
            return None

        return turn

    def _head_for(self, crew: Crew, place: Point, at_us: int, speed_mps: float) -> None:
        here, _ = crew.way.at(at_us)
        route = self._city.route(self._city.nearest_crossing(here), self._city.nearest_crossing(place))
        points = [here, *(self._city.crossings[crossing] for crossing in route), place]
        crew.way = drive(points, at_us, speed_mps, self._pace)

    def _set_out(self, crew: Crew, place: Point | None, at_us: int) -> AnyEvent:
        crew.doing = "en_route"
        # Where the centre knows no place, the crew asks around where it is.
        self._head_for(crew, crew.way.at(at_us)[0] if place is None else place, at_us, crew.speed_mps)
        self._step(crew, max(crew.way.ends_us, at_us + 1), self._arrive)
        return self._status(crew, "en_route", at_us)

    def _arrive(self, crew: Crew, at_us: int) -> AnyEvent:
        crew.doing = "on_scene"
        self._step(crew, at_us + self._lasting_us(crew, self._habits.work_s), self._clear)
        return self._status(crew, "on_scene", at_us)

    def _clear(self, crew: Crew, at_us: int) -> AnyEvent:
        report = self._status(crew, "cleared", at_us)
        self._release(crew, at_us)
        return report

    def _decline(self, crew: Crew, at_us: int) -> AnyEvent:
        report = self._status(crew, "declined", at_us)
        self._release(crew, at_us)
        return report

    def _release(self, crew: Crew, at_us: int) -> None:
        crew.moves += 1
        crew.doing = "free"
        crew.incident = None
        if crew.profile.capabilities[0] == "patrol":
            self._plan(at_us, self._patrol(crew))
        else:
            self._head_for(crew, self._city.crossings[crew.profile.crossing], at_us, crew.speed_mps * CRUISE_SHARE)

    def _status(
        self, crew: Crew, status: Literal["free", "accepted", "declined", "en_route", "on_scene", "cleared"], at_us: int
    ) -> CrewStatus:
        place, _ = crew.way.at(at_us)
        return CrewStatus(
            seq=self._number(),
            at=to_datetime(at_us),
            crew=crew.profile.call_sign,
            status=status,
            incident=crew.incident,
            fix=Fix(round(place.latitude_deg, 6), round(place.longitude_deg, 6), GPS_NOISE_M),
        )
