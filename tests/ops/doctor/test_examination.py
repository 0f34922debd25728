"""The examination goes on whatever one check does, and its report and status can be trusted by people and scripts."""

from __future__ import annotations

import asyncio
import io
import json
import threading
from pathlib import Path

import pytest

from ops.cli import main
from ops.doctor import report
from ops.doctor.examination import CHECKS, Check, Finding, examine
from ops.doctor.verdict import Grade, Verdict, found_or, ok
from ops.doctor.world import World, aside
from tests.adapters.sending import closed_port
from tests.ops.doctor.worlds import world

NOWHERE = f"postgresql://jedel:hidden@127.0.0.1:{closed_port()}/jedel"
ANY_PORT = [f"--set=listen.{key}=127.0.0.1:0" for key in ("ingest_tcp", "ingest_ws", "dispatch")]


async def _crash(_: World) -> list[Verdict]:
    raise ZeroDivisionError("by nought")


async def _hang(_: World) -> list[Verdict]:
    # A thread that never ends, as one that waits for a disk which has gone.
    await aside(threading.Event().wait)
    return []


async def _fine(_: World) -> list[Verdict]:
    return [ok("fine")]


def found(*checks: Check, timeout_s: float = 20.0, dsn: str = "") -> list[Finding]:
    return asyncio.run(examine(world(dsn=dsn), checks, timeout_s))


def test_check_that_crashes_is_a_fault_of_its_own_and_stops_no_other() -> None:
    crashed, fine = found(Check("one", _crash), Check("two", _fine))
    assert (crashed.check, crashed.grade, crashed.text) == (
        "one",
        Grade.FAULT,
        "the check itself crashed: ZeroDivisionError: by nought",
    )
    assert (fine.check, fine.grade) == ("two", Grade.OK)


def test_check_that_hangs_is_a_fault_of_its_own_and_stops_no_other() -> None:
    hung, fine = found(Check("one", _hang), Check("two", _fine), timeout_s=0.05)
    assert (hung.grade, hung.text) == (Grade.FAULT, "no result within 0.05 s")
    assert fine.grade is Grade.OK


def test_database_that_does_not_answer_is_told_once() -> None:
    findings = found(*CHECKS, dsn=NOWHERE)
    about = [one for one in findings if one.check == "database"]
    assert [one.grade for one in about] == [Grade.FAULT, Grade.WARNING]
    assert about[1].text == "not looked at without it: schema, clock, disk, lock, map, registers, roster, patrols"
    assert not {one.check for one in findings} & {"schema", "lock", "map"}
    assert "machine" in {one.check for one in findings}


def test_every_warning_and_fault_says_what_to_do(database: str, tmp_path: Path) -> None:
    findings = asyncio.run(examine(world(dsn=database, data_dir=tmp_path)))
    assert [one for one in findings if one.grade is not Grade.OK and not one.remedy] == []
    assert {one.check for one in findings} == {check.name for check in CHECKS}
    assert "crashed" not in report.as_json(findings)


def test_verdicts_of_nothing_found_are_one_ok() -> None:
    assert found_or([], "well") == [ok("well")]


@pytest.mark.parametrize(
    ("grades", "status", "strict"),
    [((), 0, 0), ((Grade.OK,), 0, 0), ((Grade.WARNING, Grade.OK), 0, 1), ((Grade.FAULT,), 1, 1)],
)
def test_status_is_1_for_a_fault_and_strictly_for_a_warning(grades: tuple[Grade, ...], status: int, strict: int) -> None:
    findings = [Finding("x", grade, "", "") for grade in grades]
    assert report.status(findings, strict=False) == status
    assert report.status(findings, strict=True) == strict


def test_faulty_configuration_is_the_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "jedel.toml"
    file.write_text("[terms]\naccept_s = -1\n[positions]\nstale_ = 3\n")
    assert main(["doctor", "--config", str(file)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["fault", "fault", "doctor:"]
    assert "terms.accept_s = -1: must be a number from 0 to 3600" in lines[0]
    assert "did you mean stale_s?" in lines[1]


def test_command_is_json_for_programs(database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # The data folder only names the embedded server where no DSN is given.
    arguments = ["doctor", "--json", "--dsn", database, "--set", f"database.data_dir={tmp_path}", *ANY_PORT]
    main(arguments)
    told = json.loads(capsys.readouterr().out)
    grades = [one["grade"] for one in told["findings"]]
    assert (told["faults"], told["warnings"]) == (grades.count("fault"), grades.count("warning"))
    assert set(told["findings"][0]) == {"check", "grade", "text", "remedy"}
    assert {
        "check": "lock",
        "grade": "warning",
        "text": "no process of this centre is active",
        "remedy": "jedel serve",
    } in told["findings"]


def test_command_without_faults_has_status_0_and_strictly_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["doctor", "--data-dir", str(tmp_path), *ANY_PORT]
    assert main(arguments) == 0, capsys.readouterr().out
    assert capsys.readouterr().out.splitlines()[-1].startswith("doctor: 0 faults, ")
    assert main([*arguments, "--strict"]) == 1
    assert list(tmp_path.iterdir()) == []


def test_table_shows_text_as_it_is() -> None:
    from rich.console import Console

    findings = [
        Finding("ports", Grade.FAULT, "listen.dispatch = [::1]:7113", "do [this]"),
        Finding("ports", Grade.OK, "free", ""),
    ]
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(report.as_table(findings))
    text = console.export_text()
    assert "[::1]:7113" in text
    assert "do [this]" in text
    assert text.count("ports") == 1
    assert "1 fault, 0 warnings, 1 ok" in text
