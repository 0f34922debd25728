"""An engine that fails on a part of what time does, or on what is to come into force: the lives after it do without, and serve.

The whole centre lives life after life in one process, on virtual time; what is planted fails in each of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, NoReturn

import msgspec
import pytest
import trio
from trio.testing import MockClock

from core import engine as engine_module
from core.centre import Centre, Ended
from core.decisions import Decisions
from core.duty_watch import DutyWatch
from core.engine import Engine
from core.events import AnyEvent, Call, CrewStatus
from core.inlet import Inlet
from core.instant import SECOND_US, Micros, to_datetime
from core.patrol import PatrolRoute
from core.patrol_watch import Patrols
from core.patrolling import Patrolling
from core.ports import Choice, Demand, Subscriber
from core.quarantine import EngineFaultError, Quarantine
from core.roster.model import Roster, Shift
from core.scenario import ScenarioSet
from core.signal import SignalWatch
from core.telling import Happened
from core.vocabulary import CrewId, Part
from routing.crew_index import CrewTree
from routing.patrol_routes import RouteShapes
from tests.core.patrol_town import street
from tests.core.town import EASTERN, ELSEWHERE, PLAIN_SCENARIOS, SPOT, START_US, Committed, chunk
from tests.simulation.places import CATEGORIES, EAST, LONG, RULES, AddressTable, Halves, scenarios
from tests.simulation.planted import replaced

LIFE_S: Final = 60.0
"""How long a life is let live: longer than a crew takes to be lost."""
MAKERS: Final = " (the engine has failed on it; its makers must see the log)"
ROUTES: Final = (street(),)
OTHER_ROUTES: Final = (street("other"),)
OTHER_SCENARIOS: Final = scenarios(LONG)


def shift(crew: str, territory: str = "") -> Shift:
    first_us, last_us = Micros(START_US - 3600 * SECOND_US), Micros(START_US + 3600 * SECOND_US)
    return Shift(crew=CrewId(crew), from_us=first_us, until_us=last_us, territory=territory, capabilities=("patrol",))


ROSTER: Final = Roster(shifts=(shift("P-1"),))
OTHER_ROSTER: Final = Roster(shifts=(shift("P-1", EAST),))


class Process:
    """One process: a life after another until one is not ended by a fault, each begun as `ops.life` begins it."""

    def __init__(self) -> None:
        self.committed = Committed()
        self.quarantine = Quarantine()
        self.scenarios = PLAIN_SCENARIOS
        self.roster = ROSTER
        self.routes: tuple[PatrolRoute, ...] = ROUTES
        self.lives = 0
        self.faults: list[str] = []
        self.now_us = START_US
        self.engine: Engine | None = None
        self.make_index: Callable[[], CrewTree] = CrewTree
        self._stream: dict[str, list[AnyEvent]] = {}

    def say(self, source: str, *events: AnyEvent) -> None:
        self._stream.setdefault(source, []).extend(events)

    def number(self, source: str) -> int:
        return len(self._stream.get(source, ())) + 1

    async def run(self, lives_max: int = 8) -> Centre:
        """Lives until a life goes well for a minute; what is to come into force then comes a second after its beginning."""
        for _ in range(lives_max):
            self.lives += 1
            centre = await self._live()
            if centre is not None:
                return centre
        raise AssertionError(f"no end after {lives_max} lives: {self.faults}")

    async def _live(self) -> Centre | None:
        began_s, began_us = trio.current_time(), self.now_us
        routes = self.quarantine.begin(Part.PATROLS, self.routes)
        begun = self.quarantine.begin(Part.SCENARIOS, self.scenarios)
        self.engine = Engine(
            RULES,
            CATEGORIES,
            begun if isinstance(begun, ScenarioSet) else self.scenarios,
            AddressTable(),
            Halves(),
            self.make_index(),
            self.committed.recovered(),
            self.quarantine.left_out,
            Patrols(routes, RouteShapes(routes)) if isinstance(routes, tuple) else None,
        )
        inlet = Inlet()
        for source, events in self._stream.items():
            left = [event for event in events if event.seq > self.committed.high_water.get(source, 0)]
            if left:
                inlet.offer(chunk(source, *left))

        def now_us() -> Micros:
            self.now_us = began_us + round((trio.current_time() - began_s) * SECOND_US)
            return Micros(self.now_us)

        centre = Centre(
            self.engine,
            inlet,
            now_us=now_us,
            lookup=self._lookup,
            commit=self._commit,
            committed=self.committed.take,
            region="KZ",
            quarantine=self.quarantine,
        )
        centre.load(roster=self.roster)
        failed_before = len(self.faults)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(centre.run)
                await trio.sleep(LIFE_S)
                centre.finish()
        except* EngineFaultError as group:
            self.faults += [str(error) for error in leaves(group)]
        return centre if len(self.faults) == failed_before else None

    async def _lookup(self, phones: list[str]) -> dict[str, Subscriber]:
        raise AssertionError(f"nobody calls by phone here: {phones}")

    def _commit(self, _: Decisions, ended: Ended) -> None:
        trio.lowlevel.current_trio_token().run_sync_soon(ended, None)

    def told(self) -> list[str]:
        """What the shift lead's screen was told to be left out."""
        return [one.text for each in self.committed.decisions for one in each.notices if one.term == "left_out"]

    def keys(self, happened: Happened) -> list[str]:
        """Keys of tellings, each as often as it was decided."""
        return [one.key for each in self.committed.decisions for one in each.tellings if one.template is happened]

    def serves(self) -> bool:
        """Whether to each incident a crew has been sent."""
        return self.committed.incidents.keys() == {one.incident_id for one in self.committed.assignments.values()}


def leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        yield from leaves(error) if isinstance(error, BaseExceptionGroup) else (error,)


def process_with_a_call() -> Process:
    process = Process()
    at = to_datetime(START_US)
    process.say("crews", CrewStatus(seq=1, at=at, crew="P-1", status="free", capabilities=("patrol",), fix=SPOT))
    process.say("phone", Call(seq=1, at=at, words="fight", fix=SPOT))
    return process


def fail(*_: object, **__: object) -> NoReturn:
    raise ZeroDivisionError("planted")


@contextmanager
def failing(owner: object, name: str, when: Callable[..., bool] = lambda *_: True) -> Iterator[None]:
    """A function that fails, or fails for some of its arguments."""
    right = getattr(owner, name)

    def planted(*given: object, **named: object) -> object:
        return fail() if when(*given) else right(*given, **named)

    wrong = property(fail) if isinstance(right, property) else planted
    with replaced(owner, name, wrong):
        yield


@pytest.mark.parametrize(
    ("owner", "name", "part"),
    [
        (engine_module, "note_silence", Part.SIGNALS),
        (SignalWatch, "judge", Part.SIGNALS),
        (SignalWatch, "next_due_us", Part.SIGNALS),
        (DutyWatch, "look", Part.ROSTER),
        (DutyWatch, "next_due_us", Part.ROSTER),
        (Patrolling, "look", Part.PATROLS),
        (Patrols, "next_due_us", Part.PATROLS),
        (Patrols, "changes", Part.PATROLS),
        (engine_module, "relieve", Part.RELIEF),
    ],
    ids=lambda value: getattr(value, "value", getattr(value, "__name__", value)),
)
async def test_part_on_which_the_engine_fails_is_left_out_and_calls_are_served(
    owner: object, name: str, part: Part, autojump_clock: MockClock
) -> None:
    del autojump_clock
    process = process_with_a_call()
    await process.run()
    assert process.lives == 1 and process.serves() and not process.told()
    # It has not answered, and says now that it is there.
    process.say("crews", CrewStatus(seq=2, at=to_datetime(process.now_us), crew="P-1", status="free"))
    process.say("phone", Call(seq=2, at=to_datetime(process.now_us), words="burglar", fix=SPOT))
    with failing(owner, name):
        centre = await process.run()
        assert process.lives == 3, "one life finds out, the next one does without"
        assert centre is not None
        assert process.committed.high_water == {"crews": 2, "phone": 2}
        assert len(process.committed.incidents) == 2 and process.serves()
        assert f"{part.value}: left out" in process.faults[0] and "planted" in process.faults[0]
        assert process.told() == [f"the centre does without {part.value} until it is restarted{MAKERS}"]
        (key,) = process.keys(Happened.PART_LEFT_OUT)
        await process.run()
    assert process.lives == 4, "and so does every life after it"
    assert len(process.told()) == 2, "a life that works without says so"
    assert process.keys(Happened.PART_LEFT_OUT) == [key, key], "and by the other channels it is one telling"
    logged = [entry.fact for each in process.committed.decisions for entry in each.centre_log]
    assert logged.count("left_out") == 2


async def test_parts_on_which_the_engine_fails_one_after_the_other_are_all_left_out(autojump_clock: MockClock) -> None:
    del autojump_clock
    process = process_with_a_call()
    await process.run()
    with failing(engine_module, "note_silence"), failing(DutyWatch, "look"), failing(Patrolling, "look"):
        process.say("phone", Call(seq=2, at=to_datetime(process.now_us), words="fire", fix=SPOT))
        await process.run()
    assert process.lives == 5
    assert {one.part for one in process.quarantine.left_out} == {Part.SIGNALS, Part.ROSTER, Part.PATROLS}
    assert process.committed.high_water["phone"] == 2


def brings(value: object) -> Callable[..., bool]:
    """Whether this is among the arguments."""

    def among(given: Iterable[object]) -> bool:
        return any(one == value or (isinstance(one, Patrols) and one.routes == value) for one in given)

    return lambda *given: among(given)


async def test_roster_on_which_the_engine_fails_is_refused_and_the_one_before_stays(autojump_clock: MockClock) -> None:
    del autojump_clock
    process = process_with_a_call()
    await process.run()
    process.roster = OTHER_ROSTER
    with failing(DutyWatch, "load", brings(OTHER_ROSTER)):
        centre = await process.run()
        assert process.lives == 3
        assert not centre.load(roster=OTHER_ROSTER), "as whoever brings it is told"
        assert process.engine is not None
        assert {one.territory for one in process.engine.state.planned.values()} == {""}, "the plan is the one before"
        assert process.told() == [f"new roster not taken: what was before stays{MAKERS}"]
        assert len(process.keys(Happened.NEWS_REFUSED)) == 1
    third = Roster(shifts=(shift("P-1", EAST), shift("P-2")))
    process.roster = third
    await process.run()
    assert process.lives == 4 and process.engine.state.planned.keys() == {"P-1", "P-2"}, "another one is tried"
    assert not process.quarantine.left_out
    assert process.serves()


async def test_scenarios_on_which_the_engine_fails_are_refused_and_those_before_stay(autojump_clock: MockClock) -> None:
    del autojump_clock
    process = process_with_a_call()
    centre = await process.run()

    def is_other(_: object, loaded: ScenarioSet) -> bool:
        return loaded["fire"].version == LONG.version

    with failing(engine_module, "_load_scenarios", is_other):
        centre = await process.run()
        assert centre.load(scenarios=OTHER_SCENARIOS)
        process.scenarios = scenarios(LONG)  # the files are as they are, and are read again
        with pytest.raises(EngineFaultError):
            await centre.run()
        await process.run()
    assert process.engine is not None
    assert {plan.version for plan in process.engine.state.plans._scenarios} == {1}
    assert process.told() == [f"new scenarios not taken: what was before stays{MAKERS}"]
    assert process.serves()


@pytest.mark.parametrize("name", ["__init__", "look"])
async def test_routes_on_which_the_engine_fails_are_refused_and_those_before_stay(name: str, autojump_clock: MockClock) -> None:
    del autojump_clock
    process = process_with_a_call()
    centre = await process.run()

    def is_other(patrolling: Patrolling, *given: object) -> bool:
        patrols = given[0] if name == "__init__" else patrolling.patrols
        return isinstance(patrols, Patrols) and patrols.routes == OTHER_ROUTES

    with failing(Patrolling, name, is_other):
        assert centre.load(patrols=Patrols(OTHER_ROUTES, RouteShapes(OTHER_ROUTES)))
        process.routes = tuple(msgspec.structs.replace(route) for route in OTHER_ROUTES)
        with pytest.raises(EngineFaultError):
            await centre.run()
        await process.run()
        assert process.engine is not None and process.engine._patrolling is not None
        assert process.engine._patrolling.patrols.routes == ROUTES
        assert len(process.keys(Happened.NEWS_REFUSED)) == 1
    assert process.serves()


async def test_first_routes_of_a_process_on_which_the_engine_fails_leave_it_without(autojump_clock: MockClock) -> None:
    del autojump_clock
    process = process_with_a_call()
    with failing(Patrolling, "look"):
        await process.run()
    assert process.lives == 2 and process.serves()
    assert process.engine is not None and process.engine._patrolling is None


class Poisoned(CrewTree):
    """A crew index that fails on the needs of one place."""

    def choose(self, demands: Sequence[Demand], by_road_max: int = 0) -> list[Choice]:
        if any(demand.latitude_deg == ELSEWHERE.latitude_deg for demand in demands):
            fail()
        return super().choose(demands, by_road_max)


async def test_incident_that_no_crew_can_be_found_for_is_left_to_people_and_the_others_are_served(
    autojump_clock: MockClock,
) -> None:
    del autojump_clock
    process = Process()
    at = to_datetime(START_US)
    process.say("phone", Call(seq=1, at=at, words="fight", fix=ELSEWHERE), Call(seq=2, at=at, words="burglar", fix=EASTERN))
    await process.run()
    assert not process.committed.assignments, "there are no crews"
    process.make_index = Poisoned
    process.say("phone", Call(seq=3, at=to_datetime(process.now_us), words="pain", fix=SPOT))
    await process.run()
    # What waits is asked for together by terms, then one need after another, then by people.
    assert {(one.part, one.incident_id) for one in process.quarantine.left_out} == {(Part.TOGETHER, None), (Part.CREWS, 1)}
    assert process.committed.high_water == {"phone": 3}, "no event is blamed"
    at = to_datetime(process.now_us)
    process.say("crews", CrewStatus(seq=1, at=at, crew="P-1", status="free", capabilities=("patrol",), fix=ELSEWHERE))
    lives = process.lives
    await process.run()
    assert process.lives == lives + 1
    assert [one.incident_id for one in process.committed.assignments.values()] == [2]


async def test_crew_that_frees_is_not_blamed_for_the_need_on_which_the_engine_fails(autojump_clock: MockClock) -> None:
    del autojump_clock
    process = Process()
    at = to_datetime(START_US)
    process.say("phone", Call(seq=1, at=at, words="fight", fix=ELSEWHERE))
    await process.run()
    process.make_index = Poisoned
    process.say("crews", CrewStatus(seq=1, at=at, crew="P-1", status="free", capabilities=("patrol",), fix=SPOT))
    await process.run()
    assert [(one.part, one.incident_id) for one in process.quarantine.left_out] == [(Part.CREWS, 1)]
    assert process.committed.crews.keys() == {"P-1"}


async def test_call_on_which_finding_a_crew_fails_is_refused_like_any_other(autojump_clock: MockClock) -> None:
    del autojump_clock
    process = Process()
    process.make_index = Poisoned
    at = to_datetime(START_US)
    process.say("phone", Call(seq=1, at=at, words="fight", fix=ELSEWHERE), Call(seq=2, at=at, words="burglar", fix=EASTERN))
    await process.run()
    assert len(process.committed.incidents) == 1 and not process.quarantine.left_out
