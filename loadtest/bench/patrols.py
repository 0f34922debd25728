"""`patrol`: what it costs to watch 2,000 crews on their routes at a position each five seconds, as a share of one core (OCC-5).

500 routes of 100 corners, four crews on each, going to and fro along it at 5 m/s with a receiver's noise; now and then one
leaves for a minute. The same positions once in one batch each five seconds, and once in a batch each 20 ms, as a busy centre
has them. The baseline is the same rule crew by crew, in plain Python with GEOS (`loadtest.bench.plain_patrol`), on the same
positions in the same run; both must find the same. Measured by CPU time, so that a busy machine does not change who wins.
"""

from __future__ import annotations

import time
from typing import Final

import numpy as np
import numpy.typing as npt
import shapely

from core.great_circle import METRES_PER_DEGREE
from core.instant import SECOND_US, Micros
from core.patrol import PatrolFinding, PatrolRoute, PatrolRules, RouteId
from core.patrol_watch import Patrols
from core.timetable import DAYS, Shift, Timetable
from core.vocabulary import CrewId, CrewNo
from loadtest.bench.bed import Bed
from loadtest.bench.plain_patrol import PlainCrew, PlainRoute
from loadtest.bench.record import Record, record
from loadtest.bench.scene import QUICK, Size
from routing.patrol_routes import RouteShapes

CREWS: Final = 2_000
ROUTES: Final = 500
CORNERS: Final = 100
LEG_M: Final = 40.0
ROUND_S: Final = 5
TICKS: Final = ROUND_S * 50
"""Batches of 20 ms between two positions of a crew."""
START_US: Final = Micros(1_777_852_800 * SECOND_US)
_ALMATY: Final = np.array([43.24, 76.90])
_SCALE: Final = np.array([METRES_PER_DEGREE, METRES_PER_DEGREE * np.cos(np.radians(_ALMATY[0]))])

Floats = npt.NDArray[np.float64]


class BenchError(Exception):
    """The two ways of watching found different things."""


class Beats:
    """Routes and the crews that go along them, the same for everybody who is given the same seed."""

    def __init__(self, crews: int = CREWS, seed: int = 7) -> None:
        self._rng = np.random.default_rng(seed)
        self.crew_count = crews
        turns = np.cumsum(self._rng.normal(0.0, 0.4, (ROUTES, CORNERS)), axis=1)
        legs = np.stack((np.cos(turns), np.sin(turns)), axis=2) * LEG_M
        self._corners_m = np.cumsum(legs, axis=1) + self._rng.uniform(-15_000, 15_000, (ROUTES, 1, 2))
        self._route_of = np.arange(crews) % ROUTES
        self._at = self._rng.uniform(0.0, 2.0 * (CORNERS - 1), crews)
        self._away_m = np.zeros(crews)
        always = Timetable("UTC", (Shift(days=DAYS, begins="00:00", ends="00:00"),))
        self.routes = [
            PatrolRoute(
                route_id=RouteId(f"R-{number}"),
                name=f"Route {number}",
                width_m=80.0,
                timetable=always,
                crews=tuple(CrewId(f"P-{crew}") for crew in range(number, crews, ROUTES)),
                wkb=shapely.to_wkb(shapely.LineString((corners / _SCALE + _ALMATY)[:, ::-1])),
            )
            for number, corners in enumerate(self._corners_m)
        ]

    def go_on(self) -> Floats:
        """Where every crew is five seconds later: latitude and longitude, shape (crews, 2)."""
        self._at += 5.0 * ROUND_S / LEG_M
        changes = self._rng.random(self.crew_count)
        self._away_m[changes < 0.01] = 500.0
        self._away_m[changes > 0.9] = 0.0
        last = CORNERS - 1
        along = last - np.abs(self._at % (2 * last) - last)
        corner = np.minimum(along.astype(np.int64), last - 1)
        ends = self._corners_m[self._route_of]
        each = np.arange(self.crew_count)
        one, other = ends[each, corner], ends[each, corner + 1]
        places = one + (other - one) * (along - corner)[:, None] + self._rng.normal(0.0, 8.0, (self.crew_count, 2))
        places[:, 0] += self._away_m
        moved: Floats = places / _SCALE + _ALMATY
        return moved


def run(_: Bed, size: Size) -> list[Record]:
    """Measures it. Raises `BenchError` when the baseline finds anything else."""
    rounds, each = (2, 3) if size is QUICK else (size.rounds, 24)
    at_once: list[float] = []
    live: list[float] = []
    plain: list[float] = []
    beats = Beats()
    stories = [[beats.go_on() for _ in range(each)] for _ in range(rounds)]
    whole, ticking = watched(beats), watched(beats)
    crews = plainly(beats)
    now_us = int(START_US)
    for story in stories:
        whole_told, plain_told = [], []
        spent = [0.0, 0.0, 0.0]
        for places in story:
            now_us += ROUND_S * SECOND_US
            began = time.process_time()
            whole_told += observe(whole, np.arange(beats.crew_count), places, now_us)
            spent[0] += time.process_time() - began
            began = time.process_time()
            tick(ticking, places, now_us)
            spent[1] += time.process_time() - began
            began = time.process_time()
            plain_told += observe_plainly(crews, places, now_us)
            spent[2] += time.process_time() - began
        if sorted(map(_said, whole_told)) != sorted(map(_said, plain_told)):
            raise BenchError(f"the table found {len(whole_told)} things, the plain rule {len(plain_told)}, and not the same")
        for shares, seconds in zip((at_once, live, plain), spent, strict=True):
            shares.append(seconds / (each * ROUND_S) * 100.0)
    baseline = "the same rule crew by crew in plain Python with GEOS"
    remark = f"{beats.crew_count:,} crews at one position each {ROUND_S} s"
    return [
        record("patrol_2000", at_once, "% of a core", baseline, plain, f"{remark}, one batch each {ROUND_S} s"),
        record("patrol_2000_live", live, "% of a core", baseline, plain, f"{remark}, a batch each 20 ms"),
    ]


def watched(beats: Beats) -> Patrols:
    """Patrols of all crews, just begun."""
    patrols = Patrols(beats.routes, RouteShapes(beats.routes))
    for number in range(beats.crew_count):
        patrols.know(CrewNo(number), CrewId(f"P-{number}"), START_US)
    patrols.fire_due(START_US)
    return patrols


def plainly(beats: Beats) -> list[PlainCrew]:
    """The same, plainly."""
    routes = [PlainRoute(route) for route in beats.routes]
    crews = [PlainCrew(CrewId(f"P-{number}"), routes[number % ROUTES], PatrolRules()) for number in range(beats.crew_count)]
    for crew in crews:
        crew.tick(START_US)
    return crews


def observe(patrols: Patrols, rows: npt.NDArray[np.int64], places: Floats, now_us: int) -> list[PatrolFinding]:
    """One batch of these crews' positions, and what must be stored of it."""
    accuracy_m, at_us = np.full(len(rows), 8.0), np.full(len(rows), now_us, np.int64)
    told = patrols.observe(rows, places[:, 0], places[:, 1], accuracy_m, at_us, Micros(now_us))
    patrols.changes()
    return told


def tick(patrols: Patrols, places: Floats, now_us: int) -> None:
    """The same in the batches of a live centre, each crew in its turn of the five seconds."""
    step_us = ROUND_S * SECOND_US // TICKS
    for number, rows in enumerate(np.array_split(np.arange(len(places)), TICKS)):
        if not len(rows):
            continue
        observe(patrols, rows, places[rows], now_us + number * step_us)


def observe_plainly(crews: list[PlainCrew], places: Floats, now_us: int) -> list[PatrolFinding]:
    """One batch of all crews' positions, crew by crew."""
    told: list[PatrolFinding] = []
    for crew, (latitude_deg, longitude_deg) in zip(crews, places.tolist(), strict=True):
        crew.tick(now_us)
        crew.observe(latitude_deg, longitude_deg, 8.0, now_us, now_us)
        told += crew.findings
        crew.findings.clear()
    return told


def _said(finding: PatrolFinding) -> str:
    return f"{finding.crew_id} {finding.fault} {finding.ended} {finding.at_us} {finding.since_us}"
