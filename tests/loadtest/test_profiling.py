"""Profiles: whose work a stack is, and what the page says of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadtest.bench.machine import Machine, Run
from loadtest.profiling import areas
from loadtest.profiling.areas import AREAS, Area, area_of
from loadtest.profiling.page import Profile, page
from loadtest.profiling.sampling import Spent, shares

ROOT = Path(__file__).resolve().parents[2]
DECIDING = (
    "thread (1)",
    "Runner.run (asyncio/runners.py:118)",
    "Centre._handle (core/centre.py:153)",
    "Engine.handle (core/engine.py:200)",
)


@pytest.mark.parametrize(
    ("inner", "area"),
    [
        ((), areas.TURNS),
        (("prepare (core/intake.py:60)", "gather (core/locate.py:55)", "search (routing/gazetteer.py:72)"), areas.LOCATE),
        (("prepare (core/intake.py:60)", "read_phone (core/phone.py:92)", "match (phonenumbers/re.py:1)"), areas.IDENTIFY),
        (("take (core/intake.py:87)", "CentreState.record (core/state.py:219)"), areas.INCIDENT),
        (
            ("_decisions (core/engine.py:210)", "CentreState.incident_changes.<locals>.<listcomp> (core/state.py:365)"),
            areas.VIEWS,
        ),
        (("choose (routing/crew_index.py:200)", "metres_of (routing/geodesy.py:90)"), areas.ASSIGN),
        (("prepare (core/intake.py:60)", "nearest (routing/streets.py:8)", "metres_of (routing/geodesy.py:90)"), areas.LOCATE),
        (("_read (asyncio/streams.py:1)",), areas.TURNS),
    ],
)
def test_stack_belongs_to_its_innermost_part(inner: tuple[str, ...], area: Area) -> None:
    assert area_of((*DECIDING, *inner)) is area


def test_every_file_that_is_named_is_there() -> None:
    packages = ("core", "protocols", "routing", "storage", "ops")
    files = [str(path.relative_to(ROOT)) for package in packages for path in (ROOT / package).rglob("*.py")]
    for beginning in (*areas._SHARED, *(one for named in areas._FILES.values() for one in named)):
        assert any(file.startswith(beginning) for file in files), beginning
    for file, function in areas._BY_FUNCTION:
        assert f"def {function.rpartition('.')[2]}(" in (ROOT / file).read_text(encoding="utf-8")


def test_looks_are_summed_by_part() -> None:
    raw = ";".join(DECIDING) + " 3\n" + ";".join((*DECIDING, "take (core/intake.py:9)")) + " 4\n" + "unheard of 1\n\n"
    assert shares(raw) == {"turns": 4, "correlate": 4}


def test_page_divides_the_services_time_and_says_how_far_a_target_is() -> None:
    machine = Machine(cpu="Some CPU", cores=2, memory_gb=24.0, kernel="Linux 6", fsync_p50_ms=0.2, fsync_p99_ms=0.3)
    run = Run(measured_on="2026-11-28", commit="abc", machine=machine, versions={"Python": "3.11.7"})
    looks = {"assign": 75, "decode": 25}
    one = Profile(
        "ingest_call", "A call", "call", 1_000, Spent(0.12, 0.03, 0.05), 5_000.0, looks, (("Ten times it", 20_000.0),)
    )
    text = page(run, [one], 200)
    assert "120 µs of the thread" in text
    # 150 µs of one interpreter, 200 of two cores.
    assert "bounds it at 6,667 a second" in text
    assert "the bound would be 10,000" in text
    assert "2 cores have 100 µs; that is 0.5 of" in text
    assert f"| assign | 112.5 | 75.0% | {areas.ASSIGN.work} |" in text
    assert "| locate |" not in text
    assert {area.name for area in AREAS} >= set(looks)
