"""`jedel replay`: recorded days through a running centre, at any speed, with units that behave as the records say.

Place in the flow: before it (calls, positions, states) and after it (assignments). Rules: a call is sent at the moment it was
entered, in time divided by `speed`, and says when it was received: what the call taker had to ask first the centre cannot
know earlier either; the centre alone decides who goes; a unit that is sent takes the turnout and the work that the records
hold for that call, and travels from where it is by the fitted speed. Events carry the clock's time, for the centre refuses
the future.

Terms are shorter by the speed like everything else, so that they fire as they would have fired. The one exception is the term
in which a unit accepts: its answer takes two commits and two ways over the network, which nothing makes shorter, and units of
the records never fail to answer. So it never is shorter than `ANSWER_S`, or it would measure the machine and nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from heapq import heappop, heappush
from pathlib import Path
from typing import Final, Literal

import msgspec
import uvloop

from core.events import AnyEvent, CrewStatus, Fix, Position
from core.instant import SECOND_US, to_datetime
from loadtest.board import Board, Offered
from loadtest.cadastre import Point
from loadtest.crews import Drive, distance_m, drive
from loadtest.drive import Centre, Outcome
from loadtest.drive import drive as drive_script
from loadtest.ledger import Ledger
from ops.cad import Cad, CadCall, CadUnit
from ops.cad_habits import Habits, point

TELEPHONE: Final = "telephone"
CREWS: Final = "crews"
SOURCES: Final = (TELEPHONE, CREWS)
LEAD_S: Final = 1.0
"""Of the clock, before the first call: units on duty have reported by then."""
POSITION_INTERVAL_S: Final = 20.0
"""Of the clock: a unit is not taken for lost while it waits."""
ACCEPT_S: Final = 1.0
"""Recorded time from being told to saying yes: the records have no such stage."""
BACK_S: Final = 60.0
"""Recorded time after which a unit from which a task was taken says that it is free."""

TERMS_S: Final = {"accept_s": 60.0, "no_crew_s": 30.0, "on_scene_s": 900.0, "review_s": 3600.0}
"""Term → recorded seconds it stands for."""
SHORTEST_TERM_S: Final = 0.01
"""The shortest that a centre may be told (`ops.config.Terms`)."""
ANSWER_S: Final = 2.0
"""Of the clock: the shortest time in which a unit is expected to accept, generous even on a busy machine."""
TAIL_S: Final = 7200.0
"""Recorded time that is played after the last call, so that the last incidents too get their units."""


def configuration(categories: Path, speed: float, region: str = "US") -> str:
    """Sections of a service's TOML file for a replay.

    Args:
        categories: the file with the department's own categories.
        speed: recorded seconds a second; the terms are shorter by it, as `term_s` says.
        region: whose telephone numbers are read.
    """
    terms = "".join(f"{key} = {term_s(key, speed)}\n" for key in TERMS_S) + f"pace = {speed}\n"
    # Units report by the clock and drive by the records' time: faster than any unit could.
    positions = "[positions]\njump_mps = 0\n"
    centre = f'[centre]\nname = "replay"\nregion = "{region}"\ncategories = {json.dumps(str(categories))}\n'
    return f"{centre}\n[terms]\n{terms}\n{positions}"


def term_s(key: str, speed: float) -> float:
    """Seconds of the clock that a term lasts at a speed."""
    shortest_s = ANSWER_S if key == "accept_s" else SHORTEST_TERM_S
    return max(shortest_s, round(TERMS_S[key] / speed, 3))


Status = Literal["off_duty", "free", "accepted", "en_route", "on_scene", "cleared"]


class _Unit:
    """One unit's day."""

    __slots__ = ("cad", "ends", "incident", "moves", "on_duty", "said", "way")

    def __init__(self, cad: CadUnit, way: Drive) -> None:
        self.cad = cad
        self.way = way
        self.incident: int | None = None
        self.said: list[int] = []
        """Numbers of its reports of the task it has."""
        self.on_duty = False
        self.ends = False
        """Its shift is over as soon as it is free."""
        self.moves = 0
        """Rises with every change of mind; steps planned before it are outdated."""


class ReplayScript:
    """Recorded days as a script for `loadtest.drive`.

    Args:
        cad: the records; only calls received before `until_us` are played.
        habits: what they say of the department.
        speed: recorded seconds a second.
        start_us: the clock's time at the beginning.
        next_seq: source → number of its first event.
        until_us: recorded instant at which the replay ends; None for the last call.
    """

    def __init__(
        self, cad: Cad, habits: Habits, speed: float, start_us: int, next_seq: Mapping[str, int], until_us: int | None = None
    ) -> None:
        played = [call for call in cad.calls if until_us is None or call.received_us < until_us]
        self.calls = sorted(played, key=lambda call: (call.entered_us, call.number))
        """In the order in which they are sent, which is that of their entry."""
        self.first_seq = next_seq[TELEPHONE]
        self.crossed: set[int] = set()
        """Numbers of reports of tasks that the centre took back: it may have refused those that it got after it had done so."""
        self._habits = habits
        self._speed = speed
        self._origin_us = start_us + round(LEAD_S * SECOND_US)
        self._recorded_us = cad.calls[0].received_us
        self._next_call = 0
        self._seq = next_seq[CREWS] - 1
        self._calendar: list[tuple[int, int, Callable[[int], AnyEvent | None]]] = []
        self._entries = 0
        self._units: dict[str, _Unit] = {}
        interval_us = round(POSITION_INTERVAL_S * SECOND_US)
        for number, cad_unit in enumerate(cad.units):
            unit = _Unit(cad_unit, drive([point(cad_unit.home)], start_us, 1.0))
            self._units[cad_unit.unit] = unit
            for began_us, ended_us in cad_unit.duty:
                self._plan(max(start_us, self.clock_us(began_us)), self._begin(unit))
                self._plan(self.clock_us(ended_us), self._end(unit))
            self._plan(start_us + interval_us * number // len(cad.units), self._positions(unit, interval_us))

    @property
    def seconds(self) -> float:
        """Of the clock, from the start to the last call's entry."""
        last_us = self.calls[-1].entered_us if self.calls else self._recorded_us
        return LEAD_S + (last_us - self._recorded_us) / SECOND_US / self._speed

    def clock_us(self, recorded_us: int) -> int:
        """The clock's time of a recorded instant."""
        return self._origin_us + round((recorded_us - self._recorded_us) / self._speed)

    def events_until(self, until_us: int) -> dict[str, list[AnyEvent]]:
        """Source → what it says up to `until_us` and has not said before."""
        events: dict[str, list[AnyEvent]] = {}
        while self._next_call < len(self.calls):
            call = self.calls[self._next_call]
            if self.clock_us(call.entered_us) > until_us:
                break
            received_us = self.clock_us(call.received_us)
            event = call.as_event(self.first_seq + self._next_call, received_us, self._habits.category_of(call))
            events.setdefault(TELEPHONE, []).append(event)
            self._next_call += 1
        calendar = self._calendar
        while calendar and calendar[0][0] <= until_us:
            at_us, _, make = heappop(calendar)
            report = make(at_us)
            if report is not None:
                events.setdefault(CREWS, []).append(report)
        return events

    def offer(self, offered: Offered, now_us: int) -> None:
        """The centre has sent a unit: it accepts, rolls, arrives and is free again as the records say."""
        unit = self._units.get(offered.crew)
        call = self._call_of(offered)
        incident = offered.incident.incident_id
        if unit is None or call is None or unit.incident == incident or not unit.on_duty:
            # A unit that has just reported off duty is not there any more; the centre will hear it and send another.
            return
        unit.moves += 1
        if unit.incident is not None:
            # It was taken back, and the news of it comes behind that of the next task.
            self.crossed.update(unit.said)
        unit.incident = incident
        unit.said = []
        stages = self._habits.stages(call, offered.assignment.capability)
        accepted_us = now_us + self._lasting_us(ACCEPT_S)
        self._step(unit, accepted_us, lambda unit, at_us: self._status(unit, "accepted", at_us))
        rolls_us = max(accepted_us + 1, now_us + self._lasting_us(stages.turnout_s))
        self._step(unit, rolls_us, lambda unit, at_us: self._roll(unit, point(call.place), stages.work_s, at_us))

    def withdraw(self, crew: str, incident: int, now_us: int) -> None:
        """The centre has taken the task back."""
        unit = self._units.get(crew)
        if unit is not None and unit.incident == incident:
            self.crossed.update(unit.said)
            self._release(unit, now_us)
            if unit.ends:
                self._plan(now_us, lambda at_us: self._leave(unit, at_us))
            else:
                # The centre sends nobody who did not answer until it hears from them.
                back_us = now_us + self._lasting_us(BACK_S)
                self._step(unit, back_us, lambda unit, at_us: self._status(unit, "free", at_us) if unit.on_duty else None)

    def _call_of(self, offered: Offered) -> CadCall | None:
        for event in offered.incident.events:
            source, _, seq = event.partition("/")
            index = int(seq) - self.first_seq if source == TELEPHONE and seq.isdecimal() else -1
            if 0 <= index < len(self.calls):
                return self.calls[index]
        return None

    def _plan(self, at_us: int, make: Callable[[int], AnyEvent | None]) -> None:
        self._entries += 1
        heappush(self._calendar, (at_us, self._entries, make))

    def _step(self, unit: _Unit, at_us: int, make: Callable[[_Unit, int], AnyEvent | None]) -> None:
        moves = unit.moves
        self._plan(at_us, lambda at_us: make(unit, at_us) if unit.moves == moves else None)

    def _lasting_us(self, recorded_s: float) -> int:
        return max(1, round(recorded_s / self._speed * SECOND_US))

    def _begin(self, unit: _Unit) -> Callable[[int], AnyEvent | None]:
        def report(at_us: int) -> AnyEvent | None:
            unit.ends = False
            if unit.on_duty:
                return None
            unit.on_duty = True
            return msgspec.structs.replace(
                self._status(unit, "free", at_us), capabilities=unit.cad.capabilities, territory="", outside=True
            )

        return report

    def _end(self, unit: _Unit) -> Callable[[int], AnyEvent | None]:
        def report(at_us: int) -> AnyEvent | None:
            unit.ends = True
            return self._leave(unit, at_us)

        return report

    def _leave(self, unit: _Unit, at_us: int) -> AnyEvent | None:
        if not unit.ends or not unit.on_duty or unit.incident is not None:
            return None
        unit.on_duty = unit.ends = False
        return self._status(unit, "off_duty", at_us)

    def _positions(self, unit: _Unit, interval_us: int) -> Callable[[int], AnyEvent | None]:
        def report(at_us: int) -> AnyEvent | None:
            self._plan(at_us + interval_us, report)
            return self._position(unit, at_us) if unit.on_duty else None

        return report

    def _roll(self, unit: _Unit, place: Point, work_s: float, at_us: int) -> AnyEvent:
        here, _ = unit.way.at(at_us)
        travel = self._habits.travel
        arrives_us = at_us + self._lasting_us(travel.lasts_s(distance_m(here, place)))
        unit.way = Drive(points=(here, place), reached_us=(at_us, arrives_us), speed_mps=travel.speed_mps)
        self._step(unit, arrives_us, lambda unit, at_us: self._arrive(unit, work_s, at_us))
        return self._status(unit, "en_route", at_us)

    def _arrive(self, unit: _Unit, work_s: float, at_us: int) -> AnyEvent:
        self._step(unit, at_us + self._lasting_us(work_s), self._clear)
        return self._status(unit, "on_scene", at_us)

    def _clear(self, unit: _Unit, at_us: int) -> AnyEvent:
        report = self._status(unit, "cleared", at_us)
        self._release(unit, at_us)
        if unit.ends:
            self._plan(at_us, lambda at_us: self._leave(unit, at_us))
        else:
            # Where it is now decides who goes next, so it does not wait for the next interval; once it is home, again.
            self._plan(unit.way.ends_us, lambda at_us: self._position(unit, at_us) if unit.on_duty else None)
        return report

    def _release(self, unit: _Unit, at_us: int) -> None:
        unit.moves += 1
        unit.incident = None
        here, _ = unit.way.at(at_us)
        home, travel = point(unit.cad.home), self._habits.travel
        back_us = at_us + self._lasting_us(distance_m(here, home) / travel.speed_mps)
        unit.way = Drive(points=(here, home), reached_us=(at_us, back_us), speed_mps=travel.speed_mps)

    def _number(self) -> int:
        self._seq += 1
        return self._seq

    def _fix(self, unit: _Unit, at_us: int) -> Fix:
        place, _ = unit.way.at(at_us)
        return Fix(round(place.latitude_deg, 6), round(place.longitude_deg, 6), 10.0)

    def _position(self, unit: _Unit, at_us: int) -> Position:
        fix = self._fix(unit, at_us)
        return Position(
            seq=self._number(),
            at=to_datetime(at_us),
            crew=unit.cad.unit,
            latitude_deg=fix.latitude_deg,
            longitude_deg=fix.longitude_deg,
            accuracy_m=fix.accuracy_m,
        )

    def _status(self, unit: _Unit, status: Status, at_us: int) -> CrewStatus:
        number = self._number()
        if unit.incident is not None:
            unit.said.append(number)
        return CrewStatus(
            seq=number,
            at=to_datetime(at_us),
            crew=unit.cad.unit,
            status=status,
            incident=unit.incident,
            fix=self._fix(unit, at_us),
        )


class Played(msgspec.Struct, frozen=True):
    """A replay that has run: what was sent, and how to find it in the tables."""

    calls: tuple[CadCall, ...]
    first_seq: int
    """The calls' numbers at the source `telephone` run from here, in the order in which `calls` holds them."""
    crossed: frozenset[int]
    """Numbers at the source `crews` of what units said of tasks that the centre took back."""
    outcome: Outcome


def replay(
    centre: Centre,
    cad: Cad,
    habits: Habits,
    speed: float,
    *,
    until_us: int | None = None,
    tell: Callable[[float], None] = lambda share: None,
) -> Played:
    """Plays recorded days against a running centre whose categories are `habits.categories`.

    Args:
        centre: where it listens.
        cad, habits: the records and what they say.
        speed: recorded seconds a second; at 1 a day takes a day.
        until_us: recorded instant at which to stop; None plays all.
        tell: told some times a second which share (0 to 1) has been played.

    Raises:
        DispatchError, IngestRefusedError: the centre refuses the tokens.
        OSError: it cannot be reached.
    """
    scripts: list[ReplayScript] = []

    def make_script(start_us: int, next_seq: Mapping[str, int]) -> ReplayScript:
        scripts.append(ReplayScript(cad, habits, speed, start_us, next_seq, until_us))
        return scripts[-1]

    seconds = ReplayScript(cad, habits, speed, 0, dict.fromkeys(SOURCES, 1), until_us).seconds
    whole_s = seconds + TAIL_S / speed

    def observe(ledger: Ledger, board: Board, elapsed_s: float) -> None:
        tell(min(1.0, elapsed_s / whole_s))

    outcome = uvloop.run(drive_script(centre, SOURCES, make_script, whole_s, observe=observe))
    script = scripts[-1]
    return Played(tuple(script.calls), script.first_seq, frozenset(script.crossed), outcome)
