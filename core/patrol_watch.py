"""All crews' patrols: the table that `core.patrol_rule` works on, shifts that begin and end, and what must be stored (OCC-5).

Place in the flow: one value beside the engine's state, driven by it as the terms are. In a batch, in this order:

1. `fire_due(now_us)`, as for the terms; `next_due_us` is when to wake for it, nothing is polled.
2. `hold` for each crew whose assignment or signal has changed; `know` for each new crew, `post` where the roster speaks.
3. `observe` once, with the latest position of each crew.
4. `changes` at the batch's end: rows to be stored in the batch's transaction, together with the findings that 1–3 gave.

At start: `know` every crew, `post` those that the roster names, `restore` what was stored, `hold` what crews' own states say. A
finding is told in the batch that stores the change it came from, so over any restart it is told exactly once. What is being
counted between two findings is not stored: after a restart it is counted anew, so a finding may come later, never twice.

Invariant: `_rows[n]` is the crew with `CrewNo` n; `due_us` of each row is when it must be looked at, whatever is heard.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from core import patrol_rule as rule
from core import patrol_table as table
from core.instant import SECOND_US, Micros
from core.patrol import (
    PatrolEnd,
    PatrolFault,
    PatrolFinding,
    PatrolPhase,
    PatrolRoute,
    PatrolRules,
    PatrolState,
    RouteDistances,
    RouteId,
    over,
    told_end,
)
from core.patrol_shifts import Shifts
from core.timetable import DueCheckpoint
from core.vocabulary import CrewId, CrewNo

Rows = npt.NDArray[np.int64]
_ROWS_AT_FIRST = 256


class Patrols:
    """Every crew's patrol. Crews are added by `know`, in the order of their numbers."""

    def __init__(self, routes: Sequence[PatrolRoute], distances: RouteDistances, rules: PatrolRules | None = None) -> None:
        """Takes the routes at work.

        Args:
            routes: every version that is valid now or later; a route's number is its place here.
            distances: the same routes' geometry, by those numbers.
            rules: the thresholds; the usual ones when None.
        """
        self.rules = rules or PatrolRules()
        self.routes = tuple(routes)
        self._distances = distances
        self._shifts = Shifts(self.routes)
        self._width_m = np.array([route.width_m for route in routes], np.float64)
        stand_us = [self.rules.stand_us if route.stand_s is None else route.stand_s * SECOND_US for route in routes]
        self._stand_us = np.array(stand_us, np.int64)
        self._crew_ids: list[CrewId] = []
        self._serves: list[list[int]] = []
        """Row → numbers of the routes whose shifts are the crew's."""
        self._points: dict[int, tuple[DueCheckpoint, ...]] = {}
        """Row → checkpoints of the shift that it is watched in, where there are any."""
        self._rows = table.blank(_ROWS_AT_FIRST)
        self._dropped: dict[CrewId, PatrolState] = {}
        """States that were given back and are no more, to be stored as ended."""
        self._now_us = 0

    def __len__(self) -> int:
        return len(self._crew_ids)

    @property
    def next_due_us(self) -> Micros | None:
        """When `fire_due` has something to do at the latest, or None. O(crews), some microseconds for thousands."""
        earliest = int(self._rows["due_us"][: len(self)].min(initial=table.NEVER))
        return None if earliest == table.NEVER else Micros(earliest)

    def phase(self, crew_no: CrewNo) -> PatrolPhase:
        """How a crew stands to its route now."""
        return table.PHASES[int(self._rows["phase"][crew_no])]

    def know(self, crew_no: CrewNo, crew_id: CrewId, now_us: Micros) -> None:
        """Adds a crew, on the routes that list it. Raises `ValueError` unless the number is the next one."""
        if crew_no != len(self):
            raise ValueError(f"crew {crew_id} has number {crew_no}, the next one is {len(self)}")
        if crew_no == len(self._rows):
            self._rows = np.concatenate((self._rows, table.blank(len(self._rows))))
        self._advance(now_us)
        self._crew_ids.append(crew_id)
        self._serves.append(self._shifts.listing(crew_id))
        if self._serves[crew_no]:
            self._schedule(np.array([crew_no], np.int64))

    def post(self, crew_no: CrewNo, route_ids: Sequence[RouteId], now_us: Micros) -> list[PatrolFinding]:
        """Puts a crew on these routes, as the roster says, besides those that list it. Before `restore`, at a start.

        Of shifts that overlap, the one that began first is served to its end. A route that nobody knows, or that lists its own
        crews, is passed over.

        Returns:
            The end of an open fault, when the crew is taken off the route it is on.
        """
        self._advance(now_us)
        self._serves[crew_no] = self._shifts.posted(self._crew_ids[crew_no], route_ids)
        rows = np.array([crew_no], np.int64)
        crew = self._rows[crew_no]
        if crew["phase"] != table.OFF_TIMETABLE:
            if crew["route"] in self._serves[crew_no]:
                return []
            return self._leave(rows, PatrolEnd.ROUTE_CHANGED)
        self._schedule(rows)
        return []

    def hold(self, crew_no: CrewNo, *, assigned: bool, lost: bool, now_us: Micros) -> list[PatrolFinding]:
        """Says whether a crew has an assignment, and whether its signal is lost. Saying the same again changes nothing.

        Of a crew that is on no shift it is noted at next to no cost: most walk no route, and are assigned all the time.

        Args:
            crew_no: the crew.
            assigned: it is assigned, en route or on scene, or otherwise not to be blamed.
            lost: its own state says that nothing is heard of it.
            now_us: the centre's time.

        Returns:
            The end of an open fault, when the crew was given an assignment.
        """
        self._advance(now_us)
        findings: list[PatrolFinding] = []
        if self._rows["phase"][crew_no] == table.OFF_TIMETABLE:
            self._rows["assigned"][crew_no], self._rows["lost"][crew_no] = assigned, lost
            return findings
        rows = np.array([crew_no], np.int64)
        crews = self._rows[rows]
        before = (bool(crews["assigned"][0]), bool(crews["lost"][0]))
        crews["assigned"], crews["lost"] = assigned, lost
        phase = int(crews["phase"][0])
        if before != (assigned, lost):
            if assigned and phase != table.SUSPENDED:
                verdict = rule.end_all(crews, PatrolEnd.EXCUSED)
                self._turn(crews, table.SUSPENDED)
                findings = self._findings(rows, verdict, None)
            elif not assigned and phase == table.SUSPENDED:
                crews["grace_until_us"] = self._now_us + self.rules.grace_us
                crews["start_by_us"] = np.maximum(crews["start_by_us"], crews["grace_until_us"])
                self._turn(crews, self._resting(crews[0]))
            elif lost and phase in (table.ON_ROUTE, table.OFF_ROUTE, table.STANDING, table.RETURNING):
                self._turn(crews, table.LOST)
            elif not lost and phase == table.LOST:
                self._turn(crews, self._resting(crews[0]))
        self._put(rows, crews)
        return findings

    def observe(
        self,
        crew_nos: Rows,
        latitude_deg: rule.Floats,
        longitude_deg: rule.Floats,
        accuracy_m: rule.Floats,
        at_us: Rows,
        now_us: Micros,
    ) -> list[PatrolFinding]:
        """Takes a batch's positions; what is due by now is fired first.

        Args:
            crew_nos: int64 `(n,)`, no crew twice.
            latitude_deg: WGS 84, float64 `(n,)`; a position that is not finite says nothing.
            longitude_deg: the same.
            accuracy_m: radius of uncertainty, float64 `(n,)`; 0 for unknown.
            at_us: when the position was taken by the device's clock, int64 `(n,)`; one of the future counts as of now.
            now_us: the centre's time.

        Returns:
            What has begun and what has ended, in the order of `crew_nos`.
        """
        findings = self.fire_due(now_us)
        at_us = np.minimum(at_us, self._now_us)
        known = self._rows[crew_nos]
        news = rule.is_news(known, at_us, self._now_us, self.rules) & (known["route"] != table.NO_ROUTE)
        news &= np.isfinite(latitude_deg) & np.isfinite(longitude_deg) & (accuracy_m <= self.rules.accuracy_worst_m)
        self._rows["seen_at_us"][crew_nos[news]] = at_us[news]
        chosen = np.flatnonzero(news & rule.is_judged(known))
        if not len(chosen):
            return findings
        rows, crews = crew_nos[chosen], known[chosen]
        crews["seen_at_us"] = at_us[chosen]
        route_nos, latitude_deg, longitude_deg = crews["route"], latitude_deg[chosen], longitude_deg[chosen]
        distance_m = self._distances.distances_m(route_nos, latitude_deg, longitude_deg)
        fixes = rule.Fixes(latitude_deg, longitude_deg, accuracy_m[chosen], distance_m, self._width_m[route_nos])
        verdict = rule.judge(crews, fixes, self._now_us, self.rules)
        reached = rule.is_at_checkpoint(crews, fixes, self._now_us, self.rules)
        self._put(rows, crews)
        for row in rows[reached].tolist():
            self._await_checkpoint(row, int(self._rows["checkpoint"][row]) + 1)
        findings += self._findings(rows, verdict, distance_m)
        return findings

    def fire_due(self, now_us: Micros) -> list[PatrolFinding]:
        """Lets happen what has come by the clock: shifts begin and end, crews have not started or stand, checkpoints pass.

        Of shifts that passed altogether while nobody looked only the one that runs now is begun.
        """
        self._advance(now_us)
        findings: list[PatrolFinding] = []
        while True:
            rows = np.flatnonzero(self._rows["due_us"][: len(self)] <= self._now_us)
            if not len(rows):
                return findings
            crews = self._rows[rows]
            due_us, is_off = crews["due_us"], crews["phase"] == table.OFF_TIMETABLE
            misses = ~is_off & (crews["point_until_us"] <= due_us)
            starts = ~is_off & ~misses & (crews["phase"] == table.EXPECTED) & (crews["start_by_us"] <= due_us)
            ends = ~is_off & ~misses & ~starts & (crews["until_us"] <= due_us)
            late = ~(is_off | misses | ends)
            for row in rows[misses].tolist():
                findings += self._miss_checkpoint(row)
            if late.any():
                overdue = crews[late]
                verdict = rule.overdue(overdue, self._now_us, self.rules)
                self._put(rows[late], overdue)
                findings += self._findings(rows[late], verdict, None)
            if ends.any():
                findings += self._leave(rows[ends], PatrolEnd.SHIFT_OVER)
            if is_off.any():
                self._begin(rows[is_off])

    def restore(self, states: Sequence[PatrolState], now_us: Micros) -> list[PatrolFinding]:
        """Takes back what was stored, once every crew is known and before anything else happens.

        Returns:
            The ends of faults whose route, or whose crew's place on it, is no more.
        """
        self._advance(now_us)
        numbers = {crew_id: number for number, crew_id in enumerate(self._crew_ids)}
        findings: list[PatrolFinding] = []
        for state in states:
            row = numbers.get(state.crew_id)
            if row is None or state.phase is PatrolPhase.OFF_TIMETABLE:
                continue
            route = next((number for number in self._serves[row] if self._is_version(number, state)), None)
            if route is not None:
                self._take_back(row, route, state)
                continue
            self._dropped[state.crew_id] = over(state, Micros(self._now_us))
            name = next((one.name for one in self.routes if one.route_id == state.route_id), str(state.route_id))
            finding = told_end(state, name, PatrolEnd.ROUTE_CHANGED, Micros(self._now_us))
            if finding is not None:
                findings.append(finding)
        return findings

    def changes(self) -> list[PatrolState]:
        """What must be stored of each crew that has changed since this was asked last, one row a crew."""
        changed = np.flatnonzero(self._rows["changed"][: len(self)])
        self._rows["changed"][changed] = False
        states, self._dropped = self._dropped, {}
        for row in changed.tolist():
            crew, crew_id = self._rows[row], self._crew_ids[row]
            states[crew_id] = table.state_of(crew, crew_id, self.routes[crew["route"]])
        return list(states.values())

    def _advance(self, now_us: int) -> None:
        # The centre's time does not go back; if it were told so, nothing would be undone.
        self._now_us = max(self._now_us, now_us)

    def _put(self, rows: Rows, crews: table.Crews) -> None:
        crews["due_us"] = rule.due_us(crews, self._now_us, self.rules)
        self._rows[rows] = crews

    def _turn(self, crews: table.Crews, phase: int) -> None:
        """Puts all of these crews into a phase that no position has led to."""
        rule.break_runs(crews)
        rule.enter(crews, np.ones(len(crews), np.bool_), phase, self._now_us)

    def _resting(self, crew: np.void) -> int:
        """The phase of a crew that has no assignment, before it is heard of."""
        if not crew["started"]:
            return table.EXPECTED
        if crew["lost"]:
            return table.LOST
        if crew["fault"]:
            return table.OFF_ROUTE if crew["fault"] == table.FAULT_NO[PatrolFault.OFF_ROUTE] else table.STANDING
        return table.RETURNING if crew["grace_until_us"] else table.ON_ROUTE

    def _schedule(self, rows: Rows) -> None:
        """Has crews that are on no shift wait for their next one, which may have begun."""
        found = [self._shifts.next_of(self._serves[row], self._now_us) for row in rows.tolist()]
        crews = self._rows[rows]
        for column in ("from_us", "until_us"):
            crews[column] = [table.NEVER if one is None else getattr(one[1], column) for one in found]
        # A crew's route stays known after its last shift: the row that is stored names it.
        crews["route"] = [old if one is None else one[0] for one, old in zip(found, crews["route"].tolist(), strict=True)]
        self._put(rows, crews)

    def _begin(self, rows: Rows) -> None:
        """Lets the shifts begin for which crews have waited."""
        crews = self._rows[rows]
        rule.break_runs(crews)
        crews["started"], crews["grace_until_us"] = False, 0
        crews["start_by_us"] = np.minimum(self._now_us + self.rules.start_us, crews["until_us"])
        crews["stand_us"] = self._stand_us[crews["route"]]
        rule.enter(crews, crews["assigned"], table.SUSPENDED, self._now_us)
        rule.enter(crews, ~crews["assigned"], table.EXPECTED, self._now_us)
        self._put(rows, crews)
        for row, route, from_us in zip(rows.tolist(), crews["route"].tolist(), crews["from_us"].tolist(), strict=True):
            self._set_checkpoints(row, route, from_us, 0)

    def _leave(self, rows: Rows, end: PatrolEnd) -> list[PatrolFinding]:
        """Ends the shift that crews are on, for them."""
        crews = self._rows[rows]
        verdict = rule.end_all(crews, end)
        self._turn(crews, table.OFF_TIMETABLE)
        crews["point_until_us"] = table.NEVER
        self._rows[rows] = crews
        findings = self._findings(rows, verdict, None)
        self._schedule(rows)
        return findings

    def _is_version(self, number: int, state: PatrolState) -> bool:
        route = self.routes[number]
        return (route.route_id, route.version) == (state.route_id, state.version)

    def _take_back(self, row: int, route: int, state: PatrolState) -> None:
        rows = np.array([row], np.int64)
        crews = table.blank(1)
        table.take_back(crews[0], state)
        crews["route"], crews["stand_us"] = route, self._stand_us[route]
        crews["start_by_us"] = np.maximum(crews["start_by_us"], self._now_us + self.rules.settle_us)
        self._put(rows, crews)
        self._set_checkpoints(row, route, state.from_us, state.checkpoint)

    def _set_checkpoints(self, row: int, route: int, from_us: int, done: int) -> None:
        """Has a crew watched at the checkpoints of its shift from the first that is not done with and not past."""
        points = self._shifts.checkpoints(route, from_us)
        if not points:
            return
        self._points[row] = points
        # Where nobody watched, none was missed.
        while done < len(points) and points[done].until_us <= self._now_us:
            done += 1
        self._await_checkpoint(row, done)

    def _await_checkpoint(self, row: int, number: int) -> None:
        rows = np.array([row], np.int64)
        crews = self._rows[rows]
        table.await_checkpoint(crews[0], self._points[row], number)
        self._put(rows, crews)

    def _miss_checkpoint(self, row: int) -> list[PatrolFinding]:
        """Passes over a checkpoint whose time is over; it is missed by a crew that could have been there."""
        crew = self._rows[row]
        number = int(crew["checkpoint"])
        due = self._points[row][number]
        is_missed = crew["phase"] in (table.ON_ROUTE, table.OFF_ROUTE, table.STANDING)
        self._await_checkpoint(row, number + 1)
        if not is_missed:
            return []
        return [self._finding(row, PatrolFault.CHECKPOINT_MISSED, due.at_us, checkpoint=due.checkpoint.name)]

    def _findings(self, rows: Rows, verdict: rule.Verdict, distance_m: rule.Floats | None) -> list[PatrolFinding]:
        found: list[PatrolFinding] = []
        for at in np.flatnonzero(verdict.began | verdict.ended).tolist():
            row = int(rows[at])
            apart_m = None if distance_m is None else float(distance_m[at])
            ended, began = table.FAULTS[verdict.ended[at]], table.FAULTS[verdict.began[at]]
            if ended is not None:
                end = table.ENDS[verdict.end[at]]
                found.append(self._finding(row, ended, int(verdict.ended_since_us[at]), ended=end, distance_m=apart_m))
            if began is not None:
                found.append(self._finding(row, began, int(self._rows["fault_since_us"][row]), distance_m=apart_m))
        return found

    def _finding(
        self,
        row: int,
        fault: PatrolFault,
        since_us: int,
        *,
        ended: PatrolEnd | None = None,
        distance_m: float | None = None,
        checkpoint: str = "",
    ) -> PatrolFinding:
        route = self.routes[self._rows["route"][row]]
        return PatrolFinding(
            crew_id=self._crew_ids[row],
            route_id=route.route_id,
            route=route.name,
            fault=fault,
            ended=ended,
            at_us=Micros(self._now_us),
            since_us=Micros(since_us),
            distance_m=distance_m,
            checkpoint=checkpoint,
        )
