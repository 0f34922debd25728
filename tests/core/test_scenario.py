"""Scenarios as values: waves, keys, modes, and a set that knows the current and the older ones."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given

from core.scenario import ByMode, CrewNeed, Scenario, ScenarioError, ScenarioSet, Wave
from core.scenario_file import read_scenarios
from core.vocabulary import CategoryCode, Mode
from tests.core.scenarios import FILES, TABLE, scenarios

SET = read_scenarios(FILES, TABLE)


def with_crews(*crews: CrewNeed) -> Scenario:
    return msgspec.structs.replace(SET["fire"], crews=crews)


@pytest.mark.parametrize(
    ("crews", "needs", "later"),
    [
        ((), (), ()),
        ((CrewNeed("fire", 2), CrewNeed("ambulance")), ("fire", "fire", "ambulance"), ()),
        ((CrewNeed("fire"), CrewNeed("gas", 2, 60)), ("fire",), (Wave(60, ("gas", "gas")),)),
        (
            (CrewNeed("gas", 1, 60), CrewNeed("patrol", 1, 30), CrewNeed("fire", 1, 60)),
            (),
            (Wave(30, ("patrol",)), Wave(60, ("gas", "fire"))),
        ),
    ],
)
def test_needs_when_crews_are_asked_for_in_waves(
    crews: tuple[CrewNeed, ...], needs: tuple[str, ...], later: tuple[Wave, ...]
) -> None:
    scenario = with_crews(*crews)
    assert scenario.needs == needs
    assert scenario.later == later


@given(scenarios())
def test_needs_and_later_when_scenario_is_any_are_all_its_crews(scenario: Scenario) -> None:
    assert len(scenario.needs) + sum(len(wave.needs) for wave in scenario.later) == sum(need.number for need in scenario.crews)
    delays = [wave.after_s for wave in scenario.later]
    assert delays == sorted(set(delays))
    assert all(delay > 0 for delay in delays)


@given(scenarios())
def test_scenario_when_stored_as_json_is_read_back_the_same(scenario: Scenario) -> None:
    assert msgspec.json.decode(msgspec.json.encode(scenario), type=Scenario) == scenario


@pytest.mark.parametrize(("mode", "value"), [(Mode.DAILY, 1.0), (Mode.HEIGHTENED, 2.0), (Mode.EMERGENCY, 3.0)])
def test_at_when_mode_is(mode: Mode, value: float) -> None:
    assert ByMode(1, 2, 3).at(mode) == value
    assert ByMode.same(7).at(mode) == 7


def test_serving_when_category_has_no_scenario_keeps_all_but_code_and_crews() -> None:
    scenario = SET["fire"].serving(CategoryCode("flood"), ("rescue", "patrol", "rescue"))
    assert scenario.key == "flood@1"
    assert sorted(scenario.needs) == ["patrol", "rescue", "rescue"]
    assert scenario.later == ()
    assert scenario.accept == SET["fire"].accept


def test_set_when_asked_by_code_or_key() -> None:
    older = msgspec.structs.replace(SET["fire"], version=2, crews=())
    current = msgspec.structs.replace(SET["fire"], version=3)
    known = ScenarioSet([current, SET["other"]], TABLE, SET.capabilities, older=[older])
    assert known["fire"] is current
    assert known.at("fire@3") is current
    assert known.at("fire@2") is older
    assert known.at("fire@1") is current, "a version that nobody knows any more gives way to the current one"
    assert known["long gone"] is known.at("long gone@7") is SET["other"], "as the table's default category does"
    assert list(known) == [current, SET["other"]]
    assert len(known) == 2


@pytest.mark.parametrize(
    ("given_ones", "faults"),
    [
        ([SET["fire"]], ("category other has no scenario",)),
        ([SET["fire"], SET["fire"], SET["other"]], ("category fire has two scenarios",)),
        (
            [SET["fire"], msgspec.structs.replace(SET["other"], code=CategoryCode("flood"))],
            ("scenario flood: there is no such category", "category other has no scenario"),
        ),
    ],
)
def test_set_when_scenarios_are_not_those_of_the_table(given_ones: list[Scenario], faults: tuple[str, ...]) -> None:
    with pytest.raises(ScenarioError) as raised:
        ScenarioSet(given_ones, TABLE, {})
    assert raised.value.faults == faults
