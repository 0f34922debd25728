"""The crew index against an oracle that looks at every crew and tries every assignment, and the cases that have names."""

from __future__ import annotations

from math import inf, nan

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from msgspec.structs import replace

from core.limits import PASSED_OVER_MAX
from core.ports import Choice, CrewIndex, Demand
from core.vocabulary import AssignReason, CrewNo
from routing.crew_index import NOBODY_TOLD_MAX, CrewTree
from routing.moving_points import MovingPoints
from tests.routing.crew_oracle import Oracle, OracleCrew

CAPABILITIES = ("patrol", "fire", "gas")
TERRITORIES = ("", "kz", "kz/almaty", "kz/almaty/medeu", "kz/astana")
HINDRANCES = (None, None, None, AssignReason.NOT_FREE, AssignReason.OFF_DUTY, AssignReason.STALE_POSITION)
REGIONS = {
    "spot": (43.2, 76.9, 0.0),
    "city": (43.2, 76.9, 0.2),
    "antimeridian": (-17.0, 180.0, 1.0),
    "pole": (89.9, 0.0, 180.0),
}


class IndexMachine(RuleBasedStateMachine):
    """Any sequence of calls: three indexes that build trees at different moments answer as the oracle does, and alike."""

    @initialize(region=st.sampled_from(sorted(REGIONS)), seed=st.integers(0, 2**32), crews=st.integers(1, 40))
    def start(self, region: str, seed: int, crews: int) -> None:
        self.region = REGIONS[region]
        self.rng = np.random.default_rng(seed)
        self.oracle = Oracle()
        self.indexes = [CrewTree(), CrewTree(MovingPoints(1, 0), 0), CrewTree(MovingPoints(4, 2), 2)]
        for _ in range(crews):
            self.put_new()
        for crew_no in range(crews):
            self.set_availability(crew_no, int(self.rng.integers(len(HINDRANCES))))
        self.move(list(range(crews)))

    def place(self) -> tuple[float, float]:
        latitude_deg, longitude_deg, spread_deg = self.region
        latitude_deg += self.rng.uniform(-1, 1) * min(spread_deg, 0.1)
        longitude_deg += self.rng.uniform(-1, 1) * spread_deg
        return latitude_deg, (longitude_deg + 180.0) % 360.0 - 180.0

    def profile(self) -> OracleCrew:
        able = [capability for capability in CAPABILITIES if self.rng.random() < 0.6]
        return OracleCrew(able, TERRITORIES[self.rng.integers(len(TERRITORIES))], bool(self.rng.random() < 0.3))

    @rule()
    def put_new(self) -> None:
        crew = self.profile()
        for index in self.indexes:
            index.put(CrewNo(len(self.oracle.crews)), crew.capabilities, crew.territory, outside=crew.outside)
        self.oracle.crews.append(crew)

    @rule(crew_no=st.integers(0, 1000))
    def put_again(self, crew_no: int) -> None:
        crew_no %= len(self.oracle.crews)
        crew, known = self.profile(), self.oracle.crews[crew_no]
        known.capabilities, known.territory, known.outside = crew.capabilities, crew.territory, crew.outside
        for index in self.indexes:
            index.put(CrewNo(crew_no), crew.capabilities, crew.territory, outside=crew.outside)

    @rule(crew_no=st.integers(0, 1000), which=st.integers(0, len(HINDRANCES) - 1))
    def set_availability(self, crew_no: int, which: int) -> None:
        crew_no %= len(self.oracle.crews)
        self.oracle.crews[crew_no].hindrance = HINDRANCES[which]
        for index in self.indexes:
            index.set_availability(CrewNo(crew_no), HINDRANCES[which])

    @rule(crews=st.lists(st.integers(0, 1000), min_size=1, max_size=20))
    def move(self, crews: list[int]) -> None:
        rows = sorted({crew_no % len(self.oracle.crews) for crew_no in crews})
        places = [self.place() if self.rng.random() < 0.95 else (nan, 0.0) for _ in rows]
        for row, (latitude_deg, longitude_deg) in zip(rows, places, strict=True):
            self.oracle.crews[row].latitude_deg, self.oracle.crews[row].longitude_deg = latitude_deg, longitude_deg
        for index in self.indexes:
            index.move(np.array(rows), np.array([place[0] for place in places]), np.array([place[1] for place in places]))

    @rule(count=st.integers(1, 7))
    def choose(self, count: int) -> None:
        demands = []
        for key in range(count):
            latitude_deg, longitude_deg = self.place()
            excluded = self.rng.integers(0, len(self.oracle.crews), self.rng.integers(0, 3)).tolist()
            demands.append(
                Demand(
                    key * 10,
                    latitude_deg,
                    longitude_deg,
                    CAPABILITIES[self.rng.integers(len(CAPABILITIES))],
                    TERRITORIES[self.rng.integers(len(TERRITORIES))],
                    int(self.rng.integers(1, 3)),
                    frozenset(CrewNo(no) for no in excluded),
                )
            )
        choices = self.indexes[0].choose(demands)
        self.oracle.check(demands, choices)
        for index in self.indexes[1:]:
            assert to_micrometres(index.choose(demands)) == to_micrometres(choices)


def to_micrometres(choices: list[Choice]) -> list[Choice]:
    """Choices without the last digits of their distances: arcsines of arrays and of single numbers differ in them."""
    return [
        replace(
            choice,
            distance_m=round(choice.distance_m, 6),
            passed_over=tuple(replace(one, distance_m=round(one.distance_m, 6)) for one in choice.passed_over),
        )
        for choice in choices
    ]


TestIndexMachine = IndexMachine.TestCase
TestIndexMachine.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)


def index_of(*crews: tuple[str, str, float]) -> CrewTree:
    """Free crews on one meridian: capability, territory, and how many thousandths of a degree north of latitude 43."""
    index = CrewTree()
    for crew_no, (capability, territory, _) in enumerate(crews):
        index.put(CrewNo(crew_no), [capability], territory, outside=False)
        index.set_availability(CrewNo(crew_no), None)
    north = np.array([43.0 + crew[2] / 1000 for crew in crews])
    index.move(np.arange(len(crews)), north, np.full(len(crews), 76.9))
    return index


def fire(key: int = 0, north: float = 0.0, priority: int = 1, excluded: frozenset[CrewNo] = frozenset()) -> Demand:
    return Demand(key, 43.0 + north / 1000, 76.9, "fire", "kz/almaty/medeu", priority, excluded)


def told(choice: Choice) -> list[tuple[int, AssignReason]]:
    return [(nearer.crew_no, nearer.reason) for nearer in choice.passed_over]


def test_index_fills_the_port() -> None:
    index: CrewIndex = CrewTree()
    assert index.choose([], 0) == []


def test_choice_names_every_reason_why_nearer_crews_were_passed_over() -> None:
    index = index_of(
        ("fire", "", 9.0),
        ("fire", "", 1.0),
        ("fire", "", 2.0),
        ("patrol", "", 3.0),
        ("fire", "kz/astana", 4.0),
        ("fire", "", 5.0),
        ("fire", "kz", 6.0),
        ("fire", "kz/almaty", 7.0),
    )
    index.set_availability(CrewNo(1), AssignReason.OFF_DUTY)
    index.set_availability(CrewNo(2), AssignReason.NOT_FREE)
    index.set_availability(CrewNo(6), AssignReason.STALE_POSITION)
    urgent, other = fire(1, north=7.0), fire(2, priority=2, excluded=frozenset({CrewNo(5)}))
    choices = index.choose([other, urgent])
    assert [(choice.key, choice.crew_no) for choice in choices] == [(2, 0), (1, 7)]
    assert choices[1].reason is AssignReason.NEAREST_CAPABLE
    assert choices[1].passed_over == ()
    assert choices[0].reason is AssignReason.BEST_FOR_ALL
    assert told(choices[0]) == [
        (1, AssignReason.OFF_DUTY),
        (2, AssignReason.NOT_FREE),
        (4, AssignReason.OTHER_TERRITORY),
        (5, AssignReason.EXCLUDED),
        (6, AssignReason.STALE_POSITION),
        (7, AssignReason.TAKEN),
    ]
    assert choices[0].passed_over[0].distance_m == pytest.approx(111.2, abs=0.1)
    assert choices[0].distance_m == pytest.approx(1000.8, abs=0.5)


def test_no_more_nearer_crews_are_named_than_the_limit() -> None:
    index = index_of(*(("fire", "kz/astana", float(north)) for north in range(20)), ("fire", "", 50.0))
    (choice,) = index.choose([fire()])
    assert choice.crew_no == 20
    assert told(choice) == [(crew_no, AssignReason.OTHER_TERRITORY) for crew_no in range(PASSED_OVER_MAX)]


def test_crew_without_the_capability_is_of_no_interest_however_near() -> None:
    index = index_of(*(("patrol", "", float(north)) for north in range(100)), ("fire", "", 200.0))
    (choice,) = index.choose([fire()])
    assert (choice.crew_no, choice.reason, choice.passed_over) == (100, AssignReason.NEAREST_CAPABLE, ())


def test_nearest_capable_crews_say_why_nobody_goes() -> None:
    index = index_of(
        ("fire", "", 9.0),
        ("patrol", "", 0.0),
        ("fire", "kz/astana", 1.0),
        ("fire", "", 2.0),
        ("fire", "", 3.0),
        ("fire", "", nan),
    )
    index.set_availability(CrewNo(0), AssignReason.NOT_FREE)
    index.set_availability(CrewNo(3), AssignReason.OFF_DUTY)
    index.set_availability(CrewNo(4), AssignReason.NOT_FREE)
    (choice,) = index.choose([fire()])
    assert (choice.crew_no, choice.reason, choice.distance_m) == (None, AssignReason.NO_CREW, inf)
    assert told(choice) == [(2, AssignReason.OTHER_TERRITORY), (3, AssignReason.OFF_DUTY), (4, AssignReason.NOT_FREE)]
    index.set_availability(CrewNo(4), None)
    first, second, third = index.choose([fire(1), fire(2, priority=2), fire(3, priority=3, excluded=frozenset({CrewNo(4)}))])
    assert first.crew_no == 4
    assert told(second)[2:] == [(4, AssignReason.TAKEN)]
    assert told(third)[2:] == [(4, AssignReason.EXCLUDED)]


def test_only_the_first_few_are_told_when_many_find_nobody() -> None:
    index = index_of(("fire", "kz/astana", 1.0))
    choices = index.choose([fire(key) for key in range(NOBODY_TOLD_MAX + 3)])
    assert [len(choice.passed_over) for choice in choices] == [1] * NOBODY_TOLD_MAX + [0] * 3


def test_two_that_want_one_crew_are_solved_together() -> None:
    index = index_of(("fire", "", 0.0), ("fire", "", 10.0))
    near, far = index.choose([fire(1, north=1.0), fire(2, north=-5.0)])
    assert (near.crew_no, near.reason) == (1, AssignReason.BEST_FOR_ALL)
    assert told(near) == [(0, AssignReason.TAKEN)]
    assert (far.crew_no, far.reason) == (0, AssignReason.NEAREST_CAPABLE)


def test_outside_serves_everywhere_until_it_is_put_anew() -> None:
    index = CrewTree()
    index.put(CrewNo(0), ["fire"], "kz/astana", outside=True)
    index.set_availability(CrewNo(0), None)
    index.move(np.array([0]), np.array([43.0]), np.array([76.9]))
    assert index.choose([fire()])[0].crew_no == 0
    index.put(CrewNo(0), ["fire"], "kz/astana", outside=False)
    assert index.choose([fire()])[0].crew_no is None


def test_new_crew_is_off_duty_and_nowhere() -> None:
    index = CrewTree()
    index.put(CrewNo(0), ["fire"], "", outside=False)
    index.move(np.array([0]), np.array([43.0]), np.array([76.9]))
    assert told(index.choose([fire()])[0]) == [(0, AssignReason.OFF_DUTY)]
    index.put(CrewNo(1), ["fire"], "", outside=False)
    index.set_availability(CrewNo(1), None)
    (choice,) = index.choose([fire()])
    assert (choice.crew_no, choice.reason, told(choice)) == (None, AssignReason.NO_CREW, [(0, AssignReason.OFF_DUTY)])


def test_crew_is_not_chosen_when_its_place_is_lost_and_is_again_when_found() -> None:
    index = index_of(("fire", "", 0.0), ("fire", "", 5.0))
    index.move(np.array([0]), np.array([nan]), np.array([76.9]))
    assert index.choose([fire()])[0].crew_no == 1
    assert index.choose([fire()])[0].passed_over == ()
    index.move(np.array([0]), np.array([43.0]), np.array([76.9]))
    assert index.choose([fire()])[0].crew_no == 0


def test_demand_without_a_place_gets_nobody_and_hinders_nobody() -> None:
    index = index_of(("fire", "", 0.0))
    lost = Demand(1, nan, 76.9, "fire", "", 1)
    assert [choice.crew_no for choice in index.choose([lost, fire(2)])] == [None, 0]


def test_choosing_changes_nothing() -> None:
    index = index_of(("fire", "", 0.0), ("fire", "", 5.0))
    assert index.choose([fire()]) == index.choose([fire()])


@pytest.mark.parametrize("crew_no", [-1, 2])
def test_unknown_crew_is_refused(crew_no: int) -> None:
    index = index_of(("fire", "", 0.0), ("fire", "", 5.0))
    with pytest.raises(IndexError):
        index.set_availability(CrewNo(crew_no), None)
    with pytest.raises(IndexError):
        index.move(np.array([0, crew_no]), np.array([10.0, 10.0]), np.array([76.9, 76.9]))
    with pytest.raises(IndexError):
        index.put(CrewNo(crew_no if crew_no < 0 else 3), [], "", outside=False)
    assert index.choose([fire()])[0].crew_no == 0


def test_homes_are_forgotten_when_crews_change_theirs_for_ever() -> None:
    index = index_of(("fire", "", 0.0), ("fire", "kz/almaty", 5.0))
    for change in range(1_000):
        index.put(CrewNo(0), ["patrol", f"skill-{change}"], f"kz/{change}", outside=False)
    assert index.homes <= 4
    assert index.choose([fire()])[0].crew_no == 1
    index.put(CrewNo(0), ["fire"], "kz/almaty/medeu", outside=False)
    assert index.choose([fire()])[0].crew_no == 0


def test_answers_do_not_depend_on_when_trees_are_built_in_a_large_fleet() -> None:
    rng = np.random.default_rng(11)
    count = 4_000
    indexes = [CrewTree(), CrewTree(MovingPoints(64, 0)), CrewTree(MovingPoints(64, 10**9))]
    for crew_no in range(count):
        capability = CAPABILITIES[int(rng.choice(3, p=[0.8, 0.17, 0.03]))]
        hindrance = HINDRANCES[rng.integers(len(HINDRANCES))]
        territory = TERRITORIES[rng.integers(len(TERRITORIES))]
        for index in indexes:
            index.put(CrewNo(crew_no), [capability], territory, outside=False)
            index.set_availability(CrewNo(crew_no), hindrance)
    north, east = rng.uniform(43, 43.4, count), rng.uniform(76.7, 77.1, count)
    for index in indexes:
        index.move(np.arange(count), north, east)
    for _ in range(15):
        rows = rng.permutation(count)[:300]
        north[rows] += rng.normal(0, 0.002, 300)
        east[rows] += rng.normal(0, 0.002, 300)
        demands = [
            Demand(key, *place, CAPABILITIES[rng.integers(3)], TERRITORIES[rng.integers(5)], int(rng.integers(1, 4)))
            for key, place in enumerate(
                zip(rng.uniform(43, 43.4, 30).tolist(), rng.uniform(76.7, 77.1, 30).tolist(), strict=True)
            )
        ]
        answers = []
        for index in indexes:
            index.move(rows, north[rows], east[rows])
            answers.append(index.choose(demands))
        assert answers[0] == answers[1] == answers[2]
    once, always, never = (index.tree_builds for index in indexes)
    assert once == 1 < 15 <= always
    assert never == 0
