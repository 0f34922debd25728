"""What crews' terminals say: states, profiles and positions (OCC-4, CITY-12).

A crew becomes known by the first status that gives its capabilities. A position of something that is not a crew is a device's:
it is kept and shown, and waits for the day the crew becomes known. Positions are moved in the crew index once a batch, the
latest of each crew winning.
"""

from __future__ import annotations

from itertools import groupby
from typing import Final

import numpy as np

from core.approach import Seen, is_under_way, note_arrivals
from core.crew import MOVES, OFF, WORKING, Crew
from core.crew_tellings import ALONE_MAX, Concern, tell_of_crews, withdraw, withdraw_together
from core.decisions import Notice, PositionRow
from core.duty_watch import note_come
from core.events import CrewStatus, Fix, Position, Rejected
from core.informing import SHIFT_LEAD
from core.instant import SECOND_US, Micros
from core.plausible import Judgement, judge
from core.progress import end_all, meant, report
from core.state import CentreState, LastPosition
from core.vocabulary import AssignmentState, CrewId, CrewState, IncidentId, Occasion, RejectCode, Signal

_REPORTED: Final = {
    "accepted": AssignmentState.ACCEPTED,
    "declined": AssignmentState.DECLINED,
    "en_route": AssignmentState.EN_ROUTE,
    "on_scene": AssignmentState.ON_SCENE,
    "cleared": AssignmentState.CLEARED,
}
_OWN: Final = {
    "free": CrewState.FREE,
    "returning": CrewState.RETURNING,
    "off_duty": CrewState.OFF_DUTY,
    "busy": CrewState.BUSY,
    "out_of_service": CrewState.OUT_OF_SERVICE,
}
Moved = dict[str, tuple[Micros, Fix | Position]]
"""Crew or device → when it was where, the latest of a batch."""
_TWO_AGAIN_US: Final = 3600 * SECOND_US
"""Of two devices under one call sign the shift lead is told once in each hour at most, whatever restarts between."""
_DEVICES_FOLLOWED_MAX: Final = 250_000
"""Last positions remembered; beyond it a new device is stored and not remembered."""


def take_status(state: CentreState, source: str, event: CrewStatus) -> IncidentId | Rejected | None:
    """Takes one status: the incident it concerns, why it is refused, or None for a status of the crew itself."""
    crew_id = CrewId(event.crew)
    crew = state.crews.get(crew_id)
    if crew is None:
        planned = state.planned.get(crew_id)
        if event.capabilities is None and (planned is None or not planned.capabilities):
            text = "this crew is not known, nor planned; its first status must give its capabilities"
            return Rejected(event.seq, RejectCode.UNKNOWN_CREW, "$.capabilities", text)
        crew = Crew(crew_id=crew_id, updated_us=state.now_us)
    actor, cause = f"crew:{crew_id}", f"event:{source}/{event.seq}"
    reported = _REPORTED.get(event.status)
    # The status before the profile: what is refused changes nothing at all.
    if reported is not None:
        named = IncidentId(event.incident) if event.incident is not None else None
        about = meant(state, crew, named)
        refusal = report(state, crew, named, reported, actor, cause, event.words)
        if refusal is not None:
            return Rejected(event.seq, RejectCode.ILLEGAL_MOVE, "$.status", refusal.text)
        _take_profile(state, crew, event)
        return about
    working_on = crew.incident_id
    wanted = _OWN[event.status]
    refused = _why_not(crew, wanted)
    if refused:
        return Rejected(event.seq, RejectCode.ILLEGAL_MOVE, "$.status", refused)
    _take_profile(state, crew, event)
    _take_own(state, crew, wanted, event.words or f"crew reports {event.status}", actor, cause)
    return working_on


def _why_not(crew: Crew, wanted: CrewState) -> str:
    """Why a crew cannot say of itself that it is in a state; `""` where it can."""
    if wanted is CrewState.FREE and crew.state in WORKING:
        return f"the crew is {crew.state.value} at incident {crew.incident_id}; report cleared or declined first"
    if wanted is not crew.state and wanted not in MOVES[crew.state]:
        return f"the crew is {crew.state.value}, it cannot become {wanted.value}"
    return ""


def note_latest(moved: Moved, crew: str, at_us: Micros, fix: Fix | Position) -> None:
    """Adds a position to those of the batch; an older one than it has changes nothing."""
    known = moved.get(crew)
    if known is None or at_us >= known[0]:
        moved[crew] = (at_us, fix)


def note_positions(state: CentreState, latest: Moved) -> None:
    """Moves crews and devices to their latest positions; an older one than is known changes nothing.

    A position from the future, which a sender's clock may give, counts as one of now: it must not hold up those that follow.

    Args:
        state: the centre.
        latest: crew or device → instant and position.
    """
    rows: list[int] = []
    latitudes: list[float] = []
    longitudes: list[float] = []
    under_way: list[Seen] = []
    found: set[str] = set()
    """Territories of crews that were lost."""
    interval_us = state.rules.position_interval_us
    for key, (said_us, fix) in latest.items():
        at_us = min(said_us, state.now_us)
        crew_no = state.crew_nos.get(CrewId(key))
        last = state.last_positions.get(key)
        if last is None:
            last = LastPosition(at_us, fix.latitude_deg, fix.longitude_deg, 0)
            if len(state.last_positions) < _DEVICES_FOLLOWED_MAX or crew_no is not None:
                state.last_positions[key] = last
            if crew_no is not None:
                crew = state.crews[CrewId(key)]
                if _hear(state, crew):
                    found.add(crew.territory)
                if crew.hindrance is None:
                    state.freed[crew.crew_id] = None
        elif at_us < last.at_us:
            if crew_no is not None:
                # Whatever its clock says, it is heard.
                crew = state.crews[CrewId(key)]
                if _hear(state, crew):
                    found.add(crew.territory)
            continue
        else:
            if crew_no is not None:
                crew = state.crews[CrewId(key)]
                if not _believe(state, crew, last, at_us, fix):
                    continue
                if _hear(state, crew):
                    found.add(crew.territory)
            last.at_us, last.latitude_deg, last.longitude_deg = at_us, fix.latitude_deg, fix.longitude_deg
        speed_mps, course_deg = (fix.speed_mps, fix.course_deg) if isinstance(fix, Position) else (None, None)
        row = PositionRow(CrewId(key), at_us, fix.latitude_deg, fix.longitude_deg, fix.accuracy_m, speed_mps, course_deg)
        state.live_positions.append(row)
        if at_us - last.kept_us >= interval_us:
            last.kept_us = at_us
            state.kept_positions.append(row)
        if crew_no is not None:
            crew = state.crews[CrewId(key)]
            if is_under_way(crew):
                under_way.append(Seen(crew, at_us, fix))
            rows.append(crew_no)
            latitudes.append(fix.latitude_deg)
            longitudes.append(fix.longitude_deg)
    if found:
        _note_found(state, found, "heard")
    if rows:
        state.crew_index.move(np.array(rows, np.int64), np.array(latitudes), np.array(longitudes))
    if under_way:
        note_arrivals(state, under_way)


def restore_positions(state: CentreState) -> None:
    """Puts the recovered crews where they were last. Their signal is as it was, and has its time anew (`core.signal`)."""
    found = [(number, last) for crew_id, number in state.crew_nos.items() if (last := state.last_positions.get(crew_id))]
    if found:
        state.crew_index.move(
            np.array([number for number, _ in found], np.int64),
            np.array([last.latitude_deg for _, last in found]),
            np.array([last.longitude_deg for _, last in found]),
        )


def note_silence(state: CentreState, crews_max: int) -> bool:
    """Looks at the crews that have not been heard for long. Returns whether more are due than `crews_max` allowed.

    Many at once are no riddle about crews but one about the network: they are told of together.
    """
    lost: list[Crew] = []
    more = True
    for _ in range(crews_max):
        crew_id = state.signals.pop_due(state.now_us)
        if crew_id is None:
            more = False
            break
        crew = state.crews[crew_id]
        signal = state.signals.judge(crew, state.now_us)
        if signal is not None:
            state.set_signal(crew, signal)
            if signal is Signal.LOST:
                lost.append(crew)
    if lost:
        concerns = [Concern(one.crew_id, one.territory, one.incident_id, _this_batch(state)) for one in lost]
        tell_of_crews(state, Occasion.SIGNAL_LOST, concerns, state.rules.signal.lost_us)
    alone = len(lost) <= ALONE_MAX
    for crew in lost if alone else ():
        text = f"crew {crew.crew_id} ({crew.state.value}) has not been heard for {state.rules.signal.lost_us // SECOND_US} s"
        _tell(state, crew, Occasion.SIGNAL_LOST, text)
    if not alone:
        for territory, crews in groupby(sorted(lost, key=_by_territory), key=lambda crew: crew.territory):
            names = [crew.crew_id for crew in crews]
            text = f"{len(names)} crews are not heard any more: {', '.join(names[:ALONE_MAX])} …"
            to, about = SHIFT_LEAD, Occasion.SIGNAL_LOST.value
            state.notices.append(Notice(None, state.now_us, to, about, territory, text))
    return more


def _by_territory(crew: Crew) -> tuple[str, CrewId]:
    return crew.territory, crew.crew_id


def _tell(state: CentreState, crew: Crew, occasion: Occasion, text: str) -> None:
    notice = Notice(crew.incident_id, state.now_us, SHIFT_LEAD, occasion.value, crew.territory, text, crew.crew_id)
    state.notices.append(notice)


def _hear(state: CentreState, crew: Crew) -> bool:
    """Notes that a crew is heard. Returns whether it was lost."""
    state.signals.watch(crew, state.now_us)
    was_lost = crew.signal is Signal.LOST
    if was_lost:
        withdraw(state, crew.crew_id, Occasion.SIGNAL_LOST, f"crew:{crew.crew_id}", "heard")
    if crew.signal is not Signal.HEARD:
        state.set_signal(crew, Signal.HEARD)
    return was_lost


def _note_found(state: CentreState, territories: set[str], cause: str) -> None:
    """Withdraws what is to be told of many crews of a territory, where none of them is lost any more."""
    still = {crew.territory for crew in state.crews.values() if crew.signal is Signal.LOST and crew.state not in OFF}
    withdraw_together(state, territories - still, Occasion.SIGNAL_LOST, cause)


def _this_batch(state: CentreState) -> str:
    return f"{state.now_us}/{state.batch_no + 1}"


def _believe(state: CentreState, crew: Crew, last: LastPosition, at_us: Micros, fix: Fix | Position) -> bool:
    before = (last.at_us, last.latitude_deg, last.longitude_deg)
    judgement, last.doubt = judge(state.rules.plausible, before, last.doubt, (at_us, fix.latitude_deg, fix.longitude_deg))
    if judgement is Judgement.TWO_REPORT:
        _tell(state, crew, Occasion.TWO_POSITIONS, f"two report positions as crew {crew.crew_id}; the nearer ones count")
        concern = Concern(crew.crew_id, crew.territory, crew.incident_id, str(state.now_us // _TWO_AGAIN_US))
        tell_of_crews(state, Occasion.TWO_POSITIONS, [concern], 0)
    return judgement is Judgement.BELIEVED


def _take_profile(state: CentreState, crew: Crew, event: CrewStatus) -> None:
    is_new = crew.crew_id not in state.crews
    profile = (crew.capabilities, crew.territory, crew.outside)
    if event.capabilities is not None:
        crew.capabilities = event.capabilities
    if event.territory is not None:
        crew.territory = event.territory
    if event.outside is not None:
        crew.outside = event.outside
    planned = state.planned.get(crew.crew_id)
    if planned is not None:
        # The duty officer's plan says where the crew serves and as what; where it leaves the latter open, the terminal does.
        crew.capabilities = planned.capabilities or crew.capabilities
        crew.territory = planned.territory
    if not is_new and profile == (crew.capabilities, crew.territory, crew.outside):
        return
    crew.updated_us = state.now_us
    crew_no = state.know_crew(crew)
    state.changed_crews[crew.crew_id] = crew
    if is_new:
        state.signals.watch(crew, state.now_us)
    if crew.hindrance is None:
        state.freed[crew.crew_id] = None
    last = state.last_positions.get(crew.crew_id)
    if is_new and last is not None:
        _hear(state, crew)
        state.crew_index.move(np.array([crew_no], np.int64), np.array([last.latitude_deg]), np.array([last.longitude_deg]))


def _take_own(state: CentreState, crew: Crew, wanted: CrewState, words: str, actor: str, cause: str) -> None:
    if wanted is CrewState.RETURNING and crew.held:
        # What it says of the place it leaves; the next assignment is waiting for it.
        report(state, crew, None, AssignmentState.CLEARED, actor, cause, words)
        return
    if crew.state in WORKING:
        end_all(state, crew, actor, cause, words)
    if crew.state is not wanted:
        comes = crew.state in OFF and wanted not in OFF
        state.set_crew_state(crew, wanted, None)
        if comes:
            note_come(state, crew)
        elif wanted in OFF and crew.signal is Signal.LOST:
            # Nobody listens for it any more.
            withdraw(state, crew.crew_id, Occasion.SIGNAL_LOST, actor, "off_duty")
            _note_found(state, {crew.territory}, "off_duty")
