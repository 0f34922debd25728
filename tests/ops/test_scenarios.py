"""The shipped scenarios hold what they promise, in three languages; a folder is read whole; the commands show and check."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from core.category import load_categories
from core.scenario import Chain, CrewNeed, Informed, Instructions, LevelAbove, Scenario, ScenarioError, Step
from core.scenario_file import CHAINS, scenario_toml
from core.vocabulary import Mode
from ops.cli import main
from ops.scenarios import load_scenarios

TABLE = load_categories()
SHIPPED = load_scenarios(None, TABLE)
FOLDER = Path(__file__).parents[2] / "core" / "scenarios"
KAZAKH_ONLY = re.compile("[әғқңөұүһіӘҒҚҢӨҰҮҺІ]")


def every(scenarios: list[Scenario]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("scenario", scenarios, ids=lambda scenario: scenario.key)


def own_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "scenarios"
    folder.mkdir()
    for file in FOLDER.glob("*.toml"):
        (folder / file.name).write_bytes(file.read_bytes())
    return folder


def test_shipped_set_when_loaded_has_every_category_in_its_order() -> None:
    assert [scenario.code for scenario in SHIPPED] == list(TABLE)


@every(list(SHIPPED))
def test_first_wave_when_shipped_is_what_the_category_needs(scenario: Scenario) -> None:
    assert scenario.needs == TABLE[scenario.code].needs


@every(list(SHIPPED))
def test_instructions_when_shipped_are_in_three_languages(scenario: Scenario) -> None:
    said = scenario.instructions
    assert len(said.kk) >= 5
    for kk, ru, en in zip(said.kk, said.ru, said.en, strict=True):
        assert re.search("[а-я]", kk)
        assert re.search("[а-я]", ru)
        assert not KAZAKH_ONLY.search(ru)
        assert not re.search("[а-яА-Я]", en)
        assert {kk[-1], ru[-1], en[-1]} <= {".", "?"}
    assert all(KAZAKH_ONLY.search(kk) for kk in said.kk)
    # A dispatcher reads them in one breath each, and the caller has to remember them.
    assert max(map(len, (*said.kk, *said.ru, *said.en))) <= 200


@every(list(SHIPPED))
def test_terms_when_shipped_are_no_longer_in_heightened_mode_and_tell_somebody_at_once(scenario: Scenario) -> None:
    for name in CHAINS:
        chain = getattr(scenario, name)
        assert chain.within_s.at(Mode.HEIGHTENED) <= chain.within_s.at(Mode.DAILY)
        assert any(step.after_s == 0 and step.to == "shift_lead" for step in chain.steps)
        assert len({step.to for step in chain.steps if step.to}) >= 2, "who does not answer is not the only one told"


@pytest.mark.parametrize(("code", "within_s"), [("cardiac", 600), ("medical", 900)])
def test_arrival_when_ambulance_is_first_is_the_term_of_its_urgency(code: str, within_s: float) -> None:
    assert SHIPPED[code].on_scene.within_s.daily == within_s
    assert any("ДСМ-225/2020" in source for source in SHIPPED[code].sources)


def test_capabilities_when_shipped_have_three_names() -> None:
    assert set(SHIPPED.capabilities) == {"ambulance", "fire", "rescue", "patrol", "gas"}
    for name in SHIPPED.capabilities.values():
        assert re.search("[а-я]", name.kk)
        assert re.search("[а-я]", name.ru)
        assert name.en.isascii()


def test_readme_of_the_folder_names_every_field() -> None:
    told = set(re.findall(r"`([a-z_]+)`", (FOLDER / "README.md").read_text(encoding="utf-8")))
    structs = (Scenario, CrewNeed, Informed, LevelAbove, Chain, Step, Instructions)
    assert {field.name for struct in structs for field in msgspec.structs.fields(struct)} - told == set()


def test_load_scenarios_when_folder_is_the_centres_own(tmp_path: Path) -> None:
    folder = own_folder(tmp_path)
    (folder / "README").write_text("no scenario", encoding="utf-8")
    loaded = load_scenarios(folder, TABLE)
    assert list(loaded) == list(SHIPPED)
    assert loaded.places["fire"].startswith(f"{folder}/fire.toml:")


@pytest.mark.parametrize("scenario", list(SHIPPED), ids=lambda scenario: scenario.key)
def test_scenario_toml_when_scenario_is_shipped_is_read_again(scenario: Scenario, tmp_path: Path) -> None:
    folder = own_folder(tmp_path)
    (folder / f"{scenario.code}.toml").write_text(scenario_toml(scenario), encoding="utf-8")
    assert load_scenarios(folder, TABLE)[scenario.code] == scenario


def test_load_scenarios_when_folder_or_file_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="nowhere: cannot be read: No such file"):
        load_scenarios(tmp_path / "nowhere", TABLE)
    folder = own_folder(tmp_path)
    (folder / "fire.toml").write_bytes(b"# one\n# \xff\n")
    with pytest.raises(ScenarioError) as raised:
        load_scenarios(folder, TABLE)
    assert raised.value.faults == (f"{folder}/fire.toml:2: is not UTF-8 text",)


def test_check_when_scenarios_are_shipped_prints_them_as_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scenarios", "check"]) == 0
    written = capsys.readouterr()
    head, *rows = written.out.splitlines()
    assert head.split() == ["scenario", "at", "once", "later", "accept", "crew", "on", "scene", "review", "sentences"]
    assert [row.split("@")[0] for row in rows] == list(TABLE)
    assert written.err == ""


@pytest.mark.parametrize("configured", [False, True])
def test_check_when_folder_is_wrong_tells_every_fault_and_fails(
    configured: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = own_folder(tmp_path)
    fire = folder / "fire.toml"
    text = fire.read_text(encoding="utf-8").replace("number = 2", "number = 20")
    fire.write_text(text, encoding="utf-8")
    line = next(number for number, row in enumerate(text.splitlines(), 1) if "number = 20" in row)
    (folder / "gas.toml").unlink()
    arguments = ["--set", f"centre.scenarios={folder}"] if configured else [str(folder)]
    assert main(["scenarios", "check", *arguments]) == 1
    written = capsys.readouterr()
    assert written.out == ""
    assert written.err.splitlines() == [
        f"jedel: {fire}:{line}: crews[0].number = 20: must be a whole number from 1 to 16",
        "jedel: gas.toml: is missing; category gas needs a scenario",
    ]


@pytest.mark.parametrize(
    ("language", "said", "crew"),
    [
        ("kk", "Лифтке мінбеңіз, баспалдақпен түсіңіз.", "2 Өрт сөндіру, 1 Жедел жәрдем"),
        ("ru", "Лифтом не пользуйтесь, спускайтесь по лестнице.", "2 Пожарная служба, 1 Скорая помощь"),
        ("en", "Do not take the lift; use the stairs.", "2 Fire engine, 1 Ambulance"),
    ],
)
def test_show_when_language_is(language: str, said: str, crew: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scenarios", "show", "fire", "--language", language]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"fire@1  {getattr(TABLE['fire'].name, language)}"
    assert f"at once: {crew}" in lines
    assert f"  3. {said}" in lines
    assert "  +0 s: tell shift_lead, again every 60 s, 3 times" in lines
    assert "level above: asked when a crew is missing for 240 s" in lines


def test_show_when_category_is_unknown_suggests_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scenarios", "show", "fires"]) == 1
    assert capsys.readouterr().err == "jedel: fires: no such category; did you mean fire?\n"


def test_show_when_scenarios_are_wrong_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = own_folder(tmp_path)
    (folder / "gas.toml").unlink()
    (folder / "road.toml").unlink()
    assert main(["scenarios", "show", "fire", "--set", f"centre.scenarios={folder}"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "category gas needs a scenario; road.toml: is missing" in line
