"""The patrol's rule as one would write it first: crew by crew, in plain Python, with one call of GEOS a position (OCC-5).

What `core.patrol_watch.Patrols` is measured against, and what its findings are compared with in its tests. So it is written
from the rule's words in `core.patrol`, shares no line with `core.patrol_rule`, and asks the clock of every crew.
"""

from __future__ import annotations

from math import cos, isfinite, radians

import shapely

from core.great_circle import METRES_PER_DEGREE, distance_m
from core.instant import SECOND_US, Micros
from core.patrol import PatrolEnd, PatrolFault, PatrolFinding, PatrolPhase, PatrolRoute, PatrolRules
from core.timetable import Window, windows
from core.vocabulary import CrewId

P = PatrolPhase
WATCHED = (P.ON_ROUTE, P.OFF_ROUTE, P.STANDING, P.RETURNING)


class PlainRoute:
    """A route in a plane of its own."""

    def __init__(self, route: PatrolRoute) -> None:
        self.route = route
        shape = shapely.from_wkb(route.wkb)
        west, south, east, north = shape.bounds
        self._longitude_deg, self._latitude_deg = (west + east) / 2, (south + north) / 2
        self._across = METRES_PER_DEGREE * cos(radians(self._latitude_deg))
        self.shape = shapely.transform(shape, lambda at: [self._flat(*one) for one in at.tolist()])

    def _flat(self, longitude_deg: float, latitude_deg: float) -> tuple[float, float]:
        east_deg = (longitude_deg - self._longitude_deg + 180.0) % 360.0 - 180.0
        return east_deg * self._across, (latitude_deg - self._latitude_deg) * METRES_PER_DEGREE

    def distance_m(self, latitude_deg: float, longitude_deg: float) -> float:
        """Metres from a place to the route."""
        return float(self.shape.distance(shapely.Point(self._flat(longitude_deg, latitude_deg))))


class PlainCrew:
    """One crew on one route."""

    def __init__(self, crew_id: CrewId, route: PlainRoute, rules: PatrolRules) -> None:
        self.crew_id, self.route, self.rules = crew_id, route, rules
        stand_s = route.route.stand_s
        self.stand_us = rules.stand_us if stand_s is None else stand_s * SECOND_US
        self.phase = P.OFF_TIMETABLE
        self.fault: PatrolFault | None = None
        self.fault_since_us = 0
        self.assigned = self.lost = self.started = False
        self.window: Window | None = None
        self.checkpoint = 0
        self.start_by_us = self.grace_until_us = self.heard_us = self.seen_at_us = 0
        self.anchor: tuple[float, float] | None = None
        self.findings: list[PatrolFinding] = []
        self.forget_runs()

    def forget_runs(self) -> None:
        self.inside = self.outside = self.far = self.stood_us = self.outside_since_us = 0

    def tell(self, fault: PatrolFault, since_us: int, now_us: int, **more: object) -> None:
        route = self.route.route
        told = {"route_id": route.route_id, "route": route.name, "at_us": Micros(now_us), "since_us": Micros(since_us), **more}
        self.findings.append(PatrolFinding(crew_id=self.crew_id, fault=fault, **told))  # type: ignore[arg-type]  # as it names them

    def begin(self, fault: PatrolFault, since_us: int, now_us: int, apart_m: float | None = None) -> None:
        self.fault, self.fault_since_us = fault, since_us
        self.tell(fault, since_us, now_us, distance_m=apart_m)

    def end(self, end: PatrolEnd, now_us: int, apart_m: float | None = None) -> None:
        if self.fault is not None:
            self.tell(self.fault, self.fault_since_us, now_us, ended=end, distance_m=apart_m)
        self.fault = None

    def tick(self, now_us: int) -> None:
        """Lets happen what has come by the clock, one thing after the other."""
        while True:
            if self.window is None:
                valid = self.route.route
                found = windows(valid.timetable, max(now_us, valid.valid_from_us))
                self.window = next(one for one in found if one.from_us >= valid.valid_from_us)
            window = self.window
            points = window.checkpoints
            if self.phase is P.OFF_TIMETABLE:
                if now_us < window.from_us:
                    return
                self.phase = P.SUSPENDED if self.assigned else P.EXPECTED
                self.started, self.grace_until_us = False, 0
                self.start_by_us = min(now_us + self.rules.start_us, window.until_us)
                self.forget_runs()
                self.checkpoint = sum(point.until_us <= now_us for point in points)
            elif self.checkpoint < len(points) and points[self.checkpoint].until_us <= min(now_us, window.until_us):
                point = points[self.checkpoint]
                self.checkpoint += 1
                if self.phase in (P.ON_ROUTE, P.OFF_ROUTE, P.STANDING):
                    self.tell(PatrolFault.CHECKPOINT_MISSED, point.at_us, now_us, checkpoint=point.checkpoint.name)
            elif self.phase is P.EXPECTED and self.start_by_us <= min(now_us, window.until_us):
                self.phase = P.NOT_STARTED
                self.begin(PatrolFault.NOT_STARTED, window.from_us, now_us)
            elif self.stands_by_silence(min(now_us, window.until_us - 1), now_us):
                self.phase = P.STANDING
                self.begin(PatrolFault.STANDING, self.heard_us - self.stood_us, now_us)
            elif window.until_us <= now_us:
                self.end(PatrolEnd.SHIFT_OVER, now_us)
                self.phase, self.window = P.OFF_TIMETABLE, None
                self.forget_runs()
            else:
                return

    def stands_by_silence(self, by_us: int, now_us: int) -> bool:
        left_us = self.stand_us - self.stood_us
        is_told = self.stand_us > 0 and left_us <= self.rules.silence_us and now_us <= self.heard_us + self.rules.silence_us
        return self.phase is P.ON_ROUTE and is_told and self.heard_us + left_us <= by_us

    def hold(self, assigned: bool, lost: bool, now_us: int) -> None:
        was = (self.assigned, self.lost)
        self.assigned, self.lost = assigned, lost
        if was == (assigned, lost) or self.phase is P.OFF_TIMETABLE:
            return
        if assigned and self.phase is not P.SUSPENDED:
            self.end(PatrolEnd.EXCUSED, now_us)
            self.phase = P.SUSPENDED
        elif not assigned and self.phase is P.SUSPENDED:
            self.grace_until_us = now_us + self.rules.grace_us
            self.start_by_us = max(self.start_by_us, self.grace_until_us)
            self.phase = P.EXPECTED if not self.started else P.LOST if lost else P.RETURNING
        elif lost and self.phase in WATCHED:
            self.phase = P.LOST
        elif not lost and self.phase is P.LOST:
            told = {PatrolFault.OFF_ROUTE: P.OFF_ROUTE, PatrolFault.STANDING: P.STANDING}
            rest = P.RETURNING if self.grace_until_us else P.ON_ROUTE
            self.phase = rest if self.fault is None else told[self.fault]
        else:
            return
        self.forget_runs()

    def observe(self, latitude_deg: float, longitude_deg: float, accuracy_m: float, at_us: int, now_us: int) -> None:
        rules, width_m = self.rules, self.route.route.width_m
        at_us = min(at_us, now_us)
        set_back = at_us < self.seen_at_us and now_us - self.heard_us >= rules.silence_us
        if at_us < self.seen_at_us + SECOND_US and not set_back:
            return
        if not (isfinite(latitude_deg) and isfinite(longitude_deg)) or accuracy_m > rules.accuracy_worst_m:
            return
        self.seen_at_us = at_us
        if self.phase in (P.OFF_TIMETABLE, P.SUSPENDED, P.LOST):
            return
        accuracy_m = max(accuracy_m, rules.accuracy_least_m)
        apart_m = self.route.distance_m(latitude_deg, longitude_deg)
        gap_us, self.heard_us = now_us - self.heard_us, now_us
        if gap_us > rules.silence_us:
            self.inside = self.outside = 0
        if apart_m > width_m + accuracy_m:
            if not self.outside:
                self.outside_since_us = now_us
            self.outside += 1
        else:
            self.outside = 0
        is_inside = apart_m <= width_m * rules.return_factor
        self.inside = self.inside + 1 if is_inside else 0
        has_moved = self.move(latitude_deg, longitude_deg, accuracy_m, gap_us)
        has_run = self.outside >= 2 and now_us - self.outside_since_us >= rules.off_us
        is_away = self.outside >= rules.off_positions or has_run
        returns = self.phase is P.RETURNING
        if self.phase in (P.EXPECTED, P.NOT_STARTED) and is_inside:
            self.end(PatrolEnd.STARTED, now_us, apart_m)
            self.arrive(latitude_deg, longitude_deg)
        elif (self.phase is P.OFF_ROUTE and self.inside >= rules.return_positions) or (returns and is_inside):
            self.end(PatrolEnd.RETURNED, now_us, apart_m)
            self.arrive(latitude_deg, longitude_deg)
        elif is_away and (self.phase in (P.ON_ROUTE, P.STANDING) or (returns and now_us >= self.grace_until_us)):
            self.end(PatrolEnd.MOVED, now_us, apart_m)
            self.phase, self.grace_until_us = P.OFF_ROUTE, 0
            self.begin(PatrolFault.OFF_ROUTE, self.outside_since_us, now_us, apart_m)
        elif self.phase is P.STANDING and has_moved:
            self.end(PatrolEnd.MOVED, now_us, apart_m)
            self.phase = P.ON_ROUTE
        elif self.phase is P.ON_ROUTE and 0 < self.stand_us <= self.stood_us:
            self.phase = P.STANDING
            self.begin(PatrolFault.STANDING, now_us - self.stood_us, now_us, apart_m)
        self.pass_checkpoint(latitude_deg, longitude_deg, accuracy_m, now_us)

    def move(self, latitude_deg: float, longitude_deg: float, accuracy_m: float, gap_us: int) -> bool:
        self.stood_us += min(gap_us, self.rules.silence_us)
        if self.anchor is not None:
            is_far = distance_m(*self.anchor, latitude_deg, longitude_deg) > self.rules.stand_m + accuracy_m
            self.far = self.far + 1 if is_far else 0
            if self.far < 2 and not (is_far and gap_us >= self.rules.rare_us):
                return False
        self.anchor, self.far, self.stood_us = (latitude_deg, longitude_deg), 0, 0
        return True

    def arrive(self, latitude_deg: float, longitude_deg: float) -> None:
        self.phase, self.started, self.grace_until_us = P.ON_ROUTE, True, 0
        self.anchor, self.far, self.stood_us = (latitude_deg, longitude_deg), 0, 0

    def pass_checkpoint(self, latitude_deg: float, longitude_deg: float, accuracy_m: float, now_us: int) -> None:
        points = self.window.checkpoints if self.window is not None else ()
        if self.checkpoint < len(points):
            due, point = points[self.checkpoint], points[self.checkpoint].checkpoint
            apart_m = distance_m(point.latitude_deg, point.longitude_deg, latitude_deg, longitude_deg)
            if due.from_us <= now_us <= due.until_us and apart_m <= point.radius_m + accuracy_m:
                self.checkpoint += 1
