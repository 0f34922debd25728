"""Scenario files: every fault at its line, all files at once; what is written is read again; versions only rise."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.scenario import ByMode, CrewNeed, Scenario, ScenarioError, ScenarioSet, Step
from core.scenario_file import check_succession, read_scenarios, scenario_toml
from core.vocabulary import CategoryCode
from tests.core.scenarios import CAPABILITIES, FILES, FIRE, TABLE, scenarios

SET = read_scenarios(FILES, TABLE)


def faults_of(files: dict[str, str]) -> list[str]:
    try:
        read_scenarios(files, TABLE)
    except ScenarioError as error:
        return list(error.faults)
    return []


def test_read_scenarios_when_files_are_good() -> None:
    fire = SET["fire"]
    assert fire.key == "fire@1"
    assert fire.crews == (CrewNeed("fire", 2), CrewNeed("patrol", 1, 600))
    assert fire.accept.within_s == ByMode(60, 45, 90)
    assert fire.crew.within_s == ByMode.same(30)
    assert fire.accept.steps[1] == Step(0, "tell", "shift_lead", 60, 3)
    assert fire.accept.stop == ("acknowledged", "met")
    assert fire.review.stop == ("met",)
    assert fire.instructions.kk == ("Шығыңыз.", "Есікті жабыңыз.")
    assert [scenario.code for scenario in SET] == ["fire", "other"]
    assert SET.capabilities["patrol"].ru == "Наряд"
    assert SET.places["fire"] == "s/fire.toml:2"


BROKEN = [
    ('"fire", number', '"fier", number', "5: crews[0].capability = 'fier': is not in capabilities.toml; did you mean fire?"),
    ("number = 2", "number = 17", "5: crews[0].number = 17: must be a whole number from 1 to 16"),
    ("number = 2", "number = 0", "5: crews[0].number = 0: must be a whole number from 1 to 16"),
    ("number = 2", "numbre = 2", "5: crews[0].numbre: unknown key; did you mean number?"),
    ("number = 2", "after_s = 700", "6: crews[1].after_s = 600: must be 700 or more, as the line before"),
    ("after_s = 600", "after_s = -1", "6: crews[1].after_s = -1: must be a number from 0 to 604800"),
    ("after_s = 600", "after_s = nan", "6: crews[1].after_s = nan: must be a number from 0 to 604800"),
    (
        'number = 2 },\n  { capability = "patrol", after_s = 600 }',
        'number = 16 }, { capability = "fire" }',
        "4: crews: 17 crews at the same time; must be at most 16",
    ),
    ('code = "fire"', 'code = "other"', "1: code = 'other': must be the file's name, fire"),
    (
        'code = "fire"',
        'code = "fires"',
        "1: code = 'fires': is no category of the centre; did you mean fire?|1: code = 'fires': must be the file's name, fire",
    ),
    ('code = "fire"', 'code = "Fire"', "1: code = 'Fire': must be lower-case letters, digits and _"),
    ("version = 1", "version = 0", "2: version = 0: must be a whole number from 1 to 1000000"),
    ("version = 1\n", "", "1: version: is missing"),
    ('sources = ["NFPA 1710"]', "sources = []", "3: sources: has 0 entries; must have 1 to 32"),
    ('"NFPA 1710"', '""', "3: sources[0] = '': must be text of 1 to 240 characters"),
    (
        'to = "duty_officer"',
        'to = "boss"',
        "8: informed[0].to = 'boss': must be shift_lead, duty_officer, level_above or person:ID",
    ),
    (
        'when = "opened" }]',
        'when = "opening" }]',
        "8: informed[0].when = 'opening': must be one of assigned, closed, on_scene, opened",
    ),
    (
        'when = "opened" }]',
        'when = "opened" }, { to = "duty_officer", when = "opened" }]',
        "8: informed[1]: duty_officer is told when opened already",
    ),
    ("missing_s = 300", "priority = 10", "9: level_above.priority = 10: must be a whole number from 0 to 9"),
    (
        "heightened = 45",
        "heightend = 45",
        "12: accept.within_s.heightend: unknown key; did you mean heightened?|12: accept.within_s.heightened: is missing",
    ),
    ("daily = 60", "daily = 0", "12: accept.within_s.daily = 0: must be a number above 0, up to 604800"),
    ("daily = 60", 'daily = "60"', "12: accept.within_s.daily = '60': must be a number"),
    ("within_s = 30", "within_s = 0", "20: crew.within_s = 0: must be a number above 0, up to 604800"),
    ("within_s = 30", "within_s = nan", "20: crew.within_s = nan: must be a number above 0, up to 604800"),
    (
        "within_s = 30\n",
        'within_s = "30"\n',
        "20: crew.within_s = '30': must be a number, or a table of daily, heightened, emergency",
    ),
    ("within_s = 30\n", "", "19: crew.within_s: is missing"),
    (
        'do = "next_crew"',
        'do = "call_crew"',
        "14: accept.steps[0].do = 'call_crew': must be one of ask_level_above, next_crew, tell",
    ),
    (
        'after_s = 0, do = "next_crew"',
        'after_s = 9, do = "next_crew"',
        "15: accept.steps[1].after_s = 0: must be 9 or more, as the step before",
    ),
    (
        'do = "tell", to = "shift_lead", ',
        'do = "tell", ',
        "15: accept.steps[1].to: tell needs shift_lead, duty_officer, level_above or person:ID",
    ),
    (
        'do = "ask_level_above"',
        'do = "ask_level_above", to = "shift_lead"',
        "16: accept.steps[2].to = 'shift_lead': ask_level_above has none",
    ),
    (
        'to = "person:duty-7"',
        'to = "person:"',
        "21: crew.steps[0].to = 'person:': must be shift_lead, duty_officer, level_above or person:ID",
    ),
    ("repeat_s = 60, ", "", "15: accept.steps[1].repeat_s: must be above 0 where the other of repeat_s and repeats is"),
    (", repeats = 3", "", "15: accept.steps[1].repeats: must be above 0 where the other of repeat_s and repeats is"),
    (
        'steps = [{ after_s = 0, do = "tell", to = "person:duty-7" }]',
        "steps = []",
        "21: crew.steps: has 0 entries; must have 1 to 32",
    ),
    ('stop = ["met"]', 'stop = ["seen"]', "31: review.stop[0] = 'seen': must be one of acknowledged, met"),
    ('stop = ["met"]', 'stop = ["met", "met"]', "31: review.stop: met stands there 2 times"),
    (', "Close the door."', "", "36: instructions.en: 1 sentences; must be as many as kk has, 2"),
    ('ru = ["Выходите.", "Закройте дверь."]\n', "", "33: instructions.ru: is missing"),
    ('"Get out."', f'"{"x" * 241}"', f"36: instructions.en[0] = '{'x' * 78}…: must be text of 1 to 240 characters"),
    ("[on_scene]", "[on_scen]", "1: on_scene: is missing|23: on_scen: unknown key; did you mean on_scene?"),
    ("[on_scene]", "[on_scene", "23: is not TOML: Expected ']' at the end of a table declaration (at line 23, column 10)"),
]


@pytest.mark.parametrize(("good", "bad", "faults"), BROKEN)
def test_read_scenarios_when_a_file_is_broken_names_line_field_value_and_what_is_allowed(
    good: str, bad: str, faults: str
) -> None:
    assert FIRE.count(good) >= 1
    assert faults_of({**FILES, "s/fire.toml": FIRE.replace(good, bad, 1)}) == [
        f"s/fire.toml:{fault}" for fault in faults.split("|")
    ]


def test_read_scenarios_when_several_files_are_broken_tells_of_all() -> None:
    assert faults_of(
        {
            "s/capabilities.toml": CAPABILITIES.replace("[capability.patrol]", "[capability.Patrol]"),
            "s/fire.toml": FIRE.replace("version = 1", "version = -1").replace("number = 2", "number = 99"),
            "s/flood.toml": FIRE,
        }
    ) == [
        "s/capabilities.toml:5: capability.Patrol: a key must be a capability: lower-case letters, digits and _",
        "s/fire.toml:2: version = -1: must be a whole number from 1 to 1000000",
        "s/fire.toml:5: crews[0].number = 99: must be a whole number from 1 to 16",
        "s/flood.toml:1: code = 'fire': must be the file's name, flood",
        "other.toml: is missing; category other needs a scenario",
    ]


def test_read_scenarios_when_capabilities_are_missing() -> None:
    files = {file: text for file, text in FILES.items() if "capabilities" not in file}
    assert faults_of(files) == ["capabilities.toml: is missing; it names the centre's capabilities"]


def test_read_scenarios_when_older_ones_are_given_knows_them() -> None:
    older = msgspec.structs.replace(SET["fire"], version=7)
    assert read_scenarios(FILES, TABLE, [older]).at("fire@7") is older


@given(scenarios("fire"))
def test_scenario_toml_when_read_again_is_the_same_scenario(scenario: Scenario) -> None:
    assert read_scenarios({**FILES, "s/fire.toml": scenario_toml(scenario)}, TABLE)["fire"] == scenario


@given(st.data())
def test_read_scenarios_when_a_file_is_cut_about_gives_a_set_or_faults_of_that_file(data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(FIRE)))
    text = FIRE[:place] + data.draw(st.text(max_size=6)) + FIRE[place + data.draw(st.integers(0, 40)) :]
    assert all(fault.startswith("s/fire.toml:") for fault in faults_of({**FILES, "s/fire.toml": text}))


def new_set(scenario: Scenario) -> ScenarioSet:
    return ScenarioSet([scenario, SET["other"]], TABLE, SET.capabilities, places={"fire": "s/fire.toml:2"})


@pytest.mark.parametrize(
    ("stored", "version", "changed", "faults"),
    [
        ((), 1, True, []),
        ((1,), 1, False, []),
        ((1,), 2, True, []),
        ((1,), 2, False, []),
        ((1,), 1, True, ["s/fire.toml:2: version = 1: was in use with other content; must be 2 or more"]),
        ((1, 3, 2), 4, True, []),
        ((1, 3, 2), 3, False, []),
        ((1, 3, 2), 3, True, ["s/fire.toml:2: version = 3: was in use with other content; must be 4 or more"]),
        ((1, 3, 2), 2, False, ["s/fire.toml:2: version = 2: is older than the one in use; must be 4 or more"]),
    ],
)
def test_check_succession_when_content_changes_wants_a_higher_version(
    stored: tuple[int, ...], version: int, changed: bool, faults: list[str]
) -> None:
    old = [msgspec.structs.replace(SET["fire"], version=one) for one in stored]
    new = msgspec.structs.replace(SET["fire"], version=version, crews=() if changed else SET["fire"].crews)
    assert check_succession(old, new_set(new)) == faults


def test_check_succession_when_category_is_gone_or_new_says_nothing() -> None:
    gone = msgspec.structs.replace(SET["fire"], code=CategoryCode("flood"))
    assert check_succession([gone], SET) == []
