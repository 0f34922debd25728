"""Patrols in the live centre: what a batch means for crews on their routes, and who is told of it (OCC-5).

Place in the flow: at a batch's end, when every crew is what it will be stored as. Time passes first, then crews' states count
(`hold`), then where they are (`observe`); what must be stored of it goes into the batch's transaction with what is told. So
over any restart a fault is told once when it begins and once when it has ended. Rules:

- A crew that is not on duty is not watched: whether it came is the roster's to say (`core.duty_watch`).
- Only positions that the centre believes count (`core.crew_reports`).
- A route's own list of crews counts always. Where it has none, the crews' shifts in the roster that name the route do.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec
import numpy as np

from core.crew import OFF, WORKING, Crew
from core.informing import tell_patrol
from core.patrol import PatrolEnd, PatrolFinding, PatrolPhase, PatrolState, RouteId
from core.patrol_watch import Patrols
from core.roster.duty import DutyProfile
from core.roster.model import fold
from core.state import CentreState
from core.vocabulary import CrewId, CrewNo, Signal

_UNHELD: Final = (False, False)


class Patrolling:
    """The patrols of one set of routes, from when the centre goes by it.

    Args:
        patrols: the routes; nothing is known of any crew yet.
        states: what is stored of crews' patrols, or was when the routes before these were given up.
    """

    def __init__(self, patrols: Patrols, states: Iterable[PatrolState]) -> None:
        self.patrols = patrols
        self.states = {state.crew_id: state for state in states}
        """What is, or is about to be, stored of each crew."""
        self._begun = False
        self._planned: dict[CrewId, DutyProfile] = {}
        self._posted: dict[CrewId, tuple[RouteId, ...]] = {}
        """Crew → the routes that it is on by the roster."""
        self._held: list[tuple[bool, bool]] = []
        """`CrewNo` → what was said last: whether it has an assignment, whether it is lost."""
        self._of_roster: dict[str, list[RouteId]] = {}
        """Name or id, folded → the routes whose crews the roster says."""
        for route in patrols.routes:
            for name in {fold(route.name), fold(route.route_id)} if route.crews is None else ():
                ids = self._of_roster.setdefault(name, [])
                if route.route_id not in ids:
                    ids.append(route.route_id)

    def look(self, state: CentreState, *, has_plan: bool) -> list[PatrolState]:
        """Takes what the batch in hand has changed, and tells of it.

        Args:
            state: the centre, at the batch's end.
            has_plan: whether a roster has been read: until then whoever was on a route is taken to be on it still.

        Returns:
            What must be stored.
        """
        patrols = self.patrols
        findings: list[PatrolFinding] = []
        if self._begun:
            self._know(state)
            # Before the roster speaks: a shift that ends now is over, and nobody was taken off it.
            findings += patrols.fire_due(state.now_us)
            if state.planned is not self._planned:
                findings += self._post(state)
            findings += self._hold(state, state.changed_crews.values())
        else:
            self._begun = True
            self._know(state)
            findings += self._restore(state, has_plan=has_plan)
            findings += self._hold(state, state.crews.values())
            findings += patrols.fire_due(state.now_us)
        if state.live_positions:
            findings += self._observe(state)
        for finding in findings:
            tell_patrol(state, finding, state.crews[finding.crew_id].territory)
        changed = patrols.changes()
        self.states.update((each.crew_id, each) for each in changed)
        return changed

    def _know(self, state: CentreState) -> None:
        for number in range(len(self.patrols), len(state.crew_ids)):
            self.patrols.know(CrewNo(number), state.crew_ids[number], state.now_us)
            self._held.append(_UNHELD)
            profile = self._planned.get(state.crew_ids[number])
            if profile is not None:
                self._put(state, profile.crew, self._routes_of(profile))

    def _restore(self, state: CentreState, *, has_plan: bool) -> list[PatrolFinding]:
        self._post(state)
        names = {route.route_id for route in self.patrols.routes if route.crews is None}
        for each in () if has_plan else self.states.values():
            if each.route_id in names and each.phase is not PatrolPhase.OFF_TIMETABLE:
                self._put(state, each.crew_id, (each.route_id,))
        return self.patrols.restore(list(self.states.values()), state.now_us)

    def _post(self, state: CentreState) -> list[PatrolFinding]:
        """Puts crews on the routes that the roster has for them now."""
        self._planned = state.planned
        wanted = {profile.crew: ids for profile in self._planned.values() if (ids := self._routes_of(profile))}
        findings: list[PatrolFinding] = []
        for crew_id in sorted(wanted.keys() | self._posted.keys()):
            findings += self._put(state, crew_id, wanted.get(crew_id, ()))
        return findings

    def _routes_of(self, profile: DutyProfile) -> tuple[RouteId, ...]:
        return tuple(self._of_roster.get(fold(profile.route), ())) if profile.route else ()

    def _put(self, state: CentreState, crew_id: CrewId, route_ids: tuple[RouteId, ...]) -> list[PatrolFinding]:
        number = state.crew_nos.get(crew_id)
        if number is None or self._posted.get(crew_id, ()) == route_ids:
            return []
        if route_ids:
            self._posted[crew_id] = route_ids
        else:
            del self._posted[crew_id]
        return self.patrols.post(number, route_ids, state.now_us)

    def _hold(self, state: CentreState, crews: Iterable[Crew]) -> list[PatrolFinding]:
        findings: list[PatrolFinding] = []
        for crew in crews:
            number = state.crew_nos[crew.crew_id]
            is_off = crew.state in OFF
            now = (is_off or crew.state in WORKING, crew.signal is Signal.LOST)
            if self._held[number] != now:
                self._held[number] = now
                ended = self.patrols.hold(number, assigned=now[0], lost=now[1], now_us=state.now_us)
                # To be excused is to be on an assignment, or not to be on duty at all: the shift lead reads which.
                findings += [msgspec.structs.replace(one, ended=PatrolEnd.OFF_DUTY) for one in ended] if is_off else ended
        return findings

    def _observe(self, state: CentreState) -> list[PatrolFinding]:
        nos = state.crew_nos
        rows = [(number, row) for row in state.live_positions if (number := nos.get(row.crew_id)) is not None]
        if not rows:
            return []
        return self.patrols.observe(
            np.array([number for number, _ in rows], np.int64),
            np.array([row.latitude_deg for _, row in rows]),
            np.array([row.longitude_deg for _, row in rows]),
            np.array([row.accuracy_m for _, row in rows]),
            np.array([row.at_us for _, row in rows], np.int64),
            state.now_us,
        )
