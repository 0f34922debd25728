"""Recorded days as worlds: what is a call, which load has which calls, and whose demand is known."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops.cad import Cad, CadError, read_cad
from ops.cad_habits import Habits
from ops.policy_days import RecordedDays, days_of
from tests.ops.test_cad import text


def day(number: int) -> dict[str, str]:
    """A call at the same hour, so many days later; the night's stages are left out."""
    date = f"04/{7 + number:02d}/2020"
    stages = {
        column: f"{date} {time}"
        for column, time in (
            ("Received DtTm", "10:00:00 AM"),
            ("Entry DtTm", "10:02:00 AM"),
            ("Dispatch DtTm", "10:02:30 AM"),
            ("Response DtTm", "10:03:30 AM"),
            ("On Scene DtTm", "10:10:00 AM"),
            ("Available DtTm", "10:30:00 AM"),
        )
    }
    return {"Call Number": str(number), "Watch Date": date, **stages}


@pytest.fixture
def cad(tmp_path: Path) -> Cad:
    never_came = {**day(1), "Unit ID": "E33", "On Scene DtTm": "", "Available DtTm": ""}
    (tmp_path / "cad.csv").write_text(text(day(0), day(1), never_came, day(2), day(3)))
    return read_cad(tmp_path / "cad.csv")


def test_call_is_a_unit_that_came_with_its_recorded_stages(cad: Cad) -> None:
    calls = RecordedDays(cad, Habits(cad), "fire").world(1, (1,), (0,), 1.0, 1, 480.0).calls
    assert (calls.at_s.tolist(), calls.turnout_s.tolist(), calls.work_s.tolist()) == ([120.0], [60.0], [1200.0])


@pytest.mark.parametrize(("load", "calls"), [(1.0, 1), (2.0, 2), (4.0, 2)])
def test_load_lays_other_days_over_the_day(cad: Cad, load: float, calls: int) -> None:
    world = RecordedDays(cad, Habits(cad), "fire").world(3, (2, 3), (0, 1), load, 1, 480.0)
    assert world.calls.at_s.tolist() == [120.0] * calls


def test_demand_is_that_of_the_known_days(cad: Cad) -> None:
    world = RecordedDays(cad, Habits(cad), "fire").world(3, (2, 3), (0, 1), 1.0, 1, 480.0)
    assert world.demand[:, 2].tolist() == pytest.approx([1 / 24])


def test_records_are_refused_when_nobody_can_do_it(cad: Cad) -> None:
    assert days_of(cad) == 4
    with pytest.raises(CadError, match="ambulance"):
        RecordedDays(cad, Habits(cad), "ambulance")
