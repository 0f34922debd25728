"""A street that crews patrol, for tests: two kilometres along a parallel, so that metres north are metres off the route."""

from __future__ import annotations

from datetime import datetime
from math import cos, radians
from typing import Final

import msgspec
import numpy as np
import shapely

from core.great_circle import METRES_PER_DEGREE
from core.instant import SECOND_US, Micros, to_micros
from core.patrol import PatrolFinding, PatrolPhase, PatrolRoute, PatrolRules, RouteId
from core.patrol_watch import Patrols
from core.timetable import DAYS, Checkpoint, Shift, Timetable
from core.vocabulary import CrewId, CrewNo
from routing.patrol_routes import RouteShapes

LATITUDE_DEG: Final = 43.25
LONGITUDE_DEG: Final = 76.90
WIDTH_M: Final = 100.0
CREWS: Final = tuple(CrewId(f"P-{number}") for number in range(1, 5))
EASTWARD: Final = METRES_PER_DEGREE * cos(radians(LATITUDE_DEG))
P = PatrolPhase
RULES = PatrolRules()
SECONDS = {name: getattr(RULES, f"{name}_us") // SECOND_US for name in ("off", "stand", "start", "grace", "silence", "settle")}


def instant(text: str) -> Micros:
    """`2026-05-04 08:00` of Almaty (UTC+5) as an instant; that day is a Monday."""
    return to_micros(datetime.fromisoformat(f"{text}+05:00"))


START_US: Final = instant("2026-05-04 08:00")
END_US: Final = instant("2026-05-04 20:00")


def place(off_m: float, along_m: float = 0.0) -> tuple[float, float]:
    """Latitude and longitude of a place so many metres north of the street, and east of its middle."""
    return LATITUDE_DEG + off_m / METRES_PER_DEGREE, LONGITUDE_DEG + along_m / EASTWARD


def checkpoint(at: str, along_m: float = 0.0, name: str = "bank") -> Checkpoint:
    latitude_deg, longitude_deg = place(0.0, along_m)
    return Checkpoint(name=name, at=at, latitude_deg=latitude_deg, longitude_deg=longitude_deg)


def timetable(begins: str = "08:00", ends: str = "20:00", *checkpoints: Checkpoint) -> Timetable:
    """Every day in Almaty."""
    return Timetable(zone="Asia/Almaty", shifts=(Shift(days=DAYS, begins=begins, ends=ends, checkpoints=checkpoints),))


def street(route_id: str = "abay", **changed: object) -> PatrolRoute:
    """The street, walked by all crews every day from 08:00 to 20:00."""
    line = shapely.LineString([place(0.0, along_m)[::-1] for along_m in (-1000.0, 0.0, 1000.0)])
    route = PatrolRoute(
        route_id=RouteId(route_id),
        valid_from_us=Micros(0),
        name="Abay",
        width_m=WIDTH_M,
        timetable=timetable(),
        crews=CREWS,
        wkb=shapely.to_wkb(line),
    )
    return msgspec.structs.replace(route, **changed)


class Town:
    """Patrols of some crews, spoken to one crew at a time; time runs on by what is said."""

    def __init__(self, *routes: PatrolRoute, rules: PatrolRules | None = None, now_us: int = START_US, crews: int = 1) -> None:
        self.routes = routes or (street(),)
        self.now_us = Micros(now_us)
        self.patrols = Patrols(self.routes, RouteShapes(self.routes), rules)
        for number, crew_id in enumerate(CREWS[:crews]):
            self.patrols.know(CrewNo(number), crew_id, self.now_us)
        self.patrols.fire_due(self.now_us)

    def wait(self, seconds: float) -> list[str]:
        """Lets time pass, and what is due happen when it is due."""
        until_us = self.now_us + round(seconds * SECOND_US)
        told: list[PatrolFinding] = []
        while (due_us := self.patrols.next_due_us) is not None and due_us <= until_us:
            self.now_us = max(self.now_us, due_us)
            told += self.patrols.fire_due(self.now_us)
        self.now_us = Micros(until_us)
        return words(told)

    def seen(
        self, off_m: float, along_m: float = 0.0, *, accuracy_m: float = 5.0, at_s: float = 0.0, crew: int = 0
    ) -> list[str]:
        """A position of a crew, taken `at_s` seconds from now."""
        return words(self.seen_whole(off_m, along_m, accuracy_m=accuracy_m, at_s=at_s, crew=crew))

    def seen_whole(
        self, off_m: float, along_m: float = 0.0, *, accuracy_m: float = 5.0, at_s: float = 0.0, crew: int = 0
    ) -> list[PatrolFinding]:
        latitude_deg, longitude_deg = place(off_m, along_m)
        return self.patrols.observe(
            np.array([crew], np.int64),
            np.array([latitude_deg]),
            np.array([longitude_deg]),
            np.array([accuracy_m]),
            np.array([self.now_us + round(at_s * SECOND_US)], np.int64),
            self.now_us,
        )

    def stay(self, off_m: float, seconds: int, along_m: float = 0.0, step_s: int = 5) -> list[str]:
        """Positions from one place, each `step_s` seconds."""
        return [word for _ in range(seconds // step_s) for word in self.wait(step_s) + self.seen(off_m, along_m)]

    def walk(self, seconds: int, off_m: float = 0.0, step_s: int = 5) -> list[str]:
        """Positions from along the street, up and down at 5 m/s."""
        told: list[str] = []
        for step in range(seconds // step_s):
            told += self.wait(step_s) + self.seen(off_m, abs((step * 5 * step_s) % 1600 - 800))
        return told

    def hold(self, *, assigned: bool = False, lost: bool = False) -> list[str]:
        return words(self.patrols.hold(CrewNo(0), assigned=assigned, lost=lost, now_us=self.now_us))

    @property
    def phase(self) -> PatrolPhase:
        return self.patrols.phase(CrewNo(0))

    def is_in(self, phase: PatrolPhase) -> bool:
        return self.phase is phase


def words(findings: list[PatrolFinding]) -> list[str]:
    """Findings as `off_route`, and when they have ended as `off_route: returned`."""
    return [one.fault.value + (f": {one.ended.value}" if one.ended is not None else "") for one in findings]


def patrolling(route: PatrolRoute | None = None) -> Town:
    """A town whose crew has begun its patrol."""
    town = Town(route or street())
    assert town.wait(5) + town.seen(0) == []
    assert town.is_in(P.ON_ROUTE)
    return town


def off_route() -> Town:
    town = patrolling()
    assert town.stay(300, 80) == ["off_route"]
    return town


def standing() -> Town:
    town = patrolling()
    assert town.stay(0, SECONDS["stand"] + 5) == ["standing"]
    return town
