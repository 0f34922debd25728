"""Patrols in the live centre: what a shift lead is told of crews on their routes, in whichever life of the process."""

from __future__ import annotations

import msgspec
import pytest

from core.decisions import Decisions
from core.events import Fix, Position
from core.instant import SECOND_US, Micros
from core.patrol import PatrolPhase, PatrolRoute, PatrolRules
from core.patrol_watch import Patrols
from core.plausible import PlausibleRules
from core.roster.model import Roster, Shift
from core.signal import SignalRules
from core.state import Batch
from core.telling import VALUES, Happened
from core.vocabulary import CrewId
from routing.patrol_routes import RouteShapes
from tests.core.patrol_town import END_US, START_US, place, street
from tests.core.town import QUIET, Town
from tests.simulation.places import EAST

RULES = PatrolRules()
STEP_S = 10
OFF_S, GRACE_S, STARTS_S = (value // SECOND_US for value in (RULES.off_us, RULES.grace_us, RULES.start_us))


def patrols(*routes: PatrolRoute) -> Patrols:
    return Patrols(routes, RouteShapes(routes))


def fix(off_m: float) -> Fix:
    """A place so many metres from the street."""
    return Fix(*place(off_m), 5.0)


class Street:
    """A town in which crew P-1 of the east patrols a street."""

    def __init__(self, *routes: PatrolRoute, town: Town | None = None) -> None:
        self.town = town or Town(patrols=patrols(*(routes or (street(),))), now_us=START_US)
        self.told: list[str] = []
        """Terms of the notices so far."""

    def note(self, decisions: Decisions | None) -> list[str]:
        told = [] if decisions is None else [one.term for one in decisions.notices if one.term.startswith("patrol")]
        self.told += told
        return told

    def begin(self, off_m: float = 0.0) -> None:
        self.town.crew("P-1", "patrol", fix=fix(off_m), territory=EAST)

    def wait(self, seconds: float) -> list[str]:
        return self.note(self.town.wait(seconds))

    def seen(self, off_m: float, crew: str = "P-1") -> list[str]:
        """The crew says where it is; what is told in this batch."""
        at = fix(off_m)
        event = Position(
            seq=self.town.number("gps"),
            at=self.town.at,
            crew=crew,
            latitude_deg=at.latitude_deg,
            longitude_deg=at.longitude_deg,
        )
        return self.note(self.town.say(event, source="gps"))

    def stay(self, off_m: float, seconds: float) -> list[str]:
        """The crew is there for so long, and says so every ten seconds."""
        return [word for _ in range(round(seconds / STEP_S)) for word in self.wait(STEP_S) + self.seen(off_m)]

    def restart(self, *routes: PatrolRoute) -> Street:
        """The process dies and recovers from what is committed."""
        old = self.town
        town = Town(patrols=patrols(*(routes or (street(),))), recovered=old.committed.recovered(), now_us=old.now_us)
        town.committed, town._seqs = old.committed, old._seqs
        town.handle()
        return Street(town=town)

    def load(self, *routes: PatrolRoute) -> list[str]:
        """Other routes come into force."""
        return self.news(Batch([], [], {}, patrols=patrols(*routes)))

    def roster(self, *shifts: Shift) -> list[str]:
        """Another roster comes into force."""
        return self.news(Batch([], [], {}, roster=Roster(shifts=shifts)))

    def news(self, batch: Batch) -> list[str]:
        decisions = self.town.engine.handle(batch, Micros(self.town.now_us))
        if decisions is not None:
            self.town.committed.take(decisions)
        return self.note(decisions)

    def is_in(self, phase: PatrolPhase) -> bool:
        return self.town.engine.patrols[CrewId("P-1")].phase is phase


def tellings(town: Town) -> list[tuple[str, str, dict[str, str]]]:
    """Key, to whom, values of everything told about patrols by any channel."""
    return [
        (one.key, one.to, one.values)
        for decisions in town.committed.decisions
        for one in decisions.tellings
        if one.template is Happened.PATROL_FINDING
    ]


def test_crew_that_leaves_its_route_is_told_of_once_and_when_it_is_back() -> None:
    walk = Street()
    walk.begin()
    assert walk.stay(0, 60) == []
    assert walk.stay(300, OFF_S - STEP_S) == []
    left_us = walk.town.now_us - (OFF_S - 2 * STEP_S) * SECOND_US
    assert walk.stay(300, 600) == ["patrol_off_route"]
    found = next(one for decisions in walk.town.committed.decisions for one in decisions.notices if one.term in walk.told)
    assert (found.incident_id, found.to, found.territory, found.crew) == (None, "shift_lead", EAST, "P-1")
    assert found.text == "crew P-1 has left route Abay: 300 m from it"
    told_in = next(one.batch_no for one in walk.town.committed.decisions if one.tellings)
    assert tellings(walk.town) == [
        (
            f"patrol/P-1/off_route/{left_us}/{left_us + OFF_S * SECOND_US}/{told_in}",
            "shift_lead",
            {"crew": "P-1", "finding": "off_route", "place": "Abay"},
        )
    ]
    assert set(tellings(walk.town)[0][2]) == set(VALUES[Happened.PATROL_FINDING])
    assert walk.stay(0, 60) == ["patrol_fault_ended"]
    # That it has ended is on the screen and in nobody's pocket.
    assert len(tellings(walk.town)) == 1


def test_assignment_suspends_the_patrol_and_leaves_time_to_come_back() -> None:
    walk = Street()
    walk.begin()
    walk.stay(0, 60)
    assert walk.stay(300, 120) == ["patrol_off_route"]
    incident = walk.town.call("fight", fix(2_000))
    assert walk.town.crews_on(incident) == ["P-1"]
    (ended,) = [one for one in walk.town.committed.decisions[-1].notices if one.term == "patrol_fault_ended"]
    assert ended.text == "crew P-1 has left route Abay: was given an assignment"
    for status in ("accepted", "on_scene"):
        walk.town.status("P-1", status)
        assert walk.stay(2_000, 300) == []
    walk.town.status("P-1", "cleared")
    assert walk.stay(2_000, GRACE_S - STEP_S) == []
    assert walk.stay(2_000, 120) == ["patrol_off_route"]


def test_crew_that_is_back_after_an_assignment_is_told_of_by_nobody() -> None:
    walk = Street()
    walk.begin()
    walk.stay(0, 60)
    walk.town.call("fight", fix(2_000))
    for status in ("on_scene", "cleared"):
        walk.town.status("P-1", status)
    assert walk.stay(2_000, 300) + walk.stay(0, 600) == []
    assert walk.is_in(PatrolPhase.ON_ROUTE)


def test_restart_tells_nothing_twice_and_goes_on_where_it_was() -> None:
    walk = Street()
    walk.begin()
    walk.stay(0, 60)
    assert walk.stay(300, 120) == ["patrol_off_route"]
    again = walk.restart()
    assert again.town.engine.patrols == walk.town.engine.patrols
    assert again.stay(300, 600) == []
    third = again.restart()
    assert third.stay(0, 60) == ["patrol_fault_ended"]
    assert third.restart().stay(0, 60) == []
    assert len(tellings(third.town)) == 1


def test_crew_that_has_not_started_is_told_of_by_the_clock_and_again_after_an_assignment() -> None:
    walk = Street()
    walk.begin(off_m=3_000)
    assert walk.town.engine.next_due_us == START_US + STARTS_S * SECOND_US
    assert walk.wait(STARTS_S - 1) == []
    assert walk.wait(1) == ["patrol_not_started"]
    walk.town.call("fight", fix(3_000))
    for status in ("on_scene", "cleared"):
        walk.town.status("P-1", status)
    assert walk.wait(GRACE_S) == ["patrol_not_started"]
    # Both since the same beginning of the shift, and each told.
    assert len({key for key, _, _ in tellings(walk.town)}) == len(tellings(walk.town)) == 2


def test_crew_off_duty_is_not_watched() -> None:
    walk = Street()
    walk.begin()
    walk.stay(0, 60)
    assert walk.stay(300, 120) == ["patrol_off_route"]
    walk.town.status("P-1", "off_duty")
    (ended,) = [one for one in walk.town.committed.decisions[-1].notices if one.term == "patrol_fault_ended"]
    assert ended.text == "crew P-1 has left route Abay: has gone off duty"
    assert walk.stay(300, 3_600) == []
    walk.town.status("P-1", "free")
    assert walk.stay(300, GRACE_S + 120) == ["patrol_off_route"]


def test_crew_that_is_lost_is_blamed_for_nothing_new() -> None:
    rules = msgspec.structs.replace(QUIET, signal=SignalRules(stale_us=60 * SECOND_US, lost_us=120 * SECOND_US))
    walk = Street(town=Town(rules=rules, patrols=patrols(street()), now_us=START_US))
    walk.begin()
    assert walk.stay(0, 60) == []
    assert [word for _ in range(30) for word in walk.wait(60)] == []
    assert walk.is_in(PatrolPhase.LOST)
    assert walk.seen(0) == []
    assert walk.is_in(PatrolPhase.ON_ROUTE)


@pytest.mark.parametrize(("speed_mps", "told"), [(100.0, []), (0.0, ["patrol_fault_ended"])])
def test_only_a_position_that_is_believed_counts(speed_mps: float, told: list[str]) -> None:
    rules = msgspec.structs.replace(QUIET, plausible=PlausibleRules(speed_mps=speed_mps))
    walk = Street(town=Town(rules=rules, patrols=patrols(street()), now_us=START_US))
    walk.begin(off_m=3_000)
    assert walk.stay(3_000, STARTS_S) == ["patrol_not_started"]
    assert walk.wait(STEP_S) + walk.seen(0) == told


def test_fault_ends_with_the_shift() -> None:
    walk = Street()
    walk.begin()
    walk.stay(0, 60)
    assert walk.stay(300, 120) == ["patrol_off_route"]
    walk.town.now_us = END_US - SECOND_US
    assert walk.wait(0) == []
    assert walk.wait(1) == ["patrol_fault_ended"]
    assert walk.stay(300, 600) == []


# Other routes while the centre works


def test_routes_that_come_into_force_later_are_gone_by_and_the_same_ones_change_nothing() -> None:
    walk = Street(town=Town(now_us=START_US))
    walk.begin()
    assert walk.town.engine.patrols == {}
    assert walk.stay(300, 120) + walk.load(street()) + walk.stay(0, 30) == []
    assert walk.stay(300, 120) == ["patrol_off_route"]
    assert walk.load(street(), street("other", crews=None)) + walk.stay(300, 600) == []
    assert walk.stay(0, 60) == ["patrol_fault_ended"]


def test_fault_ends_when_its_route_is_no_more_and_then_nothing_is_watched() -> None:
    walk = Street()
    walk.begin()
    walk.stay(0, 60)
    assert walk.stay(300, 120) == ["patrol_off_route"]
    assert walk.load() == ["patrol_fault_ended"]
    assert [state.phase for state in walk.town.committed.patrol_states()] == [PatrolPhase.OFF_TIMETABLE]
    assert walk.town.engine.patrols == {}
    assert walk.stay(300, 600) == []


def test_what_the_batch_means_by_the_old_routes_is_settled_before_the_new_ones() -> None:
    walk = Street()
    walk.begin()
    walk.stay(0, 60)
    walk.stay(300, 120)
    walk.town.now_us = END_US
    # Its shift is over at the moment at which another version comes.
    assert walk.load(street(version=2)) == ["patrol_fault_ended"]
    assert walk.town.committed.decisions[-1].notices[-1].text.endswith("the shift is over")
    assert walk.is_in(PatrolPhase.OFF_TIMETABLE)


# The roster says who walks


def shift(route: str, from_s: int = 0, until_s: int = 3_600) -> Shift:
    begin, end = Micros(START_US + from_s * SECOND_US), Micros(START_US + until_s * SECOND_US)
    return Shift(crew=CrewId("P-1"), from_us=begin, until_us=end, territory=EAST, route=route)


@pytest.mark.parametrize("name", ["Abay", "abay", "АВАУ"])  # by its name or id, in any letters that look the same
def test_roster_puts_a_crew_on_a_route_by_its_name(name: str) -> None:
    walk = Street(street(crews=None))
    walk.begin()
    assert walk.stay(0, 30) + walk.stay(300, 120) == []
    walk.roster(shift(name))
    assert walk.stay(0, 30) == []
    assert walk.stay(300, 120) == ["patrol_off_route"]


@pytest.mark.parametrize("name", ["Dostyk", ""])
def test_roster_with_another_route_or_none_puts_nobody_on_this_one(name: str) -> None:
    walk = Street(street(crews=None))
    walk.begin()
    walk.roster(shift(name))
    assert walk.stay(0, 30) + walk.stay(300, 120) == []


def test_crew_known_after_the_roster_was_read_is_on_its_route() -> None:
    walk = Street(street(crews=None))
    walk.roster(shift("Abay"))
    walk.begin()
    assert walk.stay(0, 30) == []
    assert walk.stay(300, 120) == ["patrol_off_route"]


def test_roster_ends_the_patrol_before_the_timetable_does() -> None:
    walk = Street(street(crews=None))
    walk.begin()
    walk.roster(shift("Abay", 0, 600))
    walk.stay(0, 30)
    assert walk.stay(300, 120) == ["patrol_off_route"]
    assert walk.stay(300, 600) == ["patrol_fault_ended"]
    assert walk.stay(300, 600) == []


def test_restart_before_the_roster_is_read_again_drops_nothing() -> None:
    walk = Street(street(crews=None))
    walk.begin()
    walk.roster(shift("Abay"))
    walk.stay(0, 30)
    assert walk.stay(300, 120) == ["patrol_off_route"]
    again = walk.restart(street(crews=None))
    assert again.stay(300, 120) == []
    assert again.roster(shift("Abay")) == []
    assert again.stay(300, 120) == []
    # And a roster that has it elsewhere ends it.
    assert again.roster(shift("")) == ["patrol_fault_ended"]


def test_route_that_lists_its_crews_is_not_the_rosters_to_give() -> None:
    walk = Street(street(crews=(CrewId("P-2"),)))
    walk.begin()
    walk.roster(shift("Abay"))
    assert walk.stay(0, 30) + walk.stay(300, 120) == []


def test_crew_that_a_route_lists_is_on_it_whatever_the_roster_says() -> None:
    walk = Street(street(), street("other", crews=None, name="Other"))
    walk.begin()
    walk.roster(shift("Other"))
    walk.stay(0, 30)
    walk.roster(shift(""))
    assert walk.stay(300, 120) == ["patrol_off_route"]
