"""The roster in the live centre: what crews serve as by the plan, and what is noticed where plan and fact part (OCC-3, OCC-4).

Place in the flow: time passes, or another roster comes. The plan's territory is the crew's, and its capabilities where it names
any, whatever the terminal says. Nobody is sent or dropped by the plan alone: a crew is on duty when it says so. But one that
has not come `LATE_US` after its duty began is told of to the shift lead by every channel, until it comes; one that is still on
duty when it has ended, which is no hurry and may be half a shift at once, by a notice to dispatch clients alone. Each is told
once; over a restart too, since what the plan said at the last moment before it is compared with what it says now.
"""

from __future__ import annotations

import heapq
from typing import Final

from core.crew import OFF, Crew
from core.crew_tellings import Concern, tell_of_crews, withdraw, withdraw_together
from core.decisions import Notice
from core.informing import SHIFT_LEAD
from core.instant import SECOND_US, Micros
from core.roster.duty import DutyProfile, changes, next_change_us, on_duty
from core.roster.model import Roster
from core.state import CentreState
from core.vocabulary import CrewId, Occasion

LATE_US: Final = 600 * SECOND_US
"""A crew that has not said that it is on duty so long after its duty began is told of: a briefing takes ten minutes."""


START_US: Final = 300 * SECOND_US
"""A roster that is read within this is the one that the centre begins with, however long the database made it wait."""


class DutyWatch:
    """The plan as the centre goes by it now. Without a roster nothing is planned and nothing noticed.

    Args:
        last_us: the centre's time at the end of the life before; 0 in a new centre.
    """

    def __init__(self, last_us: Micros) -> None:
        self._last_us = last_us
        self._began_us: Micros | None = None
        self._roster: Roster | None = None
        self._next_us: Micros | None = None
        self._expected: list[tuple[int, CrewId]] = []
        """When to look whether a crew has come."""

    @property
    def has_plan(self) -> bool:
        """Whether a roster has been read."""
        return self._roster is not None

    @property
    def next_due_us(self) -> Micros | None:
        """When the plan should be looked at next, or None."""
        due = [each for each in (self._next_us, self._expected[0][0] if self._expected else None) if each is not None]
        return Micros(min(due)) if due else None

    def load(self, state: CentreState, roster: Roster) -> None:
        """Goes by another roster from now on, the plan for the days around now."""
        is_first = self._roster is None
        if is_first:
            # The first one of a life is compared with the last moment of the life before; one that comes to a centre that has
            # worked without any for long begins now.
            is_start = self._began_us is None or state.now_us - self._began_us <= START_US
            last_us = self._last_us if is_start else state.now_us
            if last_us:
                state.planned = on_duty(roster, last_us)
                self._expect(state.planned, last_us)
        self._roster = roster
        self._turn(state, notice=not is_first or bool(self._last_us))
        if is_first:
            for crew_id in sorted(state.planned.keys() & state.crews.keys()):
                take_plan(state, state.crews[crew_id])

    def look(self, state: CentreState) -> None:
        """Does what has come due."""
        if self._began_us is None:
            self._began_us = state.now_us
        if self._next_us is not None and self._next_us <= state.now_us:
            self._turn(state, notice=True)
        late: list[Concern] = []
        while self._expected and self._expected[0][0] <= state.now_us:
            _, crew_id = heapq.heappop(self._expected)
            profile = state.planned.get(crew_id)
            if profile is not None and not _is_there(state, crew_id):
                _notice(state, crew_id, profile.territory, Occasion.DUTY_NOT_BEGUN, "has not come on duty")
                late.append(Concern(crew_id, profile.territory, None, str(profile.from_us)))
        if late:
            tell_of_crews(state, Occasion.DUTY_NOT_BEGUN, late, LATE_US)

    def _turn(self, state: CentreState, *, notice: bool) -> None:
        assert self._roster is not None
        before, state.planned = state.planned, on_duty(self._roster, state.now_us)
        self._next_us = next_change_us(self._roster, state.now_us)
        found = changes(before, state.planned)
        for profile in (*found.came, *found.changed):
            crew = state.crews.get(profile.crew)
            if crew is not None:
                take_plan(state, crew)
        for profile in found.went if notice else ():
            crew = state.crews.get(profile.crew)
            if crew is not None and crew.state not in OFF:
                text = f"is {crew.state.value} and its duty is over"
                _notice(state, crew.crew_id, crew.territory, Occasion.DUTY_OVER, text)
        self._expect({profile.crew: profile for profile in found.came}, state.now_us)

    def _expect(self, came: dict[CrewId, DutyProfile], now_us: int) -> None:
        for profile in came.values():
            # Whoever should have come before has been looked for, or was nobody's concern when the centre began.
            if profile.from_us + LATE_US > now_us:
                heapq.heappush(self._expected, (profile.from_us + LATE_US, profile.crew))


def take_plan(state: CentreState, crew: Crew) -> None:
    """Gives a crew the capabilities and the territory that the plan has for it now."""
    profile = state.planned.get(crew.crew_id)
    if profile is None:
        return
    wanted = (profile.capabilities or crew.capabilities, profile.territory)
    if wanted != (crew.capabilities, crew.territory):
        crew.capabilities, crew.territory = wanted
        state.change_profile(crew)


def note_come(state: CentreState, crew: Crew) -> None:
    """Withdraws what is to be told of a crew that has come late: it is on duty now."""
    profile = state.planned.get(crew.crew_id)
    if profile is None or not _is_late(state, profile):
        return
    withdraw(state, crew.crew_id, Occasion.DUTY_NOT_BEGUN, f"crew:{crew.crew_id}", "come")
    others = (one for one in state.planned.values() if one.territory == profile.territory and _is_late(state, one))
    if all(_is_there(state, one.crew) for one in others):
        withdraw_together(state, (profile.territory,), Occasion.DUTY_NOT_BEGUN, "come")


def _is_late(state: CentreState, profile: DutyProfile) -> bool:
    return profile.from_us + LATE_US <= state.now_us


def _is_there(state: CentreState, crew_id: CrewId) -> bool:
    crew = state.crews.get(crew_id)
    return crew is not None and crew.state not in OFF


def _notice(state: CentreState, crew_id: CrewId, territory: str, occasion: Occasion, text: str) -> None:
    notice = Notice(None, state.now_us, SHIFT_LEAD, occasion.value, territory, f"crew {crew_id} {text}", crew_id)
    state.notices.append(notice)
