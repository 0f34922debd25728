"""What records say of a department: counted, not assumed."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from core.category import CategoryTable, load_categories
from ops.cad import Cad, read_cad
from ops.cad_habits import TURNS, Habits, categories_toml
from tests.ops.test_cad import text

MEDIC = {"Unit ID": "85", "Unit Type": "MEDIC"}
ROUTINE = {"Call Number": "2", "Final Priority": "2"}


def cad_of(folder: Path, *changes: dict[str, str]) -> Cad:
    (folder / "cad.csv").write_text(text(*changes))
    return read_cad(folder / "cad.csv")


def test_category_needs_what_its_calls_had_on_average(tmp_path: Path) -> None:
    # Three calls of one kind: an engine at each, medics at two, a second engine at one.
    cad = cad_of(
        tmp_path,
        {}, MEDIC, {"Unit ID": "E01"},
        {"Call Number": "2"}, {"Call Number": "2", **MEDIC},
        {"Call Number": "3"},
    )  # fmt: skip
    category = Habits(cad).categories[0]
    assert category.needs == ("ambulance", "fire")
    assert category.name.en == "Medical Incident / Non Life-threatening, urgent"


def test_category_needs_the_usual_one_when_none_comes_to_a_half(tmp_path: Path) -> None:
    cad = cad_of(
        tmp_path,
        *(
            {"Call Number": str(number), **unit}
            for number, unit in enumerate(({}, {}, MEDIC, {"Unit Type": "TRUCK"}, {"Unit Type": "CHIEF"}))
        ),
    )
    assert Habits(cad).categories[0].needs == ("fire",)


def test_calls_of_another_urgency_are_another_category(tmp_path: Path) -> None:
    cad = cad_of(tmp_path, {}, ROUTINE, {"Call Number": "3", "Call Type": "Alarms", "Call Type Group": ""})
    habits = Habits(cad)
    codes = {call.number: habits.category_of(call) for call in cad.calls}
    assert len(set(codes.values())) == 3
    priorities = {category.code: category.priority for category in habits.categories}
    assert priorities[codes["200983546"]] < priorities[codes["2"]]


def test_categories_are_the_centres_own_when_read_back(tmp_path: Path) -> None:
    habits = Habits(cad_of(tmp_path, {"Call Type": 'Gas "Leak" (Natural)'}, ROUTINE))
    file = tmp_path / "categories.toml"
    file.write_text(categories_toml(habits.categories), encoding="utf-8")
    table = load_categories(file)
    assert isinstance(table, CategoryTable)
    assert [table[category.code] for category in habits.categories] == list(habits.categories)
    assert table.default.code == "other"


def test_calls_of_one_kind_take_turns_at_categories_that_are_alike(tmp_path: Path) -> None:
    cad = cad_of(tmp_path, *({"Call Number": str(number)} for number in range(TURNS + 2)))
    habits = Habits(cad)
    codes = [habits.category_of(call) for call in cad.calls]
    assert len(set(codes[:TURNS])) == TURNS
    assert codes[TURNS:] == codes[:2]
    *turns, other = habits.categories
    assert {category.code for category in turns} == set(codes)
    assert len({msgspec.structs.replace(category, code="x") for category in turns}) == 1
    assert other.code == "other"


def test_stages_are_those_of_the_call_when_it_has_them(tmp_path: Path) -> None:
    cad = cad_of(tmp_path, {}, {"Call Number": "2", "Response DtTm": "04/07/2020 11:56:06 PM"})
    habits = Habits(cad)
    stages = {call.number: habits.stages(call, "fire") for call in cad.calls}
    assert (stages["200983546"].turnout_s, stages["200983546"].work_s) == (146.0, 940.0)
    assert stages["2"].turnout_s == 10.0


def test_stages_are_the_usual_ones_when_the_call_lacks_them(tmp_path: Path) -> None:
    bare = {"Call Number": "2", "Response DtTm": "", "On Scene DtTm": "", "Available DtTm": ""}
    cad = cad_of(tmp_path, {}, bare)
    lacking = next(call for call in cad.calls if call.number == "2")
    habits = Habits(cad)
    assert (habits.stages(lacking, "fire").turnout_s, habits.stages(lacking, "fire").work_s) == (146.0, 940.0)
    # No ambulance is recorded anywhere here.
    assert (habits.stages(lacking, "ambulance").turnout_s, habits.stages(lacking, "ambulance").work_s) == (60.0, 900.0)


@pytest.mark.real
def test_san_francisco_drives_as_a_city_does(real_data: Path) -> None:
    cad = read_cad(real_data / "cad-san-francisco-2020.csv.gz")
    habits = Habits(cad)
    assert 5 < habits.travel.speed_mps < 25
    assert 30 < habits.travel.fixed_s < 300
    able = {capability for unit in cad.units for capability in unit.capabilities}
    assert {need for category in habits.categories for need in category.needs} <= able
    assert {habits.category_of(call) for call in cad.calls} | {"other"} == {category.code for category in habits.categories}
